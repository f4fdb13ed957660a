"""The view of rates by hand: a slider for each layer, a score, and what LARS chose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import traitlets
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from lwlr_teach.core.checks import check_count
from lwlr_teach.core.text import label, short
from lwlr_teach.studies.layer_rates import LayerRates
from lwlr_teach.views.kit.base import View, module, pack_float32
from lwlr_teach.views.kit.curves import STRIDE, thinned
from lwlr_teach.views.kit.style import MATPLOTLIB_MARKERS, Style, linestyle, styles

# Guessing among the ten digits has the loss 2.3; what is above is lost alike.
_HIGHEST = 3.0
_LOSSES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2)
_NAMES = ("yours", "best equal rate", "best setting", "LARS")
_BAND = (
    "Green: the rates that LARS gave this layer, the band from the 10th to the 90th percentile over its "
    "steps and seeds, ◆ the median. Blue ▲: the rate of the best setting. Their losses stand below."
)
_CURVES = "loss on each minibatch; at the end, on all images"


class LayerRatesView(View):
    """A slider for the rate of each layer, the loss that these rates reach, and how good that is.

    Under each slider stands the final training loss against the rate of that layer while the others stay
    where they are. Below are the loss of these rates beside that of all settings, of the best rate that is
    equal in all layers and of the best setting; and the training curves. All these losses are on all training
    images after the last step. The curves are of the loss on each step's minibatch, so that they need not end
    at the same number, which is marked behind their end.

    ``positions`` has the position of each slider and ``revealed`` says whether it is shown what LARS chose.
    Both follow the view's controls, on release, and move them when they are set. ``rates``, ``loss`` and
    ``score`` are what the positions stand for.

    The rates that LARS chose are drawn as their median over steps and seeds, with a band from the 10th to the
    90th percentile.

    Args:
        runs: the settings, see :func:`~lwlr_teach.studies.layer_rates.train_layer_rates`; five steps each
            at least. Its rates are the positions of every slider.
        title: what was trained; begins the sentence that describes the view.
        positions: where the sliders stand at first; by default at the best equal rate that they have.
        revealed: show at once what LARS chose.
    """

    _esm = module("layers/view.js")

    plan = traitlets.Dict().tag(sync=True)
    losses = traitlets.Bytes().tag(sync=True)
    curves = traitlets.Bytes().tag(sync=True)
    positions = traitlets.List(traitlets.Int()).tag(sync=True)
    revealed = traitlets.Bool().tag(sync=True)

    def __init__(
        self,
        runs: LayerRates,
        *,
        title: str = "Digits network",
        positions: Sequence[int] | None = None,
        revealed: bool = False,
    ) -> None:
        check_count("steps", runs.steps, low=STRIDE)
        self.runs = runs
        self.title = title
        if positions is None:
            positions = _best_equal(runs)
        self._check_positions(positions)
        self._styles = styles(_NAMES)
        best = runs.best
        self._rivals = [runs.equal.loss, runs.loss[best].item(), runs.lars.loss]
        self._loss_range = (min(self._rivals) / 1.2, _HIGHEST)
        rivals = [runs.equal.batch_losses, runs.batch_losses[best], runs.lars.batch_losses]
        self._curves = thinned(torch.cat([runs.batch_losses.reshape(-1, runs.steps), torch.stack(rivals)]))
        begin: dict[str, Any] = {"positions": list(positions), "revealed": revealed}
        plan = {
            "layers": [
                {"name": name, "note": "" if scale == 1 else f"weights × {label(scale)}"}
                for name, scale in zip(runs.layers, runs.scales, strict=True)
            ],
            "rates": [label(v) for v in runs.rates.tolist()],
            "values": runs.rates.tolist(),
            "methods": [
                {"name": name, "style": style} for name, style in zip(_NAMES, self._styles, strict=True)
            ],
            "rivals": self._rivals,
            "lars": {"median": runs.lars_rates[1].tolist(), "band": runs.lars_rates[::2].T.tolist()},
            "rival_scores": [runs.score(loss) for loss in self._rivals],
            "best": [runs.rates[p].item() for p in best],
            "loss_range": self._loss_range,
            "steps": runs.steps,
            "stride": STRIDE,
            "band": _BAND,
            "curves": _CURVES,
            "sentence": self._sentence,
            "start": begin,
        }
        super().__init__(
            **begin, plan=plan, losses=pack_float32(runs.loss), curves=pack_float32(self._curves)
        )

    @property
    def rates(self) -> dict[str, float]:
        """The rate of each layer that its slider stands at."""
        chosen = self.runs.rates[self.positions].tolist()
        return dict(zip(self.runs.layers, chosen, strict=True))

    @property
    def loss(self) -> float:
        """The final training loss of these rates, infinite where a run overflowed."""
        return self.runs.loss[tuple(self.positions)].item()

    @property
    def score(self) -> int:
        """How many percent of the other settings have a higher loss, rounded down."""
        return self.runs.score(self.loss)

    def _check_positions(self, positions: Sequence[int]) -> None:
        layers = self.runs.layers
        if len(positions) != len(layers):
            raise ValueError(f"positions must be one for each of {', '.join(layers)}, got {len(positions)}")
        for position in positions:
            check_count("positions", position, low=0, high=len(self.runs.rates) - 1)

    @traitlets.validate("positions")
    def _on_the_sliders(self, proposal: dict[str, Any]) -> list[int]:
        self._check_positions(proposal["value"])
        return list(proposal["value"])

    @property
    def _sentence(self) -> dict[str, str]:
        """The parts of the sentence that do not move."""
        runs = self.runs
        scaled = any(scale != 1 for scale in runs.scales)
        scales = f" with initial weights times {_listed([label(s) for s in runs.scales])}" if scaled else ""
        rates = zip(runs.layers, runs.lars_rates[1].tolist(), strict=True)
        chosen = _listed([f"{name} {label(float(f'{rate:.1e}'))}" for name, rate in rates])
        equal, best, lars = map(short, self._rivals)
        return {
            "begin": f"{self.title}{scales}, after {runs.steps} steps: the rates ",
            "end": f"The best equal rate {label(runs.equal.lr)} reaches {equal},"
            f" the best of {runs.loss.numel()} settings {best}.",
            "lars": f" LARS chose {chosen} and reaches {lars}.",
        }

    def describe(self) -> str:
        """The rates, their loss and their score, and what there is to compare them with."""
        parts = self._sentence
        rates = _listed([f"{name} {label(rate)}" for name, rate in self.rates.items()])
        return (
            f"{parts['begin']}{rates} reach the loss {short(self.loss)},"
            f" better than {self.score}% of the other settings. "
            f"{parts['end']}{parts['lars'] if self.revealed else ''}"
        )

    def figure(self) -> Figure:
        """A strip for each layer; below the losses on one axis, and the training curves."""
        many = len(self.runs.layers)
        figure = Figure(figsize=(9, 5.2), layout="constrained")
        grid = figure.add_gridspec(2, 2 * many, height_ratios=[1, 1.2])
        for k in range(many):
            self._draw_strip(figure.add_subplot(grid[0, 2 * k : 2 * k + 2]), k)
        self._draw_scores(figure.add_subplot(grid[1, :many]))
        self._draw_curves(figure.add_subplot(grid[1, many:]))
        if self.revealed:
            figure.suptitle(_BAND, fontsize=8, x=0.01, horizontalalignment="left")
        return figure

    def _draw_strip(self, ax: Axes, k: int) -> None:
        at = list(self.positions)
        slice_: list[Any] = [*at[:k], slice(None), *at[k + 1 :]]
        rates = self.runs.rates
        losses = self.runs.loss[tuple(slice_)].clamp(*self._loss_range)
        ax.plot(rates, losses, "o-", color="black", ms=3)
        here = rates[at[k]].item()
        ax.axvline(here, color="black", linewidth=0.8)
        ax.plot(here, losses[at[k]], "o", color="black", mec="white", ms=9, zorder=4)
        low, high = rates[0].item(), rates[-1].item()
        if self.revealed:
            style = self._styles[-1]
            around = self.runs.lars_rates[:, k].clamp(low, high).tolist()
            ax.axvspan(around[0], around[2], color=style["colour"], alpha=0.25, linewidth=0)
            best = rates[self.runs.best[k]].item()
            for rate, edge, own in ((best, 1, self._styles[2]), (around[1], 0, style)):  # rates, no losses
                ax.axvline(rate, color=own["colour"], linewidth=0.8)
                self._mark(ax, rate, self._loss_range[edge], own)
        ax.set(xscale="log", yscale="log", xlim=(low / 1.3, high * 1.3), ylim=self._loss_range)
        scale = self.runs.scales[k]
        note = "" if scale == 1 else f" (weights × {label(scale)})"
        ax.set_title(f"{self.runs.layers[k]}{note}: rate {label(here)}", fontsize=8, loc="left")
        ax.set_ylabel("" if k else "final training loss", fontsize=8)
        ax.tick_params(labelsize=8)
        self._label_losses(ax.yaxis)
        ax.grid(alpha=0.2)

    def _label_losses(self, axis: Axis) -> None:
        """Plain numbers: powers of ten alone would be one or two."""
        low, high = self._loss_range
        places = [v for v in _LOSSES if low <= v <= high]
        axis.set_ticks(places, labels=[label(v) for v in places])
        axis.set_minor_locator(NullLocator())

    def _draw_scores(self, ax: Axes) -> None:
        low, high = self._loss_range
        drawn = [(0, self.loss), *((i, self._rivals[i - 1]) for i in self._visible())]
        ax.axvline(min(self.loss, high), color="black", linewidth=0.8)
        for i, loss in drawn:
            self._mark(ax, min(loss, high), i, self._styles[i], size=12 if i == 0 else 9)
        rows = len(_NAMES)
        for loss in self.runs.loss.clamp(low, high).flatten().tolist():
            ax.plot([loss, loss], [rows - 0.35, rows + 0.35], color="black", alpha=0.12, linewidth=1)
        said = [f"{_NAMES[i]} {short(loss)}" for i, loss in drawn]
        ax.set(xscale="log", xlim=(low, high * 1.05), ylim=(rows + 0.6, -0.6))
        ax.set_yticks([*(i for i, _ in drawn), rows], [*said, f"all {self.runs.loss.numel()} settings"])
        self._label_losses(ax.xaxis)
        ax.set_title(f"final loss on all images, better than {self.score}%", fontsize=10, loc="left")
        ax.grid(alpha=0.2, axis="x")

    def _draw_curves(self, ax: Axes) -> None:
        low, high = self._loss_range
        ours = self._flat
        for i in [*reversed(self._visible()), 0]:
            curve = self._curves[ours if i == 0 else self.runs.loss.numel() + i - 1]
            steps = (torch.arange(len(curve)) + 0.5) * STRIDE
            style = self._styles[i]
            width = 2.5 if i == 0 else 1.5
            colour = style["colour"] or "black"
            ax.plot(steps, curve.clamp(low, high), color=colour, linestyle=linestyle(style), linewidth=width)
            final = self._rivals[i - 1] if i else self.loss
            self._mark(ax, self.runs.steps, min(final, high), style, size=9 if i else 12)
        ax.set(yscale="log", ylim=(low, high), xlim=(0, self.runs.steps * 1.03), xlabel="step")
        self._label_losses(ax.yaxis)
        ax.set_title(_CURVES, fontsize=10, loc="left")
        ax.grid(alpha=0.2)

    @property
    def _flat(self) -> int:
        """The number of the setting among all."""
        at = 0
        for position in self.positions:
            at = at * len(self.runs.rates) + position
        return at

    def _visible(self) -> list[int]:
        """The rivals that are shown, as places among the names."""
        return [1, 2, 3] if self.revealed else [1, 2]

    @staticmethod
    def _mark(ax: Axes, x: float, y: float, style: Style, size: int = 9) -> None:
        colour = style["colour"] or "black"
        shape = MATPLOTLIB_MARKERS[style["marker"]]
        ax.plot(x, y, shape, color=colour, mec="white", ms=size, zorder=4, clip_on=False)


def _best_equal(runs: LayerRates) -> list[int]:
    """The positions of the best equal rate that the sliders have."""
    diagonal = [runs.loss[(p,) * len(runs.layers)] for p in range(len(runs.rates))]
    return [int(torch.stack(diagonal).argmin())] * len(runs.layers)


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
