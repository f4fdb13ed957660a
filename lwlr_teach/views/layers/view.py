"""The view of rates by hand: a slider for each layer, a score, and what LARS chose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import traitlets
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from torch import Tensor
from tqdm.auto import tqdm

from lwlr_teach.core.checks import check_choice, check_count, check_number, check_rising
from lwlr_teach.core.text import label, short
from lwlr_teach.core.threads import one_thread
from lwlr_teach.optim import METHODS, Method
from lwlr_teach.problems.data import Digits
from lwlr_teach.problems.tasks import Task, digits_task
from lwlr_teach.runs.fleet import Fleet
from lwlr_teach.views.kit.base import View, module, pack_float32
from lwlr_teach.views.kit.curves import STRIDE, over_seeds, thinned
from lwlr_teach.views.kit.style import MATPLOTLIB_MARKERS, Style, linestyle, styles

MOST = 4096
"""Settings that are trained at most: about 40 seconds with the usual network."""

# Methods whose step is a rate times gradients: only then can their rates be compared with those of LARS.
_METHODS = {name: METHODS[name] for name in ("SGD", "Momentum", "Nesterov")}
# A coefficient of 1 leaves biases alone that are still zero, where LARS takes its rate as it is.
_LARS_LR = torch.logspace(-3.5, 0, 15)
# Guessing among the ten digits has the loss 2.3; what is above is lost alike.
_HIGHEST = 3.0
_LOSSES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2)
# Rates between two positions of a slider at which equal rates are trained too.
_BETWEEN = 4


class LayerRatesView(View):
    """A slider for the rate of each layer, the loss that these rates reach, and how good that is.

    Every setting of the sliders is trained before the view appears. Under each slider stands the final
    training loss against the rate of that layer while the others stay where they are. Below are the loss of
    these rates beside that of all settings, of the best rate that is equal in all layers (searched on a grid
    four times as fine) and of the best setting; and the training curves. All these losses are
    medians over the seeds, on all training images after the last step. The curves are medians over the seeds,
    too, but of the loss on each step's minibatch, so that they need not end at the same number.

    The best of many settings is partly luck: with other seeds another one wins.

    ``positions`` has the position of each slider and ``revealed`` says whether it is shown what LARS chose.
    Both follow the view's controls, on release, and move them when they are set. ``rates``, ``loss`` and
    ``score`` are what the positions stand for.

    LARS has the momentum of the method (none with SGD) and its own best rate of fifteen. The rates that it
    chose are drawn as their median over steps and seeds, with a band from the 10th to the 90th percentile.

    The usual network has weights that were multiplied by 8, 1/8 and 1: it computes the same before the first
    step as without, but each layer needs a rate of its own.

    Args:
        hidden: sizes of the hidden layers.
        scales: factor of each layer's first weights; ``None`` leaves them as they are.
        method: ``"SGD"``, ``"Momentum"`` or ``"Nesterov"``.
        rates: the positions of every slider, rising. The number of settings, rates to the power of layers, is
            at most 4096.
        seeds, steps, batch_size, data: as in :func:`lwlr_teach.problems.tasks.digits_task`.
        title: what is trained; begins the sentence that describes the view.
        positions: where the sliders stand at first; by default at the best equal rate that they have.
        revealed: show at once what LARS chose.
        progress: show a bar when training takes longer than a second.
    """

    _esm = module("layers/view.js")

    plan = traitlets.Dict().tag(sync=True)
    losses = traitlets.Bytes().tag(sync=True)
    curves = traitlets.Bytes().tag(sync=True)
    positions = traitlets.List(traitlets.Int()).tag(sync=True)
    revealed = traitlets.Bool().tag(sync=True)

    def __init__(
        self,
        *,
        hidden: Sequence[int] = (16, 16),
        scales: Sequence[float] | None = (8, 1 / 8, 1),
        method: str = "SGD",
        rates: Sequence[float] = (0.001, 0.004, 0.016, 0.06, 0.25, 1, 4, 16),
        seeds: int = 3,
        steps: int = 150,
        batch_size: int = 32,
        data: Digits | None = None,
        title: str = "Digits network",
        positions: Sequence[int] | None = None,
        revealed: bool = False,
        progress: bool = True,
    ) -> None:
        self.title = title
        chosen = check_choice("method", method, _METHODS)
        check_count("steps", steps, low=STRIDE)
        task = digits_task(data, seeds=seeds, steps=steps, batch_size=batch_size, hidden=hidden)
        self.layers = tuple(dict.fromkeys(task.layers))
        self._values = _check_rates(rates, len(self.layers))
        self._scales = _check_scales(scales, self.layers)
        if positions is not None:
            self._check_positions(positions)
        self._steps = steps
        self._trained = _train(chosen, self._values, _scaled(task, self._scales), progress)
        self._names = ("yours", "best equal rate", "best setting", "LARS")
        self._styles = styles(self._names)
        trained = self._trained
        self._loss_range = (min(trained.grid.min().item(), *trained.rivals) / 1.2, _HIGHEST)
        if positions is None:
            diagonal = [trained.grid[(p,) * len(self.layers)] for p in range(len(self._values))]
            positions = [int(torch.stack(diagonal).argmin())] * len(self.layers)
        begin: dict[str, Any] = {"positions": list(positions), "revealed": revealed}
        plan = {
            "layers": [
                {"name": name, "note": "" if scale == 1 else f"weights × {label(scale)}"}
                for name, scale in zip(self.layers, self._scales, strict=True)
            ],
            "rates": [label(v) for v in self._values.tolist()],
            "values": self._values.tolist(),
            "methods": [
                {"name": name, "style": style} for name, style in zip(self._names, self._styles, strict=True)
            ],
            "rivals": trained.rivals,
            "lars": {"median": trained.lars_rates[1].tolist(), "band": trained.lars_rates[::2].T.tolist()},
            "rival_scores": [self._beaten(loss) for loss in trained.rivals],
            "best": [self._values[p].item() for p in self.best],
            "loss_range": self._loss_range,
            "steps": steps,
            "stride": STRIDE,
            "sentence": self._sentence,
            "start": begin,
        }
        super().__init__(
            **begin, plan=plan, losses=pack_float32(trained.grid), curves=pack_float32(trained.curves)
        )

    @property
    def rates(self) -> dict[str, float]:
        """The rate of each layer that its slider stands at."""
        return {name: self._values[p].item() for name, p in zip(self.layers, self.positions, strict=True)}

    @property
    def loss(self) -> float:
        """The final training loss of these rates, infinite where a run overflowed."""
        return self._trained.grid[tuple(self.positions)].item()

    @property
    def score(self) -> int:
        """How many percent of the other settings have a higher loss, rounded down."""
        return self._beaten(self.loss)

    @property
    def best(self) -> list[int]:
        """The positions of the setting with the lowest loss."""
        grid = self._trained.grid
        return [int(i) for i in torch.unravel_index(grid.argmin(), grid.shape)]

    @property
    def equal(self) -> tuple[float, float]:
        """The best rate that is equal in all layers, and its loss."""
        return self._trained.equal_lr, self._trained.rivals[0]

    @property
    def lars(self) -> tuple[dict[str, float], float]:
        """Each layer's rate as LARS chose it (the median over its steps), and its loss at its own best rate.

        The rate is that of the layer's weights: LARS gives biases another one.
        """
        chosen = self._trained.lars_rates[1].tolist()
        return dict(zip(self.layers, chosen, strict=True)), self._trained.rivals[-1]

    def _beaten(self, loss: float) -> int:
        grid = self._trained.grid
        return min(100, 100 * int((grid > loss).sum()) // (grid.numel() - 1))

    def _check_positions(self, positions: Sequence[int]) -> None:
        if len(positions) != len(self.layers):
            raise ValueError(
                f"positions must be one for each of {', '.join(self.layers)}, got {len(positions)}"
            )
        for position in positions:
            check_count("positions", position, low=0, high=len(self._values) - 1)

    @traitlets.validate("positions")
    def _on_the_sliders(self, proposal: dict[str, Any]) -> list[int]:
        self._check_positions(proposal["value"])
        return list(proposal["value"])

    @property
    def _sentence(self) -> dict[str, str]:
        """The parts of the sentence that do not move."""
        equal_lr, equal_loss = self.equal
        scaled = any(scale != 1 for scale in self._scales)
        scales = f" with first weights times {_listed([label(s) for s in self._scales])}" if scaled else ""
        rates, loss = self.lars
        chosen = _listed([f"{name} {label(float(f'{rate:.1e}'))}" for name, rate in rates.items()])
        best, settings = short(self._trained.rivals[1]), self._trained.grid.numel()
        return {
            "begin": f"{self.title}{scales}, after {self._steps} steps: the rates ",
            "end": f"The best equal rate {label(equal_lr)} reaches {short(equal_loss)},"
            f" the best of {settings} settings {best}.",
            "lars": f" LARS chose {chosen} and reaches {short(loss)}.",
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
        many = len(self.layers)
        figure = Figure(figsize=(9, 5.2), layout="constrained")
        grid = figure.add_gridspec(2, 2 * many, height_ratios=[1, 1.2])
        for k in range(many):
            self._draw_strip(figure.add_subplot(grid[0, 2 * k : 2 * k + 2]), k)
        self._draw_scores(figure.add_subplot(grid[1, :many]))
        self._draw_curves(figure.add_subplot(grid[1, many:]))
        return figure

    def _draw_strip(self, ax: Axes, k: int) -> None:
        at = list(self.positions)
        slice_: list[Any] = [*at[:k], slice(None), *at[k + 1 :]]
        losses = self._trained.grid[tuple(slice_)].clamp(*self._loss_range)
        ax.plot(self._values, losses, "o-", color="black", ms=3)
        here = self._values[at[k]].item()
        ax.axvline(here, color="black", linewidth=0.8)
        ax.plot(here, losses[at[k]], "o", color="black", mec="white", ms=9, zorder=4)
        low, high = self._values[0].item(), self._values[-1].item()
        if self.revealed:
            style = self._styles[-1]
            around = self._trained.lars_rates[:, k].clamp(low, high).tolist()
            ax.axvspan(around[0], around[2], color=style["colour"], alpha=0.25, linewidth=0)
            top = self._loss_range[1]
            self._mark(ax, self._values[self.best[k]].item(), top * 0.85, self._styles[2])
            self._mark(ax, around[1], top * 0.65, style)
        ax.set(xscale="log", yscale="log", xlim=(low / 1.3, high * 1.3), ylim=self._loss_range)
        scale = self._scales[k]
        note = "" if scale == 1 else f" (weights × {label(scale)})"
        ax.set_title(f"{self.layers[k]}{note}: rate {label(here)}", fontsize=8, loc="left")
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
        drawn = [(0, self.loss), *((i, self._trained.rivals[i - 1]) for i in self._visible())]
        ax.axvline(min(self.loss, high), color="black", linewidth=0.8)
        for i, loss in drawn:
            self._mark(ax, min(loss, high), i, self._styles[i], size=12 if i == 0 else 9)
        rows = len(self._names)
        for loss in self._trained.grid.clamp(low, high).flatten().tolist():
            ax.plot([loss, loss], [rows - 0.35, rows + 0.35], color="black", alpha=0.12, linewidth=1)
        said = [f"{self._names[i]} {short(loss)}" for i, loss in drawn]
        ax.set(xscale="log", xlim=(low, high * 1.05), ylim=(rows + 0.6, -0.6))
        ax.set_yticks([*(i for i, _ in drawn), rows], [*said, f"all {self._trained.grid.numel()} settings"])
        self._label_losses(ax.xaxis)
        ax.set_title(f"final training loss, better than {self.score}%", fontsize=10, loc="left")
        ax.grid(alpha=0.2, axis="x")

    def _draw_curves(self, ax: Axes) -> None:
        low, high = self._loss_range
        ours = self._flat
        for i in [*reversed(self._visible()), 0]:
            curve = self._trained.curves[ours if i == 0 else self._trained.grid.numel() + i - 1]
            steps = (torch.arange(len(curve)) + 0.5) * STRIDE
            style = self._styles[i]
            width = 2.5 if i == 0 else 1.5
            colour = style["colour"] or "black"
            ax.plot(steps, curve.clamp(low, high), color=colour, linestyle=linestyle(style), linewidth=width)
        ax.set(yscale="log", ylim=(low, high), xlabel="step")
        self._label_losses(ax.yaxis)
        ax.set_title("loss on the minibatch", fontsize=10, loc="left")
        ax.grid(alpha=0.2)

    @property
    def _flat(self) -> int:
        """The number of the setting among all."""
        at = 0
        for position in self.positions:
            at = at * len(self._values) + position
        return at

    def _visible(self) -> list[int]:
        """The rivals that are shown, as places among the names."""
        return [1, 2, 3] if self.revealed else [1, 2]

    @staticmethod
    def _mark(ax: Axes, x: float, y: float, style: Style, size: int = 9) -> None:
        colour = style["colour"] or "black"
        ax.plot(x, y, MATPLOTLIB_MARKERS[style["marker"]], color=colour, mec="white", ms=size, zorder=4)


@dataclass(frozen=True)
class _Trained:
    """All that the view shows. Rivals are the best equal rate, the best setting and LARS."""

    grid: Tensor
    """Final training loss of each setting, median over the seeds: an axis of rates for each layer."""
    curves: Tensor
    """Minibatch losses, medians over the seeds, of each setting and then of each rival: (run, point)."""
    rivals: list[float]
    """Final training losses."""
    equal_lr: float
    lars_rates: Tensor
    """The 10th, 50th and 90th percentile over steps and seeds of each layer's rate: (3, layer)."""


