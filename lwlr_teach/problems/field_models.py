"""A convolutional network, a transformer and an autoencoder, written so that many copies train as one.

As in ``models.py``, a network is a list of parameters, and a function of them and a batch; leading axes of
the parameters are copies. Weights are (in, out), biases (1, out).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, softplus, unfold

from lwlr_teach.problems.models import init_mlp, mlp


def init_cnn(channels: Sequence[int], outputs: int, generator: torch.Generator) -> list[Tensor]:
    """Parameters of :func:`cnn` for 8 × 8 images: two convolutions with so many channels, and a last layer.

    Weights are normal with variance 2/in (He et al. 2015); biases are zero.
    """
    first, second = channels
    sizes = ((9, first), (9 * first, second), (4 * second, outputs))
    return [p for size in sizes for p in init_mlp(size, generator)]


def cnn(params: Sequence[Tensor], x: Tensor) -> Tensor:
    """Logits of a network with two 3 × 3 convolutions of stride 2, a ReLU after each, and a linear layer.

    Images (…, batch, 64) give (…, batch, classes).
    """
    *convolutions, weight, bias = params
    x = x.unflatten(-1, (1, 8, 8))
    for w, b in zip(convolutions[::2], convolutions[1::2], strict=True):
        x = torch.relu(_convolve(x, w, b))
    return x.flatten(-3) @ weight + bias


def _convolve(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """(…, batch, channels, n, n) to (…, batch, out, n/2, n/2): every place's patch times the weight."""
    *copies, batch, _, _, side = x.shape
    patches = unfold(x.flatten(0, -4), 3, padding=1, stride=2).mT  # (…·batch, places, channels·9)
    places = patches.reshape(*copies, batch * patches.shape[-2], patches.shape[-1])
    made = (places @ weight + bias).unflatten(-2, (batch, -1)).mT
    return made.unflatten(-1, (side // 2, side // 2))


def init_transformer(letters: int, context: int, width: int, generator: torch.Generator) -> list[Tensor]:
    """Parameters of :func:`transformer`: letters, places, one block, and the last layer.

    Letters and places are normal with the size 0.1, weights with variance 1/in, the last layer is zero.
    """

    def normal(fan_in: int, fan_out: int) -> Tensor:
        return torch.randn(fan_in, fan_out, generator=generator) / fan_in**0.5

    return [
        0.1 * torch.randn(letters, width, generator=generator),
        0.1 * torch.randn(context, width, generator=generator),
        normal(width, 3 * width),
        normal(width, width),
        normal(width, 2 * width),
        torch.zeros(1, 2 * width),
        normal(2 * width, width),
        torch.zeros(1, width),
        torch.zeros(width, letters),
        torch.zeros(1, letters),
    ]


def transformer(params: Sequence[Tensor], codes: Tensor, heads: int = 2) -> Tensor:
    """Logits for the letter after each one, of a transformer with a single block (Vaswani et al. 2017).

    Codes (…, batch, context) give (…, batch, context, letters). Layers are normalised before they are used,
    without gains of their own.
    """
    letters, places, mixing, out, up, up_bias, down, down_bias, last, last_bias = params
    batch, context = codes.shape[-2:]
    # A row of a product with ones and zeros is the row of a table.
    known = torch.eye(letters.shape[-2], dtype=letters.dtype)[codes.flatten(-2)]
    x = known @ letters + places.repeat(*[1] * (places.ndim - 2), batch, 1)
    parts = (_normal(x) @ mixing).unflatten(-2, (batch, context)).unflatten(-1, (3, heads, -1))
    query, key, value = parts.transpose(-4, -2).unbind(-3)  # (…, batch, heads, context, size)
    x = x + attention(query, key, value).transpose(-3, -2).flatten(-2).flatten(-3, -2) @ out
    x = x + torch.relu(_normal(x) @ up + up_bias) @ down + down_bias
    return (_normal(x) @ last + last_bias).unflatten(-2, (batch, context))


def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Each place's mean of the values up to it, weighed by how well its query fits their keys."""
    context = query.shape[-2]
    later = torch.full((context, context), -torch.inf, dtype=query.dtype).triu(1)
    return (query @ key.mT / query.shape[-1] ** 0.5 + later).softmax(-1) @ value


def _normal(x: Tensor) -> Tensor:
    return layer_norm(x, x.shape[-1:])


def init_vae(inputs: int, hidden: int, latent: int, generator: torch.Generator) -> list[Tensor]:
    """Parameters of a variational autoencoder: those of its encoder, then those of its decoder."""
    return [
        *init_mlp((inputs, hidden, 2 * latent), generator),
        *init_mlp((latent, hidden, inputs), generator),
    ]


def vae_loss(params: Sequence[Tensor], x: Tensor, noise: Tensor) -> Tensor:
    """The bound of Kingma & Welling (2014) on −log p(x), in nats, for each image: (…, batch).

    The encoder says of an image where in the hidden space it may be, a mean and a log-variance for each
    direction; the ``noise`` (…, batch, latent) chooses a place; the decoder makes an image of it. Pixels
    between 0 and 1 count as shares of ink, by their cross-entropy.
    """
    mean, log_variance = mlp(params[:4], x).chunk(2, -1)
    hidden = mean + (log_variance / 2).exp() * noise
    logits = mlp(params[4:], hidden)
    ink = (softplus(logits) - x * logits).sum(-1)
    return ink + divergence(mean, log_variance)


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL divergence of such normal distributions from the standard one, summed over the last axis."""
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(-1) / 2
