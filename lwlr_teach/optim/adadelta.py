"""AdaDelta: steps in the parameter's own units, so that no rate need be chosen.

    s ← ρ s + (1 − ρ) g²
    d = √(u + ε) / √(s + ε) · g ,   p ← p − η d
    u ← ρ u + (1 − ρ) d²

Zeiler 2012, which has no η and takes ρ = 0.95.

Convention, as in torch and optax: ρ = 0.9, and η = 1 multiplies the paper's step (Keras: η = 0.001, which is
another method). ε stands inside both roots; it is what the first step is made of: √ε / √(1 − ρ), whatever g.
"""

from __future__ import annotations

from typing import Any, Unpack

from torch import Tensor
from torch.optim.optimizer import ParamsT

from lwlr_teach.core.arithmetic import State, moving_average, sqrt_with_eps, zeros_like
from lwlr_teach.core.checks import Number, check_number
from lwlr_teach.optim.engine import Options, RuleOptimizer


def adadelta(grad: Tensor, state: State, step: int, *, rho: Number, eps: Number) -> tuple[Tensor, State]:
    """Direction of AdaDelta; any shape."""
    u = state["acc_delta"]
    s = moving_average(state["square_avg"], grad * grad, rho)
    direction = sqrt_with_eps(u, eps, eps_in_root=True) / sqrt_with_eps(s, eps, eps_in_root=True) * grad
    new_u = moving_average(u, direction * direction, rho)
    return direction, {"square_avg": s, "acc_delta": new_u}


class Adadelta(RuleOptimizer):
    """Drop-in for :class:`torch.optim.Adadelta`: same arguments, order and defaults.

    ``lr`` (η) ≥ 0, ``rho`` (ρ) in [0, 1], ``eps`` (ε) ≥ 0, ``weight_decay`` (λ) ≥ 0. Each may be a tensor
    that matches the parameters' leading axes.
    """

    rule = staticmethod(adadelta)
    elementwise = True

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 1.0,
        rho: Number = 0.9,
        eps: Number = 1e-6,
        weight_decay: Number = 0,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(params, dict(lr=lr, rho=rho, eps=eps, weight_decay=weight_decay), **options)

    @staticmethod
    def check(group: dict[str, Any]) -> None:
        """Ranges."""
        RuleOptimizer.check(group)
        check_number("rho", group["rho"], low=0, high=1)
        check_number("eps", group["eps"], low=0)

    def init_state(self, param: Tensor, group: dict[str, Any]) -> State:
        """The averages of squared gradients and of squared steps."""
        return zeros_like(param, "square_avg", "acc_delta")
