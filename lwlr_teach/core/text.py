"""Numbers and tables as text. ``short``, ``label`` and ``percent`` of views/kit/text.js write the same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any


def short(value: float) -> str:
    """Two significant digits: 0.035, 12, 1.2e−7."""
    if not math.isfinite(value):
        return "∞"
    if value == 0:
        return "0"
    rounded = Context(prec=2, rounding=ROUND_HALF_UP).create_decimal(value)
    if -4 <= rounded.adjusted() < 5:
        text = f"{rounded:.6f}".rstrip("0").rstrip(".")
    else:
        text = f"{rounded:.1e}".replace("e+", "e")
    return text.replace("-", "−")


def fixed(value: float, places: int) -> str:
    """So many digits after the point, as JavaScript's ``toFixed`` writes them: a tie goes away from zero."""
    return str(Decimal(value + 0.0).quantize(Decimal(10) ** -places, ROUND_HALF_UP))  # −0 is 0


def label(value: float) -> str:
    """Three significant digits, as on a slider: 0.0126, 1e-05; whole numbers below 100,000 in full."""
    if abs(value) < 1e5 and value == int(value):
        return str(int(value))
    text = f"{value:.3g}"
    return f"{float(text):.0f}" if 1000 <= abs(float(text)) < 1e5 else text


def percent(share: float) -> str:
    """A share in whole percent; a half goes up."""
    return f"{math.floor(100 * share + 0.5)}%"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of equal length under one another, each column as wide as its longest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def brief(result: Any) -> str:
    """A dataclass in a line, as its ``__repr__``: of tensors the shape, of long lists the length."""
    said = (f"{field.name}={_brief(getattr(result, field.name))}" for field in fields(result))
    return f"{type(result).__name__}({', '.join(said)})"


def _brief(value: Any) -> str:
    shape = getattr(value, "shape", None)
    if shape is not None:
        return f"{type(value).__name__.lower()} {tuple(shape)}"
    if isinstance(value, list | tuple | dict) and len(repr(value)) > 60:
        return f"{len(value)} in a {type(value).__name__}"
    return repr(value)
