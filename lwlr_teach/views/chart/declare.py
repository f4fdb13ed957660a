"""What a chart is declared with: numbers over the state, axes, marks, panels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

from torch import Tensor

from lwlr_teach.core.text import short


class Over:
    """Numbers of which the state chooses some.

    Args:
        values: the first axes are the named ones; one more holds the points of a line or a band.
        axes: names of the view's traits, or ``"method"``, which stands for the names of the legend.
        text: how a number is written where it is a word.
    """

    def __init__(self, values: Tensor, *axes: str, text: Callable[[float], str] = short) -> None:
        self.values, self.axes, self.text = values, axes, text

    def at(self, places: Mapping[str, int]) -> Tensor:
        """What is left where the named axes stand at these places."""
        return self.values[tuple(places[axis] for axis in self.axes)]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """An axis; its title may have words. ``percent`` writes shares in percent, ``ticks`` have labels.

    With a ``trait`` a click goes to that slider's nearest value, a rule shows where it stands, the slider has
    the title, too, and the range is the slider's by default.
    """

    title: str
    range: tuple[float, float] | None = None
    log: bool = False
    percent: bool = False
    ticks: Sequence[float] = ()
    trait: str = ""


@dataclass(frozen=True)
class Line:
    """A line; one for each visible method where y is over ``"method"``.

    ``beside`` names a choice, such as ``"run"``: the lines of the others stay, thin and with their names.
    """

    x: Tensor
    y: Over
    beside: str = ""


@dataclass(frozen=True)
class Band:
    """What lies between two lines, such as the range over seeds."""

    x: Tensor
    low: Over
    high: Over


@dataclass(frozen=True)
class Marker:
    """Each visible method's marker at a point, ``text`` above it; a line runs through ``joined`` ones."""

    x: Tensor | Over
    y: Over
    text: str = ""
    joined: bool = False


@dataclass(frozen=True)
class Foot:
    """A small arrow below the axis at a place of each visible method; none where that is nan."""

    x: Over


Mark = Line | Band | Marker | Foot


@dataclass(frozen=True)
class Panel:
    """A picture with its axes and marks. The title of y stands above it."""

    x: Axis
    y: Axis
    marks: Sequence[Mark]


@dataclass(frozen=True)
class Strips:
    """Panels side by side, with a row of them for each visible method; the row's title may have words."""

    panels: Sequence[Panel]
    title: str


def numbers_of(mark: Mark) -> dict[str, Over]:
    """The numbers of a mark, by their names."""
    values = {field.name: getattr(mark, field.name) for field in fields(mark)}
    return {
        name: value if isinstance(value, Over) else Over(value)
        for name, value in values.items()
        if isinstance(value, Over | Tensor)
    }


def each_method(mark: Mark) -> bool:
    """Whether a mark is drawn once for each visible method."""
    return any("method" in numbers.axes for numbers in numbers_of(mark).values())
