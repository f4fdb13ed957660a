"""What each split of a budget η₁ + η₂ between two layers costs, after every step: linear networks, exactly.

The networks are those of :mod:`lwlr_teach.problems.linear_networks`. All budgets, splits and steps of one
setting are computed at once and kept, so that a picture can ask for any of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from torch import Tensor

from lwlr_teach.core.checks import check_choice, check_count
from lwlr_teach.core.threads import one_thread
from lwlr_teach.problems.linear_networks import DYNAMICS, descend, linear_network, losses, product_limit, unit

ORTHOGONAL, GAUSSIAN = "orthogonal", "gaussian"
STARTS = (ORTHOGONAL, GAUSSIAN)

GAUSSIAN_WIDTH = 32
"""The width of networks that begin with Gaussian weights: they need matrices, and wide ones take too long."""

LEARNED = 1e-12
"""Losses below count as equal: the network has learned its task, and what is left is soon rounding."""

SHARES = torch.arange(41, dtype=torch.float64) / 40
"""The share of the budget that goes to layer 1."""

STEPS = (*range(1, 17), *(round(2 ** (k / 6)) for k in range(25, 55)))
"""Every step to 16, then six an octave to 512, with all powers of two."""
# With matrices: a sixth of a second a network.
_GAUSSIAN_STEPS = STEPS[:16]
_GAUSSIAN_SHARES = SHARES[::2]
_GAUSSIAN_SEEDS = range(3)

# At this width. At another one they are scaled with the rate that is 1 in the formulas.
_WIDTH = 1000
_BUDGETS: dict[int, list[float]] = {
    2: [1000 * p for p in (2, 4, 6, 8, 10, 15, 20, 27, 33, 40, 45, 50, 56, 63, 70)],
    3: [2.5, 5, 10, 15, 20, 25, 30, 40, 50, 60, 63, 70, 80, 90, 100],
}

# Where every split is worse than no step at all, losses above this multiple of the best one count as it.
_HOPELESS = 10

# Mirrored shares are equally good where the losses differ by less than this share of them.
_TIE = 1e-6


@dataclass(frozen=True)
class Splits:
    """The loss after each step, for every budget and every split of it."""

    width: int
    budgets: Tensor
    """η₁ + η₂, rising: (budget)."""
    shares: Tensor
    """η₁ over η₁ + η₂, from 0 to 1: (share)."""
    steps: tuple[int, ...]
    losses: Tensor
    """(budget, step, share), infinite where descent overflows."""
    first: float
    """The loss before the first step."""
    limit: float | None
    """The η₁ η₂ from which on descent cannot come to rest, where it is known."""
    equal: float = 0.5
    """The share with which all layers have the same rate."""
    each: Tensor | None = None
    """The best share of each network, where several were trained: (budget, step, network)."""

    @cached_property
    def is_best(self) -> Tensor:
        """Whether no other split is better after this step, (budget, step, share).

        That is one split, or two that mirror each other, or all that have learned their task. None where
        every split overflowed.
        """
        low = self.losses.amin(-1, keepdim=True)
        here = self.losses.argmin(-1, keepdim=True)
        index = torch.arange(len(self.shares))
        mirrored = (index == len(self.shares) - 1 - here) & (self.losses <= low * (1 + _TIE))
        return ((index == here) | mirrored | (self.losses < LEARNED)) & low.isfinite()

    @property
    def best(self) -> Tensor:
        """The share of the lowest loss, (budget, step): the lowest share of :attr:`is_best`, nan for none."""
        share = self.shares[self.is_best.byte().argmax(-1)]
        return torch.where(self.is_best.any(-1), share, torch.nan)

    @property
    def excess(self) -> Tensor:
        """How far the loss is above that of the step's best split: (budget, step, share).

        0 for the best, 1 for the worst. What is above the first loss counts as the first loss, or as ten
        times the best one where all are above: runs that diverge would hide all other differences. Infinite
        where the loss is.
        """
        low = self.losses.amin(-1, keepdim=True)
        finite = self.losses.isfinite()
        high = self.losses.where(finite, -torch.inf).amax(-1, keepdim=True)
        high = high.minimum(torch.where(low < self.first, self.first, _HOPELESS * low))
        share = ((self.losses - low) / (high - low)).clamp(0, 1).nan_to_num(0.0)
        return share.where(finite, torch.inf)


@lru_cache(maxsize=64)
def split_losses(
    layers: int = 2, width: int = 1000, dynamics: str = "exact", start: str = ORTHOGONAL
) -> Splits:
    """The losses of all splits of fifteen budgets.

    Args:
        layers: 2 or 3.
        width: of the network; with ``start="gaussian"`` it is ``GAUSSIAN_WIDTH`` instead.
        dynamics: ``"exact"`` or ``"surrogate"``.
        start: of the first weights and of the data. ``"orthogonal"`` is the mean over all networks, as in
            :func:`~lwlr_teach.problems.linear_networks.loss_after`. ``"gaussian"`` has no recursion: the mean
            over three networks, to step 16, with half of the shares.
    """
    check_count("layers", layers, low=2, high=3)
    check_count("width", width, low=2)
    check_choice("dynamics", dynamics, dict.fromkeys(DYNAMICS))
    check_choice("start", start, dict.fromkeys(STARTS))
    gaussian = start == GAUSSIAN
    width = GAUSSIAN_WIDTH if gaussian else width
    budgets = _budgets(layers, width)
    find = _matrices if gaussian else _recursions
    with one_thread():
        found = find(layers, width, dynamics, budgets)
    # A picture is sent in single precision: what that cannot hold has overflowed.
    found = found.where(found <= torch.finfo(torch.float32).max, torch.inf)
    steps = _GAUSSIAN_STEPS if gaussian else STEPS
    return Splits(
        width=width,
        budgets=budgets,
        shares=_GAUSSIAN_SHARES if gaussian else SHARES,
        steps=steps,
        losses=found[list(steps)].movedim(0, 1),
        first=found[0, 0, 0].item(),
        limit=None if gaussian or dynamics != "exact" else product_limit(width, layers),
    )


def _budgets(layers: int, width: int) -> Tensor:
    """Rounded to three digits, so that a label says the budget as it is."""
    scale = unit(width, layers) / unit(_WIDTH, layers)
    return torch.tensor([float(f"{scale * p:.3g}") for p in _BUDGETS[layers]], dtype=torch.float64)


def _recursions(layers: int, width: int, dynamics: str, budgets: Tensor) -> Tensor:
    """(step, budget, share). In double: at small budgets the first losses of two splits differ by 1e-7."""
    # With two layers, to swap the rates swaps a and b of the recursion, and the loss is the same.
    mirrored = layers == 2
    shares = SHARES[: len(SHARES) // 2 + 1] if mirrored else SHARES
    eta1 = budgets[:, None] * shares
    eta2 = budgets[:, None] * (1 - shares)
    found = losses(STEPS[-1], eta1, eta2, width=width, layers=layers, dynamics=dynamics)
    return torch.cat([found, found[..., :-1].flip(-1)], -1) if mirrored else found


def _matrices(layers: int, width: int, dynamics: str, budgets: Tensor) -> Tensor:
    """(step, budget, share): the mean over the networks."""
    eta1 = (budgets[:, None] * _GAUSSIAN_SHARES).float()
    eta2 = (budgets[:, None] * (1 - _GAUSSIAN_SHARES)).float()
    found = []
    for seed in _GAUSSIAN_SEEDS:
        network = linear_network(width, layers, init=GAUSSIAN, data=GAUSSIAN, seed=seed, dtype=torch.float32)
        found.append(descend(network, eta1, eta2, steps=_GAUSSIAN_STEPS[-1], dynamics=dynamics))
    return torch.stack(found).double().mean(0)
