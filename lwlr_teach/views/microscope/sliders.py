"""The sliders of a method: a program that reads as many hyperparameters as it can, and their positions."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from lwlr_teach.core.checks import check_number
from lwlr_teach.optim import Method, Program, to_javascript
from lwlr_teach.views.kit.style import called

# Shares of 1: they are remembered for 1 / (1 − share) steps.
_SHARES = [k / 100 for k in range(100)] + [k / 1000 for k in range(991, 1000)]
_SHARED = {"momentum", "dampening"}  # also where the method's own is 0
_DECADES = {"lr": (-3, 3), "eps": (-5, 8)}  # from the method's own value

# Where a slider must end, because the method takes nothing beyond: Adafactor's.
_ENDS = {"beta2_decay": (-math.inf, 0.0), "d": (1.0, math.inf)}


@dataclass(frozen=True)
class Slider:
    """A hyperparameter and its positions, of which ``default`` is the method's own and ``start`` the first.

    ``key`` tells it from those of the other method.
    """

    key: str
    name: str
    values: list[float]
    default: int
    start: int

    @property
    def title(self) -> str:
        """What people call it."""
        return called(self.name)

    @property
    def labels(self) -> list[str]:
        """The positions as texts, which are the same numbers when they are read."""
        return [short if float(short := f"{v:g}") == v else repr(v) for v in self.values]


def program_of(method: Method) -> Program:
    """The method's program, watched, with every hyperparameter free that can be."""
    known = ["momentum", "beta1", "beta2", *inspect.signature(method.optimizer).parameters, "limit"]
    names = {name for name in known if method.target(name) == name} - {"lr"}
    wanted = [name for name in dict.fromkeys(known) if name in names]
    try:
        return _program(method, wanted)
    except ValueError:  # what counts, and what the method refuses; then one after the other
        free: list[str] = []
        for name in wanted:
            try:
                _program(method, [*free, name])
            except ValueError:
                continue
            free.append(name)
        return _program(method, free)


def _program(method: Method, free: list[str]) -> Program:
    return to_javascript(method, ["lr", *free], size=1, watch=True)


def sliders_of(method: Method, program: Program, at: Mapping[str, float]) -> list[Slider]:
    """A slider for each hyperparameter that the program reads; ``at`` says where some begin."""
    begins = {method.target(name): value for name, value in at.items()}
    made = []
    for name, default in program.settings.items():
        if not re.search(rf"\bh\.{name}\b", program.text):
            continue
        start = float(begins.get(name, default))
        least, most = _ENDS.get(name, (-math.inf, math.inf))
        within = (value for value in _values(name, default) if least <= value <= most)
        values = sorted({*within, default, start})
        made.append(Slider(f"{method.name} {name}", name, values, values.index(default), values.index(start)))
    return made


def _values(name: str, default: float) -> list[float]:
    if name in _SHARED or 0.3 <= default < 1:
        return _SHARES
    if default < 0:
        return [default + k * abs(default) / 20 for k in range(-40, 41)]
    low, high = _DECADES.get(name, (-3, 3))
    middle = math.floor(math.log10(default)) if default else -2
    found = [float(f"{10 ** (middle + k / 20):.2e}") for k in range(20 * low, 20 * high + 1)]
    return found if name == "lr" else [0.0, *found]


def check_at(methods: tuple[Method, ...], at: Mapping[str, float]) -> None:
    """Raise for a hyperparameter that no method has, and for a value that one refuses."""
    for name, value in at.items():
        users = [method for method in methods if method.target(name)]
        if not users:
            raise ValueError(f"{name} is a hyperparameter of none of {', '.join(m.name for m in methods)}")
        check_number(name, value)
        for user in users:
            user([torch.zeros(1)], **{name: value})
