"""Views in a column that gets narrower and wider, without JupyterLab: they draw what they can."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
import torch
from playwright.sync_api import Browser

from lwlr_teach.recorder import QUANTITIES, Recording
from lwlr_teach.teaching import predict_curve, predict_number
from lwlr_teach.views import InspectorView, LayerRatesView, MomentumView, SplitView, SurfaceView
from lwlr_teach.views.base import View

RENDER = """async ([source, state]) => {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const { default: { render } } = await import(url);
  const model = { get: (name) => state[name], set() {}, save_changes() {}, on() {}, off() {} };
  await render({ model, el: document.querySelector("main") });
}"""
RESIZE = """(width) => new Promise((done) => {
  document.querySelector("main").style.width = `${width}px`;
  requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(done)));
})"""


def recording() -> Recording:
    values = torch.rand(len(QUANTITIES), 3, 4, generator=torch.Generator().manual_seed(0))
    return Recording(("first", "a.much.longer.name", "last"), torch.tensor([0, 10, 20, 25]), values)


VIEWS: dict[str, Callable[[], View]] = {
    "surface": lambda: SurfaceView("quadratic", ["SGD"], lr=[0.05, 0.1], steps=5),
    "momentum": MomentumView,
    "splits": SplitView,
    "inspector": lambda: InspectorView(recording()),
    "layers": lambda: LayerRatesView(seeds=1, steps=5, rates=(0.1, 1), progress=False),
    "number": lambda: predict_number("x", "How many?", [1, 2, 3], within=1),
    "curve": lambda: predict_curve("y", "How?", x={"range": [0, 9]}, y={"range": [0, 1]}),
}


@pytest.mark.parametrize("make", VIEWS.values(), ids=VIEWS)
def test_a_view_is_drawn_at_every_width(browser: Browser, make: Callable[[], View], monkeypatch, tmp_path):
    monkeypatch.setenv("LWLR_PROGRESS", str(tmp_path / "progress.json"))
    view = make()
    state: dict[str, Any] = {
        name: base64.b64encode(value).decode() if isinstance(value, bytes) else value
        for name, value in view.trait_values(sync=True).items()
        if not name.startswith("_") and name not in ("layout", "tooltip", "tabbable")
    }
    errors: list[str] = []
    page = browser.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_content("<main style='width: 600px; overflow: hidden'></main>")
    page.add_style_tag(content=view._css)
    page.evaluate(RENDER, [view._esm, state])
    for width in (600, 150, 90, 60, 45, 20, 1, 400):
        page.evaluate(RESIZE, width)
        assert errors == [], width
    assert page.locator("main canvas").count()
    page.close()
