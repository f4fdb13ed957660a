"""The race view: who wins at a budget, how sure that is, and how much care each one's rate needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import torch
import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from lwlr_teach.core.checks import check_count, check_number
from lwlr_teach.core.text import fixed, label
from lwlr_teach.runs.races import Race, Standing, Table
from lwlr_teach.views.kit.base import View, module, pack_float32
from lwlr_teach.views.kit.rows import draw_seeds
from lwlr_teach.views.kit.style import MATPLOTLIB_MARKERS, styles
from lwlr_teach.views.kit.traits import Position, Shown, check_shown, nearest

MOST = 12
"""Contestants that a picture has room for."""

# Names in a list before it becomes a count.
_FEW = 3
# The accuracy axis shows the share that is wrong on a logarithmic scale: near the end of a race everything
# happens between 90% and 98%. It ends where this share is wrong, or earlier.
_FEWEST_WRONG = 0.002
_ACCURACIES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)


class RaceView(View):
    """A row for each contestant: a dot a seed on an axis of test accuracy, and its accuracy at every rate.

    The dots are the seeds that judge, and the vertical mark is their median. The accuracy at every rate is
    that of the seeds that choose, on the validation images: the shaded rates are nearly as good as the best,
    the tick is the method's default rate, and a triangle at the edge of a row is a best rate at the end of
    the grid. A row that beats all others from every seed is tinted; where there is none, the best and those
    that it does not beat are grey. The ribbon under the budget shows the first at each budget, pale where
    others are not beaten.

    ``budget_index``, ``per``, ``shared``, ``lr_index`` and ``shown`` follow the view's controls, on release,
    and move them when they are set; ``budget`` and ``lr`` are the values there, and ``table`` is the table of
    all contestants.

    Args:
        race: the race, of at most 12 contestants.
        title: what was trained; begins the sentence that describes the view.
        at_budget: where the budget stands at first (the nearest is taken); by default the whole.
        per: ``"steps"`` or ``"operations"``, as in :meth:`Race.table`.
        shown: names of the contestants that are visible at first; all by default. The others are out of the
            race.
        shared_lr: give all contestants this rate at first (the nearest is taken) instead of its own to each.
    """

    _esm = module("race/view.js")

    plan = traitlets.Dict().tag(sync=True)
    tests = traitlets.Bytes().tag(sync=True)
    medians = traitlets.Bytes().tag(sync=True)
    ranks = traitlets.Bytes().tag(sync=True)
    valid = traitlets.Bytes().tag(sync=True)
    budget_index = traitlets.Int().tag(sync=True)
    per = traitlets.Unicode("steps").tag(sync=True)
    shared = traitlets.Bool().tag(sync=True)
    lr_index = Position("_rates")
    shown = Shown("names")

    def __init__(
        self,
        race: Race,
        *,
        title: str = "Digits network",
        at_budget: float | None = None,
        per: str = "steps",
        shown: Sequence[str] | None = None,
        shared_lr: float | None = None,
    ) -> None:
        self.race = race
        self.title = title
        self.names = race.names
        self._rates = race.lr[0]
        self._styles = styles(race.names, most=MOST)
        self._budgets = _budgets(race)
        race.budgets(per)  # says why a race has no budgets in operations
        if at_budget is not None:
            check_number("at_budget", at_budget)
        self._last = {
            unit: torch.stack([race.checkpoints_at(b, unit) for b in values.tolist()])
            for unit, values in self._budgets.items()
        }
        self._medians = race.judged.median(2).values  # (contestant, rate, checkpoint)
        if shared_lr is not None:
            race.table(lr=shared_lr)  # checks the rate
        budgets = self._budgets[per]
        begin: dict[str, Any] = {
            "budget_index": len(budgets) - 1 if at_budget is None else nearest(budgets, at_budget),
            "per": per,
            "shared": shared_lr is not None,
            "lr_index": nearest(self._rates.log(), math.log(shared_lr or _middle(self._rates))),
            "shown": check_shown(race.names, shown),
        }
        self._edge = _edge(race.judged)
        both = zip(race.names, self._styles, strict=True)
        plan = {
            "title": title,
            "methods": [{"name": name, "style": style} for name, style in both],
            "checkpoints": race.checkpoints.tolist(),
            "planned": race.planned,
            "seeds": race.judged.shape[2],
            "values": race.lr.tolist(),
            "same_grid": race.same_grid,
            "rates": [label(v) for v in self._rates.tolist()],
            "labels": [[label(v) for v in own] for own in race.lr.tolist()],
            "budgets": {
                unit: [_budget_label(v, unit) for v in values.tolist()]
                for unit, values in self._budgets.items()
            },
            "last": {unit: last.tolist() for unit, last in self._last.items()},
            "best": race.best.tolist(),
            "good": race.good.tolist(),
            "at_end": race.at_end.tolist(),
            "defaults": race.defaults,
            "fewest_wrong": self._edge,
            "accuracies": _ACCURACIES,
            "start": begin,
        }
        super().__init__(
            **begin,
            plan=plan,
            tests=pack_float32(race.judged.movedim(2, -1)),
            medians=pack_float32(self._medians),
            ranks=pack_float32(_ranks(race)),
            valid=pack_float32(race.valid),
        )

    @property
    def budget(self) -> float:
        """The budget that the slider stands at, in steps or operations."""
        return self._budgets[self.per][self.budget_index].item()

    @property
    def lr(self) -> float:
        """The rate that all are given while ``shared`` is true."""
        return self._rates[self.lr_index].item()

    @property
    def table(self) -> Table:
        """The places of all contestants at the controls' position, shown or not."""
        return self.race.table(self.budget, per=self.per, lr=self.lr if self.shared else None)

    @traitlets.validate("budget_index")
    def _on_the_slider(self, proposal: dict[str, Any]) -> int:
        position: int = proposal["value"]
        check_count("budget_index", position, low=0, high=len(self._budgets[self.per]) - 1)
        return position

    @traitlets.validate("per")
    def _a_unit(self, proposal: dict[str, Any]) -> str:
        unit: str = proposal["value"]
        self.race.budgets(unit)
        return unit

    @traitlets.validate("shared")
    def _on_one_grid(self, proposal: dict[str, Any]) -> bool:
        if proposal["value"] and not self.race.same_grid:
            raise ValueError("shared must be False: some contestants have rates of their own")
        return bool(proposal["value"])

    @traitlets.observe("per")
    def _stay_on_the_slider(self, change: dict[str, Any]) -> None:
        self.budget_index = min(self.budget_index, len(self._budgets[self.per]) - 1)

    def describe(self) -> str:
        """The budget, the winner there, whom it does not beat, and how far the second is behind."""
        race = self.race
        budget = _budget_label(self.budget, self.per)
        rates = f"all at rate {label(self.lr)}" if self.shared else "each at its own best rate"
        done = int(race.checkpoints[-1])
        stopped = (
            f" The race was stopped after {done} of {race.planned} steps." if done < race.planned else ""
        )
        return f"{self.title}, after {budget}, {rates}: {self._result()}{self._at_the_ends()}.{stopped}"

    def _result(self) -> str:
        last, at = self._position
        standing = self.race.standing(last, at, self._visible())
        if not standing:
            return "no contestant is shown"
        winner, *others = standing
        # Halves go up, as they do in JavaScript.
        percents = [math.floor(100 * self._medians[i, at[i], last[i]].item() + 0.5) for i, _ in standing]
        percent, name = percents[0], self.names[winner.contestant]
        if not others:
            return f"{name} gets {percent}% of the test images right"
        seeds = self.race.judged.shape[2]
        sure = f"from all {seeds} seeds" if seeds > 1 else "from the only seed"
        unbeaten, below = (
            [self.names[other.contestant] for other in others if other.leads is leads]
            for leads in (True, False)
        )
        if _nobody_wins(standing):
            return (
                f"nobody wins: from {percents[-1]}% to {percent}% of the test images right, and the best, "
                f"{name}, beats none of the others {sure}"
            )
        return (
            f"{name} leads with {percent}% of the test images right, and it beats "
            f"{_beaten(unbeaten, below)} {sure}; "
            f"{self.names[others[0].contestant]} comes next, {_behind(others[0])} points behind"
        )

    def _at_the_ends(self) -> str:
        last, _ = self._position
        at_end = [self.names[i] for i in self._visible() if self.race.at_end[i, last[i]]]
        if self.shared or not at_end:
            return ""
        names = _listed(at_end) or f"{len(at_end)} of the {len(self._visible())}"
        return f"; the best rate is at the end of the grid for {names}"

    @property
    def _position(self) -> tuple[Tensor, Tensor]:
        """Indices of the checkpoint and of the rate at which each contestant is judged."""
        last = self._last[self.per][self.budget_index]
        if self.shared:
            return last, torch.full_like(last, self.lr_index)
        return last, self.race.best[range(len(last)), last]

    def _visible(self) -> list[int]:
        return [i for i, name in enumerate(self.race.names) if name in self.shown]

    def figure(self) -> Figure:
        """The rows: results on the left, accuracy against the rate on the right."""
        rows = self._visible()
        figure = Figure(figsize=(9, 1.3 + 0.38 * max(len(rows), 3)), layout="constrained")
        results, rates = figure.subplots(1, 2, sharey=True, width_ratios=[1.6, 1])
        last, at = self._position
        standing = self.race.standing(last, at, rows)
        for row, i in enumerate(rows):
            wrong = 1 - self.race.judged[i, at[i], :, last[i]]
            draw_seeds(results, row, wrong, (self._edge, 1.0), self._styles[i])
            self._draw_rates(rates, row, i, int(at[i]), int(last[i]))
            # A first that does not beat all others is one of several.
            wins = i == standing[0].contestant and sum(stands.leads for stands in standing) == 1
            if any(stands.leads for stands in standing if stands.contestant == i):
                for ax in (results, rates):
                    colour, alpha = (self._colour(i), 0.3) if wins else ("black", 0.07)
                    ax.axhspan(row - 0.5, row + 0.5, color=colour, alpha=alpha, linewidth=0)
        marks = [a for a in _ACCURACIES if 1 - a >= self._edge]
        results.set(
            yticks=range(len(rows)),
            yticklabels=[self.names[i] for i in rows],
            ylim=(max(len(rows), 1) - 0.5, -0.5),
            xscale="log",
            xlim=(1, self._edge),
        )
        results.set_xticks([1 - a for a in marks], [f"{100 * a:g}%" for a in marks])
        results.minorticks_off()
        budget = _budget_label(self.budget, self.per)
        how = f"all at rate {label(self.lr)}" if self.shared else "each at its own best rate"
        results.set_title(f"test accuracy after {budget}, {how}", fontsize=10, loc="left")
        rates.set(xscale="log")
        rates.set_title("validation accuracy against the rate", fontsize=10, loc="left")
        results.grid(alpha=0.2, axis="x")
        return figure

    def _draw_rates(self, ax: Axes, row: int, i: int, at: int, k: int) -> None:
        rates, best = self.race.lr[i], int(self.race.best[i, k])
        height = row + 0.4 - 0.8 * self.race.valid[i, :, k]
        low, high = self.race.good[i, k].tolist()
        colour = self._colour(i)
        ax.fill_between(
            _around(rates, low, high), row - 0.45, row + 0.45, color=colour, alpha=0.3, linewidth=0
        )
        ax.plot(rates, height, color=colour)
        _, default = self.race.defaults[i]
        if default is not None:
            ax.plot(rates[default], height[default], "|", color="black", ms=12, mew=1.5)
        if self.race.at_end[i, k]:  # a better rate may lie outside: an arrow out of the grid
            end = _around(rates, best, best)[bool(best)]
            ax.plot(end, row, ">" if best else "<", color="black", ms=8)
        if self.shared:
            ax.axvline(self.lr, color="black", linewidth=0.8)
            ax.plot(rates[best], height[best], self._marker(i), color="white", mec=colour, ms=7)
        ax.plot(rates[at], height[at], self._marker(i), color=colour, mec="white", ms=8)

    def _marker(self, i: int) -> str:
        return MATPLOTLIB_MARKERS[self._styles[i]["marker"]]

    def _colour(self, i: int) -> str:
        return self._styles[i]["colour"] or "black"


