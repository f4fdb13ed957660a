"""For ``pytest --nbval lessons -p authoring.opened``: each lesson that nbval has run is opened in JupyterLab.

The page takes the outputs and the kernel that nbval has at the end, and is then as after "Run All", so that
no lesson runs twice. Every picture must be there and answer its sliders as the kernel says, each at both ends
and in the middle, and axe-core must find nothing in any view, light and dark.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import groupby
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.sign import NotebookNotary
from nbval.plugin import IPyNbCell, IPyNbFile
from playwright.sync_api import Page, sync_playwright

from authoring.axe import violations
from authoring.build import WIDGET_VIEW
from authoring.cells import code_cells
from authoring.lab import Notebook, chromium, jupyter_lab, launch, lend_kernel
from authoring.sliders import PLACES, move

# Playwright leaves its event loop running in its thread, where nbval could not talk to a kernel any more.
_thread = ThreadPoolExecutor(1)
_end = ExitStack()
_desks: list[tuple[Page, str, Path]] = []  # one, once it is needed


class Opened(pytest.Item):
    """A lesson in JupyterLab, after the last of its cells."""

    def runtest(self) -> None:
        if chromium() is None and not os.environ.get("CI"):
            pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
        _thread.submit(self._open).result()

    def _open(self) -> None:
        if not _desks:
            _desks.append(_end.enter_context(_desk()))
        page, address, home = _desks[0]
        file: IPyNbFile = self.parent
        ran = _as_run(file)
        nbformat.write(ran, home / "root" / self.path.name)
        NotebookNotary(data_dir=str(home / "data")).sign(ran)  # from strangers JupyterLab takes no widgets
        lend_kernel(Path(file.kernel.km.connection_file), address, home, self.path.name)
        notebook = Notebook(page, address, self.path.name)
        cells = [number for number, cell in code_cells(ran) if _lives(cell)]
        try:
            check(notebook, cells)
            check_for_everybody(notebook, len(cells))
        finally:
            notebook.close()  # else its views would be taken for those of the next lesson

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, f"{self.path.stem} in JupyterLab"


def check(notebook: Notebook, cells: list[int]) -> None:
    """There is a view below each of these cells, nothing went wrong, and what has a slider answers it."""
    assert notebook.cell_errors() == []
    pictures = 0
    for number in cells:
        view = notebook.view_below(number)
        # A race shows the slider of a shared rate only to whoever asks for one.
        names = ("lr", "limit", "shots", "step", "layer-0")
        sliders = (n for n in names if view.slider(n).count() and view.slider(n).is_visible())
        slider = next(sliders, None)
        if slider is not None:  # else a prediction, a question: tests/browser/test_teaching.py
            pictures += 1
            first = view.root.locator("canvas[role=img]").first
            before, said = first.evaluate("c => c.toDataURL()"), view.sentence()
            # To another place than it stands at, whatever its length.
            view.press(slider, "Home" if view.position(slider) else "End")
            assert first.evaluate("c => c.toDataURL()") != before
            assert view.sentence() != said
        if view.root.locator("input[type=range]:enabled").count():
            for share in PLACES:
                assert move(view.root, share) == []
                assert view.sentence() in notebook.ask(_SAID)
                assert view.root.locator(".lwlr-fault").inner_text() == ""
    assert pictures > 0
    assert notebook.page_errors + notebook.cell_errors() == []


def check_for_everybody(notebook: Notebook, count: int) -> None:
    """axe-core finds nothing in the views of this page, so many, which ``check`` has all seen."""
    views = notebook.page.locator(".lwlr-view")
    assert views.count() >= count
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        notebook.theme(theme)
        found = violations(views)
        assert not found, "\n".join([f"{theme}:", *found])
    assert notebook.page_errors == []


_SAID = """
from ipywidgets.widgets.widget import _instances
print([w.describe() for w in _instances.values() if hasattr(w, "describe")])
"""


def _lives(cell: NotebookNode) -> bool:
    return any(WIDGET_VIEW in output.get("data", {}) for output in cell.outputs)


def _as_run(file: IPyNbFile) -> NotebookNode:
    """The notebook with the outputs that nbval has seen."""
    notebook = nbformat.read(file.path, as_version=4)
    for (_, cell), test in zip(code_cells(notebook), _tests[file.nodeid], strict=True):
        cell.outputs = test.test_outputs or []
    return notebook


_tests: dict[str, list[IPyNbCell]] = {}


@contextmanager
def _desk() -> Iterator[tuple[Page, str, Path]]:
    """A page, and JupyterLab's address and home."""
    with tempfile.TemporaryDirectory(prefix="lwlr-opened-") as folder, sync_playwright() as playwright:
        home = Path(folder)
        (home / "root").mkdir()
        browser = launch(playwright)
        with jupyter_lab(home / "root", home) as (address, _):
            yield browser.new_page(viewport={"width": 1400, "height": 900}), address, home
        browser.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    with_opened: list[pytest.Item] = []
    for parent, tests in groupby(items, lambda item: item.parent):
        with_opened += (cells := list(tests))
        if isinstance(parent, IPyNbFile):
            _tests[parent.nodeid] = cells
            with_opened.append(Opened.from_parent(parent, name="in JupyterLab"))
    items[:] = with_opened


def pytest_unconfigure() -> None:
    _thread.submit(_end.close).result()
