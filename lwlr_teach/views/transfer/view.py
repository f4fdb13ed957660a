"""The transfer view: what each arrangement of rates by depth gains over equal rates, a dot a seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from lwlr_teach.core.checks import check_choice
from lwlr_teach.core.text import short
from lwlr_teach.studies.transfer import EQUAL, Comparison
from lwlr_teach.views.kit.base import View, module, pack_float32
from lwlr_teach.views.kit.rows import draw_seeds
from lwlr_teach.views.kit.style import styles
from lwlr_teach.views.kit.traits import OneOf, Position, Shown, check_shown

MOST = 12
"""Arrangements that a picture has room for."""


class Measure(NamedTuple):
    """Something that is measured of each arrangement and seed: what to call it, and how it is drawn."""

    attribute: str
    title: str
    brief: str
    """The title where there is no room for it."""
    times: float
    """100 where a share is shown in per cent."""
    hint: str
    unit: str


GAIN = "gain"
MEASURES = {
    GAIN: Measure(
        "gain", "gain over equal rates, in points of test accuracy", "points gained", 100, "", " points"
    ),
    "test accuracy": Measure(
        "test_accuracy", "test accuracy in %", "accuracy in %", 100, "further right is better", "%"
    ),
    "over-fitting": Measure(
        "gap", "training less test accuracy, in points", "points", 100, "further left is better", " points"
    ),
    "test loss": Measure("test_loss", "test loss", "test loss", 1, "further left is better", ""),
}

# Columns of the squares that show who moves when.
_COLUMNS = 16
# So much of the seeds may lie outside of the axis at each end, and is drawn at its edge: one lost seed would
# push all others together.
_OUTSIDE = 0.01
# Unless the axis for all is at most so many times as long.
_STRETCH = 1.3


class TransferView(View):
    """A row for each arrangement: a dot a seed, a line at the median, and a square that shows who moves.

    With the measure ``"gain"`` the thick line is equal rates, and each dot is compared with equal rates from
    the same seed. In a square each row is a layer, the last one on top, and the steps run to the right; the
    fuller, the larger the layer's share of the rate. A hollow dot lies beyond the axis.

    ``transfer``, ``shots_index``, ``measure`` and ``shown`` follow the view's controls, on release, and move
    them when they are set; ``shots`` is the number of examples there.

    Args:
        comparisons: one, or one for each pair of a transfer and a number of shots, all with the same
            arrangements and the same number of seeds; see :func:`lwlr_teach.studies.transfer.compare`.
        title: what was trained; begins the sentence that describes the view.
        transfer: the transfer that is drawn first; by default that of the first comparison.
        at_shots: the number of examples of each class to begin with; by default the smallest.
        measure: one of :data:`MEASURES`.
        shown: names of the arrangements that are visible at first; all by default.
    """

    _esm = module("transfer/view.js")

    plan = traitlets.Dict().tag(sync=True)
    values = traitlets.Bytes().tag(sync=True)
    transfer = OneOf("transfers")
    shots_index = Position("_shots")
    measure = OneOf("_measures")
    shown = Shown("names")

    def __init__(
        self,
        comparisons: Comparison | Sequence[Comparison],
        *,
        title: str = "Digits network",
        transfer: str | None = None,
        at_shots: int | None = None,
        measure: str = GAIN,
        shown: Sequence[str] | None = None,
    ) -> None:
        given = [comparisons] if isinstance(comparisons, Comparison) else list(comparisons)
        self.comparisons = _check_comparisons(given)
        self.title = title
        self.transfers = list(dict.fromkeys(c.transfer for c in given))
        self._shots = sorted({c.shots for c in given})
        self._measures = list(MEASURES)
        if at_shots is not None:
            check_choice("at_shots", str(at_shots), dict.fromkeys(map(str, self._shots)))
        first = given[0]
        self.names = list(first.names)
        self._styles = styles(self.names, most=MOST)
        self._seeds = first.test_accuracy.shape[1]
        self._values = torch.stack(
            [torch.stack([self._measured(t, s) for s in self._shots]) for t in self.transfers]
        )
        self._ranges = [_range(self._values[:, :, m]) for m in range(len(MEASURES))]
        columns = [round(column * (first.steps - 1) / (_COLUMNS - 1)) for column in range(_COLUMNS)]
        self._depths = _depths(first, columns)
        begin: dict[str, Any] = {
            "transfer": self.transfers[0] if transfer is None else transfer,
            "shots_index": 0 if at_shots is None else self._shots.index(at_shots),
            "measure": measure,
            "shown": check_shown(self.names, shown),
        }
        both = zip(self.names, self._styles, strict=True)
        plan = {
            "title": title,
            "methods": [{"name": name, "style": style} for name, style in both],
            "transfers": self.transfers,
            "shots": [str(shots) for shots in self._shots],
            "measures": {
                name: {"title": m.title, "brief": m.brief, "hint": m.hint, "unit": m.unit, "range": span}
                for (name, m), span in zip(MEASURES.items(), self._ranges, strict=True)
            },
            "gain": GAIN,
            "seeds": self._seeds,
            "depths": self._depths,
            "steps": columns,
            # Both as [transfer][shots][measure][arrangement].
            "medians": self._medians.tolist(),
            "words": self._words_everywhere(),
            "start": begin,
        }
        super().__init__(**begin, plan=plan, values=pack_float32(self._values))

    @property
    def shots(self) -> int:
        """The examples of each class that the slider stands at."""
        return self._shots[self.shots_index]

    @property
    def comparison(self) -> Comparison:
        """The comparison that is drawn."""
        return self.comparisons[self.transfer, self.shots]

    def _measured(self, transfer: str, shots: int) -> Tensor:
        """(measure, arrangement, seed), as it is shown."""
        found = self.comparisons[transfer, shots]
        return torch.stack([m.times * getattr(found, m.attribute) for m in MEASURES.values()])

    @property
    def _medians(self) -> Tensor:
        return self._values.median(-1).values  # (transfer, shots, measure, arrangement)

    def _words_everywhere(self) -> list[Any]:
        """What is said of each arrangement: beside its name, and in the sentence."""
        return [
            [
                [[self._words(t, s, m, i) for i in range(len(self.names))] for m in range(len(MEASURES))]
                for s in range(len(self._shots))
            ]
            for t in range(len(self.transfers))
        ]

    def _words(self, t: int, s: int, m: int, i: int) -> tuple[str, str]:
        name, middle = self.names[i], self._medians[t, s, m, i].item()
        measure = self._measures[m]
        if measure == GAIN and name == EQUAL:
            return "", f"{name} are the line"
        if measure == GAIN:
            better = int((self._values[t, s, m, i] > 0).sum())
            points = round(middle)
            said = f"{points:+d} points".replace("-", "−") if points else "0 points"
            return f"{better} of {self._seeds}", f"{name} {said}, better from {better} of {self._seeds} seeds"
        number = short(middle) if measure == "test loss" else f"{round(middle)}".replace("-", "−")
        number += MEASURES[measure].unit
        return number, f"{name} {number}"

    @property
    def _position(self) -> tuple[int, int, int]:
        return self.transfers.index(self.transfer), self.shots_index, self._measures.index(self.measure)

    def _visible(self) -> list[int]:
        return [i for i, name in enumerate(self.names) if name in self.shown]

    def describe(self) -> str:
        """The controls' position, and each visible arrangement's median there, in a sentence."""
        t, s, m = self._position
        parts = [self._words(t, s, m, i)[1] for i in self._visible()]
        title = MEASURES[self.measure].title
        return (
            f"{self.title}, {self.transfer}, {self.shots} of each class, {title}, "
            f"median over the seeds: {'; '.join(parts) or 'no arrangement is shown'}."
        )

    def figure(self) -> Figure:
        """The rows: who moves on the left, a dot a seed on the right."""
        rows = self._visible()
        figure = Figure(figsize=(9, 1.3 + 0.38 * max(len(rows), 3)), layout="constrained")
        depths, ax = figure.subplots(1, 2, sharey=True, width_ratios=[1, 11])
        t, s, m = self._position
        low, high = self._ranges[m]
        for row, i in enumerate(rows):
            self._draw_depths(depths, row, i)
            if self.measure == GAIN:
                middle = self._medians[t, s, m, i].clamp(low, high).item()
                ax.barh(row, middle, 0.8, color=self._styles[i]["colour"] or "black", alpha=0.25)
            draw_seeds(ax, row, self._values[t, s, m, i], (low, high), self._styles[i])
        depths.set(
            xlim=(0, 1),
            xticks=[],
            yticks=range(len(rows)),
            yticklabels=[self.names[i] for i in rows],
            ylim=(max(len(rows), 1) - 0.5, -0.5),
        )
        depths.set_title("layers", fontsize=9, loc="left")
        for side in depths.spines.values():
            side.set_visible(False)
        if self.measure == GAIN:
            ax.axvline(0, color="black", linewidth=2, zorder=1)
            ax.set_title("◂ worse than equal rates | better ▸", fontsize=10)
        ax.set(xlim=(low, high), xlabel=MEASURES[self.measure].title)
        right = ax.secondary_yaxis("right")
        right.set_yticks(range(len(rows)), [self._words(t, s, m, i)[0] for i in rows])
        ax.grid(alpha=0.2, axis="x")
        figure.suptitle(f"{self.transfer}, {self.shots} of each class", fontsize=10)
        return figure

    def _draw_depths(self, ax: Axes, row: int, i: int) -> None:
        shares = self._depths[i]
        height, width = 0.7 / len(shares), 1 / _COLUMNS
        for depth, across in enumerate(shares):
            y = row + 0.35 - (depth + 1) * height
            for column, share in enumerate(across):
                corner = (column * width, y)
                ax.add_patch(
                    Rectangle(corner, width, height, color="black", alpha=_shade(share), linewidth=0)
                )
            ax.add_patch(Rectangle((0, y), 1, height, fill=False, edgecolor="black", linewidth=0.3))


def _shade(share: float) -> float:
    """How dark a share of the rate is drawn: the root, so that a twentieth is still seen."""
    return math.sqrt(min(1.0, max(0.0, share)))


def _depths(compared: Comparison, steps: list[int]) -> list[list[list[float]]]:
    """Each layer's share of the rate at these steps, [arrangement][layer][column]."""
    return [
        [[float(f(step)) if callable(f) else float(f) for step in steps] for f in layers]
        for layers in compared.moves.values()
    ]


