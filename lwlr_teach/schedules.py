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

import inspect
import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, TypeGuard

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from lwlr_teach.core.checks import Number, check_choice, check_count, check_made, check_number, with_inner

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


def _power(base: Number, exponent: int) -> float:
    """``base ** exponent``, and infinity where that is too large for a number."""
    try:
        return float(base) ** int(exponent)
    except OverflowError:
        return math.inf


class _Slotted:
    """What every schedule is, so that torch's ``LambdaLR`` neither saves it nor writes into it.

    ``LambdaLR`` takes the ``__dict__`` of its functions for their state. A schedule has its settings in slots
    and nothing there: it is given again when a run is taken up.
    """


@dataclass(frozen=True, slots=True)
class Constant(_Slotted):
    """``1``: the rate never changes."""

    def __call__(self, step: int) -> float:
        return 1.0


@dataclass(frozen=True, slots=True)
class StepDecay(_Slotted):
    """``gamma^⌊t / step_size⌋``: multiplied by ``gamma`` every ``step_size`` steps. torch's ``StepLR``."""

    step_size: int
    gamma: float = 0.1

    def __post_init__(self) -> None:
        check_count("step_size", self.step_size)
        check_number("gamma", self.gamma, low=0)

    def __call__(self, step: int) -> float:
        return _power(self.gamma, step // self.step_size)


@dataclass(frozen=True, slots=True)
class MultiStep(_Slotted):
    """``gamma^(milestones passed)``: multiplied by ``gamma`` at each milestone. torch's ``MultiStepLR``."""

    milestones: Sequence[int]
    gamma: float = 0.1

    def __post_init__(self) -> None:
        object.__setattr__(self, "milestones", _rising("milestones", self.milestones))
        check_number("gamma", self.gamma, low=0)

    def __call__(self, step: int) -> float:
        return _power(self.gamma, bisect_right(self.milestones, step))


@dataclass(frozen=True, slots=True)
class Exponential(_Slotted):
    """``gamma^t``: the same share is lost at every step. torch's ``ExponentialLR``."""

    gamma: float

    def __post_init__(self) -> None:
        check_number("gamma", self.gamma, low=0)

    def __call__(self, step: int) -> float:
        return _power(self.gamma, step)


@dataclass(frozen=True, slots=True)
class InverseTime(_Slotted):
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


@dataclass(frozen=True, slots=True)
class InverseSqrt(_Slotted):
    """``√(timescale / max(t + 1, timescale))``: constant at first, then like 1/√t.

    What Vaswani et al. (2017) train the transformer with, after their warm-up. Their t counts from 1.
    """

    timescale: int = 1

    def __post_init__(self) -> None:
        check_count("timescale", self.timescale)

    def __call__(self, step: int) -> float:
        return math.sqrt(self.timescale / max(step + 1, self.timescale))


@dataclass(frozen=True, slots=True)
class Polynomial(_Slotted):
    """``(1 − t / total_iters)^power``, then 0; ``power=1`` is linear decay. torch's ``PolynomialLR``."""

    total_iters: int
    power: float = 1.0

    def __post_init__(self) -> None:
        check_count("total_iters", self.total_iters)
        check_number("power", self.power, low=0)

    def __call__(self, step: int) -> float:
        return float((1 - min(step / self.total_iters, 1.0)) ** self.power)


@dataclass(frozen=True, slots=True)
class Warmup(_Slotted):
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


@dataclass(frozen=True, slots=True)
class Cosine(_Slotted):
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


@dataclass(frozen=True, slots=True)
class WarmRestarts(_Slotted):
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


@dataclass(frozen=True, slots=True)
class OneCycle(_Slotted):
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


@dataclass(frozen=True, slots=True)
class WSD(_Slotted):
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


class Watched(NamedTuple):
    """What a :class:`Plateau` keeps of the losses so far: numbers, or tensors (…) of runs side by side."""

    steps: int
    total: Any
    """The sum of the losses in the last mean, whole or not."""
    best: Any
    bad: Any
    """How many means in a row were no better."""
    resting: Any
    """How many of the next means do not count as bad."""
    factor: Any


@dataclass(frozen=True, slots=True)
class Plateau(_Slotted):
    """Multiplied by ``factor`` when the loss has not improved for more than ``patience`` steps.

    torch's ``ReduceLROnPlateau`` with ``threshold_mode="rel"`` and ``eps=0``.

    It is asked with the losses so far, ``losses[i]`` measured at step i, and answers for the step after them
    from these alone. A loss improves if it is below the best so far by the share ``threshold`` of the best's
    size. (torch multiplies the best by 1 − ``threshold``: below 0, worse losses then pass for better ones.)
    After a reduction ``cooldown`` steps do not count as bad. ``mode="max"`` is for what shall rise, such as
    an accuracy that is given in place of the loss.

    The loss of a single batch is too noisy for that. With ``every=n`` the mean of each n losses counts as
    one, and ``patience`` and ``cooldown`` count these means, as with one call an epoch in torch.

    ``losses`` may have further axes for runs side by side, (steps, …); the factor is then a tensor (…).

    All losses are gone through at each call; :func:`in_order` gives a run the same factors without that.
    """

    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    cooldown: int = 0
    min_factor: float = 0.0
    every: int = 1
    mode: str = "min"

    def __post_init__(self) -> None:
        check_number("factor", self.factor, low=0, below=1)
        check_count("patience", self.patience, low=0)
        check_number("threshold", self.threshold, low=0)
        check_count("cooldown", self.cooldown, low=0)
        check_number("min_factor", self.min_factor, low=0, high=1)
        check_count("every", self.every)
        check_choice("mode", self.mode, _DOWNHILL)

    def __call__(self, step: int, losses: Sequence[float] | Tensor) -> Any:
        return InOrder(self)(step, losses)

    def before(self, nothing: Any = 0.0) -> Watched:
        """What is known before the first loss; ``nothing`` is the sum of no losses, 0 for each run."""
        return Watched(0, nothing, nothing + math.inf, nothing, nothing, nothing + 1)

    def after(self, known: Watched, loss: Any) -> Watched:
        """What is known after one more loss, a number or a tensor (…) in double precision."""
        steps, total = known.steps + 1, loss if known.steps % self.every == 0 else known.total + loss
        if steps % self.every:
            return known._replace(steps=steps, total=total)
        mean, best = _DOWNHILL[self.mode] * total / self.every, known.best
        enough = _where(best < 0, best * (1 + self.threshold), best * (1 - self.threshold))
        better = mean < _where(abs(best) < math.inf, enough, best)
        bad = _where(better | (known.resting > 0), 0.0, known.bad + 1)
        fires = bad > self.patience
        reduced = known.factor * self.factor
        return Watched(
            steps,
            total,
            best=_where(better, mean, best),
            bad=_where(fires, 0.0, bad),
            resting=_where(fires, float(self.cooldown), _where(known.resting > 0, known.resting - 1, 0.0)),
            factor=_where(fires, _where(reduced > self.min_factor, reduced, self.min_factor), known.factor),
        )


_DOWNHILL = {"min": 1, "max": -1}


def _where(condition: Any, yes: Any, no: Any) -> Any:
    """``torch.where``, and the same for the plain numbers of one run, where torch is many times slower."""
    if isinstance(condition, Tensor):
        return torch.where(condition, yes, no)
    return yes if condition else no


class InOrder:
    """A plateau whose steps are asked for in order: made by :func:`in_order`."""

    def __init__(self, plateau: Plateau) -> None:
        self.plateau = plateau
        self._known: Watched | None = None

    def __call__(self, step: int, losses: Sequence[float] | Tensor) -> Any:
        if len(losses) < step:
            raise ValueError(
                f"losses must hold a loss for each of the {step} steps so far, got {len(losses)}"
            )
        known = self._known
        if known is None or step < known.steps:
            nothing = _each(losses[:0])
            known = self.plateau.before(nothing.sum(0) if isinstance(nothing, Tensor) else 0.0)
        for loss in _each(losses[known.steps : step]):
            known = self.plateau.after(known, loss)
        self._known = known
        return known.factor


def _each(losses: Sequence[float] | Tensor) -> list[float] | Tensor:
    """For each step a number; or a tensor in double precision, where runs stand side by side."""
    if isinstance(losses, Tensor) and losses.ndim > 1:
        return losses.detach().to(torch.float64)
    return [float(loss) for loss in losses]


def in_order(schedule: Schedule) -> Schedule:
    """The schedule for one run, whose steps follow one another and whose losses stay what they were.

    It is called as before and gives the same factors, but a :class:`Plateau` looks at each loss only once.
    """
    return InOrder(schedule) if isinstance(schedule, Plateau) else schedule


@dataclass(frozen=True, slots=True)
class Chained(_Slotted):
    """The product of several schedules, for example a warm-up and a decay. torch's ``ChainedScheduler``.

    All of them count from step 0, so the decay goes on behind the warm-up; see :class:`Piecewise`.
    """

    schedules: Sequence[Schedule]

    def __post_init__(self) -> None:
        object.__setattr__(self, "schedules", _checked(self.schedules))

    def __call__(self, step: int) -> float:
        factors = [schedule(step) for schedule in self.schedules]
        return 0.0 if 0 in factors else math.prod(factors)  # also beside one that is infinite


@dataclass(frozen=True, slots=True)
class Piecewise(_Slotted):
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


@dataclass(frozen=True, slots=True)
class Drawn(_Slotted):
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
        check_made("schedules", schedule, "[Warmup(20), Cosine(80)]")
        if isinstance(schedule, Plateau | InOrder):
            raise ValueError("schedules cannot hold a Plateau, which needs the losses; use it alone")
    return tuple(schedules)


def factor_at(schedule: Schedule, step: int, losses: Sequence[float] | Tensor = ()) -> Any:
    """The schedule's factor at this step; only a :class:`Plateau` looks at the losses."""
    factor = schedule(step, losses) if isinstance(schedule, Plateau | InOrder) else schedule(step)
    return factor if isinstance(factor, Tensor) else float(factor)  # NumPy's would not be plain when saved


def cycles_momentum(schedule: Schedule) -> TypeGuard[OneCycle]:
    """Whether the schedule also says what the momentum shall be."""
    return isinstance(schedule, OneCycle) and schedule.cycle_momentum


def check_drivable(name: str, optimizer: object) -> None:
    """Raise for an optimizer that says it finds its rate itself, or that wraps such a one."""
    if any(getattr(inner, "finds_its_rate", False) for inner in with_inner(optimizer)):
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
    :class:`OneCycle` sets the momentum as well. A long run takes a :class:`Plateau` through :func:`in_order`.
    """
    check_count("step", step, low=0)
    check_made("schedule", schedule, "Cosine(100)")
    check_drivable(type(optimizer).__name__, optimizer)
    _set_rates(optimizer, schedule, step, factor_at(schedule, step, losses))


def _set_rates(optimizer: torch.optim.Optimizer, schedule: Schedule, step: int, factor: Any) -> None:
    groups = optimizer.param_groups
    # Groups may share one tensor, which is changed in place: none before the first rates of all are kept.
    kept = {id(group["lr"]): group["initial_lr"] for group in groups if "initial_lr" in group}
    for group in groups:
        if "initial_lr" not in group:
            lr = group["lr"]
            group["initial_lr"] = kept.get(id(lr), lr).clone() if isinstance(lr, Tensor) else lr
    for group in groups:
        if cycles_momentum(schedule):
            set_momentum(group, schedule.momentum(step))
        lr, rate = group["lr"], group["initial_lr"] * factor
        if isinstance(lr, Tensor) and not lr.ndim:
            lr.copy_(rate)  # in place: a captured or compiled step holds this very tensor
        else:
            group["lr"] = rate


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


class ScheduleLR(LRScheduler):
    """A schedule as a torch ``LRScheduler``: ``step()`` after each step of the optimizer, or once an epoch.

    It sets the rates from the first ones, as ``LambdaLR`` does: one after another in ``SequentialLR`` is
    fine, but of two in a ``ChainedScheduler`` the last one wins; :class:`Chained` multiplies.

    A :class:`Plateau` wants the loss: ``step(loss)``. ``fit`` hands it over. Lightning does if
    ``configure_optimizers`` says ``{"scheduler": …, "monitor": "val_loss", "reduce_on_plateau": True}``.
    Hugging Face's ``Trainer`` hands it to torch's own class only: give it
    ``lr_scheduler_type="reduce_lr_on_plateau"`` instead. ``SequentialLR`` and ``ChainedScheduler`` hand none
    on.

    The state holds the count and what a Plateau has seen; the schedule itself is given again when a run is
    taken up. The rates are in the optimizer's state. As with torch's schedulers, load that one after the
    scheduler is made, for a new scheduler sets the rates of step 0.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, schedule: Schedule, last_epoch: int = -1) -> None:
        check_made("schedule", schedule, "Cosine(100)")
        check_drivable(type(optimizer).__name__, optimizer)
        if isinstance(schedule, Plateau) and last_epoch != -1:
            raise ValueError(
                f"last_epoch must be -1 for a Plateau, which needs what it saw, got {last_epoch}; "
                "use load_state_dict"
            )
        self.schedule = schedule
        self._watched = schedule.before() if isinstance(schedule, Plateau) else None
        super().__init__(optimizer, last_epoch)

    def step(self, loss: float | Tensor | None = None) -> None:
        """Go on to the next step's rate; ``loss`` is that of the step just taken, for a Plateau alone."""
        started = hasattr(self, "_last_lr")  # torch calls this once itself, for step 0
        if self._watched is None:
            if loss is not None:
                raise ValueError(f"only a Plateau takes the loss, got {loss!r}: scheduler.step()")
        elif started:
            if loss is None:
                raise ValueError("a Plateau needs the loss of the step just taken: scheduler.step(loss)")
            assert isinstance(self.schedule, Plateau)
            self._watched = self.schedule.after(self._watched, float(loss))
        super().step()

    def _update_lr(self, epoch: int | None = None) -> None:
        # torch's own would fill a tensor of rates with one number.
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self._last_lr = self.get_lr()

    def get_lr(self) -> list[float | Tensor]:
        """Set the rates of the present step, and return them."""
        watched = self._watched
        factor = factor_at(self.schedule, self.last_epoch) if watched is None else float(watched.factor)
        _set_rates(self.optimizer, self.schedule, self.last_epoch, factor)
        rates = [group["lr"] for group in self.optimizer.param_groups]
        return [lr.clone() if isinstance(lr, Tensor) else lr for lr in rates]

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Count on from where that scheduler stood, ours or torch's; a Plateau takes a Plateau's state only.

        Like torch's it sets no rate, for inside another scheduler this one may not be in charge.
        """
        own = {name: state_dict[name] for name in self.state_dict() if name in state_dict}
        seen = own.pop("seen", None)
        if "last_epoch" not in own or (self._watched is not None and seen is None):
            raise ValueError(
                f"state_dict must be that of a ScheduleLR with a {type(self.schedule).__name__}, "
                f"got one with {', '.join(map(str, state_dict))}"
            )
        super().load_state_dict(own)
        if self._watched is not None:
            self._watched = Watched(*seen)

    def state_dict(self) -> dict[str, Any]:
        """The number of steps, the first and the present rates, and what a Plateau has seen, in numbers."""
        state = super().state_dict()
        del state["schedule"], state["_watched"]
        if self._watched is not None:
            state["seen"] = [self._watched.steps, *map(float, self._watched[1:])]
        return state


def wants_loss(scheduler: LRScheduler) -> bool:
    """Whether the scheduler's ``step`` must be given the loss, as that of torch's ``ReduceLROnPlateau``.

    Raises ValueError for one inside ``SequentialLR`` or ``ChainedScheduler``, which hand nothing on.
    """
    if any(map(wants_loss, getattr(scheduler, "_schedulers", ()))):
        raise ValueError(
            f"schedule must not hold a Plateau inside {type(scheduler).__name__}, which hands no loss on"
        )
    if isinstance(scheduler, ScheduleLR):
        return isinstance(scheduler.schedule, Plateau)
    first = next(iter(inspect.signature(scheduler.step).parameters.values()), None)
    return first is not None and first.default is first.empty and first.kind is not first.VAR_POSITIONAL
