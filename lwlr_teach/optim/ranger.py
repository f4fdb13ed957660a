"""Ranger: RAdam on centred gradients, inside Lookahead.

Wright 2019 (RAdam and Lookahead); Yong et al. 2020 (gradient centralisation).

Convention, as in the author's code: k = 6, α = 0.5, β = (0.95, 0.999), ε = 1e-5, decoupled decay. Before
RAdam begins to divide, its steps are m̂, as in torch's RAdam.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

from torch.optim.optimizer import ParamsT

from lwlr_teach.clipping import centralize, in_turn
from lwlr_teach.core.checks import Number
from lwlr_teach.optim.engine import Options, check_options
from lwlr_teach.optim.lookahead import Lookahead
from lwlr_teach.optim.radam import RAdam


class RAdamW(RAdam):
    """RAdam with decoupled decay, whatever it loads."""

    fixed: ClassVar[Mapping[str, Any]] = {"decoupled_weight_decay": True}


class Ranger(Lookahead):
    """``Lookahead(RAdam(params, clip=centralize()))`` with the author's arguments, order and defaults.

    ``use_gc``: centre the gradients, before a ``clip`` of your own.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 1e-3,
        alpha: Number = 0.5,
        k: int = 6,
        betas: tuple[Number, Number] = (0.95, 0.999),
        eps: Number = 1e-5,
        weight_decay: Number = 0,
        use_gc: bool = True,
        **options: Unpack[Options],
    ) -> None:
        check_options(Ranger, options)
        inner = RAdamW(params, lr, betas, eps, weight_decay, decoupled_weight_decay=True, **options)
        if use_gc:
            inner.clip = in_turn(centralize(), inner.clip) if inner.clip else centralize()
        super().__init__(inner, k=k, alpha=alpha)
