"""Lookahead: k steps forward, then a part of the way back.

    every k steps:   φ ← φ + α (p − φ) ,   p ← φ

Zhang et al. 2019. p are the fast weights, which any optimizer moves; φ are the slow ones.

Convention, as in the paper: φ starts where p starts (timm's starts at the first meeting, which is then none),
and the inner optimizer keeps its state. A parameter without a gradient, as one that is frozen, does not meet.
Evaluate the slow weights: just after a meeting p is φ.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer, StateDict
from torch.utils.hooks import RemovableHandle

from lwlr_teach.core.arithmetic import as_real
from lwlr_teach.core.batching import lead
from lwlr_teach.core.checks import Number, check_count, check_number, with_inner


def lookahead(slow: Tensor, fast: Tensor, *, alpha: Number) -> Tensor:
    """The slow weights after a meeting; any shape."""
    return slow + alpha * (fast - slow)


def _of_the_inner(name: str) -> Any:
    """A property that is the inner optimizer's own, also after that has loaded another."""
    return property(
        lambda self: getattr(self.optimizer, name), lambda self, value: setattr(self.optimizer, name, value)
    )


class Lookahead(Optimizer):
    """Lookahead around any ``torch.optim.Optimizer``, ours or torch's: ``Lookahead(Adam(params), k=5,
    alpha=0.5)``.

    Schedulers, scalers and parameter groups see one optimizer: the groups and the state are the inner one's.
    ``k`` ≥ 1 counts steps, ``alpha`` (α) is in [0, 1].
    """

    def __init__(self, optimizer: Optimizer, k: int = 5, alpha: Number = 0.5) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"optimizer must be a torch.optim.Optimizer, got {optimizer!r}")
        if any(
            isinstance(inner, Lookahead) for inner in with_inner(optimizer)
        ):  # both would keep their slow weights in one place
            raise TypeError(f"optimizer must not look ahead itself, got {type(optimizer).__name__}")
        check_count("k", k)
        check_number("alpha", alpha, low=0, high=1)
        self.optimizer, self.k, self.alpha = optimizer, k, alpha
        super().__setstate__({})  # what torch adds to groups and state, which its __init__ would make anew

    param_groups = _of_the_inner("param_groups")
    state = _of_the_inner("state")
    defaults = _of_the_inner("defaults")

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step of the inner optimizer; every ``k``-th time, the meeting."""
        # Kept aside, for the inner optimizer takes a state with something in it for one that it has set up.
        starts = {
            param: as_real(param).clone()
            for group in self.param_groups
            for param in group["params"]
            if "slow_param" not in self.state.get(param, {}) and (closure or param.grad is not None)
        }
        skipped = getattr(self.optimizer, "skipped", 0)
        loss = self.optimizer.step(closure)
        if getattr(self.optimizer, "skipped", 0) > skipped:
            return loss
        for group in self.param_groups:
            group["lookahead_step"] = group.get("lookahead_step", 0) + 1
            for param in group["params"]:
                if param.grad is None:
                    continue
                if param in starts:
                    self.state[param]["slow_param"] = starts[param]
                if group["lookahead_step"] % self.k == 0:
                    self.meet(param)
        return loss

    def meet(self, param: Tensor) -> None:
        """Move this parameter's slow weights a part of the way, and the fast ones to them."""
        slow, fast = self.state[param]["slow_param"], as_real(param)
        slow.copy_(lookahead(slow, fast, alpha=lead(self.alpha, fast)))
        fast.copy_(slow)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """As in torch, for the inner optimizer."""
        self.optimizer.add_param_group(param_group)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As in torch; the inner optimizer's state and the slow weights stand in one dict."""
        self.optimizer.load_state_dict(state_dict)

    def register_load_state_dict_pre_hook(
        self, hook: Callable[[Optimizer, StateDict], StateDict | None], prepend: bool = False
    ) -> RemovableHandle:
        """As in torch; called before the inner optimizer loads, with this one."""
        return self.optimizer.register_load_state_dict_pre_hook(
            lambda _, state_dict: hook(self, state_dict), prepend
        )

    def register_load_state_dict_post_hook(
        self, hook: Callable[[Optimizer], None], prepend: bool = False
    ) -> RemovableHandle:
        """As in torch; called after the inner optimizer has loaded, with this one."""
        return self.optimizer.register_load_state_dict_post_hook(lambda _: hook(self), prepend)

    def __getstate__(self) -> dict[str, Any]:
        return {"optimizer": self.optimizer, "k": self.k, "alpha": self.alpha}