def _train(method: Method, values: Tensor, task: Task, progress: bool) -> _Trained:
    steps = len(task.batches)
    layers = len(set(task.layers))
    settings = torch.cartesian_prod(*[values] * layers).reshape(-1, layers)
    logs = values.log()
    shares = torch.arange(_BETWEEN) / _BETWEEN
    between = logs[:-1, None] + (logs[1:] - logs[:-1])[:, None] * shares
    equal = torch.cat([between.flatten(), logs[-1:]]).exp()
    factors = torch.cat([settings, equal[:, None].expand(-1, layers)])
    momentum = method.hyperparameters().get("momentum", 0)
    own = {**METHODS["LARS"].settings, "momentum": momentum, "trust_coefficient": 1.0}
    with (
        one_thread(),
        tqdm(total=2 * steps, desc="training", delay=1, leave=False, disable=not progress) as bar,
    ):
        fleet = Fleet(method, torch.ones(len(factors)), task, layers=factors)
        fleet.train(steps, bar)
        lars = Fleet(replace(METHODS["LARS"], settings=own), _LARS_LR, task)
        scales = []
        weights = [task.layers.index(name) for name in dict.fromkeys(task.layers)]
        for _ in range(steps):
            lars.train(1, bar)
            scales.append(torch.stack([lars.scales[i] for i in weights]))
        loss, by_lars = (
            over_seeds(f.score(task.data.x_train, task.data.y_train)[0])[:, 1] for f in (fleet, lars)
        )
    if not loss[: len(settings)].isfinite().any():
        raise ValueError("rates must have a setting that does not overflow, got none; use smaller rates")
    best, best_equal, best_lars = (
        int(part.argmin()) for part in (loss[: len(settings)], loss[len(settings) :], by_lars)
    )
    curves = thinned(fleet.losses.median(-1).values.T)
    rivals = [
        curves[len(settings) + best_equal],
        curves[best],
        thinned(lars.losses.median(-1).values.T)[best_lars],
    ]
    rates = (torch.stack(scales)[:, :, best_lars] * _LARS_LR[best_lars]).movedim(1, 0).flatten(1)
    return _Trained(
        grid=loss[: len(settings)].reshape([len(values)] * layers),
        curves=torch.cat([curves[: len(settings)], torch.stack(rivals)]),
        rivals=[v.item() for v in (loss[len(settings) + best_equal], loss[best], by_lars[best_lars])],
        equal_lr=equal[best_equal].item(),
        lars_rates=rates.quantile(torch.tensor([0.1, 0.5, 0.9]), dim=1),
    )


def _scaled(task: Task, scales: Sequence[float]) -> Task:
    factors = dict(zip(dict.fromkeys(task.layers), scales, strict=True))
    return task._replace(first=[p * factors[name] for p, name in zip(task.first, task.layers, strict=True)])


def _check_rates(rates: Sequence[float], layers: int) -> Tensor:
    values = torch.as_tensor(rates, dtype=torch.float32)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"rates must be a list of at least two, got {rates!r}")
    check_rising("rates", values)
    if len(values) ** layers > MOST:
        raise ValueError(
            f"rates must make at most {MOST} settings, got {len(values)} rates for {layers} layers, which are"
            f" {len(values) ** layers}; use fewer rates"
        )
    return values


def _check_scales(scales: Sequence[float] | None, layers: Sequence[str]) -> list[float]:
    if scales is None:
        return [1.0] * len(layers)
    if len(scales) != len(layers):
        raise ValueError(f"scales must be one for each of {', '.join(layers)}, got {len(scales)}")
    for scale in scales:
        check_number("scales", scale, low=0)
    return [float(scale) for scale in scales]


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
