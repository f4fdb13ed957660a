"""A small loop that trains any model with any optimizer, and records how fast its layers learn.

done = fit(digits_cnn(), Adam(…), Minibatches(x, y), steps=300)
done.losses, done.recording
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from operator import length_hint
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from lwlr_teach.core.checks import check_count, check_made, with_inner
from lwlr_teach.core.progress import progress_bar
from lwlr_teach.core.text import brief
from lwlr_teach.core.threads import unbroken
from lwlr_teach.runs.recorder import Recorder, Recording
from lwlr_teach.schedules import Schedule, drive, in_order, wants_loss


@dataclass(frozen=True, eq=False)
class Fit:
    """What training has left behind, besides the trained model."""

    losses: Tensor
    """The loss of each batch before its step: (step,)."""
    recording: Recording
    stopped: bool
    """Whether it was interrupted; what was done until then is kept."""

    __repr__ = brief


class Minibatches:
    """The rows of ``x`` and ``y`` in batches of ``size``, in a new order each time; a rest is left out.

    The orders follow from ``seed`` and from nothing else.
    """

    def __init__(self, x: Tensor, y: Tensor, size: int = 64, seed: int = 0) -> None:
        if len(x) != len(y):
            raise ValueError(f"y must have one row for each row of x, {len(x)}, got {len(y)}")
        check_count("size", size, high=len(x))
        self._x, self._y, self._size = x, y, size
        self._generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return len(self._x) // self._size

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(self._x), generator=self._generator)
        for rows in order[: len(self) * self._size].split(self._size):
            yield self._x[rows], self._y[rows]


def fit(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    steps: int | None = None,
    epochs: int | None = None,
    loss: Callable[[Tensor, Tensor], Tensor] = nn.functional.cross_entropy,
    schedule: Schedule | LRScheduler | None = None,
    recorder: Recorder | None = None,
    every: int = 10,
    accumulate: int = 1,
    progress: bool = True,
) -> Fit:
    """Train for so many steps, or for so many passes over the batches; give one of the two.

    The stop button of JupyterLab (or Ctrl-C) ends the training early and keeps what was done.

    Args:
        batches: pairs (input, target): a list, a ``DataLoader``, :class:`Minibatches`. It is gone through as
            often as the steps need.
        loss: ``loss(model(input), target)``, a scalar.
        schedule: the factor of the rate as a function of the step, from :mod:`lwlr_teach.schedules`, or a
            scheduler of torch, which is stepped after each batch, with its loss if it wants one.
        recorder: one that watches the optimizer already; by default one that records every ``every``-th step.
        accumulate: cut each batch into so many parts, which go through the model one after the other, and add
            up their gradients: the step of the whole batch, in the memory of a part. The loss must be a mean
            over the rows; parts need not be equal. Layers that look at the batch, as batch normalisation,
            see a part.
        progress: show a bar when it takes longer than a second.
    """
    if (steps is None) == (epochs is None):
        raise ValueError(f"give either steps or epochs, got steps={steps} and epochs={epochs}")
    for name, count in [("steps", steps), ("epochs", epochs)]:
        if count is not None:
            check_count(name, count)
    check_count("accumulate", accumulate)
    check_made("loss", loss, "torch.nn.functional.cross_entropy")
    given_loss = isinstance(schedule, LRScheduler) and wants_loss(schedule)
    if schedule is not None and not isinstance(schedule, LRScheduler):
        check_made("schedule", schedule, "lwlr_teach.schedules.Cosine(100)")
        schedule = in_order(schedule)
    check_one_gradient(optimizer)
    watching = Recorder(model, optimizer, every=every) if recorder is None else recorder
    total = steps
    if epochs is not None:
        total = epochs * length_hint(batches) or None

    losses: list[float] = []
    stopped = False
    model.train()
    try:
        with progress_bar("training", total, shown=progress) as bar:
            for batch in _stream(batches, steps, epochs):
                if schedule is not None and not isinstance(schedule, LRScheduler):
                    drive(optimizer, schedule, len(losses), losses)
                optimizer.zero_grad()
                value = torch.zeros(())
                for x, y, share in _parts(*batch, accumulate):
                    of_part = loss(model(x), y) * share
                    of_part.backward()
                    value = value.to(of_part) + of_part.detach()
                with unbroken():
                    optimizer.step()
                    if isinstance(schedule, LRScheduler):
                        told: list[Any] = [value.item()] if given_loss else []
                        schedule.step(*told)
                    losses.append(value.item())
                bar.update()
    except KeyboardInterrupt:
        stopped = True
        planned = "" if total is None else f" of {total}"
        print(f"Interrupted after {len(losses)}{planned} steps. What is done is kept.")
    finally:
        if recorder is None:
            watching.detach()
    return Fit(torch.tensor(losses), watching.recording, stopped)


def check_one_gradient(optimizer: torch.optim.Optimizer) -> None:
    """Raise for an optimizer that needs the loss and its gradient more than once a step, as LBFGS does."""
    for inner in with_inner(optimizer):
        if not isinstance(inner, torch.optim.Optimizer):
            continue
        closure = inspect.signature(type(inner).step).parameters.get("closure")
        if closure is not None and closure.default is closure.empty:
            raise ValueError(
                f"optimizer must take its step from one gradient, and {type(inner).__name__} asks for a "
                "closure that computes it again; write the loop yourself, with optimizer.step(closure)"
            )


def _parts(x: Tensor, y: Tensor, count: int) -> Iterator[tuple[Tensor, Tensor, float]]:
    """The rows of a batch in so many parts, or in as many as it has rows, with each one's share of them."""
    if count == 1:
        yield x, y, 1.0
        return
    count = min(count, len(y))
    for x_part, y_part in zip(x.tensor_split(count), y.tensor_split(count), strict=True):
        yield x_part, y_part, len(y_part) / len(y)


def _stream(
    batches: Iterable[tuple[Tensor, Tensor]], steps: int | None, epochs: int | None
) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches, again and again, until the steps or the passes are done."""
    done = passes = 0
    while epochs is None or passes < epochs:
        before = done
        for batch in batches:
            yield batch
            done += 1
            if done == steps:
                return
        passes += 1
        if done == before:
            raise ValueError(
                f"batches ran out after {done} steps; give what can be gone through again, as a list "
                "or a DataLoader"
            )
