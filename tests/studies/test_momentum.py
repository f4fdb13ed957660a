"""Runs with momentum on a quadratic: those of the optimizer, and as fast as theory says."""

import re

import pytest
import torch

from lwlr_teach.optim import SGD
from lwlr_teach.problems.quadratics import factor
from lwlr_teach.studies import sweep_momentum


@pytest.fixture(scope="module")
def runs():
    return sweep_momentum()


def test_a_run_is_our_optimizers_run(runs):
    """One of the runs again, alone: the same distances."""
    assert runs.distances.shape == (2, 3, 40, 41, 101)
    for nesterov, k, m, r in [(False, 1, 20, 24), (True, 2, 30, 9), (False, 0, 10, 40), (True, 0, 25, 40)]:
        curvature = torch.tensor([1 / runs.conditions[k], 1.0], dtype=torch.float64)
        x = torch.ones(2, dtype=torch.float64)
        optimizer = SGD([x], lr=runs.lr[r].item(), momentum=runs.momentum[m].item(), nesterov=nesterov)
        distances = [x.abs().max()]
        for _ in range(200):
            x.grad = curvature * x
            optimizer.step()
            distances.append(x.abs().max())
        found = runs.distances[int(nesterov), k, m, r]
        torch.testing.assert_close(found, torch.stack(distances)[list(runs.steps)], rtol=1e-9, atol=0)


def test_what_was_measured_is_what_theory_says(runs):
    """Complex roots swing, so that a factor from a run of finite length is a little off."""
    apart = (runs.factors - runs.exact()).abs()
    assert runs.factors.shape == runs.exact().shape == (2, 3, 40, 41)
    assert torch.isfinite(runs.factors).all()
    assert apart.max() < 0.006
    assert (apart < 1e-3).float().mean() > 0.95
    assert runs.factors.min() < 0.53


def test_the_exact_factors_are_of_these_rates_and_momenta(runs):
    rates = torch.tensor([0.25, 1.5, 3.0])
    for lr, exact in ((runs.lr, runs.exact()), (rates, runs.exact(rates))):
        for nesterov in (False, True):
            for k, kappa in enumerate((10, 100, 1000)):
                slow, steep = (
                    factor(lr, runs.momentum[:, None], lam, nesterov=nesterov) for lam in (1 / kappa, 1.0)
                )
                wanted = torch.maximum(slow, steep).float()
                torch.testing.assert_close(exact[int(nesterov), k], wanted, rtol=1e-5, atol=1e-5)


def test_other_shapes_of_the_valley():
    runs = sweep_momentum([20])
    assert runs.conditions.tolist() == [20]
    assert runs.factors.shape == (2, 1, 40, 41)


def test_bad_input():
    with pytest.raises(ValueError, match=re.escape("conditions must be a finite number ≥ 5, got 2")):
        sweep_momentum([10, 2])
