"""How JavaScript writes what torch does with one entry of a tensor.

Each operation of torch's has its line here; :mod:`lwlr_teach.core.javascript` asks for it, entry by entry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Protocol


@dataclass(eq=False, frozen=True, slots=True)
class Term:
    """An expression: a template of JavaScript with operands in it. A leaf, as ``p[0]``, has none."""

    template: str
    args: tuple[Operand, ...] = ()


Operand = Term | float | bool
"""How one entry of a tensor is written; a number that is known stays one."""


class Sheet(Protocol):
    """Where expressions are noted."""

    def term(self, template: str, *args: Operand) -> Term:
        """The expression; the same one is made once."""
        ...

    def compare(self, sign: str, a: Operand, b: Operand) -> Operand:
        """A comparison, or what is known of it."""
        ...


Operation = Callable[..., Operand]


def _written(template: str) -> Operation:
    return lambda sheet, *args: sheet.term(template, *args)


def _compared(sign: str) -> Operation:
    return lambda sheet, a, b: sheet.compare(sign, a, b)


def _times(sheet: Sheet, factor: Operand, x: Operand) -> Operand:
    return x if not isinstance(factor, Term) and factor == 1 else sheet.term("{} * {}", factor, x)


def _add(sheet: Sheet, a: Operand, b: Operand, alpha: Operand = 1) -> Operand:
    return sheet.term("{} + {}", a, _times(sheet, alpha, b))


def _sub(sheet: Sheet, a: Operand, b: Operand, alpha: Operand = 1) -> Operand:
    return sheet.term("{} - {}", a, _times(sheet, alpha, b))


def _rsub(sheet: Sheet, a: Operand, b: Operand, alpha: Operand = 1) -> Operand:
    return _sub(sheet, b, a, alpha)


def _lerp(sheet: Sheet, old: Operand, new: Operand, weight: Operand) -> Operand:
    """torch begins at the nearer end."""
    way = sheet.term("{} - {}", new, old)
    if not isinstance(weight, Term):
        near = abs(weight) < 0.5
        return _from_old(sheet, old, way, weight) if near else _from_new(sheet, new, way, weight)
    near_old = sheet.term("{} < 0.5", sheet.term("Math.abs({})", weight))
    return _where(sheet, near_old, _from_old(sheet, old, way, weight), _from_new(sheet, new, way, weight))


def _from_old(sheet: Sheet, old: Operand, way: Operand, weight: Operand) -> Operand:
    return sheet.term("{} + {}", old, sheet.term("{} * {}", weight, way))


def _from_new(sheet: Sheet, new: Operand, way: Operand, weight: Operand) -> Operand:
    rest = sheet.term("1 - {}", weight) if isinstance(weight, Term) else 1 - weight
    return sheet.term("{} - {}", new, sheet.term("{} * {}", way, rest))


def _where(sheet: Sheet, condition: Operand, yes: Operand, no: Operand) -> Operand:
    if not isinstance(condition, Term):
        return yes if condition else no
    return sheet.term("{} ? {} : {}", condition, yes, no)


# torch takes these powers apart, and the others from the library of the machine.
_POWERS = {-1: "1 / {0}", -2: "1 / ({0} * {0})", 0.5: "Math.sqrt({0})", -0.5: "1 / Math.sqrt({0})"}
_POWERS |= {2: "{0} * {0}", 3: "{0} * {0} * {0}"}


def _pow(sheet: Sheet, base: Operand, exponent: Operand) -> Operand:
    if not isinstance(exponent, Term):
        if exponent == 0:
            return 1.0
        if exponent == 1:
            return base
        if exponent in _POWERS:
            return sheet.term(_POWERS[exponent], base)
    return sheet.term("Math.pow({}, {})", base, exponent)


def _clamp(sheet: Sheet, x: Operand, min: Operand | None = None, max: Operand | None = None) -> Operand:
    x = x if min is None else sheet.term("Math.max({}, {})", x, min)
    return x if max is None else sheet.term("Math.min({}, {})", x, max)


def _remainder(sheet: Sheet, a: Operand, b: Operand) -> Operand:
    """With the sign of b, where JavaScript's has that of a."""
    rest = sheet.term("{} % {}", a, b)
    is_other = sheet.term("{0} && ({0} < 0) !== ({1} < 0)", rest, b)
    return _where(sheet, is_other, sheet.term("{} + {}", rest, b), rest)


