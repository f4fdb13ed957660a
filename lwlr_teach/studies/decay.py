"""How much weight decay? A network with few images to learn from, at every decay and every rate.

With few images a network learns them by heart, and small weights help on others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lwlr_teach.core.checks import check_number, check_rising
from lwlr_teach.core.progress import progress_bar
from lwlr_teach.core.threads import one_thread
from lwlr_teach.optim import Method, method
from lwlr_teach.problems.tasks import Task
from lwlr_teach.runs.fleet import Fleet


@dataclass(frozen=True)
class DecayRuns:
    """What one method ended at; tensors have the axes (decay, rate, seed)."""

    name: str
    decay: Tensor
    """The decays λ: (decay,)."""
    lr: Tensor
    """The rates η: (rate,)."""
    loss: Tensor
    """On the images that are held back."""
    test_loss: Tensor
    test_accuracy: Tensor

    def best(self, choosers: int) -> tuple[int, int]:
        """Where the loss is lowest, mean over the first ``choosers`` seeds: indices of a decay and a rate."""
        mean = self.loss[..., :choosers].mean(-1).nan_to_num(nan=torch.inf)
        i, j = divmod(int(mean.argmin()), len(self.lr))
        return i, j


def train_decays(
    name: str | Method,
    decay: Sequence[float] | Tensor,
    lr: Sequence[float] | Tensor,
    task: Task,
    *,
    progress: bool = True,
) -> DecayRuns:
    """Train with every decay at every rate, in one batch. The task must hold images back."""
    trained = method(name)
    if trained.target("weight_decay") is None:
        raise ValueError(f"name must be a method with a weight_decay, got {trained.name}")
    if task.valid is None:
        raise ValueError("task must hold images back, for example digits_task(…, valid=300)")
    decays, rates = (torch.as_tensor(values, dtype=torch.float32) for values in (decay, lr))
    check_number("decay", decays, low=0)
    check_rising("lr", rates)
    each = decays.repeat_interleave(len(rates))[:, None]
    settings = {**trained.settings, "weight_decay": each}
    steps = len(task.batches)
    with one_thread(), progress_bar("training", steps, shown=progress) as bar:
        fleet = Fleet(replace(trained, settings=settings), rates.repeat(len(decays)), task)
        fleet.train(steps, bar)
        loss, _ = fleet.score(*task.valid)
        test_loss, test_accuracy = fleet.score(task.data.x_test, task.data.y_test)
    shape = (len(decays), len(rates))
    found = (values.unflatten(0, shape) for values in (loss, test_loss, test_accuracy))
    return DecayRuns(trained.name, decays, rates, *found)
