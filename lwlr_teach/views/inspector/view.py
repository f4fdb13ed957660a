"""The layer inspector: how fast each layer moves while a model trains, one row a layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np
import torch
import traitlets
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_hex, to_rgb
from matplotlib.figure import Figure
from torch import Tensor

from lwlr_teach.core.checks import check_choice, check_number
from lwlr_teach.core.text import short
from lwlr_teach.runs.recorder import KINDS, Recorder, Recording
from lwlr_teach.runs.training import Fit
from lwlr_teach.views.kit.base import MOST_BYTES, View, module, pack_float32
from lwlr_teach.views.kit.style import MATPLOTLIB_MARKERS, Style, linestyle, palette
from lwlr_teach.views.kit.traits import OneOf, Position, Shown, check_shown, nearest

TITLES = {
    "relative_update": "relative update ‖Δp‖ / ‖p‖",
    "update_norm": "length of the step ‖Δp‖",
    "effective_rate": "effective rate",
    "rate": "rate of the whole model",
    "scale": "scale of the layer",
    "weight_norm": "weights ‖p‖",
    "grad_norm": "gradient ‖g‖ before clipping",
    "clipped_norm": "gradient ‖g‖ after clipping",
    "trust_ratio": "trust ratio ‖p‖ / ‖g‖",
    "cosine": "cosine with the update before",
}
"""The quantities in the order of the list, and what they are called there."""

# A heat map needs no more columns than this, and a view of many layers has fewer.
_COLUMNS = 300
# The colours span so many decades at most to each side of the median, or one spike would hide all the rest.
_DECADES = 5
_ROOM = 1.3  # a logarithmic axis goes so many times beyond the colours
_COLOURS, _STILL, _NOTHING = 64, 64, 255
_GREY = "#8c8c8c"  # what is exactly 0, on a scale that has no 0
# A still picture has room for so many rows with their names.
_LABELS = 50
# So many names in a sentence; the rest is counted.
_NAMED = 4


class InspectorView(View):
    """Layers × steps as a heat map with the same numbers as lines below, for one recording or two.

    The first layer is the top row. The colour is logarithmic and, with two recordings, the same for both.
    Grey is 0: a layer that stands still. Hatched is what is no number. A slider walks through the steps; the
    quantity and the layers are chosen beside it::

        with Recorder(model, optimizer) as recorder:
            …train…
        InspectorView(recorder)

    Of many layers, the buttons above the list show those with weights alone, or the norms.

    The sentence goes by three definitions, each at the slider's step and among the visible layers:

    - a layer **explodes** if its step is longer than its weights (relative update above 1), or if its weights
      are no finite number any more, or its gradient is none and the layer moves (one that autograd leaves
      alone has no gradient either, and stands still);
    - it **stands still** if it did not move at all (‖Δp‖ = 0) and does not explode;
    - the **fastest** and the **slowest** are those with the largest and the smallest number of the quantity
      among the layers that do not stand still. For quantities that are no speed these are called highest and
      lowest, and layers that stand still are among them.

    With a trust ratio of coefficient 1, as in LARS, the relative update is the rate; where momentum has added
    up several steps it is larger, up to ten times with a momentum of 0.9.

    The traits ``step_index``, ``quantity`` and ``shown`` follow the view's controls, on release, and move
    them when they are set; ``step`` is the step that the slider stands at.

    Args:
        recordings: a :class:`~lwlr_teach.runs.recorder.Recording`, or two of models with the same layers. For
            each, what holds it may stand, a recorder or what ``fit`` returns.
        quantity: the one that is shown at first, from :data:`~lwlr_teach.runs.recorder.QUANTITIES`.
        names: what two recordings are called.
        title: what was trained; begins the sentence that describes the view.
        at_step: where the slider stands at first (the nearest recorded step is taken); the last by default.
        shown: names of the layers that are visible at first, or one of the kinds ``"weights"`` and
            ``"norms"``; all by default.
    """

    _esm = module("inspector/view.js")
    _quantities = tuple(TITLES)

    plan = traitlets.Dict().tag(sync=True)
    values = traitlets.Bytes().tag(sync=True)
    step_index = Position("steps")
    quantity = OneOf("_quantities")
    shown = Shown("layers")

    def __init__(
        self,
        recordings: Recording | Recorder | Fit | Sequence[Recording | Recorder | Fit],
        *,
        quantity: str = "relative_update",
        names: Sequence[str] = ("first run", "second run"),
        title: str = "The model",
        at_step: float | None = None,
        shown: Sequence[str] | str | None = None,
    ) -> None:
        self.recordings = _checked(recordings)
        self.layers = self.recordings[0].layers
        kinds = _by_kind(self.recordings)
        if isinstance(shown, str):
            shown = check_choice("shown", shown, kinds)
        self.names = _check_names(names, len(self.recordings))
        self.title = title
        self.steps = _thinned_steps(self.recordings)
        # (run, quantity, layer, step), in the order of TITLES.
        self._values = torch.stack([_on_steps(r, self.steps) for r in self.recordings])
        # Where nothing was clipped there is one gradient in the list.
        both = _clips(self.recordings) or quantity == "clipped_norm"
        self._titles = TITLES if both else TITLES | {"grad_norm": "gradient ‖g‖"}
        self._lengths = [int((self.steps <= r.steps[-1]).sum()) for r in self.recordings]
        self._ranges = {name: _range(name, self._of(name)) for name in TITLES}
        if at_step is not None:
            check_number("at_step", at_step, low=0)
        begin: dict[str, Any] = {
            "step_index": len(self.steps) - 1 if at_step is None else nearest(self.steps, at_step),
            "quantity": quantity,
            "shown": check_shown(self.layers, shown),
        }
        plan = {
            "title": title,
            "names": list(self.names),
            "layers": [
                {"name": name, "style": style}
                for name, style in zip(self.layers, depth_styles(len(self.layers)), strict=True)
            ],
            "kinds": kinds if len(kinds) > 1 else {},
            "steps": self.steps.tolist(),
            "lengths": self._lengths,
            "quantities": [
                {
                    "name": name,
                    "title": text,
                    "listed": both or name != "clipped_norm",
                    "range": self._ranges[name],
                    "log": name != "cosine",
                }
                for name, text in self._titles.items()
            ],
            "speeds": list(_SPEEDS),
            "colours": palette(_COLOURS),
            "grey": _GREY,
            "named": _NAMED,
            "room": _ROOM,
            "start": begin,
        }
        super().__init__(**begin, plan=plan, values=pack_float32(self._values))

    @property
    def step(self) -> int:
        """The step that the slider stands at."""
        return int(self.steps[self.step_index])

    def _of(self, quantity: str) -> Tensor:
        """One quantity of all runs: (run, layer, step)."""
        return self._values[:, list(TITLES).index(quantity)]

    def describe(self) -> str:
        """What each visible layer does at the slider's step: fastest, slowest, still, exploding."""
        head = f"{self.title}, {self._titles[self.quantity]}, step {self.step}"
        states = [self._state(run) for run in range(len(self.recordings))]
        if len(states) == 1:
            return f"{head}: {states[0]}."
        return " ".join([f"{head}.", *(f"{n}: {s}." for n, s in zip(self.names, states, strict=True))])

    def _state(self, run: int) -> str:
        rows = self._visible()
        if not rows:
            return "no layer is shown"
        if self.step_index >= self._lengths[run]:
            return "the recording has ended"
        values = self._of(self.quantity)[run, :, self.step_index].tolist()
        at = standing(self._values[run, :, :, self.step_index], self.quantity, rows)
        parts = []
        if at.highest is not None and at.lowest is not None:
            parts.append(self._extremes(values, rows, at.highest, at.lowest))
        elif len(at.still) < len(rows):
            parts.append("no layer that moves has a number here")
        if len(rows) > 1:
            first, last = rows[0], rows[-1]
            parts.append(
                f"the first layer, {self.layers[first]}, is {_at(values[first])} "
                f"and the last, {self.layers[last]}, {_at(values[last])}"
            )
        if len(at.still) == len(rows):
            parts.append("every layer stands still")
        elif at.still:
            parts.append(f"standing still: {self._named(at.still)}")
        if at.exploding:
            parts.append(f"exploding: {self._named(at.exploding)}")
        return "; ".join(parts)

    def _extremes(self, values: list[float], rows: list[int], highest: int, lowest: int) -> str:
        high, low = values[highest], values[lowest]
        if highest != lowest and short(high) == short(low):  # no “1 times the slowest”
            known = not any(math.isnan(values[i]) for i in rows)
            who = " that move" if self.quantity in _SPEEDS else "" if known else " with a number"
            return f"all{who} are at {short(high)}"
        most, least = ("fastest", "slowest") if self.quantity in _SPEEDS else ("highest", "lowest")
        said = f"{most} is {self.layers[highest]} at {short(high)}"
        if highest == lowest:
            return said
        if low <= 0:
            return f"{said}, {least} is {self.layers[lowest]} at {short(low)}"
        return f"{said}, {short(high / low)} times the {least}, {self.layers[lowest]}, at {short(low)}"

    def _named(self, rows: Sequence[int]) -> str:
        names = [self.layers[i] for i in rows]
        if len(names) <= _NAMED:
            return ", ".join(names)
        return f"{', '.join(names[: _NAMED - 1])} and {len(names) - _NAMED + 1} more"

    def _visible(self) -> list[int]:
        return [i for i, name in enumerate(self.layers) if name in self.shown]

    def figure(self) -> Figure:
        """A heat map and the lines below it for each recording, with the slider's step marked."""
        runs, rows = len(self.recordings), self._visible()
        height = 2.4 + min(0.16 * _LABELS, max(1.4, 0.16 * len(rows)))
        figure = Figure(figsize=(9, height), layout="constrained")
        grid = figure.add_gridspec(2, runs, height_ratios=[height - 2.2, 2.0])
        for run in range(runs):
            self._draw_map(figure.add_subplot(grid[0, run]), run, rows)
            self._draw_lines(figure.add_subplot(grid[1, run]), run, rows)
        return figure

    def _draw_map(self, ax: Axes, run: int, rows: list[int]) -> None:
        codes = self._codes(run)[rows]
        ax.set_title(self._heading(run), fontsize=10, loc="left")
        ax.patch.set(facecolor="white", hatch="////", edgecolor="#999999")
        picture = ax.pcolormesh(
            self._edges(),
            np.arange(len(rows) + 1) - 0.5 if rows else [-0.5, 0.5],
            np.ma.masked_equal(codes, _NOTHING) if rows else np.ma.masked_all((1, len(self.steps))),
            cmap=ListedColormap([*palette(_COLOURS), _GREY]),
            vmin=0,
            vmax=_COLOURS,
        )
        ax.invert_yaxis()
        ax.axvline(self.step, color="white", linewidth=2.2)
        ax.axvline(self.step, color="black", linewidth=0.9)
        every = max(1, math.ceil(len(rows) / _LABELS))
        places = list(range(0, len(rows), every))
        ax.set_yticks(places, labels=[self.layers[rows[i]] for i in places], fontsize=7)
        ax.tick_params(axis="x", labelsize=8)
        if run == len(self.recordings) - 1:
            low, high = self._ranges[self.quantity]
            bar = ax.figure.colorbar(picture, ax=ax, pad=0.01, aspect=14, boundaries=range(_COLOURS + 1))
            marks = [low, high] if self.quantity == "cosine" else _decades(low, high)
            shares = self._share(torch.tensor(marks, dtype=torch.float64)) * _COLOURS
            bar.set_ticks(shares.tolist(), labels=[short(mark) for mark in marks])
            bar.ax.tick_params(labelsize=7)

    def _draw_lines(self, ax: Axes, run: int, rows: list[int]) -> None:
        low, high = self._ranges[self.quantity]
        layer_styles = depth_styles(len(self.layers))
        few = len(rows) <= 8
        for i in rows:
            values = self._of(self.quantity)[run, i]
            style = layer_styles[i]
            ends = i in (rows[0], rows[-1])
            ax.plot(
                self.steps.numpy(),
                self._heights(values).numpy(),
                color=style["colour"],
                linestyle=linestyle(style),
                marker=MATPLOTLIB_MARKERS[style["marker"]],
                markevery=[self.step_index],
                linewidth=1.2,
                label=self.layers[i] if few or ends else None,
            )
        ax.axvline(self.step, color="black", linewidth=0.8)
        if self.quantity == "cosine":
            ax.set(ylim=(-1.05, 1.05))
        else:
            ax.set(yscale="log", ylim=(low / _ROOM, high * _ROOM))
        ax.set(xlim=self._edges()[[0, -1]], xlabel="step")
        ax.tick_params(labelsize=8)
        ax.grid(alpha=0.2)
        if rows and run == 0:
            ax.legend(fontsize=7, loc="best")

    def _heights(self, values: Tensor) -> Tensor:
        """Where lines run on their axis, which is that of the colours; what is 0 runs along its bottom."""
        low, high = self._ranges[self.quantity]
        values = values.double()  # what is large in single precision has room above
        clamped = values.clamp(low, high)  # nan stays
        return clamped if self.quantity == "cosine" else torch.where(values == 0, low / _ROOM, clamped)

    def _heading(self, run: int) -> str:
        title = self._titles[self.quantity]
        return f"{self.names[run]}: {title}" if len(self.recordings) > 1 else title

    def _edges(self) -> np.ndarray[Any, Any]:
        """Where the cells of the steps end: halfway to the next one."""
        steps = self.steps.double().numpy()
        if len(steps) == 1:
            return np.array([steps[0] - 0.5, steps[0] + 0.5])
        between = (steps[1:] + steps[:-1]) / 2
        return np.concatenate([2 * steps[:1] - between[:1], between, 2 * steps[-1:] - between[-1:]])

    def _share(self, values: Tensor) -> Tensor:
        """Where values stand on the colour scale, 0 to 1."""
        low, high = self._ranges[self.quantity]
        if self.quantity == "cosine":
            return ((values - low) / (high - low)).clamp(0, 1)
        return ((values / low).log10() / math.log10(high / low)).clamp(0, 1)

    def _codes(self, run: int) -> np.ndarray[Any, Any]:
        """The number of each cell's colour: (layer, step)."""
        values = self._of(self.quantity)[run].double()
        codes = (self._share(values) * _COLOURS).floor().clamp(max=_COLOURS - 1)
        if self.quantity != "cosine":
            codes = torch.where(values == 0, _STILL, codes)
        return torch.where(values.isfinite(), codes, _NOTHING).numpy().astype(np.uint8)


