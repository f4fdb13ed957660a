"""AdamW: Adam whose weight decay does not pass through the division.

    p ← (1 − η λ) p − η m̂ / (√v̂ + ε)

Loshchilov & Hutter 2019. In Adam with the decay added to g, weights with large gradients hardly decay: the
division takes it away again.

Convention, as in torch, optax and Keras: the decay is multiplied by the rate η, so that a schedule scales
both. In the paper only the schedule's factor multiplies λ, not the base rate. The default λ is torch's 0.01
(optax 0.0001, Keras 0.004).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

from torch.optim.optimizer import ParamsT

from lwlr_teach.core.checks import Number
from lwlr_teach.optim.adam import Adam
from lwlr_teach.optim.engine import Options


class AdamW(Adam):
    """Drop-in for :class:`torch.optim.AdamW`: same arguments, order and defaults. The rule is Adam's."""

    fixed: ClassVar[Mapping[str, Any]] = {"decoupled_weight_decay": True}

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 1e-3,
        betas: tuple[Number, Number] = (0.9, 0.999),
        eps: Number = 1e-8,
        weight_decay: Number = 1e-2,
        amsgrad: bool = False,
        *,
        eps_in_root: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            decoupled_weight_decay=True,
            eps_in_root=eps_in_root,
            **options,
        )
