"""Each test has a file of progress of its own, and a kernel that has shown nothing yet."""

import json

import pytest

from lwlr_teach.teaching import predictions, progress


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    """Where the progress of this test is kept."""
    path = tmp_path / "lwlr-progress.json"
    monkeypatch.setenv("LWLR_PROGRESS", str(path))
    new_kernel(monkeypatch)
    return path


@pytest.fixture
def restart(monkeypatch):
    """Forget what a kernel remembers, as when the lesson is opened again."""
    return lambda: new_kernel(monkeypatch)


def new_kernel(monkeypatch):
    monkeypatch.setattr(progress, "_unsaved", {})
    monkeypatch.setattr(predictions, "_shown", set())


@pytest.fixture
def kept(file):
    """What the file holds."""
    return lambda: json.loads(file.read_text(encoding="utf-8"))