def _budgets(race: Race) -> dict[str, Tensor]:
    """The positions of the budget's slider in each unit that the race has budgets in."""
    found = {"steps": race.budgets("steps")}
    with suppress(ValueError):  # a schedule counts steps, or the contestants' costs are too far apart
        found["operations"] = race.budgets("operations")
    return found


def _budget_label(value: float, unit: str) -> str:
    return f"{value:.0f} {unit}"


def _listed(names: Sequence[str]) -> str:
    """A few names in a row; nothing for more."""
    if len(names) > _FEW:
        return ""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _nobody_wins(standing: Sequence[Standing]) -> bool:
    """Whether the best beats none of the others from every seed."""
    return len(standing) > 1 and all(stands.leads for stands in standing)


def _behind(stands: Standing) -> str:
    """The range of the differences to the winner, in percentage points; from one seed there is one."""
    ends = [fixed(100 * end, 1).replace("-", "−") for end in stands.behind]
    return " to ".join(dict.fromkeys(ends))


def _beaten(unbeaten: Sequence[str], below: Sequence[str]) -> str:
    """Whom the best beats from every seed: those below, and not the unbeaten."""
    if not unbeaten:
        return "all others"
    if len(below) < len(unbeaten) and _listed(below):
        return f"only {_listed(below)}"
    names = _listed(unbeaten)
    return f"all but {names}" if names else f"{len(below)} of the {len(below) + len(unbeaten)} others"


def _ranks(race: Race) -> Tensor:
    """Numbers in the order of the races' results, median before mean: (contestant, rate, checkpoint)."""
    keys = torch.stack([race.judged.median(2).values.double(), race.judged.double().sum(2)], -1)
    _, ranks = torch.unique(keys.flatten(end_dim=-2), dim=0, return_inverse=True)
    return ranks.reshape(keys.shape[:-1])


def _edge(accuracy: Tensor) -> float:
    """The smallest share of wrong answers on the axis, a little less than anything measured."""
    return max(_FEWEST_WRONG, 0.8 * (1 - accuracy.max().item()))


def _middle(rates: Tensor) -> float:
    return rates[len(rates) // 2].item()


def _around(rates: Tensor, low: int, high: int) -> list[float]:
    """The ends of a stretch of rates, half-way to the next ones, so that a single rate has a width too."""
    logs = rates.log()
    half = (logs[-1] - logs[0]).item() / max(len(logs) - 1, 1) / 2
    return [math.exp(logs[low].item() - half), math.exp(logs[high].item() + half)]
