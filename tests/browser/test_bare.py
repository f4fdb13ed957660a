"""Views in an empty page, without JupyterLab: in a narrow column, and with names that look like HTML."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from playwright.sync_api import Browser, Page

from lwlr_teach.optim import SGD, Method
from lwlr_teach.runs.recorder import QUANTITIES, Recording
from lwlr_teach.studies import sweep_momentum, train_layer_rates
from lwlr_teach.teaching import predict_choice, predict_curve, predict_number
from lwlr_teach.teaching.items import Question
from lwlr_teach.teaching.questions import Recall
from lwlr_teach.views import InspectorView, LayerRatesView, MomentumView, SplitView, SurfaceView
from lwlr_teach.views.kit.base import View

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


def recording(first: str = "first") -> Recording:
    values = torch.rand(len(QUANTITIES), 3, 4, generator=torch.Generator().manual_seed(0))
    return Recording((first, "a.much.longer.name", "last"), torch.tensor([0, 10, 20, 25]), values)


VIEWS: dict[str, Callable[[], View]] = {
    "surface": lambda: SurfaceView("quadratic", ["SGD"], lr=[0.05, 0.1], steps=5),
    "momentum": lambda: MomentumView(sweep_momentum()),
    "splits": SplitView,
    "inspector": lambda: InspectorView(recording()),
    "layers": lambda: LayerRatesView(train_layer_rates(seeds=1, steps=5, rates=(0.1, 1), progress=False)),
    "number": lambda: predict_number("x", "How many?", [1, 2, 3], within=1),
    "curve": lambda: predict_curve("y", "How?", x={"range": [0, 9]}, y={"range": [0, 1]}),
}


HOSTILE = "<img src=x onerror='window.hacked = 1'><script>window.hacked = 1</script>"
STRANGE: dict[str, Callable[[], View]] = {
    "inspector": lambda: InspectorView(recording(HOSTILE), title=HOSTILE),
    "number": lambda: predict_number("x", HOSTILE, [1, 2], within=1, unit=HOSTILE),
    "choice": lambda: predict_choice("x", HOSTILE, [HOSTILE, "no"]),
    "recall": lambda: Recall([Question("x", "01-learning-rate", HOSTILE, (HOSTILE, "no"), 0, HOSTILE)]),
    "surface": lambda: SurfaceView("quadratic", [Method(HOSTILE, SGD)], lr=[0.05, 0.1], steps=5),
}


@pytest.fixture
def show(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[[View], Page]]:
    """Shows a view in an empty page, without a kernel."""
    monkeypatch.setenv("LWLR_PROGRESS", str(tmp_path / "progress.json"))
    page = browser.new_page()
    page.set_content("<main style='width: 600px; overflow: hidden'></main>")

    def put(view: View) -> Page:
        state: dict[str, Any] = {
            name: base64.b64encode(value).decode() if isinstance(value, bytes) else value
            for name, value in view.trait_values(sync=True).items()
            if not name.startswith("_") and name not in ("layout", "tooltip", "tabbable")
        }
        page.add_style_tag(content=view._css)
        page.evaluate(RENDER, [view._esm, state])
        return page

    yield put
    page.close()


@pytest.mark.parametrize("make", VIEWS.values(), ids=VIEWS)
def test_a_view_is_drawn_at_every_width(show: Callable[[View], Page], make: Callable[[], View]) -> None:
    page = show(make())
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    for width in (600, 150, 90, 60, 45, 20, 1, 400):
        page.evaluate(RESIZE, width)
        assert errors == [], width
    assert page.locator("main canvas").count()


@pytest.mark.parametrize("make", STRANGE.values(), ids=STRANGE)
def test_what_looks_like_html_is_text(show: Callable[[View], Page], make: Callable[[], View]) -> None:
    page = show(make())
    page.evaluate(RESIZE, 500)
    assert page.locator("main img, main script").count() == 0
    assert page.evaluate("window.hacked") is None
    assert HOSTILE in (page.locator("main").text_content() or "")
