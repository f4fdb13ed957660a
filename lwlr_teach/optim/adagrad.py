"""AdaGrad: divide by everything seen so far.

    s ← s + g²
    d = g / (√s + ε) ,   p ← p − η / (1 + (t − 1) δ) · d

Duchi, Hazan & Singer 2011 (the diagonal form).

Convention, as in torch: s starts at ``initial_accumulator_value`` = 0 and ε stands outside the root (optax
and Keras start at 0.1 with ε inside, which ``eps_in_root`` gives); δ is ``lr_decay``, an extra decay of the
rate that is not in the paper.
"""

from __future__ import annotations

from typing import Any, Unpack

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from lwlr_teach.core.arithmetic import State, is_zero, sqrt_with_eps
from lwlr_teach.core.batching import lead
from lwlr_teach.core.checks import Number, check_number
from lwlr_teach.optim.engine import Options, RuleOptimizer


def adagrad(
    grad: Tensor, state: State, step: int, *, lr_decay: Number, eps: Number, eps_in_root: bool
) -> tuple[Tensor, State]:
    """Direction of AdaGrad; any shape."""
    s = torch.addcmul(state["sum"], grad, grad)
    direction = grad / sqrt_with_eps(s, eps, eps_in_root)
    if not is_zero(lr_decay):
        direction = direction / (1 + (step - 1) * lr_decay)
    return direction, {"sum": s}


class Adagrad(RuleOptimizer):
    """Drop-in for :class:`torch.optim.Adagrad`: same arguments, order and defaults.

    ``lr`` (η), ``lr_decay`` (δ), ``weight_decay`` (λ), ``initial_accumulator_value`` and ``eps`` (ε) are ≥ 0.
    Each may be a tensor that matches the parameters' leading axes. Of a parameter with a sparse gradient, as
    that of ``nn.Embedding(…, sparse=True)``, only the rows move that the gradient names.
    """

    rule = staticmethod(adagrad)
    elementwise = True
    takes_sparse = True
    lazy = True

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 1e-2,
        lr_decay: Number = 0,
        weight_decay: Number = 0,
        initial_accumulator_value: Number = 0,
        eps: Number = 1e-10,
        *,
        eps_in_root: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(
            params,
            dict(
                lr=lr,
                lr_decay=lr_decay,
                weight_decay=weight_decay,
                initial_accumulator_value=initial_accumulator_value,
                eps=eps,
                eps_in_root=eps_in_root,
            ),
            **options,
        )

    @staticmethod
    def check(group: dict[str, Any]) -> None:
        """Ranges."""
        RuleOptimizer.check(group)
        for name in ("lr_decay", "initial_accumulator_value", "eps"):
            check_number(name, group[name], low=0)

    def init_state(self, param: Tensor, group: dict[str, Any]) -> State:
        """The sum of squared gradients, at its initial value."""
        return {"sum": torch.zeros_like(param) + lead(group["initial_accumulator_value"], param)}
