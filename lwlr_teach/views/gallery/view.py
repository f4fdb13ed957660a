"""The gallery: many small pictures of one curve each, with a name and a word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import traitlets
from matplotlib.figure import Figure
from torch import Tensor

from lwlr_teach.core.checks import check_count, check_number
from lwlr_teach.views.kit.base import View, module

_ROOM = 0.06  # of the height, above and below
_COLUMNS = 5


class GalleryView(View):
    """Small pictures, each of one curve on axes of the same range: shapes to compare, and no numbers to read.

    Args:
        curves: by name; each has at least two numbers, evenly spaced along the horizontal axis. What is not
            finite is a gap.
        y: what the curves are; it stands in the sentence.
        notes: words below the picture of that name.
        title: begins the sentence that describes the view.
    """

    _esm = module("gallery/view.js")

    plan = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        curves: Mapping[str, Sequence[float] | Tensor],
        *,
        y: str,
        notes: Mapping[str, str] | None = None,
        title: str = "Gallery",
    ) -> None:
        check_count("number of curves", len(curves))
        self.curves = {name: _checked(name, curve) for name, curve in curves.items()}
        unknown = [name for name in notes or {} if name not in curves]
        if unknown:
            raise ValueError(f"notes must be on curves, got {unknown[0]!r}; there are {', '.join(curves)}")
        self.y, self.title, self.notes = y, title, dict(notes or {})
        everything = torch.cat([*self.curves.values()])
        found = everything[everything.isfinite()]
        low, high = min(0.0, found.min().item()), max(0.0, found.max().item())
        room = _ROOM * ((high - low) or 1.0)
        self._range = low - room, high + room
        tiles = [
            {"name": name, "note": self.notes.get(name, ""), "values": _sendable(curve)}
            for name, curve in self.curves.items()
        ]
        super().__init__(plan={"tiles": tiles, "range": self._range, "says": self.describe(), "start": {}})

    def describe(self) -> str:
        """What is in the pictures, by name and note."""
        each = [f"{name} ({self.notes[name]})" if name in self.notes else name for name in self.curves]
        return f"{self.title}, {self.y} in {len(each)} small pictures: {'; '.join(each)}."

    def figure(self) -> Figure:
        """The pictures in rows of five."""
        rows = -(-len(self.curves) // _COLUMNS)
        figure = Figure(figsize=(9, 1.5 * rows), layout="constrained")
        grid = figure.subplots(rows, _COLUMNS, squeeze=False).flatten()
        for ax in grid[len(self.curves) :]:
            ax.set_axis_off()
        for ax, (name, curve) in zip(grid, self.curves.items(), strict=False):
            ax.plot(curve.numpy(), color="#0072b2", linewidth=2)
            ax.set(ylim=self._range, xticks=[], yticks=[])
            ax.set_title(name, fontsize=9, loc="left")
            ax.set_xlabel(self.notes.get(name, ""), fontsize=8)
        return figure


def _checked(name: str, curve: Sequence[float] | Tensor) -> Tensor:
    values = torch.as_tensor(curve, dtype=torch.float64)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"curve {name!r} must be a list of at least two numbers, got {tuple(values.shape)}")
    check_number(f"curve {name!r}", values[values.isfinite()], low=-torch.inf)
    if not values.isfinite().any():
        raise ValueError(f"curve {name!r} must hold a finite number, got none")
    return values


def _sendable(curve: Tensor) -> list[float | None]:
    """Four digits are more than a small picture shows; a gap is None."""
    return [float(f"{value:.4g}") if abs(value) < float("inf") else None for value in curve.tolist()]
