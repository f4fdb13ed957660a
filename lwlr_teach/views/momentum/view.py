"""The momentum view: how fast a method is at every rate and every momentum, measured and exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from lwlr_teach.core.text import fixed, label, short
from lwlr_teach.problems.quadratics import best_settings, edge, steps_per_digit
from lwlr_teach.studies.momentum import KINDS, MomentumSweep
from lwlr_teach.views.kit.base import View, module, pack_float32, pack_uint16
from lwlr_teach.views.kit.style import MATPLOTLIB_MARKERS, Style, palette, styles
from lwlr_teach.views.kit.traits import Position, nearest

_NAMES = tuple(KINDS)
_DISTANCES = (1e-6, 10.0)
_SENT = (-8.0, 2.0)  # log₁₀ of the distances that are sent
# Colours and axes: how many steps bring the goal ten times closer.
_DIGIT = (3.0, 3000.0)
_MARKS = (3, 10, 30, 100, 300, 1000, 3000)
_COLOURS, _NOTHING = 64, 255
_NEARER = 0.99995  # from here on four digits of the factor show no progress
_FINE = 4  # the exact line has this many points from one rate to the next


class MomentumView(View):
    """A map of rate and momentum, coloured by the measured speed, with the exact edge and optimum over it.

    The rate is measured in units of 1/λ of the steepest direction. Beside the map stand the steps that are
    needed along the rate, at one momentum, and the run at the sliders' position.

    ``lr_index``, ``momentum_index``, ``condition_index`` and ``nesterov`` follow the view's controls, on
    release, and move them when they are set; ``lr``, ``momentum`` and ``condition`` are their values.

    Args:
        runs: what was measured, see :func:`~lwlr_teach.studies.momentum.sweep_momentum`.
        at_lr, at_momentum, at_condition: where the sliders stand at first (the nearest position is taken).
        nesterov: whether Nesterov's method is shown at first, instead of the heavy ball.
    """

    _esm = module("momentum/view.js")

    plan = traitlets.Dict().tag(sync=True)
    factors = traitlets.Bytes().tag(sync=True)
    exact_factors = traitlets.Bytes().tag(sync=True)
    codes = traitlets.Bytes().tag(sync=True)
    distances = traitlets.Bytes().tag(sync=True)
    lr_index = Position("runs.lr")
    momentum_index = Position("runs.momentum")
    condition_index = Position("runs.conditions")
    nesterov = traitlets.Bool().tag(sync=True)

    def __init__(
        self,
        runs: MomentumSweep,
        *,
        at_lr: float = 1.0,
        at_momentum: float = 0.0,
        at_condition: float = 100,
        nesterov: bool = False,
    ) -> None:
        self.runs = runs
        first, last = runs.lr[[0, -1]].tolist()
        self._fine = torch.linspace(first, last, (len(runs.lr) - 1) * _FINE + 1, dtype=torch.float64)
        self._exact = runs.exact(self._fine)
        self._codes = _codes(runs.factors)
        begin: dict[str, Any] = {
            "lr_index": nearest(runs.lr, at_lr),
            "momentum_index": nearest(runs.momentum, at_momentum),
            "condition_index": nearest(runs.conditions, at_condition),
            "nesterov": bool(nesterov),
        }
        both = zip(_NAMES, styles([method.name for method in KINDS.values()]), strict=True)
        plan = {
            "methods": [{"name": name, "style": style} for name, style in both],
            "rates": [label(v) for v in runs.lr.tolist()],
            "momenta": [label(v) for v in runs.momentum.tolist()],
            "conditions": [f"{v:g}" for v in runs.conditions.tolist()],
            "values": {"rates": runs.lr.tolist(), "momenta": runs.momentum.tolist()},
            "fine": _FINE,
            "edges": [edge(1.0, runs.momentum, nesterov=bool(i)).tolist() for i in range(2)],
            "best": [[self._best(i, k)[:2] for k in range(len(runs.conditions))] for i in range(2)],
            "colours": palette(_COLOURS),
            "digit": _DIGIT,
            "marks": [
                [share, str(n)]
                for share, n in zip(_share(torch.tensor(_MARKS)).tolist(), _MARKS, strict=True)
            ],
            "distances": _DISTANCES,
            "sent": _SENT,
            "shown": runs.steps[-1],
            "stride": runs.steps[1] - runs.steps[0],
            "start": begin,
        }
        super().__init__(
            **begin,
            plan=plan,
            factors=pack_float32(runs.factors),
            exact_factors=pack_float32(self._exact),
            codes=self._codes.numpy().tobytes(),
            distances=pack_uint16(runs.distances.log10(), *_SENT),
        )

    @property
    def lr(self) -> float:
        """The rate that the slider stands at, in units of 1/λ of the steepest direction."""
        return self.runs.lr[self.lr_index].item()

    @property
    def momentum(self) -> float:
        """The momentum that the slider stands at."""
        return self.runs.momentum[self.momentum_index].item()

    @property
    def condition(self) -> float:
        """The condition number that the slider stands at."""
        return self.runs.conditions[self.condition_index].item()

    def _best(self, i: int, k: int) -> tuple[float, float, float]:
        return best_settings(1 / self.runs.conditions[k].item(), 1.0, nesterov=bool(i))

    @property
    def _position(self) -> tuple[int, int, int]:
        return int(self.nesterov), self.condition_index, self.momentum_index

    def describe(self) -> str:
        """The sliders' position, the measured and the exact factor there, and what they mean."""
        name = _NAMES[self.nesterov]
        found = self.runs.factors[*self._position, self.lr_index].item()
        exact = self._exact[*self._position, self.lr_index * _FINE].item()
        return (
            f"{name[0].upper()}{name[1:]}, condition number {self.condition:g}, rate {label(self.lr)}, "
            f"momentum {label(self.momentum)}: each step multiplies the distance by {fixed(found, 4)} "
            f"(exact: {fixed(exact, 4)}), {_meaning(found)}."
        )

    def figure(self) -> Figure:
        """The map, the steps along the rate, and the run at the sliders' position."""
        figure = Figure(figsize=(9, 4.2), layout="constrained")
        grid = figure.add_gridspec(2, 2, width_ratios=[1.25, 1])
        style = styles([method.name for method in KINDS.values()])[self.nesterov]
        self._draw_map(figure.add_subplot(grid[:, 0]), style)
        self._draw_cut(figure.add_subplot(grid[0, 1]), style)
        self._draw_run(figure.add_subplot(grid[1, 1]), style)
        return figure

    def _draw_map(self, ax: Axes, style: Style) -> None:
        i, k, _ = self._position
        codes = self._codes[i, k].float()
        codes[codes == _NOTHING] = torch.nan
        (x0, x1), (y0, y1) = _cells(self.runs.lr), _cells(self.runs.momentum)
        picture = ax.imshow(
            codes.numpy(),
            origin="lower",
            aspect="auto",
            extent=(x0, x1, y0, y1),
            cmap="viridis",
            vmin=0,
            vmax=_COLOURS - 1,
        )
        momenta = self.runs.momentum
        border = edge(1.0, momenta, nesterov=self.nesterov)
        ax.plot(border.numpy(), momenta.numpy(), color="black", linewidth=2)
        ax.annotate("diverges", (x1 - 0.1, 0.02), ha="right", fontsize=9)
        lr, momentum, _ = self._best(i, k)
        ax.plot(lr, momentum, "*", color="white", mec="black", ms=14)
        ax.plot(
            self.lr,
            self.momentum,
            MATPLOTLIB_MARKERS[style["marker"]],
            color=style["colour"],
            mec="black",
            ms=9,
        )
        ax.set(xlim=(x0, x1), ylim=(y0, y1), xlabel="rate, in units of 1/λ of the steepest direction")
        ax.set_title(f"momentum: {_NAMES[i]}, κ = {self.condition:g}", fontsize=10, loc="left")
        bar = ax.figure.colorbar(picture, ax=ax, location="top", shrink=0.7, aspect=40, pad=0.01)
        places = _share(torch.tensor(_MARKS)) * (_COLOURS - 1)
        bar.set_ticks(places.tolist(), labels=[str(mark) for mark in _MARKS])
        bar.set_label("measured steps to come ten times closer", fontsize=9)
        bar.ax.tick_params(labelsize=8)

    def _draw_cut(self, ax: Axes, style: Style) -> None:
        low, high = _DIGIT
        exact = steps_per_digit(self._exact[*self._position]).clamp(low / 10, high * 10)
        found = steps_per_digit(self.runs.factors[*self._position])
        ax.plot(self._fine.numpy(), exact.numpy(), color="black", label="exact")
        ax.plot(self.runs.lr.numpy(), found.numpy(), ".", color=style["colour"], label="measured")
        ax.axvline(self.lr, color="black", linewidth=0.8)
        ax.set(yscale="log", ylim=_DIGIT, xlim=_cells(self.runs.lr))
        ax.set_title(f"steps to ten times closer, momentum {label(self.momentum)}", fontsize=10, loc="left")
        ax.grid(alpha=0.2)
        ax.legend(fontsize=8)

    def _draw_run(self, ax: Axes, style: Style) -> None:
        steps = torch.tensor(self.runs.steps)
        run = self.runs.distances[*self._position, self.lr_index]
        exact = self._exact[*self._position, self.lr_index * _FINE].double() ** steps
        low, high = (10**power for power in _SENT)
        ax.plot(steps.numpy(), exact.clamp(low, high).numpy(), color="black")
        ax.plot(steps.numpy(), run.clamp(low, high).numpy(), ".", color=style["colour"], markersize=4)
        ax.set(yscale="log", ylim=_DISTANCES, xlim=(0, self.runs.steps[-1]), xlabel="step")
        ax.set_title("distance from the goal", fontsize=10, loc="left")
        ax.grid(alpha=0.2)


def _share(steps: Tensor) -> Tensor:
    """Where a number of steps stands on the colour scale: 1 for the fewest."""
    low, high = np.log10(_DIGIT)
    return 1 - (steps.double().log10() - low) / (high - low)


def _codes(factors: Tensor) -> Tensor:
    """The number of each factor's colour, and 255 for what does not come closer."""
    share = _share(steps_per_digit(factors))
    colours = (share.clamp(0, 1) * (_COLOURS - 1)).round()
    return torch.where(factors < _NEARER, colours, _NOTHING).to(torch.uint8)


def _cells(values: Tensor) -> tuple[float, float]:
    """The range of an axis on which each position of a slider has a cell."""
    half = (values[1] - values[0]).item() / 2
    return values[0].item() - half, values[-1].item() + half


def _meaning(factor: float) -> str:
    if fixed(factor, 4) == "1.0000":
        return "which is no nearer and no further"
    if factor > 1:
        return "so it diverges"
    return f"ten times closer every {short(steps_per_digit(factor).item())} steps"
