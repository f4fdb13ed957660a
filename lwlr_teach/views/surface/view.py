"""The surface view: the paths of up to eight optimizers on a map, and their loss curves below."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from lwlr_teach.clipping import Clip
from lwlr_teach.core.checks import check_count
from lwlr_teach.core.javascript import NotJavaScript
from lwlr_teach.core.text import label, short
from lwlr_teach.optim import Method
from lwlr_teach.optim.grid import check_grid, check_methods
from lwlr_teach.optim.update import Rule
from lwlr_teach.problems.surfaces import Point, Surface, find_surface
from lwlr_teach.runs.sweeps import NEVER, Sweep, check_starts, sweep
from lwlr_teach.schedules import Schedule
from lwlr_teach.views.kit.base import View, module, pack_uint16
from lwlr_teach.views.kit.style import MATPLOTLIB_MARKERS, Style, linestyle, styles
from lwlr_teach.views.kit.traits import Position, Shown, check_shown, nearest
from lwlr_teach.views.surface.paths import precomputed, programs

SIX = ("SGD", "Momentum", "Nesterov", "Adagrad", "RMSprop", "Adam")
# The positions of the sliders, where none are given: so many where the browser computes, fewer where each
# position is computed beforehand. Three digits say a rate to a hundredth.
_RATES, _FEWER_RATES = (torch.logspace(-3, 0, n, dtype=torch.float64) for n in (601, 61))
_MOMENTA = 0.01 * torch.arange(100, dtype=torch.float64)
_FEWER_MOMENTA = (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99)
_FEWEST_MOMENTA = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99)  # for more than four methods that have a memory

_KIND = torch.device("cpu"), torch.float64
_COLUMNS, _ROWS = 121, 91
_STRIP = 41  # rates at which the loss is drawn, about
_TOP = 1e30  # a loss beyond this is drawn as one that is lost
_MODULE, _NO_PROGRAMS = module("surface/view.js"), "/** @type {Programs | null} */ (null)"


class SurfaceView(View):
    """Paths on a loss surface, from a start that can be dragged, with sliders for learning rate, momentum,
    the limit of a clip, and step.

    The browser runs the methods' own rules, so that a drag costs no round trip, and the view goes on when the
    kernel is gone. Where a rule, a surface or a schedule cannot run there, every position of the sliders is
    computed when the view is made; then the start stays where it is, and the view says why.

    Args:
        surface: a :class:`~lwlr_teach.problems.surfaces.Surface` or the name of one.
        optimizers: up to eight methods, names of methods, or rules of your own, see
            :func:`~lwlr_teach.optim.from_rule`.
        lr: the positions of the learning-rate slider; by default close together.
        momentum: the positions of the momentum slider, for SGD's momentum and Adam's β₁. With a
            single value, or without a method that has a memory, there is no slider. By default there is
            either this slider or that of the limits.
        limits: the positions of the limit slider, for methods with a clip of their own, see
            :meth:`~lwlr_teach.optim.Method.clipped`.
        steps: how many steps each run takes.
        start: where the runs begin; the surface's own start by default.
        seed: of the gradient noise, where the surface has some.
        clip, schedule: what is done to gradients and to the rate, see :func:`~lwlr_teach.runs.sweeps.sweep`.
        at_lr, at_momentum, at_limit, at_step: where the sliders stand at first (the nearest position is
            taken).
        shown: names of the methods that are visible at first; all by default.
        every_rate: whether the loss after the last step is drawn against the rate at first; a box shows and
            hides it.

    ``sweep`` holds the runs of the present state: one rate, one momentum, one limit, one start. The traits
    ``start``, ``lr_index``, ``momentum_index``, ``limit_index``, ``step``, ``shown`` and ``every_rate``
    follow the view's controls, on release, and move them when they are set; ``lr``, ``momentum`` and
    ``limit`` are values.
    """

    plan = traitlets.Dict().tag(sync=True)
    relief = traitlets.Bytes().tag(sync=True)
    draws = traitlets.Bytes().tag(sync=True)
    paths = traitlets.Bytes().tag(sync=True)
    losses = traitlets.Bytes().tag(sync=True)
    diverged = traitlets.Bytes().tag(sync=True)
    start = traitlets.List(traitlets.Float()).tag(sync=True)
    lr_index = Position("_rates")
    momentum_index = Position("_momenta")
    limit_index = Position("_limits")
    step = Position("_steps")
    every_rate = traitlets.Bool().tag(sync=True)
    shown = Shown("names")

    def __init__(
        self,
        surface: str | Surface = "quadratic",
        optimizers: Iterable[str | Method | Rule] = SIX,
        *,
        lr: Sequence[float] | Tensor | None = None,
        momentum: Sequence[float] | Tensor | None = None,
        limits: Sequence[float] | Tensor | None = None,
        steps: int = 100,
        start: Point | None = None,
        seed: int = 0,
        clip: Clip | None = None,
        schedule: Schedule | None = None,
        at_lr: float = 0.1,
        at_momentum: float = 0.9,
        at_limit: float = 1.0,
        at_step: int | None = None,
        shown: Sequence[str] | None = None,
        every_rate: bool = False,
    ) -> None:
        self.methods = check_methods(optimizers)
        self.surface = find_surface(surface)
        memories = sum(m.memory is not None for m in self.methods)
        check_count("steps", steps)
        at_step = steps if at_step is None else at_step
        check_count("at_step", at_step, low=0, high=steps)
        self._how: dict[str, Any] = dict(steps=steps, seed=seed, clip=clip, schedule=schedule, progress=False)
        names = ["lr", *["momentum"] * (memories > 0), *["limit"] * (limits is not None)]
        code, sent, refused = "null", dict[str, Any](), None
        try:
            code, sent = programs(self.surface, self.methods, names, steps, seed, clip, schedule)
        except NotJavaScript as error:
            refused = error
        if lr is None:
            lr = _FEWER_RATES if refused else _RATES
        if momentum is None and limits is not None:
            momentum = (at_momentum,)
        elif momentum is None:
            momentum = _MOMENTA if not refused else _FEWER_MOMENTA if memories <= 4 else _FEWEST_MOMENTA
        given = {"lr": lr, "momentum": momentum, "limit": limits}
        grid: dict[str, Any] = {name: given[name] for name in names}
        self._grid = check_grid(self.methods, grid, *_KIND)
        self._rates, self._steps = self._grid["lr"], range(steps + 1)
        self._momenta = self._grid.get("momentum", torch.zeros(1))
        self._limits = self._grid.get("limit", torch.zeros(1))
        self._kept: dict[Any, Sweep] = {}
        first = check_starts(self.surface, None if start is None else [start], *_KIND)[0].tolist()
        at = nearest(self._rates, at_lr), nearest(self._momenta, at_momentum), nearest(self._limits, at_limit)
        try:
            if refused:
                runs = self._sweep(first, self._grid)
                self.methods, sent = runs.methods, precomputed(runs)  # those that are done, if interrupted
            self._runs(
                first, self._rates[at[0]].item(), self._momenta[at[1]].item(), self._limits[at[2]].item()
            )
        except RuntimeError as error:  # a rule that cannot run in a batch either
            if refused is None:
                raise
            raise refused from error
        self.names = [m.name for m in self.methods]
        begin: dict[str, Any] = {
            "start": first,
            **dict(zip(("lr_index", "momentum_index", "limit_index"), at, strict=True)),
            "step": at_step,
            "every_rate": every_rate,
            "shown": check_shown(self.names, shown),
        }
        why = f"Computed beforehand, so that the start stays where it is: {refused}." if refused else ""
        self._esm = _MODULE.replace(_NO_PROGRAMS, code, 1)
        super().__init__(**begin, **self._payload(begin, sent.pop("plan"), why), **sent)

    @traitlets.validate("start")
    def _on_the_map(self, proposal: Any) -> list[float]:
        start: Any = list(proposal["value"])
        if self.plan.get("why") and start != self.plan["start"]["start"]:
            raise ValueError(f"start stays {self.plan['start']['start']} in this view, got {start}")
        x, y = check_starts(self.surface, [start], *_KIND)[0].tolist()
        return [x, y]

    @property
    def lr(self) -> float:
        """The learning rate that the slider stands at."""
        return self._rates[self.lr_index].item()

    @property
    def momentum(self) -> float:
        """The momentum that the slider stands at."""
        return self._momenta[self.momentum_index].item()

    @property
    def limit(self) -> float:
        """The limit that the slider stands at."""
        return self._limits[self.limit_index].item()

    @property
    def sweep(self) -> Sweep:
        """The runs of the present state, one a method."""
        return self._runs(self.start, self.lr, self.momentum, self.limit)

    def _runs(self, start: Sequence[float], lr: float, momentum: float, limit: float) -> Sweep:
        now = {"lr": lr, "momentum": momentum, "limit": limit}
        key = (*start, *now.values())
        if key not in self._kept:
            made = self._sweep(start, {name: [now[name]] for name in self._grid})
            if len(made.methods) < len(self.methods):
                raise KeyboardInterrupt
            self._kept = {key: made}  # the sentence and the picture ask for it
        return self._kept[key]

    def _sweep(self, start: Sequence[float], grid: Mapping[str, Any]) -> Sweep:
        starts = torch.tensor([start], dtype=torch.float64)
        # After an interrupt there may be methods no more that have a momentum.
        read = {name: values for name, values in grid.items() if any(m.target(name) for m in self.methods)}
        return sweep(self.surface, self.methods, starts=starts, **read, **self._how)

    def _payload(self, begin: dict[str, Any], own: dict[str, Any], why: str) -> dict[str, Any]:
        both = zip(self.names, styles(self.names), own.pop("methods"), strict=True)
        plan = {
            "title": self._title,
            "methods": [{"name": name, "style": style, **more} for name, style, more in both],
            "steps": len(self._steps) - 1,
            "rates": [label(v) for v in self._rates.tolist()],
            "momenta": [label(v) for v in self._momenta.tolist()],
            "limits": [label(v) for v in self._limits.tolist()],
            "values": {name: values.tolist() for name, values in self._grid.items()},
            "start": begin,
            "why": why,
            **own,
            "map": {
                "bounds": self.surface.bounds,
                "columns": _COLUMNS,
                "rows": _ROWS,
                "minima": self.surface.minima,
                "losses": self._loss_range(begin["start"]),
            },
        }
        return {"plan": plan, "relief": pack_uint16(_heights(self.surface), 0.0, 1.0)}

    @property
    def _title(self) -> str:
        name = self.surface.name
        return name[0].upper() + name[1:]

    def _loss_range(self, start: Sequence[float]) -> list[float]:
        """The range of the loss axis, the same for all positions, so that curves can be compared by eye."""
        first = self.surface.loss(torch.tensor(start, dtype=torch.float64)).item() - self.surface.lowest
        top = max(_gaps_on_map(self.surface).max().item(), 1e-6)
        return [1e-8 * (min(max(first, 1e-6), top) if math.isfinite(first) else top), 100 * top]

    def _at(self, i: int) -> tuple[Tensor, Tensor, int]:
        """Path, loss above the minimum, and step of divergence of method i in the present state."""
        runs = self.sweep
        gap = (runs.losses[i].flatten(0, -2)[0] - self.surface.lowest).clamp(min=0)
        return runs.paths[i].flatten(0, -3)[0], gap, int(runs.diverged_at[i].flatten()[0])

    def _outcome(self, i: int) -> str:
        _, gap, diverged = self._at(i)
        if NEVER < diverged <= self.step:
            return f"diverges at step {diverged}"
        return short(gap[self.step].item())

    @property
    def _position(self) -> str:
        memory = f", momentum {label(self.momentum)}" if len(self._momenta) > 1 else ""
        limit = f", limit {label(self.limit)}" if len(self._limits) > 1 else ""
        moved = self.start != self.plan["start"]["start"]
        start = f", from ({', '.join(map(label, self.start))})" if moved else ""
        return f"{self._title}{start}, learning rate {label(self.lr)}{memory}{limit}"

    def describe(self) -> str:
        """The sliders' position and where each visible method got to, in a sentence."""
        parts = []
        for i, _ in self._visible():
            outcome = self._outcome(i)
            parts.append(f"{self.names[i]} {'' if 'diverges' in outcome else 'reaches '}{outcome}")
        return f"{self._position}, step {self.step}: {'; '.join(parts) or 'no method is shown'}."

    def figure(self) -> Figure:
        """The map and the loss curves in the present state, and the loss at every rate if it is shown."""
        figure = Figure(figsize=(9, 4), layout="constrained")
        grid = figure.add_gridspec(1 + self.every_rate, 2, width_ratios=[1.25, 1])
        self._draw_map(figure.add_subplot(grid[:, 0]))
        self._draw_curves(figure.add_subplot(grid[0, 1]))
        if self.every_rate:
            self._draw_rates(figure.add_subplot(grid[1, 1]))
        figure.suptitle(self._position, fontsize=11)
        return figure

    def _draw_map(self, ax: Axes) -> None:
        (x0, x1), (y0, y1) = self.surface.bounds
        heights = _heights(self.surface).numpy()
        extent = np.linspace(x0, x1, _COLUMNS), np.linspace(y0, y1, _ROWS)
        levels = np.linspace(0, 1, 17)
        ax.contourf(*extent, heights, levels=levels, cmap="Greys", alpha=0.45)
        ax.contour(*extent, heights, levels=levels, colors="#00000022", linewidths=0.6)
        for i, style in self._visible():
            path, _, diverged = self._at(i)
            last = self.step if diverged == NEVER else min(self.step, diverged)
            colour = style["colour"] or "black"
            x, y = path[: last + 1].clamp(-1e6, 1e6).numpy().T
            ax.plot(x, y, "-", color=colour, marker=".", markersize=4, linewidth=1.5, zorder=3)
            head = np.clip(x[-1], x0, x1), np.clip(y[-1], y0, y1)
            shape = MATPLOTLIB_MARKERS[style["marker"]]
            ax.plot(*head, shape, color=colour, mec="white", ms=9, zorder=4, clip_on=False)
        for point in self.surface.minima:
            ax.plot(*point, "*", color="#f0e442", mec="#333333", ms=11, zorder=2)
        ax.plot(*self.start, "o", color="white", mec="black", ms=7, zorder=3)
        ax.set(xlim=(x0, x1), ylim=(y0, y1))

    def _draw_curves(self, ax: Axes) -> None:
        low, high = self.plan["map"]["losses"]
        for i, style in self._visible():
            _, gap, diverged = self._at(i)
            last = self.step if diverged == NEVER else min(self.step, diverged)
            ax.plot(
                gap[: last + 1].clamp(low / 10, high).numpy(),
                color=style["colour"] or "black",
                linestyle=linestyle(style),
                marker=MATPLOTLIB_MARKERS[style["marker"]],
                markevery=[last],
                label=f"{self.names[i]}: {self._outcome(i)}",
            )
        ax.set(yscale="log", xlim=(0, self._steps[-1]), ylim=(low, high), xlabel="step")
        ax.set_title("loss above the minimum", fontsize=10, loc="left")
        ax.grid(alpha=0.2)
        if self.shown:
            ax.legend(fontsize=8)

    def _draw_rates(self, ax: Axes) -> None:
        low, high = self.plan["map"]["losses"]
        now = {"momentum": [self.momentum], "limit": [self.limit]}
        rates = self._rates[:: math.ceil(len(self._rates) / _STRIP)]
        runs = self._sweep(
            self.start, {"lr": rates, **{name: now[name] for name in self._grid if name != "lr"}}
        )
        ends = (runs.losses[..., -1] - self.surface.lowest).reshape(len(self.names), -1)
        lost = runs.diverged_at.reshape(len(self.names), -1) != NEVER
        for i, style in self._visible():
            losses = ends[i].masked_fill(lost[i], high).clamp(low / 10, high)
            ax.plot(rates, losses, color=style["colour"] or "black", linestyle=linestyle(style))
        ax.axvline(self.lr, color="black", linewidth=0.8)
        ax.set(xscale="log", yscale="log", ylim=(low, high), xlabel="learning rate")
        ax.set_title(f"loss after {self._steps[-1]} steps", fontsize=10, loc="left")
        ax.grid(alpha=0.2)

    def _visible(self) -> list[tuple[int, Style]]:
        both = enumerate(styles(self.names))
        return [(i, style) for i, style in both if self.names[i] in self.shown]


def _gaps_on_map(surface: Surface) -> Tensor:
    """The loss above the minimum on a grid over the map: (rows, columns), the first row at the bottom."""
    (x0, x1), (y0, y1) = surface.bounds
    x = torch.linspace(x0, x1, _COLUMNS, dtype=torch.float64)
    y = torch.linspace(y0, y1, _ROWS, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
    gaps = (surface.loss(grid) - surface.lowest).clamp(min=0)
    known = gaps[gaps < _TOP]
    if not len(known):
        raise ValueError(f"surface must have losses below {_TOP:g} on its map, got none for {surface.name}")
    return gaps.nan_to_num(nan=torch.inf).clamp(
        max=known.max()
    )  # what is no number is as high as the map goes


def _heights(surface: Surface) -> Tensor:
    """The map's shade, 0 to 1: logarithmic, so that a valley's floor shows beside its walls."""
    gaps = _gaps_on_map(surface)
    softened = torch.log1p(gaps / gaps.max().clamp(min=1e-300) * 1000)
    return softened / softened.max().clamp(min=1e-300)  # a plain is as light everywhere
