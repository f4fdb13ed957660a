"""Many models at once: hyperparameters whose axes are the leading axes of the parameters.

A rate of shape (61,) beside weights of shape (61, 10, 64) stands for 61 models, each with a rate of its own.
A tensor of shape (1,) is a single number, as in torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

Result = TypeVar("Result")


def batch_axes(
    settings: Iterable[Mapping[str, Any]], params: Iterable[Tensor], *hooks: Callable[..., Any] | None
) -> int:
    """How many leading axes of each parameter are a batch's: those of the largest hyperparameter.

    A shape of (1,) makes a batch only where every parameter begins with an axis of 1: a batch of one model.
    """
    keywords = [hook.keywords for hook in hooks if isinstance(hook, partial)]
    shapes = {
        shape for mapping in [*settings, *keywords] for value in mapping.values() for shape in _shapes(value)
    }
    if shapes <= {(), (1,)}:
        return int((1,) in shapes and all(param.shape[:1] == (1,) for param in params))
    return max(map(len, shapes))


def _shapes(value: Any) -> list[tuple[int, ...]]:
    if isinstance(value, Tensor):
        return [tuple(value.shape)]
    return [shape for v in value for shape in _shapes(v)] if isinstance(value, tuple | list) else []


def single(value: Any) -> Any:
    """A tensor of shape (1,) without its axis, also in a tuple; leave everything else alone."""
    if isinstance(value, Tensor):
        return value.reshape(()) if value.shape == (1,) else value
    return tuple(map(single, value)) if isinstance(value, tuple) else value


def lead(value: Any, like: Tensor) -> Any:
    """Let a tensor of hyperparameters stand for the leading axes of ``like``; leave everything else alone.

    A value of shape (R,) becomes (R, 1, …, 1), which broadcasts over a parameter of shape (R, …), in the
    parameter's precision.
    """
    value = single(value)
    if isinstance(value, Tensor) and value.ndim:
        check_axes(value, like.shape)
        return value.reshape(value.shape + (1,) * (like.ndim - value.ndim)).to(like)
    if isinstance(value, tuple | list):
        return tuple(lead(v, like) for v in value)
    return value


def check_axes(value: Tensor, shape: torch.Size) -> None:
    """Raise unless a hyperparameter's axes match the leading axes of a parameter's."""
    fits = all(n in (1, m) for n, m in zip(value.shape, shape, strict=False))
    if value.ndim > len(shape) or not fits:
        raise ValueError(
            f"a hyperparameter of shape {tuple(value.shape)} does not match the leading axes "
            f"of a parameter, {tuple(shape)}"
        )


def over_batch(function: Callable[..., Result], axes: int, *args: Any, **settings: Any) -> Result:
    """Call ``function`` once for each model of a batch, all at once.

    ``args`` are tensors, or trees of tensors, that begin with the batch's ``axes``. A tensor among the
    settings, or among the keywords of a ``functools.partial``, holds a value for each model.
    """
    if isinstance(function, partial):
        settings = function.keywords | settings
        function = partial(function.func, *function.args)
    if axes == 0:
        return function(*args, **{name: single(value) for name, value in settings.items()})
    leaves, tree = tree_flatten(args)
    numbers, form = tree_flatten(settings)
    shape = next(leaf for leaf in leaves if isinstance(leaf, Tensor)).shape[:axes]
    given = leaves + [_spread(n, shape) if isinstance(n, Tensor) else n for n in numbers]

    def call(*tensors: Tensor) -> Result:
        own = iter(tensors)
        each = [next(own) if isinstance(leaf, Tensor) else leaf for leaf in given]
        args, settings = each[: len(leaves)], each[len(leaves) :]
        return function(*tree_unflatten(args, tree), **tree_unflatten(settings, form))

    # vmap takes its time for each axis and for each tree, so it gets a single axis and plain tensors.
    made = torch.vmap(call)(*(leaf.flatten(0, axes - 1) for leaf in given if isinstance(leaf, Tensor)))
    return tree_map(lambda v: v.unflatten(0, shape), made)


def _spread(value: Tensor, shape: torch.Size) -> Tensor:
    """One value for each model: the axes that a hyperparameter has are the batch's first ones."""
    check_axes(value, shape)
    return value.reshape(value.shape + (1,) * (len(shape) - value.ndim)).expand(shape)
