import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from lwlr_teach.studies import train_layer_rates
from lwlr_teach.views import LayerRatesView
from tests.views.saved import assert_same_view


@pytest.fixture(scope="module")
def runs():
    return train_layer_rates(
        hidden=(4,), scales=(2, 0.5), rates=(0.01, 0.1, 1), seeds=3, steps=20, progress=False
    )


def test_the_sliders_choose_among_the_runs(runs):
    view = LayerRatesView(runs, positions=[2, 1])
    assert view.rates == pytest.approx({"hidden 1": 1, "output": 0.1})
    assert view.loss == runs.loss[2, 1]
    assert view.score == runs.score(view.loss)
    np.testing.assert_array_equal(np.frombuffer(view.losses, "<f4"), runs.loss.flatten())
    curves = np.frombuffer(view.curves, "<f4").reshape(9 + 3, 4)
    expected = [
        *runs.batch_losses.flatten(0, 1),
        runs.equal.batch_losses,
        runs.batch_losses[runs.best],
        runs.lars.batch_losses,
    ]
    np.testing.assert_allclose(curves, [line.reshape(4, 5).mean(-1) for line in expected], rtol=1e-6)


def test_they_begin_at_the_best_equal_rate_that_they_have(runs):
    view = LayerRatesView(runs)
    assert view.plan["start"]["positions"] == [int(runs.loss.diagonal().argmin())] * 2
    assert view.plan["rivals"] == [runs.equal.loss, runs.loss.min(), runs.lars.loss]
    view.positions = list(runs.best)
    assert view.score == 100
    assert view.loss == np.frombuffer(view.losses, "<f4").min()


@pytest.mark.slow
def test_runs_that_overflowed(runs):
    grid = torch.tensor([[0.5, 0.6, 0.6], [0.7, torch.inf, torch.inf], [2.0, 0.4, 3.0]])
    view = LayerRatesView(replace(runs, loss=grid), positions=[1, 2])
    assert (view.loss, view.score) == (torch.inf, 0)
    assert "reach the loss ∞, better than 0% of the other settings." in view.describe()
    view._repr_mimebundle_()


def test_a_view_can_be_made_from_saved_runs(runs):
    saved = pickle.dumps(runs)
    assert len(saved) < 20_000  # no tensor takes a larger one with it
    view = LayerRatesView(pickle.loads(saved), title="Mine", positions=[0, 2], revealed=True)
    assert_same_view(view, LayerRatesView(runs, title="Mine", positions=[0, 2], revealed=True))


@pytest.mark.slow
def test_the_sentence_keeps_what_lars_chose_until_it_is_revealed(runs):
    view = LayerRatesView(runs, positions=[0, 2])
    assert view.describe().startswith(
        "Digits network with initial weights times 2 and 0.5, after 20 steps:"
        " the rates hidden 1 0.01 and output 1 reach the loss "
    )
    assert "LARS" not in repr(view)
    hidden = view._repr_mimebundle_()[0]["image/png"]
    view.revealed = True
    rate = float(f"{runs.lars_rates[1, 0]:.1e}")
    assert f"LARS chose hidden 1 {rate:g} and output " in repr(view)
    assert view._repr_mimebundle_()[0]["image/png"] != hidden


def test_the_twin_shows_the_slice_through_the_sliders(runs):
    view = LayerRatesView(runs, positions=[0, 2], revealed=True)
    first, second, scores, curves = view.figure().axes
    grid = np.frombuffer(view.losses, "<f4").reshape(3, 3)
    np.testing.assert_allclose(first.lines[0].get_ydata(), grid[:, 2].clip(*view.plan["loss_range"]))
    np.testing.assert_allclose(second.lines[0].get_ydata(), grid[0].clip(*view.plan["loss_range"]))
    labels = [t.get_text() for t in scores.get_yticklabels()]
    assert [text.rsplit(" ", 1)[0] for text in labels[:-1]] == [row["name"] for row in view.plan["methods"]]
    assert "minibatch" in curves.get_title(loc="left")  # another number than the final loss
    # Which stands behind the end of each curve.
    ends = [line.get_xydata()[0] for line in curves.lines if len(line.get_xdata()) == 1]
    assert len(curves.lines) == 2 * len(ends) == 8
    losses = [view.loss, runs.equal.loss, runs.loss.min().item(), runs.lars.loss]
    high = view.plan["loss_range"][1]
    assert sorted(end[1] for end in ends) == pytest.approx(sorted(min(loss, high) for loss in losses))
    assert {end[0] for end in ends} == {runs.steps}


def test_what_the_band_is_stands_in_the_picture_where_there_is_one(runs):
    view = LayerRatesView(runs)
    assert view.figure().get_suptitle() == ""
    view.revealed = True
    assert view.figure().get_suptitle() == view.plan["band"]
    assert "Green: the rates that LARS gave" in view.plan["band"]
    assert [style["colour"] for style in view._styles[2:]] == ["#56b4e9", "#009e73"]  # blue and green
    assert [style["marker"] for style in view._styles[2:]] == ["triangle-up", "diamond"]


@pytest.mark.slow
def test_one_layer_and_weights_as_they_are():
    runs = train_layer_rates(hidden=(), scales=None, rates=(0.1, 1), seeds=1, steps=5, progress=False)
    view = LayerRatesView(runs)
    assert view.describe().startswith("Digits network, after 5 steps: the rates output ")
    view._repr_mimebundle_()


def test_bad_positions(runs):
    with pytest.raises(ValueError, match="positions must be one for each of hidden 1, output, got 1"):
        LayerRatesView(runs, positions=[0])
    with pytest.raises(ValueError, match="positions must be from 0 to 2, got 3"):
        LayerRatesView(runs, positions=[0, 3])
    with pytest.raises(ValueError, match="positions must be from 0 to 2, got -1"):
        LayerRatesView(runs).positions = [-1, 0]


def test_runs_that_are_too_short_to_draw():
    short = train_layer_rates(hidden=(), scales=None, rates=(0.1, 1), seeds=1, steps=4, progress=False)
    with pytest.raises(ValueError, match="steps must be at least 5, got 4"):
        LayerRatesView(short)
