"""Values that a view's controls may take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from lwlr_teach.core.checks import check_choice, check_count


def nearest(values: Tensor, wanted: float) -> int:
    """The position on a slider whose value is nearest."""
    return int((values - wanted).abs().argmin())


def check_position(proposal: dict[str, Any], positions: int) -> int:
    """The proposed position of a slider; ValueError when the slider does not have it."""
    value: int = proposal["value"]
    check_count(proposal["trait"].name, value, low=0, high=positions - 1)
    return value


def check_shown(names: Sequence[str], shown: Sequence[str] | None) -> list[str]:
    """The visible methods in the legend's order, all of them by default; ValueError for an unknown name."""
    wanted = (
        names
        if shown is None
        else [check_choice("shown", name, dict(zip(names, names, strict=True))) for name in shown]
    )
    return [name for name in names if name in wanted]
