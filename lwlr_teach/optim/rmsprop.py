"""RMSProp: divide by the recent size of the gradient.

    s ← α s + (1 − α) g²
    d = g / (√s + ε) ,   p ← p − η d

Hinton, lecture 6e of 2012; centered (the mean gradient squared is subtracted from s) and with momentum on top
as in Graves 2013.

Convention, as in torch: α = 0.99 (Keras and optax: 0.9), ε outside the root (``eps_in_root`` puts it
inside, as Keras and optax do), no bias correction, so that the
first step is η/√(1 − α), ten times the rate at the default α; the momentum buffer is not damped.
"""

from __future__ import annotations

from typing import Any, Unpack

from torch import Tensor
from torch.optim.optimizer import ParamsT

from lwlr_teach.core.arithmetic import State, is_zero, moving_average, sqrt_with_eps, zeros_like
from lwlr_teach.core.checks import Number, check_number
from lwlr_teach.optim.engine import Options, RuleOptimizer


def rmsprop(
    grad: Tensor,
    state: State,
    step: int,
    *,
    alpha: Number,
    eps: Number,
    momentum: Number,
    centered: bool,
    eps_in_root: bool,
) -> tuple[Tensor, State]:
    """Direction of RMSProp; any shape."""
    s = moving_average(state["square_avg"], grad * grad, alpha)
    new_state = {"square_avg": s}
    if centered:
        mean = moving_average(state["grad_avg"], grad, alpha)
        new_state["grad_avg"] = mean
        s = s - mean * mean
    direction = grad / sqrt_with_eps(s, eps, eps_in_root)
    if not is_zero(momentum):
        direction = momentum * state["momentum_buffer"] + direction
        new_state["momentum_buffer"] = direction
    return direction, new_state


class RMSprop(RuleOptimizer):
    """Drop-in for :class:`torch.optim.RMSprop`: same arguments, order and defaults.

    ``lr`` (η) ≥ 0, ``alpha`` (α) in [0, 1), ``eps`` (ε) ≥ 0, ``weight_decay`` (λ) ≥ 0, ``momentum`` ≥ 0. Each
    number may be a tensor that matches the parameters' leading axes.
    """

    rule = staticmethod(rmsprop)
    elementwise = True

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 1e-2,
        alpha: Number = 0.99,
        eps: Number = 1e-8,
        weight_decay: Number = 0,
        momentum: Number = 0,
        centered: bool = False,
        *,
        eps_in_root: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(
            params,
            dict(
                lr=lr,
                alpha=alpha,
                eps=eps,
                weight_decay=weight_decay,
                momentum=momentum,
                centered=centered,
                eps_in_root=eps_in_root,
            ),
            **options,
        )

    @staticmethod
    def check(group: dict[str, Any]) -> None:
        """Ranges."""
        RuleOptimizer.check(group)
        check_number("alpha", group["alpha"], low=0, below=1)
        check_number("eps", group["eps"], low=0)
        check_number("momentum", group["momentum"], low=0)

    def init_state(self, param: Tensor, group: dict[str, Any]) -> State:
        """The average of squared gradients and, where asked for, of gradients and of directions."""
        optional = {"grad_avg": group["centered"], "momentum_buffer": not is_zero(group["momentum"])}
        return zeros_like(param, "square_avg", *(name for name, wanted in optional.items() if wanted))
