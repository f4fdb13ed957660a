"""The words that rules, clips and scales are written in; each works for one model, a batch, and a shard.

A hyperparameter is a number, or a tensor: of no axes (a rate that lives in a tensor) or with the leading axes
of a batch of models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from lwlr_teach.core.checks import Number
from lwlr_teach.core.sharding import summed, whole

State = dict[str, Tensor]


def is_zero(value: Number) -> bool:
    """True for the number 0. A tensor is a batch of values and never skipped, whatever it holds."""
    return not isinstance(value, Tensor) and value == 0


def choose(condition: bool | Tensor, yes: Callable[[], Tensor], no: Callable[[], Tensor]) -> Tensor:
    """``yes()`` where the condition holds, else ``no()``: an ``if`` for a batch, too."""
    if isinstance(condition, Tensor):
        return torch.where(condition, yes(), no())
    return yes() if condition else no()


def moving_average(old: Tensor, new: Tensor, beta: Number) -> Tensor:
    """``beta · old + (1 − beta) · new``, in one pass over memory."""
    weight = 1 - beta
    return torch.lerp(old, new, weight.to(old.dtype) if isinstance(weight, Tensor) else weight)


def add_times(x: Tensor, factor: Number, y: Tensor) -> Tensor:
    """``x + factor · y``, in one pass over memory if the factor is a number."""
    return x + factor * y if isinstance(factor, Tensor) else torch.add(x, y, alpha=factor)


def power(base: Number, step: Number) -> Number:
    """``base`` to the power of the step.

    In a program for all steps the step is a tensor. A compiled one would take the power again for every entry
    of a layer; an exponential is what torch's compiler takes for costly enough to compute once.
    """
    if not torch.compiler.is_compiling():
        return base**step
    if not isinstance(base, Tensor):
        base = torch.tensor(base, dtype=torch.float64, device="cpu")
    return (step * base.log()).exp()


def sqrt_with_eps(square: Tensor, eps: Number, eps_in_root: bool) -> Tensor:
    """``√square + eps``, or ``√(square + eps)``: implementations disagree about where ε stands.

    float16 rounds an ε such as 1e-8 to 0, which keeps from no division by 0. Its smallest normal number then
    stands in for ε: it is smaller than the root of any square but 0.
    """
    size = (square + eps).sqrt() if eps_in_root else square.sqrt() + eps
    return size.clamp(min=_NORMAL) if size.dtype == torch.float16 and _may_vanish(eps) else size


_NORMAL = torch.finfo(torch.float16).smallest_normal


def _may_vanish(eps: Number) -> bool:
    """Whether ε > 0 is 0 in float16, or may be, as one of the values of a tensor."""
    return isinstance(eps, Tensor) or 0 < eps <= 2**-25


def norm(x: Tensor) -> Tensor:
    """The Euclidean norm of a whole layer, as a scalar; of all of its shards if it is sharded."""
    return whole(torch.linalg.vector_norm(x, dtype=norm_dtype(x)))


def total_norm(tensors: Sequence[Tensor]) -> Tensor:
    """The norm of several layers together, as a scalar."""
    norms = [norm(x) for x in tensors]
    return torch.stack([n.to(norms[0].device) for n in norms]).norm()


def mean_over(x: Tensor, axes: Iterable[int]) -> Tensor:
    """The mean over these axes, which stay with one entry each; of all shards if the tensor is sharded."""
    over = tuple(axes)
    if not over:  # torch would take it for all
        return x
    added = summed(x.sum(over, keepdim=True))
    return added / max(1, x.numel() // max(1, added.numel()))


def mean_square(x: Tensor, axes: Iterable[int]) -> Tensor:
    """The mean of x² over these axes, as :func:`mean_over`, and in the precision of norms."""
    x = x.to(norm_dtype(x))
    return mean_over(x * x, axes)


def norm_dtype(x: Tensor) -> torch.dtype:
    """float32 for half precision, in which a sum of squares overflows or drowns; else as it is."""
    return torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else x.dtype


def stretch(x: Tensor, factor: Tensor) -> Tensor:
    """``factor · x``, multiplied in the factor's precision, which is that of norms.

    The factor is a scalar, or has one number for each of the leading axes of ``x``.
    """
    if factor.ndim:  # a scalar stays one, or it would be spread over the processes that hold x
        factor = factor.reshape(factor.shape + (1,) * (x.ndim - factor.ndim))
    return (factor * x.to(factor.dtype)).to(x.dtype)


def as_real(x: Tensor) -> Tensor:
    """A complex tensor as two real numbers for each entry, as in torch; a view."""
    return torch.view_as_real(x) if x.is_complex() else x


def zeros_like(param: Tensor, *names: str) -> State:
    """A state of zeros shaped like ``param`` under each name."""
    return {name: torch.zeros_like(param, memory_format=torch.preserve_format) for name in names}
