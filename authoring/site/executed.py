"""The learners' notebooks as a kernel leaves them, with their widgets; kept in build between two sites."""

from __future__ import annotations

import hashlib
import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from authoring import build
from authoring.site import views
from lwlr_teach.teaching.course import COURSE

KEPT = build.ROOT / "build" / "executed"
PACKAGE = build.ROOT / "lwlr_teach"
_IN_THE_PAGE_ONLY = {".js", ".css", ".pyc", ".ts"}


def executed(source: Path) -> NotebookNode:
    """The notebook of a source after a run from top to bottom.

    ``metadata.widgets`` has what every view was in the end. A run is kept until the source or the package
    changes; what only the browser reads does not count.
    """
    notebook = build.read(source)
    key = hashlib.sha256((_package() + nbformat.writes(notebook)).encode()).hexdigest()[:16]
    path = KEPT / f"{source.stem}-{key}.ipynb"
    if path.exists():
        return nbformat.read(path, as_version=4)
    print(f"running {source.stem}", flush=True)
    run(notebook, source.stem)
    KEPT.mkdir(parents=True, exist_ok=True)
    for older in KEPT.glob(f"{source.stem}-*.ipynb"):
        older.unlink()
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(nbformat.writes(notebook), encoding="utf-8")
    unfinished.replace(path)
    return notebook


def run(notebook: NotebookNode, name: str) -> None:
    """Run a notebook from top to bottom; ``metadata.widgets`` has its views from then on."""
    with tempfile.TemporaryDirectory() as folder:
        progress = Path(folder) / "progress.json"
        progress.write_text(json.dumps(record_before(name)), encoding="utf-8")
        build.execute(notebook, LWLR_PROGRESS=str(progress))
    notebook.metadata["widgets"] = views.states(notebook)


def record_before(name: str) -> dict[str, Any]:
    """A record of progress in which all lessons before this one were opened, so that it asks about the last.

    With an empty one every lesson would recall the first: a page cannot choose its questions later.
    """
    names = [lesson.name for lesson in COURSE]
    earlier = names[: names.index(name)] if name in names else []
    return {"lessons": {lesson: {"opened": 1} for lesson in earlier}}


@cache
def _package() -> str:
    """A hash of everything that a kernel reads of the package."""
    found = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*")):
        if path.is_file() and path.suffix not in _IN_THE_PAGE_ONLY:
            found.update(path.relative_to(PACKAGE).as_posix().encode() + path.read_bytes())
    return found.hexdigest()
