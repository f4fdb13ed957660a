"""Adam: the average gradient, divided by its average size.

    m ← β₁ m + (1 − β₁) g           m̂ = m / (1 − β₁ᵗ)
    v ← β₂ v + (1 − β₂) g²          v̂ = v / (1 − β₂ᵗ)
    d = m̂ / (√v̂ + ε) ,   p ← p − η d

Kingma & Ba 2015. AMSGrad (Reddi, Kale & Kumar 2018) divides by the largest v so far.

Convention, as in torch: ε stands outside the root and after the correction (Keras adds it to the uncorrected
√v; ``eps_in_root`` puts it under the root, as optax's ``eps_root`` does); AMSGrad takes the maximum of the
uncorrected v (optax takes it of v̂); decay is coupled unless ``decoupled_weight_decay`` is set, which gives
AdamW.
"""

from __future__ import annotations

from typing import Any, Unpack

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from lwlr_teach.core.arithmetic import State, moving_average, power, sqrt_with_eps, zeros_like
from lwlr_teach.core.checks import Number, check_number
from lwlr_teach.optim.engine import Options, RuleOptimizer


def adam(
    grad: Tensor,
    state: State,
    step: int,
    *,
    betas: tuple[Number, Number],
    eps: Number,
    amsgrad: bool,
    eps_in_root: bool,
) -> tuple[Tensor, State]:
    """Direction of Adam; any shape. The step counter t starts at 1."""
    beta1, beta2 = betas
    m = moving_average(state["exp_avg"], grad, beta1)
    v = moving_average(state["exp_avg_sq"], grad * grad, beta2)
    new_state = {"exp_avg": m, "exp_avg_sq": v}
    m_hat = m / (1 - power(beta1, step))
    if amsgrad:
        v_max = torch.maximum(state["max_exp_avg_sq"], v)
        new_state["max_exp_avg_sq"] = v_max
        v_hat = v_max / (1 - power(beta2, step))
    else:
        v_hat = v / (1 - power(beta2, step))
    return m_hat / sqrt_with_eps(v_hat, eps, eps_in_root), new_state


def check_betas(group: dict[str, Any]) -> None:
    """Raise unless ``betas`` is a pair of numbers in range, and the rate and the decay are."""
    RuleOptimizer.check(group)
    try:
        beta1, beta2 = group["betas"]
    except (TypeError, ValueError):
        raise TypeError(f"betas must be a pair of numbers, got {group['betas']!r}") from None
    check_number("betas[0]", beta1, low=0, below=1)
    check_number("betas[1]", beta2, low=0, below=1)


def check_adam(group: dict[str, Any]) -> None:
    """Raise unless the hyperparameters that Adam and its kin share are in range."""
    check_betas(group)
    check_number("eps", group["eps"], low=0)


class Adam(RuleOptimizer):
    """Drop-in for :class:`torch.optim.Adam`: same arguments, order and defaults.

    ``lr`` (η) ≥ 0, ``betas`` (β₁, β₂) in [0, 1), ``eps`` (ε) ≥ 0, ``weight_decay`` (λ) ≥ 0. Each number may
    be a tensor that matches the parameters' leading axes.
    """

    rule = staticmethod(adam)
    check = staticmethod(check_adam)
    elementwise = True

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 1e-3,
        betas: tuple[Number, Number] = (0.9, 0.999),
        eps: Number = 1e-8,
        weight_decay: Number = 0,
        amsgrad: bool = False,
        *,
        decoupled_weight_decay: bool = False,
        eps_in_root: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(
            params,
            dict(
                lr=lr,
                betas=betas,
                eps=eps,
                weight_decay=weight_decay,
                amsgrad=amsgrad,
                decoupled_weight_decay=decoupled_weight_decay,
                eps_in_root=eps_in_root,
            ),
            **options,
        )

    def init_state(self, param: Tensor, group: dict[str, Any]) -> State:
        """Both averages start at zero, which is why they need a correction."""
        names = ["exp_avg", "exp_avg_sq"] + (["max_exp_avg_sq"] if group["amsgrad"] else [])
        return zeros_like(param, *names)
