import dataclasses

import numpy as np
import pytest
import torch

from lwlr_teach.studies.width import train_widths
from lwlr_teach.views import WidthView
from tests.views.sent import marks, numbers

HOW = {"lr": [0.001, 0.02, 0.5], "widths": [8, 16], "base": 8, "seeds": 2, "steps": 12, "progress": False}


@pytest.fixture(scope="module")
def runs():
    return [train_widths("Adam", way, **HOW) for way in ("standard", "muP")]


def test_what_is_sent_is_what_was_measured(runs):
    view = WidthView(runs)
    line, best = marks(view)
    np.testing.assert_allclose(numbers(view, line, "y"), torch.stack([r.loss for r in runs]))
    np.testing.assert_allclose(numbers(view, best, "x")[..., 0], torch.stack([r.best_lr for r in runs]))
    lowest = torch.stack([r.loss.min(-1).values for r in runs])
    np.testing.assert_allclose(numbers(view, best, "y")[..., 0], lowest)


def test_the_sentence_follows_the_controls(runs):
    view = WidthView(runs, at_lr=0.02)
    loss = runs[0].loss[1, 1].item()
    assert view.describe().startswith(
        "Digits network, standard, learning rate 0.02, after 12 steps: width 8 "
    )
    assert f"width 16 has the loss {loss:.2g} and is best at 0.02" in view.describe()
    view.run = "muP"
    view.lr_index = 0
    loss = runs[1].loss[1, 0].item()
    assert f"muP, learning rate 0.001, after 12 steps: width 8 has the loss {loss:.2g}" not in view.describe()
    assert f"width 16 has the loss {loss:.2g} and is best at" in view.describe()
    view.shown = ["width 8"]
    assert "width 16" not in view.describe()


def test_one_run_alone_and_no_width_shown(runs):
    view = WidthView(runs[0], shown=[])
    assert view.describe().endswith("no width is shown.")
    view._repr_mimebundle_()


def test_the_picture_joins_the_best_rates(runs):
    left, right = WidthView(runs, run="muP").figure().axes
    joined = next(line for line in left.lines if line.get_linewidth() == 2.5)
    np.testing.assert_allclose(joined.get_xdata(), runs[1].best_lr)
    bold = next(line for line in right.lines if line.get_linewidth() == 2.5)
    np.testing.assert_allclose(bold.get_ydata(), runs[1].best_lr)
    assert [t.get_text() for t in right.get_xticklabels()] == ["8", "16"]


def test_runs_that_overflowed_are_drawn(runs):
    losses = runs[0].train_loss.clone()
    losses[:, 2] = torch.nan
    view = WidthView(dataclasses.replace(runs[0], train_loss=losses))
    view.lr_index = 2
    assert "width 8 has the loss ∞" in view.describe()
    view._repr_mimebundle_()


def test_a_width_that_is_lost_at_every_rate_has_no_best_one(runs):
    losses = runs[0].train_loss.clone()
    losses[1] = torch.inf
    view = WidthView([dataclasses.replace(runs[0], train_loss=losses), runs[1]])
    assert view.describe().endswith("width 16 has the loss ∞ and is best at nan.")
    low, high = view.plan["side"][0]["panels"][0]["y"]["range"]
    assert 0 < low < high
    view._repr_mimebundle_()


def test_bad_input(runs):
    with pytest.raises(ValueError, match="run 'mup' is not known; did you mean muP"):
        WidthView(runs, run="mup")
    with pytest.raises(ValueError, match="run 'SP' is not known"):
        WidthView(runs).run = "SP"
    with pytest.raises(ValueError, match="lr_index must be from 0 to 2, got 3"):
        WidthView(runs).lr_index = 3
    with pytest.raises(ValueError, match="shown 'widht 8' is not known; did you mean width 8"):
        WidthView(runs, shown=["widht 8"])
    with pytest.raises(ValueError, match="runs must be at least one, got none"):
        WidthView([])
    with pytest.raises(ValueError, match="runs must have different names, and 'muP' is there twice"):
        WidthView([runs[0], runs[1], runs[1]])
    other = dataclasses.replace(runs[1], lr=runs[1].lr * 2)
    with pytest.raises(ValueError, match="the same widths, rates and steps; standard and muP do not"):
        WidthView([runs[0], other])
    lost = dataclasses.replace(runs[0], train_loss=torch.full_like(runs[0].train_loss, torch.inf))
    with pytest.raises(ValueError, match="runs must have a rate that does not overflow"):
        WidthView(lost)
