"""The engine: runs any update rule, on one model or a batch of them, compiled or not, whole or in shards.

A method is two things: a **rule**, a pure function on one tensor that turns a gradient into a direction, and
a class that gives the rule its hyperparameters and its first state. Everything else that an optimizer does
stands here, once::

    p  ←  p − lr · scale · direction( clip(g) )

The rule is called as ``rule(grad, state, step, **hyperparameters)`` and returns ``(direction, new_state)``.
It changes nothing in place. ``step`` counts from 1. Its keyword-only arguments name the hyperparameters it
reads from the parameter group; ``param`` stands for the parameter itself.

**Batched.** A hyperparameter may be a tensor. Its axes are matched with the *leading* axes of each parameter,
so that one optimizer trains many copies of a model at once, each with its own rate::

    weights = torch.zeros(61, 10, 64, requires_grad=True)  # 61 models
    optimizer = SGD([weights], lr=torch.logspace(-4, 1, 61))  # 61 rates

The hyperparameter with most axes says how many of the axes are the batch's; the rest is the layer, whose norm
LARS takes. A tensor of shape (1,) is a single number, as in torch, unless every parameter begins with an axis
of 1. A torch scheduler sets a single number; ``lwlr_teach.schedules.drive`` multiplies every rate.

**Compiled.** ``compile=True`` hands the same rules to ``torch.compile``: all parameters in one program.

**Sharded.** A parameter may be a DTensor (FSDP2): each process moves its part, and a layer's norm is the norm
of the whole layer.

**In a browser.** :func:`lwlr_teach.optim.to_javascript` writes out what a step does with a small parameter.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, TypedDict, overload

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from lwlr_teach.clipping import Clip
from lwlr_teach.core.arithmetic import State, add_times, as_real, is_zero, norm_dtype
from lwlr_teach.core.batching import batch_axes, lead, over_batch, single
from lwlr_teach.core.checks import Number, check_choice, check_made, check_number
from lwlr_teach.core.sharding import is_sharded, whole
from lwlr_teach.layerwise import Scale
from lwlr_teach.optim.compiling import Compiled, as_number
from lwlr_teach.optim.update import Bucket, Rule, Update, state_tensors

_NONFINITE = {choice: choice for choice in ("ignore", "skip", "raise")}
_CHOICES_OF_TORCH = ("foreach", "fused", "capturable", "differentiable")
_SEVERAL = ("betas", "ns_coefficients")  # hyperparameters that are several numbers


class Options(TypedDict, total=False):
    """What every optimizer takes, by keyword.

    ``maximize``: go up instead of down. ``clip``: what happens to the gradients first, see
    :mod:`lwlr_teach.clipping`. ``scale``: a factor for each layer, see
    :func:`lwlr_teach.layerwise.by_trust_ratio`. ``nonfinite``: what to do when a gradient holds nan or inf:
    ``"ignore"``, as torch does; ``"skip"`` the whole step; or ``"raise"`` FloatingPointError. ``compile``:
    run the rule through ``torch.compile``; the second step takes seconds to compile, and a machine without a
    compiler gets a warning and goes on eagerly.

    All but ``maximize`` belong to the optimizer and not to its groups: an optimizer that is made anew from
    ``param_groups`` or ``defaults`` must be given them again.
    """

    maximize: bool
    clip: Clip | None
    scale: Scale | None
    nonfinite: str
    compile: bool
    foreach: bool | None
    fused: bool | None
    capturable: bool
    differentiable: bool


class RuleOptimizer(torch.optim.Optimizer):
    """A ``torch.optim.Optimizer`` whose update is a pure rule.

    A subclass sets ``rule``, checks its hyperparameters in ``check`` and, where the rule needs something to
    start from, gives it in ``init_state``. Every parameter group holds ``lr``, ``weight_decay`` and
    ``maximize`` beside the rule's own hyperparameters. Weight decay is added to the gradient; a group with
    ``decoupled_weight_decay`` set shrinks the weights directly instead, and a rule that reads
    ``weight_decay`` sees to it itself.

    ``elementwise`` promises that the rule treats every entry of a tensor alike and alone, so that it may be
    run on a tensor's pieces, shards and batches at once. A rule that takes a norm, or a product of matrices,
    is not.

    ``takes_sparse`` says that sparse gradients are handled. ``lazy`` says how: to this rule a gradient of 0
    changes nothing, neither the parameter nor the state, so that only the rows move that the gradient names.

    ``fixed`` are entries of a group that make the class what it is; they stay, whatever is loaded.

    ``finds`` are entries of a group that the method itself moves in ``before_step``, as a rate that it learns
    or the distance it has come: numbers, or one for each model of a batch. ``whole_step`` says that the
    rule's direction is the whole step, rate and all.

    ``skipped`` counts the steps that ``nonfinite="skip"`` has left out.
    """

    rule: ClassVar[Rule]
    elementwise: ClassVar[bool] = False
    takes_sparse: ClassVar[bool] = False
    lazy: ClassVar[bool] = False
    fixed: ClassVar[Mapping[str, Any]] = {}
    finds: ClassVar[tuple[str, ...]] = ()
    whole_step: ClassVar[bool] = False
    _reads: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not hasattr(cls, "rule"):
            return  # what several methods share
        arguments = inspect.signature(cls.rule).parameters.values()
        cls._reads = tuple(a.name for a in arguments if a.kind is a.KEYWORD_ONLY)

    def __init__(
        self,
        params: ParamsT,
        defaults: dict[str, Any],
        *,
        maximize: bool = False,
        clip: Clip | None = None,
        scale: Scale | None = None,
        nonfinite: str = "ignore",
        compile: bool = False,
        **others: Any,
    ) -> None:
        self.check(defaults)
        check_options(type(self), others)
        for name, function, example in [
            ("clip", clip, "lwlr_teach.clipping.by_global_norm(1.0)"),
            ("scale", scale, "lwlr_teach.layerwise.by_trust_ratio()"),
        ]:
            if function is not None:
                check_made(name, function, example)
        self.clip, self.scale = clip, scale
        self.nonfinite = check_choice("nonfinite", nonfinite, _NONFINITE)
        self.compile = compile
        self.skipped = 0
        self._compiled: Compiled | None = None
        super().__init__(params, defaults | {"maximize": maximize})

    def __getstate__(self) -> dict[str, Any]:
        own = ("clip", "scale", "nonfinite", "compile", "skipped")
        return super().__getstate__() | {name: getattr(self, name) for name in own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._compiled = None
        for group in self.param_groups:  # a state_dict of torch's own optimizer lacks what only ours has
            for name, value in self.defaults.items():
                group.setdefault(name, value)
            group.update(self.fixed)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """As in torch, with the group's hyperparameters checked."""
        if isinstance(param_group, dict):
            self.check(self.defaults | param_group)
        # torch guards its method against torch.compile, and the guard loads torch._dynamo: 72 MB, 0.8 s.
        inspect.unwrap(torch.optim.Optimizer.add_param_group)(self, param_group)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As in torch, from ours or from torch's own optimizer of the same name."""
        with loading(self, self._take_over):
            super().load_state_dict(state_dict)

    def _take_over(self, loaded: dict[str, Any]) -> None:
        """Bring the state that torch has just loaded into our form."""
        batch = self.batch_axes()
        saved = [loaded["state"].get(i) for g in loaded["param_groups"] for i in g["params"]]
        owners = [(param, group) for group in self.param_groups for param in group["params"]]
        for (param, group), values in zip(owners, saved, strict=True):
            if not values:
                self.state.pop(param, None)
                continue
            # Older torch wrote None for a buffer that is yet to come.
            state = self.state[param] = {n: v for n, v in self.state[param].items() if v is not None}
            state.update({name: as_real(value) for name, value in state_tensors(state).items()})
            if norm_dtype(param) != param.dtype:  # torch gives all of the state the parameter's precision
                for name, first in self._first_state(param, group, batch).items():
                    if name in state_tensors(state) and first.dtype != param.dtype:
                        state[name] = values[name].to(first)

    @staticmethod
    def check(group: dict[str, Any]) -> None:
        """Raise for hyperparameters that make no sense. Overrides call this one, too."""
        check_number("lr", group["lr"], low=0)
        check_number("weight_decay", group["weight_decay"], low=0)

    def init_state(self, param: Tensor, group: dict[str, Any]) -> State:
        """What the rule remembers before its first step. Nothing by default.

        An elementwise rule's state is shaped like ``param``, which may be a batch; any other rule sees one
        layer.
        """
        return {}

    def batch_axes(self) -> int:
        """How many leading axes of the parameters, those of all groups, are a batch's."""
        settings = [self._settings(group) for group in self.param_groups]
        params = (param for group in self.param_groups for param in group["params"])
        return batch_axes(settings, params, self.clip, self.scale)

    def _settings(self, group: dict[str, Any]) -> dict[str, Any]:
        """The group's hyperparameters; those that are several numbers as a tuple, whatever they came in."""
        names = [name for name in self.defaults if name in group]
        return {name: tuple(group[name]) if name in _SEVERAL else group[name] for name in names}

    def before_step(self) -> None:
        """What a method changes in its parameter groups once the gradients are known. Nothing by default."""

    def given(self) -> list[list[tuple[Tensor, Tensor, Tensor]]]:
        """What moves in this step, for each group: the parameter, the same in real numbers, and the gradient
        that the rule is going to see, after clip and coupled decay. For ``before_step``."""
        batch = self.batch_axes()
        moving = [
            [(p, as_real(p), grad_for_rule(p, group)) for p in group["params"] if p.grad is not None]
            for group in self.param_groups
        ]
        if self.clip is not None and any(moving):
            params, grads = zip(*[(real, grad) for own in moving for _, real, grad in own], strict=True)
            clipped = iter(over_batch(self.clip, batch, list(grads), list(params)))
            moving = [[(p, real, next(clipped)) for p, real, _ in own] for own in moving]
        decayed = []
        for group, own in zip(self.param_groups, moving, strict=True):
            decay = group["weight_decay"]
            coupled = "weight_decay" not in self._reads and not group.get("decoupled_weight_decay", False)
            own = [(p, real, grad.to(real.dtype)) for p, real, grad in own]
            if coupled and not is_zero(decay):
                own = [(p, real, add_times(grad, lead(decay, real), real)) for p, real, grad in own]
            decayed.append(own)
        return decayed

    def note(self, group: dict[str, Any], **found: Number) -> None:
        """Put what was found into the group: as a plain number where one was, unless it is a batch's."""
        for name, value in found.items():
            plain = isinstance(value, Tensor) and value.ndim == 0 and not isinstance(group[name], Tensor)
            group[name] = value.item() if plain else value  # type: ignore[union-attr]

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Move every parameter that has a gradient by one step; return the loss of the closure, if any."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._refuse_sparse()
        if self.nonfinite != "ignore" and not self._all_finite():
            self.skipped += 1
            return loss
        self.advance()
        return loss

    def advance(self, count: Tensor | None = None) -> None:
        """Move every parameter that has a gradient. A program that is to serve every step hands in ``count``,
        which then stands for the number of the step."""
        self.before_step()
        update = Update(type(self).rule, self._reads, self.elementwise, self.clip, self.scale, self.lazy)
        batch = self.batch_axes()
        buckets = self._buckets(batch)
        if count is not None:
            buckets = [bucket._replace(step=count) for bucket in buckets]
        if self.compile and all(_can_be_compiled(bucket) for bucket in buckets):
            if self._compiled is None or self._compiled.update != update:
                self._compiled = Compiled(update)
            self._compiled(buckets, batch)
        else:
            update(buckets, batch)

    def _all_finite(self) -> bool:
        """Whether no gradient holds nan or inf; with ``"raise"``, FloatingPointError names one that does."""
        for i, group in enumerate(self.param_groups):
            for j, param in enumerate(group["params"]):
                if param.grad is None or _is_finite(param.grad):
                    continue
                if self.nonfinite == "raise":
                    name = group["param_names"][j] if "param_names" in group else f"number {j} of group {i}"
                    raise FloatingPointError(
                        f"the gradient of parameter {name}, shape {tuple(param.shape)}, holds nan or inf; "
                        "nothing was changed"
                    )
                return False
        return True

    def _refuse_sparse(self) -> None:
        for group in self.param_groups:
            if not any(p.grad is not None and p.grad.is_sparse for p in group["params"]):
                continue
            if not self.takes_sparse:
                hint = "; use SGD or Adagrad"
            elif self.clip is not None or self.scale is not None:
                hint = " together with clip or scale"
            elif not is_zero(group["weight_decay"]) and not group.get("decoupled_weight_decay", False):
                hint = " together with weight_decay"
            elif self.lazy and self.batch_axes():
                hint = " together with hyperparameters for several models"
            else:
                continue
            raise RuntimeError(f"{type(self).__name__} does not support sparse gradients{hint}")

    def _buckets(self, batch: int) -> list[Bucket]:
        """Everything that moves in this step. Counts the step."""
        buckets: list[Bucket] = []
        for group in self.param_groups:
            known = self._settings(group)
            settings = {name: known[name] for name in (*self._reads, "lr", "weight_decay") if name != "param"}
            settings["decoupled_weight_decay"] = group.get("decoupled_weight_decay", False)
            if self.whole_step:
                lr = settings["lr"]
                settings["lr"] = torch.ones_like(lr) if isinstance(lr, Tensor) else 1.0
            if self.compile:  # numbers that move at each step must be tensors, or each is compiled anew
                settings |= {name: as_number(settings[name]) for name in self.finds if name in settings}
            if not batch:
                settings = {name: single(value) for name, value in settings.items()}
            by_step: dict[int, Bucket] = {}
            for owner in group["params"]:
                if owner.grad is None:
                    continue
                state = self.state[owner]
                param, grad = as_real(owner), grad_for_rule(owner, group)
                step = state["step"] = int(state.get("step", 0)) + 1
                if step == 1:  # torch's Muon keeps a momentum and counts no steps: what is there stays
                    state.update(self._first_state(param, group, batch) | state)
                bucket = by_step.get(step)
                if bucket is None:
                    bucket = by_step[step] = Bucket(settings, step, [], [], [])
                bucket.params.append(param)
                bucket.grads.append(grad)
                bucket.states.append(state)
            buckets += by_step.values()
        return buckets

    def _first_state(self, param: Tensor, group: dict[str, Any], batch: int) -> State:
        batch = 0 if self.elementwise else batch
        first = over_batch(lambda layer: self.init_state(layer, group), batch, param)
        return {name: value.clone() for name, value in first.items()} if batch else first


