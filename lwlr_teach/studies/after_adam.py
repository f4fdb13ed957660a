"""What the methods after Adam were made for: first steps, slow weights, rare items, and their state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lwlr_teach.core.checks import Number, check_count, check_number
from lwlr_teach.optim.radam import radam
from lwlr_teach.problems import digits_task
from lwlr_teach.runs import Contestant, race
from lwlr_teach.schedules import Polynomial

Make = Callable[..., torch.optim.Optimizer]

# --- what a method keeps ----------------------------------------------------------------------------------

_DIRECTIONS = ("exp_avg", "momentum_buffer")


@dataclass(frozen=True)
class Kept:
    """How many numbers an optimizer keeps for each parameter of a network."""

    direction: float
    """In averages of the gradient, which say where to go."""
    size: float
    """In all else but the count of the steps: what says how large gradients are."""


def kept(make: Make, shapes: Sequence[tuple[int, ...]]) -> Kept:
    """Take two steps on random gradients for parameters of these shapes, and count the state."""
    generator = torch.Generator().manual_seed(0)
    params = [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]
    optimizer = make(params)
    for _ in range(2):
        for p in params:
            p.grad = torch.randn(p.shape, generator=generator)
        optimizer.step()
    direction = size = 0
    for state in optimizer.state.values():
        for name, value in state.items():
            if name != "step" and isinstance(value, Tensor):
                direction += value.numel() * (name in _DIRECTIONS)
                size += value.numel() * (name not in _DIRECTIONS)
    count = sum(p.numel() for p in params)
    return Kept(direction / count, size / count)


# --- the first steps --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FirstSteps:
    """What the first gradients, pure noise of size 1, make of Adam's scale and steps; t = 1, 2, …"""

    scale: Tensor
    """1/√v̂ in a small, the middle and a large case, the quantiles of 5, 50 and 95%: (3, step)"""
    adam: Tensor
    """The length of a step at rate 1, root of the mean square: (step,)"""
    radam: Tensor


def first_steps(
    steps: int = 100, *, draws: int = 20_000, betas: tuple[float, float] = (0.9, 0.999)
) -> FirstSteps:
    """Draw the gradients of many weights, and follow both averages."""
    check_count("steps", steps)
    check_count("draws", draws)
    generator = torch.Generator().manual_seed(0)
    zero = torch.zeros(draws, dtype=torch.float64)
    state = {"exp_avg": zero, "exp_avg_sq": zero}
    quantiles = torch.tensor([0.05, 0.5, 0.95], dtype=torch.float64)
    scales, lengths, rectified = [], [], []
    for t in range(1, steps + 1):
        grad = torch.randn(draws, generator=generator, dtype=torch.float64)
        direction, state = radam(grad, state, t, betas=betas, eps=0.0)
        root = (state["exp_avg_sq"] / (1 - betas[1] ** t)).sqrt()
        step = state["exp_avg"] / (1 - betas[0] ** t) / root
        scales.append((1 / root).quantile(quantiles))
        lengths.append(step.square().mean().sqrt())
        rectified.append(direction.square().mean().sqrt())
    return FirstSteps(torch.stack(scales, -1), torch.stack(lengths), torch.stack(rectified))


def rectifier(steps: int, beta2: float = 0.999) -> Tensor:
    """RAdam's factor r for t = 1, 2, …: (step,), nan while it does not divide (ρ ≤ 5). Liu et al. 2020."""
    check_count("steps", steps)
    check_number("beta2", beta2, low=0.8, below=1)
    t = torch.arange(1, steps + 1, dtype=torch.float64)
    limit = 2 / (1 - beta2) - 1
    rho = limit - 2 * t * beta2**t / (1 - beta2**t)
    r = ((rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho)).sqrt()
    return torch.where(rho > 5, r, torch.nan)


# --- Lookahead, exactly -----------------------------------------------------------------------------------


def noise_floor(step: Number) -> Tensor:
    """The variance of SGD about the goal, with noise and curvature 1 and a rate in (0, 2): η / (2 − η)."""
    eta = _double(step)
    check_number("step", eta, low=0, below=2)
    return eta / (2 - eta)


def lookahead_speed(step: Number, k: int = 5, alpha: float = 0.5) -> Tensor:
    """What is left of the distance after the k steps up to a meeting: 1 − α + α (1 − η)ᵏ."""
    return 1 - alpha + alpha * (1 - _double(step)) ** k


def lookahead_floor(step: Number, k: int = 5, alpha: float = 0.5) -> Tensor:
    """The variance of Lookahead's slow weights about the goal, around SGD as in :func:`noise_floor`.

    α² V / (1 − s²): V is what k steps of SGD add, and s is :func:`lookahead_speed`.
    """
    eta = _double(step)
    added = noise_floor(eta) * (1 - (1 - eta) ** (2 * k))
    return alpha**2 * added / (1 - lookahead_speed(eta, k, alpha) ** 2)


