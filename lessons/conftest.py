"""For ``pytest --nbval lessons``: each notebook begins as it was built, with an empty record of progress.

A claim that does not hold is an error.
"""

import os
import tempfile
from pathlib import Path

import pytest

_folder = tempfile.TemporaryDirectory(prefix="lwlr-progress-")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Name the file before nbval starts the notebook's kernel, which inherits it."""
    os.environ["LWLR_CLAIMS"] = "strict"
    os.environ["LWLR_PROGRESS"] = str(Path(_folder.name) / f"{item.path.stem}.json")


def pytest_unconfigure() -> None:
    _folder.cleanup()
