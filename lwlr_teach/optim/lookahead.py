"""Lookahead: k steps forward, then a part of the way back.

    every k steps:   φ ← φ + α (p − φ) ,   p ← φ

Zhang et al. 2019. p are the fast weights, which any optimizer moves; φ are the slow ones.

Convention, as in the paper: φ starts where p starts (timm's starts at the first meeting, which is then none),
and the inner optimizer keeps its state. Evaluate the slow weights: just after a meeting p is φ.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

import torch
from torch import Tensor

from lwlr_teach.arithmetic import lead
from lwlr_teach.checks import Number, check_count, check_number


def lookahead(slow: Tensor, fast: Tensor, *, alpha: Number) -> Tensor:
    """The slow weights after a meeting; any shape."""
    return slow + alpha * (fast - slow)


class Lookahead(torch.optim.Optimizer):
    """Lookahead around any ``torch.optim.Optimizer``, ours or torch's: ``Lookahead(Adam(params), k=5,
    alpha=0.5)``.

    Schedulers, scalers and parameter groups see one optimizer: the groups and the state are the inner one's.
    ``k`` ≥ 1 counts steps, ``alpha`` (α) is in [0, 1].
    """

    def __init__(self, optimizer: torch.optim.Optimizer, k: int = 5, alpha: Number = 0.5) -> None:
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise TypeError(f"optimizer must be a torch.optim.Optimizer, got {optimizer!r}")
        check_count("k", k)
        check_number("alpha", alpha, low=0, high=1)
        self.optimizer, self.k, self.alpha = optimizer, k, alpha
        super().__init__(optimizer.param_groups, optimizer.defaults)
        self._share()

    def _share(self) -> None:
        self.param_groups, self.state = self.optimizer.param_groups, self.optimizer.state
        # The slow weights of parameters that have not moved yet; the inner optimizer takes a state with
        # something in it for one that it has set up itself.
        self._starts: dict[Tensor, Tensor] = {}

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step of the inner optimizer; every ``k``-th time, the meeting."""
        for group in self.param_groups:
            for param in group["params"]:
                if "slow_param" not in self.state.get(param, {}) and param not in self._starts:
                    self._starts[param] = param.clone()
        loss = self.optimizer.step(closure)
        for group in self.param_groups:
            group["lookahead_step"] = group.get("lookahead_step", 0) + 1
            for param in group["params"]:
                if param.grad is not None and param in self._starts:
                    self.state[param]["slow_param"] = self._starts.pop(param)
                if group["lookahead_step"] % self.k == 0 and "slow_param" in self.state.get(param, {}):
                    slow = self.state[param]["slow_param"]
                    slow.copy_(lookahead(slow, param, alpha=lead(self.alpha, param)))
                    param.copy_(slow)
        return loss

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """As in torch, for the inner optimizer."""
        if "param_groups" in self.__dict__ and self.param_groups is self.optimizer.param_groups:
            self.optimizer.add_param_group(param_group)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As in torch; the inner optimizer's state and the slow weights stand in one dict."""
        self.optimizer.load_state_dict(state_dict)
        self._share()

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"optimizer": self.optimizer, "k": self.k, "alpha": self.alpha}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._share()