def _range(values: Tensor) -> tuple[float, float]:
    """An axis for all of these values, or for nearly all where the rest would more than stretch it."""
    ends = torch.tensor([_OUTSIDE, 1 - _OUTSIDE], dtype=torch.float64)
    low, high = values.double().flatten().quantile(ends).tolist()
    if values.max() - values.min() <= _STRETCH * (high - low):
        low, high = values.min().item(), values.max().item()
    room = max(high - low, 1e-3) * 0.06
    return low - room, high + room


def _check_comparisons(given: list[Comparison]) -> dict[tuple[str, int], Comparison]:
    if not given:
        raise ValueError("comparisons must be at least one, got none")
    found: dict[tuple[str, int], Comparison] = {}
    for c in given:
        if (c.transfer, c.shots) in found:
            raise ValueError(f"comparisons must differ; {c.transfer!r} with {c.shots} shots is there twice")
        if c.names != given[0].names or c.test_accuracy.shape != given[0].test_accuracy.shape:
            raise ValueError("comparisons must have the same arrangements and the same number of seeds")
        found[c.transfer, c.shots] = c
    for transfer in {c.transfer: None for c in given}:
        for shots in sorted({c.shots for c in given}):
            if (transfer, shots) not in found:
                raise ValueError(
                    f"comparisons must have every transfer at every number of shots; "
                    f"{transfer!r} with {shots} is missing"
                )
    return found
