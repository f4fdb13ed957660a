"""RAdam: Adam that waits until it has seen enough gradients to divide by their size.

    m ← β₁ m + (1 − β₁) g ,   m̂ = m / (1 − β₁ᵗ)
    v ← β₂ v + (1 − β₂) g²
    ρ_∞ = 2 / (1 − β₂) − 1 ,  ρ_t = ρ_∞ − 2 t β₂ᵗ / (1 − β₂ᵗ)
    r = √[ (ρ_t − 4)(ρ_t − 2) ρ_∞ / ((ρ_∞ − 4)(ρ_∞ − 2) ρ_t) ]
    d = r m̂ √(1 − β₂ᵗ) / (√v + ε)  if ρ_t > 5,  else  m̂

Liu et al. 2020. ρ_t says how many gradients the average v is worth; r grows from 0 to 1 with it.

Convention, as in torch: the threshold is 5 (paper: 4; at the default β₂ both mean that step 6 is the first to
be divided), ε is added to √v before the correction, and before the threshold d is m̂, which can be a huge
step (the authors' own code skips these steps).
"""

from __future__ import annotations

from typing import Any, Unpack

from torch import Tensor
from torch.optim.optimizer import ParamsT

from lwlr_teach.core.arithmetic import State, choose, moving_average, power, sqrt_with_eps, zeros_like
from lwlr_teach.core.checks import Number
from lwlr_teach.optim.adam import check_adam
from lwlr_teach.optim.engine import Options, RuleOptimizer


def radam(
    grad: Tensor, state: State, step: int, *, betas: tuple[Number, Number], eps: Number
) -> tuple[Tensor, State]:
    """Direction of RAdam; any shape. The step counter t starts at 1."""
    beta1, beta2 = betas
    m = moving_average(state["exp_avg"], grad, beta1)
    v = moving_average(state["exp_avg_sq"], grad * grad, beta2)
    correction1, correction2 = 1 - power(beta1, step), 1 - power(beta2, step)
    m_hat = m / correction1

    rho_inf = 2 / (1 - beta2) - 1
    rho = rho_inf - 2 * step * (1 - correction2) / correction2

    def rectified() -> Tensor:
        r = ((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)) ** 0.5
        return m_hat * (r * correction2**0.5) / sqrt_with_eps(v, eps, eps_in_root=False)

    direction = choose(rho > 5, rectified, lambda: m_hat)
    return direction, {"exp_avg": m, "exp_avg_sq": v}


class RAdam(RuleOptimizer):
    """Drop-in for :class:`torch.optim.RAdam`: same arguments, order and defaults.

    ``lr`` (η) ≥ 0, ``betas`` (β₁, β₂) in [0, 1), ``eps`` (ε) ≥ 0, ``weight_decay`` (λ) ≥ 0. Each number may
    be a tensor that matches the parameters' leading axes.
    """

    rule = staticmethod(radam)
    check = staticmethod(check_adam)
    elementwise = True

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 1e-3,
        betas: tuple[Number, Number] = (0.9, 0.999),
        eps: Number = 1e-8,
        weight_decay: Number = 0,
        decoupled_weight_decay: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(
            params,
            dict(
                lr=lr,
                betas=betas,
                eps=eps,
                weight_decay=weight_decay,
                decoupled_weight_decay=decoupled_weight_decay,
            ),
            **options,
        )

    def init_state(self, param: Tensor, group: dict[str, Any]) -> State:
        """Both averages start at zero."""
        return zeros_like(param, "exp_avg", "exp_avg_sq")
