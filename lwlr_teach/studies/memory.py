"""How long to remember: the size of gradients that changes, and a goal that moves.

RMSProp's s is a moving average of g². It guesses the present size σ of the gradients, and its memory is
1/(1 − α) steps. Here the gradients are σ·ξ with ξ standard normal, and the logarithm of σ takes a random step
at a time. Then nothing is unknown, and how wrong √s is can be measured for every memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Unpack

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from lwlr_teach.core.arithmetic import moving_average
from lwlr_teach.core.checks import Number, check_count, check_number, check_rising
from lwlr_teach.core.text import brief
from lwlr_teach.optim import Adadelta, Method
from lwlr_teach.optim.engine import Options
from lwlr_teach.optim.grid import check_grid, check_methods


class Change(NamedTuple):
    """How the size of gradients changes."""

    speed: float
    """The standard deviation of a step of ln σ."""
    fall: float = 1.0
    """By how much σ is divided, once, in the middle."""


CHANGES = {
    "slow drift": Change(0.01),
    "fast drift": Change(0.04),
    "one fall": Change(0.0, fall=5.0),
}


@dataclass(frozen=True, eq=False)
class Sizes:
    """What moving averages of g² make of the size of gradients; the axes are (change, memory, step)."""

    names: tuple[str, ...]
    memories: Tensor
    """1/(1 − α), in steps."""
    size: Tensor
    """The true σ in one draw: (change, step)."""
    seen: Tensor
    """The sizes |g| of its gradients: (change, step)."""
    guessed: Tensor
    """√s with each memory in this draw: (change, memory, step)."""
    never_forgets: Tensor
    """The root of the mean of all g² so far in this draw: (change, step)."""
    error: Tensor
    """The root mean square of ln √s − ln σ, over all draws and steps: (change, memory)."""
    never_error: Tensor
    """The same where nothing is forgotten: (change,)."""

    __repr__ = brief

    @property
    def best(self) -> Tensor:
        """The memory with the smallest error: (change,)."""
        return self.memories[self.error.argmin(-1)]


def guess_sizes(
    memories: Sequence[float] | Tensor | None = None,
    *,
    steps: int = 400,
    before: int = 600,
    draws: int = 2000,
    shown: int = 0,
    seed: int = 0,
) -> Sizes:
    """Guess the size of gradients with each memory, for every change in ``CHANGES``.

    Args:
        memories: 1/(1 − α), rising and at least 1; by default 33 from 2 to 200.
        steps: how many are measured; in their middle the size falls, where it does.
        before: how many have gone before, so that no average remembers its start.
        draws: how many are averaged; all changes and memories meet the same ones.
        shown: the number of the draw that comes back step by step. There the size is 1 when the measured
            steps begin.
    """
    if memories is None:
        memories = torch.logspace(math.log10(2), math.log10(200), 33, dtype=torch.float64)
    memories = torch.as_tensor(memories, dtype=torch.float64)
    check_number("memories", memories, low=1)
    check_rising("memories", memories)
    for name, count in (("steps", steps), ("draws", draws)):
        check_count(name, count, low=2)
    check_count("before", before, low=0)
    check_count("shown", shown, low=0, high=draws - 1)
    generator = torch.Generator().manual_seed(seed)
    walk, noise = torch.randn(2, before + steps, draws, generator=generator, dtype=torch.float64)
    parts = [_guess(change, memories, walk.cumsum(0), noise, before, shown) for change in CHANGES.values()]
    return Sizes(tuple(CHANGES), memories, *map(torch.stack, zip(*parts, strict=True)))


def _guess(
    change: Change, memories: Tensor, walk: Tensor, noise: Tensor, before: int, shown: int
) -> tuple[Tensor, ...]:
    """Size, what is seen, both guesses and the error, of one change."""
    alpha = (1 - 1 / memories)[:, None]
    fallen = (torch.arange(len(walk))[:, None] >= (before + len(walk)) // 2).double()
    logs = change.speed * (walk - walk[before, shown]) - math.log(change.fall) * fallen
    squares = (logs.exp() * noise) ** 2
    s = (2 * logs[0]).exp().expand(len(memories), -1)
    guessed, error = [], torch.zeros(len(memories), dtype=torch.float64)
    for step, square in enumerate(squares):
        s = moving_average(s, square, alpha)
        if step >= before:
            guessed.append(s[:, shown].sqrt())
            error += (s.log() / 2 - logs[step]).square().mean(1)
    so_far = squares.cumsum(0).div(torch.arange(1, len(squares) + 1)[:, None])[before:]
    return (
        logs[before:, shown].exp(),
        squares[before:, shown].sqrt(),
        torch.stack(guessed, -1),
        so_far[:, shown].sqrt(),
        (error / len(so_far)).sqrt(),
        (so_far.log() / 2 - logs[before:]).square().mean().sqrt(),
    )


def best_memory(speed: float) -> float:
    """The memory, in steps, with which a moving average follows a drifting size best.

    The steady state of Kalman's filter for a random walk that is seen with noise, as far as the average is
    near the truth: the relative noise of g² has the variance 2, and a step of ln σ² has (2 · ``speed``)². The
    gain k = 1 − α solves k² = (1 − k) · 2 · speed². For a slow drift 1/k is about 1/(√2 · speed).
    """
    check_number("speed", speed, above=0)
    ratio = 2 * speed**2
    return 2 / (math.sqrt(ratio**2 + 4 * ratio) - ratio)


@dataclass(frozen=True, eq=False)
class Chase:
    """How well each method followed a goal that jumps, at its own best rate for each fall."""

    names: tuple[str, ...]
    lr: Tensor
    """The rates that were tried: (rate,)."""
    tried: Tensor
    """The root mean square of the distance over all steps, at each rate: (fall, method, rate); inf where it
    overflowed."""
    distance: Tensor
    """The distance to the goal before each step at the best rate, root mean square over other draws:
    (fall, method, step)."""

    __repr__ = brief

    @property
    def best(self) -> Tensor:
        """Each method's best rate: (fall, method)."""
        return self.lr[self.tried.argmin(-1)]


