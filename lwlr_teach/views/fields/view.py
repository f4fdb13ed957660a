"""The fields view: how far the rate takes each method in each of several fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lwlr_teach.core.text import percent
from lwlr_teach.studies.four_fields import FieldRuns
from lwlr_teach.views.chart.declare import Axis, Band, Foot, Line, Mark, Marker, Over, Panel, Strips
from lwlr_teach.views.chart.view import Chart
from lwlr_teach.views.kit.curves import over_seeds
from lwlr_teach.views.kit.traits import Position, nearest

_RANGE = (-0.2, 1.4)
_LOST = -9.0  # far below the picture, and still a number that can be drawn


class FieldsView(Chart):
    """The part of the way to the target against the learning rate: a strip a method, a picture a field.

    0 is the score before the first step, 1 the target, where a line is. The band is the range over the seeds,
    its line their median, the arrow each method's own best rate. ``lr_index`` and ``shown`` follow the view's
    controls, on release, and move them when they are set; ``lr`` is the rate there.

    Args:
        runs: by field, with the same methods and rates; see :func:`~lwlr_teach.studies.raced`.
        title: begins the sentence that describes the view.
        at_lr: where the slider stands at first (the nearest rate is taken).
        shown: names of the methods that are visible at first; all by default.
    """

    lr_index = Position("_rates")

    def __init__(
        self,
        runs: Mapping[str, FieldRuns],
        *,
        title: str = "Four fields",
        at_lr: float = 0.01,
        shown: Sequence[str] | None = None,
    ) -> None:
        if not runs:
            raise ValueError("runs must be at least one, got none")
        first = next(iter(runs.values()))
        for field, own in runs.items():
            if own.methods != first.methods or not own.lr.equal(first.lr):
                raise ValueError(f"runs must have the same methods and rates, and those of {field} differ")
        self.runs, self.names, self._rates = dict(runs), first.methods, first.lr
        ways = {field: over_seeds(own.way.clamp(min=_LOST)) for field, own in runs.items()}
        here = {field: Over(way[..., 1], "method", "lr_index", text=_part) for field, way in ways.items()}
        panels = [
            Panel(
                Axis(title="learning rate", log=True, trait="lr_index"),
                Axis(title=field, range=_RANGE, percent=True),
                self._strip(way, Over(runs[field].best_lr, "method")),
            )
            for field, way in ways.items()
        ]
        super().__init__(
            Strips(panels, "{name}"),
            [],
            says="{title}, part of the way to the target at a learning rate of {lr}",
            each="{name} " + ", ".join(f"{field} {{{field}}}" for field in ways),
            readout=(" · ".join(ways), " · ".join(f"{{{field}}}" for field in ways)),
            words={"title": title, **here},
            shown=shown,
            lr_index=nearest(first.lr, at_lr),
        )

    def _strip(self, way: Tensor, best: Over) -> list[Mark]:
        """Range and median over the seeds of values (method, rate, 3), the target, the slider, the best."""
        low, middle, high = (Over(part, "method") for part in way.unbind(-1))
        here = Marker(Over(self._rates, "lr_index"), Over(middle.values, "method", "lr_index"))
        there = Line(self._rates, Over(torch.ones(len(self._rates))))
        return [Band(self._rates, low, high), Line(self._rates, middle), here, Foot(best), there]

    @property
    def lr(self) -> float:
        """The learning rate that the slider stands at."""
        return self._rates[self.lr_index].item()


def _part(way: float) -> str:
    """A part of the way in percent; how far behind its start a run went does not matter."""
    return percent(way) if way >= 0 else "<0%"
