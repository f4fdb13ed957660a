"""The width view: the loss against the rate, a curve for each width, and where each width is at its best."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from lwlr_teach.core.text import label
from lwlr_teach.studies.width import Widths
from lwlr_teach.views.chart.declare import Axis, Line, Marker, Over, Panel
from lwlr_teach.views.chart.view import Chart
from lwlr_teach.views.kit.traits import OneOf, Position, nearest

# Guessing among the ten digits has the loss 2.3; what is above is lost alike.
_HIGHEST = 3.0


class WidthView(Chart):
    """The final loss against the rate, one curve a width, and the best rate against the width.

    ``run`` is the name of the run that is drawn; where there are several, radio buttons choose it, and the
    best rates of the others stay in the right-hand picture. ``lr_index`` and ``shown`` follow the view's
    controls, on release, and move them when they are set; ``lr`` is the rate there.

    Args:
        runs: one run, or several with the same widths and rates, see
            :func:`~lwlr_teach.studies.width.train_widths`.
        title: what was trained; begins the sentence that describes the view.
        at_lr: where the slider stands at first (the nearest rate is taken).
        run: the name of the run that is drawn first; by default the first one.
        shown: the widths that are visible at first, for example ``["width 32"]``; all by default.
    """

    lr_index = Position("_rates")
    run = OneOf("runs")

    def __init__(
        self,
        runs: Widths | Sequence[Widths],
        *,
        title: str = "Digits network",
        at_lr: float = 2**-6,
        run: str | None = None,
        shown: Sequence[str] | None = None,
    ) -> None:
        self.runs = {r.name: r for r in _check_runs([runs] if isinstance(runs, Widths) else list(runs))}
        first = next(iter(self.runs.values()))
        self.names = [f"width {width}" for width in first.widths]
        self._rates, widths = first.lr, torch.tensor(first.widths)
        losses = torch.stack([r.loss for r in self.runs.values()])
        at_best = losses.min(-1).values
        best = torch.stack([r.best_lr for r in self.runs.values()])  # nan where a width is lost at every rate
        found = best[best.isfinite()]
        # Powers of ten alone would be one or two labels.
        rate = Axis(title="learning rate", log=True, trait="lr_index", ticks=self._rates[::2].tolist())
        low, high = first.widths[0] / 1.4, first.widths[-1] * 1.4
        against_rate = Panel(
            rate,
            Axis(title="final training loss, {run}", range=(losses.min().item() / 1.3, _HIGHEST), log=True),
            [
                Line(self._rates, Over(losses, "run", "method")),
                Marker(Over(best, "run", "method"), Over(at_best, "run", "method"), joined=True),
            ],
        )
        against_width = Panel(
            Axis(title="width", range=(low, high), log=True, ticks=first.widths),
            Axis(title="best rate", range=(found.min().item() / 2, found.max().item() * 2), log=True),
            [
                Line(widths, Over(best, "run"), beside="run"),
                Marker(Over(widths, "method"), Over(best, "run", "method"), text="{best}"),
            ],
        )
        super().__init__(
            against_rate,
            [against_width],
            says="{title}, {run}, learning rate {lr}, after {steps} steps",
            each="{name} has the loss {loss} and is best at {best}",
            none="no width is shown",
            readout=("loss at this rate", "{loss}"),
            words={
                "title": title,
                "steps": str(first.steps),
                "loss": Over(losses, "run", "method", "lr_index"),
                "best": Over(best, "run", "method", text=label),
            },
            shown=shown,
            lr_index=nearest(first.lr, at_lr),
            run=run or next(iter(self.runs)),
        )

    @property
    def lr(self) -> float:
        """The learning rate that the slider stands at."""
        return self._rates[self.lr_index].item()


def _check_runs(runs: list[Widths]) -> list[Widths]:
    if not runs:
        raise ValueError("runs must be at least one, got none")
    names = [r.name for r in runs]
    for r in runs[1:]:
        if r.widths != runs[0].widths or not torch.equal(r.lr, runs[0].lr) or r.steps != runs[0].steps:
            raise ValueError(
                f"runs must have the same widths, rates and steps; {names[0]} and {r.name} do not"
            )
        if names.count(r.name) > 1:
            raise ValueError(f"runs must have different names, and {r.name!r} is there twice")
    if not math.isfinite(min(r.loss.min().item() for r in runs)):
        raise ValueError("runs must have a rate that does not overflow, got none; use smaller rates")
    return runs
