"""The surface view as matplotlib draws it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lwlr_teach.runs.sweeps import NEVER
from lwlr_teach.views.kit.style import MATPLOTLIB_MARKERS, linestyle
from lwlr_teach.views.surface.relief import COLUMNS, ROWS, heights

SurfaceView = Any  # which imports this module

_STRIP = 41  # rates at which the loss is drawn, about
_FAINT = 0.45  # what begins at the second start


def picture(view: SurfaceView) -> Figure:
    """The map and the loss curves in the present state, and the loss at every rate if it is shown."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    grid = figure.add_gridspec(1 + view.every_rate, 2, width_ratios=[1.25, 1])
    _draw_map(figure.add_subplot(grid[:, 0]), view)
    _draw_curves(figure.add_subplot(grid[0, 1]), view)
    if view.every_rate:
        _draw_rates(figure.add_subplot(grid[1, 1]), view)
    figure.suptitle(view.position, fontsize=11)
    return figure


def _starts(view: SurfaceView) -> list[tuple[list[float], float]]:
    """Where runs begin, and how strongly they are drawn."""
    return [*([(view.second, _FAINT)] if view.second else []), (view.start, 1.0)]


def _draw_map(ax: Axes, view: SurfaceView) -> None:
    surface = view.surfaces[view.surface]
    part = view.zoom
    (x0, x1), (y0, y1) = (part[:2], part[2:]) if part else surface.bounds
    levels = np.linspace(0, 1, 17)
    extent = np.linspace(x0, x1, COLUMNS), np.linspace(y0, y1, ROWS)
    shade = heights(surface, ((x0, x1), (y0, y1))).numpy()
    ax.contourf(*extent, shade, levels=levels, cmap="Greys", alpha=0.45)
    ax.contour(*extent, shade, levels=levels, colors="#00000022", linewidths=0.6)
    for start, alpha in _starts(view):
        for i, style in view.visible():
            path, _, diverged = view.run(i, start)
            last = view.step if diverged == NEVER else min(view.step, diverged)
            colour = style["colour"] or "black"
            x, y = path[: last + 1].clamp(-1e6, 1e6).numpy().T
            ax.plot(x, y, "-", color=colour, marker=".", markersize=4, linewidth=1.5, zorder=3, alpha=alpha)
            head = np.clip(x[-1], x0, x1), np.clip(y[-1], y0, y1)
            shape = MATPLOTLIB_MARKERS[style["marker"]]
            ax.plot(*head, shape, color=colour, mec="white", ms=9, zorder=4, clip_on=False, alpha=alpha)
        ax.plot(*start, "o", color="white", mec="black", ms=7, zorder=3)
    for point in surface.minima:
        ax.plot(*point, "*", color="#f0e442", mec="#333333", ms=15, zorder=2)
        # What arrives at the star hides it: its outline is drawn once more.
        ax.plot(*point, "*", mfc="none", mec="#333333", ms=15, mew=2, zorder=5)
        ax.plot(*point, "*", mfc="none", mec="#f0e442", ms=15, mew=1, zorder=5)
    ax.set(xlim=(x0, x1), ylim=(y0, y1))


def _draw_curves(ax: Axes, view: SurfaceView) -> None:
    low, high = view.plan["surfaces"][view.surface]["losses"]
    for start, alpha in _starts(view):
        for i, style in view.visible():
            _, gap, diverged = view.run(i, start)
            last = view.step if diverged == NEVER else min(view.step, diverged)
            if view.plan["walkers"] > 1:
                ax.plot(
                    gap.clamp(low / 10, high).numpy(), color=style["colour"] or "black", alpha=0.3 * alpha
                )
                gap, last = view.mean_loss(i, start), view.step
            ax.plot(
                gap[: last + 1].clamp(low / 10, high).numpy(),
                color=style["colour"] or "black",
                linestyle=linestyle(style),
                marker=MATPLOTLIB_MARKERS[style["marker"]],
                markevery=[last],
                alpha=alpha,
                label=f"{view.names[i]}: {view.outcome(i, start)}" if alpha == 1 else None,
            )
    ax.set(yscale="log", xlim=(0, view.plan["steps"]), ylim=(low, high), xlabel="step")
    ax.set_title("loss above the minimum", fontsize=10, loc="left")
    ax.grid(alpha=0.2)
    if view.shown:
        ax.legend(fontsize=8)


def _draw_rates(ax: Axes, view: SurfaceView) -> None:
    low, high = view.plan["surfaces"][view.surface]["losses"]
    rates = view._rates[:: math.ceil(len(view._rates) / _STRIP)]
    losses = view.losses_at(rates).clamp(low / 10, high)
    for i, style in view.visible():
        ax.plot(rates, losses[i], color=style["colour"] or "black", linestyle=linestyle(style))
    ax.axvline(view.lr, color="black", linewidth=0.8)
    ax.set(xscale="log", yscale="log", ylim=(low, high), xlabel="learning rate")
    mean = "mean loss" if view.plan["walkers"] > 1 else "loss"
    ax.set_title(f"{mean} at step {view.step}", fontsize=10, loc="left")
    ax.grid(alpha=0.2)
