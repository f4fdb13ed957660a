"""Families of schedules: those of one kind, which differ in the parameter that a slider moves."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lwlr_teach.core.checks import check_choice, check_function, check_made, check_number
from lwlr_teach.core.text import label
from lwlr_teach.schedules import (
    WSD,
    Constant,
    Cosine,
    Exponential,
    InverseSqrt,
    InverseTime,
    OneCycle,
    Piecewise,
    Plateau,
    Polynomial,
    Schedule,
    StepDecay,
    WarmRestarts,
    Warmup,
)


@dataclass(frozen=True)
class Family:
    """Schedules of one kind, which differ in one parameter.

    ``make(value, steps)`` is the schedule of a run of so many steps. ``values`` are the positions of the
    parameter's slider, and ``typical`` is where it stands at first; with a single value there is no slider.
    """

    name: str
    make: Callable[[float, int], Schedule]
    parameter: str = ""
    values: Sequence[float] = (0.0,)
    typical: float = 0.0
    unit: str = ""

    def __post_init__(self) -> None:
        check_function(f"make of {self.name}", self.make, "lambda value, steps: Cosine(steps)")
        object.__setattr__(self, "values", tuple(self.values))
        if not self.values:
            raise ValueError(f"values of {self.name} must hold at least one number, got none")
        for value in self.values:
            check_number(f"values of {self.name}", value)

    @property
    def labels(self) -> list[str]:
        """The positions of the slider, in words."""
        return [f"{label(value)}{self.unit}" for value in self.values]

    def schedules(self, steps: int) -> list[Schedule]:
        """The schedule of each value, for a run of so many steps; ValueError for a factor below 0."""
        made = [self.make(value, steps) for value in self.values]
        for schedule in made:
            check_made(f"make of {self.name}", schedule, "Cosine(300)")
            if not isinstance(schedule, Plateau):
                for step in range(steps):
                    check_number(f"the factor of {self.name} at step {step}", schedule(step), low=0)
        return made


def _share(percent: float, steps: int) -> int:
    """That share of the steps, at least one."""
    return max(1, round(percent / 100 * steps))


def _warm_up_and_cosine(warm: int, steps: int) -> Schedule:
    return Piecewise([Warmup(warm, 0.01), Cosine(steps - warm)], [warm])


# One-cycle leaves the momentum alone here: the schedules shall differ in the rate only.
_TABLE = (
    Family("constant", lambda _, steps: Constant()),
    Family(
        "step",
        lambda gamma, steps: StepDecay(math.ceil(steps / 3), gamma),
        "each third times",
        (0.05, 0.1, 0.3, 0.5, 0.7),
        0.3,
    ),
    Family(
        "exponential",
        lambda end, steps: Exponential(end ** (1 / steps)),
        "ends at",
        (0.003, 0.01, 0.03, 0.1, 0.3),
        0.03,
    ),
    Family(
        "inverse time",
        lambda percent, steps: InverseTime(100 / (percent * steps)),
        "halved after",
        (2, 5, 10, 30, 100),
        30,
        "%",
    ),
    Family(
        "inverse square root",
        lambda percent, steps: InverseSqrt(_share(percent, steps)),
        "falls after",
        (1, 3, 10, 20, 50),
        10,
        "%",
    ),
    Family("polynomial", lambda power, steps: Polynomial(steps, power), "power", (0.5, 1, 1.5, 2, 4), 1),
    Family("cosine", lambda end, steps: Cosine(steps, end), "ends at", (0, 0.01, 0.1, 0.3, 0.6), 0),
    Family(
        "warm restarts",
        lambda cycles, steps: WarmRestarts(math.ceil(steps / cycles)),
        "cycles",
        (2, 3, 4, 6, 10),
        3,
    ),
    Family(
        "warm-up and cosine",
        lambda percent, steps: _warm_up_and_cosine(_share(percent, steps), steps),
        "warm-up",
        (1, 3, 10, 20, 40),
        10,
        "%",
    ),
    Family(
        "one-cycle",
        lambda percent, steps: OneCycle(steps, percent / 100, cycle_momentum=False),
        "way up",
        (10, 20, 30, 45, 60),
        30,
        "%",
    ),
    Family(
        "plateau",
        lambda patience, steps: Plateau(0.3, int(patience), every=10),
        "patience",
        (0, 1, 2, 4, 8),
        2,
    ),
    Family(
        "WSD", lambda percent, steps: WSD(steps, 0.05, percent / 100), "decay", (5, 10, 20, 40, 80), 20, "%"
    ),
)
FAMILIES: dict[str, Family] = {family.name: family for family in _TABLE}
"""The families that are known by name."""
YOURS = "yours"
"""The name of the schedule that the learner draws."""
SIX_FAMILIES = ("constant", "step", "inverse time", "cosine", "one-cycle", "WSD")


def check_families(families: Sequence[str | Family | Schedule]) -> tuple[Family, ...]:
    """The families of these names, or around these schedules; ValueError if they cannot run together."""
    if isinstance(families, str | Family) or not isinstance(families, Sequence):
        families = [families]
    found = tuple(map(as_family, families))
    if not found:
        raise ValueError("families must name at least one schedule, got none")
    names = [family.name for family in found]
    for i, name in enumerate(names):
        if name in [YOURS, *names[:i]]:
            raise ValueError(f"families must have different names, and {name!r} is taken")
    return found


def as_family(given: str | Family | Schedule) -> Family:
    """The family of this name, or a family of this one schedule."""
    if isinstance(given, Family):
        return given
    if isinstance(given, str):
        return check_choice("families", given, FAMILIES)
    check_made("families", given, "'cosine' or Cosine(300)")
    name = getattr(given, "__name__", type(given).__name__)
    return Family("function" if name == "<lambda>" else name, lambda _, steps: given)