def check_options(cls: type, options: Mapping[str, Any]) -> None:
    """Raise for an option that the class does not have, and for a choice among torch's own kernels."""
    for name, value in options.items():
        if name not in Options.__annotations__:
            known = [*inspect.signature(cls).parameters, *Options.__annotations__]
            known = [n for n in known if n not in ("params", "options", *_CHOICES_OF_TORCH)]
            raise TypeError(f"{cls.__name__} has no argument {name!r}; it has {', '.join(known)}")
        if name in _CHOICES_OF_TORCH and value:
            raise ValueError(f"{name}={value!r} chooses among torch's own kernels; here use compile=True")


def grad_for_rule(param: Tensor, group: dict[str, Any]) -> Tensor:
    """The gradient that the rule sees: of what is minimised, in real numbers, as precise as the parameter."""
    assert param.grad is not None
    grad, dtype = as_real(param.grad), as_real(param).dtype
    if grad.dtype != dtype:
        grad = grad.to(torch.promote_types(grad.dtype, dtype))
    return -grad if group["maximize"] else grad


def _can_be_compiled(bucket: Bucket) -> bool:
    """Not the first step, which makes the state; nor sparse and sharded gradients."""
    return bool(bucket.step > 1) and not any(g.is_sparse or is_sharded(g) for g in bucket.grads)


def _is_finite(grad: Tensor) -> bool:
    values = grad.coalesce().values() if grad.is_sparse else grad
    # Zero, or nan if there is any nan or inf; of all shards, so that every process decides alike.
    return bool(whole((values - values).sum()) == 0)


@contextmanager
def loading(optimizer: torch.optim.Optimizer, take: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    """Let ``take`` have the state dict that torch loads in this block, once it is loaded.

    It is the last hook before and the first one after: it takes what the others have made of the dict, and
    they find the state complete.
    """
    loaded: dict[str, Any] = {}
    with (
        optimizer.register_load_state_dict_pre_hook(lambda _, final: loaded.update(final)),
        optimizer.register_load_state_dict_post_hook(lambda _: take(loaded), prepend=True),
    ):
        yield
