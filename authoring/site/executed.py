"""The learners' notebooks as a kernel leaves them, with their widgets; kept in build between two sites."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from authoring import build
from authoring.site import views

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
    run(notebook)
    KEPT.mkdir(parents=True, exist_ok=True)
    for older in KEPT.glob(f"{source.stem}-*.ipynb"):
        older.unlink()
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(nbformat.writes(notebook), encoding="utf-8")
    unfinished.replace(path)
    return notebook


def run(notebook: NotebookNode) -> None:
    """Run a notebook from top to bottom; ``metadata.widgets`` has its views from then on."""
    build.execute(notebook)
    notebook.metadata["widgets"] = views.states(notebook)


@cache
def _package() -> str:
    """A hash of everything that a kernel reads of the package."""
    found = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*")):
        if path.is_file() and path.suffix not in _IN_THE_PAGE_ONLY:
            found.update(path.relative_to(PACKAGE).as_posix().encode() + path.read_bytes())
    return found.hexdigest()
