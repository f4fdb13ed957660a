"""The surface view: the paths of up to eight optimizers on a map, and their loss curves below."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from lwlr_teach.clipping import Clip
from lwlr_teach.core.checks import check_count
from lwlr_teach.core.text import label, short
from lwlr_teach.optim import Method
from lwlr_teach.optim.grid import check_methods
from lwlr_teach.problems.surfaces import Point, Surface
from lwlr_teach.runs.sweeps import NEVER, sweep
from lwlr_teach.views.kit.base import View, module, pack_float32, pack_uint16
from lwlr_teach.views.kit.style import MATPLOTLIB_MARKERS, Style, linestyle, styles
from lwlr_teach.views.kit.traits import Position, Shown, check_shown, nearest

SIX = ("SGD", "Momentum", "Nesterov", "Adagrad", "RMSprop", "Adam")
MOMENTA = (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99)

# Paths are sent as far as this many half-widths from the middle of the map; 1/65535 of that is less than a
# tenth of a pixel.
_WINDOW = 8.0
_COLUMNS, _ROWS = 121, 91


class SurfaceView(View):
    """Paths on a loss surface, with sliders for learning rate, momentum, the limit of a clip, and step.

    Every position of the sliders is computed when the view is made and sent to the browser once, so that a
    drag costs no round trip, and the view goes on when the kernel is gone.

    Args:
        surface: a :class:`~lwlr_teach.problems.surfaces.Surface` or the name of one.
        optimizers: up to eight methods or names of methods.
        lr: the positions of the learning-rate slider.
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

    ``sweep`` holds the runs. The traits ``lr_index``, ``momentum_index``, ``limit_index``, ``step`` and
    ``shown`` follow the view's controls, on release, and move them when they are set; ``lr``, ``momentum``
    and ``limit`` are their values.
    """

    _esm = module("surface/view.js")

    plan = traitlets.Dict().tag(sync=True)
    paths = traitlets.Bytes().tag(sync=True)
    losses = traitlets.Bytes().tag(sync=True)
    diverged = traitlets.Bytes().tag(sync=True)
    relief = traitlets.Bytes().tag(sync=True)
    lr_index = Position("_rates")
    momentum_index = Position("_momenta")
    limit_index = Position("_limits")
    step = Position("_steps")
    shown = Shown("names")

    def __init__(
        self,
        surface: str | Surface = "quadratic",
        optimizers: Iterable[str | Method] = SIX,
        *,
        lr: Sequence[float] | Tensor | None = None,
        momentum: Sequence[float] | Tensor | None = None,
        limits: Sequence[float] | Tensor | None = None,
        steps: int = 100,
        start: Point | None = None,
        seed: int = 0,
        clip: Clip | None = None,
        schedule: Callable[[int], float] | None = None,
        at_lr: float = 0.1,
        at_momentum: float = 0.9,
        at_limit: float = 1.0,
        at_step: int | None = None,
        shown: Sequence[str] | None = None,
    ) -> None:
        methods = check_methods(optimizers)
        if momentum is None:
            momentum = MOMENTA if limits is None else (at_momentum,)
        grid: dict[str, Any] = {"momentum": momentum} if any(m.memory for m in methods) else {}
        if limits is not None:
            grid["limit"] = limits
        self.sweep = sweep(
            surface,
            methods,
            lr=torch.logspace(-3, 0, 61, dtype=torch.float64) if lr is None else lr,
            steps=steps,
            starts=None if start is None else [start],
            seed=seed,
            clip=clip,
            schedule=schedule,
            progress=False,
            **grid,
        )
        at_step = steps if at_step is None else at_step
        check_count("at_step", at_step, low=0, high=steps)
        self.names = list(self.sweep.names)
        # Whatever was swept, runs have the axes (method, lr, momentum, limit) from here on.
        self._rates, self._steps = self.sweep.grid["lr"], range(steps + 1)
        self._momenta = self.sweep.grid.get("momentum", torch.zeros(1))
        self._limits = self.sweep.grid.get("limit", torch.zeros(1))
        runs = (len(self.names), len(self._rates), len(self._momenta), len(self._limits))
        gap = (self.sweep.losses - self.sweep.surface.lowest).clamp(min=0)
        self._gap = gap.to(torch.float32).reshape(*runs, steps + 1)
        self._paths = self.sweep.paths.reshape(*runs, steps + 1, 2)
        self._diverged = self.sweep.diverged_at.reshape(*runs)
        begin: dict[str, Any] = {
            "lr_index": nearest(self._rates, at_lr),
            "momentum_index": nearest(self._momenta, at_momentum),
            "limit_index": nearest(self._limits, at_limit),
            "step": at_step,
            "shown": check_shown(self.names, shown),
        }
        super().__init__(**begin, **self._payload(begin))

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

    def _runs(self, values: Tensor, i: int) -> Tensor:
        """``values`` (optimizer, lr, momentum, limit, …) of method i; along an axis of its own only once."""
        one = self.sweep.methods[i]
        momenta, limits = (None if has else 1 for has in (one.memory, one.clip))
        return values[i, :, :momenta, :limits]

    def _all_runs(self, values: Tensor) -> Tensor:
        """The runs of all methods, one after the other: (run, …)."""
        return torch.cat([self._runs(values, i).flatten(0, 2) for i in range(len(self.sweep.methods))])

    def _payload(self, begin: dict[str, Any]) -> dict[str, Any]:
        s = self.sweep
        bounds = torch.tensor(s.surface.bounds, dtype=torch.float64)
        low, high = bounds.unbind(-1)
        middle, half = (low + high) / 2, (high - low) / 2
        window = (middle - _WINDOW * half, middle + _WINDOW * half)
        heights = _heights(s.surface)
        first = 0
        methods = []
        for i, (one, style) in enumerate(zip(s.methods, styles(self.names), strict=True)):
            _, momenta, limits = self._runs(self._diverged, i).shape
            own = {"first": first, "momenta": momenta, "limits": limits}
            methods.append({"name": one.name, "style": style, **own})
            first += len(self._rates) * momenta * limits
        plan = {
            "title": self._title,
            "methods": methods,
            "steps": s.steps,
            "rates": [label(v) for v in self._rates.tolist()],
            "momenta": [label(v) for v in self._momenta.tolist()],
            "limits": [label(v) for v in self._limits.tolist()],
            "start": begin,
            "map": {
                "bounds": bounds.tolist(),
                "window": torch.stack(window, -1).tolist(),
                "columns": _COLUMNS,
                "rows": _ROWS,
                "minima": [list(p) for p in s.surface.minima],
                "start": s.starts[0].tolist(),
                "losses": self._loss_range,
            },
        }
        return {
            "plan": plan,
            "paths": pack_uint16(self._all_runs(self._paths), *window),
            "losses": pack_float32(self._all_runs(self._gap)),
            "diverged": self._all_runs(self._diverged).numpy().astype("<i4").tobytes(),
            "relief": pack_uint16(heights, 0.0, 1.0),
        }

    @property
    def _title(self) -> str:
        name = self.sweep.surface.name
        return name[0].upper() + name[1:]

    @property
    def _loss_range(self) -> list[float]:
        """The range of the loss axis, the same for all positions, so that curves can be compared by eye."""
        first = max(self._gap.flatten()[0].item(), 1e-6)
        top = _gaps_on_map(self.sweep.surface).max().item()
        return [1e-8 * first, 100 * top]

    def _at(self, i: int) -> tuple[Tensor, Tensor, int]:
        """Path, loss above the minimum, and step of divergence of method i at the sliders' position."""
        position = (i, self.lr_index, self.momentum_index, self.limit_index)
        return self._paths[position], self._gap[position], int(self._diverged[position])

    def _outcome(self, i: int) -> str:
        _, gap, diverged = self._at(i)
        if NEVER < diverged <= self.step:
            return f"diverges at step {diverged}"
        return short(gap[self.step].item())

    @property
    def _position(self) -> str:
        memory = f", momentum {label(self.momentum)}" if len(self._momenta) > 1 else ""
        limit = f", limit {label(self.limit)}" if len(self._limits) > 1 else ""
        return f"{self._title}, learning rate {label(self.lr)}{memory}{limit}"

    def describe(self) -> str:
        """The sliders' position and where each visible method got to, in a sentence."""
        parts = []
        for i, _ in self._visible():
            outcome = self._outcome(i)
            parts.append(f"{self.names[i]} {'' if 'diverges' in outcome else 'reaches '}{outcome}")
        return f"{self._position}, step {self.step}: {'; '.join(parts) or 'no method is shown'}."

    def figure(self) -> Figure:
        """The map and the loss curves at the sliders' position."""
        figure = Figure(figsize=(9, 4), layout="constrained")
        on_map, curves = figure.subplots(1, 2, width_ratios=[1.25, 1])
        self._draw_map(on_map)
        self._draw_curves(curves)
        figure.suptitle(self._position, fontsize=11)
        return figure

    def _draw_map(self, ax: Axes) -> None:
        s = self.sweep
        (x0, x1), (y0, y1) = s.surface.bounds
        heights = _heights(s.surface).numpy()
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
        for point in s.surface.minima:
            ax.plot(*point, "*", color="#f0e442", mec="#333333", ms=11, zorder=2)
        ax.plot(*s.starts[0].tolist(), "o", color="white", mec="black", ms=7, zorder=3)
        ax.set(xlim=(x0, x1), ylim=(y0, y1))

    def _draw_curves(self, ax: Axes) -> None:
        low, high = self._loss_range
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
        ax.set(yscale="log", xlim=(0, self.sweep.steps), ylim=(low, high), xlabel="step")
        ax.set_title("loss above the minimum", fontsize=10, loc="left")
        ax.grid(alpha=0.2)
        if self.shown:
            ax.legend(fontsize=8)

    def _visible(self) -> list[tuple[int, Style]]:
        both = enumerate(styles(self.names))
        return [(i, style) for i, style in both if self.names[i] in self.shown]


def _gaps_on_map(surface: Surface) -> Tensor:
    """The loss above the minimum on a grid over the map: (rows, columns), the first row at the bottom."""
    (x0, x1), (y0, y1) = surface.bounds
    x = torch.linspace(x0, x1, _COLUMNS, dtype=torch.float64)
    y = torch.linspace(y0, y1, _ROWS, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
    return (surface.loss(grid) - surface.lowest).clamp(min=0)


def _heights(surface: Surface) -> Tensor:
    """The map's shade, 0 to 1: logarithmic, so that a valley's floor shows beside its walls."""
    gaps = _gaps_on_map(surface)
    softened = torch.log1p(gaps / gaps.max() * 1000)
    return softened / softened.max()
