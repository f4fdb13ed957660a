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
        page = browser.new_page(viewport={"width": width, "height": 900}, device_scale_factor=pixel_ratio)
        opened.append(Notebook(page, address, name))
        return opened[-1]

    yield open_one
    for notebook in opened:
        notebook.shut_down_kernel()
        notebook.page.close()
