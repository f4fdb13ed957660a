"""A whole slider range as one batch, against torch.optim once for each setting."""

from __future__ import annotations

import inspect
import random
import statistics
import time

import torch

from benchmarks.report import Row, spread
from lwlr_teach.optim import METHODS, Method
from lwlr_teach.problems import find_surface
from lwlr_teach.runs import sweep
from lwlr_teach.views import SIX

RATES = torch.logspace(-4, 0, 101, dtype=torch.float64)
MOMENTA = torch.linspace(0, 0.99, 11, dtype=torch.float64)
STEPS = 300
ROUNDS = 12
SAMPLE = 5  # settings of torch.optim timed in each round
MILLION = 1000  # rates, and as many starts


def synchronised(device: str) -> float:
    """The time, after everything before it is done: a GPU is still at work when a call returns."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def ours() -> None:
    """Every setting at once."""
    sweep("rosenbrock", SIX, lr=RATES, momentum=MOMENTA, steps=STEPS, progress=False)


def theirs(contestant: Method, params: list[torch.Tensor], **chosen: float) -> torch.optim.Optimizer:
    """The optimizer of torch's that does the same; ours have options that torch's do not."""
    made: type[torch.optim.Optimizer] = getattr(torch.optim, contestant.optimizer.__name__)
    known = inspect.signature(made).parameters
    settings = contestant.hyperparameters(**chosen)
    return made(params, **{name: value for name, value in settings.items() if name in known})


def peer(contestant: Method, lr: float, momentum: float) -> None:
    """One setting, as everybody writes it: torch.optim and autograd."""
    surface = find_surface("rosenbrock")
    point = torch.tensor(surface.start, dtype=torch.float64, requires_grad=True)
    optimizer = theirs(contestant, [point], lr=lr, momentum=momentum)
    for _ in range(STEPS):
        optimizer.zero_grad()
        surface.loss(point).backward()
        optimizer.step()


def run() -> list[Row]:
    """Interleaved rounds; the peer's time is that of a random sample, scaled up to all settings."""
    chosen = random.Random(0)
    settings = len(SIX) * len(RATES) * len(MOMENTA)
    ours()  # the first call loads torch's kernels
    mine, others = [], []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        ours()
        mine.append(time.perf_counter() - start)
        for _ in range(SAMPLE):
            name, lr, momentum = chosen.choice(SIX), chosen.choice(RATES), chosen.choice(MOMENTA)
            start = time.perf_counter()
            peer(METHODS[name], lr.item(), momentum.item())
            others.append(settings * (time.perf_counter() - start))
    median, ratio = statistics.median(mine), statistics.median(others) / statistics.median(mine)
    figure = f"sweep of 6 optimizers × {len(RATES)} rates × {len(MOMENTA)} momenta × {STEPS} steps"
    return [
        Row(
            figure=figure,
            ours=spread(mine, "s"),
            peer=f"torch.optim, once a setting: {spread(others, 's')}",
            ratio=f"{ratio:.0f} × faster",
            bound="0.5 s, 50 × faster",
            met=median <= 0.5 and ratio >= 50,
        )
    ]


def on(device: str) -> list[Row]:
    """A million trajectories on a device, and on the CPU in turns with it."""
    lr = torch.logspace(-4, 0, MILLION)
    starts = 2 * torch.rand(MILLION, 2, generator=torch.Generator().manual_seed(0)) - 1  # on the map
    steps = 50

    def all_of_them(where: str) -> float:
        start = synchronised(where)
        how = {"steps": steps, "dtype": torch.float32, "memory_limit": 2.0**32, "progress": False}
        sweep("rosenbrock", ["Adam"], lr=lr, starts=starts, device=where, **how)
        return synchronised(where) - start

    all_of_them(device)  # the first call loads torch's kernels
    mine, others = [], []
    for _ in range(3):
        mine.append(all_of_them(device))
        others.append(all_of_them("cpu"))
    ratio = statistics.median(others) / statistics.median(mine)
    return [
        Row(
            figure=f"sweep of {MILLION * MILLION:,} trajectories of Adam × {steps} steps on {device}",
            ours=spread(mine, "s"),
            peer=f"the same on the CPU, {torch.get_num_threads()} threads: {spread(others, 's')}",
            ratio=f"{ratio:.1f} × faster",
            bound="",
            met=True,
        )
    ]
