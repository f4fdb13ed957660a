"""Clipping: gradient → gradient, before an optimizer sees it.

Each function makes a clip: a function ``(grads, params) → grads`` on lists of tensors, which changes nothing
in place. Give it to any of our optimizers, or use it before the step of any other::

    SGD(model.parameters(), lr=0.1, clip=by_global_norm(1.0))

    loss.backward()
    clip_gradients_(model.parameters(), by_global_norm(1.0))
    torch_optimizer.step()

A limit may be a tensor that matches the parameters' leading axes, as every hyperparameter of a batch. A norm
is that of the whole layer, also where the layer is sharded over processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from lwlr_teach.core.arithmetic import as_real, norm, norm_dtype, total_norm
from lwlr_teach.core.batching import batch_axes, over_batch, single
from lwlr_teach.core.checks import Number, check_made, check_number

Clip = Callable[[list[Tensor], list[Tensor]], list[Tensor]]
_EXAMPLE = "by_global_norm(1.0)"


def by_value(clip_value: Number) -> Clip:
    """Each entry into [−clip_value, clip_value]. This changes the gradient's direction."""
    check_number("clip_value", clip_value, low=0)
    return partial(_by_value, clip_value=clip_value)


def by_global_norm(max_norm: Number, eps: Number = 0) -> Clip:
    """All gradients times one factor, min(1, max_norm / (‖g‖ + eps)), ‖g‖ over all of them together.

    Pascanu, Mikolov & Bengio 2013. torch's ``clip_grad_norm_`` has eps = 1e-6; optax is exact, as this is.
    A single nan makes every gradient nan, as in torch: ``nonfinite="skip"`` of our optimizers looks first.
    """
    check_number("max_norm", max_norm, low=0)
    check_number("eps", eps, low=0)
    return partial(_by_global_norm, max_norm=max_norm, eps=eps)


def by_layer_norm(max_norm: Number) -> Clip:
    """Each tensor by itself: g · min(1, max_norm / ‖g‖). Keeps each layer's direction, not that of all."""
    check_number("max_norm", max_norm, low=0)
    return partial(_by_layer_norm, max_norm=max_norm)


def adaptive(clipping: Number = 0.01, eps: Number = 1e-3, units: int = 0) -> Clip:
    """Adaptive gradient clipping: each unit's gradient to at most ``clipping`` times the norm of its weights.

    Brock et al. 2021: ‖g_i‖ ≤ λ max(‖w_i‖, ε) for the weights i that enter one unit; a vector is one unit.
    ``units`` is the axis that counts the units: 0 for weights (out, in), as torch has them; −1 for weights
    (in, out), as the networks of ``lwlr_teach.problems`` have them, whose biases (1, out) count as vectors.
    The paper leaves the last layer out: give it an optimizer of its own.
    """
    check_number("clipping", clipping, low=0)
    check_number("eps", eps, low=0)
    if units not in (0, -1):
        raise ValueError(f"units must be 0 for weights (out, in) or -1 for weights (in, out), got {units!r}")
    return partial(_adaptive, clipping=clipping, eps=eps, units=units)


def centralize() -> Clip:
    """Gradient centralisation (Yong et al. 2020): subtract each unit's mean over its inputs; vectors stay."""
    return _centralize


def in_turn(*clips: Clip) -> Clip:
    """One clip after the other."""
    for i, clip in enumerate(clips):
        check_made(f"clips[{i}]", clip, _EXAMPLE)
    return partial(_in_turn, clips=tuple(_open(clip) for clip in clips))


