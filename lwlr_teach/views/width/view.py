"""The width view: the loss against the rate, a curve for each width, and where each width is at its best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

from lwlr_teach.core.text import label, short
from lwlr_teach.studies.width import Widths
from lwlr_teach.views.kit.base import View, module, pack_float32
from lwlr_teach.views.kit.style import MATPLOTLIB_MARKERS, Style, linestyle, styles
from lwlr_teach.views.kit.traits import OneOf, Position, Shown, check_shown, nearest

# Guessing among the ten digits has the loss 2.3; what is above is lost alike.
_HIGHEST = 3.0


class WidthView(View):
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

    _esm = module("width/view.js")

    plan = traitlets.Dict().tag(sync=True)
    losses = traitlets.Bytes().tag(sync=True)
    lr_index = Position("_rates")
    run = OneOf("runs")
    shown = Shown("names")

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
        self.title = title
        first = next(iter(self.runs.values()))
        self.names = [f"width {width}" for width in first.widths]
        self._styles = styles(self.names)
        self._rates, self._steps, self._widths = first.lr, first.steps, first.widths
        losses = torch.stack([r.loss for r in self.runs.values()])
        best = torch.stack([r.best for r in self.runs.values()])
        self._loss_range = (losses.min().item() / 1.3, _HIGHEST)
        self._best_range = (
            first.lr[best.min()].item() / 2,
            first.lr[best.max()].item() * 2,
        )
        begin: dict[str, Any] = {
            "lr_index": nearest(first.lr, at_lr),
            "run": run or next(iter(self.runs)),
            "shown": check_shown(self.names, shown),
        }
        both = zip(self.names, self._styles, strict=True)
        plan = {
            "title": title,
            "runs": list(self.runs),
            "methods": [{"name": name, "style": style} for name, style in both],
            "widths": self._widths,
            "rates": [label(v) for v in first.lr.tolist()],
            "values": first.lr.tolist(),
            "steps": self._steps,
            "best": best.tolist(),
            "loss_range": self._loss_range,
            "best_range": self._best_range,
            "start": begin,
        }
        super().__init__(**begin, plan=plan, losses=pack_float32(losses))

    @property
    def lr(self) -> float:
        """The learning rate that the slider stands at."""
        return self._rates[self.lr_index].item()

    def describe(self) -> str:
        """The slider's position, and each visible width's loss there and best rate, in a sentence."""
        drawn = self.runs[self.run]
        parts = [
            f"{self.names[i]} has the loss {short(drawn.loss[i, self.lr_index].item())}"
            f" and is best at {label(drawn.best_lr[i].item())}"
            for i, _ in self._visible()
        ]
        return (
            f"{self.title}, {self.run}, learning rate {label(self.lr)}, after {self._steps} steps: "
            f"{'; '.join(parts) or 'no width is shown'}."
        )

    def figure(self) -> Figure:
        """The curves with their best rates joined, and the best rate against the width."""
        figure = Figure(figsize=(9, 3.8), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[3, 2])
        self._draw_losses(left)
        self._draw_best(right)
        return figure

    def _draw_losses(self, ax: Axes) -> None:
        drawn = self.runs[self.run]
        loss = drawn.loss.clamp(*self._loss_range).numpy()
        best = drawn.best.tolist()
        rows = self._visible()
        for i, style in rows:
            colour = style["colour"] or "black"
            ax.plot(self._rates, loss[i], color=colour, linestyle=linestyle(style), label=self.names[i])
        at = [(self._rates[best[i]].item(), loss[i, best[i]]) for i, _ in rows]
        if at:
            ax.plot(*zip(*at, strict=True), color="black", linewidth=2.5, alpha=0.5, zorder=3)
        for (x, y), (_, style) in zip(at, rows, strict=True):
            self._mark(ax, x, y, style)
        ax.axvline(self.lr, color="black", linewidth=0.8)
        ax.set(xscale="log", yscale="log", ylim=self._loss_range, xlabel="learning rate")
        self._label(ax, self._rates[::2].tolist())
        ax.set_title(f"final training loss, {self.run}", fontsize=10, loc="left")
        ax.grid(alpha=0.2)
        if rows:
            ax.legend(fontsize=8)

    def _draw_best(self, ax: Axes) -> None:
        for name, drawn in self.runs.items():
            on = name == self.run
            best = drawn.best_lr.tolist()
            ax.plot(self._widths, best, color="black", alpha=1 if on else 0.3, linewidth=2.5 if on else 1.5)
            if not on:
                ax.annotate(name, (self._widths[-1], best[-1]), ha="right", va="top", fontsize=8, alpha=0.6)
                continue
            for i, style in self._visible():
                self._mark(ax, self._widths[i], best[i], style)
                ax.annotate(
                    label(best[i]),
                    (self._widths[i], best[i]),
                    (0, 8),
                    textcoords="offset points",
                    ha="center",
                    fontsize=8,
                )
        ax.set(xscale="log", yscale="log", ylim=self._best_range, xlabel="width")
        self._label(ax, self._widths)
        ax.yaxis.set_minor_formatter(NullFormatter())
        ax.margins(x=0.12)
        ax.set_title("best rate", fontsize=10, loc="left")
        ax.grid(alpha=0.2)

    @staticmethod
    def _label(ax: Axes, places: Sequence[float]) -> None:
        """Labels under a picture: powers of ten alone would be one or two."""
        ax.set_xticks(places, labels=[label(place) for place in places])
        ax.xaxis.set_minor_locator(NullLocator())

    @staticmethod
    def _mark(ax: Axes, x: float, y: float, style: Style) -> None:
        colour = style["colour"] or "black"
        ax.plot(x, y, MATPLOTLIB_MARKERS[style["marker"]], color=colour, mec="white", ms=9, zorder=4)

    def _visible(self) -> list[tuple[int, Style]]:
        return [(i, style) for i, style in enumerate(self._styles) if self.names[i] in self.shown]


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