def equally_fast(step: Number, k: int = 5, alpha: float = 0.5) -> Tensor:
    """The rate at which plain SGD is as fast as Lookahead around SGD at this rate."""
    return 1 - lookahead_speed(step, k, alpha).abs() ** (1 / k)


def lookahead_factor(lr: Tensor, momentum: float, curvature: Tensor, k: int, alpha: float) -> Tensor:
    """By how much a step of Lookahead around the heavy ball multiplies the distance in the long run, on
    average over the k steps up to a meeting: (rate, curvature). The heavy ball keeps its buffer."""
    eta, lam = lr.double()[:, None], curvature.double()
    ones = torch.ones_like(eta * lam)
    rows = [torch.stack([1 - eta * lam, -eta * momentum * ones], -1)]
    rows += [torch.stack([lam * ones, momentum * ones], -1)]  # of the place, then of the buffer
    there = torch.linalg.matrix_power(torch.stack(rows, -2), k)
    there[..., 0, :] *= alpha
    there[..., 0, 0] += 1 - alpha
    return torch.linalg.eigvals(there).abs().amax(-1) ** (1 / k)


def _double(value: Number) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float64)


# --- a memory with rare items -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Memory:
    """A matrix that learns to answer keys with values, at each rate."""

    lr: Tensor
    frequency: Tensor
    """How often each item comes, the most frequent first: (item,)"""
    loss: Tensor
    """Squared distance from the right answer, 1 at first: (rate, step, item)"""

    @property
    def best(self) -> int:
        """Index of the rate with the lowest mean loss over all that comes, after the last step."""
        last = (self.loss[:, -1] @ self.frequency).nan_to_num(torch.inf)
        return int(last.argmin())

    def learnt(self, below: float = 0.1) -> Tensor:
        """The first step after which each item's loss is below, at the best rate; inf for never: (item,)"""
        there = self.loss[self.best] < below
        return torch.where(there.any(0), there.int().argmax(0).double(), torch.inf)


def remember(
    make: Make,
    lr: Tensor,
    *,
    items: int = 8,
    power: float = 2.0,
    steps: int = 60,
    turned: bool = True,
    seed: int = 0,
    **settings: Any,
) -> Memory:
    """Learn a matrix W that maps as many orthonormal keys to orthonormal values, item i as often as 1/iᵖᵒʷᵉʳ.

    Each step sees all items, weighted by how often they come, and the rate falls linearly to 0. ``turned``:
    keys and values point in random directions; else each is a coordinate, and item i is one entry of W.
    """
    check_count("items", items)
    check_count("steps", steps)
    generator = torch.Generator().manual_seed(seed)
    keys = values = torch.eye(items, dtype=torch.float64)
    if turned:
        drawn = torch.randn(2, items, items, generator=generator, dtype=torch.float64)
        keys, values = torch.linalg.qr(drawn)[0]
    frequency = torch.arange(1, items + 1, dtype=torch.float64) ** -power
    frequency /= frequency.sum()
    weights = torch.zeros(len(lr), items, items, dtype=torch.float64)
    optimizer = make([weights], lr=lr.double(), **settings)
    losses = []
    for t in range(steps + 1):
        optimizer.param_groups[0]["lr"] = lr.double() * (1 - t / steps)
        off = weights @ keys - values  # a column an item
        losses.append(off.square().sum(-2))
        weights.grad = (off * frequency) @ keys.T
        optimizer.step()
    return Memory(lr, frequency, torch.stack(losses, 1))


# --- a table that flatters --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Paper:
    """Two methods, each at every rate from seeds of its own: three choose, the others judge."""

    lr: Tensor
    loss: Tensor
    """On images that no seed has learnt from: (method, rate, seed)"""
    right: Tensor
    """Share of the test images: (method, rate, seed)"""
    choosers: int = 3

    @property
    def chosen(self) -> Tensor:
        """Index of each method's best rate: (method,)"""
        return self.loss[..., : self.choosers].mean(-1).argmin(-1)

    def judged(self, method: int, rate: int) -> float:
        """The share that is right, mean over the seeds that judge."""
        return self.right[method, rate, self.choosers :].mean().item()


def published(optimizer: str = "Adam", *, lr: Tensor, seeds: int = 8, steps: int = 200) -> Paper:
    """Run one method twice on the digits, with a rate that falls to 0, the second time from other seeds."""
    task = digits_task(seeds=2 * seeds, steps=steps, batch_size=16, valid=300)
    runs = race([Contestant(optimizer, Polynomial(steps))], lr=lr, task=task, checkpoints=1)
    loss, right = (
        values[0, :, :, -1].unflatten(1, (2, seeds)).movedim(1, 0)
        for values in (runs.valid_loss, runs.test_accuracy)
    )
    return Paper(lr, loss, right)
