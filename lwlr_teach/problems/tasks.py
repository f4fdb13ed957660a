"""What the networks of the lessons learn: data, first weights, and the order of the batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from lwlr_teach.core.checks import check_count, check_number
from lwlr_teach.problems.data import Digits, digits
from lwlr_teach.problems.models import (
    batch_norm_mlp,
    init_batch_norm_mlp,
    init_mlp,
    init_rnn,
    linear,
    mlp,
    rnn,
    stack_networks,
)
from lwlr_teach.problems.texts import Sentences, sentences


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
    batch_norm: bool = False,
    valid: int = 0,
    device: torch.device | str = "cpu",
) -> Task:
    """A small ReLU network on the digits, once a seed; the last ``valid`` training images are held back.

    With ``batch_norm`` its hidden layers are normalised, see
    :func:`~lwlr_teach.problems.models.batch_norm_mlp`; the first weights are the same.
    """
    data = data or digits()
    classes = int(data.y_train.max()) + 1
    init, forward = (init_batch_norm_mlp, batch_norm_mlp) if batch_norm else (init_mlp, mlp)
    names = [f"hidden {i}" for i, _ in enumerate(hidden, start=1) for _ in range(3 if batch_norm else 2)]
    return _task(
        data,
        lambda generator: init([data.x_train.shape[-1], *hidden, classes], generator),
        forward,
        (*names, "output", "output"),
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
    recurrent matrix, see :func:`~lwlr_teach.problems.models.init_rnn`; above 1 gradients may grow from step
    to step. The network has the precision of the data.
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


def sentences_task(
    data: Sentences | None = None,
    *,
    seeds: int,
    steps: int,
    batch_size: int = 32,
    valid: int = 0,
    device: torch.device | str = "cpu",
) -> Task:
    """From which part of the course is a sentence? Each word has a weight for either part.

    All weights begin at 0, so that a seed fixes only the order of the batches.
    """
    data = data or sentences()
    inputs, classes = data.x_train.shape[-1], int(data.y_train.max()) + 1
    zeros = torch.zeros(inputs + 1, classes, dtype=data.x_train.dtype)
    return _task(
        Digits(data.x_train, data.y_train, data.x_test, data.y_test),
        lambda generator: [zeros[:-1], zeros[-1:]],
        linear,
        ("words", "words"),
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
    first = [p.to(device) for p in stack_networks(map(init, generators))]
    batches = [order_batches(rest, batch_size, steps, g) for g in generators]
    return Task(data, first, torch.stack(batches, dim=1).to(device), layers, forward, held_back)


def order_batches(images: int, batch_size: int, steps: int, generator: torch.Generator) -> Tensor:
    """Indices (steps, batch): each epoch visits the images in a new order and drops what fills no batch."""
    per_epoch = images // batch_size
    epochs = -(-steps // per_epoch)
    orders = [torch.randperm(images, generator=generator)[: per_epoch * batch_size] for _ in range(epochs)]
    return torch.cat(orders).reshape(-1, batch_size)[:steps]
