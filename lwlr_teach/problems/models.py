"""The networks of the lessons, written so that many copies train as one.

A network is a list of parameters, and a function that takes them and a batch. Leading axes of the parameters
are copies of the network. ``digits_cnn`` is an ordinary ``nn.Module`` instead, one network at a time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from itertools import chain, pairwise

import torch
from torch import Tensor, nn


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


def init_batch_norm_mlp(
    sizes: Sequence[int], generator: torch.Generator, dtype: torch.dtype = torch.float32
) -> list[Tensor]:
    """As :func:`init_mlp`, with batch normalisation in the hidden layers: each has a weight (in, out), a gain
    of ones and a bias of zeros, both (1, out); the last layer has a weight and a bias.

    The weights are those that :func:`init_mlp` draws.
    """
    *hidden, weight, bias = init_mlp(sizes, generator, dtype)
    layers = [[w, torch.ones_like(b), b] for w, b in zip(hidden[::2], hidden[1::2], strict=True)]
    return [*chain.from_iterable(layers), weight, bias]


def batch_norm_mlp(params: Sequence[Tensor], x: Tensor) -> Tensor:
    """Logits of :func:`mlp` with batch normalisation (Ioffe & Szegedy 2015) before each ReLU.

    Means and variances are always those of the batch ``x``, also where a network is judged: there is no
    running average, so that what is said of an image depends a little on the images beside it.
    """
    *hidden, weight, bias = params
    for w, gain, shift in zip(hidden[::3], hidden[1::3], hidden[2::3], strict=True):
        x = x @ w
        variance, mean = torch.var_mean(x, -2, correction=0, keepdim=True)
        x = torch.relu((x - mean) * (variance + 1e-5).rsqrt() * gain + shift)
    return x @ weight + bias


def linear(params: Sequence[Tensor], x: Tensor) -> Tensor:
    """Logits of a linear model, weights (…, in, out) and biases (…, 1, out), as :func:`mlp` without a layer.

    It copies no inputs for the many networks, which with a thousand inputs and two outputs is all the work.
    """
    weight, bias = params
    return torch.einsum("...bi,...io->...bo", x, weight) + bias


def init_rnn(
    inputs: int,
    hidden: int,
    outputs: int,
    generator: torch.Generator,
    gain: float = 1.0,
    dtype: torch.dtype = torch.float32,
) -> list[Tensor]:
    """Parameters of a recurrent network: input, recurrent and output weights, each followed by a bias but
    the first; weights are (in, out), biases (1, out).

    Weights are normal with variance 1/in, the recurrent ones with gain²/hidden: then the largest eigenvalue
    of the recurrent matrix is about ``gain`` in size (Girko 1985). Biases are zero.
    """

    def normal(fan_in: int, fan_out: int) -> Tensor:
        return torch.randn(fan_in, fan_out, generator=generator, dtype=dtype) / fan_in**0.5

    return [
        normal(inputs, hidden),
        gain * normal(hidden, hidden),
        torch.zeros(1, hidden, dtype=dtype),
        normal(hidden, outputs),
        torch.zeros(1, outputs, dtype=dtype),
    ]


def rnn(params: Sequence[Tensor], x: Tensor) -> Tensor:
    """Logits of a recurrent network (Elman 1990) after the last step of a sequence: h ← tanh(x U + h W + b).

    ``x`` of shape (…, batch, time, in) gives (…, batch, out); the leading axes broadcast with those of the
    parameters.
    """
    enter, again, bias, weight, last_bias = params
    # All inputs at once: sixteen small products take far longer than one large one.
    heard = (x.flatten(-3, -2) @ enter + bias).unflatten(-2, x.shape[-3:-1])
    first, *later = heard.unbind(-2)
    h = torch.tanh(first)  # before the first step h is zero
    for now in later:
        h = torch.tanh(now + h @ again)
    return h @ weight + last_bias


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of logits (…, batch, classes) and labels that broadcast to (…, batch); shape (…)."""
    chosen = logits.gather(-1, labels.expand(logits.shape[:-1]).unsqueeze(-1)).squeeze(-1)
    return (logits.logsumexp(-1) - chosen).mean(-1)


def stack_networks(networks: Iterable[Sequence[Tensor]]) -> list[Tensor]:
    """The parameters of several networks as those of one, with an axis for the networks in front."""
    return [torch.stack(same) for same in zip(*networks, strict=True)]


def digits_cnn(seed: int = 0) -> nn.Sequential:
    """A small convolutional network for 8×8 digits: images (batch, 64) to logits (batch, 10).

    Its layers are ``conv1``, ``conv2``, ``hidden`` and ``out``, 38,282 numbers together. ``seed`` fixes the
    first weights, which are torch's own; torch's generator is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            OrderedDict(
                image=nn.Unflatten(1, (1, 8, 8)),
                conv1=nn.Conv2d(1, 16, 3, padding=1),
                relu1=nn.ReLU(),
                conv2=nn.Conv2d(16, 32, 3, padding=1),
                relu2=nn.ReLU(),
                pool=nn.MaxPool2d(2),
                flat=nn.Flatten(),
                hidden=nn.Linear(512, 64),
                relu3=nn.ReLU(),
                out=nn.Linear(64, 10),
            )
        )
