"""The exact results for quadratics: against eigenvalues, against runs, and against a search for better."""

import math

import numpy as np
import pytest
import torch

from lwlr_teach.optim import SGD
from lwlr_teach.problems.quadratics import (
    best_rate,
    best_settings,
    edge,
    factor,
    steps_per_digit,
    terminal_speed,
    worst_factor,
)
from lwlr_teach.problems.surfaces import quadratic
from lwlr_teach.runs.sweeps import sweep

KINDS = [(False, 0.0), (False, 0.5), (True, 0.0)]
kinds = pytest.mark.parametrize(("nesterov", "dampening"), KINDS, ids=["heavy ball", "damped", "Nesterov"])


def double(*values):
    return torch.tensor(values, dtype=torch.float64)


def matrix(lr, beta, lam, nesterov, dampening):
    """One step on (p, buffer), written from the rule: gradient, then buffer, then place."""
    undamped = 1 - dampening * (beta != 0)
    buffer = np.array([undamped * lam, beta])
    direction = np.array([lam, 0]) + beta * buffer if nesterov else buffer
    return np.array([np.array([1, 0]) - lr * direction, buffer])


# --- the factor -------------------------------------------------------------------------------------------


@kinds
def test_the_factor_is_the_largest_eigenvalue(nesterov, dampening):
    chosen = np.random.default_rng(0)
    for _ in range(300):
        lr, beta, lam = chosen.uniform(0, 5), chosen.choice([0.0, chosen.uniform(0, 1)]), chosen.uniform(0, 3)
        wanted = np.abs(np.linalg.eigvals(matrix(lr, beta, lam, nesterov, dampening)))
        found = factor(lr, beta, lam, nesterov=nesterov, dampening=dampening).item()
        # Without momentum the buffer is not used, and its own eigenvalue is 0.
        assert found == pytest.approx(wanted.max(), rel=1e-6, abs=1e-9)


def test_numbers_and_tensors_broadcast():
    rates, momenta = torch.linspace(0.1, 4, 5), torch.tensor([0.0, 0.9])
    found = factor(rates[:, None, None], momenta[:, None], double(0.1, 0.5, 1.0))
    assert found.shape == (5, 2, 3)
    assert found.dtype == torch.float64
    assert found[3, 1, 2].item() == factor(rates[3].item(), momenta[1].item(), 1.0).item()
    assert factor(1.0, 0.0, 1.0).shape == ()


@kinds
def test_a_run_shrinks_by_the_factor(nesterov, dampening):
    """Where the roots are real: there the distance shrinks evenly."""
    rates, curvature = double(0.02, 0.05, 2.95), 1.0
    x = torch.ones(3, 1, dtype=torch.float64)
    optimizer = SGD([x], lr=rates, momentum=0.5, dampening=dampening, nesterov=nesterov)
    places = []
    for _ in range(60):
        x.grad = curvature * x
        optimizer.step()
        places.append(x.clone())
    measured = (places[-1] / places[-2]).abs()[:, 0]
    exact = factor(rates, 0.5, curvature, nesterov=nesterov, dampening=dampening)
    real = matrix_is_real(rates, nesterov, dampening)
    assert real.sum() >= 2
    torch.testing.assert_close(measured[real], exact[real], rtol=1e-5, atol=0)


def matrix_is_real(rates, nesterov, dampening):
    roots = [np.linalg.eigvals(matrix(lr, 0.5, 1.0, nesterov, dampening)) for lr in rates.tolist()]
    return torch.tensor([abs(r.imag).max() == 0 for r in roots])


@pytest.mark.parametrize("nesterov", [False, True])
def test_the_ends_of_the_curvatures_are_the_slowest(nesterov):
    rates, momenta = torch.linspace(0, 4.2, 43).double()[:, None], torch.linspace(0, 0.99, 34).double()
    between = factor(
        rates[..., None], momenta[:, None], torch.linspace(0.01, 1, 500).double(), nesterov=nesterov
    )
    ends = worst_factor(rates, momenta, 0.01, 1.0, nesterov=nesterov)
    assert (between.amax(-1) <= ends + 1e-5).all()
    assert (between.amax(-1) >= ends - 1e-5).all()