def _addcmul(sheet: Sheet, x: Operand, a: Operand, b: Operand, value: Operand = 1) -> Operand:
    return sheet.term("{} + {}", x, sheet.term("{} * {}", _times(sheet, value, a), b))


def _addcdiv(sheet: Sheet, x: Operand, a: Operand, b: Operand, value: Operand = 1) -> Operand:
    return sheet.term("{} + {}", x, sheet.term("{} / {}", _times(sheet, value, a), b))


OPERATIONS: dict[str, Operation] = {
    "add": _add,
    "sub": _sub,
    "rsub": _rsub,
    "mul": _written("{} * {}"),
    "div": _written("{} / {}"),
    "neg": _written("-{}"),
    "reciprocal": _written("1 / {}"),
    "sqrt": _written("Math.sqrt({})"),
    "rsqrt": _written("1 / Math.sqrt({})"),
    "pow": _pow,
    "abs": _written("Math.abs({})"),
    "sign": _written("({0} > 0) - ({0} < 0)"),
    "floor": _written("Math.floor({})"),
    "ceil": _written("Math.ceil({})"),
    "remainder": _remainder,
    "lerp": _lerp,
    "addcmul": _addcmul,
    "addcdiv": _addcdiv,
    "maximum": _written("Math.max({}, {})"),
    "minimum": _written("Math.min({}, {})"),
    "clamp": _clamp,
    "clamp_min": lambda sheet, x, low: _clamp(sheet, x, low),
    "clamp_max": lambda sheet, x, high: _clamp(sheet, x, None, high),
    "relu": lambda sheet, x: _clamp(sheet, x, 0),
    "where": _where,
    "gt": _compared(">"),
    "ge": _compared(">="),
    "lt": _compared("<"),
    "le": _compared("<="),
    "eq": _compared("==="),
    "ne": _compared("!=="),
    "bitwise_and": _written("{} && {}"),
    "bitwise_or": _written("{} || {}"),
    "bitwise_not": _written("!{}"),
    "logical_and": _written("{} && {}"),
    "logical_or": _written("{} || {}"),
    "logical_not": _written("!{}"),
    "exp": _written("Math.exp({})"),
    "expm1": _written("Math.expm1({})"),
    "log": _written("Math.log({})"),
    "log1p": _written("Math.log1p({})"),
    "sigmoid": _written("1 / (1 + Math.exp(-{}))"),
    "tanh": _written("Math.tanh({})"),
    "sin": _written("Math.sin({})"),
    "cos": _written("Math.cos({})"),
    "atan2": _written("Math.atan2({}, {})"),
    "logaddexp": _written("Math.max({0}, {1}) + Math.log1p(Math.exp(-Math.abs({0} - {1})))"),
    "copy": lambda sheet, old, new, non_blocking=False: new,
    "fill": lambda sheet, old, new: new,
    "zero": lambda sheet, old: 0.0,
}


def _sum(sheet: Sheet, row: list[Operand]) -> Operand:
    return reduce(lambda a, b: sheet.term("{} + {}", a, b), row) if row else 0.0


def _norm(sheet: Sheet, row: list[Operand]) -> Operand:
    if len(row) == 1:
        return sheet.term("Math.abs({})", row[0])
    return sheet.term("Math.sqrt({})", _sum(sheet, [sheet.term("{0} * {0}", x) for x in row]))


REDUCTIONS: dict[str, Callable[[Sheet, list[Operand]], Operand]] = {
    "sum": _sum,
    "mean": lambda sheet, row: sheet.term("{} / {}", _sum(sheet, row), len(row)),
    "linalg_vector_norm": _norm,
    "amax": lambda sheet, row: reduce(lambda a, b: sheet.term("Math.max({}, {})", a, b), row),
    "amin": lambda sheet, row: reduce(lambda a, b: sheet.term("Math.min({}, {})", a, b), row),
}
