"""Curves of many runs, made small enough to be sent and drawn."""

from __future__ import annotations

import torch
from torch import Tensor

# A training curve is sent as the means of this many batches: single batches only flicker.
STRIDE = 5


def over_seeds(values: Tensor) -> Tensor:
    """Lowest, median and highest over the last axis; what is not a number counts as infinite: (…, 3)."""
    ordered = values.nan_to_num(nan=torch.inf, posinf=torch.inf).sort(-1).values
    return torch.stack([ordered[..., 0], ordered[..., (values.shape[-1] - 1) // 2], ordered[..., -1]], -1)


def thinned(curves: Tensor) -> Tensor:
    """Means of ``STRIDE`` neighbours along the last axis; a rest that fills no group is left out."""
    whole = curves.shape[-1] // STRIDE * STRIDE
    groups = curves[..., :whole].unflatten(-1, (-1, STRIDE))
    return groups.mean(-1).nan_to_num(nan=torch.inf, posinf=torch.inf)
