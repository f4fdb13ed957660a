"""Weight decay: what noise leaves of it, where a normalised layer settles, and how much a network wants.

Loshchilov & Hutter 2019 (decay beside the gradient, and in it); Defazio 2025 (normalised layers).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lwlr_teach.core.checks import check_count, check_number, check_rising
from lwlr_teach.core.progress import progress_bar
from lwlr_teach.core.threads import one_thread
from lwlr_teach.optim import Method, method
from lwlr_teach.problems.tasks import Task
from lwlr_teach.runs.fleet import Fleet, layer_norms


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
    size: Tensor
    """The norm of all parameters together at the end."""

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
        (size,) = layer_norms([fleet.params])
    shape = (len(decays), len(rates))
    found = (values.unflatten(0, shape) for values in (loss, test_loss, test_accuracy, size))
    return DecayRuns(trained.name, decays, rates, *found)


def decay_in_noise(
    name: str | Method,
    sizes: Sequence[float] | Tensor,
    *,
    lr: float = 1e-3,
    weight_decay: float = 0.5,
    steps: int = 3000,
    weights: int = 1000,
) -> Tensor:
    """The mean of weights that begin at 1 and have gradients of pure noise, one row a size of the noise:
    (size, steps + 1)."""
    check_count("steps", steps)
    check_count("weights", weights)
    noise = torch.as_tensor(sizes, dtype=torch.float64)[:, None]
    check_number("sizes", noise, low=0)
    p, generator = torch.ones(len(noise), weights, dtype=torch.float64), torch.Generator().manual_seed(0)
    optimizer = method(name)([p], lr=lr, weight_decay=weight_decay)
    means = [p.mean(1)]
    with one_thread():
        for _ in range(steps):
            p.grad = noise * torch.randn(weights, generator=generator, dtype=torch.float64)
            optimizer.step()
            means.append(p.mean(1))
    return torch.stack(means, 1)


def normalised_layer(
    lr: Sequence[float] | Tensor, weight_decay: Sequence[float] | Tensor, *, entries: int = 100
) -> Tensor:
    """‖g‖/‖x‖ before each step of SGD, for the weights x of a layer that is normalised afterwards: (step,).

    Such a layer's gradients g stand at a right angle to x, and are 1/‖x‖ long for a loss that changes by 1
    when the direction of x does. Here they point in random directions. x begins with the length 1. There is a
    rate and a decay for each step.
    """
    check_count("entries", entries, low=2)
    generator = torch.Generator().manual_seed(0)
    x = torch.zeros(entries, dtype=torch.float64)
    x[0] = 1.0
    ratios = []
    for rate, decay in zip(lr, weight_decay, strict=True):
        noise = torch.randn(entries, generator=generator, dtype=torch.float64)
        across = noise - (noise @ x) / (x @ x) * x
        g = across / across.norm() / x.norm()
        ratios.append(g.norm() / x.norm())
        x = (1 - rate * decay) * x - rate * g
    return torch.stack(ratios)
