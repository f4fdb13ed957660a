"""One network trained at many learning rates at once, as one batched ensemble."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm.auto import tqdm

from lwlr_teach.checks import check_count, check_device, check_function, check_number
from lwlr_teach.clipping import Clip
from lwlr_teach.data import Digits, digits
from lwlr_teach.models import init_mlp, init_rnn, mlp, rnn
from lwlr_teach.optim import Method
from lwlr_teach.schedules import OneCycle, Schedule, check_drivable, factor_at, set_momentum
from lwlr_teach.sweep import check_grid, check_methods


@dataclass(frozen=True)
class Ensemble:
    """The same network trained by several methods, at several rates, from several seeds.

    Tensors are on the CPU and have the axes (method, rate, seed); a run that overflowed has nan or inf. With
    a ``limit``, all were trained at one rate, and the limits of their clips take the place of the rates.
    """

    methods: tuple[Method, ...]
    lr: Tensor
    batch_losses: Tensor
    """Loss on the batch of each step, before the step: (method, rate, seed, steps)."""
    train_loss: Tensor
    """Mean loss on all training images after the last step."""
    test_accuracy: Tensor
    """Share of the test images that are classified right after the last step."""
    limit: Tensor | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the methods, in the order of the first axis."""
        return tuple(m.name for m in self.methods)


def train_ensemble(
    optimizers: Iterable[str | Method] = ("SGD", "Momentum", "Adam"),
    *,
    lr: Sequence[float] | Tensor,
    seeds: int = 3,
    steps: int = 300,
    batch_size: int = 64,
    hidden: Sequence[int] = (32,),
    schedule: Schedule | None = None,
    data: Digits | None = None,
    task: Task | None = None,
    limit: Sequence[float] | Tensor | None = None,
    device: str | torch.device = "cpu",
    progress: bool = True,
) -> Ensemble:
    """Train a small ReLU network on the digits with every method at every rate from every seed.

    A seed fixes the first weights and the order of the batches; all methods and rates share them. ``hidden``
    are the sizes of the hidden layers, ``schedule`` the factor of every rate as a function of the step.
    ``task`` is another network, or other data, in place of ``seeds`` to ``hidden`` and ``data``. ``limit``
    are limits for the methods that have a clip of their own, in place of the rates: then ``lr`` is a single
    one. ``progress`` shows a bar when it takes longer than a second.
    """
    methods = check_methods(optimizers)
    device = check_device("device", device)
    grid = {"lr": lr} if limit is None else {"lr": lr, "limit": limit}
    axes = check_grid(methods, grid, device, torch.float32)
    rates, limits = axes["lr"], axes.get("limit")
    if limits is not None and len(rates) > 1:
        raise ValueError(f"lr must be a single rate where limit is swept, got {len(rates)} rates")
    if task is None:
        task = digits_task(
            data, seeds=seeds, steps=steps, batch_size=batch_size, hidden=hidden, device=device
        )
    steps = len(task.batches)
    # Checks before anything is trained.
    fleets = [_fleet(m, rates, limits, task, schedule) for m in methods]

    results = []
    with (
        one_thread(),
        tqdm(total=len(methods) * steps, desc="training", delay=1, leave=False, disable=not progress) as bar,
    ):
        for fleet in fleets:
            fleet.train(steps, bar)
            train_loss, _ = fleet.score(task.data.x_train, task.data.y_train)
            _, accuracy = fleet.score(task.data.x_test, task.data.y_test)
            results.append((fleet.losses.movedim(0, -1), train_loss, accuracy))

    runs = len(rates if limits is None else limits)
    batch_losses, train_losses, accuracies = (
        torch.stack([values.expand(runs, *values.shape[1:]) for values in part]).cpu()
        for part in zip(*results, strict=True)
    )
    swept = None if limits is None else limits.cpu()
    return Ensemble(methods, rates.cpu(), batch_losses, train_losses, accuracies, swept)


