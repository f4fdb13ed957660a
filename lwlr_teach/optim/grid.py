"""Which methods are to run, and at which values of their hyperparameters: checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from lwlr_teach.optim.catalogue import METHODS, Method, method
from lwlr_teach.optim.own import from_rule
from lwlr_teach.optim.update import Rule


def check_methods(optimizers: Iterable[str | Method | Rule]) -> tuple[Method, ...]:
    """The methods of these names, and of rules of your own; ValueError for none, or one that is not known."""
    if isinstance(optimizers, str | Method) or callable(optimizers):
        optimizers = [optimizers]
    methods = tuple(method(o) if isinstance(o, str | Method) else from_rule(o) for o in optimizers)
    if not methods:
        raise ValueError(f"optimizers must name at least one of {', '.join(METHODS)}, got none")
    return methods


def check_grid(
    methods: tuple[Method, ...],
    grid: dict[str, Sequence[float] | Tensor],
    device: torch.device,
    dtype: torch.dtype,
) -> dict[str, Tensor]:
    """The grid's values as tensors; ValueError when one is empty, out of range, or read by no method."""
    axes = {}
    for name, values in grid.items():
        axis = tensor_or_none(values, device, dtype)
        if axis is None or axis.ndim != 1 or not len(axis):
            raise ValueError(f"{name} must be a list of at least one number, got {values!r}")
        users = [m for m in methods if m.target(name)]
        if not users:
            hint = "; sweep beta1 and beta2" if name == "betas" else ""
            names = ", ".join(m.name for m in methods)
            raise ValueError(f"{name} is a hyperparameter of none of {names}{hint}")
        for user in users:
            _check_values(user, name, axis)
        axes[name] = axis
    for m in methods:
        _check_no_name_twice(m, list(grid))
    return axes


def _check_values(user: Method, name: str, axis: Tensor) -> None:
    """Let the method's class check its own ranges."""
    try:
        user([torch.zeros(len(axis))], **{name: axis.cpu()})
    except ValueError as error:
        if str(error).startswith(name):
            raise
        raise ValueError(f"{name} of {user.name}: {error}") from None
    except TypeError:  # what counts, as Lookahead's k, is one number for all runs
        raise ValueError(f"{name} of {user.name} cannot be swept, because it takes a single number") from None


def _check_no_name_twice(m: Method, names: list[str]) -> None:
    by_target: dict[str, str] = {}
    for name in names:
        target = m.target(name)
        if target in by_target:
            raise ValueError(
                f"{by_target[target]} and {name} both set {target} of {m.name}; give one of them"
            )
        if target:
            by_target[target] = name


def tensor_or_none(values: object, device: torch.device, dtype: torch.dtype) -> Tensor | None:
    """The values as a tensor, or None for what is not an array of numbers."""
    try:
        return torch.as_tensor(values, device=device, dtype=dtype)
    except (TypeError, ValueError):
        return None
