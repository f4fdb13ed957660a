"""What gradient descent, the heavy ball and Nesterov's method do on a quadratic, exactly.

In a direction of curvature λ the gradient is λ p. A method with rate η and momentum β obeys a recursion over
two steps, with u = (1 − τ) η λ:

    heavy ball    p_{t+1} = (1 + β − u) p_t − β p_{t−1}
    Nesterov      p_{t+1} = (1 + β) (1 − u) p_t − β (1 − u) p_{t−1}

In the long run a step multiplies the distance by the larger root of the recursion, in absolute value: the
*factor*. Below 1 the method arrives, above 1 it explodes.

Convention, as in :class:`~lwlr_teach.optim.SGD` and torch: the rate stands outside the buffer; a dampening τ
only makes the rate (1 − τ) times as large, and without momentum there is no buffer to damp. Nesterov's method
has none (τ = 0). Every argument is a number or a tensor; tensors broadcast, and results are in double
precision. Polyak 1964; Goh 2017.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from lwlr_teach.core.checks import Number, check_number


class Best(NamedTuple):
    """The best settings for a quadratic, and the factor by which they shrink the distance in each step."""

    lr: float
    momentum: float
    factor: float


def edge(
    curvature: Number, momentum: Number = 0.0, *, nesterov: bool = False, dampening: Number = 0.0
) -> Tensor:
    """The rate beyond which the method explodes in a direction of this curvature > 0.

    2/λ without momentum; (2 + 2β)/λ for the heavy ball; (2 + 2β)/((1 + 2β)λ) for Nesterov; with dampening
    1/(1 − τ) times that.
    """
    lam, beta, damping = _checked(curvature, momentum, dampening, nesterov)
    check_number("curvature", lam, low=_TINY)
    looks_ahead = 1 + 2 * beta if nesterov else 1.0
    return (2 + 2 * beta) / (looks_ahead * lam * damping)


def factor(
    lr: Number, momentum: Number, curvature: Number, *, nesterov: bool = False, dampening: Number = 0.0
) -> Tensor:
    """By how much a step multiplies the distance in a direction, in the long run; the broadcast shape.

    The larger |z| of the roots of z² − T z + D: T = 1 + β − u, D = β for the heavy ball; T = (1 + β)(1 − u),
    D = β (1 − u) for Nesterov. Two complex roots both have the size √D.
    """
    lam, beta, damping = _checked(curvature, momentum, dampening, nesterov)
    check_number("lr", lr, low=0)
    left = 1 - _double(lr) * lam * damping  # what plain descent leaves of the distance
    trace, det = ((1 + beta) * left, beta * left) if nesterov else (left + beta, beta * torch.ones_like(left))
    inside = trace * trace - 4 * det
    return torch.where(inside < 0, det.clamp(min=0).sqrt(), (trace.abs() + inside.clamp(min=0).sqrt()) / 2)


def worst_factor(
    lr: Number,
    momentum: Number,
    smallest: Number,
    largest: Number,
    *,
    nesterov: bool = False,
    dampening: Number = 0.0,
) -> Tensor:
    """The factor of a quadratic with curvatures from ``smallest`` to ``largest``: its slowest direction's.

    That is one of the two ends: between them the factor is nowhere larger.
    """
    ends = (factor(lr, momentum, lam, nesterov=nesterov, dampening=dampening) for lam in (smallest, largest))
    return torch.maximum(*ends)


def best_rate(smallest: Number, largest: Number, momentum: Number = 0.0) -> Tensor:
    """The heavy ball's best rate for curvatures from ``smallest`` to ``largest`` and a given momentum.

    2 (1 + β) / (λ₁ + λₙ), where the two ends are equally fast. Without momentum 2 / (λ₁ + λₙ), which shrinks
    the distance by (κ − 1) / (κ + 1) in each step. With more momentum than :func:`best_settings` gives,
    neighbouring rates are as good.
    """
    low, high = _ordered(smallest, largest)
    check_number("momentum", momentum, low=0, below=1)
    return 2 * (1 + _double(momentum)) / (low + high)


def best_settings(smallest: float, largest: float, *, nesterov: bool = False) -> Best:
    """The best rate and momentum for curvatures from ``smallest`` to ``largest``; κ is their ratio.

    Heavy ball (Polyak 1964): η = (2/(√λ₁ + √λₙ))², β = ((√κ − 1)/(√κ + 1))², factor √β.
    Nesterov (Lessard, Recht & Packard 2016): η = 4/(3 λₙ + λ₁), β = (√(3κ + 1) − 2)/(√(3κ + 1) + 2), factor
    1 − 2/√(3κ + 1).
    """
    low, high = (v.item() for v in _ordered(float(smallest), float(largest)))
    kappa = high / low
    if nesterov:
        root = math.sqrt(3 * kappa + 1)
        return Best(4 / (3 * high + low), (root - 2) / (root + 2), 1 - 2 / root)
    root = math.sqrt(kappa)
    shrinks = (root - 1) / (root + 1)
    return Best((2 / (math.sqrt(low) + math.sqrt(high))) ** 2, shrinks**2, shrinks)


def terminal_speed(momentum: Number, dampening: Number = 0.0) -> Tensor:
    """How many times longer than rate · gradient the steps become against a constant gradient.

    (1 − τ)/(1 − β): tenfold at β = 0.9, and 1 if the buffer is an average, τ = β.
    """
    _, beta, damping = _checked(1.0, momentum, dampening, False)
    check_number("momentum", beta, low=0, below=1)
    return damping / (1 - beta)


def steps_per_digit(shrinks: Number) -> Tensor:
    """How many steps of this factor bring the goal ten times closer: −1/log₁₀; infinite from 1 on."""
    check_number("factor", shrinks, low=0)
    value = _double(shrinks)
    return torch.where(value < 1, -1 / value.log10(), torch.inf)


_TINY = torch.finfo(torch.float64).tiny


def _double(value: Number) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float64)


def _checked(
    curvature: Number, momentum: Number, dampening: Number, nesterov: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Curvature and momentum, and the factor 1 − τ that dampening puts on the rate."""
    check_number("curvature", curvature, low=0)
    check_number("momentum", momentum, low=0, high=1)
    check_number("dampening", dampening, low=0, below=1)
    beta, tau = _double(momentum), _double(dampening)
    if nesterov and tau.any():
        raise ValueError(f"dampening must be 0 with nesterov=True, got {tau.max().item():g}")
    return _double(curvature), beta, torch.where(beta == 0, 1.0, 1 - tau)


def _ordered(smallest: Number, largest: Number) -> tuple[Tensor, Tensor]:
    low, high = _double(smallest), _double(largest)
    check_number("smallest", low, low=_TINY)
    check_number("largest", high, low=_TINY)
    if (low > high).any():
        raise ValueError(f"smallest must be at most largest, got {smallest} and {largest}")
    return low, high
