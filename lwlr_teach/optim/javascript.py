"""The rules in the browser: the whole step of a method, written out as JavaScript for a small parameter.

The optimizer itself takes a step while a :class:`~lwlr_teach.core.javascript.Sheet` notes what becomes of
each number: clip, decay, direction, scale, rate, in the engine's own order. Hyperparameters that are left
free are read from the settings when the program runs; all others are numbers in its text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from lwlr_teach.core.arithmetic import State
from lwlr_teach.core.checks import Number, check_count
from lwlr_teach.core.javascript import NotJavaScript, Sheet, leaves, naming_the_line
from lwlr_teach.core.operations import Operand, Term
from lwlr_teach.optim import engine, names, update
from lwlr_teach.optim.catalogue import Method, method
from lwlr_teach.optim.compiling import as_number
from lwlr_teach.optim.engine import Options
from lwlr_teach.optim.lookahead import Lookahead
from lwlr_teach.optim.names import Seen, Watched, found_numbers, is_single, seeing, with_a_rule
from lwlr_teach.optim.update import state_tensors

_MACHINERY = (__file__, str(engine.__file__), str(names.__file__), str(update.__file__))
_STATE = re.compile(r"\bs\[(\d+)\]")
_NAME = re.compile(r"\bw\[(\w+)\]")
_FOUND = {"lr": "the rate, which the method has moved", "": "found by the method before the step"}
Outputs = dict[str, Operand]
"""What each number becomes: ``p[0]``, ``s[3]``, and ``w[m_hat]`` for a name of the rule's."""


@dataclass(frozen=True)
class Program:
    """A method's step as JavaScript.

    ``text`` is a function ``(p, g, s, h, t) => {…}``, an expression: it can stand in the text of a module, or
    behind ``return`` in ``new Function``. It changes the numbers ``p`` of the parameter and ``s`` of the
    state in place, given the gradient ``g``, the settings ``h`` by name and the step ``t`` = 1, 2, …; before
    step 1, ``s`` must be zeros. ``size`` is how many numbers ``s`` has, and ``settings`` has the free
    hyperparameters, at the values that the method gives them.

    A program that is watched is ``(p, g, s, h, t, w) => {…}``: it also puts the value of each name in
    ``watched`` into ``w``, NaN for one that this step does not come to.
    """

    name: str
    text: str
    size: int
    settings: dict[str, float]
    watched: tuple[Watched, ...] = ()

    @property
    def literal(self) -> str:
        """What the views' modules call a Program, as JavaScript: ``{ size, step }``."""
        return f"{{ size: {self.size}, step: {self.text} }}"


def to_javascript(
    optimizer: str | Method,
    free: Iterable[str] = ("lr",),
    options: Options | None = None,
    size: int = 2,
    watch: bool = False,
) -> Program:
    """Write the step of a method for one parameter of ``size`` numbers.

    ``free`` names the hyperparameters that the program reads from its settings, as a slider would call them:
    ``momentum`` is a method's memory, ``beta1``, ``beta2`` and ``limit`` are known too. The rate always is
    free. ``options`` are the optimizer's: a clip, a scale. As in a batch, what is free is never skipped for
    being 0. With ``watch`` the program of a single number, ``size=1``, tells what the rule computes on its
    way, by the rule's own names, see :mod:`lwlr_teach.optim.names`.

    Raises ValueError for a name that the method does not have, and NotJavaScript, which names the
    line, for a rule, clip or scale that cannot be written.
    """
    chosen = method(optimizer)
    check_count("size", size)
    if watch and size != 1:
        raise ValueError(f"size must be 1 for a program that is watched, got {size}")
    names = ["lr", *(name for name in dict.fromkeys(free) if name != "lr")]
    if unknown := [name for name in names if chosen.target(name) is None]:
        raise ValueError(f"free must name hyperparameters of {chosen.name}, got {unknown[0]!r}")
    settings = {name: chosen.default(name) for name in names}

    def begin(filling: float) -> _Trace:
        try:
            return _Trace(chosen, settings, options, size, filling, watch)
        except TypeError as error:  # what counts, as Lookahead's k, stays a number
            raise ValueError(f"free must name real numbers of {chosen.name}: {error}") from None

    begin(0.5)  # refuses the arguments as the method itself does
    with naming_the_line(chosen.name, _MACHINERY):
        text, other = (
            _text(*(_one_program(begin(filling)) or _two_programs(begin(filling)))) for filling in (0.5, 0.7)
        )
        if text != other:
            raise NotJavaScript(
                "takes a number out of a tensor and makes another tensor of it. Use torch.stack"
            )
        step, state, watched = text
        return Program(chosen.name, step, state, settings, watched)


