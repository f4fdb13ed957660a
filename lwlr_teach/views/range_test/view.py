"""The range test view: what a test reads, how that moves with its length, and which rates were good."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lwlr_teach.core.checks import check_choice, check_number
from lwlr_teach.core.text import label, short
from lwlr_teach.runs.races import Race
from lwlr_teach.runs.range_tests import SMOOTHING, RangeTest
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

    The dots are the losses of single batches, the line their smoothed mean. The two lines down are the
    suggestions; below they meet what a whole training with that rate reached (median over the seeds, and
    their range). The shaded rates are the good ones of the race's table.

    ``steps_index`` and ``smoothing_index`` follow the view's sliders, on release, and move them when they are
    set; ``test`` is the range test at their position.

    Args:
        tests: range tests of the same network, of different lengths. Run them with a large ``stop``, so that
            any smoothing has a curve.
        race: whole trainings of that network; ``contestant`` says which of its methods was tested.
        smoothings: the positions of the slider.
        at_steps, at_smoothing: where the sliders stand at first (the nearest position is taken).
    """

    _esm = module("range_test/view.js")

    plan = traitlets.Dict().tag(sync=True)
    curves = traitlets.Bytes().tag(sync=True)
    final_losses = traitlets.Bytes().tag(sync=True)
    steps_index = Position("tests")
    smoothing_index = Position("smoothings")

    def __init__(
        self,
        tests: Sequence[RangeTest],
        race: Race,
        contestant: str,
        *,
        smoothings: Sequence[float] = _SMOOTHINGS,
        at_steps: int = 100,
        at_smoothing: float = SMOOTHING,
    ) -> None:
        if not tests:
            raise ValueError("tests must hold at least one range test, got none")
        if not smoothings:
            raise ValueError("smoothings must hold at least one number, got none")
        check_number("smoothings", torch.as_tensor(smoothings), low=0, below=1)
        names = race.names
        i = check_choice("contestant", contestant, {name: k for k, name in enumerate(names)})
        self.contestant, self.smoothings = contestant, list(smoothings)
        longest_last = sorted(tests, key=lambda test: test.steps)
        self.tests = [[test.with_smoothing(s) for s in self.smoothings] for test in longest_last]
        self.place = race.table()[contestant]
        self.trained = int(race.checkpoints[-1])
        self.rates = race.lr[i]
        self.final = over_seeds(race.valid_loss[i, :, :, -1])
        begin = {
            "steps_index": nearest(torch.tensor([float(t.steps) for t in longest_last]), at_steps),
            "smoothing_index": nearest(torch.tensor(self.smoothings), at_smoothing),
        }
        first = max(test.losses[0].item() for test in longest_last)
        lows = [self.rates[0].item(), *(test.lr[0].item() for test in longest_last)]
        highs = [self.rates[-1].item(), *(test.lr[-1].item() for test in longest_last)]
        self.x, self.y = (min(lows), max(highs)), (0.0, _ROOM * first)
        plan = {
            "steps": [test.steps for test in longest_last],
            "smoothings": [label(s) for s in self.smoothings],
            "lengths": [[len(test.lr) for test in row] for row in self.tests],
            "suggestions": [[_or_none(test) for test in row] for row in self.tests],
            "sentences": [[self._says(test) for test in row] for row in self.tests],
            "looks": _LOOKS,
            "good": self.place.good,
            "good_colour": _GOOD,
            "rates": self.rates.tolist(),
            "trained": self.trained,
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
            final_losses=pack_float32(self.final),
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
        low, high = self.place.good
        return (
            f"{self.contestant}, range test of {test.steps} steps, smoothing {label(test.smoothing)}: "
            f"{', '.join(said)}. Good after {self.trained} steps: {short(low)} to {short(high)}."
        )

    def describe(self) -> str:
        """What the test at the sliders' position suggests, and what is good."""
        return self._says(self.test)

    def figure(self) -> Figure:
        """The test at the sliders' position, and the whole trainings below it."""
        test = self.test
        figure = Figure(figsize=(9, 5.6), layout="constrained")
        above, below = figure.subplots(2, sharex=True, height_ratios=[1.5, 1])
        for ax in (above, below):
            ax.axvspan(*self.place.good, color=_GOOD, alpha=0.18, linewidth=0)
            ax.grid(alpha=0.2)
            for look, rate in zip(_LOOKS, test.suggestions.values(), strict=True):
                ax.axvline(rate, color=look["colour"], linestyle=(0, look["dash"]), linewidth=1)
        above.plot(test.lr, test.losses.clamp(max=self.y[1]), ".", color="gray", markersize=3)
        above.plot(test.lr, test.smoothed.clamp(max=self.y[1]), color="black")
        above.set(xscale="log", xlim=self.x, ylim=self.y, ylabel="loss in the test")
        above.set_title(self.describe(), fontsize=9, loc="left", wrap=True)
        low, middle, high = self.final.clamp(*_FINAL).T
        below.fill_between(self.rates, low, high, color="black", alpha=0.2, linewidth=0)
        below.plot(self.rates, middle, color="black")
        below.set(yscale="log", ylim=_FINAL, ylabel="final loss", xlabel="learning rate")
        self._mark(below)
        return figure

    def _mark(self, ax: Axes) -> None:
        """Where the suggestions lead, on the line of the final losses."""
        middle = self.final[:, 1]
        for look, rate in zip(_LOOKS, self.test.suggestions.values(), strict=True):
            if not math.isnan(rate):
                at = middle[nearest(self.rates.log(), math.log(rate))].clamp(*_FINAL)
                shape = MATPLOTLIB_MARKERS[str(look["marker"])]
                ax.plot(rate, at, shape, color=look["colour"], mec="white", ms=9, label=look["name"])
        ax.legend(fontsize=8, loc="lower left")


def _or_none(test: RangeTest) -> list[float | None]:
    """The suggestions as JSON can carry them."""
    return [None if math.isnan(rate) else rate for rate in test.suggestions.values()]
