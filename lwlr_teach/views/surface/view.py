"""The surface view: the paths of several optimizers on a map, and their loss curves below."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
import traitlets
from matplotlib.figure import Figure
from torch import Tensor

from lwlr_teach.clipping import Clip
from lwlr_teach.core.checks import check_count
from lwlr_teach.core.javascript import NotJavaScript
from lwlr_teach.core.text import label, short
from lwlr_teach.optim import Method
from lwlr_teach.optim.grid import check_methods
from lwlr_teach.optim.update import Rule
from lwlr_teach.problems.surfaces import Point, Surface, find_surface
from lwlr_teach.runs.sweeps import ESCAPE, NEVER, Sweep, check_starts
from lwlr_teach.schedules import Schedule
from lwlr_teach.views.kit.base import View, module, pack_uint16
from lwlr_teach.views.kit.style import MOST, Style, called, styles
from lwlr_teach.views.kit.traits import OneOf, Position, Positions, Shown, check_shown, nearest
from lwlr_teach.views.surface.choices import OWN_TRAITS, Choices
from lwlr_teach.views.surface.paths import draws, factors, precomputed, programs
from lwlr_teach.views.surface.picture import picture
from lwlr_teach.views.surface.relief import COLUMNS, ROWS, heights, loss_range

SIX = ("SGD", "Momentum", "Nesterov", "Adagrad", "RMSprop", "Adam")
_KIND = torch.device("cpu"), torch.float64
_MODULE, _NO_PROGRAMS = module("surface/view.js"), "/** @type {Programs | null} */ (null)"
Run = tuple[Tensor, Tensor, int]
Runs = tuple[Tensor, Tensor, Tensor]  # of all walkers
_ONLY = "given"  # the clip and the schedule of a view that has no choice of them


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
        second: another start, from which all methods run as well; a box puts one down and takes it away.
        seed: of the gradient noise, where the surface has some.
        clip, schedule: what is done to gradients and to the rate, see :func:`~lwlr_teach.runs.sweeps.sweep`.
        at_lr, at_momentum, at_limit, at_step: where the sliders stand at first (the nearest position is
            taken).
        shown: names of the methods that are visible at first; all by default.
        every_rate: whether the loss at the present step is drawn against the rate at first; a box shows and
            hides it.
        noise: the positions of a slider for the noise of the gradients.
        walkers: how many run, each in a wind of its own, where the gradients have noise. One is on the map,
            a button shows another, and beside its loss stands the mean of all.
        more: the positions of further sliders: ``beta2``, ``eps``, ``weight_decay`` and what else a method
            has. Each begins at the method's own value.

    ``sweep`` holds the runs of the present state: one setting, one start. The traits ``start``, ``second``
    (empty for none), ``zoom`` (x_min, x_max, y_min, y_max of a part of the map; empty for all of it),
    ``lr_index``, ``momentum_index``, ``limit_index``, ``more``, ``step``, ``wind`` (the number of the walker
    on the map), ``shown`` and ``every_rate`` follow the view's controls, on release, and move them when they
    are set; ``lr``, ``momentum`` and ``limit`` are values.
    """

    plan = traitlets.Dict().tag(sync=True)
    relief = traitlets.Bytes().tag(sync=True)
    draws = traitlets.Bytes().tag(sync=True)
    paths = traitlets.Bytes().tag(sync=True)
    losses = traitlets.Bytes().tag(sync=True)
    diverged = traitlets.Bytes().tag(sync=True)
    surface = OneOf("surfaces")
    schedule = OneOf("schedules")
    clip = OneOf("ways")
    start = traitlets.List(traitlets.Float()).tag(sync=True)
    second = traitlets.List(traitlets.Float()).tag(sync=True)
    zoom = traitlets.List(traitlets.Float()).tag(sync=True)
    lr_index = Position("_rates")
    momentum_index = Position("_momenta")
    limit_index = Position("_limits")
    more = Positions("_more")
    step = Position("_steps")
    every_rate = traitlets.Bool().tag(sync=True)
    wind = Position("_winds")
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
        second: Point | None = None,
        seed: int = 0,
        clip: Clip | None = None,
        schedule: Schedule | None = None,
        at_lr: float = 0.1,
        at_momentum: float = 0.9,
        at_limit: float = 1.0,
        at_step: int | None = None,
        shown: Sequence[str] | None = None,
        every_rate: bool = False,
        noise: Sequence[float] | Tensor | None = None,
        walkers: int = 1,
        **more: Sequence[float] | Tensor,
    ) -> None:
        found, methods = find_surface(surface), check_methods(optimizers)
        check_count("steps", steps)
        check_count("walkers", walkers)
        self._build(
            Choices({found.name: found}, {_ONLY: methods}, {_ONLY: schedule}, steps, seed, clip, walkers),
            {"lr": lr, "momentum": momentum, "limit": limits, **more},
            noise=noise,
            at={"lr": at_lr, "momentum": at_momentum, "limit": at_limit, "step": at_step},
            start=start,
            second=second,
            shown=shown,
            every_rate=every_rate,
        )

    def _build(
        self,
        choices: Choices,
        grid: Mapping[str, Any],
        *,
        noise: Any,
        at: Mapping[str, Any],
        start: Point | None = None,
        second: Point | None = None,
        shown: Sequence[str] | None,
        every_rate: bool = False,
        most: int = MOST,
        **further: Any,
    ) -> None:
        """Make the view; ``further`` goes into the plan."""
        self._choices = choices
        self._steps, self._winds = range(choices.steps + 1), range(choices.walkers)
        self.surfaces, self.ways, self.schedules = choices.surfaces, choices.ways, choices.schedules
        at_step = choices.steps if at["step"] is None else at["step"]
        check_count("at_step", at_step, low=0, high=choices.steps)
        first = choices.first
        here, methods = self.surfaces[first["surface"]], self.ways[first["clip"]]
        unread = {"momentum": not any(m.memory for m in methods), "limit": grid["limit"] is None}
        grid = {name: values for name, values in grid.items() if not unread.get(name)}
        free = choices.reading(list(grid))
        code, planned, sent, refused = "null", dict[str, Any](), dict[str, bytes](), None
        try:
            made = {name: factors(s, choices.steps, choices.every) for name, s in self.schedules.items()}
            code, planned = programs(self.surfaces, self.ways, free, choices.clip), {"schedules": made}
        except NotJavaScript as error:
            refused = error
            named = [*["noise"] * (noise is not None), *set(grid).difference(OWN_TRAITS)]
            named += ["a second start"] * (second is not None) + ["a choice of walkers"] * (
                choices.walkers > 1
            )
            if named:
                raise ValueError(f"{named[0]} is not possible here: {error}") from error
        self._grid = choices.positions(grid, at["momentum"], few=refused is not None)
        self._rates, nothing = self._grid["lr"], torch.zeros(1)
        self._momenta, self._limits = (self._grid.get(name, nothing) for name in ("momentum", "limit"))
        self._more = {name: values for name, values in self._grid.items() if name not in OWN_TRAITS}
        own = {name: next(m for m in choices.every if m.target(name)).default(name) for name in self._more}
        if noise is not None:
            self._more["noise"], own["noise"] = _noises(noise), here.noise
        self._kept: tuple[Any, dict[Any, Runs]] = None, {}
        first |= {
            "start": self._check_start(here, start or here.start),
            "second": self._check_start(here, second) if second is not None else [],
            "zoom": [],
            "lr_index": nearest(self._rates, at["lr"]),
            "momentum_index": nearest(self._momenta, at["momentum"]),
            "limit_index": nearest(self._limits, at["limit"]),
            "more": {name: nearest(values, own[name]) for name, values in self._more.items()},
            "step": at_step,
            "every_rate": every_rate,
            "wind": 0,
        }
        try:
            if refused:
                runs = choices.sweep(first, first["start"], self._grid)
                methods = runs.methods  # those that are done, if interrupted
                self.ways = {first["clip"]: methods}
                planned, sent = precomputed(runs)
                sent["relief"] = pack_uint16(heights(here, here.bounds), 0.0, 1.0)
            runs = self._sweep(first, first["start"], self._chosen(first))
            if len(runs.methods) < len(methods):
                raise KeyboardInterrupt
            own_start = tuple(first["start"])
            self._kept = _setting(first), {(i, *own_start): _runs_of(runs, i) for i in range(len(methods))}
        except RuntimeError as error:  # a rule that cannot run in a batch either
            if refused is None:
                raise
            raise refused from error
        self.names = [method.name for method in methods]
        first["shown"] = check_shown(self.names, shown)
        if not refused and (noise is not None or any(s.noise for s in self.surfaces.values())):
            sent["draws"] = draws(choices.steps, choices.seed, choices.walkers)
        looks = zip(self.names, styles(self.names, most), strict=True)
        values = {name: axis.tolist() for name, axis in (self._grid | self._more).items()}
        self._esm = _MODULE.replace(_NO_PROGRAMS, code, 1)
        plan = {
            "start": first,
            "why": f"Computed beforehand, so that the start stays where it is: {refused}." if refused else "",
            "steps": choices.steps,
            "walkers": choices.walkers,
            "escape": ESCAPE,
            "relief": {"columns": COLUMNS, "rows": ROWS},
            "methods": [{"name": name, "style": style} for name, style in looks],
            "free": {way: group[: len(methods)] for way, group in free.items()},
            "surfaces": {name: _map(s, first) for name, s in self.surfaces.items()},
            "values": values,
            "labels": {name: [label(value) for value in axis] for name, axis in values.items()},
            "titles": {name: called(name) for name in self._more},
        }
        super().__init__(**first, **sent, plan=plan | planned | further)

    # --- the state ----------------------------------------------------------------------------------------

    @property
    def methods(self) -> tuple[Method, ...]:
        """The methods, with the chosen clip."""
        return self.ways[self.clip]

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

    def _check_start(self, surface: Surface, start: Any) -> list[float]:
        return list(check_starts(surface, [start], *_KIND)[0].tolist())

    @traitlets.validate("start", "second")
    def _on_the_map(self, proposal: Any) -> list[float]:
        start: Any = list(proposal["value"])
        name = proposal["trait"].name
        if self.plan.get("why") and start != self.plan["start"][name]:
            raise ValueError(f"{name} stays {self.plan['start'][name]} in this view, got {start}")
        return [] if name == "second" and not start else self._check_start(self.surfaces[self.surface], start)

    @traitlets.validate("zoom")
    def _within_the_map(self, proposal: Any) -> list[float]:
        part: Any = list(proposal["value"])
        outer = self.surfaces[self.surface].bounds
        if part:
            inner = zip(part[::2], part[1::2], strict=False)
            good = len(part) == 4 and all(
                low <= a < b <= high for (a, b), (low, high) in zip(inner, outer, strict=True)
            )
            if not good:
                raise ValueError(f"zoom must be a part [x_min, x_max, y_min, y_max] of {outer}, got {part}")
        return part

    @traitlets.observe("surface")
    def _elsewhere(self, change: Any) -> None:
        """Another surface begins at its own start, unless a start on it came with it."""
        new, old = self.surfaces[change["new"]], self.surfaces.get(change["old"])
        if old is not None and (self.start == list(old.start) or not _is_on(new, self.start)):
            self.start = list(new.start)
        self.second = self.second if self.second and _is_on(new, self.second) else []
        self.zoom = []

    def _state(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.plan["start"]}

    # --- the runs -----------------------------------------------------------------------------------------

    @property
    def sweep(self) -> Sweep:
        """The runs of the present state: of each method, one a walker."""
        now = self._state()
        return self._sweep(now, self.start, self._chosen(now))

    def _chosen(self, now: Mapping[str, Any]) -> dict[str, Tensor]:
        """The value of each hyperparameter that has a slider, as a list of one."""
        at = {name: now[f"{name}_index"] for name in OWN_TRAITS} | dict(now["more"])
        return {name: values[at[name], None] for name, values in self._grid.items()}

    def _sweep(
        self,
        now: Mapping[str, Any],
        start: Sequence[float],
        grid: Mapping[str, Tensor],
        only: int | None = None,
    ) -> Sweep:
        noise = self._more["noise"][now["more"]["noise"]].item() if "noise" in self._more else None
        methods = self.ways[now["clip"]]
        return self._choices.sweep(now, start, grid, noise, methods if only is None else [methods[only]])

    def run(self, i: int, start: Sequence[float]) -> Run:
        """Path, loss above the minimum, and step of divergence of method i in the present state, of the
        walker on the map."""
        paths, gaps, diverged = self._runs(i, start)
        return paths[self.wind], gaps[self.wind], int(diverged[self.wind])

    def mean_loss(self, i: int, start: Sequence[float]) -> Tensor:
        """The mean over the walkers of the loss above the minimum at each step, inf once one is lost."""
        _, gaps, diverged = self._runs(i, start)
        steps = torch.arange(gaps.shape[-1])
        lost = (diverged[:, None] != NEVER) & (steps >= diverged[:, None])
        return gaps.masked_fill(lost, torch.inf).mean(0)

    def _runs(self, i: int, start: Sequence[float]) -> Runs:
        now = self._state()
        if self._kept[0] != _setting(now):
            self._kept = _setting(now), {}
        kept, key = self._kept[1], (i, *start)
        if key not in kept:  # the sentence and the picture ask for it
            kept[key] = _runs_of(self._sweep(now, start, self._chosen(now), i), 0)
        return kept[key]

    def losses_at(self, rates: Tensor) -> Tensor:
        """The loss above the minimum at the present step of each method at each of these rates, the mean of
        all walkers, inf where one is lost: (method, rate)."""
        now = self._state()
        runs = self._sweep(now, self.start, self._chosen(now) | {"lr": rates})
        ends = (runs.losses[..., self.step] - runs.surface.lowest).clamp(
            min=0
        )  # the walkers are the last axis
        lost = (runs.diverged_at != NEVER) & (runs.diverged_at <= self.step)
        return ends.masked_fill(lost, torch.inf).mean(-1).reshape(len(self.names), -1)

    # --- the words ----------------------------------------------------------------------------------------

    def outcome(self, i: int, start: Sequence[float]) -> str:
        """How far method i is, in a few words."""
        _, gap, diverged = self.run(i, start)
        lost = NEVER < diverged <= self.step
        own = f"diverges at step {diverged}" if lost else short(gap[self.step].item())
        if len(self._winds) == 1:
            return own
        return f"{own} (mean of {len(self._winds)}: {short(self.mean_loss(i, start)[self.step].item())})"

    @property
    def position(self) -> str:
        """What is chosen, and where the sliders stand."""
        name = self.surface
        parts = [name[0].upper() + name[1:]]
        chosen = [
            (self.schedules, self.schedule, f"{self.schedule} rate"),
            (self.ways, self.clip, f"clipped {self.clip}"),
        ]
        parts += [words for all_, own, words in chosen if own != next(iter(all_))]
        if self.start != self.plan["surfaces"][name]["start"]:
            parts.append(f"from ({', '.join(map(label, self.start))})")
        parts.append(f"learning rate {label(self.lr)}")
        for other, values, value in (
            ("momentum", self._momenta, self.momentum),
            ("limit", self._limits, self.limit),
        ):
            if len(values) > 1 and any(m.target(other) for m in self.methods):
                parts.append(f"{other} {label(value)}")
        more = {name: axis[self.more[name]].item() for name, axis in self._more.items()}
        parts += [f"{called(name)} {label(value)}" for name, value in more.items() if value]
        return ", ".join(parts)

    def describe(self) -> str:
        """The sliders' position and where each visible method got to, in a sentence."""

        def reached(start: Sequence[float]) -> str:
            said = [(self.names[i], self.outcome(i, start)) for i, _ in self.visible()]
            each = [f"{name} {'' if 'diverges' in how else 'reaches '}{how}" for name, how in said]
            return "; ".join(each) or "no method is shown"

        second = (
            f" From ({', '.join(map(label, self.second))}): {reached(self.second)}." if self.second else ""
        )
        return f"{self.position}, step {self.step}: {reached(self.start)}.{second}"

    def visible(self) -> list[tuple[int, Style]]:
        """The numbers of the methods that are shown, and how they look."""
        return [(i, m["style"]) for i, m in enumerate(self.plan["methods"]) if m["name"] in self.shown]

    def figure(self) -> Figure:
        """The map and the loss curves in the present state, and the loss at every rate if it is shown."""
        return picture(self)


