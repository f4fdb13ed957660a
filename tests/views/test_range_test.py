import math

import numpy as np
import pytest
import torch

from lwlr_teach.core.text import short
from lwlr_teach.runs.races import race
from lwlr_teach.runs.range_tests import RangeTest, exponential_rates, smooth
from lwlr_teach.views import RangeTestView
from lwlr_teach.views.kit.base import module


@pytest.fixture(scope="module")
def trained():
    """The digits at five rates, of which the last one breaks the network."""
    lr = [0.0001, 0.001, 0.01, 0.1, 10.0]
    return race(["SGD", "Adam"], lr=lr, seeds=2, choosers=1, steps=40, checkpoints=2, progress=False)


def _test(steps):
    """A loss that falls around 0.01 and explodes at 1."""
    lr = exponential_rates(1e-5, 10, steps)
    x = lr.log10()
    losses = 1 - torch.tanh(2 * (x + 2)) + 40 * (x > 0) + 0.02 * torch.sin(9 * x)
    smoothed = torch.tensor(list(smooth(losses.tolist(), 0.98)), dtype=torch.float64)
    return RangeTest(lr, losses, smoothed, 0.98, steps)


@pytest.fixture
def view(trained):
    return RangeTestView([_test(200), _test(40)], trained, "Adam", smoothings=[0, 0.9], at_steps=200)


def test_the_module_is_self_contained():
    source = module("range_test/view.js")
    assert "import " not in source
    assert source.count("export default") == 1


def test_the_sliders_choose_a_test_and_a_smoothing(view):
    assert [row[0].steps for row in view.tests] == [40, 200]  # shortest first
    assert view.steps_index == 1
    assert view.smoothing_index == 1  # the nearest to 0.98
    assert view.test.steps == 200
    view.steps_index, view.smoothing_index = 0, 0
    assert (view.test.steps, view.test.smoothing) == (40, 0)
    again = _test(40).with_smoothing(0)
    assert view.test.suggestions == again.suggestions
    with pytest.raises(ValueError, match="steps_index must be from 0 to 1, got 2"):
        view.steps_index = 2


def test_what_is_sent_is_what_was_measured(view):
    values = np.frombuffer(view.curves, "<f4")
    assert len(values) == 3 * sum(map(sum, view.plan["lengths"]))
    n = len(view.tests[0][0].lr)
    assert view.plan["lengths"][0][0] == n < 40  # it ends at the explosion
    sent = values[: 3 * n].reshape(3, n)
    first = view.tests[0][0]
    np.testing.assert_allclose(sent, torch.stack([first.lr, first.losses, first.smoothed]), rtol=1e-6)
    last = view.tests[1][1]
    np.testing.assert_allclose(values[-len(last.lr) :], last.smoothed, rtol=1e-6)


def test_the_sentence_says_what_is_read_and_what_is_good(view, trained):
    low, high = trained.table()["Adam"].good
    test = view.test
    assert view.describe() == repr(view) == view.plan["sentences"][1][1]
    for part in (
        "Adam, range test of 200 steps, smoothing 0.9: ",
        f"steepest says {short(test.steepest)}, minimum / 10 says {short(test.minimum_over_10)}. ",
        f"Good after 40 steps: {short(low)} to {short(high)}.",
    ):
        assert part in view.describe()


def test_the_final_losses_are_the_contestants_over_the_seeds(view, trained):
    loss = trained.valid_loss[1, :, :, -1].nan_to_num(nan=torch.inf).sort(-1).values
    sent = np.frombuffer(view.final_losses, "<f4").reshape(5, 3)
    np.testing.assert_array_equal(sent, loss.numpy())


@pytest.mark.slow
def test_a_test_that_says_nothing_is_drawn_and_says_so(trained):
    rising = RangeTest(
        exponential_rates(1e-5, 10, 30), torch.ones(30).double(), torch.ones(30).double(), 0, 30
    )
    view = RangeTestView([rising], trained, "SGD")
    assert math.isnan(view.test.steepest)
    assert "steepest says nothing, minimum / 10 says " in view.describe()
    assert view.plan["suggestions"][0][0][0] is None
    view._repr_mimebundle_()


def test_the_drawing_has_the_suggestions_on_the_line_of_the_final_losses(view, trained):
    above, below = view.figure().axes
    lines = [line.get_xdata()[0] for line in above.lines[:2]]
    assert lines == list(view.test.suggestions.values())
    marks = {line.get_label(): line for line in below.lines if line.get_label() in view.test.suggestions}
    nearest = (trained.lr[1].log() - math.log(view.test.steepest)).abs().argmin()
    height = trained.valid_loss[1, nearest, :, -1].median()
    assert marks["steepest"].get_ydata()[0] == pytest.approx(height.item(), rel=1e-6)
    assert list(marks) == ["steepest", "minimum / 10"]
    band = above.patches[0].get_extents()
    assert band.width > 0


def test_the_test_of_a_readers_own_model_needs_no_race():
    test = _test(200)
    view = RangeTestView(test)
    assert view.describe() == (
        f"Range test of 200 steps, smoothing 0.98: steepest says {short(view.test.steepest)}, "
        f"minimum / 10 says {short(view.test.minimum_over_10)}."
    )
    assert (view.plan["trainings"], view.final_losses) == (None, b"")
    (axes,) = view.figure().axes
    marks = {
        line.get_label(): line.get_xydata()[0] for line in axes.lines if line.get_label() in test.suggestions
    }
    assert marks["steepest"][0] == view.test.steepest
    assert marks["steepest"][1] == view.test.smoothed[view.test.lr == view.test.steepest]
    assert (
        RangeTestView([_test(40), test], contestant="ResNet, SGD")
        .describe()
        .startswith("ResNet, SGD, range ")
    )
    rough = RangeTestView(test.with_smoothing(0.5))
    assert rough.test.smoothing == 0.5  # the one that it was run with
    rough._repr_mimebundle_()


@pytest.mark.slow
def test_losses_below_zero_and_a_test_of_two_steps_are_drawn():
    below = RangeTest(exponential_rates(1e-5, 1, 30), -torch.arange(30.0), -torch.arange(30.0), 0, 30)
    view = RangeTestView(below, at_smoothing=0)
    assert view.y[0] == -29
    assert view.y[1] > 0
    view._repr_mimebundle_()
    two = RangeTestView(RangeTest(exponential_rates(0.1, 1, 2), torch.zeros(2), torch.zeros(2), 0, 2))
    assert "steepest says nothing, minimum / 10 says nothing" in two.describe()
    two._repr_mimebundle_()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (dict(tests=[]), "tests must hold at least one range test, got none"),
        (dict(contestant="Adma"), "contestant 'Adma' is not known; did you mean Adam"),
        (dict(smoothings=[]), "smoothings must hold at least one number, got none"),
        (dict(smoothings=[0.5, 1.0]), "smoothings must be a finite number ≥ 0 and < 1, got 1"),
    ],
)
def test_what_cannot_be_shown_is_named(change, says, trained):
    settings = dict(tests=[_test(40)], race=trained, contestant="Adam")
    with pytest.raises(ValueError, match=says):
        RangeTestView(**(settings | change))
