"""The range test view: what a test reads, how that moves with its length, and which rates were good."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from lwlr_teach.core.checks import check_choice, check_number
from lwlr_teach.core.text import label, short
from lwlr_teach.runs.races import Race
from lwlr_teach.runs.range_tests import RangeTest
from lwlr_teach.views.kit.base import View, module, pack_float32
from lwlr_teach.views.kit.curves import over_seeds
from lwlr_teach.views.kit.style import MATPLOTLIB_MARKERS
from lwlr_teach.views.kit.traits import Position, nearest

_SMOOTHINGS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99)
_FINAL = (0.05, 10.0)
# The picture ends where the loss is so many times the first one: there it explodes.
_ROOM = 1.6
# One colour and marker for each suggestion, and one colour for what is good.
_LOOKS = (
    {"name": "steepest", "colour": "#d55e00", "marker": "triangle-down", "dash": [8, 3]},
    {"name": "minimum / 10", "colour": "#cc79a7", "marker": "diamond", "dash": [3, 3]},
)
_GOOD = "#009e73"


class RangeTestView(View):
    """Range tests of different lengths above the final losses of whole trainings, over the same rates.

    ``RangeTestView(test)`` shows the test of your own model alone.

    The dots are the losses of single batches, the line their smoothed mean. The two lines down are the
    suggestions; below they meet what a whole training with that rate reached (median over the seeds, and
    their range). The shaded rates are the good ones of the race's table.

    ``steps_index`` and ``smoothing_index`` follow the view's sliders, on release, and move them when they are
    set; ``test`` is the range test at their position.

    Args:
        tests: range tests of the same network, of different lengths, or one test. Run them with a large
            ``stop``, so that any smoothing has a curve.
        race: whole trainings of that network; none by default.
        contestant: which of the race's methods was tested. Without a race, what was tested, in your words.
        smoothings: the positions of the slider.
        at_steps, at_smoothing: where the sliders stand at first (the nearest position is taken), by default
            at 100 steps and the smoothing that the first test had.
    """

    _esm = module("range_test/view.js")

    plan = traitlets.Dict().tag(sync=True)
    curves = traitlets.Bytes().tag(sync=True)
    final_losses = traitlets.Bytes().tag(sync=True)
    steps_index = Position("tests")
    smoothing_index = Position("smoothings")

    def __init__(
        self,
        tests: RangeTest | Sequence[RangeTest],
        race: Race | None = None,
        contestant: str = "",
        *,
        smoothings: Sequence[float] = _SMOOTHINGS,
        at_steps: int = 100,
        at_smoothing: float | None = None,
    ) -> None:
        tests = [tests] if isinstance(tests, RangeTest) else tests
        if not tests:
            raise ValueError("tests must hold at least one range test, got none")
        if not smoothings:
            raise ValueError("smoothings must hold at least one number, got none")
        check_number("smoothings", torch.as_tensor(smoothings), low=0, below=1)
        self.contestant, self.smoothings = contestant, list(smoothings)
        longest_last = sorted(tests, key=lambda test: test.steps)
        self.tests = [[test.with_smoothing(s) for s in self.smoothings] for test in longest_last]
        self.trainings = None if race is None else _trainings(race, contestant)
        begin = {
            "steps_index": nearest(torch.tensor([float(t.steps) for t in longest_last]), at_steps),
            "smoothing_index": nearest(
                torch.tensor(self.smoothings), tests[0].smoothing if at_smoothing is None else at_smoothing
            ),
        }
        ends = [*(test.lr for test in longest_last), *([self.trainings.rates] if self.trainings else [])]
        self.x = (min(lr[0].item() for lr in ends), max(lr[-1].item() for lr in ends))
        self.y = _heights(longest_last)
        plan = {
            "steps": [test.steps for test in longest_last],
            "smoothings": [label(s) for s in self.smoothings],
            "lengths": [[len(test.lr) for test in row] for row in self.tests],
            "suggestions": [[_or_none(test) for test in row] for row in self.tests],
            "sentences": [[self._says(test) for test in row] for row in self.tests],
            "looks": _LOOKS,
            "trainings": None if self.trainings is None else self.trainings.told,
            "good_colour": _GOOD,
            "x": self.x,
            "y": self.y,
            "final": _FINAL,
            "start": begin,
        }
        parts = [torch.cat([t.lr, t.losses, t.smoothed]) for row in self.tests for t in row]
        super().__init__(
            **begin,
            plan=plan,
            curves=pack_float32(torch.cat(parts).nan_to_num(nan=torch.inf, posinf=torch.inf)),
            final_losses=b"" if self.trainings is None else pack_float32(self.trainings.final),
        )

    @property
    def test(self) -> RangeTest:
        """The range test at the sliders' position."""
        return self.tests[self.steps_index][self.smoothing_index]

    def _says(self, test: RangeTest) -> str:
        said = [
            f"{name} says {'nothing' if math.isnan(rate) else short(rate)}"
            for name, rate in test.suggestions.items()
        ]
        begin = f"{self.contestant}, range" if self.contestant else "Range"
        read = f"{begin} test of {test.steps} steps, smoothing {label(test.smoothing)}: {', '.join(said)}."
        if self.trainings is None:
            return read
        low, high = self.trainings.good
        return f"{read} Good after {self.trainings.steps} steps: {short(low)} to {short(high)}."

    def describe(self) -> str:
        """What the test at the sliders' position suggests, and what is good if that is known."""
        return self._says(self.test)

    def figure(self) -> Figure:
        """The test at the sliders' position, and the whole trainings below it, if there are any."""
        if self.trainings is None:
            figure = Figure(figsize=(9, 3.6), layout="constrained")
            above = figure.subplots()
            self._draw_test(above)
            self._mark(above, self.test.lr, self.test.smoothed, self.y)
            above.set(xlabel="learning rate")
            return figure
        figure = Figure(figsize=(9, 5.6), layout="constrained")
        above, below = figure.subplots(2, sharex=True, height_ratios=[1.5, 1])
        self._draw_test(above)
        self._draw_suggestions(below)
        for ax in (above, below):
            ax.axvspan(*self.trainings.good, color=_GOOD, alpha=0.18, linewidth=0)
        rates = self.trainings.rates
        low, middle, high = self.trainings.final.clamp(*_FINAL).T
        below.fill_between(rates, low, high, color="black", alpha=0.2, linewidth=0)
        below.plot(rates, middle, color="black")
        below.set(yscale="log", ylim=_FINAL, ylabel="final loss", xlabel="learning rate")
        self._mark(below, rates, middle, _FINAL)
        return figure

    def _draw_test(self, ax: Axes) -> None:
        test = self.test
        self._draw_suggestions(ax)
        ax.plot(test.lr, test.losses.clamp(max=self.y[1]), ".", color="gray", markersize=3)
        ax.plot(test.lr, test.smoothed.clamp(max=self.y[1]), color="black")
        ax.set(xscale="log", xlim=self.x, ylim=self.y, ylabel="loss in the test")
        ax.set_title(self.describe(), fontsize=9, loc="left", wrap=True)

    def _draw_suggestions(self, ax: Axes) -> None:
        ax.grid(alpha=0.2)
        for look, rate in zip(_LOOKS, self.test.suggestions.values(), strict=True):
            ax.axvline(rate, color=look["colour"], linestyle=(0, look["dash"]), linewidth=1)

    def _mark(self, ax: Axes, rates: Tensor, line: Tensor, ends: tuple[float, float]) -> None:
        """Where the suggestions lead, on a line."""
        for look, rate in zip(_LOOKS, self.test.suggestions.values(), strict=True):
            if not math.isnan(rate):
                at = line[nearest(rates.log(), math.log(rate))].clamp(*ends)
                shape = MATPLOTLIB_MARKERS[str(look["marker"])]
                ax.plot(rate, at, shape, color=look["colour"], mec="white", ms=9, label=look["name"])
        if ax.get_legend_handles_labels()[0]:
            ax.legend(fontsize=8, loc="lower left")


