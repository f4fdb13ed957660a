"""What a recorder costs: a training step with one beside a training step without."""

from __future__ import annotations

import statistics
import time

import torch
from torch import nn

from benchmarks.report import Row, percentile, spread
from lwlr_teach.optim import Adam
from lwlr_teach.problems import digits, digits_cnn
from lwlr_teach.runs import Minibatches, Recorder

EVERY, BATCH = 10, 64
STEPS = 10  # of one turn, one of which is recorded
ROUNDS = 150
BOUND = 1.10


def turn(model: nn.Module, optimizer: torch.optim.Optimizer, batches: Minibatches) -> float:
    """Seconds for a number of training steps."""
    pairs = [pair for _ in range(STEPS // len(batches) + 1) for pair in batches][:STEPS]
    start = time.perf_counter()
    for x, y in pairs:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return time.perf_counter() - start


def run() -> list[Row]:
    """The two take turns, each first every other time; the ratio is that of the two turns of a round."""
    data = digits()
    models = [digits_cnn(), digits_cnn()]
    optimizers = [Adam(model.parameters(), lr=1e-3) for model in models]
    orders = [Minibatches(data.x_train, data.y_train, BATCH) for _ in models]
    times: list[list[float]] = [[], []]
    with Recorder(models[0], optimizers[0], every=EVERY):
        for round_number in range(ROUNDS + 1):
            for i in (0, 1) if round_number % 2 else (1, 0):
                times[i].append(turn(models[i], optimizers[i], orders[i]))
    recorded, plain = (measured[1:] for measured in times)  # the first turn loads torch's kernels
    ratios = [r / p for r, p in zip(recorded, plain, strict=True)]
    median = statistics.median(ratios)
    ends = f"{percentile(ratios, 0.1):.3f}–{percentile(ratios, 0.9):.3f}"
    return [
        Row(
            figure=f"training step of the digits CNN, recorded every {EVERY} steps",
            ours=spread([t / STEPS for t in recorded], "ms", 1e3),
            peer=f"without a recorder: {spread([t / STEPS for t in plain], 'ms', 1e3)}",
            ratio=f"{median:.3f} ({ends})",
            bound=f"≤ {BOUND:.2f}",
            met=median <= BOUND,
        )
    ]
