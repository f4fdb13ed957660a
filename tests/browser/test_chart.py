"""What the browser draws of a declared chart is what Python has declared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from playwright.sync_api import Browser, Page

from lwlr_teach.runs import train_ensemble
from lwlr_teach.views import RatesView, WidthView
from lwlr_teach.views.kit.base import View
from tests.browser.bare import mount
from tests.browser.small import RATES, small

# The curves that the picture of this name remembers: for each plot their names and heights.
CURVES = """(name) => document.querySelector(`canvas.lwlr-${name}`).plots.map((p) =>
  p.curves.map((c) => [c.name, Array.from({ length: c.n }, (_, i) => c.y(i))]))"""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 640, "height": 900})
    yield page
    page.close()


def show(page: Page, view: View, **state: Any) -> None:
    mount(page, view)
    page.evaluate("changes => tell(changes)", state)


def widths() -> WidthView:
    """Two runs of two widths; in muP both are best at the middle rate."""
    standard, mup = small("width").runs.values()  # type: ignore[attr-defined]
    best = torch.tensor([[2.0, 1, 2], [2, 1, 2]])[..., None]
    lr = torch.tensor([0.001, 0.01, 0.0312])
    standard = replace(standard, lr=lr, train_loss=best.roll(1, dims=1))
    return WidthView([standard, replace(mup, lr=lr, train_loss=best)])


def test_a_line_for_each_visible_method_at_what_is_chosen(page: Page) -> None:
    view = widths()
    show(page, view, run="standard")
    ((narrow, wide),) = page.evaluate(CURVES, "main")
    assert (narrow[0], wide[0]) == ("width 8", "width 16")
    assert wide[1] == [2, 2, 1]
    page.evaluate("changes => tell(changes)", {"run": "muP", "shown": ["width 16"]})
    assert page.evaluate(CURVES, "main") == [[["width 16", [2, 1, 2]]]]


def test_the_lines_of_all_that_can_be_chosen_stay(page: Page) -> None:
    view = widths()
    show(page, view, run="muP")
    ((standard, mup),) = page.evaluate(CURVES, "side-1")
    assert (standard[0], mup[0]) == ("standard", "muP")
    assert standard[1] == pytest.approx([0.0312, 0.0312])
    assert mup[1] == pytest.approx([0.01, 0.01])


def test_a_row_of_strips_for_each_visible_method(page: Page) -> None:
    view = RatesView(train_ensemble(lr=RATES, steps=20, progress=False))
    show(page, view, lr_index=2, shown=["SGD", "Adam"])
    loss, accuracy = view.ensemble.train_loss, view.ensemble.test_accuracy
    strips = page.evaluate(CURVES, "strips")
    assert [[name for name, _ in curves] for curves in strips] == [["SGD"], ["Adam"]] * 2
    for curves, values in zip(strips, [loss[0], loss[2], accuracy[0], accuracy[2]], strict=True):
        assert curves[0][1] == pytest.approx(values.median(-1).values.tolist())
    ((sgd, adam),) = page.evaluate(CURVES, "side-1")
    means = view.ensemble.batch_losses[[0, 2], 2].mean(1).unflatten(-1, (-1, 5)).mean(-1)
    torch.testing.assert_close(torch.tensor([sgd[1], adam[1]]), means)


def test_a_click_goes_to_the_nearest_position_and_the_rule_follows(page: Page) -> None:
    show(page, small("rates"), lr_index=3)
    box = page.locator("canvas.lwlr-strips").bounding_box()
    assert box
    page.mouse.click(box["x"] + 42, box["y"] + 80)
    assert page.evaluate("state.lr_index") == 0
    assert "learning rate 0.01, after" in page.evaluate("sentence()")


def test_a_side_picture_says_what_it_is(page: Page) -> None:
    show(page, small("rates"), lr_index=1)
    said = page.locator("canvas.lwlr-side-1").get_attribute("aria-label") or ""
    assert said.startswith("training loss at rate 0.1 against step. Digits network, learning rate 0.1, ")


def test_the_last_number_below_an_axis_ends_in_the_picture(page: Page) -> None:
    page.evaluate("""() => {
      window.ends = [];
      const write = CanvasRenderingContext2D.prototype.fillText;
      CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
        const end = x + this.measureText(text).width / 2;
        if (this.textAlign === "center") ends.push(end - this.canvas.clientWidth);
        write.call(this, text, x, y);
      };
    }""")
    mount(page, widths())
    page.evaluate("sentence()")
    ends = page.evaluate("ends")
    assert len(ends) > 3
    assert max(ends) <= 0.01
