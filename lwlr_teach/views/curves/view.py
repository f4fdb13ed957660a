"""The curves view: numbers against the step, a line for each name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lwlr_teach.core.checks import check_count, check_number, check_rising
from lwlr_teach.views.chart.declare import Axis, Line, Over, Panel
from lwlr_teach.views.chart.view import Chart
from lwlr_teach.views.kit.style import MOST
from lwlr_teach.views.kit.traits import Position, nearest

_FEW = 12  # steps, that each have a tick


class CurvesView(Chart):
    """Curves over the steps of a run: lengths, rates, losses. A slider reads them off.

    ``step_index`` and ``shown`` follow the view's controls, on release, and move them when they are set.

    Args:
        curves: up to eight, by name; each has a number for every step, as many as the others. What is not
            finite is a gap.
        y: what they are, above the picture and in the sentence.
        first: the number of the first step.
        x: what is counted, if it is not steps.
        over: numbers in the place of the steps, positive and rising, on a logarithmic axis.
        log: whether the vertical axis is logarithmic; then numbers must be positive.
        title: begins the sentence that describes the view.
        at: the step at which the slider stands at first, the last one by default; of ``over`` the nearest.
        shown: names of the curves that are visible at first; all by default.
    """

    step_index = Position("_steps")

    def __init__(
        self,
        curves: Mapping[str, Sequence[float] | Tensor],
        *,
        y: str,
        first: int = 0,
        x: str = "step",
        over: Sequence[float] | None = None,
        log: bool = False,
        title: str = "Curves",
        at: float | None = None,
        shown: Sequence[str] | None = None,
    ) -> None:
        check_count("number of curves", len(curves), high=MOST)
        self.names = list(curves)
        values = _together(curves)
        found = values[values.isfinite()]
        check_number("curves", found, low=torch.finfo(torch.float32).tiny if log else -torch.inf)
        self._steps: Sequence[float] = range(first, first + values.shape[1]) if over is None else over
        steps = torch.tensor(self._steps, dtype=torch.float64)
        if over is not None:
            check_rising("over", steps)
            if len(steps) != values.shape[1]:
                raise ValueError(f"over must have a number for each of {values.shape[1]}, got {len(steps)}")
        at = self._steps[-1] if at is None else at
        check_number("at", at, low=self._steps[0], high=self._steps[-1])
        low, high = found.min().item(), found.max().item()
        range_ = (low / 1.2, high * 1.2) if log else _with_room(low, high)
        few = len(steps) <= _FEW  # between layer 1 and layer 2 is nothing
        lines = Panel(
            Axis(title=x, log=over is not None, trait="step_index", ticks=steps.tolist() if few else ()),
            Axis(title=y, range=range_, log=log),
            [Line(steps, Over(values, "method"))],
        )
        super().__init__(
            lines,
            [],
            says=f"{{title}}, {{what}} at {x} {{step}}",
            each="{name} {value}",
            none="no curve is shown",
            readout=(y, "{value}"),
            words={"title": title, "what": y, "value": Over(values, "method", "step_index")},
            shown=shown,
            step_index=nearest(steps, at),
        )


def _together(curves: Mapping[str, Sequence[float] | Tensor]) -> Tensor:
    """All curves as rows: (curve, step)."""
    rows = {name: torch.as_tensor(curve, dtype=torch.float64) for name, curve in curves.items()}
    shapes = {tuple(row.shape) for row in rows.values()}
    if len(shapes) != 1 or len(shape := shapes.pop()) != 1 or shape[0] < 2:
        each = ", ".join(f"{name} {tuple(row.shape)}" for name, row in rows.items())
        raise ValueError(f"curves must be lists of at least two numbers, as many in each, got shapes {each}")
    together = torch.stack([*rows.values()])
    if not together.isfinite().any():
        raise ValueError("curves must hold a finite number, got none")
    return together


def _with_room(low: float, high: float) -> tuple[float, float]:
    """A linear axis from 0, if the numbers are of one sign, with a little room at its far end."""
    room = 0.05 * ((high - low) or abs(high) or 1.0)
    return (0.0 if low >= 0 else low - room), (0.0 if high <= 0 else high + room)
