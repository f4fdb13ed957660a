import numpy as np
import pytest
import torch

import lwlr_teach.views.layers.view as module
from lwlr_teach.optim import METHODS
from lwlr_teach.problems.tasks import digits_task
from lwlr_teach.runs.fleet import Fleet
from lwlr_teach.views import LayerRatesView

HOW = {
    "hidden": (4,),
    "scales": (2, 0.5),
    "rates": (0.01, 0.1, 1),
    "seeds": 3,
    "steps": 20,
    "progress": False,
}


@pytest.fixture(scope="module")
def trained():
    """One view's training, which the other views of these tests take over."""
    return LayerRatesView(**HOW)._trained


@pytest.fixture
def made(trained, monkeypatch):
    monkeypatch.setattr(module, "_train", lambda *_: trained)
    return lambda **changed: LayerRatesView(**{**HOW, **changed})


def final_losses(method, lr, layers, steps=20):
    """Median over the seeds of the loss on the training images, from runs of one setting alone."""
    task = digits_task(seeds=3, steps=steps, hidden=(4,), batch_size=32)
    task = task._replace(first=[p * f for p, f in zip(task.first, [2, 2, 0.5, 0.5], strict=True)])
    fleet = Fleet(method, torch.tensor([float(lr)]), task, layers=layers)
    fleet.train(steps)
    return fleet.score(task.data.x_train, task.data.y_train)[0].median().item(), fleet


def test_the_loss_at_the_sliders_is_that_of_a_run_with_these_rates(made):
    view = made(positions=[2, 1])
    assert view.rates == pytest.approx({"hidden 1": 1, "output": 0.1})
    loss, fleet = final_losses(METHODS["SGD"], 1, [1, 0.1])
    assert view.loss == pytest.approx(loss, rel=1e-4)
    curves = np.frombuffer(view.curves, "<f4").reshape(9 + 3, 4)
    expected = fleet.losses[:, 0].median(-1).values.reshape(4, 5).mean(-1)
    np.testing.assert_allclose(curves[2 * 3 + 1], expected, rtol=1e-4)


def test_the_rivals_reach_what_is_said_of_them(made):
    view = made()
    lr, loss = view.equal
    assert final_losses(METHODS["SGD"], lr, [1, 1])[0] == pytest.approx(loss, rel=1e-4)
    diagonal = []
    for position in range(3):
        view.positions = [position, position]
        diagonal.append(view.loss)
    assert loss <= min(diagonal) + 1e-6
    assert view.plan["start"]["positions"] == [diagonal.index(min(diagonal))] * 2
    view.positions = view.best
    assert view.score == 100
    assert view.loss == np.frombuffer(view.losses, "<f4").min()


def test_the_rates_of_lars_are_its_rate_times_the_trust_ratio_of_the_weights(made):
    """LARS without momentum moves the weights by rate · gradient: compared with the gradient by autograd."""
    rates, loss = made().lars
    method = module.replace(
        METHODS["LARS"], settings={**METHODS["LARS"].settings, "momentum": 0, "trust_coefficient": 1.0}
    )
    every = {lr: final_losses(method, lr, None)[0] for lr in module._LARS_LR.tolist()}
    best = min(every, key=every.get)
    assert every[best] == pytest.approx(loss, rel=1e-4)
    task = digits_task(seeds=3, steps=20, hidden=(4,), batch_size=32)
    task = task._replace(first=[p * f for p, f in zip(task.first, [2, 2, 0.5, 0.5], strict=True)])
    fleet = Fleet(method, torch.tensor([best]), task)
    taken = []
    for batch in task.batches:
        before = [p.clone().requires_grad_() for p in fleet.params]
        logits = task.forward(before, task.data.x_train[batch])
        module_loss = torch.nn.functional.cross_entropy
        labels = task.data.y_train[batch]
        total = sum(module_loss(logits[0, seed], labels[seed]) for seed in range(3))
        grads = torch.autograd.grad(total, before)
        fleet.train(1)
        moved = [(b - a).detach() for a, b in zip(fleet.params, before, strict=True)]
        taken.append([[moved[i][0, s].norm() / grads[i][0, s].norm() for s in range(3)] for i in (0, 2)])
    expected = torch.tensor(taken).transpose(0, 1).flatten(1).quantile(0.5, dim=1)
    torch.testing.assert_close(torch.tensor(list(rates.values())), expected, rtol=1e-3, atol=0)


