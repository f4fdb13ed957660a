"""The rate view: what the learning rate does to a real network, for several optimizers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from lwlr_teach.core.text import label, percent
from lwlr_teach.runs.ensemble import Ensemble
from lwlr_teach.views.kit.base import View, module, pack_float32
from lwlr_teach.views.kit.curves import STRIDE, over_seeds, thinned
from lwlr_teach.views.kit.style import MATPLOTLIB_MARKERS, Style, linestyle, styles
from lwlr_teach.views.kit.traits import Position, Shown, check_shown, nearest

_LOSS_RANGE = (1e-3, 20.0)


class RatesView(View):
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

    _esm = module("rates/view.js")

    plan = traitlets.Dict().tag(sync=True)
    curves = traitlets.Bytes().tag(sync=True)
    final_losses = traitlets.Bytes().tag(sync=True)
    accuracies = traitlets.Bytes().tag(sync=True)
    lr_index = Position("_swept")
    shown = Shown("names")

    def __init__(
        self,
        ensemble: Ensemble,
        *,
        title: str = "Digits network",
        at_lr: float = 0.01,
        at_limit: float = 1.0,
        shown: Sequence[str] | None = None,
    ) -> None:
        self.ensemble = ensemble
        self.title = title
        self.names = ensemble.names
        self._losses = over_seeds(ensemble.train_loss)
        self._accuracy = over_seeds(ensemble.test_accuracy)
        self._curves = thinned(ensemble.batch_losses.mean(-2))
        self._swept, at = (ensemble.lr, at_lr) if ensemble.limit is None else (ensemble.limit, at_limit)
        self._axis = "learning rate" if ensemble.limit is None else "limit"
        begin: dict[str, Any] = {
            "lr_index": nearest(self._swept, at),
            "shown": check_shown(ensemble.names, shown),
        }
        both = zip(self.names, styles(self.names), strict=True)
        plan = {
            "title": title,
            "methods": [{"name": name, "style": style} for name, style in both],
            "axis": self._axis,
            "slider": "lr" if ensemble.limit is None else "limit",
            "curve_title": self._curve_title,
            "rates": [label(v) for v in self._swept.tolist()],
            "values": self._swept.tolist(),
            "steps": ensemble.batch_losses.shape[-1],
            "points": self._curves.shape[-1],
            "stride": STRIDE,
            "best": [best if self._moves(i) else None for i, best in enumerate(self.best.tolist())],
            "loss_range": _LOSS_RANGE,
            "start": begin,
        }
        super().__init__(
            **begin,
            plan=plan,
            curves=pack_float32(self._curves),
            final_losses=pack_float32(self._losses),
            accuracies=pack_float32(self._accuracy),
        )

    @property
    def lr(self) -> float:
        """The learning rate that the slider stands at, or at which all were trained."""
        return self.ensemble.lr[self.lr_index if self.ensemble.limit is None else 0].item()

    @property
    def limit(self) -> float | None:
        """The limit that the slider stands at, if there are limits."""
        return None if self.ensemble.limit is None else self._value

    @property
    def _value(self) -> float:
        return self._swept[self.lr_index].item()

    @property
    def _curve_title(self) -> str:
        return f"training loss at {self._axis.removeprefix('learning ')} "

    @property
    def best(self) -> Tensor:
        """Index of the rate (or limit) with the lowest final loss (median over seeds), for each method."""
        return self._losses[..., 1].argmin(-1)

    def _moves(self, i: int) -> bool:
        """Whether the slider changes anything for method i: a limit does not, where nothing is clipped."""
        return self.ensemble.limit is None or self.ensemble.methods[i].clip is not None

    def describe(self) -> str:
        """The slider's position and what each visible method reaches there, in a sentence."""
        right = self._accuracy[:, self.lr_index, 1].tolist()
        parts = [
            f"{self.names[i]} gets {percent(right[i])} of the test images right" for i, _ in self._visible()
        ]
        steps = self.ensemble.batch_losses.shape[-1]
        return (
            f"{self.title}, {self._axis} {label(self._value)}, after {steps} steps: "
            f"{'; '.join(parts) or 'no method is shown'}."
        )

    def figure(self) -> Figure:
        """The strips, and the training curves at the slider's position."""
        rows = self._visible()
        figure = Figure(figsize=(9, 0.6 + 0.85 * max(len(rows), 3)), layout="constrained")
        grid = figure.add_gridspec(max(len(rows), 1), 3)
        for row, (i, style) in enumerate(rows):
            loss = figure.add_subplot(grid[row, 0])
            accuracy = figure.add_subplot(grid[row, 1])
            self._draw_strip(loss, self._losses[i].clamp(*_LOSS_RANGE), style)
            self._draw_strip(accuracy, self._accuracy[i], style)
            best = f", best at {label(self._swept[self.best[i]].item())}" if self._moves(i) else ""
            headings = ("", "") if row else ("final training loss\n", "test accuracy\n")
            heading = f"{headings[0]}{self.names[i]}{best}"
            loss.set_title(heading, fontsize=8, loc="left", pad=2)
            accuracy.set_title(headings[1], fontsize=8, loc="left", pad=2)
            loss.set(yscale="log", ylim=_LOSS_RANGE)
            accuracy.set(ylim=(0, 1.05), yticks=[0, 1], yticklabels=["0%", "100%"])
            for ax in (loss, accuracy):
                ax.tick_params(labelbottom=row == len(rows) - 1)
                ax.set_xlabel(self._axis if row == len(rows) - 1 else "")
        self._draw_curves(figure.add_subplot(grid[:, 2]))
        return figure

    def _draw_strip(self, ax: Axes, values: Tensor, style: Style) -> None:
        """Median and range over the seeds of values (rate, 3)."""
        colour = style["colour"] or "black"
        low, middle, high = values.numpy().T
        rates = self._swept.numpy()
        ax.fill_between(rates, low, high, color=colour, alpha=0.3, linewidth=0)
        ax.plot(rates, middle, color=colour)
        ax.axvline(self._value, color="black", linewidth=0.8)
        ax.plot(
            self._value,
            middle[self.lr_index],
            MATPLOTLIB_MARKERS[style["marker"]],
            color=colour,
            mec="white",
            ms=8,
        )
        ax.set(xscale="log", xlim=(rates[0], rates[-1]))
        ax.tick_params(labelsize=8)
        ax.grid(alpha=0.2)

    def _draw_curves(self, ax: Axes) -> None:
        steps = (np.arange(self._curves.shape[-1]) + 0.5) * STRIDE
        for i, style in self._visible():
            curve = self._curves[i, self.lr_index].clamp(*_LOSS_RANGE).numpy()
            ax.plot(
                steps,
                curve,
                color=style["colour"] or "black",
                linestyle=linestyle(style),
                label=self.names[i],
            )
        ax.set(yscale="log", ylim=_LOSS_RANGE, xlabel="step")
        ax.set_title(self._curve_title + label(self._value), fontsize=10, loc="left")
        ax.grid(alpha=0.2)
        if self.shown:
            ax.legend(fontsize=8)

    def _visible(self) -> list[tuple[int, Style]]:
        both = enumerate(styles(self.names))
        return [(i, style) for i, style in both if self.names[i] in self.shown]
