"""One network trained at many learning rates at once, as one batched ensemble."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from lwlr_teach.core.checks import check_device
from lwlr_teach.core.cluster import check_cluster, spread
from lwlr_teach.core.progress import progress_bar
from lwlr_teach.core.threads import one_thread
from lwlr_teach.optim import Method
from lwlr_teach.optim.grid import check_grid, check_methods
from lwlr_teach.optim.update import Rule
from lwlr_teach.problems.data import Digits
from lwlr_teach.problems.tasks import Task, digits_task
from lwlr_teach.runs.fleet import Fleet
from lwlr_teach.schedules import Schedule


@dataclass(frozen=True)
class Ensemble:
    """The same network trained by several methods, at several rates, from several seeds.

    Tensors are on the CPU and have the axes (method, rate, seed); a run that overflowed has nan or inf. With
    a ``limit``, all were trained at one rate, and the limits of their clips take the place of the rates.
    """

    methods: tuple[Method, ...]
    lr: Tensor
    batch_losses: Tensor
    """Loss on the batch of each step, before the step: (method, rate, seed, steps); nan for no step."""
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
    optimizers: Iterable[str | Method | Rule] = ("SGD", "Momentum", "Adam"),
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
    cluster: str | None = None,
) -> Ensemble:
    """Train a small ReLU network on the digits with every method at every rate from every seed.

    A seed fixes the first weights and the order of the batches; all methods and rates share them. ``hidden``
    are the sizes of the hidden layers, ``schedule`` the factor of every rate as a function of the step.
    ``task`` is another network, or other data, in place of ``seeds`` to ``hidden`` and ``data``. ``limit``
    are limits for the methods that have a clip of their own, in place of the rates: then ``lr`` is a single
    one. ``progress`` shows a bar when it takes longer than a second. ``cluster`` shares the methods out
    over a Ray cluster, with the same numbers: ``"local"``, the cores of this machine, ``"auto"``, the cluster
    that runs here, or the address of one; see ``docs/several-machines.md``.

    The methods are trained one after another. Interrupt them (■ in JupyterLab's toolbar, Ctrl+C in a
    terminal) and what is done comes back: the methods that have begun, the last one after the steps it took;
    of a cluster, the methods that have ended.
    """
    methods = check_methods(optimizers)
    device = check_device("device", device)
    check_cluster(cluster, device)
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

    if cluster is None:
        with one_thread():
            try:
                with progress_bar("training", len(methods) * steps, shown=progress) as bar:
                    for fleet in fleets:
                        fleet.train(steps, bar)
            except KeyboardInterrupt:
                fleets = [fleet for fleet in fleets if fleet.step]
                if not fleets:
                    raise  # nothing to keep
                methods = methods[: len(fleets)]
                taken = fleets[-1].step
                print(f"Interrupted: {methods[-1].name} took {taken} of {steps} steps. What is done is kept.")
            results = [_outcome(fleet) for fleet in fleets]
    else:
        alone = partial(_trained, rates, limits, task, schedule)
        done = spread(
            alone, methods, cluster=cluster, kind="methods", says="training", steps=steps, progress=progress
        )
        methods = tuple(methods[i] for i in done)
        results = [*done.values()]

    runs = len(rates if limits is None else limits)
    batch_losses, train_losses, accuracies = (
        torch.stack([values.expand(runs, *values.shape[1:]) for values in part]).cpu()
        for part in zip(*results, strict=True)
    )
    swept = None if limits is None else limits.cpu()
    return Ensemble(methods, rates.cpu(), batch_losses, train_losses, accuracies, swept)


def _trained(
    rates: Tensor, limits: Tensor | None, task: Task, schedule: Schedule | None, method: Method
) -> tuple[Tensor, ...]:
    fleet = _fleet(method, rates, limits, task, schedule)
    fleet.train(len(task.batches))
    return _outcome(fleet)


def _outcome(fleet: Fleet) -> tuple[Tensor, ...]:
    """Losses on the batches, nan for those not taken; loss on the training images, and test accuracy."""
    data = fleet.task.data
    train_loss, _ = fleet.score(data.x_train, data.y_train)
    _, accuracy = fleet.score(data.x_test, data.y_test)
    losses = train_loss.new_full((*train_loss.shape, len(fleet.task.batches)), torch.nan)
    losses[..., : fleet.step] = fleet.losses.movedim(0, -1)
    return losses, train_loss, accuracy


def _fleet(
    method: Method, rates: Tensor, limits: Tensor | None, task: Task, schedule: Schedule | None
) -> Fleet:
    """A run for each rate, or for each limit; a method without a clip has a single one then."""
    if limits is None or method.clip is None:
        return Fleet(method, rates, task, schedules=schedule)
    clipped = replace(method, settings={**method.settings, "limit": limits[:, None]})
    return Fleet(clipped, rates.expand(len(limits)), task, schedules=schedule)
