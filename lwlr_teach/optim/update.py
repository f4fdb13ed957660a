"""The one line that every method is, carried out: p ← p − lr · scale · direction( clip(g) ).

An :class:`Update` knows which rule, clip and scale to use and moves lists of tensors in place. It is plain
enough for ``torch.compile`` to trace, which is how the same rules become fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from lwlr_teach.arithmetic import State, is_zero, lead
from lwlr_teach.checks import Number
from lwlr_teach.clipping import Clip
from lwlr_teach.layerwise import Scale
from lwlr_teach.sharding import from_shard, is_sharded, shard

Rule = Callable[..., tuple[Tensor, State]]
Result = TypeVar("Result")

# A large tensor is moved in pieces of so many elements: what the rule writes in between then stays in cache.
PIECE = 2**18


class Bucket(NamedTuple):
    """Parameters that take the same step: one group, equally many steps so far."""

    settings: dict[str, Any]
    step: int | Tensor
    params: list[Tensor]
    grads: list[Tensor]
    states: list[State]


@dataclass(frozen=True)
class Update:
    """What is done to every tensor; see :class:`lwlr_teach.optim.RuleOptimizer` for the parts."""

    rule: Rule
    reads: tuple[str, ...]
    elementwise: bool
    clip: Clip | None = None
    scale: Scale | None = None

    def __call__(self, buckets: list[Bucket]) -> None:
        """Take one step with every tensor in every bucket, eagerly. The states get new tensors."""
        batch = self.batch_axes(buckets)
        for bucket in self._clipped(buckets, batch):
            small: list[tuple[Tensor, Tensor]] = []
            for param, grad, state in zip(bucket.params, bucket.grads, bucket.states, strict=True):
                if self.cuttable and is_sharded(param):
                    self._move_shard(param, grad, state, bucket, batch)
                elif self.cuttable and not batch and _can_be_cut(param, grad, state):
                    self._move_in_pieces(param, grad, state, bucket)
                else:
                    direction, new_state = self._direction(param, grad, state, bucket, batch)
                    state.update({n: v.clone() if v is grad else v for n, v in new_state.items()})
                    small.append((param, direction))
            _move([param for param, _ in small], [direction for _, direction in small], bucket.settings)

    def in_place(self, buckets: list[Bucket], batch: int) -> None:
        """The same in its plainest form, for ``torch.compile``. The states keep their tensors."""
        for bucket in self._clipped(buckets, batch):
            for param, grad, state in zip(bucket.params, bucket.grads, bucket.states, strict=True):
                self._move_in_place(param, grad, state, bucket, batch)

    def batch_axes(self, buckets: list[Bucket]) -> int:
        """How many leading axes of the parameters are a batch's."""
        return batch_axes([bucket.settings for bucket in buckets], self.clip, self.scale)

    @property
    def cuttable(self) -> bool:
        """Whether every entry of a tensor moves by itself, so that tensors may be cut or batched at will."""
        return self.elementwise and self.scale is None

    def _clipped(self, buckets: list[Bucket], batch: int) -> list[Bucket]:
        if self.clip is None:
            return buckets
        grads = [grad for bucket in buckets for grad in bucket.grads]
        params = [param for bucket in buckets for param in bucket.params]
        clipped = iter(over_batch(self.clip, batch, grads, params))
        return [bucket._replace(grads=[next(clipped) for _ in bucket.grads]) for bucket in buckets]

    def _move_in_place(self, param: Tensor, grad: Tensor, state: State, bucket: Bucket, batch: int) -> None:
        direction, new_state = self._direction(param, grad, state, bucket, batch)
        _move([param], [direction], bucket.settings)
        for name, value in new_state.items():
            if name in state:
                state[name].copy_(value)
            else:
                state[name] = value.clone()

    def _move_in_pieces(self, param: Tensor, grad: Tensor, state: State, bucket: Bucket) -> None:
        cut = {name: value.view(-1).split(PIECE) for name, value in tensors(state).items()}
        pieces = zip(param.view(-1).split(PIECE), grad.view(-1).split(PIECE), strict=True)
        states: list[State] = []
        for i, (p, g) in enumerate(pieces):
            states.append({name: parts[i] for name, parts in cut.items()})
            self._move_in_place(p, g, states[-1], bucket, batch=0)
        for name in states[0].keys() - cut.keys():  # what the rule has begun to remember
            state[name] = torch.cat([s[name] for s in states]).view_as(param)

    def _move_shard(self, param: Tensor, grad: Tensor, state: State, bucket: Bucket, batch: int) -> None:
        part = {name: shard(value) for name, value in tensors(state).items()}
        self._move_in_place(shard(param), shard(grad), part, bucket, batch)
        for name in part.keys() - state.keys():
            state[name] = from_shard(part[name], like=param)

    def _direction(
        self, param: Tensor, grad: Tensor, state: State, bucket: Bucket, batch: int
    ) -> tuple[Tensor, State]:
        """What ``lr`` multiplies, and the new state. Changes nothing."""
        settings = bucket.settings
        if batch == 0:
            return self._scaled(param, grad, state, step=bucket.step, **settings)
        if self.cuttable:
            settings = {name: lead(value, param) for name, value in settings.items()}
            return self._scaled(param, grad, state, step=bucket.step, **settings)
        find = partial(self._scaled, step=bucket.step)  # one layer at a time, as the rule is written
        return over_batch(find, batch, param, grad, tensors(state), **settings)

    def _scaled(
        self,
        param: Tensor,
        grad: Tensor,
        state: State,
        *,
        step: int | Tensor,
        weight_decay: Number,
        decoupled_weight_decay: bool,
        **settings: Any,
    ) -> tuple[Tensor, State]:
        """Decay, direction, scale."""
        if "weight_decay" in self.reads:
            settings["weight_decay"] = weight_decay
        elif not decoupled_weight_decay and not is_zero(weight_decay):
            grad = grad + weight_decay * param
        if "param" in self.reads:
            settings["param"] = param
        if "lr" not in self.reads:
            del settings["lr"]
        direction, new_state = self.rule(grad, state, step, **settings)
        if self.scale is None:
            return direction, new_state
        factor = self.scale(param, direction)
        return factor * direction, new_state | {"scale": factor}