# Quantities that say how far a layer goes.
_SPEEDS = ("relative_update", "update_norm")


class Standing(NamedTuple):
    """How layers stand at one step, by their numbers."""

    highest: int | None
    lowest: int | None
    still: list[int]
    exploding: list[int]


def standing(values: Tensor, quantity: str, rows: Sequence[int]) -> Standing:
    """The layers among ``rows`` that the sentence names. ``values`` are (quantity, layer), as ``TITLES``."""
    by_name = dict(zip(TITLES, values.tolist(), strict=True))
    exploding = [
        i
        for i in rows
        if by_name["relative_update"][i] > 1
        or not math.isfinite(by_name["weight_norm"][i])
        or (not math.isfinite(by_name["grad_norm"][i]) and by_name["update_norm"][i] != 0)
    ]
    still = [i for i in rows if by_name["update_norm"][i] == 0 and i not in exploding]
    numbers = by_name[quantity]
    left_out = still if quantity in _SPEEDS else []
    ranked = [i for i in rows if i not in left_out and not math.isnan(numbers[i])]
    if not ranked:
        return Standing(None, None, still, exploding)
    highest = max(ranked, key=numbers.__getitem__)
    lowest = min(reversed(ranked), key=numbers.__getitem__)  # another one, if all are equal
    return Standing(highest, lowest, still, exploding)


