"""A fair race as batched ensembles, against the same trainings one at a time with torch.optim."""

from __future__ import annotations

import random
import statistics
import time

import torch

from benchmarks.report import Row, spread
from benchmarks.sweep import theirs
from lwlr_teach.core.threads import one_thread
from lwlr_teach.optim import METHODS, Method
from lwlr_teach.problems import Task, digits_task, mlp
from lwlr_teach.runs.races import VALIDATION, race

# All of them are in torch.optim.
NAMES = [
    *("SGD", "Momentum", "Nesterov", "Adagrad", "RMSprop"),
    *("Adadelta", "Adam", "AMSGrad", "AdamW", "RAdam"),
]
RATES = torch.logspace(-4, 1, 21)
CHOOSERS, JUDGES, STEPS, CHECKPOINTS = 3, 2, 300, 20
SEEDS = CHOOSERS + JUDGES
ROUNDS = 3


def _race(steps: int, checkpoints: int) -> None:
    how = {"seeds": JUDGES, "choosers": CHOOSERS, "steps": steps, "checkpoints": checkpoints}
    race(NAMES, lr=RATES, progress=False, **how)


def ours() -> None:
    """The whole race."""
    _race(STEPS, CHECKPOINTS)


def peer(contestant: Method, lr: float, seed: int, task: Task) -> None:
    """One of its trainings, as everybody writes it, judged as often."""
    d, images = task.data, task.valid
    assert images is not None
    params = [p[seed].clone().requires_grad_() for p in task.first]
    optimizer = theirs(contestant, params, lr=lr)
    for step, batch in enumerate(task.batches[:, seed], start=1):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(mlp(params, d.x_train[batch]), d.y_train[batch]).backward()
        optimizer.step()
        if step % (STEPS // CHECKPOINTS) == 0:
            with torch.no_grad():
                for x, y in (images, (d.x_test, d.y_test)):
                    logits = mlp(params, x)
                    torch.nn.functional.cross_entropy(logits, y).item()
                    (logits.argmax(-1) == y).float().mean().item()


def run() -> list[Row]:
    """Interleaved rounds; the peer's time is that of a random sample, scaled up to all trainings."""
    chosen = random.Random(0)
    trainings = len(NAMES) * len(RATES) * SEEDS
    task = digits_task(seeds=SEEDS, steps=STEPS, valid=VALIDATION)
    _race(2, 1)  # loads torch's kernels
    mine, others = [], []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        ours()
        mine.append(time.perf_counter() - start)
        with one_thread():  # more threads are slower for a network this small
            start = time.perf_counter()
            for name in NAMES:
                peer(METHODS[name], chosen.choice(RATES).item(), chosen.randrange(SEEDS), task)
            others.append(trainings / len(NAMES) * (time.perf_counter() - start))
    median, ratio = statistics.median(mine), statistics.median(others) / statistics.median(mine)
    figure = (
        f"race of {len(NAMES)} optimizers × {len(RATES)} rates × {SEEDS} seeds × {STEPS} steps on the digits"
    )
    return [
        Row(
            figure=figure,
            ours=spread(mine, "s"),
            peer=f"torch.optim, one training at a time: {spread(others, 's')}",
            ratio=f"{ratio:.0f} × faster",
            bound="20 s",
            met=median <= 20,
        )
    ]
