"""The microscope: one or two rules, update by update, with every number that they compute on their way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any

import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from lwlr_teach.core.checks import check_count, check_number
from lwlr_teach.optim import Method, Program
from lwlr_teach.optim.grid import check_methods
from lwlr_teach.optim.names import Watched, watch
from lwlr_teach.optim.update import Rule
from lwlr_teach.views.kit.base import View, module
from lwlr_teach.views.kit.style import MATPLOTLIB_MARKERS, linestyle, styles
from lwlr_teach.views.kit.traits import OneOf, Position, Positions
from lwlr_teach.views.microscope.panel import DECADES, NUDGE, Row, draw_panel, ends_of, said
from lwlr_teach.views.microscope.sequences import DRAWN, GIVEN, REACH, WORDS, check_gradients, sequences
from lwlr_teach.views.microscope.sliders import check_at, program_of, sliders_of

CHANGE = "Δp"
START = 1.0  # where the parameter begins
_MODULE, _NO_PROGRAMS = module("microscope/view.js"), "/** @type {Program[]} */ ([])"
_GIVEN = "the gradient as the rule is given it"


class Microscope(View):
    """One or two update rules at work on a sequence of gradients of one number, one update at a time.

    For the present step it shows every value that a rule computes, under the rule's own names, with the line
    of its source that made it: as a bar on a logarithmic scale, to the left if negative, and as a number.
    Then follow the direction and Δp, the change of the parameter, which begins at 1. Of Lookahead the inner
    rule is shown; what a meeting moves is part of Δp. A rate that the method finds itself has a row.

    ``gradients``, ``step_index``, ``positions`` (of the sliders, by method and hyperparameter) and ``drawn``
    (the gradients drawn by hand, one for each step, or none) follow the view's controls, on release, and move
    them when they are set. ``step``, ``settings`` and ``values`` say what there is to see.

    Args:
        optimizers: one or two methods, names of methods, or rules of your own, see
            :func:`~lwlr_teach.optim.from_rule`. A method may stand beside itself, with sliders of its own.
        gradients: ``"constant"``, ``"spike"``, ``"sparse"``, ``"noisy"``, ``"changing sign"`` or ``"drawn"``,
            which can be changed in the view; or numbers, which are called "given" there.
        steps: how many updates; 30, or as many as gradients were given.
        at_step: the step that is shown at first.
        hyperparameters: where sliders stand at first, by the names that sweeps know: ``lr=0.1, beta2=0.9``.
    """

    plan = traitlets.Dict().tag(sync=True)
    gradients = OneOf("_choices")
    step_index = Position("_steps")
    positions = Positions("_lists")
    drawn: traitlets.List[float] = traitlets.List().tag(sync=True)

    def __init__(
        self,
        optimizers: Iterable[str | Method | Rule] = ("Adam",),
        *,
        gradients: str | Sequence[float] | Tensor = "constant",
        steps: int | None = None,
        at_step: int = 1,
        **hyperparameters: float,
    ) -> None:
        methods = check_methods(optimizers)
        check_count("the number of optimizers", len(methods), high=2)
        chosen, steps, given = check_gradients(gradients, steps)
        check_count("at_step", at_step, high=steps)
        check_at(methods, hyperparameters)
        self.methods = _told_apart(methods)
        self.names = [method.name for method in self.methods]
        self._steps = range(1, steps + 1)
        self._sequences = sequences(steps) | {DRAWN: []} | ({GIVEN: given} if given else {})
        self._choices = list(self._sequences)
        self._programs = [program_of(method) for method in self.methods]
        both = zip(self.methods, self._programs, strict=True)
        self._own = {m.name: sliders_of(m, program, hyperparameters) for m, program in both}
        self._sliders = {slider.key: slider for own in self._own.values() for slider in own}
        self._lists = {key: slider.values for key, slider in self._sliders.items()}
        self._kept: tuple[Any, Any] = None, None
        begin: dict[str, Any] = {
            "gradients": chosen,
            "step_index": at_step - 1,
            "positions": {key: slider.start for key, slider in self._sliders.items()},
            "drawn": [],
        }
        code = f"[{', '.join(program.literal for program in self._programs)}]"
        self._esm = _MODULE.replace(_NO_PROGRAMS, code, 1)
        super().__init__(**begin, plan=self._plan(begin))

    def _plan(self, begin: dict[str, Any]) -> dict[str, Any]:
        both = zip(self.names, self._programs, styles(self.names), strict=True)
        return {
            "sequences": self._sequences,
            "words": {name: WORDS[name] for name in self._choices},
            "steps": len(self._steps),
            "reach": REACH,
            "begins": START,
            "change": CHANGE,
            "decades": DECADES,
            "nudge": NUDGE,
            "methods": [
                {
                    "name": name,
                    "style": style,
                    "settings": program.settings,
                    "sliders": [
                        {
                            "key": s.key,
                            "name": s.name,
                            "title": s.title,
                            "labels": s.labels,
                            "default": s.default,
                        }
                        for s in self._own[name]
                    ],
                    "watched": [asdict(own) for own in _explained(program)],
                }
                for name, program, style in both
            ],
            "start": begin,
        }

    @traitlets.validate("drawn")
    def _is_a_sequence(self, proposal: dict[str, Any]) -> list[float]:
        drawn: list[float] = proposal["value"]
        if len(drawn) not in (0, len(self._steps)):
            raise ValueError(f"drawn must hold {len(self._steps)} gradients, or none, got {len(drawn)}")
        for gradient in drawn:
            check_number("drawn", gradient, low=-REACH, high=REACH)
        return drawn

    @property
    def step(self) -> int:
        """The step that is shown, from 1."""
        return self._steps[self.step_index]

    @property
    def settings(self) -> dict[str, dict[str, float]]:
        """The hyperparameters of each method that have sliders, where they stand."""
        return {
            name: {slider.name: slider.values[self.positions[slider.key]] for slider in own}
            for name, own in self._own.items()
        }

    @property
    def values(self) -> dict[str, dict[str, float]]:
        """What each method computes at the present step, by the names of its rule, and the change Δp."""
        return {name: steps[self.step_index] for name, steps in self._runs().items()}

    def _gradients(self) -> list[float]:
        if self.gradients == DRAWN:
            return self.drawn or [0.0] * len(self._steps)
        return self._sequences[self.gradients]

    def _runs(self) -> dict[str, list[dict[str, float]]]:
        """For each method the values of all steps, which Python has computed with the same rule."""
        gradients, settings = self._gradients(), self.settings
        key = gradients, settings
        if self._kept[0] != key:
            runs = {}
            for method, program in zip(self.methods, self._programs, strict=True):
                told, changes = watch(method, gradients, program.settings | settings[method.name], START)
                names = [own.name for own in program.watched]
                runs[method.name] = [
                    {name: row[name] for name in names if name in row} | {CHANGE: change}
                    for row, change in zip(told, changes, strict=True)
                ]
            self._kept = key, runs  # the sentence and the picture ask for it
        made: dict[str, list[dict[str, float]]] = self._kept[1]
        return made

    def _called(self, name: str) -> str:
        """The method and its rate, and what of it is not the method's own."""
        moved = [
            f"{s.title} {s.labels[self.positions[s.key]]}"
            for s in self._own[name]
            if s.name == "lr" or self.positions[s.key] != s.default
        ]
        return f"{name} at {', '.join(moved)}"

    def describe(self) -> str:
        """The step, its gradient, and what each rule makes of it."""
        parts = [
            f"{self._called(name)}: {', '.join(f'{own} {said(value)}' for own, value in values.items())}"
            for name, values in self.values.items()
        ]
        gradient = said(self._gradients()[self.step_index])
        where = f"Step {self.step} of {len(self._steps)} of {WORDS[self.gradients]}, gradient {gradient}"
        return f"{where}. {'. '.join(parts)}."

    def figure(self) -> Figure:
        """The gradients, the values of each rule at the present step, and the changes of all steps."""
        panels = [self._rows(i) for i in range(len(self.names))]
        room = max(map(len, panels))
        figure = Figure(figsize=(9, 3.2 + 0.34 * room), layout="constrained")
        grid = figure.add_gridspec(3, len(panels), height_ratios=[1, 0.4 + 0.3 * room, 1])
        self._draw_steps(figure.add_subplot(grid[0, :]), "gradient")
        ends = ends_of(v for run in self._runs().values() for values in run for v in values.values())
        for i, (name, style) in enumerate(zip(self.names, styles(self.names), strict=True)):
            draw_panel(figure.add_subplot(grid[1, i]), panels[i], ends, self._called(name), style, room)
        self._draw_steps(figure.add_subplot(grid[2, :]), CHANGE)
        figure.suptitle(f"{WORDS[self.gradients]}, step {self.step}", fontsize=11)
        return figure

    def _rows(self, i: int) -> list[Row]:
        values = self.values[self.names[i]]
        own = _explained(self._programs[i])
        rows = [Row(w.name, w.line if self.step_index else w.first, values.get(w.name)) for w in own]
        return [*rows, Row(CHANGE, "", values[CHANGE])]

    def _draw_steps(self, ax: Axes, what: str) -> None:
        ax.axhline(0, color="black", linewidth=0.6)
        ax.axvline(self.step, color="black", linewidth=0.8)
        if what == "gradient":
            ax.vlines(self._steps, 0, self._gradients(), color="black", linewidth=1)
            ax.plot(self._steps, self._gradients(), "o", color="black", ms=3)
        else:
            for (name, run), style in zip(self._runs().items(), styles(self.names), strict=True):
                looks: Any = {"color": style["colour"] or "black", "linestyle": linestyle(style)}
                marker = MATPLOTLIB_MARKERS[style["marker"]]
                changes = [values[CHANGE] for values in run]
                ax.plot(self._steps, changes, marker=marker, markevery=[self.step_index], label=name, **looks)
            ax.legend(fontsize=8)
            ax.set_xlabel("step")
        ax.set_title(what, fontsize=10, loc="left")
        ax.grid(alpha=0.2)


def _explained(program: Program) -> list[Watched]:
    """The names of a rule, of which the first, the gradient, need not be made by a line of it."""
    given, others = program.watched[:1], program.watched[1:]
    return [*(Watched(w.name, w.first or _GIVEN, w.line or _GIVEN) for w in given), *others]


def _told_apart(methods: tuple[Method, ...]) -> tuple[Method, ...]:
    """The methods, of which the second has another name than the first."""
    if max(Counter(method.name for method in methods).values()) == 1:
        return methods
    first, second = methods
    return first, replace(second, name=f"{second.name} (2)")
