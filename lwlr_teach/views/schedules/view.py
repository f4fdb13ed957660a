"""The schedule view: the same network under several schedules of the rate, one of them drawn by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import torch
import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from tqdm.auto import tqdm

from lwlr_teach.core.checks import check_choice, check_count, check_number
from lwlr_teach.core.text import label, short
from lwlr_teach.core.threads import one_thread
from lwlr_teach.optim import Method
from lwlr_teach.optim.grid import check_grid, check_methods
from lwlr_teach.problems.data import Digits
from lwlr_teach.problems.tasks import digits_task
from lwlr_teach.runs.fleet import Fleet
from lwlr_teach.schedules import Drawn, Schedule, factor_at, in_order
from lwlr_teach.views.kit.base import View, module, pack_float32, pack_uint16
from lwlr_teach.views.kit.curves import over_seeds
from lwlr_teach.views.kit.style import MATPLOTLIB_MARKERS, Style, linestyle, styles
from lwlr_teach.views.kit.traits import Position, Shown, check_shown, nearest
from lwlr_teach.views.prediction.view import COLUMNS
from lwlr_teach.views.schedules.families import (
    SIX_FAMILIES,
    YOURS,
    Family,
    all_schedules,
    check_families,
    first_positions,
    position,
)

_LOSS_RANGE = (0.02, 4.0)
# The loss of a small batch is too noisy to compare curves by eye. It is measured this often, on so many
# training images.
_EVERY, _SAMPLE = 10, 400


class Outcome(NamedTuple):
    """What a schedule reaches: after the last step, on all training images and on the test images."""

    lr: float
    """Peak rate."""
    loss: float
    """Median over the seeds; ``low`` and ``high`` are the lowest and the highest."""
    low: float
    high: float
    accuracy: float
    """Share of the test images that are classified right, the median over the seeds."""


class ScheduleView(View):
    """The rate against the step under each schedule, the training loss under each, and who ends lowest.

    All runs are of the same network, from the same first weights, on the same batches. A schedule's factor
    multiplies the peak rate, which is the same for all, or for each its own best: the one with the lowest
    final loss. Every position of the sliders is computed when the view is made. On the pad, which is the
    picture of the rates, the learner draws a schedule of his own; the kernel trains it at every peak rate and
    it joins the race as "yours".

    ``lr_index``, ``positions`` (of the parameters' sliders, by name), ``own_best``, ``shown`` and ``drawn``
    (the ``COLUMNS`` factors of the drawn schedule, or none) follow the view's controls, on release, and move
    them when they are set. ``drawn_schedule``, ``outcome`` and ``ranking`` say what there is to see.

    Args:
        families: names from ``FAMILIES``, a :class:`Family`, or any schedule, which then has no slider; at
            most seven.
        method: the optimizer whose rate is scheduled.
        lr: the peak rates; from 0.01 to 1 by default.
        seeds, steps, batch_size, data: of the training, see
            :func:`~lwlr_teach.runs.ensemble.train_ensemble`. Two seeds at least, since a single one tells no
            winner from luck. The smaller the batch, the noisier its gradient, and the more a decay has to do.
        at_lr: where the peak's slider stands at first (the nearest rate is taken).
        at: where the parameters' sliders stand at first, ``{"cosine": 0.1}`` (the nearest value is taken).
        own_best: whether each schedule is at its own best peak rate at first.
        shown: names of the schedules that are visible at first; all by default.
        title: what is trained; begins the sentence that describes the view.
        pad: whether a schedule can be drawn.
        progress: whether a bar is shown when the training takes longer than a second.
    """

    _esm = module("schedules/view.js")

    plan = traitlets.Dict().tag(sync=True)
    factors = traitlets.Bytes().tag(sync=True)
    curves = traitlets.Bytes().tag(sync=True)
    final_losses = traitlets.Bytes().tag(sync=True)
    accuracies = traitlets.Bytes().tag(sync=True)
    lr_index = Position("peaks")
    positions: traitlets.Dict[str, int] = traitlets.Dict().tag(sync=True)
    own_best = traitlets.Bool().tag(sync=True)
    shown = Shown("names")
    drawn: traitlets.List[float] = traitlets.List().tag(sync=True)
    raced: traitlets.List[float] = traitlets.List().tag(sync=True)
    race = traitlets.Bytes().tag(sync=True)

    def __init__(
        self,
        families: Sequence[str | Family | Schedule] = SIX_FAMILIES,
        *,
        method: str | Method = "Momentum",
        lr: Sequence[float] | Tensor | None = None,
        seeds: int = 3,
        steps: int = 300,
        batch_size: int = 16,
        data: Digits | None = None,
        at_lr: float = 0.1,
        at: Mapping[str, float] | None = None,
        own_best: bool = False,
        shown: Sequence[str] | None = None,
        title: str = "Digits network",
        pad: bool = True,
        progress: bool = True,
    ) -> None:
        check_count("steps", steps, low=20)
        check_count("seeds", seeds, low=2)
        self.families = check_families(families)
        self.title, self.steps, self.pad = title, steps, pad
        (self.method,) = check_methods([method])
        rates = torch.logspace(-2, 0, 9) if lr is None else lr
        self.peaks = check_grid((self.method,), {"lr": rates}, torch.device("cpu"), torch.float32)["lr"]
        self._task = digits_task(data, seeds=seeds, steps=steps, batch_size=batch_size)
        names = [family.name for family in self.families]
        self.names = [*names, YOURS] if pad else names
        visible = check_shown(self.names, shown)
        begin: dict[str, Any] = {
            "lr_index": nearest(self.peaks, at_lr),
            "positions": first_positions(self.families, at or {}),
            "own_best": bool(own_best),
            "shown": visible,
        }
        self._first, schedules = all_schedules(self.families, steps)
        self._runs = self._train(schedules, progress)
        self._yours: _Runs | None = None
        self._ceiling = max(1.0, self._runs.factors.max().item())
        super().__init__(
            **begin,
            plan=self._plan(begin),
            factors=pack_uint16(self._runs.factors, 0.0, self._ceiling),
            curves=pack_float32(self._runs.curves),
            final_losses=pack_float32(self._runs.losses),
            accuracies=pack_float32(self._runs.accuracy),
        )
        self.observe(self._race, "drawn")

    def _train(self, schedules: Sequence[Schedule], progress: bool = False) -> _Runs:
        """Train the network under every schedule at every peak rate from every seed."""
        each = [schedule for schedule in schedules for _ in self.peaks]
        with (
            one_thread(),
            tqdm(total=self.steps, desc="training", delay=1, leave=False, disable=not progress) as bar,
        ):
            fleet = Fleet(self.method, self.peaks.repeat(len(schedules)), self._task, schedules=each)
            curves = [self._sample_loss(fleet)]
            for step in range(0, self.steps, _EVERY):
                fleet.train(min(_EVERY, self.steps - step), bar)
                curves.append(self._sample_loss(fleet))
            loss, _ = fleet.score(self._task.data.x_train, self._task.data.y_train)
            _, accuracy = fleet.score(self._task.data.x_test, self._task.data.y_test)
        # Axes: (schedule, rate, …) from here on.
        grid = (len(schedules), len(self.peaks))
        batches = fleet.losses.unflatten(1, grid)
        return _Runs(
            torch.stack([_factors(s, batches[:, i, :, 0]) for i, s in enumerate(schedules)]),
            torch.stack(curves, -1).unflatten(0, grid),
            over_seeds(loss.unflatten(0, grid)),
            over_seeds(accuracy.unflatten(0, grid)),
        )

    def _sample_loss(self, fleet: Fleet) -> Tensor:
        """Median over the seeds of the loss on some training images: (run)."""
        data = self._task.data
        loss, _ = fleet.score(data.x_train[:_SAMPLE], data.y_train[:_SAMPLE])
        return over_seeds(loss)[:, 1]

    def _race(self, _: Any) -> None:
        """Train the network under the drawn schedule, and send how it went."""
        schedule = self.drawn_schedule
        self._yours = None if schedule is None else self._train([schedule])
        with self.hold_sync():
            self.race = b"" if self._yours is None else pack_float32(self._yours.in_one_row())
            self.raced = list(self.drawn)

    @property
    def lr(self) -> float:
        """The peak rate that the slider stands at."""
        return self.peaks[self.lr_index].item()

    @property
    def drawn_schedule(self) -> Drawn | None:
        """The schedule that was drawn, if one was."""
        return Drawn(self.drawn, self.steps) if self.drawn else None

    def outcome(
        self, name: str, *, lr: float | Literal["best"] | None = None, value: float | None = None
    ) -> Outcome:
        """What the schedule of this name reaches.

        At the peak rate ``lr`` (the nearest is taken) or at its own best, with the parameter's nearest
        ``value``; where the view stands by default.
        """
        check_choice("name", name, dict.fromkeys(self._in_the_race()))
        runs, i = self._run(name, value)
        j = self._rate(runs, i, lr)
        low, loss, high = runs.losses[i, j].tolist()
        return Outcome(self.peaks[j].item(), loss, low, high, runs.accuracy[i, j, 1].item())

    def ranking(self) -> list[str]:
        """The visible schedules, the lowest final loss first."""
        return sorted(self._visible(), key=lambda name: self.outcome(name).loss)

    def leaders(self) -> list[str]:
        """The first of the ranking, and those whose range over the seeds overlaps with the first one's."""
        ranking = self.ranking()
        return [name for name in ranking if self.outcome(name).low <= self.outcome(ranking[0]).high]

    def _in_the_race(self) -> list[str]:
        return [name for name in self.names if name != YOURS or self._yours is not None]

    def _run(self, name: str, value: float | None = None) -> tuple[_Runs, int]:
        """Where the runs of a schedule are, with this parameter or at the position of its slider."""
        if name == YOURS and self._yours is not None:
            return self._yours, 0
        i = self.names.index(name)
        at = self.positions.get(name, 0) if value is None else position(self.families[i], value)
        return self._runs, self._first[i] + at

    def _rate(self, runs: _Runs, i: int, lr: float | Literal["best"] | None = None) -> int:
        """The index of a schedule's peak rate: the nearest, its own best, or the one in force."""
        if lr == "best" or (lr is None and self.own_best):
            return int(runs.losses[i, :, 1].argmin())
        if lr is None:
            return self.lr_index
        check_number("lr", lr, low=0)
        return nearest(self.peaks, lr)

    @traitlets.validate("positions")
    def _on_the_sliders(self, proposal: dict[str, Any]) -> dict[str, int]:
        sliders = {family.name: len(family.values) for family in self.families if len(family.values) > 1}
        for name, at in proposal["value"].items():
            count = check_choice("positions", name, sliders)
            check_count(f"positions[{name!r}]", at, low=0, high=count - 1)
        return {name: proposal["value"].get(name, self.positions.get(name, 0)) for name in sliders}

    @traitlets.validate("drawn")
    def _is_a_curve(self, proposal: dict[str, Any]) -> list[float]:
        drawn: list[float] = proposal["value"]
        if drawn and not self.pad:
            raise ValueError("drawn must be empty in a view without a pad")
        for factor in drawn:
            check_number("drawn", factor, low=0, high=self._ceiling)
        if len(drawn) not in (0, COLUMNS):
            raise ValueError(f"drawn must hold {COLUMNS} factors, or none, got {len(drawn)}")
        return drawn

    def _plan(self, begin: dict[str, Any]) -> dict[str, Any]:
        rows = [
            {
                "name": family.name,
                "first": first,
                "parameter": family.parameter,
                "labels": family.labels,
            }
            for family, first in zip(self.families, self._first, strict=True)
        ]
        if self.pad:
            rows.append({"name": YOURS, "first": 0, "parameter": "", "labels": [""], "drawn": True})
        return {
            "title": self._title,
            "families": [{**row, "style": self._styles[str(row["name"])]} for row in rows],
            "rates": [label(v) for v in self.peaks.tolist()],
            "values": self.peaks.tolist(),
            "steps": self.steps,
            "at_steps": self._at_steps,
            "seeds": self._task.batches.shape[1],
            "ceiling": self._ceiling,
            "columns": COLUMNS,
            "pad": self.pad,
            "loss_range": _LOSS_RANGE,
            "start": {**begin, "drawn": []},
        }

    @property
    def _title(self) -> str:
        return f"{self.title}, {self.method.name}"

    @property
    def _styles(self) -> dict[str, Style]:
        """The drawn schedule has the colour of the text, whether or not there is a pad."""
        names = [YOURS, *(family.name for family in self.families)]
        return dict(zip(names, styles(names), strict=True))

    @property
    def _at_steps(self) -> list[int]:
        """The steps at which the curves have points."""
        return [*range(0, self.steps, _EVERY), self.steps]

    @property
    def _mode(self) -> str:
        return "each at its own best peak rate" if self.own_best else f"all at peak rate {label(self.lr)}"

    def describe(self) -> str:
        """Which peak rates are compared, and the visible schedules in the order of their final losses."""
        return (
            f"{self._title}, {self._mode}, final training loss after {self.steps} steps: {self._verdict()}."
        )

    def _verdict(self) -> str:
        ranking, leaders = self.ranking(), self.leaders()
        if not ranking:
            return "no schedule is shown"
        if not math.isfinite(self.outcome(ranking[0]).loss):
            return "every run is lost"
        first = ", ".join(map(self._entry, leaders))
        rest = ", ".join(self._entry(name) for name in ranking if name not in leaders)
        lead = f"{first} are about equal (their seeds overlap)" if len(leaders) > 1 else f"lowest {first}"
        return f"{lead}; then {rest}" if rest else lead

    def _entry(self, name: str) -> str:
        reached = self.outcome(name)
        peak = f" at {label(reached.lr)}" if self.own_best else ""
        return f"{name} {short(reached.loss)}{peak}"

    def figure(self) -> Figure:
        """The rates, the training losses, and the ranking."""
        figure = Figure(figsize=(9, 5.6), layout="constrained")
        grid = figure.add_gridspec(2, 2, height_ratios=[1.5, 1])
        self._draw_rates(figure.add_subplot(grid[0, 0]))
        self._draw_losses(figure.add_subplot(grid[0, 1]))
        self._draw_ranking(figure.add_subplot(grid[1, :]))
        figure.suptitle(f"{self._title}, {self._mode}", fontsize=11)
        return figure

    def _draw_rates(self, ax: Axes) -> None:
        for name in self._visible():
            runs, i = self._run(name)
            j = self._rate(runs, i)
            rates = self.peaks[j] * runs.factors[i, j]
            ax.plot(rates, **self._line(name))
        ax.set(ylim=(0, None), xlim=(0, self.steps), xlabel="step")
        ax.set_title("rate", fontsize=10, loc="left")
        ax.grid(alpha=0.2)

    def _draw_losses(self, ax: Axes) -> None:
        for name in self._visible():
            runs, i = self._run(name)
            curve = runs.curves[i, self._rate(runs, i)].clamp(*_LOSS_RANGE)
            ax.plot(self._at_steps, curve, label=self._long_name(name), **self._line(name))
        ax.set(yscale="log", ylim=_LOSS_RANGE, xlim=(0, self.steps), xlabel="step")
        ax.set_title("training loss", fontsize=10, loc="left")
        ax.grid(alpha=0.2)
        if self._visible():
            ax.legend(fontsize=7)

    def _draw_ranking(self, ax: Axes) -> None:
        ranking, leaders = self.ranking(), self.leaders()
        top = 10 * _LOSS_RANGE[1]
        texts = []
        for row, name in enumerate(ranking):
            reached = self.outcome(name)
            colour = self._styles[name]["colour"] or "black"
            low, loss, high = (min(x, top) for x in (reached.low, reached.loss, reached.high))
            ax.plot([low, high], [row, row], color=colour, linewidth=4, alpha=0.4, solid_capstyle="butt")
            shape = MATPLOTLIB_MARKERS[self._styles[name]["marker"]]
            ax.plot(loss, row, shape, color=colour, mec="white", ms=8)
            peak = f", peak {label(reached.lr)}" if self.own_best else ""
            texts.append(f"{self._entry(name).split(' at ')[0]}, {_percent(reached.accuracy)}% right{peak}")
        ax.set(xscale="log", ylim=(max(len(ranking), 1) - 0.5, -0.5))
        ax.set_yticks(range(len(ranking)), labels=texts, fontsize=8)
        for tick, name in zip(ax.get_yticklabels(), ranking, strict=True):
            tick.set_fontweight("bold" if name in leaders else "normal")
        seeds = self._task.batches.shape[1]
        ax.set_title(f"final training loss, median and range of {seeds} seeds", fontsize=10, loc="left")
        ax.grid(alpha=0.2, axis="x")

    def _visible(self) -> list[str]:
        return [name for name in self._in_the_race() if name in self.shown]

    def _long_name(self, name: str) -> str:
        family = next((f for f in self.families if f.name == name and len(f.values) > 1), None)
        if family is None:
            return name
        return f"{name}, {family.parameter} {family.labels[self.positions[name]]}"

    def _line(self, name: str) -> dict[str, Any]:
        style = self._styles[name]
        width = 3 if name == YOURS else 1.5
        return {"color": style["colour"] or "black", "linestyle": linestyle(style), "linewidth": width}


class _Runs(NamedTuple):
    """What was measured; axes (schedule, rate, …)."""

    factors: Tensor
    """Of each step; (…, steps). A plateau's are those of the first seed."""
    curves: Tensor
    """Loss on some training images along the run, median over the seeds: (…, points)."""
    losses: Tensor
    """On all training images after the last step: lowest, median and highest of the seeds, (…, 3)."""
    accuracy: Tensor
    """Share of the test images that is classified right: (…, 3)."""

    def in_one_row(self) -> Tensor:
        """Final losses, accuracies and curves, one after the other."""
        return torch.cat([part.flatten() for part in (self.losses, self.accuracy, self.curves)])


class _Named(NamedTuple):
    name: str


def _factors(schedule: Schedule, losses: Tensor) -> Tensor:
    """The schedule's factors for runs with these losses (step, rate): (rate, step)."""
    steps, rates = losses.shape
    schedule = in_order(schedule)
    found = [torch.as_tensor(factor_at(schedule, step, losses)).expand(rates) for step in range(steps)]
    return torch.stack(found, -1).to(torch.float32)


def _percent(share: float) -> int:
    # Halves go up, as they do in JavaScript.
    return math.floor(100 * share + 0.5)
