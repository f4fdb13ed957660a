"""Lion: every entry moves by the same amount, and the gradients only say which way.

    c = β₁ m + (1 − β₁) g
    m ← β₂ m + (1 − β₂) g
    d = sign(c) ,   p ← (1 − η λ) p − η d           sign(0) = 0

Chen et al. 2023, found by a search over programs. The sign is that of another average than the one which is
kept: with β₁ < β₂ the newest gradient counts for more in the step than in the memory. Since every step is as
long as the rate says, good rates are 3 to 10 times smaller than AdamW's, and decays larger by as much.

Convention, as in the paper and the authors' code: the decay is decoupled and multiplied by the rate, and the
default λ is 0. optax decays by 0.001 unless it is told otherwise, and has no default rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from lwlr_teach.core.arithmetic import State, moving_average, zeros_like
from lwlr_teach.core.checks import Number
from lwlr_teach.optim.adam import check_betas
from lwlr_teach.optim.engine import Options, RuleOptimizer


def lion(grad: Tensor, state: State, step: int, *, betas: tuple[Number, Number]) -> tuple[Tensor, State]:
    """Direction of Lion; any shape."""
    beta1, beta2 = betas
    c = moving_average(state["exp_avg"], grad, beta1)
    m = moving_average(state["exp_avg"], grad, beta2)
    return torch.sign(c), {"exp_avg": m}


class Lion(RuleOptimizer):
    """Lion, with the arguments of the authors' code.

    ``lr`` (η) ≥ 0, ``betas`` (β₁, β₂) in [0, 1), ``weight_decay`` (λ) ≥ 0. Each number may be a tensor that
    matches the parameters' leading axes.
    """

    rule = staticmethod(lion)
    check = staticmethod(check_betas)
    elementwise = True
    fixed: ClassVar[Mapping[str, Any]] = {"decoupled_weight_decay": True}

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 1e-4,
        betas: tuple[Number, Number] = (0.9, 0.99),
        weight_decay: Number = 0,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(
            params,
            dict(lr=lr, betas=betas, weight_decay=weight_decay, decoupled_weight_decay=True),
            **options,
        )

    def init_state(self, param: Tensor, group: dict[str, Any]) -> State:
        """The average starts at zero; the sign of a first step is the gradient's all the same."""
        return zeros_like(param, "exp_avg")
