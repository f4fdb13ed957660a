"""MNIST-1D (Greydanus 2020): ten hand-drawn curves, bent, moved and buried in noise. As many as you like.

Made as the package ``mnist1d`` makes them, all samples at once: 40,000 take a second, not a minute.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lwlr_teach.core.checks import check_count
from lwlr_teach.problems.data import Digits

# The ten curves, each of twelve points; they begin and end at 5.
_CURVES = torch.tensor(
    [
        [5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5],
        [5, 3, 3, 3.4, 3.8, 4.2, 4.6, 5, 5.4, 5.8, 5, 5],
        [5, 6, 6.5, 6.5, 6, 5.25, 4.75, 4, 3.5, 3.5, 4, 5],
        [5, 6, 6.5, 6.5, 6, 5, 5, 6, 6.5, 6.5, 6, 5],
        [5, 4.4, 3.8, 3.2, 2.6, 2.6, 5, 5, 5, 5, 5, 5],
        [5, 3, 3, 3, 3, 5, 6, 6.5, 6.5, 6, 4.5, 5],
        [5, 4, 3.5, 3.25, 3, 3, 3, 3, 3.25, 3.5, 4, 5],
        [5, 7, 7, 6.6, 6.2, 5.8, 5.4, 5, 4.6, 4.2, 5, 5],
        [5, 4, 3.5, 3.5, 4, 5, 5, 4, 3.5, 3.5, 4, 5],
        [5, 4, 3.5, 3.5, 4, 5, 5, 5, 5, 4.7, 4.3, 5],
    ],
    dtype=torch.float64,
)
_LENGTH, _SHORTEST, _LONGEST, _SHIFTS, _NUMBERS = 72, 36, 60, 48, 40


def signals(*, train: int = 40_000, test: int = 2_000, seed: int = 0) -> Digits:
    """Samples of 40 numbers each, with labels from 0 to 9, in the same shares, shuffled.

    Together the numbers have the mean 0 and the size 1. ``seed`` fixes them all.
    """
    check_count("train", train)
    check_count("test", test)
    generator = torch.Generator().manual_seed(seed)
    count = train + test
    labels = (torch.arange(count) % 10)[torch.randperm(count, generator=generator)]
    padding = torch.randint(_SHORTEST, _LONGEST + 1, (count,), generator=generator)
    shift = torch.randint(_SHIFTS, (count,), generator=generator)
    size, tilt = torch.rand(2, count, generator=generator, dtype=torch.float64)
    smooth, rough = torch.randn(2, count, _LENGTH, generator=generator, dtype=torch.float64)
    x = transformed(labels, padding, size, shift, smooth, rough, tilt)
    x = ((x - x.mean()) / x.std()).float()
    return Digits(x[:train], labels[:train], x[train:], labels[train:])


def transformed(
    labels: Tensor,
    padding: Tensor,
    size: Tensor,
    shift: Tensor,
    smooth_noise: Tensor,
    noise: Tensor,
    tilt: Tensor,
) -> Tensor:
    """A sample (n, 40) from each label and from what was drawn for it, in the order of the package.

    ``padding`` zeros follow the curve, so many that it fills a fourth to a sixth of the sample. ``size`` and
    ``tilt`` are between 0 and 1, ``shift`` is a number of places, the noises are (n, 72) and of size 1.
    """
    curves = (_CURVES - _CURVES.mean(1, keepdim=True)) / _CURVES.std(1, correction=0, keepdim=True)
    curves = torch.nn.functional.pad((curves - curves[:, :1]) / 6, (0, 2))
    points = _CURVES.shape[1]
    # Where on the curve each of the 72 places lies; the curve may begin anywhere, and goes on at the front.
    turned = (torch.arange(_LENGTH) - shift[:, None]) % _LENGTH
    place = turned * (points + padding[:, None] - 1) / (_LENGTH - 1)
    left = place.floor().clamp(max=points).long()
    own = curves[labels]
    low, high = own.gather(1, left), own.gather(1, left + 1)
    x = (low + (high - low) * (place - left).clamp(max=1)) * (1 + 0.4 * (size[:, None] - 0.5))
    x = torch.where(place < points, x, 0.25 * smooth_noise @ _blur().T) + 0.02 * noise
    x = x - 0.75 * (tilt[:, None] - 0.5) * torch.linspace(-0.5, 0.5, _LENGTH, dtype=x.dtype)
    places = torch.linspace(0, _LENGTH - 1, _NUMBERS, dtype=x.dtype)
    before = places.floor().clamp(max=_LENGTH - 2).long()
    return torch.lerp(x[:, before], x[:, before + 1], places - before)


def _blur(width: float = 2.0, reach: int = 8) -> Tensor:
    """The matrix that blurs a sample with a Gaussian; beyond its ends it is mirrored."""
    offsets = torch.arange(-reach, reach + 1)
    weights = torch.exp(-0.5 * (offsets / width).double() ** 2)
    source = torch.arange(_LENGTH)[:, None] + offsets
    source = torch.where(source < 0, -source - 1, source)
    source = torch.where(source >= _LENGTH, 2 * _LENGTH - 1 - source, source)
    blur = torch.zeros(_LENGTH, _LENGTH, dtype=torch.float64)
    return blur.scatter_add(1, source, (weights / weights.sum()).expand_as(source))
