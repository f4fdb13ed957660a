"""Where the lessons are, and what else is handed out with the package and is no module of it."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def handed_out(name: str) -> Path:
    """The file or folder of this name: a wheel holds it inside the package, a clone beside it.

    It may be in neither: only the wheels of releases hold the site.
    """
    inside = PACKAGE / name
    return inside if inside.exists() else PACKAGE.parent / name
