"""The names in a rule: what it computes on its way from a gradient to a direction, called as it calls it.

Nothing is written down twice for this: the rule's own frame is looked at when it returns. The lines that it
has passed are known as well, so that of two assignments to a name the one that counted is shown.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from lwlr_teach.core.checks import Number
from lwlr_teach.optim.catalogue import Method
from lwlr_teach.optim.engine import RuleOptimizer
from lwlr_teach.optim.lookahead import Lookahead
from lwlr_teach.optim.update import Rule

T = TypeVar("T")

DIRECTION, RETURNED = "direction", "returned"
"""What a rule returns, and what that is called where the rule calls something else its direction."""


@dataclass(frozen=True)
class Watched:
    """A name of a rule, and the statement that gives it its value, in one line.

    ``first`` is the statement at step 1 and ``line`` that at all later steps; None where the rule does not
    come to the name, and empty where its text cannot be had, or the name is an argument.
    """

    name: str
    first: str | None
    line: str | None


@dataclass
class Seen(Generic[T]):
    """What a rule had computed when it last returned, in the order of its text."""

    values: dict[str, T] = field(default_factory=dict)
    lines: dict[str, str] = field(default_factory=dict)
    passed: list[str] = field(default_factory=list)
    """Every statement on the way, also one whose name was given another value later."""
    known: dict[str, Any] = field(default_factory=dict)
    """What the rule's names stood for when it returned, its arguments and its module's names included."""


@contextmanager
def seeing(rule: Rule, read: Callable[[Number], T | None]) -> Iterator[Seen[T]]:
    """Look at every call of ``rule`` in this block.

    ``read`` says what is kept of a tensor or a number, None for what is not worth a look. What the rule was
    given is left out, but for the gradient: as the rule sees it, after clip and decay.
    """
    code = getattr(inspect.unwrap(rule), "__code__", None)
    seen, passed, made = Seen[T](), set[int](), _made_in(code)
    before = sys.gettrace()

    def called(frame: FrameType, event: str, given: Any) -> Any:
        if frame.f_code is not code:
            return None
        passed.clear()
        return within

    def within(frame: FrameType, event: str, given: Any) -> Any:
        if event == "line":
            passed.add(frame.f_lineno)
        elif event == "return" and isinstance(given, tuple) and given:
            seen.passed = [text for numbers, _, text in made if passed.intersection(numbers)]
            seen.known = frame.f_globals | frame.f_locals
            _look(frame, given[0], _lines(made, passed), read, seen)
        return within

    sys.settrace(called)
    try:
        yield seen
    finally:
        sys.settrace(before)  # of a debugger, or of what measures coverage


def _look(
    frame: FrameType, returned: Any, lines: dict[str, str], read: Callable[[Number], T | None], seen: Seen[T]
) -> None:
    code, known = frame.f_code, dict(frame.f_locals)
    arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    names = [*arguments[:1], *lines, *known]  # without the text, in Python's order
    last = DIRECTION if known.get(DIRECTION, returned) is returned else RETURNED
    known[last] = returned
    lines[last] = lines.get(last, lines.get("return", ""))
    names = [n for n in dict.fromkeys(names) if n != last and n not in arguments[1:]] + [last]
    seen.values.clear()
    seen.lines.clear()
    for name in names:
        value: Any = known.get(name)
        is_number = isinstance(value, Tensor | int | float) and not isinstance(value, bool)
        found = read(value) if is_number else None
        if found is not None:
            seen.values[name], seen.lines[name] = found, lines.get(name, "")


def _lines(made: Sequence[_Made], passed: set[int]) -> dict[str, str]:
    """The last statement that gave each name its value, in the order of the text."""
    found: dict[str, str] = {}
    for numbers, names, text in made:
        if passed.intersection(numbers):
            found |= dict.fromkeys(names, text)
    return found


class _Made(NamedTuple):
    """A statement: its lines in the file, what gets a value by it, and the statement in one line."""

    numbers: range
    names: list[str]
    text: str


def _made_in(code: CodeType | None) -> list[_Made]:
    """The statements of a function, and what it returns as ``return``; none without a text."""
    try:
        source = textwrap.dedent(inspect.getsource(code)) if code else ""
        (function,) = ast.parse(source).body
    except (OSError, TypeError, SyntaxError, ValueError):
        return []
    assert code is not None
    found = []
    for statement in _statements(function):
        first = code.co_firstlineno - 1
        numbers = range(first + statement.lineno, first + (statement.end_lineno or statement.lineno) + 1)
        names = [
            n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        ]
        is_end = isinstance(statement, ast.Return)
        found.append(_Made(numbers, ["return"] if is_end else names, _one_line(source, statement)))
    return found


def _statements(node: ast.AST) -> Iterator[ast.stmt]:
    """The statements below a function that hold no others, in their order; not those of a function in it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(child, ast.stmt) and not hasattr(child, "body"):
            yield child
        else:
            yield from _statements(child)


def _one_line(source: str, statement: ast.stmt) -> str:
    text = ast.get_source_segment(source, statement) or ""
    if "\n" not in text:
        return text
    if "#" in text:  # a comment would swallow the rest
        return ast.unparse(statement)
    for bracket, other in [("( ", "("), ("[ ", "["), (", )", ")"), (", ]", "]"), (" )", ")"), (" ]", "]")]:
        text = " ".join(text.split()).replace(bracket, other)
    return text


def found_numbers(optimizer: RuleOptimizer) -> dict[str, Any]:
    """What a method finds for itself, as SGDHD its rate; its rule does not make it."""
    return {name: optimizer.param_groups[0][name] for name in optimizer.finds}


def is_single(x: Number) -> bool:
    """Whether this is one number, and no flag."""
    return not isinstance(x, Tensor) or (x.numel() == 1 and x.dtype != torch.bool)


def with_a_rule(method: Method, optimizer: torch.optim.Optimizer) -> RuleOptimizer:
    """The optimizer that has the rule: that within Lookahead, or the optimizer itself; ValueError if none."""
    own = optimizer.optimizer if isinstance(optimizer, Lookahead) else optimizer
    if not isinstance(own, RuleOptimizer):
        raise ValueError(
            f"optimizer must make a RuleOptimizer, or Lookahead around one, got {method.name}, which makes "
            f"{type(own).__name__}"
        )
    return own


def watch(
    method: Method, gradients: Sequence[float], settings: Mapping[str, float], start: float = 1.0
) -> tuple[list[dict[str, float]], list[float]]:
    """Let a method move a parameter of one number, which begins at ``start``, by these gradients.

    Returns, for every step, the values of the rule's names that are single numbers, with ``lr`` for a rate
    that the method finds, and by how much the parameter has changed. As in a batch, a hyperparameter of the
    ``settings`` is never skipped for being 0.
    """
    kind: Any = {"dtype": torch.float64, "device": "cpu"}
    param = torch.full((1,), start, **kind)
    optimizer = method([param], **{name: torch.tensor(value, **kind) for name, value in settings.items()})
    own = with_a_rule(method, optimizer)
    values, changes = [], []
    with torch.no_grad(), seeing(type(own).rule, lambda x: float(x) if is_single(x) else None) as seen:
        for gradient in gradients:
            before = param.item()
            param.grad = torch.full((1,), gradient, **kind)
            optimizer.step()
            values.append(seen.values | {name: float(number) for name, number in found_numbers(own).items()})
            changes.append(param.item() - before)
    return values, changes
