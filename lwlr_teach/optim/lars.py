"""LARS: momentum, with a rate for every layer in proportion to its weights.

    ratio = τ ‖p‖ / (‖g‖ + λ ‖p‖ + ε) ,   1 where ‖p‖ or ‖g‖ is 0
    b ← μ b + ratio · (g + λ p)
    d = b ,   p ← p − η d

You, Gitman & Ginsburg 2017. Without momentum, a step changes a layer by η τ of its own norm, however large or
small its gradient is. With momentum, steps that point the same way add up to η τ / (1 − μ), which is ten
times as much with the default of 0.9. Where η τ itself shall be the share of a step, as with τ = 1 and
η = 0.01, say ``momentum=0``, or take ``SGD(…, momentum=0.9, scale=by_trust_ratio())``, whose ratio is that of
the sum.

Convention: the paper's sum of two norms (optax takes the norm of the sum, ‖g + λ p‖); the rate stands outside
the buffer, as for all momentum here (paper and optax: inside; the same while η is constant). Every tensor is
adapted, as in the paper, unless ``exclude_1d`` spares those of at most one axis, as most training scripts do;
they are biases and most gains of norm layers. timm and others adapt nothing at all while λ = 0.

An optimizer sees tensors and no layers: the gains of ``LayerNorm([2, 4])`` and of weight norm have two axes
and are taken for weights. To spare those, leave ``layerwise.gains_and_biases(model)`` to an ``SGD`` with the
same momentum, which is LARS with a ratio of 1.
"""

from __future__ import annotations

from typing import Any, Unpack

from torch import Tensor
from torch.optim.optimizer import ParamsT

from lwlr_teach.core.arithmetic import State, norm, stretch, zeros_like
from lwlr_teach.core.checks import Number, check_number
from lwlr_teach.layerwise import trust_ratio
from lwlr_teach.optim.engine import Options, RuleOptimizer


def lars(
    grad: Tensor,
    state: State,
    step: int,
    *,
    param: Tensor,
    momentum: Number,
    weight_decay: Number,
    trust_coefficient: Number,
    eps: Number,
    exclude_1d: bool,
) -> tuple[Tensor, State]:
    """Direction of LARS for one layer; any shape. The state's ``scale`` is the layer's last ratio."""
    ratio = trust_ratio(
        param,
        grad,
        coefficient=trust_coefficient,
        eps=weight_decay * norm(param) + eps,
        exclude_1d=exclude_1d,
    )
    buffer = momentum * state["momentum_buffer"] + stretch(grad + weight_decay * param, ratio)
    return buffer, {"momentum_buffer": buffer, "scale": ratio}


class LARS(RuleOptimizer):
    """Layer-wise adaptive rate scaling.

    With ``momentum=0`` a step is ``lr · trust_coefficient`` of the layer's weights, with the default of 0.9
    up to ten times that, see the module's text; a :class:`~lwlr_teach.runs.Recorder` shows it as the relative
    update.

    ``lr`` (η), ``momentum`` (μ), ``weight_decay`` (λ), ``trust_coefficient`` (τ) and ``eps`` (ε) are ≥ 0.
    Each may be a tensor that matches the parameters' leading axes.
    """

    rule = staticmethod(lars)

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 1.0,
        momentum: Number = 0.9,
        weight_decay: Number = 0,
        trust_coefficient: Number = 0.001,
        eps: Number = 0,
        exclude_1d: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(
            params,
            dict(
                lr=lr,
                momentum=momentum,
                weight_decay=weight_decay,
                trust_coefficient=trust_coefficient,
                eps=eps,
                exclude_1d=exclude_1d,
            ),
            **options,
        )

    @staticmethod
    def check(group: dict[str, Any]) -> None:
        """Ranges."""
        RuleOptimizer.check(group)
        for name in ("momentum", "trust_coefficient", "eps"):
            check_number(name, group[name], low=0)

    def init_state(self, param: Tensor, group: dict[str, Any]) -> State:
        """The buffer of scaled gradients."""
        return zeros_like(param, "momentum_buffer")
