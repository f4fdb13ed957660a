"""LAMB: Adam, with every layer's step made as long as its weights.

    r = m̂ / (√v̂ + ε) + λ p
    d = ‖p‖ / ‖r‖ · r ,   p ← p − η d           ratio 1 where ‖p‖ or ‖r‖ is 0

You et al. 2020, with φ the identity: a step changes a layer by η of its own norm.

Convention, as in the paper: m and v are corrected for their start at zero, decay stands inside the ratio, and
every tensor is adapted unless ``exclude_1d`` spares those of at most one axis: biases and most gains of norm
layers. timm and apex clip the gradients to a global norm of 1 first (``clip=by_global_norm(1.0)``) and adapt
only where λ > 0.

An optimizer sees tensors and no layers: the gains of ``LayerNorm([2, 4])`` and of weight norm have two axes
and are taken for weights. To spare those, leave ``layerwise.gains_and_biases(model)`` to an ``AdamW`` with
the same numbers, which is LAMB with a ratio of 1.
"""

from __future__ import annotations

from typing import Any, Unpack

from torch import Tensor
from torch.optim.optimizer import ParamsT

from lwlr_teach.core.arithmetic import State, stretch, zeros_like
from lwlr_teach.core.checks import Number
from lwlr_teach.layerwise import trust_ratio
from lwlr_teach.optim.adam import adam, check_adam
from lwlr_teach.optim.engine import Options, RuleOptimizer


def lamb(
    grad: Tensor,
    state: State,
    step: int,
    *,
    param: Tensor,
    betas: tuple[Number, Number],
    eps: Number,
    weight_decay: Number,
    exclude_1d: bool,
) -> tuple[Tensor, State]:
    """Direction of LAMB for one layer; any shape. The state's ``scale`` is the layer's last ratio."""
    direction, new_state = adam(grad, state, step, betas=betas, eps=eps, amsgrad=False, eps_in_root=False)
    r = direction + weight_decay * param
    ratio = trust_ratio(param, r, exclude_1d=exclude_1d)
    return stretch(r, ratio), new_state | {"scale": ratio}


class LAMB(RuleOptimizer):
    """LAMB, with the arguments of torch's Adam.

    ``lr`` (η) ≥ 0, ``betas`` (β₁, β₂) in [0, 1), ``eps`` (ε) ≥ 0, ``weight_decay`` (λ) ≥ 0. Each number may
    be a tensor that matches the parameters' leading axes.
    """

    rule = staticmethod(lamb)
    check = staticmethod(check_adam)

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 1e-3,
        betas: tuple[Number, Number] = (0.9, 0.999),
        eps: Number = 1e-6,
        weight_decay: Number = 0,
        exclude_1d: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(
            params,
            dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, exclude_1d=exclude_1d),
            **options,
        )

    def init_state(self, param: Tensor, group: dict[str, Any]) -> State:
        """Adam's averages."""
        return zeros_like(param, "exp_avg", "exp_avg_sq")
