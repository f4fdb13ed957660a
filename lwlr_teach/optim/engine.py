"""The engine: runs any update rule, on one model or on a whole batch of them.

A method is two things: a **rule**, a pure function on one tensor that turns a gradient into a direction, and
a class that gives the rule its hyperparameters and its first state. Everything else that an optimizer does
stands here, once.

The rule is called as ``rule(grad, state, step, **hyperparameters)`` and returns ``(direction, new_state)``.
It changes nothing in place. ``step`` counts from 1. Its keyword-only arguments name the hyperparameters it
reads from the parameter group.

**Batched.** A hyperparameter may be a tensor. Its axes are matched with the *leading* axes of each parameter,
so that one optimizer trains many copies of a model at once, each with its own rate::

    weights = torch.zeros(61, 10, 64, requires_grad=True)  # 61 models
    optimizer = SGD([weights], lr=torch.logspace(-4, 1, 61))  # 61 rates

A torch scheduler sets a single number, so it drives a batch only by a common factor of your own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from itertools import zip_longest
from typing import Any, ClassVar, overload

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from lwlr_teach.checks import check_number

State = dict[str, Tensor]
Rule = Callable[..., tuple[Tensor, State]]


class RuleOptimizer(torch.optim.Optimizer):
    """A ``torch.optim.Optimizer`` whose update is a pure rule.

    A subclass sets ``rule``, checks its hyperparameters in ``check`` and, where the rule needs something to
    start from, gives it in ``init_state``. Every parameter
    group holds ``lr``, ``weight_decay`` and ``maximize`` beside the rule's own hyperparameters; a group with
    ``decoupled_weight_decay`` set shrinks the weights directly instead of adding to the gradient.
    """

    rule: ClassVar[Rule]
    takes_sparse: ClassVar[bool] = False
    _read_by_rule: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        arguments = inspect.signature(cls.rule).parameters.values()
        cls._read_by_rule = tuple(a.name for a in arguments if a.kind is a.KEYWORD_ONLY)

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        self.check(defaults)
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """As in torch, with the group's hyperparameters checked."""
        self.check(self.defaults | param_group)
        super().add_param_group(param_group)

    @staticmethod
    def check(group: dict[str, Any]) -> None:
        """Raise for hyperparameters that make no sense. Overrides call this one, too."""
        check_number("lr", group["lr"], low=0)
        check_number("weight_decay", group["weight_decay"], low=0)

    def init_state(self, param: Tensor, group: dict[str, Any]) -> State:
        """What the rule remembers before its first step; tensors like ``param``. Nothing by default."""
        return {}

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
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is not None:
                    self._update(param, param.grad, group)
        return loss

    def _update(self, param: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        if grad.is_sparse and not self.takes_sparse:
            raise RuntimeError(f"{type(self).__name__} does not support sparse gradients; use SGD")
        state = self.state[param]
        if param.is_complex():  # two real numbers, as in torch
            param, grad = torch.view_as_real(param), torch.view_as_real(grad)
        if not state:
            state["step"] = 0
            state.update(self.init_state(param, group))
        state["step"] += 1
        lr, weight_decay = lead(group["lr"], param), lead(group["weight_decay"], param)
        decoupled = group.get("decoupled_weight_decay", False)

        if group["maximize"]:
            grad = -grad
        if not decoupled and not is_zero(weight_decay):
            grad = grad + weight_decay * param

        hyperparameters = {name: lead(group[name], param) for name in self._read_by_rule}
        direction, remembered = type(self).rule(grad, state, state["step"], **hyperparameters)
        state.update(remembered)

        if decoupled and not is_zero(weight_decay):
            param.mul_(1 - lr * weight_decay)
        param.sub_(lr * direction)


def lead(value: Any, like: Tensor) -> Any:
    """Let a tensor of hyperparameters stand for the leading axes of ``like``; leave everything else alone.

    A value of shape (R,) becomes (R, 1, …, 1), which broadcasts over a parameter of shape (R, …), in the
    parameter's precision.
    """
    if isinstance(value, Tensor) and value.ndim:
        if any(n not in (1, m) for n, m in zip_longest(value.shape, like.shape[: value.ndim])):
            raise ValueError(
                f"a hyperparameter of shape {tuple(value.shape)} does not match the leading axes "
                f"of a parameter of shape {tuple(like.shape)}"
            )
        return value.reshape(value.shape + (1,) * (like.ndim - value.ndim)).to(like)
    if isinstance(value, tuple | list):
        return tuple(lead(v, like) for v in value)
    return value


def is_zero(value: float | Tensor) -> bool:
    """True for the number 0. A tensor is a batch of values and never skipped, whatever it holds."""
    return not isinstance(value, Tensor) and value == 0


def moving_average(old: Tensor, new: Tensor, beta: float | Tensor) -> Tensor:
    """``beta · old + (1 − beta) · new``, in one pass over memory."""
    return torch.lerp(old, new, 1 - beta)


def zeros_like(param: Tensor, *names: str) -> State:
    """A state of zeros shaped like ``param`` under each name."""
    return {name: torch.zeros_like(param, memory_format=torch.preserve_format) for name in names}