def _fleet(
    method: Method, rates: Tensor, limits: Tensor | None, task: Task, schedule: Schedule | None
) -> Fleet:
    """A run for each rate, or for each limit; a method without a clip has a single one then."""
    if limits is None or method.clip is None:
        return Fleet(method, rates, task, schedules=schedule)
    clipped = replace(method, settings={**method.settings, "limit": limits[:, None]})
    return Fleet(clipped, rates.expand(len(limits)), task, schedules=schedule)


class Task(NamedTuple):
    """What is to be learned: the data, the network with its first weights, and the order of the batches."""

    data: Digits
    first: list[Tensor]
    """Parameters, with an axis for the seeds in front: (seed, …)."""
    batches: Tensor
    """Indices of training images: (steps, seed, batch)."""
    layers: tuple[str, ...]
    """The name of the layer that each parameter belongs to, in the order of the layers."""
    forward: Callable[[Sequence[Tensor], Tensor], Tensor] = mlp
    """``forward(params, x)`` gives the logits; leading axes of the parameters are copies of the network."""
    valid: tuple[Tensor, Tensor] | None = None
    """Images and labels that are held back to choose the rates."""


def digits_task(
    data: Digits | None = None,
    *,
    seeds: int,
    steps: int,
    batch_size: int = 64,
    hidden: Sequence[int] = (32,),
    valid: int = 0,
    device: torch.device | str = "cpu",
) -> Task:
    """A small ReLU network on the digits, once a seed; the last ``valid`` training images are held back."""
    data = data or digits()
    classes = int(data.y_train.max()) + 1
    names = [*(f"hidden {i}" for i, _ in enumerate(hidden, start=1)), "output"]
    return _task(
        data,
        lambda generator: init_mlp([data.x_train.shape[-1], *hidden, classes], generator),
        mlp,
        tuple(name for name in names for _ in ("weight", "bias")),
        (seeds, steps, batch_size, valid),
        device,
    )


def rnn_task(
    data: Digits | None = None,
    *,
    seeds: int,
    steps: int,
    batch_size: int = 32,
    pixels: int = 4,
    hidden: int = 32,
    gain: float = 1.0,
    valid: int = 0,
    device: torch.device | str = "cpu",
) -> Task:
    """A small recurrent network that reads the digits like a text, ``pixels`` at a time from the top left.

    With 4 pixels at a time an image is a sequence of 16, with 1 pixel of 64. ``gain`` is the size of the
    recurrent matrix, see :func:`~lwlr_teach.models.init_rnn`; above 1 gradients may grow from step to step.
    The network has the precision of the data.
    """
    data = data or digits()
    inputs, classes = data.x_train.shape[-1], int(data.y_train.max()) + 1
    check_count("pixels", pixels, high=inputs)
    if inputs % pixels:
        raise ValueError(f"pixels must divide the {inputs} pixels of an image, got {pixels}")
    check_count("hidden", hidden)
    check_number("gain", gain, low=0)
    x_train, x_test = (x.unflatten(-1, (-1, pixels)) for x in (data.x_train, data.x_test))
    return _task(
        data._replace(x_train=x_train, x_test=x_test),
        lambda generator: init_rnn(pixels, hidden, classes, generator, gain, data.x_train.dtype),
        rnn,
        ("input", "recurrent", "recurrent", "output", "output"),
        (seeds, steps, batch_size, valid),
        device,
    )