# --- the edge ---------------------------------------------------------------------------------------------


def test_the_edges_that_are_known():
    """Goh 2017: 2/λ, (2 + 2β)/λ; 3.8 and 1.357143 at β = 0.9."""
    assert edge(1.0).item() == 2
    assert edge(10.0).item() == pytest.approx(0.2)
    assert edge(1.0, 0.9).item() == pytest.approx(3.8)
    assert edge(1.0, 0.9, nesterov=True).item() == pytest.approx(1.357143, abs=1e-6)
    assert edge(1.0, 0.9, dampening=0.9).item() == pytest.approx(38)
    assert edge(1.0, 0.0, dampening=0.9).item() == 2  # nothing to damp
    assert edge(double(1, 10), double(0.0, 0.5)[:, None]).shape == (2, 2)


@kinds
def test_at_the_edge_the_factor_passes_one(nesterov, dampening):
    momenta, curvatures = torch.linspace(0, 0.99, 12).double()[:, None], double(0.01, 1, 25)
    at = edge(curvatures, momenta, nesterov=nesterov, dampening=dampening)
    below, above = (
        factor(at * share, momenta, curvatures, nesterov=nesterov, dampening=dampening)
        for share in (1 - 1e-6, 1 + 1e-6)
    )
    assert (below < 1).all()
    assert (above > 1).all()
    lower = torch.linspace(0.001, 0.999, 200).double()[:, None, None]
    everywhere = factor(lower * at, momenta, curvatures, nesterov=nesterov, dampening=dampening)
    assert (everywhere < 1).all()


@pytest.mark.slow
def test_a_damped_run_is_stable_up_to_its_edge():
    at = edge(1.0, 0.9, dampening=0.5)
    x = torch.ones(2, 1, dtype=torch.float64)
    optimizer = SGD([x], lr=double(1 - 1e-4, 1 + 1e-4) * at, momentum=0.9, dampening=0.5)
    sizes = []
    for _ in range(20_000):
        x.grad = x.clone()
        optimizer.step()
        sizes.append(x.abs().clone())
    early, late = torch.stack(sizes[10_000:10_100]).amax(0), torch.stack(sizes[-100:]).amax(0)
    assert late[0] < early[0]
    assert late[1] > early[1]


# --- the best settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kappa", "plain", "ball"),
    [(10, 0.818182, 0.519494), (100, 0.980198, 0.818182), (1000, 0.998002, 0.938693)],
)
def test_the_best_factors_that_are_known(kappa, plain, ball):
    """Polyak 1964; Goh 2017: (κ − 1)/(κ + 1) and (√κ − 1)/(√κ + 1)."""
    assert best_rate(1.0, kappa).item() == pytest.approx(2 / (1 + kappa))
    assert worst_factor(best_rate(1.0, kappa), 0.0, 1.0, kappa).item() == pytest.approx(plain, abs=5e-7)
    found = best_settings(1.0, kappa)
    assert found.factor == pytest.approx(ball, abs=5e-7)
    assert worst_factor(found.lr, found.momentum, 1.0, kappa).item() == pytest.approx(ball, abs=1e-5)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize(("smallest", "kappa"), [(1.0, 4), (0.1, 10), (1.0, 100), (0.001, 1000)])
def test_no_setting_is_better_than_the_best(smallest, kappa, nesterov):
    """A search over a fine grid: nothing is better, and nothing far away is as good."""
    largest = smallest * kappa
    best = best_settings(smallest, largest, nesterov=nesterov)
    at_best = worst_factor(best.lr, best.momentum, smallest, largest, nesterov=nesterov).item()
    assert at_best == pytest.approx(best.factor, abs=1e-7)
    rates = torch.linspace(0.002, 1, 500).double()[:, None] * 4.2 / largest
    momenta = torch.linspace(0, 0.999, 500).double()
    search = worst_factor(rates, momenta, smallest, largest, nesterov=nesterov)
    assert search.min() >= best.factor - 1e-9
    i, j = divmod(search.argmin().item(), 500)
    assert rates[i].item() == pytest.approx(best.lr, rel=0.06)
    assert momenta[j].item() == pytest.approx(best.momentum, abs=0.02)


