"""Families of schedules: those of one kind, which differ in the parameter that a slider moves."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from lwlr_teach.core.checks import check_choice, check_function, check_number
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
from lwlr_teach.views.kit.style import MOST
from lwlr_teach.views.kit.traits import nearest


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
"""The families that a view takes by name."""
YOURS = "yours"
"""The name of the schedule that the learner draws."""
SIX_FAMILIES = ("constant", "step", "inverse time", "cosine", "one-cycle", "WSD")


def check_families(families: Sequence[str | Family | Schedule]) -> tuple[Family, ...]:
    """The families of these names, or around these schedules; ValueError if they cannot be shown together."""
    if isinstance(families, str | Family) or not isinstance(families, Sequence):
        families = [families]
    found = tuple(map(_family, families))
    if not 1 <= len(found) <= MOST - 1:
        raise ValueError(f"families must be from 1 to {MOST - 1}, got {len(found)}")
    names = [family.name for family in found]
    for i, name in enumerate(names):
        if name in [YOURS, *names[:i]]:
            raise ValueError(f"families must have different names, and {name!r} is taken")
    return found


def _family(given: str | Family | Schedule) -> Family:
    if isinstance(given, Family):
        return given
    if isinstance(given, str):
        return check_choice("families", given, FAMILIES)
    check_function("families", given, "'cosine' or Cosine(300)")
    name = getattr(given, "__name__", type(given).__name__)
    return Family("function" if name == "<lambda>" else name, lambda _, steps: given)


def first_positions(families: Sequence[Family], at: Mapping[str, float]) -> dict[str, int]:
    """Where each family's slider stands at first: near the value in ``at``, or at the typical one."""
    sliders = {family.name: family for family in families if len(family.values) > 1}
    for name, value in at.items():
        check_choice("at", name, sliders)
        check_number(f"at[{name!r}]", value)
    return {name: position(family, at.get(name, family.typical)) for name, family in sliders.items()}


def position(family: Family, value: float) -> int:
    """Where on the family's slider the nearest value stands."""
    check_number("value", value)
    return nearest(torch.tensor(family.values, dtype=torch.float64), value)


def all_schedules(families: Sequence[Family], steps: int) -> tuple[list[int], list[Schedule]]:
    """The schedules of all families at all positions, and where each family begins among them."""
    first: list[int] = []
    schedules: list[Schedule] = []
    for family in families:
        first.append(len(schedules))
        for value in family.values:
            schedule = family.make(value, steps)
            check_function(f"make of {family.name}", schedule, "Cosine(300)")
            if not isinstance(schedule, Plateau):
                for step in range(steps):
                    check_number(f"the factor of {family.name} at step {step}", schedule(step), low=0)
            schedules.append(schedule)
    return first, schedules