def test_the_score_counts_the_settings_that_are_worse(made, trained, monkeypatch):
    grid = torch.tensor([[0.5, 0.6, 0.6], [0.7, torch.inf, torch.inf], [2.0, 0.4, 3.0]])
    changed = module.replace(trained, grid=grid)
    monkeypatch.setattr(module, "_train", lambda *_: changed)
    view = LayerRatesView(**HOW, positions=[0, 1])
    assert view.score == 62  # five of eight: 0.7, 2, 3 and the two that overflowed, not its equal
    view.positions = [1, 2]
    assert (view.loss, view.score) == (torch.inf, 0)
    assert "reach the loss ∞, better than 0% of the other settings." in view.describe()
    view._repr_mimebundle_()


def test_the_sentence_keeps_what_lars_chose_until_it_is_revealed(made):
    view = made(positions=[0, 2])
    assert view.describe().startswith(
        "Digits network with first weights times 2 and 0.5, after 20 steps:"
        " the rates hidden 1 0.01 and output 1 reach the loss "
    )
    assert "LARS" not in repr(view)
    hidden = view._repr_mimebundle_()[0]["image/png"]
    view.revealed = True
    rate = float(f"{view.lars[0]['hidden 1']:.1e}")
    assert f"LARS chose hidden 1 {rate:g} and output " in repr(view)
    assert view._repr_mimebundle_()[0]["image/png"] != hidden


def test_the_twin_shows_the_slice_through_the_sliders(made):
    view = made(positions=[0, 2], revealed=True)
    first, second, scores, curves = view.figure().axes
    grid = np.frombuffer(view.losses, "<f4").reshape(3, 3)
    np.testing.assert_allclose(first.lines[0].get_ydata(), grid[:, 2].clip(*view.plan["loss_range"]))
    np.testing.assert_allclose(second.lines[0].get_ydata(), grid[0].clip(*view.plan["loss_range"]))
    labels = [t.get_text() for t in scores.get_yticklabels()]
    assert [text.rsplit(" ", 1)[0] for text in labels[:-1]] == list(view._names)
    assert len(curves.lines) == 4
    assert "minibatch" in curves.get_title(loc="left")  # another number than the final loss


def test_one_layer_and_weights_as_they_are():
    view = LayerRatesView(hidden=(), scales=None, rates=(0.1, 1), seeds=1, steps=5, progress=False)
    assert view.describe().startswith("Digits network, after 5 steps: the rates output ")
    view._repr_mimebundle_()


def test_bad_input(made):
    with pytest.raises(ValueError, match="method 'Adam' is not known"):
        made(method="Adam")
    with pytest.raises(ValueError, match=r"rates must be positive and rise, got 1, 0\.1"):
        made(rates=(1, 0.1))
    with pytest.raises(ValueError, match="rates must be a list of at least two"):
        made(rates=(1,))
    with pytest.raises(ValueError, match="rates must be positive and rise, got 0, 1"):
        made(rates=(0, 1))
    with pytest.raises(ValueError, match="at most 4096 settings, got 3 rates for 8 layers, which are 6561"):
        made(hidden=(4,) * 7, scales=None)
    with pytest.raises(ValueError, match="scales must be one for each of hidden 1, output, got 3"):
        made(scales=(1, 2, 3))
    with pytest.raises(ValueError, match="scales must be a finite number ≥ 0, got -1"):
        made(scales=(1, -1))
    with pytest.raises(ValueError, match="positions must be one for each of hidden 1, output, got 1"):
        made(positions=[0])
    with pytest.raises(ValueError, match="positions must be from 0 to 2, got 3"):
        made(positions=[0, 3])
    with pytest.raises(ValueError, match="positions must be from 0 to 2, got -1"):
        made().positions = [-1, 0]
    with pytest.raises(ValueError, match="steps must be at least 5, got 4"):
        made(steps=4)


def test_rates_that_all_overflow():
    with pytest.raises(ValueError, match="rates must have a setting that does not overflow"):
        LayerRatesView(hidden=(), scales=None, rates=(1e38, 2e38), seeds=1, steps=5, progress=False)