@torch.no_grad()
def clip_gradients_(params: Tensor | Iterable[Tensor], clip: Clip) -> Tensor:
    """Clip the ``.grad`` of these parameters in place, for an optimizer that has no ``clip``.

    Returns the norm of all gradients together before the clip, as torch's ``clip_grad_norm_`` does: a scalar,
    or one number for each model of a batch.
    """
    check_made("clip", clip, _EXAMPLE)
    owners = [p for p in ([params] if isinstance(params, Tensor) else params) if p.grad is not None]
    for param in owners:
        if param.grad is not None and param.grad.is_sparse:
            raise RuntimeError(
                "clip_gradients_ does not support sparse gradients, and a parameter of shape "
                f"{tuple(param.shape)} has one; leave it out, or make its gradient dense"
            )
    if not owners:
        return torch.tensor(0.0)
    grads = [as_real(p.grad) for p in owners if p.grad is not None]
    batch = batch_axes([], owners, clip)
    total = over_batch(total_norm, batch, grads)
    clipped = over_batch(clip, batch, grads, [as_real(p) for p in owners])
    for grad, new in zip(grads, clipped, strict=True):
        grad.copy_(new)
    return total


def _by_value(grads: list[Tensor], params: list[Tensor], *, clip_value: Number) -> list[Tensor]:
    limits: list[Any] = [_like(clip_value, g) for g in grads]
    return [g.clamp(-limit, limit) for g, limit in zip(grads, limits, strict=True)]


def _by_global_norm(
    grads: list[Tensor], params: list[Tensor], *, max_norm: Number, eps: Number
) -> list[Tensor]:
    if not grads:
        return []
    total = total_norm(grads)
    return [_shrink(g, total + _like(eps, total), max_norm) for g in grads]


def _by_layer_norm(grads: list[Tensor], params: list[Tensor], *, max_norm: Number) -> list[Tensor]:
    return [_shrink(g, norm(g), max_norm) for g in grads]


def _adaptive(
    grads: list[Tensor], params: list[Tensor], *, clipping: Number, eps: Number, units: int
) -> list[Tensor]:
    clipped = []
    for grad, param in zip(grads, params, strict=True):
        size = _unit_norms(param, units)
        limit = _like(clipping, size) * size.clamp(min=_like(eps, size))
        clipped.append(_shrink(grad, _unit_norms(grad, units), limit))
    return clipped


def _unit_norms(x: Tensor, units: int) -> Tensor:
    """The norm of each unit's weights, shaped to multiply them: over all axes but that of the units."""
    if x.ndim <= 1 or (units == -1 and x.shape[-1] == x.numel()):
        return norm(x)
    inputs = tuple(range(1, x.ndim)) if units == 0 else tuple(range(x.ndim - 1))
    return torch.linalg.vector_norm(x, dim=inputs, keepdim=True, dtype=norm_dtype(x))


def _shrink(grad: Tensor, size: Tensor, limit: Number) -> Tensor:
    """``grad · min(1, limit / size)``, in the precision of norms: half precision rounds small factors."""
    limit, wide = _like(limit, size), norm_dtype(grad)
    factor = torch.where(size <= limit, 1.0, limit / size)  # 1 for 0/0, nan for a size of nan
    return (grad.to(wide) * factor.to(grad.device, wide)).to(grad.dtype)


def _centralize(grads: list[Tensor], params: list[Tensor]) -> list[Tensor]:
    return [g - g.mean(tuple(range(1, g.ndim)), keepdim=True) if g.ndim > 1 else g for g in grads]


def _in_turn(
    grads: list[Tensor], params: list[Tensor], *, clips: tuple[tuple[Clip, tuple[Any, ...]], ...]
) -> list[Tensor]:
    for clip, keywords in clips:
        grads = clip(grads, params, **dict(keywords))
    return grads


def _open(clip: Clip) -> tuple[Callable[..., list[Tensor]], tuple[Any, ...]]:
    """A clip's function and keywords, in which a batch finds the limits of its models."""
    if isinstance(clip, partial) and not clip.args:
        return clip.func, tuple(clip.keywords.items())
    return clip, ()


def _like(value: Number, x: Tensor) -> Number:
    return single(value).to(x) if isinstance(value, Tensor) else value
