"""One network trained at many learning rates at once, as one batched ensemble."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm.auto import tqdm

from lwlr_teach.checks import check_count, check_device
from lwlr_teach.data import Digits, digits
from lwlr_teach.models import init_mlp, mlp
from lwlr_teach.optim import Method
from lwlr_teach.sweep import check_grid, check_methods


@dataclass(frozen=True)
class Ensemble:
    """The same network trained by several methods, at several rates, from several seeds.

    Tensors are on the CPU and have the axes (method, rate, seed); a run that overflowed has nan or inf.
    """

    methods: tuple[Method, ...]
    lr: Tensor
    batch_losses: Tensor
    """Loss on the batch of each step, before the step: (method, rate, seed, steps)."""
    train_loss: Tensor
    """Mean loss on all training images after the last step."""
    test_accuracy: Tensor
    """Share of the test images that are classified right after the last step."""

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
    data: Digits | None = None,
    device: str | torch.device = "cpu",
    progress: bool = True,
) -> Ensemble:
    """Train a small ReLU network on the digits with every method at every rate from every seed.

    A seed fixes the first weights and the order of the batches; all methods and rates share them. ``hidden``
    are the sizes of the hidden layers, ``progress`` shows a bar when it takes longer than a second.
    """
    methods = check_methods(optimizers)
    device = check_device("device", device)
    check_count("seeds", seeds)
    check_count("steps", steps)
    check_count("batch_size", batch_size)
    rates = check_grid(methods, {"lr": lr}, device, torch.float32)["lr"]
    x_train, y_train, x_test, y_test = (t.to(device) for t in (data or digits()))
    check_count("batch_size", batch_size, high=len(x_train))

    classes = int(y_train.max()) + 1
    generators = [torch.Generator().manual_seed(seed) for seed in range(seeds)]
    copies = [init_mlp([x_train.shape[-1], *hidden, classes], g) for g in generators]
    first = [torch.stack(same).to(device) for same in zip(*copies, strict=True)]
    batches = torch.stack([_batches(len(x_train), batch_size, steps, g) for g in generators], dim=1).to(
        device
    )

    results = []
    with (
        _one_thread(),
        tqdm(total=len(methods) * steps, desc="training", delay=1, leave=False, disable=not progress) as bar,
    ):
        for contestant in methods:
            # Parameters of all runs: (rate, seed, in, out).
            params = [p.expand(len(rates), *p.shape).clone().requires_grad_() for p in first]
            optimizer = contestant(params, lr=rates[:, None])  # the batch's axes: (rate, seed)
            losses = torch.empty(steps, len(rates), seeds, device=device)
            for step, batch in enumerate(batches):
                losses[step] = _train_step(params, optimizer, x_train[batch], y_train[batch])
                bar.update()
            with torch.no_grad():
                train_loss = cross_entropy(mlp(params, x_train), y_train)
                accuracy = (mlp(params, x_test).argmax(-1) == y_test).float().mean(-1)
            results.append((losses.movedim(0, -1), train_loss, accuracy))

    batch_losses, train_losses, accuracies = (torch.stack(part).cpu() for part in zip(*results, strict=True))
    return Ensemble(methods, rates.cpu(), batch_losses, train_losses, accuracies)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch to one thread: for networks this small more are no faster, and when another program runs
    beside them they wait for one another, which was measured to take forty times as long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _train_step(params: list[Tensor], optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> Tensor:
    """One step of all runs on batches x (seed, batch, in); their losses (rate, seed)."""
    losses = cross_entropy(mlp(params, x), y)
    optimizer.zero_grad()
    losses.sum().backward()  # no run's loss depends on another run's weights
    optimizer.step()
    return losses.detach()


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of logits (…, batch, classes) and labels that broadcast to (…, batch); shape (…)."""
    chosen = logits.gather(-1, labels.expand(logits.shape[:-1]).unsqueeze(-1)).squeeze(-1)
    return (logits.logsumexp(-1) - chosen).mean(-1)


def _batches(images: int, batch_size: int, steps: int, generator: torch.Generator) -> Tensor:
    """Indices (steps, batch): each epoch visits the images in a new order and drops what fills no batch."""
    per_epoch = images // batch_size
    epochs = -(-steps // per_epoch)
    orders = [torch.randperm(images, generator=generator)[: per_epoch * batch_size] for _ in range(epochs)]
    return torch.cat(orders).reshape(-1, batch_size)[:steps]
