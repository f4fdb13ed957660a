"""Rows of figures, and the Markdown table that they become."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One figure with its bound, and what it was compared with."""

    figure: str
    ours: str
    bound: str
    met: bool
    peer: str = ""
    ratio: str = ""


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def spread(values: Sequence[float], unit: str, scale: float = 1) -> str:
    """Median, and the range of the middle 80 %."""
    low, high = percentile(values, 0.1), percentile(values, 0.9)
    return f"{scale * statistics.median(values):.3g} {unit} ({scale * low:.3g}–{scale * high:.3g})"


def table(rows: Iterable[Row]) -> str:
    """A Markdown table."""
    lines = ["| figure | ours | peer | ratio | bound | met |", "|---|---|---|---|---|---|"]
    for row in rows:
        met = "yes" if row.met else "**no**"
        lines.append(f"| {row.figure} | {row.ours} | {row.peer} | {row.ratio} | {row.bound} | {met} |")
    return "\n".join(lines)
