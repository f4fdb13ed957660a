"""Takes the picture of the README: the surface view as a learner sees it, in JupyterLab in Chromium.

python -m docs.picture
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from authoring.lab import Notebook, jupyter_lab, launch, write_notebook

VIEW = "from lwlr_teach.views import SurfaceView\nSurfaceView('ravine', at_lr=0.02)"


def main() -> None:
    """Write docs/surface-view.png."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        root, home = Path(folder, "root"), Path(folder, "home")
        root.mkdir()
        write_notebook(root / "picture.ipynb", VIEW)
        browser = launch(playwright)
        page = browser.new_page(viewport={"width": 1400, "height": 800}, device_scale_factor=1.5)
        with jupyter_lab(root, home) as (address, _):
            notebook = Notebook(page, address, "picture.ipynb")
            notebook.run_all()
            view = notebook.view()
            page.mouse.move(0, 0)
            view.root.screenshot(path=Path(__file__).with_name("surface-view.png"))
        browser.close()


if __name__ == "__main__":
    main()
