"""One JupyterLab and one Chromium for all browser tests of a process; and empty pages, which open at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from authoring.lab import Notebook, chromium, jupyter_lab, launch
from lwlr_teach.views.kit.base import View
from tests.browser.bare import Bare, run

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if "address" in item.fixturenames:  # in JupyterLab
                item.add_marker(pytest.mark.slow)


# These end with this folder's tests, not with the session: Playwright leaves its event loop running in this
# thread, where asyncio.run would fail, and JupyterLab and Chromium would hold memory until the end.


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if chromium() is None and not os.environ.get("CI"):
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        started = launch(playwright)
        yield started
        started.close()


@pytest.fixture(scope="package")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that JupyterLab shows."""
    return tmp_path_factory.mktemp("root")


@pytest.fixture(scope="package")
def address(root: Path, tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[str]:
    with jupyter_lab(root, tmp_path_factory.mktemp("home")) as (address, _):
        yield address


class Desk:
    """Opens notebooks, each in a page to itself. A page whose notebook was closed is used again, because
    JupyterLab takes seconds to load."""

    def __init__(self, browser: Browser, address: str) -> None:
        self._browser, self._address = browser, address
        self._free: dict[tuple[float, int], list[Page]] = {}
        self._kinds: dict[Notebook, tuple[float, int]] = {}

    def open(self, name: str, *, pixel_ratio: float = 1, width: int = 1400) -> Notebook:
        free = self._free.setdefault((pixel_ratio, width), [])
        if not free:
            viewport: ViewportSize = {"width": width, "height": 900}
            free.append(self._browser.new_page(viewport=viewport, device_scale_factor=pixel_ratio))
        notebook = Notebook(free.pop(), self._address, name)
        self._kinds[notebook] = (pixel_ratio, width)
        return notebook

    def close(self, notebook: Notebook) -> None:
        notebook.close()
        self._free[self._kinds.pop(notebook)].append(notebook.page)


@pytest.fixture(scope="package")
def desk(browser: Browser, address: str) -> Desk:
    return Desk(browser, address)


@pytest.fixture
def open_notebook(desk: Desk) -> Iterator[Callable[..., Notebook]]:
    """Opens a notebook of ``root`` in a page of its own; afterwards its kernel is shut down."""
    opened: list[Notebook] = []

    def open_one(name: str, **options: Any) -> Notebook:
        opened.append(desk.open(name, **options))
        return opened[-1]

    yield open_one
    for notebook in opened:
        desk.close(notebook)


@pytest.fixture(scope="module")
def kept(desk: Desk) -> Iterator[dict[str, Notebook]]:
    """The notebooks that a module's tests share: a page and a kernel take longer than most tests."""
    notebooks: dict[str, Notebook] = {}
    yield notebooks
    for notebook in notebooks.values():
        desk.close(notebook)


@pytest.fixture
def run_again(desk: Desk, kept: dict[str, Notebook]) -> Callable[..., Iterator[Notebook]]:
    """Runs a notebook of ``root`` in the page and kernel of earlier tests, if they are left.

    All its cells or only ``cells``, after the code ``before`` has run beside them. The views are new ones.
    Afterwards neither the page nor a cell may have had an error.
    """

    def run_one(name: str, *, cells: Iterable[int] = (), before: str = "") -> Iterator[Notebook]:
        if name in kept and not kept[name].has_kernel():
            desk.close(kept.pop(name))
        if name not in kept:
            kept[name] = desk.open(name)
        notebook = kept[name]
        notebook.page_errors.clear()
        notebook.page.mouse.move(0, 0)
        notebook.theme("JupyterLab Light")
        notebook.clear_outputs()
        notebook.ask(before)
        for cell in cells:
            notebook.run_cell(cell)
        if not cells:
            notebook.run_all()
        notebook.page.wait_for_timeout(500)  # until what was shown last has come into view
        yield notebook
        assert notebook.page_errors == []
        assert notebook.cell_errors() == []

    return run_one


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """What the cells of a module's bare tests have named."""
    return {}


@pytest.fixture
def show(browser: Browser, names: dict[str, Any]) -> Iterator[Callable[..., Bare]]:
    """Shows what cells make in an empty page. A cell without a view is run once for all tests of a module.

    Afterwards no page may have had an error.
    """
    shown: list[tuple[Bare, list[View]]] = []
    errors: list[str] = []

    def show_all(
        *cells: str, width: int = 1000, pixel_ratio: float = 1, address: str = "about:blank"
    ) -> Bare:
        made = [run(cell, names) for cell in cells if cell not in names.setdefault("done", set())]
        views = [value for value in made if isinstance(value, View)]
        names["done"] |= set(cells[: len(cells) - len(views)])
        page = browser.new_page(viewport={"width": 1400, "height": 900}, device_scale_factor=pixel_ratio)
        page.on("pageerror", lambda error: errors.append(error.stack or str(error)))
        page.goto(address)
        shown.append((Bare(page, names, views, width), views))
        return shown[-1][0]

    yield show_all
    for bare, views in shown:
        bare.page.close()
        for view in views:
            view.close()
    assert errors == []