# From the first layer to the last: blue to vermilion, and on dark paper what of Okabe and Ito is lighter.
_ENDS, _ENDS_IN_THE_DARK = ("#0072b2", "#d55e00"), ("#56b4e9", "#e69f00")


def depth_styles(count: int) -> list[Style]:
    """A style for each layer: blue for the first to orange for the last, by turns with other dashes."""
    shares = np.linspace(0, 1, count).tolist()
    second = zip(cycle(MATPLOTLIB_MARKERS), cycle([[], [8, 3], [3, 3], [10, 3, 2, 3]]), strict=False)
    return [
        {
            "colour": _between(_ENDS, share),
            "dark": _between(_ENDS_IN_THE_DARK, share),
            "marker": marker,
            "dash": dash,
        }
        for share, (marker, dash) in zip(shares, second, strict=False)
    ]


def _between(ends: tuple[str, str], share: float) -> str:
    first, last = map(np.array, map(to_rgb, ends))
    return to_hex(first + (last - first) * share)


def _at(value: float) -> str:
    return "without a number" if math.isnan(value) else f"at {short(value)}"


def _by_kind(recordings: Sequence[Recording]) -> dict[str, list[str]]:
    """The layers of each kind that there is, where it is known."""
    known = next((recording.kinds for recording in recordings if recording.kinds), ())
    each = list(zip(recordings[0].layers, known, strict=False))
    return {kind: [name for name, its in each if its == kind] for kind in KINDS if kind in known}


