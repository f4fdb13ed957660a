"""One JupyterLab and one Chromium for all browser tests, a fresh page for each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.lab import Notebook, chromium, jupyter_lab, launch

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


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


@pytest.fixture
def open_notebook(browser: Browser, address: str) -> Iterator[Callable[..., Notebook]]:
    """Opens a notebook of ``root`` in a page of its own; afterwards its kernel is shut down."""
    opened: list[Notebook] = []

    def open_one(name: str, *, pixel_ratio: float = 1, width: int = 1400) -> Notebook:
        opened.append(_open(browser, address, name, pixel_ratio=pixel_ratio, width=width))
        return opened[-1]

    yield open_one
    for notebook in opened:
        _close(notebook)


@pytest.fixture(scope="module")
def kept() -> Iterator[dict[str, Notebook]]:
    """The notebooks that a module's tests share: a page and a kernel take longer than most tests."""
    notebooks: dict[str, Notebook] = {}
    yield notebooks
    for notebook in notebooks.values():
        _close(notebook)


@pytest.fixture
def run_again(
    browser: Browser, address: str, kept: dict[str, Notebook]
) -> Callable[[str], Iterator[Notebook]]:
    """Runs every cell of a notebook of ``root``, in the page and kernel of earlier tests if they are left.

    The views are new ones. Afterwards neither the page nor a cell may have had an error.
    """

    def run(name: str) -> Iterator[Notebook]:
        if name in kept and not kept[name].has_kernel():
            _close(kept.pop(name))
        if name not in kept:
            kept[name] = _open(browser, address, name)
        notebook = kept[name]
        notebook.page_errors.clear()
        notebook.page.mouse.move(0, 0)
        notebook.theme("JupyterLab Light")
        notebook.run_all()
        yield notebook
        assert notebook.page_errors == []
        assert notebook.cell_errors() == []

    return run


def _open(
    browser: Browser, address: str, name: str, *, pixel_ratio: float = 1, width: int = 1400
) -> Notebook:
    page = browser.new_page(viewport={"width": width, "height": 900}, device_scale_factor=pixel_ratio)
    return Notebook(page, address, name)


def _close(notebook: Notebook) -> None:
    notebook.shut_down_kernel()
    notebook.page.close()
