"""The one line that every method is, carried out: p ← p − lr · scale · direction( clip(g) ).

An :class:`Update` knows which rule, clip and scale to use and moves lists of tensors in place. It is plain
enough for ``torch.compile`` to trace, which is how the same rules become fast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lwlr_teach.clipping import Clip
from lwlr_teach.core.arithmetic import State, add_times, is_zero, stretch
from lwlr_teach.core.batching import lead, over_batch
from lwlr_teach.core.sharding import align, from_shard, is_sharded, shard
from lwlr_teach.layerwise import Scale

Rule = Callable[..., tuple[Tensor, State]]
Finder = Callable[[Tensor, Tensor, State], tuple[Tensor, State]]

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
    lazy: bool = False

    def __call__(self, buckets: list[Bucket], batch: int) -> None:
        """Take one step with every tensor in every bucket, eagerly. The states get new tensors.

        ``batch`` of the parameters' leading axes are a batch's.
        """
        for bucket in self._clipped(buckets, batch):
            find, small = self._finder(bucket, batch), []
            for param, grad, state in zip(bucket.params, bucket.grads, bucket.states, strict=True):
                if self.lazy and grad.is_sparse:
                    _move_rows(param, grad, state, find, bucket.settings)
                elif self.cuttable and is_sharded(param):
                    _move_shard(param, grad, state, find, bucket.settings)
                elif self.cuttable and not batch and _can_be_cut(param, grad, state):
                    _move_in_pieces(param, grad, state, find, bucket.settings)
                else:
                    direction, new_state = find(param, grad, state)
                    state.update({n: v.clone() if v is grad else v for n, v in new_state.items()})
                    # At once, so that a large direction need not be kept; and lists hold no DTensors.
                    if is_sharded(param):  # of one entry, parts and copies look alike to torch
                        _move([param], [align(direction, like=param)], bucket.settings)
                    elif param.numel() > PIECE:
                        _move([param], [direction], bucket.settings)
                    else:
                        small.append((param, direction))
            _move([param for param, _ in small], [direction for _, direction in small], bucket.settings)

    def in_place(self, buckets: list[Bucket], batch: int) -> None:
        """The same in its plainest form, for ``torch.compile``. The states keep their tensors."""
        for bucket in self._clipped(buckets, batch):
            find = self._finder(bucket, batch)
            for param, grad, state in zip(bucket.params, bucket.grads, bucket.states, strict=True):
                _move_in_place(param, grad, state, find, bucket.settings)

    @property
    def cuttable(self) -> bool:
        """Whether every entry of a tensor moves by itself, so that tensors may be cut or batched at will."""
        return self.elementwise and self.scale is None

    def _clipped(self, buckets: list[Bucket], batch: int) -> list[Bucket]:
        if self.clip is None or not buckets:
            return buckets
        grads = [grad for bucket in buckets for grad in bucket.grads]
        params = [param for bucket in buckets for param in bucket.params]
        clipped = iter(over_batch(self.clip, batch, grads, params))
        return [bucket._replace(grads=[next(clipped) for _ in bucket.grads]) for bucket in buckets]

    def _finder(self, bucket: Bucket, batch: int) -> Finder:
        """The rule with this bucket's numbers in it, for whole parameters: of one model or of a batch."""
        step, settings = bucket.step, bucket.settings
        if batch == 0:
            return self._scaled(self._with_numbers(step, settings))

        def broadcast(param: Tensor, grad: Tensor, state: State) -> tuple[Tensor, State]:
            numbers = {name: lead(value, param) for name, value in settings.items()}
            return self._with_numbers(step, numbers)(param, grad, state)

        def layer_by_layer(param: Tensor, grad: Tensor, state: State) -> tuple[Tensor, State]:
            def find(param: Tensor, grad: Tensor, state: State, **numbers: Any) -> tuple[Tensor, State]:
                return self._with_numbers(step, numbers)(param, grad, state)

            return over_batch(find, batch, param, grad, state_tensors(state), **settings)

        return broadcast if self.cuttable else self._scaled(layer_by_layer, batch)

    def _scaled(self, find: Finder, batch: int = 0) -> Finder:
        """The same, with the layer's factor on the direction."""
        scale = self.scale
        if scale is None:
            return find

        def scaled(param: Tensor, grad: Tensor, state: State) -> tuple[Tensor, State]:
            direction, new_state = find(param, grad, state)
            factor = over_batch(scale, batch, param, direction)
            return stretch(direction, factor), new_state | {"scale": factor}

        return scaled

    def _with_numbers(self, step: int | Tensor, settings: dict[str, Any]) -> Finder:
        """Decay, then direction."""
        weight_decay = settings["weight_decay"]
        coupled = "weight_decay" not in self.reads and not settings["decoupled_weight_decay"]
        decays = coupled and not is_zero(weight_decay)
        read = {name: settings[name] for name in self.reads if name != "param"}

        def find(param: Tensor, grad: Tensor, state: State) -> tuple[Tensor, State]:
            grad = grad.to(param.dtype)  # only now: a clip has seen it as precise, and as large, as it came
            if decays:
                grad = add_times(grad, weight_decay, param)
            own = {"param": param} if "param" in self.reads else {}
            return self.rule(grad, state, step, **own, **read)

        return find