def _checked(
    recordings: Recording | Recorder | Fit | Sequence[Recording | Recorder | Fit],
) -> tuple[Recording, ...]:
    given = tuple(recordings) if isinstance(recordings, Sequence) else (recordings,)
    found = tuple(each.recording if isinstance(each, Recorder | Fit) else each for each in given)
    for recording in found:
        if not isinstance(recording, Recording):
            raise TypeError(f"recordings must be a Recording or two of them, got {recording!r}")
    if len(found) not in (1, 2):
        raise ValueError(f"recordings must be one or two, got {len(found)}")
    for recording in found:
        if not len(recording.steps):
            raise ValueError("recordings must hold at least one step; this one holds none")
        if not recording.layers:
            raise ValueError("recordings must hold at least one layer; this one holds none")
    if found[0].layers != found[-1].layers:
        other = sorted(set(found[0].layers) ^ set(found[-1].layers))[:_NAMED] or ["their order"]
        raise ValueError(f"recordings must have the same layers; they differ in {', '.join(other)}")
    return found


def _clips(recordings: Sequence[Recording]) -> bool:
    """Whether a gradient was clipped. A layer without one has nan before the clip, and 0 after it."""
    before, after = (
        torch.cat([recording[name].flatten() for recording in recordings])
        for name in ("grad_norm", "clipped_norm")
    )
    known = before.isfinite()
    return not before[known].equal(after[known])


