"""Steps to a target against the size of the batch, each method at its own best rate; and the noise scale.

McCandlish et al. (2018): where a batch is small, twice the batch halves the steps, where it is large it saves
nothing, and in between steps = steps_min · (1 + critical / batch).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.func import grad, vmap

from lwlr_teach.core.checks import check_number, check_rising
from lwlr_teach.core.progress import progress_bar
from lwlr_teach.core.threads import one_thread
from lwlr_teach.optim.catalogue import METHODS, Method, method
from lwlr_teach.problems.data import Digits
from lwlr_teach.problems.mnist_1d import signals
from lwlr_teach.problems.models import cross_entropy
from lwlr_teach.problems.tasks import Task, digits_task
from lwlr_teach.runs.fleet import Fleet
from lwlr_teach.runs.processes import across, fit_across
from lwlr_teach.runs.training import Minibatches
from lwlr_teach.schedules import Warmup

TARGET = 1.2
"""The loss to be reached, on samples that are never trained on; guessing among ten has 2.3."""
SAMPLES = 4**7
BATCHES = tuple(4**k for k in range(2, 8))
WARM_UP = 20
"""Steps of the warm-up."""

# LARS with the coefficient 1, so that its rate is a share.
CONTESTANTS: tuple[Method, ...] = (
    METHODS["Momentum"],
    replace(METHODS["LARS"], settings={"trust_coefficient": 1.0}),
    METHODS["Adam"],
    METHODS["LAMB"],
)
# Powers of 2 at which each one's rates begin, for each of the batches: seven rates, for the last batch five.
_LOWEST = {
    "Momentum": (-8, -7, -6, -4, -4, -3),
    "LARS": (-12, -11, -10, -9, -9, -8),
    "Adam": (-10, -9, -8, -8, -8, -7),
    "LAMB": (-11, -10, -9, -8, -8, -7),
}
_STORED = Path(__file__).with_name("large_batch.json")


@dataclass(frozen=True)
class Scaling:
    """Steps to the target for one method, at each batch size and each rate.

    ``steps`` (batch, rate) is the median over the seeds; infinite for a rate that needs more than about 1.5
    times the steps of the best one, or that never arrives, and nan for one that was not tried.
    """

    method: str
    warm_up: int
    batches: tuple[int, ...]
    lr: Tensor
    steps: Tensor

    @property
    def best_steps(self) -> Tensor:
        """Steps of the rate that arrives first: (batch,)."""
        return self.steps.nan_to_num(nan=torch.inf, posinf=torch.inf).amin(-1)

    @property
    def best_lr(self) -> Tensor:
        """That rate: (batch,)."""
        return self.lr[self.steps.nan_to_num(nan=torch.inf, posinf=torch.inf).argmin(-1)]

    def by_rule(self, power: float) -> Tensor:
        """Steps at the rates that a rule asks for, (batch,): the best rate of the smallest batch, times the
        ratio of the batches to this power. The nearest rate of the grid is taken; nan if none is near."""
        batches = torch.tensor(self.batches, dtype=torch.float64)
        wanted = self.best_lr[0] * (batches / batches[0]) ** power
        apart = (self.lr.log2() - wanted[:, None].log2()).abs()
        found = self.steps.gather(1, apart.argmin(1, keepdim=True)).squeeze(1)
        return torch.where(apart.amin(1) > 0.6, torch.nan, found)


def train_to_target(
    optimizer: str | Method,
    batch_size: int,
    lr: Sequence[float] | Tensor,
    *,
    target: float = TARGET,
    warm_up: int = 0,
    seeds: int = 3,
    patience: float = 1.5,
    most: int | None = None,
    hidden: Sequence[int] = (32, 32),
    data: Digits | None = None,
) -> Tensor:
    """Steps until the loss on ``data``'s test samples is at the target, for each rate and seed: (rate, seed).

    It ends when a rate has arrived from most of its seeds and ``patience`` times as many steps have been
    taken, or after ``most`` steps; what has not arrived by then is infinite. The loss is looked at about
    every twentieth part of the way, and steps are interpolated in between.
    """
    check_number("target", target, low=0)
    check_number("patience", patience, low=1)
    rates = torch.as_tensor(lr, dtype=torch.float32)
    check_rising("lr", rates)
    data = data or signals(train=SAMPLES)
    most = most or max(300, min(8_000, 4_000_000 // batch_size))
    task = digits_task(data, seeds=seeds, steps=most, batch_size=batch_size, hidden=hidden)
    schedule = Warmup(warm_up, start_factor=1 / warm_up) if warm_up else None
    with one_thread():
        fleet = Fleet(method(optimizer), rates, task, schedules=schedule)
        return _to_target(fleet, target, patience, most)


def _to_target(fleet: Fleet, target: float, patience: float, most: int) -> Tensor:
    data = fleet.task.data
    before, _ = fleet.score(data.x_test, data.y_test)
    arrived, end = torch.full_like(before, torch.inf), float(most)
    while fleet.step < min(end, most):
        begin = fleet.step
        fleet.train(min(max(1, begin // 20), most - begin))
        loss, _ = fleet.score(data.x_test, data.y_test)
        share = ((before - target) / (before - loss)).clamp(0, 1)
        now = torch.where(loss <= target, begin + share * (fleet.step - begin), torch.inf)
        arrived, before = arrived.minimum(now), loss
        first = arrived.median(-1).values.min().item()
        end = patience * first
    return arrived


def scaling(
    optimizer: str | Method,
    rates: Mapping[int, Sequence[float] | Tensor],
    *,
    target: float = TARGET,
    warm_up: int = 0,
    seeds: int = 3,
    patience: float = 1.5,
    data: Digits | None = None,
    progress: bool = True,
) -> Scaling:
    """Train a small network on :func:`~lwlr_teach.problems.mnist_1d.signals` to the target, with batches of
    each size at each of the ``rates`` for that size; see :func:`train_to_target`."""
    contestant = method(optimizer)
    check_rising("batches", torch.tensor([*rates], dtype=torch.float64))
    tried = {batch: torch.as_tensor(lr, dtype=torch.float32) for batch, lr in rates.items()}
    together = torch.cat([*tried.values()]).unique()
    data = data or signals(train=SAMPLES)
    steps = torch.full((len(tried), len(together)), torch.nan, dtype=torch.float64)
    with progress_bar("batches", len(tried), shown=progress) as bar:
        for row, (batch, lr) in zip(steps, tried.items(), strict=True):
            found = train_to_target(
                contestant,
                batch,
                lr,
                target=target,
                warm_up=warm_up,
                seeds=seeds,
                patience=patience,
                data=data,
            )
            row[torch.searchsorted(together, lr)] = found.median(-1).values.double()
            bar.update()
    return Scaling(contestant.name, warm_up, tuple(tried), together, steps)


def fit_critical(batches: Sequence[float] | Tensor, steps: Sequence[float] | Tensor) -> tuple[float, float]:
    """The two numbers of steps = steps_min · (1 + critical / batch) that fit best, in proportion."""
    sizes, measured = (torch.as_tensor(values, dtype=torch.float64) for values in (batches, steps))
    candidates = torch.logspace(-2, 7, 9001, dtype=torch.float64)[:, None]
    rest = measured.log() - torch.log1p(candidates / sizes)
    best = rest.var(1, correction=0).argmin()
    return math.exp(rest[best].mean()), candidates[best].item()


def noise_scale(task: Task, params: Sequence[Tensor], samples: int = 4096) -> Tensor:
    """tr Σ / |g|² for each of the networks ``params`` (network, …), without bias: (network,).

    g is the mean gradient and Σ the covariance of single samples' gradients, of the first so many training
    samples. It is McCandlish et al.'s (2018) B_simple: the batch at which the noise in a gradient is as long
    as the gradient.
    """
    x, y = task.data.x_train[:samples], task.data.y_train[:samples]

    def loss(weights: list[Tensor], image: Tensor, label: Tensor) -> Tensor:
        return cross_entropy(task.forward(weights, image[None]), label[None])

    each = vmap(grad(loss), in_dims=(None, 0, 0))
    scales = []
    with one_thread():
        for network in zip(*params, strict=True):
            squares, mean = 0.0, [torch.zeros_like(p) for p in network]
            for images, labels in zip(x.split(512), y.split(512), strict=True):
                for total, own in zip(mean, each(list(network), images, labels), strict=True):
                    squares += own.square().sum().item()
                    total += own.sum(0) / len(x)
            length = sum(g.square().sum().item() for g in mean)
            trace = (squares - len(x) * length) / (len(x) - 1)
            scales.append(trace / (length - trace / len(x)))
    return torch.tensor(scales)


def noise_on_the_way(
    begin: float = 2.2,
    target: float = TARGET,
    *,
    batch_size: int = 256,
    lr: float = 2.0**-3,
    seeds: int = 3,
    parts: int = 4,
) -> tuple[Tensor, Tensor]:
    """Losses on the way of Momentum, from ``begin`` to the target, and the median noise scale of the
    seeds at each: (part + 1,) both."""
    task = digits_task(
        signals(train=SAMPLES), seeds=seeds, steps=1000, batch_size=batch_size, hidden=(32, 32)
    )
    scales, marks = [], torch.linspace(begin, target, parts + 1)
    with one_thread():
        fleet = Fleet(METHODS["Momentum"], torch.tensor([lr]), task)
        for mark in marks:
            loss, _ = fleet.score(task.data.x_test, task.data.y_test)
            while loss.median() > mark and fleet.step < len(task.batches):
                fleet.train(4)
                loss, _ = fleet.score(task.data.x_test, task.data.y_test)
            scales.append(noise_scale(task, [p[0] for p in fleet.params]).median())
    return marks, torch.stack(scales)


def quadratic_steps(
    batches: Sequence[float] | Tensor,
    *,
    curvatures: Sequence[float] | Tensor = (1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125),
    noise: float = 1.0,
    target: float = 0.01,
) -> Tensor:
    """Steps of SGD, at the best of many constant rates, to a share ``target`` of the first expected loss.

    The loss is ½ Σ h x², all x begin at 1, and a sample's gradient has noise of variance ``noise`` · h in
    each coordinate, as in Zhang et al. (2019). Nothing is drawn: this is the expectation, exactly.
    """
    h, sizes = (torch.as_tensor(values, dtype=torch.float64) for values in (curvatures, batches))
    check_number("noise", noise, low=0)
    rates = torch.logspace(-4, 0.29, 150, dtype=torch.float64)[:, None] / h.max()
    shrink = (1 - rates * h).square()
    times = torch.logspace(0, 5, 700, dtype=torch.float64)
    past = shrink[..., None] ** times  # (rate, coordinate, time)
    first = h.sum()
    found = []
    for size in sizes:
        floor = rates * noise / size / (2 - rates * h)
        loss = (h[:, None] * (past + floor[..., None] * (1 - past))).sum(1) / first
        low = loss <= target
        index = low.to(torch.uint8).argmax(1)
        found.append(torch.where(low.any(1), times[index], torch.inf).min())
    return torch.stack(found)


def measured() -> dict[tuple[str, int], Scaling]:
    """The runs of ``python -m lwlr_teach.studies.large_batch``, by method and steps of warm-up."""
    known = {"never": math.inf, "": math.nan}
    runs = {}
    for entry in json.loads(_STORED.read_text()):
        steps = [[known.get(s, s) for s in row] for row in entry["steps"]]
        runs[entry["method"], entry["warm_up"]] = Scaling(
            entry["method"],
            entry["warm_up"],
            tuple(entry["batches"]),
            torch.tensor(entry["lr"]),
            torch.tensor(steps, dtype=torch.float64),
        )
    return runs


def _store() -> None:
    """Measure everything anew: about twenty minutes on one core."""
    data, entries = signals(train=SAMPLES), []
    for warm_up, contestant in product((0, WARM_UP), CONTESTANTS):
        lowest = _LOWEST[contestant.name]
        rates = {b: 2.0 ** torch.arange(k, k + 7) for b, k in zip(BATCHES[:-1], lowest, strict=False)}
        if not warm_up:
            rates[BATCHES[-1]] = 2.0 ** torch.arange(lowest[-1], lowest[-1] + 5)
        run = scaling(contestant, rates, warm_up=warm_up, data=data)
        steps = [
            ["" if math.isnan(s) else "never" if math.isinf(s) else round(s, 1) for s in row]
            for row in run.steps.tolist()
        ]
        entry = {"method": run.method, "warm_up": warm_up, "batches": run.batches, "lr": run.lr.tolist()}
        entries.append(entry | {"steps": steps})
        _STORED.write_text(json.dumps(entries) + "\n")
        print(run.method, warm_up, run.best_lr.tolist(), run.best_steps.tolist(), flush=True)


def shared_run(batch: int = 250, *, steps: int = 20) -> Tensor:
    """The losses of Momentum with each batch shared out among the processes of the group: (step,).

    For :func:`lwlr_teach.runs.launch`. The network is that of the other runs, in double precision.
    """
    data = signals(train=2000)
    torch.manual_seed(0)
    widths = (data.x_train.shape[1], 32, 32, 10)
    layers = [part for n, m in pairwise(widths) for part in (nn.Linear(n, m), nn.ReLU())]
    model = across(nn.Sequential(*layers[:-1]).double())
    batches = Minibatches(data.x_train.double(), data.y_train, batch)
    optimizer = METHODS["Momentum"](model.parameters(), lr=0.1)
    return fit_across(model, optimizer, batches, steps=steps, progress=False).losses


if __name__ == "__main__":
    _store()
