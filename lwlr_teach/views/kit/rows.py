"""Rows of dots, one a seed, drawn by matplotlib; kit/rows.js draws them in the browser."""

from __future__ import annotations

import torch
from matplotlib.axes import Axes
from torch import Tensor

from lwlr_teach.views.kit.style import MATPLOTLIB_MARKERS, Style


def draw_seeds(ax: Axes, row: int, values: Tensor, ends: tuple[float, float], style: Style) -> None:
    """A dot a seed, hollow at the ``ends`` of the axis where it lies beyond, and a line at the median."""
    colour = style["colour"] or "black"
    # A seed has the same height in every row.
    heights = row + ((torch.arange(len(values)) + 0.5) / len(values) - 0.5) * 0.7
    drawn = values.clamp(*ends)
    inside = drawn == values
    ax.plot(values[inside], heights[inside], "o", color=colour, alpha=0.75, ms=4.5, mew=0)
    if not inside.all():  # an empty line that is not clipped would take the layout to the figure's corner
        (hollow,) = ax.plot(
            drawn[~inside], heights[~inside], "o", color=colour, mfc="none", alpha=0.75, ms=4.5
        )
        hollow.set_clip_on(False)
    middle = drawn.median().item()
    ax.plot([middle, middle], [row - 0.4, row + 0.4], color="black", linewidth=1.5)
    ax.plot(middle, row, MATPLOTLIB_MARKERS[style["marker"]], color=colour, mec="white", ms=9)