@pytest.mark.parametrize("momentum", [0.0, 0.3, 0.6])
def test_no_rate_is_better_at_a_given_momentum(momentum):
    rates = torch.linspace(0.001, 0.04, 4001).double()
    search = worst_factor(rates, momentum, 1.0, 100.0)
    best = best_rate(1.0, 100.0, momentum)
    assert worst_factor(best, momentum, 1.0, 100.0) <= search.min() + 1e-9
    assert rates[search.argmin()].item() == pytest.approx(best.item(), abs=2e-5)


def test_a_sweep_finds_the_best_rate_and_momentum():
    """Our optimizer, on a grid around the best settings for κ = 100: the nearest grid point wins."""
    best = best_settings(1.0, 100.0)
    shares = double(0.9, 0.95, 1.0, 1.05)
    runs = sweep(
        quadratic(100), ["Momentum"], lr=best.lr * shares, momentum=best.momentum * shares, steps=600
    )
    left = runs.paths[0, :, :, 0, -1].norm(dim=-1)
    assert divmod(left.argmin().item(), 4) == (2, 2)
    # n steps at a double root shrink like n ρⁿ.
    distance = runs.paths[0, 2, 2, 0].norm(dim=-1)
    measured = ((distance[600] / 600) / (distance[300] / 300)) ** (1 / 300)
    assert measured.item() == pytest.approx(best.factor, rel=1e-3)


@pytest.mark.parametrize(("rate", "steps"), [(1e-4, 138149), (0.01, 1375), (0.0198, 691), (0.01999, 13809)])
def test_the_steps_that_are_known(rate, steps):
    """κ = 100 to a millionth: U-shaped in the rate, and never at 0.02."""
    digits = 6 * steps_per_digit(worst_factor(rate, 0.0, 1.0, 100.0))
    assert math.ceil(digits.item()) == steps
    assert steps_per_digit(worst_factor(0.02, 0.0, 1.0, 100.0)).item() > 1e12


# --- the terminal speed -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("momentum", "dampening"), [(0.0, 0.0), (0.9, 0.0), (0.9, 0.9), (0.5, 0.2)])
def test_a_steady_slope_is_taken_at_the_terminal_speed(momentum, dampening):
    x = torch.zeros(1, dtype=torch.float64)
    optimizer = SGD([x], lr=0.1, momentum=momentum, dampening=dampening)
    for _ in range(300):
        before, x.grad = x.clone(), torch.ones_like(x)
        optimizer.step()
    speed = (before - x).item() / 0.1
    assert terminal_speed(momentum, dampening).item() == pytest.approx(speed, rel=1e-9)


# --- bad input --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: edge(0.0), "curvature must be"),
        (lambda: edge(1.0, 1.5), "momentum must be a finite number ≥ 0 and ≤ 1, got 1.5"),
        (
            lambda: edge(1.0, 0.9, nesterov=True, dampening=0.5),
            "dampening must be 0 with nesterov=True, got 0.5",
        ),
        (lambda: factor(-1.0, 0.5, 1.0), "lr must be a finite number ≥ 0, got -1"),
        (lambda: factor(1.0, 0.5, -1.0), "curvature must be a finite number ≥ 0, got -1"),
        (
            lambda: factor(1.0, 0.5, 1.0, dampening=1.0),
            "dampening must be a finite number ≥ 0 and < 1, got 1",
        ),
        (lambda: best_rate(2.0, 1.0), "smallest must be at most largest, got 2.0 and 1.0"),
        (lambda: best_settings(0.0, 1.0), "smallest must be"),
        (lambda: terminal_speed(1.0), "momentum must be a finite number ≥ 0 and < 1, got 1"),
        (lambda: steps_per_digit(-0.1), "factor must be a finite number ≥ 0, got -0.1"),
    ],
)
def test_bad_input(call, says):
    with pytest.raises(ValueError, match=says.replace("(", r"\(")):
        call()
