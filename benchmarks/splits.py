"""All splits of all budgets at every step, against descent with the matrices themselves."""

from __future__ import annotations

import statistics
import time

from benchmarks.report import Row, spread
from lwlr_teach.core.threads import one_thread
from lwlr_teach.problems import descend, linear_network
from lwlr_teach.studies.splits import STARTS, STEPS, split_losses

SETTINGS = [(layers, start) for layers in (2, 3) for start in STARTS]
ROUNDS = 5
# Of the peer one split and two steps are measured; a setting has so many times more.
SPLITS, PEER_STEPS = 15 * 41, 2


def ours(layers: int, start: str) -> float:
    begin = time.perf_counter()
    split_losses.__wrapped__(layers, 1000, "exact", start)
    return time.perf_counter() - begin


def peer() -> float:
    """One split of two layers of width 1,000, scaled up."""
    network = linear_network(1000)
    with one_thread():
        begin = time.perf_counter()
        descend(network, 1e4, 2e4, steps=PEER_STEPS)
        return (time.perf_counter() - begin) * SPLITS * STEPS[-1] / PEER_STEPS


def run() -> list[Row]:
    """Interleaved rounds; the slowest of the settings counts."""
    for setting in SETTINGS:
        ours(*setting)  # loads torch's kernels
    mine: dict[tuple[int, str], list[float]] = {setting: [] for setting in SETTINGS}
    theirs = []
    for _ in range(ROUNDS):
        for setting in SETTINGS:
            mine[setting].append(ours(*setting))
        theirs.append(peer())
    slowest = max(mine.values(), key=statistics.median)
    ratio = statistics.median(theirs) / statistics.median(slowest)
    return [
        Row(
            figure="every split of 15 budgets at every step to 512, slowest of four linear networks",
            ours=spread(slowest, "s"),
            peer=f"width 1,000 with matrices, one split at a time: {spread(theirs, 'h', 1 / 3600)}",
            ratio=f"{ratio:.0f} × faster",
            bound="0.5 s",
            met=statistics.median(slowest) <= 0.5,
        )
    ]