class _Trace:
    """An optimizer with one parameter, and the sheet on which its steps are noted."""

    def __init__(
        self,
        chosen: Method,
        settings: dict[str, float],
        options: Options | None,
        size: int,
        filling: float,
        watch: bool,
    ) -> None:
        kind: Any = {"dtype": torch.float64, "device": "cpu"}
        numbers = {name: torch.tensor(value, **kind) for name, value in settings.items()}
        self.param, self.grad, self.count = (
            torch.full(shape, filling, **kind) for shape in [(size,), (size,), ()]
        )
        self.outer = chosen([self.param], options, **numbers)
        optimizer = with_a_rule(chosen, self.outer)
        if optimizer.nonfinite != "ignore":
            raise ValueError(f"nonfinite must be 'ignore' in a browser, got {optimizer.nonfinite!r}")
        optimizer.compile = False
        self.optimizer, self.group = optimizer, optimizer.param_groups[0]
        self.param.grad = self.grad
        self.sheet, self.slots = Sheet(), dict[str, int]()
        self.watch = watch
        self.lines: list[dict[str, str]] = []  # of each step: the rule's names, and what they are made by
        self.sheet.name(self.grad, _entries("g", size))
        for name, number in numbers.items():
            self.sheet.name(number, [f"h.{name}"])
        self.sheet.name(self.param, _entries("p", size))

    def start(self) -> None:
        """What is remembered before the first step."""
        with self.sheet, torch.no_grad():
            state = self.optimizer._first_state(self.param, self.group, 0)
            for name in self.optimizer.finds:
                self.group[name] = as_number(self.group[name]).clone()
            if isinstance(self.outer, Lookahead):
                state["slow_param"] = self.param.clone()
        self.optimizer.state[self.param].update(state)

    def state(self) -> State:
        """What is remembered from step to step; what the method finds is remembered, too."""
        state = state_tensors(self.optimizer.state[self.param])
        return state | found_numbers(self.optimizer)

    def name_inputs(self) -> None:
        """From here on, parameter and state are inputs."""
        self.sheet.name(self.param, _entries("p", self.param.numel()))
        for name, value in self.state().items():
            self.sheet.name(value, self.names(name, value))

    def names(self, name: str, value: Tensor) -> list[str]:
        """How the entries of this part of the state are called."""
        if name not in self.slots:
            self.slots[name] = self.slots.setdefault("", 0)
            self.slots[""] += value.numel()
        return [f"s[{self.slots[name] + i}]" for i in range(value.numel())]

    def outputs(self) -> Outputs:
        """What parameter and state are now."""
        parts = [(_entries("p", self.param.numel()), self.param)]
        parts += [(self.names(name, value), value) for name, value in self.state().items()]
        return {
            name: entry
            for names, x in parts
            for name, entry in zip(names, self.sheet.entries(x), strict=True)
        }

    def step(self, since: int | None) -> Outputs:
        """One step, for every count ``since`` there; for None, the first one."""
        if since is not None:
            self.sheet.name_count(self.count, "t", since)
        looking: AbstractContextManager[Seen[Operand]] = nullcontext(Seen())
        if self.watch:
            looking = seeing(type(self.optimizer).rule, self.read)
        with self.sheet, torch.no_grad(), looking as seen:
            self.optimizer.advance(None if since is None else self.count)
        found = found_numbers(self.optimizer) if self.watch else {}
        self.lines.append(seen.lines | {name: _FOUND.get(name, _FOUND[""]) for name in found})
        for name, value in self.optimizer.state[self.param].items():
            if name != "step" and not isinstance(value, Tensor):
                raise NotJavaScript(f"keeps state[{name!r}] = {value!r}, where a tensor is wanted")
        told = seen.values | {name: self.sheet.entries(number)[0] for name, number in found.items()}
        outputs = self.outputs() | {f"w[{name}]": entry for name, entry in told.items()}
        self.name_inputs()
        return outputs

    def read(self, x: Number) -> Operand | None:
        """How a single number is written."""
        if not isinstance(x, Tensor) or not is_single(x):
            return None if isinstance(x, Tensor) else x
        with _disable_current_modes():
            return self.sheet.entries(x)[0]

    def meet(self) -> Outputs:
        """The meeting of Lookahead."""
        assert isinstance(self.outer, Lookahead)
        with self.sheet, torch.no_grad():
            self.outer.meet(self.param)
        return self.outputs()


