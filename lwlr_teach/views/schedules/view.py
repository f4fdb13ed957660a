"""The schedule view: the same network under several schedules of the rate, one of them drawn by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from lwlr_teach.core.checks import check_choice, check_count, check_number
from lwlr_teach.core.text import label, percent, short
from lwlr_teach.schedules import Drawn
from lwlr_teach.studies.families import YOURS
from lwlr_teach.studies.scheduled import FamilyRuns, Outcome, ScheduleRuns
from lwlr_teach.views.kit.base import View, module, pack_float32, pack_uint16
from lwlr_teach.views.kit.curves import over_seeds
from lwlr_teach.views.kit.style import MATPLOTLIB_MARKERS, MOST, Style, linestyle, styles
from lwlr_teach.views.kit.traits import Position, Positions, Shown, check_shown, nearest
from lwlr_teach.views.prediction.view import COLUMNS

_HIGHEST = 10.0  # what is lost climbs far above


class ScheduleView(View):
    """The rate against the step under each schedule, the training loss under each, and who ends lowest.

    A schedule's factor multiplies the peak rate, which is the same for all, or for each its own best: the one
    with the lowest final loss. On the pad, which is the picture of the rates, the learner draws a schedule of
    his own; the kernel trains it at every peak rate and it joins the race as "yours".

    ``lr_index``, ``positions`` (of the parameters' sliders, by name), ``own_best``, ``shown`` and ``drawn``
    (the ``COLUMNS`` factors of the drawn schedule, or none) follow the view's controls, on release, and move
    them when they are set. ``drawn_schedule``, ``outcome`` and ``ranking`` say what there is to see.

    Args:
        runs: at most seven families of schedules, see
            :func:`~lwlr_teach.studies.scheduled.train_schedules`. Each has a slider for its parameter.
        at_lr: where the peak's slider stands at first (the nearest rate is taken).
        at: where the parameters' sliders stand at first, ``{"cosine": 0.1}`` (the nearest value is taken).
        own_best: whether each schedule is at its own best peak rate at first.
        shown: names of the schedules that are visible at first; all by default.
        title: what was trained; begins the sentence that describes the view.
        pad: whether a schedule can be drawn.
    """

    _esm = module("schedules/view.js")

    plan = traitlets.Dict().tag(sync=True)
    factors = traitlets.Bytes().tag(sync=True)
    curves = traitlets.Bytes().tag(sync=True)
    final_losses = traitlets.Bytes().tag(sync=True)
    accuracies = traitlets.Bytes().tag(sync=True)
    lr_index = Position("runs.lr")
    positions = Positions("_lists")
    own_best = traitlets.Bool().tag(sync=True)
    shown = Shown("names")
    drawn: traitlets.List[float] = traitlets.List().tag(sync=True)
    raced: traitlets.List[float] = traitlets.List().tag(sync=True)
    race = traitlets.Bytes().tag(sync=True)

    def __init__(
        self,
        runs: ScheduleRuns,
        *,
        at_lr: float = 0.1,
        at: Mapping[str, float] | None = None,
        own_best: bool = False,
        shown: Sequence[str] | None = None,
        title: str = "Digits network",
        pad: bool = True,
    ) -> None:
        check_count("families of runs", len(runs.families), high=MOST - 1)
        self.runs, self.title, self.pad = runs, title, pad
        self._sliders = {name: own for name, own in runs.families.items() if len(own.values) > 1}
        self._lists = {name: own.values for name, own in self._sliders.items()}
        self._in_the_race = dict(runs.families)  # and the drawn schedule, once it is there
        self.names = [*runs.families, YOURS] if pad else [*runs.families]
        begin: dict[str, Any] = {
            "lr_index": nearest(runs.lr, at_lr),
            "positions": _first_positions(self._sliders, at or {}),
            "own_best": bool(own_best),
            "shown": check_shown(self.names, shown),
        }
        families = runs.families.values()
        factors = torch.cat([own.factors for own in families])
        self._ceiling = max(1.0, factors.max().item())
        losses, accuracies, curves = (torch.cat(parts) for parts in zip(*map(_sent, families), strict=True))
        self._loss_range = _range(curves)
        super().__init__(
            **begin,
            plan=self._plan(begin),
            factors=pack_uint16(factors, 0.0, self._ceiling),
            curves=pack_float32(curves),
            final_losses=pack_float32(losses),
            accuracies=pack_float32(accuracies),
        )
        self.observe(self._race, "drawn")

    def _race(self, _: Any) -> None:
        """Let the kernel train the network under the drawn schedule, and send how it went."""
        self._in_the_race.pop(YOURS, None)
        race = b""
        if self.drawn_schedule is not None:
            yours = self._in_the_race[YOURS] = self.runs.train(self.drawn_schedule)
            race = pack_float32(torch.cat([part.flatten() for part in _sent(yours)]))
        with self.hold_sync():
            self.race = race
            self.raced = list(self.drawn)

    @property
    def lr(self) -> float:
        """The peak rate that the slider stands at."""
        return self.runs.lr[self.lr_index].item()

    @property
    def drawn_schedule(self) -> Drawn | None:
        """The schedule that was drawn, if one was."""
        return Drawn(self.drawn, self.runs.steps) if self.drawn else None

    def outcome(
        self, name: str, *, lr: float | Literal["best"] | None = None, value: float | None = None
    ) -> Outcome:
        """What the schedule of this name reaches.

        At the peak rate ``lr`` (the nearest is taken) or at its own best, with the parameter's nearest
        ``value``; where the view stands by default.
        """
        own = check_choice("name", name, self._in_the_race)
        if value is None:
            value = own.values[self.positions.get(name, 0)]
        return own.outcome(lr=self._peak if lr is None else lr, value=value)

    def ranking(self) -> list[str]:
        """The visible schedules, the lowest final loss first."""
        return sorted(self._visible(), key=lambda name: self.outcome(name).loss)

    def leaders(self) -> list[str]:
        """The first of the ranking, and those whose range over the seeds overlaps with the first one's."""
        ranking = self.ranking()
        return [name for name in ranking if self.outcome(name).low <= self.outcome(ranking[0]).high]

    @property
    def _peak(self) -> float | Literal["best"]:
        return "best" if self.own_best else self.lr

    def _at(self, name: str) -> tuple[FamilyRuns, tuple[int, int]]:
        """The runs of a schedule, and the one of them (value, rate) that is shown."""
        own, i = self._in_the_race[name], self.positions.get(name, 0)
        return own, (i, own.peak(i, self._peak))

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
        rows: list[dict[str, Any]] = []
        first = 0
        for name, own in self.runs.families.items():
            labels = list(own.labels)
            rows.append({"name": name, "first": first, "parameter": own.parameter, "labels": labels})
            first += len(labels)
        if self.pad:
            rows.append({"name": YOURS, "first": 0, "parameter": "", "labels": [""], "drawn": True})
        return {
            "title": self._title,
            "families": [{**row, "style": self._styles[row["name"]]} for row in rows],
            "rates": [label(v) for v in self.runs.lr.tolist()],
            "values": self.runs.lr.tolist(),
            "steps": self.runs.steps,
            "at_steps": list(self.runs.at_steps),
            "seeds": self.runs.seeds,
            "ceiling": self._ceiling,
            "columns": COLUMNS,
            "pad": self.pad,
            "loss_range": self._loss_range,
            "start": {**begin, "drawn": []},
        }

    @property
    def _title(self) -> str:
        return f"{self.title}, {self.runs.method.name}"

    @property
    def _styles(self) -> dict[str, Style]:
        """The drawn schedule has the colour of the text, whether or not there is a pad."""
        names = [YOURS, *self.runs.families]
        return dict(zip(names, styles(names), strict=True))

    @property
    def _mode(self) -> str:
        return "each at its own best peak rate" if self.own_best else f"all at peak rate {label(self.lr)}"

    def describe(self) -> str:
        """Which peak rates are compared, and the visible schedules in the order of their final losses."""
        return (
            f"{self._title}, {self._mode}, final training loss after {self.runs.steps} steps: "
            f"{self._verdict()}."
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
            own, at = self._at(name)
            ax.plot(own.lr[at[1]] * own.factors[at], **self._line(name))
        ax.set(ylim=(0, None), xlim=(0, self.runs.steps), xlabel="step")
        ax.set_title("rate", fontsize=10, loc="left")
        ax.grid(alpha=0.2)

    def _draw_losses(self, ax: Axes) -> None:
        for name in self._visible():
            own, at = self._at(name)
            curve = over_seeds(own.sample_losses[at])[:, 1].clamp(*self._loss_range)
            ax.plot(self.runs.at_steps, curve, label=self._long_name(name), **self._line(name))
        ax.set(yscale="log", ylim=self._loss_range, xlim=(0, self.runs.steps), xlabel="step")
        ax.set_title("training loss", fontsize=10, loc="left")
        ax.grid(alpha=0.2)
        if self._visible():
            ax.legend(fontsize=7)

    def _draw_ranking(self, ax: Axes) -> None:
        ranking, leaders = self.ranking(), self.leaders()
        top = 10 * self._loss_range[1]
        texts = []
        for row, name in enumerate(ranking):
            reached = self.outcome(name)
            colour = self._styles[name]["colour"] or "black"
            low, loss, high = (min(x, top) for x in (reached.low, reached.loss, reached.high))
            ax.plot([low, high], [row, row], color=colour, linewidth=4, alpha=0.4, solid_capstyle="butt")
            shape = MATPLOTLIB_MARKERS[self._styles[name]["marker"]]
            ax.plot(loss, row, shape, color=colour, mec="white", ms=8)
            peak = f", peak {label(reached.lr)}" if self.own_best else ""
            texts.append(f"{self._entry(name).split(' at ')[0]}, {percent(reached.accuracy)} right{peak}")
        ax.set(xscale="log", ylim=(max(len(ranking), 1) - 0.5, -0.5))
        ax.set_yticks(range(len(ranking)), labels=texts, fontsize=8)
        for tick, name in zip(ax.get_yticklabels(), ranking, strict=True):
            tick.set_fontweight("bold" if name in leaders else "normal")
        title = f"final training loss, median and range of {self.runs.seeds} seeds"
        ax.set_title(title, fontsize=10, loc="left")
        ax.grid(alpha=0.2, axis="x")

    def _visible(self) -> list[str]:
        return [name for name in self._in_the_race if name in self.shown]

    def _long_name(self, name: str) -> str:
        if name not in self._sliders:
            return name
        own = self._sliders[name]
        return f"{name}, {own.parameter} {own.labels[self.positions[name]]}"

    def _line(self, name: str) -> dict[str, Any]:
        style = self._styles[name]
        width = 3 if name == YOURS else 1.5
        return {"color": style["colour"] or "black", "linestyle": linestyle(style), "linewidth": width}


def _first_positions(sliders: Mapping[str, FamilyRuns], at: Mapping[str, float]) -> dict[str, int]:
    """Where each slider stands at first: at the value nearest to the one in ``at``, or at the typical one."""
    for name, value in at.items():
        check_choice("at", name, sliders)
        check_number(f"at[{name!r}]", value)
    return {name: own.position(at.get(name)) for name, own in sliders.items()}


def _range(curves: Tensor) -> tuple[float, float]:
    """An axis for these losses; where all are lost, some axis."""
    found = curves[curves.isfinite() & (curves > 0)].clamp(max=_HIGHEST)
    low, high = (found.min().item(), found.max().item()) if len(found) else (0.1, _HIGHEST)
    return low / 1.3, 1.3 * high


def _sent(own: FamilyRuns) -> tuple[Tensor, Tensor, Tensor]:
    """What is sent of some runs: lowest, median and highest final losses and accuracies of the seeds, and the
    medians of the losses along the run; (value, rate, …) each."""
    return over_seeds(own.train_loss), over_seeds(own.test_accuracy), over_seeds(own.sample_losses)[..., 1]
