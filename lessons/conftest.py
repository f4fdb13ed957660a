"""For ``pytest --nbval lessons``: each notebook begins as it was built, with an empty record of progress.

It runs as on another processor, see ``authoring/disturbance.py``: what a lesson says must hold there as well.
A claim that does not hold is an error.
"""

import os
import tempfile
from pathlib import Path

import pytest

from authoring import build, disturbance, elsewhere

_folder = tempfile.TemporaryDirectory(prefix="lwlr-nbval-")
elsewhere.prepare(Path(_folder.name))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Name what the notebook's kernel inherits before nbval starts it."""
    os.environ["LWLR_CLAIMS"] = "strict"
    os.environ["LWLR_PROGRESS"] = str(Path(_folder.name) / f"{item.path.stem}.json")
    os.environ |= build.NO_BARS
    os.environ["IPYTHONDIR"] = _folder.name
    os.environ.setdefault(disturbance.SEED, "1")


def pytest_unconfigure() -> None:
    _folder.cleanup()
