"""The panel of a method, drawn by matplotlib; panel.js draws the same in the browser."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes

from lwlr_teach.core.text import short
from lwlr_teach.views.kit.style import Style

DECADES = 12  # of the bars, at most
# A tie of the last digit shown would be decided by the last digit there is, which is the processor's.
NUDGE = 1 + 1e-9


class Row(NamedTuple):
    """A name of a rule, what makes it, and its value; None at a step at which there is none."""

    name: str
    line: str | None
    value: float | None


def said(value: float) -> str:
    """A value in words and pictures."""
    return "no number" if math.isnan(value) else short(value * NUDGE)


def ends_of(values: Iterable[float]) -> tuple[int, int]:
    """The powers of ten between which all values lie; every bar has a length."""
    sizes = [abs(v) for v in values if v and math.isfinite(v)]
    high = math.ceil(math.log10(max(sizes, default=1)) - 1e-9)
    low = math.floor(math.log10(min(sizes, default=0.1)) - 0.3)
    return max(min(low, high - 1), high - DECADES), high


def draw_panel(
    ax: Axes, rows: Sequence[Row], ends: tuple[int, int], title: str, style: Style, room: int
) -> None:
    """A bar for each row, to the left if negative, with its line below; there is room for so many rows."""
    low, high = ends
    for i, (_, line, value) in enumerate(rows):
        if value and math.isfinite(value):
            length = max(0.0, math.log10(abs(value)) - low)
            ax.barh(i, math.copysign(length, value), height=0.4, color=style["colour"] or "black")
        ax.text(
            0.01,
            i + 0.36,
            line or "",
            transform=ax.get_yaxis_transform(),
            fontsize=6,
            family="monospace",
            va="center",
            clip_on=True,
            parse_math=False,
        )
    texts = [f"{name}  {'–' if value is None else said(value)}" for name, _, value in rows]
    ax.set_yticks(range(len(rows)), texts, fontsize=8)
    decades = high - low
    ticks = [k for k in range(-decades, decades + 1) if k % max(1, decades // 2) == 0]
    powers = [f"{'−' if k < 0 else ''}{short(10.0 ** (low + abs(k)))}" if k else "0" for k in ticks]
    ax.set_xticks(ticks, powers, fontsize=8)
    ax.set(xlim=(-decades, decades), ylim=(room - 0.4, -0.6))
    ax.set_title(title, fontsize=9, loc="left")
    ax.axvline(0, color="black", linewidth=0.8)
    ax.grid(alpha=0.2, axis="x")
