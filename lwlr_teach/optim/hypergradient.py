"""Hypergradient descent: a rate that is itself learned by gradient descent.

    α ← α + β g_t · g_{t−1} ,   p ← p − α g_t

Baydin et al. 2018. −g_t · g_{t−1} is the gradient of the loss with respect to the last step's rate: as long
as successive gradients agree, the rate was too small.

Convention, as in the paper: the additive rule, α is updated before it is used, and one α for all parameters
of a group (give each layer its own group for a rate per layer). g_{t−1} is what the last step took, with its
clip and decay; g_t is the gradient as it came. α stands in the group's ``lr``, where a scheduler would
overwrite it, and may become negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from lwlr_teach.core.arithmetic import State, norm_dtype
from lwlr_teach.core.batching import over_batch
from lwlr_teach.core.checks import Number, check_number
from lwlr_teach.core.sharding import whole
from lwlr_teach.optim.engine import Options, RuleOptimizer, grad_for_rule


def sgd_hd(grad: Tensor, state: State, step: int) -> tuple[Tensor, State]:
    """Direction of plain SGD; remembers the gradient for the next step's rate."""
    return grad, {"previous_grad": grad}


def hypergradient(grads: Sequence[Tensor], previous: Sequence[Tensor], *, batch_axes: int = 0) -> Tensor:
    """g_t · g_{t−1} over all tensors: a scalar, or one number for each model of a batch."""
    products = [over_batch(dot, batch_axes, g, p) for g, p in zip(grads, previous, strict=True)]
    return torch.stack([product.to(products[0].device) for product in products]).sum(0)


def dot(a: Tensor, b: Tensor) -> Tensor:
    """The inner product of two tensors, as a scalar; of all of their shards if they are sharded."""
    wide = norm_dtype(a)
    return whole((a.to(wide) * b.to(wide)).sum())


class SGDHD(RuleOptimizer):
    """SGD with hypergradient descent on its rate.

    ``lr``: the first α ≥ 0. ``hypergrad_lr``: β ≥ 0. ``weight_decay`` ≥ 0 is added to the gradient that moves
    the parameters. Each may be a tensor that matches the parameters' leading axes.

    ``finds_its_rate`` tells schedules to leave it alone, see :func:`lwlr_teach.schedules.check_drivable`.
    """

    rule = staticmethod(sgd_hd)
    elementwise = True
    finds: ClassVar[tuple[str, ...]] = ("lr",)
    finds_its_rate: ClassVar[bool] = True

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 1e-3,
        weight_decay: Number = 0,
        hypergrad_lr: Number = 1e-6,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(params, dict(lr=lr, weight_decay=weight_decay, hypergrad_lr=hypergrad_lr), **options)

    @staticmethod
    def check(group: dict[str, Any]) -> None:
        """Ranges."""
        RuleOptimizer.check(group)
        check_number("hypergrad_lr", group["hypergrad_lr"], low=0)

    def before_step(self) -> None:
        """Move each group's rate."""
        for group in self.param_groups:
            seen = [p for p in group["params"] if p.grad is not None and "previous_grad" in self.state[p]]
            if not seen:
                continue
            grads = [grad_for_rule(p, group) for p in seen]
            previous = [self.state[p]["previous_grad"] for p in seen]
            agreement = hypergradient(grads, previous, batch_axes=self.batch_axes())
            if isinstance(group["lr"], Tensor):
                agreement = agreement.to(group["lr"].device)
            self.note(group, lr=group["lr"] + group["hypergrad_lr"] * agreement)