def _move_in_place(param: Tensor, grad: Tensor, state: State, find: Finder, settings: dict[str, Any]) -> None:
    direction, new_state = find(param, grad, state)
    _move([param], [direction], settings)
    for name, value in new_state.items():
        if name in state:
            _writable(state[name]).copy_(value)
        else:
            state[name] = value.clone()


def _writable(x: Tensor) -> Tensor:
    """A view with an axis: torch.compile (2.13) drops what is written into a double that has none."""
    return x if x.ndim else x.view(1)


def _move_in_pieces(
    param: Tensor, grad: Tensor, state: State, find: Finder, settings: dict[str, Any]
) -> None:
    cut = {name: value.view(-1).split(PIECE) for name, value in _like(param, state).items()}
    pieces = zip(param.view(-1).split(PIECE), grad.view(-1).split(PIECE), strict=True)
    states: list[State] = []
    for i, (p, g) in enumerate(pieces):
        states.append({name: parts[i] for name, parts in cut.items()})
        _move_in_place(p, g, states[-1], find, settings)
    for name in states[0].keys() - cut.keys():  # what the rule has begun to remember
        state[name] = torch.cat([s[name] for s in states]).view_as(param)


def _move_rows(param: Tensor, grad: Tensor, state: State, find: Finder, settings: dict[str, Any]) -> None:
    """Move what a sparse gradient names. All else has the gradient 0, which changes nothing."""
    grad = grad.coalesce()  # what is named twice has the sum for its gradient, before it is squared
    named = tuple(grad.indices())
    rows = param[named]
    part = {name: value[named] for name, value in _like(param, state).items()}
    _move_in_place(rows, grad.values(), part, find, settings)
    param[named] = rows
    for name, value in part.items():
        state[name][named] = value


def _move_shard(param: Tensor, grad: Tensor, state: State, find: Finder, settings: dict[str, Any]) -> None:
    part = {name: shard(value) for name, value in state_tensors(state).items()}
    _move_in_place(shard(param), shard(align(grad, param)), part, find, settings)
    for name in part.keys() - state.keys():
        state[name] = from_shard(part[name], like=param)


def _move(params: list[Tensor], directions: list[Tensor], settings: dict[str, Any]) -> None:
    """p ← (1 − lr · λ) p − lr · direction, the decay only if it is decoupled."""
    lr, weight_decay = settings["lr"], settings["weight_decay"]
    decays = settings["decoupled_weight_decay"] and not is_zero(weight_decay)
    if isinstance(lr, Tensor) or isinstance(weight_decay, Tensor):
        for param, direction in zip(params, directions, strict=True):
            rate, target = lead(lr, param), _writable(param)
            if decays:
                target.mul_(1 - rate * lead(weight_decay, param))
            target.sub_(rate * direction)
    elif params:
        if decays:
            torch._foreach_mul_(params, 1 - lr * weight_decay)
        torch._foreach_add_(params, directions, alpha=-lr)


def state_tensors(state: Mapping[str, Any]) -> State:
    """The state without the count of steps, and without what is no tensor."""
    return {name: value for name, value in state.items() if name != "step" and isinstance(value, Tensor)}


def _like(param: Tensor, state: Mapping[str, Any]) -> State:
    """What the state holds for each entry of the parameter; another method may have left more."""
    return {name: value for name, value in state_tensors(state).items() if value.shape == param.shape}


def _can_be_cut(param: Tensor, grad: Tensor, state: State) -> bool:
    """Whether the tensor is large, and lies in memory in such a way that pieces of it are views."""
    if param.numel() <= PIECE:
        return False
    return all(t.is_contiguous() for t in (param, grad, *_like(param, state).values()))