def chase(
    optimizers: Iterable[str | Method],
    *,
    lr: Sequence[float] | Tensor,
    falls: Sequence[float] = (1.0,),
    fall_at: int = 750,
    steps: int = 2000,
    every: int = 500,
    draws: int = 400,
    seed: int = 0,
) -> Chase:
    """Let methods follow a goal that jumps to and fro between 0 and 1.

    The gradient is size · (p − goal + ξ) with ξ standard normal. One set of draws chooses each method's rate,
    another one judges it.

    Args:
        optimizers: methods or their names.
        lr: the rates to choose from.
        falls: by how much the size of all gradients, which is 1 at first, is divided; 1 leaves it as it is.
        fall_at: the step from which on they are smaller.
        steps: how many each run takes.
        every: how many steps the goal stands still.
        draws: how many judge; a quarter as many choose.
    """
    methods = check_methods(optimizers)
    rates = check_grid(methods, {"lr": lr}, torch.device("cpu"), torch.float64)["lr"]
    divisors = torch.as_tensor(falls, dtype=torch.float64)
    check_number("falls", divisors, above=0)
    check_count("steps", steps)
    check_count("every", every)
    check_count("fall_at", fall_at, low=0)
    check_count("draws", draws, low=4)
    generator = torch.Generator().manual_seed(seed)
    time = torch.arange(steps)
    goal = (time // every % 2).double()
    size = torch.where((time < fall_at)[:, None], 1.0, 1 / divisors)
    choosing, judging = (
        torch.randn(steps, count, generator=generator, dtype=torch.float64) for count in (draws // 4, draws)
    )
    tried, distance = [], []
    for method in methods:
        squares = _squares(method, rates.expand(len(divisors), -1), goal, size, choosing)
        tried.append(squares.mean(0).sqrt().nan_to_num(nan=torch.inf))
        best = rates[tried[-1].argmin(-1)][:, None]
        distance.append(_squares(method, best, goal, size, judging)[..., 0].sqrt().T)
    names = tuple(method.name for method in methods)
    return Chase(names, rates, torch.stack(tried, 1), torch.stack(distance, 1))


def _squares(method: Method, rates: Tensor, goal: Tensor, size: Tensor, noise: Tensor) -> Tensor:
    """Mean over the draws of the squared distance before each step: (step, fall, rate)."""
    p = torch.zeros(*rates.shape, noise.shape[1], dtype=torch.float64)
    optimizer, found = method([p], lr=rates[..., None]), []
    for here, times, draw in zip(goal, size, noise, strict=True):
        found.append((p - here).square().mean(-1))
        p.grad = times[:, None, None] * (p - here + draw)
        optimizer.step()
    return torch.stack(found)


def _by_eps(params: ParamsT, lr: Number = 1e-6, **options: Unpack[Options]) -> Adadelta:
    """AdaDelta at the rate 1, whose ε is what is called ``lr`` here."""
    groups = [dict(p) if isinstance(p, dict) else {"params": [p]} for p in params]
    return Adadelta([{**group, "eps": group.get("lr", lr), "lr": 1.0} for group in groups], **options)


ADADELTA_BY_EPS = Method("Adadelta, its ε", _by_eps)
"""AdaDelta for a sweep of rates: what is swept is its ε."""
