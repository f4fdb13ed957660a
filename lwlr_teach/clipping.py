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

import torch
from torch import Tensor

from lwlr_teach.arithmetic import norm, norm_dtype
from lwlr_teach.checks import Number, check_number

Clip = Callable[[list[Tensor], list[Tensor]], list[Tensor]]


def by_value(clip_value: Number) -> Clip:
    """Each entry into [−clip_value, clip_value]. This changes the gradient's direction."""
    check_number("clip_value", clip_value, low=0)
    return partial(_by_value, clip_value=clip_value)


def by_global_norm(max_norm: Number, eps: Number = 0) -> Clip:
    """All gradients times one factor, min(1, max_norm / (‖g‖ + eps)), ‖g‖ over all of them together.

    Pascanu, Mikolov & Bengio 2013. torch's ``clip_grad_norm_`` has eps = 1e-6; optax is exact, as this is.
    """
    check_number("max_norm", max_norm, low=0)
    check_number("eps", eps, low=0)
    return partial(_by_global_norm, max_norm=max_norm, eps=eps)


def by_layer_norm(max_norm: Number) -> Clip:
    """Each tensor by itself: g · min(1, max_norm / ‖g‖). Only directions of single layers are kept."""
    check_number("max_norm", max_norm, low=0)
    return partial(_by_layer_norm, max_norm=max_norm)


def adaptive(clipping: Number = 0.01, eps: Number = 1e-3) -> Clip:
    """Adaptive gradient clipping: each unit's gradient to at most ``clipping`` times the norm of its weights.

    Brock et al. 2021: ‖g_i‖ ≤ λ max(‖w_i‖, ε) for the weights i that enter one unit, which are the rows of a
    weight matrix in torch's layout. The paper leaves the last layer out: give it an optimizer of its own.
    """
    check_number("clipping", clipping, low=0)
    check_number("eps", eps, low=0)
    return partial(_adaptive, clipping=clipping, eps=eps)


def centralize() -> Clip:
    """Gradient centralisation (Yong et al. 2020): subtract each unit's mean; vectors stay as they are."""
    return _centralize


def in_turn(*clips: Clip) -> Clip:
    """One clip after the other."""
    return partial(_in_turn, clips)


@torch.no_grad()
def clip_gradients_(params: Tensor | Iterable[Tensor], clip: Clip) -> None:
    """Clip the ``.grad`` of these parameters in place, for an optimizer that has no ``clip``."""
    owners = [p for p in ([params] if isinstance(params, Tensor) else params) if p.grad is not None]
    clipped = clip([p.grad for p in owners if p.grad is not None], owners)
    for param, grad in zip(owners, clipped, strict=True):
        param.grad = grad


def _by_value(grads: list[Tensor], params: list[Tensor], *, clip_value: Number) -> list[Tensor]:
    return [torch.minimum(torch.maximum(g, -_like(clip_value, g)), _like(clip_value, g)) for g in grads]


def _by_global_norm(
    grads: list[Tensor], params: list[Tensor], *, max_norm: Number, eps: Number
) -> list[Tensor]:
    if not grads:
        return []
    norms = [norm(g) for g in grads]
    total = torch.stack([n.to(norms[0]) for n in norms]).norm()
    factor = (max_norm / (total + eps)).clamp(max=1)
    return [g * factor.to(g.device) for g in grads]


def _by_layer_norm(grads: list[Tensor], params: list[Tensor], *, max_norm: Number) -> list[Tensor]:
    return [g * (max_norm / norm(g)).clamp(max=1) for g in grads]


def _adaptive(grads: list[Tensor], params: list[Tensor], *, clipping: Number, eps: Number) -> list[Tensor]:
    limits = [clipping * _unit_norms(p).clamp(min=eps) for p in params]
    return [g * (limit / _unit_norms(g)).clamp(max=1) for g, limit in zip(grads, limits, strict=True)]


def _unit_norms(x: Tensor) -> Tensor:
    """The norm of each unit's weights, shaped to multiply them: over all axes but the first."""
    if x.ndim <= 1:
        return norm(x)
    return torch.linalg.vector_norm(x, dim=tuple(range(1, x.ndim)), keepdim=True, dtype=norm_dtype(x)).to(
        x.dtype
    )


def _centralize(grads: list[Tensor], params: list[Tensor]) -> list[Tensor]:
    return [g - g.mean(tuple(range(1, g.ndim)), keepdim=True) if g.ndim > 1 else g for g in grads]


def _in_turn(clips: tuple[Clip, ...], grads: list[Tensor], params: list[Tensor]) -> list[Tensor]:
    for clip in clips:
        grads = clip(grads, params)
    return grads


def _like(value: Number, x: Tensor) -> Tensor:
    return torch.as_tensor(value, dtype=x.dtype, device=x.device)