class _Trainings(NamedTuple):
    """What whole trainings have reached."""

    rates: Tensor
    final: Tensor
    """Lowest, middle and highest of the seeds: (rate, 3)."""
    good: tuple[float, float]
    steps: int

    @property
    def told(self) -> dict[str, Any]:
        """For the browser, besides the losses."""
        return {"rates": self.rates.tolist(), "good": self.good, "steps": self.steps}


def _trainings(race: Race, contestant: str) -> _Trainings:
    i = check_choice("contestant", contestant, {name: k for k, name in enumerate(race.names)})
    final = over_seeds(race.valid_loss[i, :, :, -1])
    return _Trainings(race.lr[i], final, race.table()[contestant].good, int(race.checkpoints[-1]))


def _heights(tests: Sequence[RangeTest]) -> tuple[float, float]:
    """From 0, or from the lowest smoothed loss if it is below, to above the first loss."""
    first = max(test.losses[0].item() for test in tests)
    low = min(0.0, *(test.smoothed.nan_to_num(nan=torch.inf).min().item() for test in tests))
    return low, first + (_ROOM - 1) * (first - low or 1.0)


def _or_none(test: RangeTest) -> list[float | None]:
    """The suggestions as JSON can carry them."""
    return [None if math.isnan(rate) else rate for rate in test.suggestions.values()]
