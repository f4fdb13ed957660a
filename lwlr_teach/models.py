"""The networks of the lessons, written so that many copies train as one.

A network is a list of parameters, and a function that takes them and a batch. Leading axes of the parameters
are copies of the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor


def init_mlp(
    sizes: Sequence[int], generator: torch.Generator, dtype: torch.dtype = torch.float32
) -> list[Tensor]:
    """Weights (in, out) and biases (1, out) of a multilayer perceptron with these layer sizes.

    Weights are normal with variance 2/in (He et al. 2015, for ReLU); biases are zero.
    """
    params = []
    for fan_in, fan_out in pairwise(sizes):
        weight = torch.randn(fan_in, fan_out, generator=generator, dtype=dtype)
        params += [weight * (2 / fan_in) ** 0.5, torch.zeros(1, fan_out, dtype=dtype)]
    return params


def mlp(params: Sequence[Tensor], x: Tensor) -> Tensor:
    """Logits of a multilayer perceptron with ReLU between its layers.

    ``x`` of shape (…, batch, in) gives (…, batch, out); the leading axes broadcast with those of the
    parameters.
    """
    *hidden, weight, bias = params
    for w, b in zip(hidden[::2], hidden[1::2], strict=True):
        x = torch.relu(x @ w + b)
    return x @ weight + bias
