"""NovoGrad: divide each layer's gradient by its norm, then average.

    v ← ‖g‖²  at the first step, then  β₂ v + (1 − β₂) ‖g‖²        one number for a layer
    m ← β₁ m + ( g / (√v + ε) + λ p )
    d = m ,   p ← p − η d

Ginsburg et al. 2019.

Convention, as in the paper: decay stands inside the average, and the average is not damped, so that a steady
gradient is amplified 1/(1 − β₁) times, twentyfold by default. ``grad_averaging`` damps it by 1 − β₁, as
NVIDIA's apex does. The betas are the paper's; apex takes (0.9, 0.999), optax (0.9, 0.25).
"""

from __future__ import annotations

from typing import Any, Unpack

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from lwlr_teach.core.arithmetic import (
    State,
    choose,
    moving_average,
    norm,
    norm_dtype,
    sqrt_with_eps,
    zeros_like,
)
from lwlr_teach.core.checks import Number
from lwlr_teach.optim.adam import check_adam
from lwlr_teach.optim.engine import Options, RuleOptimizer


def novograd(
    grad: Tensor,
    state: State,
    step: int,
    *,
    param: Tensor,
    betas: tuple[Number, Number],
    eps: Number,
    weight_decay: Number,
    grad_averaging: bool,
) -> tuple[Tensor, State]:
    """Direction of NovoGrad for one layer; any shape."""
    beta1, beta2 = betas
    square = norm(grad) ** 2
    v = choose(step == 1, lambda: square, lambda: moving_average(state["exp_avg_sq"], square, beta2))
    size = sqrt_with_eps(v, eps, eps_in_root=False)
    normalised = (grad.to(size.dtype) / size).to(grad.dtype) + weight_decay * param
    damping = 1 - beta1 if grad_averaging else 1
    m = beta1 * state["exp_avg"] + damping * normalised
    return m, {"exp_avg": m, "exp_avg_sq": v}


class NovoGrad(RuleOptimizer):
    """NovoGrad, with the arguments of torch's Adam.

    ``lr`` (η) ≥ 0, ``betas`` (β₁, β₂) in [0, 1), ``eps`` (ε) ≥ 0, ``weight_decay`` (λ) ≥ 0. Each number may
    be a tensor that matches the parameters' leading axes.
    """

    rule = staticmethod(novograd)
    check = staticmethod(check_adam)

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 1e-2,
        betas: tuple[Number, Number] = (0.95, 0.98),
        eps: Number = 1e-8,
        weight_decay: Number = 0,
        grad_averaging: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(
            params,
            dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, grad_averaging=grad_averaging),
            **options,
        )

    def init_state(self, param: Tensor, group: dict[str, Any]) -> State:
        """An average direction, and one number for the layer."""
        layer = torch.zeros((), dtype=norm_dtype(param), device=param.device)
        return zeros_like(param, "exp_avg") | {"exp_avg_sq": layer}