def _setting(now: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a state that a run from a given start depends on."""
    others = ("start", "second", "zoom", "step", "shown", "every_rate", "wind")
    return {name: value for name, value in now.items() if name not in others}


def _runs_of(runs: Sweep, i: int) -> Runs:
    gaps = (runs.losses[i].flatten(0, -2) - runs.surface.lowest).clamp(min=0)
    return runs.paths[i].flatten(0, -3), gaps, runs.diverged_at[i].flatten()


def _map(surface: Surface, first: Mapping[str, Any]) -> dict[str, Any]:
    start = first["start"] if surface.name == first["surface"] else list(surface.start)
    return {
        "title": surface.name[0].upper() + surface.name[1:],
        "bounds": surface.bounds,
        "minima": surface.minima,
        "start": start,
        "lowest": surface.lowest,
        "noise": surface.noise,
        "losses": loss_range(surface, start),
    }


def _is_on(surface: Surface, point: Sequence[float]) -> bool:
    return all(low <= v <= high for v, (low, high) in zip(point, surface.bounds, strict=True))


def _noises(noise: Any) -> Tensor:
    values = torch.as_tensor(noise, dtype=torch.float64)
    if values.ndim != 1 or not len(values) or not (torch.isfinite(values) & (values >= 0)).all():
        raise ValueError(f"noise must be a list of numbers of at least 0, got {noise!r}")
    return values
