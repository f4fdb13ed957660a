"""Addresses: of the repository, which is written in pyproject.toml alone, and of what opens its lessons."""

from __future__ import annotations

import tomllib

from authoring.build import ROOT

FIRST = "00-start-here"
REPOSITORY: str = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]["Repository"]
_SLUG = REPOSITORY.removeprefix("https://github.com/")


def binder(lesson: str) -> str:
    """Where a lesson opens on Binder, in a copy of one's own."""
    return f"https://mybinder.org/v2/gh/{_SLUG}/main?urlpath=lab/tree/my-lessons/{lesson}.ipynb"


def colab(lesson: str) -> str:
    """Where a lesson opens in Colab."""
    return f"https://colab.research.google.com/github/{_SLUG}/blob/main/lessons/{lesson}.ipynb"


def source(path: str) -> str:
    """Where a file of the repository can be read."""
    return f"{REPOSITORY}/blob/main/{path}"
