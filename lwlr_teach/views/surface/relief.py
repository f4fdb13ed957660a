"""A surface as heights over its map: for the shade of a picture, and for the range of its axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from lwlr_teach.problems.surfaces import Surface

COLUMNS, ROWS = 121, 91
_TOP = 1e30  # a loss beyond this is drawn as one that is lost

Bounds = Sequence[Sequence[float]]
"""((x_min, x_max), (y_min, y_max)) of what is drawn."""


def gaps(surface: Surface, bounds: Bounds) -> Tensor:
    """The loss above the minimum on a grid: (rows, columns), the first row at the bottom.

    Raises ValueError for a surface that has no losses there.
    """
    x, y = (
        torch.linspace(low, high, count, dtype=torch.float64)
        for (low, high), count in zip(bounds, (COLUMNS, ROWS), strict=True)
    )
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
    found = (surface.loss(grid) - surface.lowest).clamp(min=0)
    known = found[found < _TOP]
    if not len(known):
        raise ValueError(f"surface must have losses below {_TOP:g} on its map, got none for {surface.name}")
    return found.nan_to_num(nan=torch.inf).clamp(max=known.max())  # no number: as high as the map goes


def heights(surface: Surface, bounds: Bounds) -> Tensor:
    """The shade, 0 to 1: logarithmic, so that a valley's floor shows beside its walls. As in relief.js."""
    found = gaps(surface, bounds)
    softened = torch.log1p(found / found.max().clamp(min=1e-300) * 1000)
    return softened / softened.max().clamp(min=1e-300)  # a plain is as light everywhere


def loss_range(surface: Surface, start: Sequence[float]) -> list[float]:
    """The range of the loss axis, the same for all positions, so that curves can be compared by eye."""
    first = surface.loss(torch.tensor(start, dtype=torch.float64)).item() - surface.lowest
    top = max(gaps(surface, surface.bounds).max().item(), 1e-6)
    return [1e-8 * (min(max(first, 1e-6), top) if math.isfinite(first) else top), 100 * top]
