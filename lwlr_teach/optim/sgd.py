"""SGD: step against the gradient, or against a memory of gradients.

    d = g                                   plain
    b ← μ b + (1 − τ) g ,   d = b           momentum (heavy ball)
    b ← μ b + (1 − τ) g ,   d = g + μ b     Nesterov
    p ← p − η d

Robbins & Monro 1951 (the step); Polyak 1964 (momentum); Nesterov 1983, in the form of Sutskever et al. 2013.

Convention, as in torch: the rate η stands outside the buffer, so a new rate acts at once; the first buffer is
the undamped first gradient; decay is coupled (g ← g + λ p before anything else). With τ = 0 a constant
gradient is amplified 1/(1 − μ) times, tenfold at μ = 0.9; with τ = μ the buffer is an average and is not.
"""

from __future__ import annotations

from typing import Any, Unpack

from torch import Tensor
from torch.optim.optimizer import ParamsT

from lwlr_teach.core.arithmetic import State, add_times, is_zero
from lwlr_teach.core.checks import Number, check_number
from lwlr_teach.optim.engine import Options, RuleOptimizer


def sgd(
    grad: Tensor, state: State, step: int, *, momentum: Number, dampening: Number, nesterov: bool
) -> tuple[Tensor, State]:
    """Direction of SGD with momentum μ and dampening τ; any shape."""
    if is_zero(momentum):
        return grad, {}
    if "momentum_buffer" in state:
        # In a batch some may have no momentum, and then nothing to damp.
        damping = dampening * (momentum != 0)
        fresh = grad if is_zero(damping) else (1 - damping) * grad
        buffer = add_times(fresh, momentum, state["momentum_buffer"])
    else:
        buffer = grad
    direction = add_times(grad, momentum, buffer) if nesterov else buffer
    return direction, {"momentum_buffer": buffer}


class SGD(RuleOptimizer):
    """Drop-in for :class:`torch.optim.SGD`: same arguments, order and defaults.

    ``lr`` (η) ≥ 0, ``momentum`` (μ) ≥ 0, ``dampening`` (τ), ``weight_decay`` (λ) ≥ 0. ``nesterov`` needs a
    momentum and no dampening. ``decoupled_weight_decay`` gives SGDW (Loshchilov & Hutter 2019). Each number
    may be a tensor that matches the parameters' leading axes.
    """

    rule = staticmethod(sgd)
    elementwise = True
    takes_sparse = True

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 1e-3,
        momentum: Number = 0,
        dampening: Number = 0,
        weight_decay: Number = 0,
        nesterov: bool = False,
        *,
        decoupled_weight_decay: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(
            params,
            dict(
                lr=lr,
                momentum=momentum,
                dampening=dampening,
                weight_decay=weight_decay,
                nesterov=nesterov,
                decoupled_weight_decay=decoupled_weight_decay,
            ),
            **options,
        )

    @staticmethod
    def check(group: dict[str, Any]) -> None:
        """Ranges, and what Nesterov's momentum needs."""
        RuleOptimizer.check(group)
        momentum, dampening = group["momentum"], group["dampening"]
        check_number("momentum", momentum, low=0)
        check_number("dampening", dampening)
        if group["nesterov"] and (is_zero(momentum) or not is_zero(dampening)):
            raise ValueError(
                f"nesterov=True needs a momentum > 0 and dampening = 0, got {momentum=} and {dampening=}"
            )
