"""The rate view: what the learning rate does to a real network, for several optimizers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from lwlr_teach.core.text import label, percent
from lwlr_teach.runs.ensemble import Ensemble
from lwlr_teach.views.chart.declare import Axis, Band, Foot, Line, Mark, Marker, Over, Panel, Strips
from lwlr_teach.views.chart.view import Chart
from lwlr_teach.views.kit.curves import STRIDE, over_seeds, thinned
from lwlr_teach.views.kit.traits import Position, nearest

_LOSS_RANGE = (1e-3, 20.0)


class RatesView(Chart):
    """Final loss and test accuracy against the learning rate, one strip a method, and training curves.

    The band is the range over the seeds, the line their median. ``lr_index`` and ``shown`` follow the view's
    controls, on release, and move them when they are set; ``lr`` is the rate there. An ensemble with limits
    is drawn against the limit: then ``lr_index`` is the limit's position, and ``limit`` the limit there.

    Args:
        ensemble: the trained networks.
        title: what was trained; begins the sentence that describes the view.
        at_lr, at_limit: where the slider stands at first (the nearest rate, or limit, is taken).
        shown: names of the methods that are visible at first; all by default.
    """

    lr_index = Position("_swept")

    def __init__(
        self,
        ensemble: Ensemble,
        *,
        title: str = "Digits network",
        at_lr: float = 0.01,
        at_limit: float = 1.0,
        shown: Sequence[str] | None = None,
    ) -> None:
        self.ensemble, self.names = ensemble, ensemble.names
        self._swept, at, axis = ensemble.lr, at_lr, "learning rate"
        if ensemble.limit is not None:
            self._swept, at, axis = ensemble.limit, at_limit, "limit"
        self._losses, accuracies = over_seeds(ensemble.train_loss), over_seeds(ensemble.test_accuracy)
        # A limit changes nothing where nothing is clipped: then no position of the slider is the best.
        moves = torch.tensor([ensemble.limit is None or m.clip is not None for m in ensemble.methods])
        best = Over(torch.where(moves, self._swept[self.best], torch.nan), "method", text=_best_at)
        curves = thinned(ensemble.batch_losses.mean(-2))
        at_steps = (torch.arange(curves.shape[-1]) + 0.5) * STRIDE
        steps = ensemble.batch_losses.shape[-1]
        rate = Axis(title="{axis}", log=True, trait="lr_index")
        loss = Axis(title="final training loss", range=_LOSS_RANGE, log=True)
        right = Axis(title="test accuracy", range=(0, 1), percent=True)
        strips = [
            Panel(rate, loss, [*self._strip(self._losses), Foot(best)]),
            Panel(rate, right, self._strip(accuracies)),
        ]
        training = Panel(
            Axis(title="step", range=(0, steps)),
            Axis(title="training loss at {rate} {lr}", range=_LOSS_RANGE, log=True),
            [
                Line(at_steps, Over(curves, "method", "lr_index")),
                Marker(at_steps[-1], Over(curves[..., -1], "method", "lr_index")),
            ],
        )
        super().__init__(
            Strips(strips, "{name}{best}"),
            [training],
            says="{title}, {axis} {lr}, after {steps} steps",
            each="{name} gets {right} of the test images right",
            readout=("test accuracy", "{right}"),
            words={
                "title": title,
                "axis": axis,
                "rate": axis.removeprefix("learning "),
                "steps": str(steps),
                "best": best,
                "right": Over(accuracies[..., 1], "method", "lr_index", text=percent),
            },
            shown=shown,
            lr_index=nearest(self._swept, at),
        )

    def _strip(self, values: Tensor) -> list[Mark]:
        """Range and median over the seeds of values (method, rate, 3), and the median at the slider."""
        low, middle, high = (Over(part, "method") for part in values.unbind(-1))
        here = Marker(Over(self._swept, "lr_index"), Over(middle.values, "method", "lr_index"))
        return [Band(self._swept, low, high), Line(self._swept, middle), here]

    @property
    def lr(self) -> float:
        """The learning rate that the slider stands at, or at which all were trained."""
        return self.ensemble.lr[self.lr_index if self.ensemble.limit is None else 0].item()

    @property
    def limit(self) -> float | None:
        """The limit that the slider stands at, if there are limits."""
        return None if self.ensemble.limit is None else self.ensemble.limit[self.lr_index].item()

    @property
    def best(self) -> Tensor:
        """Index of the rate (or limit) with the lowest final loss (median over seeds), for each method."""
        return self._losses[..., 1].argmin(-1)


def _best_at(value: float) -> str:
    return "" if math.isnan(value) else f", best at {label(value)}"
