"""The width view."""

import pytest

SETUP = """
from lwlr_teach.views import WidthView
from lwlr_teach.studies.width import train_widths
rates = [0.001, 0.004, 0.016, 0.06, 0.25, 5.0]
how = dict(lr=rates, widths=[8, 16, 32], base=8, seeds=2, steps=12, progress=False)
runs = [train_widths('Adam', way, **how) for way in ('standard', 'muP')]
"""
VIEW = "view = WidthView(runs)\nview"
ALONE = "alone = WidthView(runs[0], shown=['width 8'])\nalone"
CELLS = [SETUP, VIEW, ALONE]


@pytest.fixture
def bare(show):
    return show(*CELLS)


def radio(view, name):
    return view.root.locator(f'input[type=radio][data-name="run"][value="{name}"]')


def test_the_best_rate_is_drawn_where_the_kernel_says(bare):
    """The colour of width 16 lies at its best rate and the loss there."""
    view = bare.view()
    bare.ask("view.shown = ['width 16']; view.lr_index = 0")
    for run in ("standard", "muP"):
        radio(view, run).click()
        view.settle()
        place, height = map(
            float,
            bare.ask(
                "import math; r = view.runs[view.run]; i = 1; b = int(r.best[i]);"
                "low, high = view.plan['main']['panels'][0]['y']['range'];"
                "print(math.log(r.lr[b] / r.lr[0]) / math.log(r.lr[-1] / r.lr[0]),"
                " math.log(float(r.loss[i, b]) / low) / math.log(high / low))"
            ).split(),
        )
        colour = view.canvas("main").evaluate(
            """(c, [x, y]) => {
              const [w, h] = [c.clientWidth - 56, c.clientHeight - 62];
              const pixel = c.getContext('2d').getImageData(42 + x * w, 24 + (1 - y) * h, 1, 1);
              return [...pixel.data.slice(0, 3)];
            }""",
            [place, height],
        )
        assert colour == [230, 159, 0]


def test_keys_move_the_slider_and_the_runs(bare):
    view = bare.view()
    view.press("lr", "Home")
    view.press("lr", "ArrowRight", 2)
    assert view.position("lr") == 2
    before = view.picture("side-1")
    radio(view, "standard").focus()
    bare.page.keyboard.press("ArrowRight")
    assert radio(view, "muP").is_checked()
    assert view.picture("side-1") != before
    assert bare.ask("print(view.run)") == "muP"


def test_a_box_hides_a_width_and_reset_brings_it_back(bare):
    view = bare.view()
    before = view.picture("main"), view.picture("side-1")
    view.box("width 16").click()
    assert "width 16" not in view.sentence()
    assert view.picture("main") != before[0]
    radio(view, "muP").click()
    view.drag("lr", 0.9)
    view.button("reset").click()
    assert (view.picture("main"), view.picture("side-1")) == before
    assert view.sentence() == bare.ask("print(view.describe())")


def test_one_run_has_no_buttons_and_moves_without_a_kernel(bare):
    view = bare.view(1)
    assert view.root.locator("input[type=radio]").count() == 0
    before = view.sentence()
    view.press("lr", "End")
    assert view.sentence() != before
    assert "∞" in view.readout("width 8") or float(view.readout("width 8")) > 1
