"""A rule of your own, as an optimizer like those of the package."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from lwlr_teach.core.arithmetic import State
from lwlr_teach.core.checks import check_function
from lwlr_teach.optim.catalogue import Method
from lwlr_teach.optim.engine import RuleOptimizer
from lwlr_teach.optim.update import Rule

_EXAMPLE = "def mine(grad, state, step, *, beta=0.9): … return direction, new_state"


def from_rule(rule: Rule, lr: float = 1e-3, memory: str | None = None) -> Method:
    """The method whose direction is what ``rule`` says, for sweeps, races, views and for training.

    ``rule(grad, state, step, *, …)`` returns ``(direction, new_state)`` for one tensor, as the rules of this
    package do; its keyword-only arguments, each with a default, are the hyperparameters, and ``param`` stands
    for the parameter. ``lr`` is the rate's default. What the rule reads from its state before it has written
    it is zeros::

        def heavy_ball(grad, state, step, *, momentum=0.9):
            buffer = momentum * state["buffer"] + grad
            return buffer, {"buffer": buffer}

        sweep("ravine", ["Momentum", heavy_ball], lr=[0.01, 0.02])

    ``memory`` names the hyperparameter that sliders call ``momentum``; by default it is the one of this name.
    """
    check_function("rule", rule, _EXAMPLE)
    arguments = list(inspect.signature(rule).parameters.values())
    own = {a.name: a.default for a in arguments if a.kind is a.KEYWORD_ONLY and a.name != "param"}
    if len(arguments) < 3 or any(default is inspect.Parameter.empty for default in own.values()):
        raise ValueError(
            "rule must take grad, state and step, and then hyperparameters by keyword with a default each, "
            f"as in {_EXAMPLE}, got {rule.__name__}{inspect.signature(rule)}"
        )
    if memory is None and "momentum" in own:
        memory = "momentum"
    if memory is not None and memory not in own:
        raise ValueError(f"memory must name one of {', '.join(own) or 'no hyperparameter'}, got {memory!r}")

    def init_state(self: RuleOptimizer, param: Tensor, group: dict[str, Any]) -> State:
        asked = _Asked(param)
        given = {"param": param} if "param" in self._reads else {}
        rule(torch.zeros_like(param), asked, 1, **given)
        return {name: torch.zeros_like(param) for name in asked.names}

    def __init__(
        self: RuleOptimizer, params: ParamsT, lr: Any = lr, weight_decay: Any = 0, **others: Any
    ) -> None:
        settings = own | {name: others.pop(name) for name in own if name in others}
        RuleOptimizer.__init__(self, params, dict(lr=lr, weight_decay=weight_decay) | settings, **others)

    return Method(rule.__name__, _class_of(rule, own, __init__, init_state), memory=memory)


def _class_of(
    rule: Rule, own: dict[str, Any], init: Callable[..., None], init_state: Callable[..., State]
) -> type[RuleOptimizer]:
    cls = type(
        rule.__name__,
        (RuleOptimizer,),
        {"rule": staticmethod(rule), "__init__": init, "init_state": init_state},
    )
    known = list(inspect.signature(init).parameters.values())
    keywords = [
        inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=d)
        for n, d in own.items()
        if n not in ("lr", "weight_decay")
    ]
    cls.__signature__ = inspect.Signature(known[1:-1] + keywords)  # type: ignore[attr-defined]
    return cls


class _Asked(dict[str, Tensor]):
    """An empty state that notes what is read from it, and gives zeros."""

    def __init__(self, like: Tensor) -> None:
        super().__init__()
        self.like, self.names = like, dict[str, None]()

    def __missing__(self, name: str) -> Tensor:
        self.names[name] = None
        return torch.zeros_like(self.like)