def _task(
    data: Digits,
    init: Callable[[torch.Generator], list[Tensor]],
    forward: Callable[[Sequence[Tensor], Tensor], Tensor],
    layers: tuple[str, ...],
    counts: tuple[int, int, int, int],
    device: torch.device | str,
) -> Task:
    """What all tasks share: each seed's first weights and batches, and what is held back."""
    seeds, steps, batch_size, valid = counts
    check_count("seeds", seeds)
    check_count("steps", steps)
    check_count("batch_size", batch_size)
    data = Digits(*(t.to(device) for t in data))
    check_count("valid", valid, low=0, high=len(data.x_train) - 1)
    rest = len(data.x_train) - valid
    held_back = (data.x_train[rest:], data.y_train[rest:]) if valid else None
    data = data._replace(x_train=data.x_train[:rest], y_train=data.y_train[:rest])
    check_count("batch_size", batch_size, high=rest)
    generators = [torch.Generator().manual_seed(seed) for seed in range(seeds)]
    first = [torch.stack(same).to(device) for same in zip(*map(init, generators), strict=True)]
    batches = [order_batches(rest, batch_size, steps, g) for g in generators]
    return Task(data, first, torch.stack(batches, dim=1).to(device), layers, forward, held_back)


class Fleet:
    """Copies of one network that train side by side, one for each run and seed: axes (run, seed).

    Runs differ in their rate ``lr`` (run,), and in their schedule where each has one of its own. ``layers``
    gives each layer of the network, first to last, a factor of that rate, or a schedule of its own; or, as a
    tensor (run, layer), a factor that is another one in each run.
    """

    def __init__(
        self,
        method: Method,
        lr: Tensor,
        task: Task,
        *,
        schedules: Schedule | Sequence[Schedule] | None = None,
        clip: Clip | None = None,
        layers: Sequence[float | Schedule] | Tensor | None = None,
    ) -> None:
        steps, seeds, _ = task.batches.shape
        self.task = task
        self.lr = lr
        self.step = 0
        self._losses = torch.empty(steps, len(lr), seeds, device=lr.device)
        self._params = [p.expand(len(lr), *p.shape).clone().requires_grad_() for p in task.first]
        names = list(dict.fromkeys(task.layers)) if layers is not None else [""]
        factors, self._own_schedules = _layer_factors(layers, names, lr)
        self._first_rates = [
            lr[:, None] * factor[:, None] for factor in factors.unbind(1)
        ]  # (run, seed) each
        groups = [
            {
                "params": [
                    p for p, owner in zip(self._params, task.layers, strict=True) if name in ("", owner)
                ],
                "lr": first,
            }
            for name, first in zip(names, self._first_rates, strict=True)
        ]
        self._optimizer = method(groups, {"clip": clip}, lr=lr[:, None])
        self._members = _members(schedules, len(lr))
        if self._members or any(self._own_schedules):
            check_drivable(method.name, method.optimizer)
        self._momenta = self._own_momenta(method)

    def _own_momenta(self, method: Method) -> Tensor | None:
        """The momentum (run, 1) of the method, if a schedule is going to change it."""
        if not any(isinstance(s, OneCycle) and s.cycle_momentum for s in self._members):
            return None
        if method.memory is None:
            raise ValueError(
                f"OneCycle cycles the momentum, and {method.name} has none; pass cycle_momentum=False"
            )
        own = method.hyperparameters()
        memory = own["betas"][0] if method.memory == "beta1" else own[method.memory]
        return torch.full_like(self.lr[:, None], memory)

    @property
    def params(self) -> list[Tensor]:
        """The parameters as they are now: (run, seed, …) each."""
        return [p.detach() for p in self._params]

    @property
    def scales(self) -> list[Tensor]:
        """The factor of each parameter's rate that a layer-wise method took last: (run, seed) each."""
        shape = (len(self.lr), self.task.batches.shape[1])
        return [self._optimizer.state[p]["scale"].detach().reshape(shape) for p in self._params]

    @property
    def losses(self) -> Tensor:
        """Losses on the batches so far, before each step: (step, run, seed)."""
        return self._losses[: self.step]

    def train(self, steps: int, bar: tqdm | None = None) -> None:
        """Go on for this many steps; an interruption leaves ``step`` at the last whole one."""
        data = self.task.data
        for _ in range(steps):
            batch = self.task.batches[self.step]
            self._set_rates()
            losses = cross_entropy(self.task.forward(self._params, data.x_train[batch]), data.y_train[batch])
            self._optimizer.zero_grad()
            losses.sum().backward()  # no run's loss depends on another run's weights
            self._optimizer.step()
            self._losses[self.step] = losses.detach()
            self.step += 1
            if bar is not None:
                bar.update()

    def _set_rates(self) -> None:
        if not self._members and not any(self._own_schedules):
            return
        factors = torch.ones_like(self._losses[0])
        for schedule, members in self._members.items():
            factor = factor_at(schedule, self.step, self.losses[:, members])
            factors[members] = torch.as_tensor(factor, dtype=factors.dtype, device=factors.device)
            if self._momenta is not None and isinstance(schedule, OneCycle) and schedule.cycle_momentum:
                self._momenta[members] = schedule.momentum(self.step)
        groups = self._optimizer.param_groups
        for group, first, own in zip(groups, self._first_rates, self._own_schedules, strict=True):
            group["lr"] = first * factors * (1.0 if own is None else own(self.step))
            if self._momenta is not None:
                set_momentum(group, self._momenta)

    @torch.no_grad()
    def score(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Mean loss on these images, and the share of them that is classified right: (run, seed) each."""
        logits = self.task.forward(self._params, x)
        return cross_entropy(logits, y), (logits.argmax(-1) == y).float().mean(-1)


def _layer_factors(
    layers: Sequence[float | Schedule] | Tensor | None, names: list[str], lr: Tensor
) -> tuple[Tensor, list[Schedule | None]]:
    """The factor of each layer's rate in each run, (run, layer), and each layer's schedule if it has one."""
    none: list[Schedule | None] = [None] * len(names)
    if layers is None:
        return torch.ones(len(lr), 1, dtype=lr.dtype, device=lr.device), none
    if isinstance(layers, Tensor):
        if layers.shape != (len(lr), len(names)):
            wanted = f"({len(lr)} runs, {len(names)} layers)"
            raise ValueError(f"layers must have the shape {wanted}, got {tuple(layers.shape)}")
        check_number("layers", layers, low=0)
        return layers.to(lr), none
    if len(layers) != len(names):
        raise ValueError(f"layers must be one for each of {', '.join(names)}, got {len(layers)}")
    schedules: list[Schedule | None] = []
    factors: list[float] = []
    for layer in layers:
        schedules.append(layer if callable(layer) else None)
        factors.append(1.0 if callable(layer) else layer)
        check_number("layers", factors[-1], low=0)
    return torch.tensor(factors, dtype=lr.dtype, device=lr.device).expand(len(lr), -1), schedules


def _members(schedules: Schedule | Sequence[Schedule] | None, runs: int) -> dict[Schedule, list[int]]:
    """The runs of each schedule: one for all of them, or a list with one for each."""
    each = schedules if isinstance(schedules, Sequence) else [] if schedules is None else [schedules] * runs
    if schedules is not None and len(each) != runs:
        raise ValueError(f"schedules must be one for each of the {runs} rates, got {len(each)}")
    members: dict[Schedule, list[int]] = {}
    for run, schedule in enumerate(each):
        check_function("schedules", schedule, "Cosine(300)")
        members.setdefault(schedule, []).append(run)
    return members


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch to one thread: for networks this small more are no faster, and when another program runs
    beside them they wait for one another, which was measured to take forty times as long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of logits (…, batch, classes) and labels that broadcast to (…, batch); shape (…)."""
    chosen = logits.gather(-1, labels.expand(logits.shape[:-1]).unsqueeze(-1)).squeeze(-1)
    return (logits.logsumexp(-1) - chosen).mean(-1)


def order_batches(images: int, batch_size: int, steps: int, generator: torch.Generator) -> Tensor:
    """Indices (steps, batch): each epoch visits the images in a new order and drops what fills no batch."""
    per_epoch = images // batch_size
    epochs = -(-steps // per_epoch)
    orders = [torch.randperm(images, generator=generator)[: per_epoch * batch_size] for _ in range(epochs)]
    return torch.cat(orders).reshape(-1, batch_size)[:steps]
