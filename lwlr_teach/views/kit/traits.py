"""Traits that check themselves: where a slider stands, what is chosen, what is shown.

Each is given the view's attribute that holds what there is to choose from, ``"names"`` or ``"runs.lr"``.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import traitlets
from torch import Tensor

from lwlr_teach.core.checks import check_choice, check_count


def nearest(values: Tensor, wanted: float) -> int:
    """The position on a slider whose value is nearest."""
    return int((values - wanted).abs().argmin())


class Position(traitlets.Int[int, int]):
    """Where a slider stands. ``along`` names the attribute of the view that holds the slider's values."""

    def __init__(self, along: str) -> None:
        super().__init__()
        self.along = along
        self.tag(sync=True)

    def validate(self, view: Any, value: Any) -> int:
        """ValueError when the slider has no such position."""
        position: int = super().validate(view, value)
        check_count(str(self.name), position, low=0, high=len(attrgetter(self.along)(view)) - 1)
        return position


class Positions(traitlets.Dict):
    """Where several sliders stand, by their names. ``along`` names the view's attribute that holds the values
    of each, a mapping; a slider that is left out stays where it is."""

    def __init__(self, along: str) -> None:
        super().__init__()
        self.along = along
        self.tag(sync=True)

    def validate(self, view: Any, value: Any) -> dict[str, int]:
        """ValueError for a slider that is not there, or that has no such position."""
        given: Any = super().validate(view, value)
        lists = attrgetter(self.along)(view)
        for name, position in given.items():
            values = check_choice(str(self.name), name, lists)
            check_count(f"{self.name}[{name!r}]", position, low=0, high=len(values) - 1)
        before: dict[Any, Any] = view._trait_values.get(self.name, {})
        return {name: given.get(name, before.get(name, 0)) for name in lists}


class OneOf(traitlets.Unicode[str, str | bytes]):
    """A name that was chosen. ``among`` names the attribute of the view that holds the names."""

    def __init__(self, among: str) -> None:
        super().__init__()
        self.among = among
        self.tag(sync=True)

    def validate(self, view: Any, value: Any) -> str:
        """ValueError with the nearest names for one that is not there."""
        name: str = super().validate(view, value)
        check_choice(str(self.name), name, dict.fromkeys(attrgetter(self.among)(view)))
        return name


class Shown(traitlets.List[str]):
    """Names that are shown, in their order. ``among`` names the view's attribute that holds all of them."""

    def __init__(self, among: str) -> None:
        super().__init__(traitlets.Unicode())
        self.among = among
        self.tag(sync=True)

    def validate(self, view: Any, value: Any) -> list[str]:
        """ValueError with the nearest names for one that is not there."""
        return check_shown(attrgetter(self.among)(view), super().validate(view, value))


def check_shown(names: Sequence[str], shown: Sequence[str] | None) -> list[str]:
    """The visible methods in the legend's order, all of them by default; ValueError for an unknown name."""
    wanted = names if shown is None else [check_choice("shown", n, {k: k for k in names}) for n in shown]
    return [name for name in names if name in wanted]