def _check_names(names: Sequence[str], count: int) -> tuple[str, ...]:
    if isinstance(names, str) or len(names) < count or len(set(names)) < len(names):
        raise ValueError(f"names must be {count} different names, got {names!r}")
    return tuple(names[:count])


def _thinned_steps(recordings: Sequence[Recording]) -> Tensor:
    """The positions of the slider: recorded steps, about evenly spaced, with the ends of each recording."""
    steps = torch.cat([recording.steps for recording in recordings]).unique()
    spacing = min([int(r.steps.diff().median()) for r in recordings if len(r.steps) > 1], default=1)
    first, last = int(steps[0]), int(steps[-1])
    numbers = 4 * len(recordings) * len(TITLES) * len(recordings[0].layers)
    ends = torch.cat([recording.steps[[0, -1]] for recording in recordings])
    most = max(2, min(_COLUMNS, MOST_BYTES // numbers - len(ends)))
    count = min(most, 1 + math.ceil((last - first) / spacing))
    even = torch.linspace(first, last, count, dtype=torch.float64)
    halfway = (steps[1:] + steps[:-1]).double() / 2
    return torch.cat([steps[torch.searchsorted(halfway, even)], ends]).unique()


def _on_steps(recording: Recording, steps: Tensor) -> Tensor:
    """What was recorded last at each of these steps, else nan: (quantity, layer, step)."""
    place = torch.searchsorted(recording.steps, steps, right=True) - 1
    values = torch.stack([recording[name] for name in TITLES])[..., place.clamp(min=0)]
    return values.where((place >= 0) & (steps <= recording.steps[-1]), torch.nan)


def _range(quantity: str, values: Tensor) -> list[float]:
    """The ends of the colour scale."""
    if quantity == "cosine":
        return [-1.0, 1.0]
    positive = values[(values > 0) & values.isfinite()].double()
    if not len(positive):
        return [0.1, 1.0]
    middle = positive.median().item()
    low = max(positive.min().item(), middle / 10**_DECADES)
    high = min(positive.max().item(), middle * 10**_DECADES)
    return [low / 2, high * 2] if high < 2 * low else [low, high]


def _decades(low: float, high: float) -> list[float]:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    stride = max(1, math.ceil((last - first + 1) / 5))
    return [10.0**e for e in range(first, last + 1, stride)] or [low, high]
