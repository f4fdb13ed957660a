"""Schedules: the factor of the learning rate, as a function of the step.

A schedule multiplies the rate that an optimizer was made with: ``rate(t) = lr · schedule(t)``. It counts the
steps that were taken, so the first step is step 0, and it can be asked for any step in any order.

    drive(optimizer, schedule, step)        sets the rates of any optimizer, torch's or ours
    ScheduleLR(optimizer, schedule)         the same as a torch ``LRScheduler``
    LambdaLR(optimizer, schedule)           torch's own takes them, but no Plateau, and cycles no momentum
    sweep(…, schedule=schedule)             drives every run of a sweep

One unit of t is whatever the caller counts: batches here, epochs where ``ScheduleLR.step`` is called once an
epoch. Names and defaults are torch's where torch has the schedule, with two exceptions: what torch gives as a
rate (``eta_min``, ``min_lr``, ``max_lr``) is a factor here, so that groups with different rates keep their
ratio; and no schedule climbs back or stops with an error once it has ended.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeGuard

import torch
from torch import Tensor

from lwlr_teach.checks import Number, check_choice, check_count, check_function, check_number
from lwlr_teach.optim import SGDHD

Schedule = Callable[..., float]
"""``schedule(step) → factor``; a :class:`Plateau` also wants the losses: ``schedule(step, losses)``."""


def _ramp(start: float, end: float, share: float, shape: str = "linear") -> float:
    """From ``start`` to ``end`` as ``share`` goes from 0 to 1, and no further."""
    share = min(max(share, 0.0), 1.0)
    return start + (end - start) * SHAPES[shape](share)


SHAPES: dict[str, Callable[[float], float]] = {
    "linear": lambda share: share,
    "cosine": lambda share: (1 - math.cos(math.pi * share)) / 2,
    "sqrt": math.sqrt,
}
"""How much of the way a ramp has gone after a share of its steps."""


@dataclass(frozen=True)
class Constant:
    """``1``: the rate never changes."""

    def __call__(self, step: int) -> float:
        return 1.0


@dataclass(frozen=True)
class StepDecay:
    """``gamma^⌊t / step_size⌋``: multiplied by ``gamma`` every ``step_size`` steps. torch's ``StepLR``."""

    step_size: int
    gamma: float = 0.1

    def __post_init__(self) -> None:
        check_count("step_size", self.step_size)
        check_number("gamma", self.gamma, low=0)

    def __call__(self, step: int) -> float:
        return float(self.gamma ** (step // self.step_size))


@dataclass(frozen=True)
class MultiStep:
    """``gamma^(milestones passed)``: multiplied by ``gamma`` at each milestone. torch's ``MultiStepLR``."""

    milestones: Sequence[int]
    gamma: float = 0.1

    def __post_init__(self) -> None:
        object.__setattr__(self, "milestones", _rising("milestones", self.milestones))
        check_number("gamma", self.gamma, low=0)

    def __call__(self, step: int) -> float:
        return float(self.gamma ** bisect_right(self.milestones, step))


@dataclass(frozen=True)
class Exponential:
    """``gamma^t``: the same share is lost at every step. torch's ``ExponentialLR``."""

    gamma: float

    def __post_init__(self) -> None:
        check_number("gamma", self.gamma, low=0)

    def __call__(self, step: int) -> float:
        return float(self.gamma**step)


@dataclass(frozen=True)
class InverseTime:
    """``1 / (1 + k·t)``, halved after 1/k steps. Robbins and Monro (1951).

    Keras's ``InverseTimeDecay``, where k is ``decay_rate / decay_steps``.

    With ``k = 1`` and a rate of 1/λ on a noisy quadratic of curvature λ, each step averages all the noise so
    far: the run is at the mean of its targets.
    """

    k: float

    def __post_init__(self) -> None:
        check_number("k", self.k, low=0)

    def __call__(self, step: int) -> float:
        return 1 / (1 + self.k * step)


@dataclass(frozen=True)
class InverseSqrt:
    """``√(timescale / max(t + 1, timescale))``: constant at first, then like 1/√t.

    What Vaswani et al. (2017) train the transformer with, after their warm-up. Their t counts from 1.
    """

    timescale: int = 1

    def __post_init__(self) -> None:
        check_count("timescale", self.timescale)

    def __call__(self, step: int) -> float:
        return math.sqrt(self.timescale / max(step + 1, self.timescale))


@dataclass(frozen=True)
class Polynomial:
    """``(1 − t / total_iters)^power``, then 0; ``power=1`` is linear decay. torch's ``PolynomialLR``."""

    total_iters: int
    power: float = 1.0

    def __post_init__(self) -> None:
        check_count("total_iters", self.total_iters)
        check_number("power", self.power, low=0)

    def __call__(self, step: int) -> float:
        return float((1 - min(step / self.total_iters, 1.0)) ** self.power)


@dataclass(frozen=True)
class Warmup:
    """From ``start_factor`` up to 1 in ``total_iters`` steps, then 1. torch's ``LinearLR``, or a cosine ramp.

    torch's default starts at a third. Goyal et al. (2017) start at one over the number of workers. A start at
    0, as in Hugging Face's ``get_linear_schedule_with_warmup``, makes the first step one that goes nowhere.
    """

    total_iters: int
    start_factor: float = 1 / 3
    shape: str = "linear"

    def __post_init__(self) -> None:
        check_count("total_iters", self.total_iters)
        check_number("start_factor", self.start_factor, low=0, high=1)
        check_choice("shape", self.shape, SHAPES)

    def __call__(self, step: int) -> float:
        return _ramp(self.start_factor, 1.0, step / self.total_iters, self.shape)


@dataclass(frozen=True)
class Cosine:
    """``½ (1 + cos(π t / T_max))``, scaled to end at ``min_factor``. Loshchilov and Hutter (2017).

    It stays at ``min_factor`` after ``T_max`` steps, as optax's ``cosine_decay_schedule`` does. torch's
    ``CosineAnnealingLR`` climbs back: at 2·``T_max`` it is at 1 again.
    """

    T_max: int
    min_factor: float = 0.0

    def __post_init__(self) -> None:
        check_count("T_max", self.T_max)
        check_number("min_factor", self.min_factor, low=0, high=1)

    def __call__(self, step: int) -> float:
        return _ramp(1.0, self.min_factor, step / self.T_max, "cosine")


@dataclass(frozen=True)
class WarmRestarts:
    """A cosine that starts again after ``T_0`` steps, then after ``T_0·T_mult``, ``T_0·T_mult²``, … more.

    SGDR, Loshchilov and Hutter (2017); torch's ``CosineAnnealingWarmRestarts``.
    """

    T_0: int
    T_mult: int = 1
    min_factor: float = 0.0

    def __post_init__(self) -> None:
        check_count("T_0", self.T_0)
        check_count("T_mult", self.T_mult)
        check_number("min_factor", self.min_factor, low=0, high=1)

    def __call__(self, step: int) -> float:
        period = self.T_0
        if self.T_mult == 1:
            step %= period
        while step >= period:
            step -= period
            period *= self.T_mult
        return _ramp(1.0, self.min_factor, step / period, "cosine")


@dataclass(frozen=True)
class OneCycle:
    """Up from ``1/div_factor`` to 1 in ``pct_start`` of the steps, then far down; momentum goes the other
    way.

    Smith (2018); torch's ``OneCycleLR``, whose ``max_lr`` is the optimizer's rate here, and which raises an
    error after its last step. With ``three_phase`` the way down ends where the way up began, and a last phase
    goes on to ``1/(div_factor · final_div_factor)``. :func:`drive` also sets the momentum (β₁ where there are
    betas) to ``momentum(step)``, unless ``cycle_momentum`` is False; not for a cycle inside another schedule.
    """

    total_steps: int
    pct_start: float = 0.3
    anneal_strategy: str = "cos"
    cycle_momentum: bool = True
    base_momentum: float = 0.85
    max_momentum: float = 0.95
    div_factor: float = 25.0
    final_div_factor: float = 1e4
    three_phase: bool = False

    def __post_init__(self) -> None:
        check_count("total_steps", self.total_steps, low=2)
        check_number("pct_start", self.pct_start, low=0, high=0.5 if self.three_phase else 1)
        check_choice("anneal_strategy", self.anneal_strategy, _STRATEGIES)
        check_number("base_momentum", self.base_momentum, low=0, below=1)
        check_number("max_momentum", self.max_momentum, low=0, below=1)
        check_number("div_factor", self.div_factor, low=1)
        check_number("final_div_factor", self.final_div_factor, low=1)

    def __call__(self, step: int) -> float:
        start = 1 / self.div_factor
        corners = [start, 1.0, *([start] if self.three_phase else []), start / self.final_div_factor]
        return self._through(corners, step)

    def momentum(self, step: int) -> float:
        """The momentum (not a factor): low while the rate is high."""
        high, low = self.max_momentum, self.base_momentum
        return self._through([high, low, high, *([high] if self.three_phase else [])], step)

    def _through(self, corners: list[float], step: int) -> float:
        """The value at ``step`` on the way through these corners."""
        up = self.pct_start * self.total_steps - 1
        ends = [up, *([2 * up] if self.three_phase else []), self.total_steps - 1.0]
        begin = 0.0
        for (start, end), until in zip(pairwise(corners), ends, strict=True):
            if step <= until:
                share = (step - begin) / (until - begin) if until > begin else 1.0
                return _ramp(start, end, share, _STRATEGIES[self.anneal_strategy])
            begin = until
        return corners[-1]


_STRATEGIES = {"cos": "cosine", "linear": "linear"}


@dataclass(frozen=True)
class WSD:
    """Warm-up, stable, decay: up in ``warmup`` of the steps, constant, down to 0 in the last ``decay`` of
    them.

    ``warmup`` and ``decay`` are shares of ``total_steps``. Hu et al. (2024, MiniCPM); Hägele et al. (2024),
    who found the ``shape`` "sqrt", ``1 − √share``, to end lower than "linear". The last step is the last one
    above 0.
    """

    total_steps: int
    warmup: float = 0.05
    decay: float = 0.2
    shape: str = "sqrt"

    def __post_init__(self) -> None:
        check_count("total_steps", self.total_steps)
        check_number("warmup", self.warmup, low=0, high=1)
        check_number("decay", self.decay, low=0, high=1)
        check_choice("shape", self.shape, SHAPES)
        if self.warmup + self.decay > 1:
            raise ValueError(f"warmup + decay must be ≤ 1, got {self.warmup:g} + {self.decay:g}")

    def __call__(self, step: int) -> float:
        warm, cool = self.warmup * self.total_steps, self.decay * self.total_steps
        stable_until = self.total_steps - cool
        if step < warm:
            return min((step + 1) / warm, 1.0)
        if step < stable_until or not cool:
            return 1.0
        return _ramp(1.0, 0.0, (step - stable_until) / cool, self.shape)


@dataclass(frozen=True)
class Plateau:
    """Multiplied by ``factor`` when the loss has not improved for more than ``patience`` steps.

    torch's ``ReduceLROnPlateau`` with ``mode="min"``, ``threshold_mode="rel"`` and ``eps=0``.

    It is asked with the losses so far, ``losses[i]`` measured at step i, and answers for the step after them
    from these alone. A loss improves if it is below the best so far by the share ``threshold``. After a
    reduction ``cooldown`` steps do not count as bad.

    The loss of a single batch is too noisy for that. With ``every=n`` the mean of each n losses counts as
    one, and ``patience`` and ``cooldown`` count these means, as with one call an epoch in torch.

    ``losses`` may have further axes for runs side by side, (steps, …); the factor is then a tensor (…).
    """

    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    cooldown: int = 0
    min_factor: float = 0.0
    every: int = 1

    def __post_init__(self) -> None:
        check_number("factor", self.factor, low=0, below=1)
        check_count("patience", self.patience, low=0)
        check_number("threshold", self.threshold, low=0)
        check_count("cooldown", self.cooldown, low=0)
        check_number("min_factor", self.min_factor, low=0, high=1)
        check_count("every", self.every)

    def __call__(self, step: int, losses: Sequence[float] | Tensor) -> Any:
        seen = torch.as_tensor(losses, dtype=torch.float64)
        if len(seen) < step:
            raise ValueError(f"losses must hold a loss for each of the {step} steps so far, got {len(seen)}")
        whole = step // self.every
        means = seen[: whole * self.every].unflatten(0, (whole, self.every)).mean(1) if whole else seen[:0]
        runs = seen.shape[1:]
        best = torch.full(runs, torch.inf, dtype=torch.float64)
        bad, resting = torch.zeros(runs), torch.zeros(runs)
        result = torch.ones(runs, dtype=torch.float64)
        for loss in means:
            better = loss < best * (1 - self.threshold)
            best = torch.where(better, loss, best)
            bad = torch.where(better, 0, bad + 1)
            bad = torch.where(resting > 0, 0, bad)
            resting = (resting - 1).clamp(min=0)
            fires = bad > self.patience
            result = torch.where(fires, (result * self.factor).clamp(min=self.min_factor), result)
            bad = torch.where(fires, 0, bad)
            resting = torch.where(fires, self.cooldown, resting)
        return result.item() if not runs else result


@dataclass(frozen=True)
class Chained:
    """The product of several schedules, for example a warm-up and a decay. torch's ``ChainedScheduler``.

    All of them count from step 0, so the decay goes on behind the warm-up; see :class:`Piecewise`.
    """

    schedules: Sequence[Schedule]

    def __post_init__(self) -> None:
        object.__setattr__(self, "schedules", _checked(self.schedules))

    def __call__(self, step: int) -> float:
        return math.prod(schedule(step) for schedule in self.schedules)


@dataclass(frozen=True)
class Piecewise:
    """One schedule after another: from each milestone on the next, which counts its steps from there.

    torch's ``SequentialLR``.
    """

    schedules: Sequence[Schedule]
    milestones: Sequence[int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "schedules", _checked(self.schedules))
        object.__setattr__(self, "milestones", _rising("milestones", self.milestones))
        if len(self.milestones) != len(self.schedules) - 1:
            raise ValueError(
                f"milestones must be one fewer than the {len(self.schedules)} schedules, "
                f"got {len(self.milestones)}"
            )

    def __call__(self, step: int) -> float:
        piece = bisect_right(self.milestones, step)
        begin = self.milestones[piece - 1] if piece else 0
        return self.schedules[piece](step - begin)


@dataclass(frozen=True)
class Drawn:
    """A curve drawn by hand: ``factors`` at equal distances from first step to last, joined by lines."""

    factors: Sequence[float]
    total_steps: int

    def __post_init__(self) -> None:
        check_count("total_steps", self.total_steps)
        object.__setattr__(self, "factors", tuple(self.factors))
        if not self.factors:
            raise ValueError("factors must hold at least one number, got none")
        for factor in self.factors:
            check_number("factors", factor, low=0)

    def __call__(self, step: int) -> float:
        last = len(self.factors) - 1
        at = last * min(step / max(self.total_steps - 1, 1), 1.0)
        left = min(int(at), max(last - 1, 0))
        right = min(left + 1, last)
        return _ramp(self.factors[left], self.factors[right], at - left)


# Sequences are kept as tuples: a schedule can then be compared and be the key of a dict.


def _rising(name: str, steps: Sequence[int]) -> tuple[int, ...]:
    for step in steps:
        check_count(name, step)
    if any(b <= a for a, b in pairwise(steps)):
        raise ValueError(f"{name} must rise, got {list(steps)}")
    return tuple(steps)


def _checked(schedules: Sequence[Schedule]) -> tuple[Schedule, ...]:
    if not schedules:
        raise ValueError("schedules must hold at least one schedule, got none")
    for schedule in schedules:
        check_function("schedules", schedule, "[Warmup(20), Cosine(80)]")
        if isinstance(schedule, Plateau):
            raise ValueError("schedules cannot hold a Plateau, which needs the losses; use it alone")
    return tuple(schedules)


def factor_at(schedule: Schedule, step: int, losses: Sequence[float] | Tensor = ()) -> Any:
    """The schedule's factor at this step; only a :class:`Plateau` looks at the losses."""
    return schedule(step, losses) if isinstance(schedule, Plateau) else schedule(step)


def cycles_momentum(schedule: Schedule) -> TypeGuard[OneCycle]:
    """Whether the schedule also says what the momentum shall be."""
    return isinstance(schedule, OneCycle) and schedule.cycle_momentum


def check_drivable(name: str, optimizer: object) -> None:
    """Raise for the optimizer, or class of one, that finds its rate itself."""
    if optimizer is SGDHD or isinstance(optimizer, SGDHD):
        raise ValueError(f"schedule cannot drive {name}, which finds its rate itself; leave one out")


def drive(
    optimizer: torch.optim.Optimizer,
    schedule: Schedule,
    step: int,
    losses: Sequence[float] | Tensor = (),
) -> None:
    """Before a step: set each group's rate to its first rate times the schedule's factor.

    The first rate is kept in the group as ``initial_lr``, where torch's schedulers keep it too, and is saved
    with the optimizer's state. A rate that is a tensor (many runs at once) is multiplied entry by entry. A
    :class:`OneCycle` sets the momentum as well.
    """
    check_count("step", step, low=0)
    check_function("schedule", schedule, "Cosine(100)")
    check_drivable(type(optimizer).__name__, optimizer)
    factor = factor_at(schedule, step, losses)
    for group in optimizer.param_groups:
        lr = group["lr"]
        first = group.setdefault("initial_lr", lr.clone() if isinstance(lr, Tensor) else lr)
        if isinstance(lr, Tensor) and not lr.ndim:
            lr.copy_(first * factor)  # in place: a captured or compiled step holds this very tensor
        else:
            group["lr"] = first * factor
        if cycles_momentum(schedule):
            set_momentum(group, schedule.momentum(step))


def set_momentum(group: dict[str, Any], momentum: Number) -> None:
    """Set the momentum of a parameter group: β₁ where there are betas."""
    if "betas" in group:
        group["betas"] = (momentum, *group["betas"][1:])
    elif "momentum" in group:
        group["momentum"] = momentum
    else:
        raise ValueError(
            "OneCycle cycles the momentum, and this optimizer has none; pass cycle_momentum=False"
        )


class ScheduleLR(torch.optim.lr_scheduler.LRScheduler):
    """A schedule as a torch ``LRScheduler``: ``step()`` after each step of the optimizer, or once an epoch.

    A :class:`Plateau` wants the loss: ``step(loss)``. The state holds the count and the losses; the schedule
    itself is given again when a run is taken up.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, schedule: Schedule, last_epoch: int = -1) -> None:
        check_function("schedule", schedule, "Cosine(100)")
        self.schedule = schedule
        self.losses: list[float] = []
        super().__init__(optimizer, last_epoch)

    def step(self, loss: float | Tensor | None = None) -> None:
        """Go on to the next step's rate; ``loss`` is that of the step just taken."""
        started = hasattr(self, "_last_lr")  # torch calls this once itself, for step 0
        if isinstance(self.schedule, Plateau) and started:
            if loss is None:
                raise ValueError("a Plateau needs the loss of the step just taken: scheduler.step(loss)")
            self.losses.append(float(loss))
        super().step()

    def _update_lr(self, epoch: int | None = None) -> None:
        # torch's own would fill a tensor of rates with one number.
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self._last_lr = self.get_lr()

    def get_lr(self) -> list[float | Tensor]:
        """Set the rates of the present step, and return them."""
        drive(self.optimizer, self.schedule, self.last_epoch, self.losses)
        rates = [group["lr"] for group in self.optimizer.param_groups]
        return [lr.clone() if isinstance(lr, Tensor) else lr for lr in rates]

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where that scheduler stood, with its rates.

        The optimizer's state may be loaded before or after. torch's own schedulers set no rate here.
        """
        super().load_state_dict(state_dict | {"losses": list(state_dict["losses"])})
        drive(self.optimizer, self.schedule, self.last_epoch, self.losses)

    def state_dict(self) -> dict[str, Any]:
        """The number of steps, the first and the present rates, and a Plateau's losses."""
        state = {name: value for name, value in super().state_dict().items() if name != "schedule"}
        return state | {"losses": list(self.losses)}
