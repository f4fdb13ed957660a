"""Settings of the layers' rates: each is a run of its own, and the rivals reach what is said of them."""

from dataclasses import replace

import pytest
import torch

from lwlr_teach.optim import METHODS
from lwlr_teach.problems.tasks import digits_task
from lwlr_teach.runs.fleet import Fleet
from lwlr_teach.studies import train_layer_rates
from lwlr_teach.studies.layer_rates import _LARS_LR

HOW = {
    "hidden": (4,),
    "scales": (2, 0.5),
    "rates": (0.01, 0.1, 1),
    "seeds": 3,
    "steps": 20,
    "progress": False,
}


@pytest.fixture(scope="module")
def runs():
    return train_layer_rates(**HOW)


def task():
    found = digits_task(seeds=3, steps=20, hidden=(4,), batch_size=32)
    return found._replace(first=[p * f for p, f in zip(found.first, [2, 2, 0.5, 0.5], strict=True)])


def alone(method, lr, layers):
    """Median over the seeds of the loss on the training images, from runs of one setting alone."""
    fleet = Fleet(method, torch.tensor([float(lr)]), task(), layers=layers)
    fleet.train(20)
    data = fleet.task.data
    return fleet.score(data.x_train, data.y_train)[0].median().item(), fleet.losses[:, 0].median(-1).values


def test_a_setting_reaches_what_it_reaches_alone(runs):
    assert runs.layers == ("hidden 1", "output")
    assert runs.loss.shape == (3, 3)
    assert runs.batch_losses.shape == (3, 3, runs.steps)
    loss, batch_losses = alone(METHODS["SGD"], 1, [1, 0.1])
    assert runs.loss[2, 1].item() == pytest.approx(loss, rel=1e-4)
    torch.testing.assert_close(runs.batch_losses[2, 1], batch_losses, rtol=1e-4, atol=0)


def test_the_best_equal_rate_is_searched_between_the_rates_too(runs):
    loss, batch_losses = alone(METHODS["SGD"], runs.equal.lr, [1, 1])
    assert runs.equal.loss == pytest.approx(loss, rel=1e-4)
    torch.testing.assert_close(runs.equal.batch_losses, batch_losses, rtol=1e-4, atol=0)
    assert runs.equal.loss <= runs.loss.diagonal().min().item() + 1e-6
    others = [10 ** (quarter / 4) / 100 for quarter in range(9)]
    assert min(abs(runs.equal.lr / other - 1) for other in others) < 1e-5


@pytest.mark.slow
def test_the_rates_of_lars_are_its_rate_times_the_trust_ratio_of_the_weights(runs):
    """LARS without momentum moves the weights by rate · gradient: compared with the gradient by autograd."""
    method = replace(
        METHODS["LARS"], settings={**METHODS["LARS"].settings, "momentum": 0, "trust_coefficient": 1.0}
    )
    every = {lr: alone(method, lr, None)[0] for lr in _LARS_LR.tolist()}
    best = min(every, key=every.get)
    assert runs.lars.lr == best
    assert runs.lars.loss == pytest.approx(every[best], rel=1e-4)
    fleet = Fleet(method, torch.tensor([best]), task())
    taken = []
    for batch in fleet.task.batches:
        before = [p.clone().requires_grad_() for p in fleet.params]
        logits = fleet.task.forward(before, fleet.task.data.x_train[batch])
        labels = fleet.task.data.y_train[batch]
        total = sum(torch.nn.functional.cross_entropy(logits[0, s], labels[s]) for s in range(3))
        grads = torch.autograd.grad(total, before)
        fleet.train(1)
        moved = [(b - a).detach() for a, b in zip(fleet.params, before, strict=True)]
        taken.append([[moved[i][0, s].norm() / grads[i][0, s].norm() for s in range(3)] for i in (0, 2)])
    expected = torch.tensor(taken).transpose(0, 1).flatten(1).quantile(0.5, dim=1)
    torch.testing.assert_close(runs.lars_rates[1], expected, rtol=1e-3, atol=0)
    assert (runs.lars_rates.diff(dim=0) >= 0).all()


def test_the_score_counts_the_settings_that_are_worse(runs):
    grid = torch.tensor([[0.5, 0.6, 0.6], [0.7, torch.inf, torch.inf], [2.0, 0.4, 3.0]])
    changed = replace(runs, loss=grid)
    assert changed.score(grid[0, 1].item()) == 62  # five of eight: 0.7, 2, 3 and two overflows, not its equal
    assert changed.score(torch.inf) == 0
    assert changed.best == (2, 1)
    assert changed.score(grid[2, 1].item()) == 100
    assert changed.score(0.41) == 88  # of a rival that is none of the settings: eight of nine


def test_bad_input():
    def train(**changed):
        train_layer_rates(**{**HOW, **changed})

    with pytest.raises(ValueError, match="method 'Adam' is not known"):
        train(method="Adam")
    with pytest.raises(ValueError, match=r"rates must be positive and rise, got 1, 0\.1"):
        train(rates=(1, 0.1))
    with pytest.raises(ValueError, match="rates must be a list of at least two"):
        train(rates=(1,))
    with pytest.raises(ValueError, match="rates must be positive and rise, got 0, 1"):
        train(rates=(0, 1))
    with pytest.raises(ValueError, match="at most 4096 settings, got 3 rates for 8 layers, which are 6561"):
        train(hidden=(4,) * 7, scales=None)
    with pytest.raises(ValueError, match="scales must be one for each of hidden 1, output, got 3"):
        train(scales=(1, 2, 3))
    with pytest.raises(ValueError, match="scales must be a finite number ≥ 0, got -1"):
        train(scales=(1, -1))
    with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
        train(steps=0)


def test_rates_that_all_overflow():
    with pytest.raises(ValueError, match="rates must have a setting that does not overflow"):
        train_layer_rates(hidden=(), scales=None, rates=(1e38, 2e38), seeds=1, steps=5, progress=False)
