import math

import numpy as np
import pytest
import torch

from lwlr_teach.clipping import by_value
from lwlr_teach.optim import METHODS
from lwlr_teach.runs.ensemble import Ensemble, train_ensemble
from lwlr_teach.views import RatesView
from tests.views.sent import marks, numbers


@pytest.fixture(scope="module")
def ensemble():
    return train_ensemble(["SGD", "Adam"], lr=[0.001, 0.03, 1000.0], seeds=3, steps=22, progress=False)


def test_what_is_sent_is_what_was_measured(ensemble):
    view = RatesView(ensemble)
    band, median, here = marks(view, 1)
    ordered = ensemble.test_accuracy.sort(-1).values.numpy()
    sent = [numbers(view, band, "low"), numbers(view, median, "y"), numbers(view, band, "high")]
    np.testing.assert_array_equal(np.stack(sent, -1), ordered)
    assert numbers(view, here, "y")[1, 2, 0] == ordered[1, 2, 1]
    line, end = marks(view, 2)
    curves = numbers(view, line, "y")
    assert curves.shape == (2, 3, 4)  # 22 steps are four groups of five
    third = ensemble.batch_losses[1, 1, :, 10:15].mean()
    assert curves[1, 1, 2] == pytest.approx(third.item(), rel=1e-5)
    assert numbers(view, end, "y")[1, 1] == curves[1, 1, -1]


def test_the_sentence_follows_the_controls(ensemble):
    view = RatesView(ensemble, at_lr=0.03)
    right = ensemble.test_accuracy[1, 1].median().item()
    assert view.lr == pytest.approx(0.03)
    assert "Digits network, learning rate 0.03, after 22 steps: SGD gets " in view.describe()
    assert f"Adam gets {round(100 * right)}% of the test images right" in view.describe()
    view.shown = ["SGD"]
    assert "Adam" not in view.describe()


def test_the_best_rate_is_the_one_with_the_lowest_median_loss():
    losses = torch.tensor(
        [[[3.0, 3, 3], [1, 1, 9], [2, 2, 2]], [[torch.nan, torch.nan, 1], [2, 2, 2], [3, 3, 3]]]
    )
    made = Ensemble(
        (METHODS["SGD"], METHODS["Adam"]),
        torch.tensor([0.1, 0.2, 0.3]),
        torch.ones(2, 3, 3, 10),
        losses,
        torch.ones(2, 3, 3),
    )
    view = RatesView(made)
    assert view.best.tolist() == [1, 1]


@pytest.mark.slow
def test_an_ensemble_with_limits_is_drawn_against_them():
    sgd = METHODS["SGD"]
    swept = train_ensemble(
        [sgd, sgd.clipped(by_value)], lr=[0.5], limit=[1e-4, 0.1, 10.0], seeds=1, steps=20, progress=False
    )
    view = RatesView(swept, title="Net", at_limit=1e-4)
    right = swept.test_accuracy[1, 0, 0].item()
    assert view.describe().startswith("Net, limit 0.0001, after 20 steps: SGD gets ")
    assert f"SGD + by value gets {math.floor(100 * right + 0.5)}% of" in view.describe()
    assert (view.lr, view.limit) == (pytest.approx(0.5), pytest.approx(1e-4))
    assert view.plan["entries"]["lr_index"] == pytest.approx([1e-4, 0.1, 10.0])
    # Without a clip the slider changes nothing, and no position of it is the best one.
    best = swept.limit[view.best[1]].item()
    assert [view.fill("{name}{best}", i) for i in (0, 1)] == ["SGD", f"SGD + by value, best at {best:g}"]
    foot = numbers(view, marks(view)[-1], "x")[:, 0]
    assert np.isnan(foot[0])
    assert foot[1] == pytest.approx(best)
    assert view.fill("{axis}: {rate}") == "limit: limit"
    view.lr_index = 2
    assert view.limit == 10
    view._repr_mimebundle_()


def test_without_limits_the_slider_is_the_rate(ensemble):
    view = RatesView(ensemble, at_lr=0.03)
    assert (view.fill("{axis}: {rate} {lr}"), view.limit) == ("learning rate: rate 0.03", None)


@pytest.mark.slow
def test_runs_that_overflowed_are_drawn(ensemble):
    broken = Ensemble(
        ensemble.methods,
        ensemble.lr,
        torch.full_like(ensemble.batch_losses, torch.nan),
        torch.full_like(ensemble.train_loss, torch.inf),
        ensemble.test_accuracy,
    )
    RatesView(broken)._repr_mimebundle_()


def test_no_method_shown(ensemble):
    view = RatesView(ensemble, shown=[])
    assert view.describe().endswith("no method is shown.")
    view._repr_mimebundle_()


def test_bad_input(ensemble):
    with pytest.raises(ValueError, match="shown 'Sgd' is not known; did you mean SGD"):
        RatesView(ensemble, shown=["Sgd"])
    with pytest.raises(ValueError, match="lr_index must be from 0 to 2, got 3"):
        RatesView(ensemble).lr_index = 3
