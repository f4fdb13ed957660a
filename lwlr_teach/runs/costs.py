"""What something costs: how many operations it starts, and how much longer it takes than something else."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from lwlr_teach.core.checks import check_count


class _Counter(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


def operations(run: Callable[[], object]) -> int:
    """How many operations of torch ``run()`` starts.

    An operation on a list of tensors, as ``foreach`` and ``fused`` optimizers use, counts as one.
    """
    with _Counter() as counter:
        run()
    return counter.count


def time_ratios(
    run: Callable[[], object], than: Callable[[], object], *, rounds: int = 15, repeats: int = 10
) -> Tensor:
    """How many times as long ``run()`` takes as ``than()``: a ratio for each round, (round,).

    In a round both are called ``repeats`` times, one right after the other, in an order that changes from
    round to round: whatever else the machine does falls on both. Take the median, and look at the spread.
    """
    check_count("rounds", rounds)
    check_count("repeats", repeats)
    for warm in (run, than):
        warm()
    ratios = []
    for number in range(rounds):
        pair = (run, than) if number % 2 else (than, run)
        seconds = {which: _seconds(which, repeats) for which in pair}
        ratios.append(seconds[run] / seconds[than])
    return torch.tensor(ratios, dtype=torch.float64)


def _seconds(run: Callable[[], object], repeats: int) -> float:
    begin = time.perf_counter()
    for _ in range(repeats):
        run()
    return time.perf_counter() - begin