def _entries(letter: str, size: int) -> list[str]:
    return [f"{letter}[{i}]" for i in range(size)]


def _one_program(trace: _Trace) -> tuple[_Trace, Outputs, Outputs] | None:
    """What the state starts from, and the step; None if the first step is unlike the others."""
    trace.start()
    start = trace.outputs()
    trace.name_inputs()
    try:
        step, again = trace.step(since=1), trace.step(since=1)
    except Exception:  # as for `if step == 1`; what else is wrong will be met again
        return None
    return (trace, {n: start[n] for n in start if n[0] == "s"}, step) if _is_same(step, again) else None


def _two_programs(trace: _Trace) -> tuple[_Trace, Outputs, Outputs]:
    """The first step, and the others."""
    trace.start()
    first, step, again = trace.step(since=None), trace.step(since=2), trace.step(since=2)
    if not _is_same(step, again):
        raise NotJavaScript("goes on changing what it does, or what it remembers, after its second step")
    return trace, first, step


def _is_same(step: Outputs, again: Outputs) -> bool:
    """Whether two steps do the same; what only the second one writes, nobody reads."""
    return all(_key(again.get(name)) == _key(entry) for name, entry in step.items())


def _key(entry: Operand | None) -> object:
    return entry if isinstance(entry, Term) else repr(entry)


def _text(trace: _Trace, first: Outputs, later: Outputs) -> tuple[str, int, tuple[Watched, ...]]:
    """The function, how many numbers of the state it needs, and the names that it tells."""
    watched = tuple(
        own
        for own in _watched(*trace.lines[:2])
        if _moves(f"w[{own.name}]", first) or _moves(f"w[{own.name}]", later)
    )
    begins_anew = "p[0]" not in first
    told: Outputs = {f"w[{own.name}]": math.nan for own in watched}
    later = told | later
    first = first if begins_anew else told | first
    meeting = trace.meet() if isinstance(trace.outer, Lookahead) else {}
    # Of the state, only what becomes part of the parameter, or of what is told, sooner or later.
    wanted = {name for name in later if name[0] == "p" or name in told}
    while True:
        read = leaves([outputs[name] for outputs in (later, meeting) for name in wanted if name in outputs])
        if (read := {name for name in read if name[0] == "s"}) <= wanted:
            break
        wanted |= read
    kept = sorted((name for name in wanted if name[0] == "s"), key=lambda name: int(name[2:-1]))

    def block(outputs: Outputs, omit: object = None) -> str:
        own = [
            (name, entry)
            for name, entry in outputs.items()
            if name in wanted and not (isinstance(entry, Term) and entry.template == name) and entry != omit
        ]
        return trace.sheet.write(own)

    start = block(first, omit=0 if begins_anew else None)
    step = block(later)
    parts = (
        [f"if (t === 1) {{\n{start}\n}}" + (f" else {{\n{step}\n}}" if not begins_anew else "")]
        if start
        else []
    )
    parts += [step] if begins_anew else []
    if isinstance(trace.outer, Lookahead):
        parts.append(f"if (t % {trace.outer.k} === 0) {{\n{block(meeting)}\n}}")
    lines = "\n".join(parts)
    text = _STATE.sub(lambda found: f"s[{kept.index(found[0])}]", lines)
    places = {own.name: i for i, own in enumerate(watched)}
    text = _NAME.sub(lambda found: f"w[{places[found[1]]}]", text)
    return f"(p, g, s, h, t{', w' if trace.watch else ''}) => {{\n{text}\n}}", len(kept), watched


def _moves(name: str, outputs: Outputs) -> bool:
    """Whether a number is another one at another step, or for another gradient."""
    return any(leaf[0] != "h" for leaf in leaves([outputs[name]])) if name in outputs else False


def _watched(first: dict[str, str], later: dict[str, str]) -> tuple[Watched, ...]:
    """The names of the first step and of the later ones, in the order of the rule's text."""
    names = list(later)
    for before, name in zip([None, *first], first, strict=False):
        if name not in later:
            names.insert(names.index(before) + 1 if before else 0, name)
    return tuple(Watched(name, first.get(name), later.get(name)) for name in names)
