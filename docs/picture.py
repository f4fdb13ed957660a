"""Takes the pictures of the README: the surface view as a learner sees it, in JupyterLab in Chromium, still
and while its start is dragged.

python -m docs.picture
"""

from __future__ import annotations

import io
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from authoring.lab import Notebook, View, jupyter_lab, launch, write_notebook

VIEW = "from lwlr_teach.views import SurfaceView\nSurfaceView('ravine', at_lr=0.02)"
DOCS = Path(__file__).parent
FRAMES = 60
MILLISECONDS = 80
"""Each frame is shown so long."""
WIDTH = 900
"""Of the moving picture, in pixels."""


def main() -> None:
    """Write docs/surface-view.png and docs/surface-view.webp."""
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
            view.root.screenshot(path=DOCS / "surface-view.png")
            first, *others = _dragged(view)
        browser.close()
    first.save(
        DOCS / "surface-view.webp",
        save_all=True,
        append_images=others,
        duration=MILLISECONDS,
        loop=0,
        quality=55,
        method=6,
    )


def _dragged(view: View) -> Iterator[Image.Image]:
    """The view while its start is dragged once around over the map, back to where it was."""
    box = view.canvas("map").bounding_box()
    assert box is not None
    mouse = view.page.mouse
    for frame in range(FRAMES):
        turn = 2 * math.pi * frame / FRAMES
        x = box["x"] + box["width"] * (0.5 - 0.38 * math.cos(turn))
        y = box["y"] + box["height"] * (0.5 + 0.36 * math.sin(turn))
        if frame == 0:
            mouse.click(x, y)
            mouse.down()
        mouse.move(x, y)
        view.settle()
        taken = Image.open(io.BytesIO(view.root.screenshot())).convert("RGB")
        yield taken.resize((WIDTH, round(taken.height * WIDTH / taken.width)), Image.Resampling.LANCZOS)
    mouse.up()


if __name__ == "__main__":
    main()
