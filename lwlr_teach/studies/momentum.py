"""How fast the heavy ball and Nesterov's method are on a quadratic, measured at every rate and momentum.

The quadratic's steepest curvature is 1 and its gentlest is 1/κ, so that rates are in units of 1/λ of the
steepest direction. What theory says of them is in :mod:`lwlr_teach.problems.quadratics`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lwlr_teach.core.checks import check_number
from lwlr_teach.optim import METHODS, Method
from lwlr_teach.problems.quadratics import worst_factor

KINDS = {"heavy ball": METHODS["Momentum"], "Nesterov": METHODS["Nesterov"]}
RATES = torch.arange(1, 42, dtype=torch.float64) / 10
MOMENTA = torch.arange(40, dtype=torch.float64) / 40
STEPS = tuple(range(0, 201, 2))
"""The steps whose distances are kept: every other one of the start of a run."""

# A run is this long, and its factor is measured between the furthest points of two stretches of it: complex
# roots swing, and a stretch is long enough to hold the peak of a swing.
_LENGTH, _STRETCH, _EARLY, _LATE = 600, 100, 200, 500
_BEFORE_OVERFLOW = 20, 80  # where a run is measured that does not get that far


@dataclass(frozen=True)
class MomentumSweep:
    """Runs of both kinds of momentum at every rate and every momentum, on quadratics of several shapes.

    The kinds are those of :data:`KINDS`. Factors are in single precision, all else in double.
    """

    conditions: Tensor
    """Condition numbers κ: (condition,)"""
    momentum: Tensor
    """(momentum,)"""
    lr: Tensor
    """In units of 1/λ of the steepest direction: (rate,)"""
    steps: tuple[int, ...]
    distances: Tensor
    """From the goal, after each of these steps: the larger of the two coordinates, which both begin at 1.
    After an overflow inf or nan. (kind, condition, momentum, rate, step)"""
    factors: Tensor
    """By how much a step multiplies the distance, late in the run: (kind, condition, momentum, rate)"""

    def exact(self, lr: Tensor | None = None) -> Tensor:
        """The factors that theory says, at the rates of the runs or at others (rate,), of any size ≥ 0:
        (kind, condition, momentum, rate)."""
        rates = self.lr if lr is None else lr
        smallest = (1 / self.conditions)[:, None, None]
        found = [
            worst_factor(rates, self.momentum[:, None], smallest, 1.0, nesterov=kind == "Nesterov")
            for kind in KINDS
        ]
        return torch.stack(found).float()


def sweep_momentum(conditions: Sequence[float] = (10, 100, 1000)) -> MomentumSweep:
    """Run both kinds of momentum on a quadratic of each condition number κ, a third of a second in all.

    Args:
        conditions: each at least 5. Below that a run at the best setting reaches the smallest numbers before
            it is measured.
    """
    kappas = torch.as_tensor(conditions, dtype=torch.float64).reshape(-1)
    check_number("conditions", kappas, low=5)
    runs = [_distances(kind, kappas) for kind in KINDS.values()]
    return MomentumSweep(
        conditions=kappas,
        momentum=MOMENTA,
        lr=RATES,
        steps=STEPS,
        distances=torch.stack([run[..., list(STEPS)] for run in runs]),
        factors=torch.stack([_factors(run) for run in runs]).float(),
    )


def _distances(kind: Method, conditions: Tensor) -> Tensor:
    """The distance from the goal along every run: (condition, momentum, rate, step)."""
    curvature = torch.stack([1 / conditions, torch.ones_like(conditions)], -1)[:, None, None]
    x = torch.ones(len(conditions), len(MOMENTA), len(RATES), 2, dtype=torch.float64)
    optimizer = kind([x], lr=RATES[None, None], momentum=MOMENTA[None, :, None])
    distances = torch.empty(_LENGTH + 1, *x.shape[:-1], dtype=torch.float64)
    distances[0] = 1
    for step in range(1, _LENGTH + 1):
        x.grad = curvature * x
        optimizer.step()
        distances[step] = x.abs().amax(-1)
    return distances.movedim(0, -1)


def _factors(runs: Tensor) -> Tensor:
    """By how much each run's distance was multiplied in a step, late in the run."""
    early = runs[..., _EARLY : _EARLY + _STRETCH + 1].amax(-1)
    late = runs[..., _LATE : _LATE + _STRETCH + 1].amax(-1)
    found = (late / early) ** (1 / (_LATE - _EARLY))
    first, last = _BEFORE_OVERFLOW
    soon = (runs[..., last] / runs[..., first]) ** (1 / (last - first))
    return torch.where(found.isfinite(), found, soon)
