"""Adam-mini: Adam with one size for a block of entries, where Adam has one for each entry.

    m ← β₁ m + (1 − β₁) g                              m̂ = m / (1 − β₁ᵗ)
    v ← β₂ v + (1 − β₂) · mean of g² over the block    v̂ = v / (1 − β₂ᵗ)      one number for a block
    d = m̂ / (√v̂ + ε) ,   p ← (1 − η λ) p − η d

Zhang et al. 2024. Where blocks differ in their curvature and the entries of a block do not, a rate for each
block is enough. v is then a few numbers, and the memory of Adam is halved.

Convention: the first ``block_axes`` axes of a tensor name its blocks.

- 0, the default: the whole tensor is one block.
- 1: each row is a block. Of a weight (outputs, inputs) it belongs to one output, and so it does of a filter
  (outputs, inputs, 3, 3); of an embedding to one token; of queries kept as (heads, width, inputs) to a head.
- Where a tensor has no axes left, each entry is a block, which is Adam. So with 1 the bias of an output is a
  block, as its weights are. For one number for all of a bias, give biases a group with ``block_axes=0``.

The authors' code finds blocks by the *names* of parameters, such as "wq" or "mlp", and takes a tensor of any
other name as one block. In an ``nn.Sequential`` no name matches: it prints a warning, and does what 0 does
here. It spares parameters with "norm" in their name from decay, which is left to groups here. Its decay is
decoupled, and its ε stands where Adam's does: so they do here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from lwlr_teach.core.arithmetic import (
    State,
    mean_square,
    moving_average,
    power,
    sqrt_with_eps,
    zeros_like,
)
from lwlr_teach.core.checks import Number, check_count
from lwlr_teach.optim.adam import check_adam
from lwlr_teach.optim.engine import Options, RuleOptimizer


def adam_mini(
    grad: Tensor, state: State, step: int, *, betas: tuple[Number, Number], eps: Number, block_axes: int
) -> tuple[Tensor, State]:
    """Direction of Adam-mini; any shape. The step counter t starts at 1."""
    beta1, beta2 = betas
    m = moving_average(state["exp_avg"], grad, beta1)
    square = mean_square(grad, range(block_axes, grad.ndim))
    v = moving_average(state["exp_avg_sq"], square, beta2)
    m_hat = m / (1 - power(beta1, step))
    v_hat = v / (1 - power(beta2, step))
    direction = m_hat / sqrt_with_eps(v_hat, eps, eps_in_root=False)
    return direction.to(grad.dtype), {"exp_avg": m, "exp_avg_sq": v}


class AdamMini(RuleOptimizer):
    """Adam-mini, with the arguments of torch's Adam, and the blocks.

    ``lr`` (η) ≥ 0, ``betas`` (β₁, β₂) in [0, 1), ``eps`` (ε) ≥ 0, ``weight_decay`` (λ) ≥ 0. Each number may
    be a tensor that matches the parameters' leading axes. ``block_axes`` ≥ 0 is a whole number, counts the
    axes behind those of a batch, and may differ between groups.
    """

    rule = staticmethod(adam_mini)
    fixed: ClassVar[Mapping[str, Any]] = {"decoupled_weight_decay": True}

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 1e-3,
        betas: tuple[Number, Number] = (0.9, 0.999),
        eps: Number = 1e-8,
        weight_decay: Number = 0,
        block_axes: int = 0,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(
            params,
            dict(
                lr=lr,
                betas=betas,
                eps=eps,
                weight_decay=weight_decay,
                block_axes=block_axes,
                decoupled_weight_decay=True,
            ),
            **options,
        )

    @staticmethod
    def check(group: dict[str, Any]) -> None:
        """Ranges."""
        check_adam(group)
        check_count("block_axes", group["block_axes"], low=0)

    def init_state(self, param: Tensor, group: dict[str, Any]) -> State:
        """An average gradient for each entry, and an average square for each block."""
        blocks = mean_square(torch.zeros_like(param), range(group["block_axes"], param.ndim))
        return zeros_like(param, "exp_avg") | {"exp_avg_sq": blocks}
