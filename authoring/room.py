"""How much room a claim has: the smallest relative distance between two numbers that its condition compares.

A kernel that loads this module notes each claim: whether it held, and with how much room. For that the
condition of every ``claim(sentence, condition)`` is rewritten before a cell runs, so that each comparison in
it, ``worst < 2 * best`` or ``all(x > 0.9 for x in right)``, says how far apart its sides are.
"""

from __future__ import annotations

import ast
import json
import math
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_COMPARE = "_lwlr_compare"
_ORDERS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_rooms: list[float] = []


class Measured(ast.NodeTransformer):
    """Rewrites the comparisons of size in the conditions of claims."""

    _inside = False

    def visit_Call(self, node: ast.Call) -> ast.AST:
        outermost = isinstance(node.func, ast.Name) and node.func.id == "claim" and not self._inside
        self._inside |= outermost
        self.generic_visit(node)
        self._inside &= not outermost
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        if not self._inside or not all(type(op) in _ORDERS for op in node.ops):
            return node
        signs = ast.Tuple([ast.Constant(type(op).__name__) for op in node.ops], ast.Load())
        call = ast.Call(ast.Name(_COMPARE, ast.Load()), [signs, node.left, *node.comparators], [])
        return ast.copy_location(call, node)


def compare(signs: tuple[str, ...], *values: Any) -> Any:
    """``values[0] < values[1] ≤ …``; notes how far apart they are."""
    holds: Any = True
    for sign, left, right in zip(signs, values, values[1:], strict=False):
        holds = _ORDERS[getattr(ast, sign)](left, right)
        _rooms.append(_distance(left, right))
        if not isinstance(holds, Tensor) and not holds:
            break
    return holds


def _distance(left: Any, right: Any) -> float:
    """|a − b| over the larger of the two; the smallest of all entries; infinite for what is no number."""
    try:
        a, b = (torch.as_tensor(side, dtype=torch.float64) for side in (left, right))
    except (TypeError, ValueError, RuntimeError):
        return math.inf
    apart = ((a - b).abs() / torch.maximum(a.abs(), b.abs())).nan_to_num(nan=math.inf)
    return apart.min().item() if apart.numel() else math.inf


def note_claims(shell: Any, file: Path) -> None:
    """Let each claim of this kernel be noted: a line of JSON with ``sentence``, ``holds`` and ``room``."""
    from lwlr_teach import teaching

    claim = teaching.claim

    def noted(sentence: str, holds: object) -> None:
        room, held = min(_rooms, default=math.inf), bool(holds)
        _rooms.clear()
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({"sentence": sentence, "holds": held, "room": room}) + "\n")
        claim(sentence, held)

    teaching.claim = noted
    shell.user_ns[_COMPARE] = compare
    shell.ast_transformers.append(Measured())
