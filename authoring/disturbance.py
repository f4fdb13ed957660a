"""Another processor, on this one: each product of matrices and each convolution is off in its last place.

Processors add the terms of a product in different orders, so that they agree to about seven digits and no
further, and training amplifies that. Here the result is changed as another processor might have: each entry
goes to the next representable number, up or down. Which of the two says a hash of its digits and a seed, so
that the disturbed processor is, like a real one, the same at every call. Small integers and zero, which every
processor finds exactly, stay.

A process is disturbed once ``LWLR_DISTURB`` holds a seed and this module is imported: forward and backward,
in every thread, under ``vmap`` too. ``pytest -p authoring.disturbance`` disturbs the tests,
:mod:`authoring.elsewhere` the lessons as well.
"""

from __future__ import annotations

import os
import warnings
from functools import partial
from typing import Any

import torch
from torch import Tensor

SEED = "LWLR_DISTURB"
PRODUCTS = ("mm", "bmm", "addmm", "baddbmm", "mv", "addmv", "dot", "convolution", "convolution_backward")

_BITS = {torch.float32: (torch.int32, 32, 23), torch.float64: (torch.int64, 64, 52)}  # of them the mantissa's
_GOLDEN = 0x9E3779B97F4A7C15  # 2⁶⁴ over the golden ratio: spreads neighbours far apart
_overrides: list[torch.library.Library] = []  # they last as long as the library object


def disturb(seed: int) -> None:
    """Let products on the CPU be those of another processor, one for each seed, until the process ends."""
    library = torch.library.Library("aten", "IMPL")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a kernel of torch's own is overridden
        for name in PRODUCTS:
            kernel = torch.library.get_kernel(f"aten::{name}", "CPU")
            library.impl(name, partial(_disturbed, kernel, seed), "CPU", with_keyset=True)
    _overrides.append(library)


def _disturbed(kernel: Any, seed: int, keys: Any, *args: Any, **kwargs: Any) -> Any:
    result = kernel.call_boxed(keys, *args, **kwargs)
    if isinstance(result, Tensor):
        return nudged(result, seed)
    return tuple(nudged(part, seed) if isinstance(part, Tensor) else part for part in result)


def nudged(x: Tensor, seed: int) -> Tensor:
    """Each entry of a float32 or float64 tensor moved by one unit in its last place; other types as they are.

    An entry whose mantissa ends in zeros for half of its length was found exactly: it stays.
    """
    if x.dtype not in _BITS:
        return x
    integer, size, mantissa = _BITS[x.dtype]
    bits = x.view(integer)
    odd = (_GOLDEN >> (64 - size)) * (2 * seed + 1) % 2 ** (size - 1) | 1
    # Of the mantissa alone: as on a real processor a factor of two, or a sign, changes no rounding.
    hashed = bits.bitwise_and(2**mantissa - 1).mul_(odd)
    direction = hashed.bitwise_right_shift_(size - 1).bitwise_or_(1)  # the sign of the hash: −1 or 1
    exact = bits.bitwise_and(2 ** (mantissa // 2) - 1) == 0
    return direction.masked_fill_(exact, 0).add_(bits).view(x.dtype)


if SEED in os.environ:
    disturb(int(os.environ[SEED]))
