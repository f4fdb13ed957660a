"""The range test view."""

import pytest

MAKE = """\
import torch
from lwlr_teach.runs.range_tests import RangeTest, exponential_rates
from lwlr_teach.runs.races import race
from lwlr_teach.views import RangeTestView

def made(steps):
    lr = exponential_rates(1e-5, 10, steps)
    x = lr.log10()
    losses = 1 - torch.tanh(2 * (x + 2)) + 40 * (x > 0) + 0.05 * torch.sin(99 * x)
    return RangeTest(lr, losses, losses, 0.98, steps)

trained = race(["Adam"], lr=[0.0001, 0.01, 10.0], seeds=2, steps=30, checkpoints=1, progress=False)
view = RangeTestView([made(n) for n in (25, 100, 400)], trained, "Adam")
view"""


@pytest.fixture
def bare(show):
    return show(MAKE)


def test_mouse_keyboard_and_kernel_move_the_sliders(bare):
    view = bare.view()
    seen = {view.picture("test")}
    assert (view.position("steps"), view.position("smoothing")) == (1, 5)
    view.press("steps", "ArrowRight")
    seen.add(view.picture("test"))
    assert view.sentence() == bare.ask("print(view.describe())")
    assert "range test of 400 steps" in view.sentence()
    view.drag("smoothing", 0.0)
    seen.add(view.picture("test"))
    assert bare.ask("print(view.test.smoothing)") == "0.0"
    assert view.sentence() == bare.ask("print(view.describe())")
    assert view.root.locator(".lwlr-words").inner_text() == view.sentence()
    bare.ask("view.steps_index = 0")
    view.settle()
    seen.add(view.picture("test"))
    assert "range test of 25 steps" in view.sentence()
    assert len(seen) == 4
    view.button("reset").click()
    assert (view.position("steps"), view.position("smoothing")) == (1, 5)
    assert view.picture("test") in seen
    assert bare.ask("print(view.steps_index, view.smoothing_index)") == "1 5"


ALONE = """
alone = RangeTestView(made(100), contestant="ResNet")
alone"""


def test_without_a_race_the_test_stands_alone(show):
    bare = show(MAKE, ALONE)
    view = bare.view(1)
    assert view.root.locator("input[data-name=steps]").count() == 0
    assert view.sentence() == bare.ask("print(alone.describe())")
    assert view.sentence().startswith("ResNet, range test of 100 steps, smoothing 0.98: steepest says ")
    before = view.picture("test")
    view.press("smoothing", "Home")
    assert view.picture("test") != before
    assert view.sentence() == bare.ask("print(alone.describe())")
    view.button("numbers").click()
    assert view.root.locator(".lwlr-table th").all_inner_texts() == ["learning rate", "smoothed loss"]


def test_it_goes_on_without_a_kernel(bare):
    view = bare.view()
    before = view.picture("test")
    view.press("steps", "Home")
    assert "range test of 25 steps" in view.sentence()
    assert view.picture("test") != before
