"""Runs of RMSProp with one average: its numbers by hand, and the edge that they come to."""

import re

import pytest
import torch
from torch.nn.functional import one_hot

from lwlr_teach.problems.data import digits
from lwlr_teach.problems.models import init_mlp
from lwlr_teach.studies import train_at_the_edge

SMALL = dict(images=20, hidden=(5,), progress=False)


def by_hand(lr, seed, steps):
    """The same run of one network with autograd's whole Hessian."""
    data = digits()
    x, y = data.x_train[:20].double(), one_hot(data.y_train[:20]).double()
    params = init_mlp([64, 5, 10], torch.Generator().manual_seed(seed), torch.float64)
    shapes = [p.shape for p in params]
    flat = torch.cat([p.flatten() / 2**0.5 for p in params])

    def loss(flat):
        parts = [q.reshape(s) for q, s in zip(flat.split([s.numel() for s in shapes]), shapes, strict=True)]
        out = torch.tanh(x @ parts[0] + parts[1]) @ parts[2] + parts[3]
        return ((out - y) ** 2).sum() / len(x)

    square, rows = 0.0, []
    for _ in range(steps):
        grad = torch.autograd.functional.jacobian(loss, flat)
        hessian = torch.autograd.functional.hessian(loss, flat)
        square = 0.99 * square + 0.01 * grad @ grad
        rows.append([loss(flat), lr / square**0.5, torch.linalg.eigvalsh(hessian)[-1]])
        flat = flat - lr / square**0.5 * grad
    return torch.tensor(rows, dtype=torch.float64).T


@pytest.mark.slow
def test_a_run_is_the_run_by_hand():
    runs = train_at_the_edge([0.003, 0.01], seeds=2, steps=6, **SMALL)
    assert runs.loss.shape == runs.own_rate.shape == runs.sharpness.shape == (2, 2, 6)
    for r, lr in enumerate((0.003, 0.01)):
        for seed in range(2):
            loss, own_rate, sharpness = by_hand(lr, seed, 6)
            torch.testing.assert_close(runs.loss[r, seed], loss, rtol=1e-9, atol=0)
            torch.testing.assert_close(runs.own_rate[r, seed], own_rate, rtol=1e-9, atol=0)
            # Two iterations a step follow the eigenvector with a little delay.
            torch.testing.assert_close(runs.sharpness[r, seed], sharpness, rtol=0.05, atol=0)


@pytest.mark.slow
def test_the_product_comes_to_two():
    runs = train_at_the_edge([0.1], steps=500, **SMALL)
    assert 1.8 < runs.product[0, 0, 300:].mean() < 2.3
    assert runs.loss[0, 0, -1] < 0.5 * runs.loss[0, 0, 0]
    torch.testing.assert_close(runs.product, runs.own_rate * runs.sharpness)


def test_the_average_looks_back():
    runs = train_at_the_edge([0.03], seeds=2, steps=12, **SMALL)
    average = runs.average(5)
    for step in range(12):
        torch.testing.assert_close(
            average[..., step], runs.product[..., max(0, step - 4) : step + 1].mean(-1)
        )
    torch.testing.assert_close(runs.average(1), runs.product)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(lr=[0.1, 0.1]), "lr must be positive and rise, got 0.1, 0.1"),
        (dict(seeds=0), "seeds must be at least 1, got 0"),
        (dict(steps=0), "steps must be at least 1, got 0"),
        (dict(images=5000), "images must be from 1 to 1297, got 5000"),
    ],
)
def test_bad_input(wrong, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        train_at_the_edge(**wrong)