def _move(params: list[Tensor], directions: list[Tensor], settings: dict[str, Any]) -> None:
    """p ← (1 − lr · λ) p − lr · direction, the decay only if it is decoupled."""
    lr, weight_decay = settings["lr"], settings["weight_decay"]
    decays = settings["decoupled_weight_decay"] and not is_zero(weight_decay)
    if isinstance(lr, Tensor) or isinstance(weight_decay, Tensor):
        for param, direction in zip(params, directions, strict=True):
            rate = lead(lr, param)
            if decays:
                param.mul_(1 - rate * lead(weight_decay, param))
            param.sub_(rate * direction)
    elif params:
        if decays:
            torch._foreach_mul_(params, 1 - lr * weight_decay)
        torch._foreach_add_(params, directions, alpha=-lr)


def tensors(state: Mapping[str, Any]) -> State:
    """The state without the count of steps."""
    return {name: value for name, value in state.items() if name != "step"}


def batch_axes(settings: Iterable[Mapping[str, Any]], *hooks: Clip | Scale | None) -> int:
    """How many leading axes of each parameter are a batch's: those of the largest hyperparameter."""
    keywords = [hook.keywords for hook in hooks if isinstance(hook, partial)]
    return max((_axes(value) for mapping in [*settings, *keywords] for value in mapping.values()), default=0)


def _axes(value: Any) -> int:
    if isinstance(value, Tensor):
        return value.ndim
    return max(map(_axes, value), default=0) if isinstance(value, tuple | list) else 0


def _can_be_cut(param: Tensor, grad: Tensor, state: State) -> bool:
    """Whether the tensor is large, and lies in memory in such a way that pieces of it are views."""
    if param.numel() <= PIECE:
        return False
    return all(t.is_contiguous() for t in (param, grad, *tensors(state).values()))


def over_batch(function: Callable[..., Result], axes: int, *args: Any, **settings: Any) -> Result:
    """Call ``function`` once for each model of a batch, all at once.

    ``args`` are tensors, or trees of tensors, that begin with the batch's ``axes``. A tensor among the
    settings, or among the keywords of a ``functools.partial``, holds a value for each model.
    """
    if axes == 0:
        return function(*args, **settings)
    if isinstance(function, partial):
        settings = function.keywords | settings
        function = partial(function.func, *function.args)
    shape = next(leaf for leaf in tree_leaves(args) if isinstance(leaf, Tensor)).shape[:axes]
    settings = tree_map(lambda v: _spread(v, shape) if isinstance(v, Tensor) else v, settings)
    mapped = tree_map(lambda v: 0 if isinstance(v, Tensor) else None, settings)

    def call(args: tuple[Any, ...], settings: dict[str, Any]) -> Result:
        return function(*args, **settings)

    for _ in range(axes):
        call = torch.vmap(call, in_dims=(0, mapped))
    return call(args, settings)


def _spread(value: Tensor, shape: torch.Size) -> Tensor:
    """One value for each model: the axes that a hyperparameter has are the batch's first ones."""
    return value.reshape(value.shape + (1,) * (len(shape) - value.ndim)).expand(shape)
