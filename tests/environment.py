"""Environments to try an installation in."""

from __future__ import annotations

import sysconfig
import venv
from pathlib import Path


def fresh_environment(folder: Path) -> Path:
    """A fresh environment in ``folder`` which has all dependencies, but not this project."""
    prefix = folder / "environment"
    venv.create(prefix, with_pip=True)
    packages = sysconfig.get_path("purelib", vars={"base": str(prefix)})
    # A .pth file adds the folder, but runs none of the .pth files in it: the editable install stays unseen.
    Path(packages, "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    return prefix
