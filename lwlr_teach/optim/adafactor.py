"""Adafactor: the rate is a share of the layer's size, and a matrix keeps sizes of rows and columns only.

    β₂ = 1 − t^τ
    R ← β₂ R + (1 − β₂) · mean of g² over a row ,  C likewise over a column ,   V = R C / mean of R
    V ← β₂ V + (1 − β₂) g²                            instead, for a tensor of fewer than two axes
    u = g / √V ,   u ← u / max(1, RMS(u) / d)         RMS: the root of the mean square
    p ← (1 − η λ) p − max(ε₂, RMS(p)) · min(η, 1/√t) · u

Shazeer & Stern 2018. A weight of n rows and m columns needs n + m numbers where Adam needs 2 n m. Of more
than two axes the last two are factored. At η = 0.01 a matrix of RMS 2 moves by 0.02 a step, and a bias of
zeros by 1e-5, which ε₂ is for.

Convention, as in torch: η caps the paper's 1/√t (there the cap is 0.01) and multiplies the decay, of which
the paper says nothing; V is kept from falling below ε₁², and the mean of R below ε₁ (the paper adds ε₁ to
g²). ε₁ None is the precision of the parameter's type. timm takes the share of RMS(p) only if it chooses the
rate itself. optax factors a matrix only if both its axes have 128 entries or more. torch refuses complex
numbers; here each is two real ones, as for all methods.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from lwlr_teach.core.arithmetic import (
    State,
    choose,
    mean_over,
    mean_square,
    moving_average,
    norm,
    power,
    stretch,
)
from lwlr_teach.core.checks import Number, check_number
from lwlr_teach.optim.engine import Options, RuleOptimizer


def adafactor(
    grad: Tensor,
    state: State,
    step: int,
    *,
    param: Tensor,
    lr: Number,
    beta2_decay: Number,
    eps: tuple[float | None, Number],
    d: Number,
) -> tuple[Tensor, State]:
    """Direction of Adafactor; any shape. The step counter t starts at 1."""
    eps1 = torch.finfo(param.dtype).eps if eps[0] is None else eps[0]
    beta2 = 1 - power(step, beta2_decay)
    if grad.ndim > 1:
        R = moving_average(state["row_var"], mean_square(grad, [-1]), beta2)
        C = moving_average(state["col_var"], mean_square(grad, [-2]), beta2)
        V = R * C / mean_over(R, [-2]).clamp(min=eps1)
        new_state = {"row_var": R, "col_var": C}
    else:
        V = moving_average(state["variance"], mean_square(grad, []), beta2)
        new_state = {"variance": V}
    u = grad / V.clamp(min=eps1**2).sqrt()
    size = rms(param).clamp(min=eps[1]) / (rms(u) / d).clamp(min=1)
    late = lr * step**0.5  # min(η, 1/√t) = η / max(1, η √t)
    size = choose(late > 1, lambda: size / late, lambda: size)
    return stretch(u, size).to(grad.dtype), new_state


def rms(x: Tensor) -> Tensor:
    """The root of the mean square of a whole layer, as a scalar."""
    return norm(x) / max(1, x.numel()) ** 0.5


class Adafactor(RuleOptimizer):
    """Drop-in for :class:`torch.optim.Adafactor`: same arguments, order and defaults.

    ``lr`` (η) ≥ 0, ``beta2_decay`` (τ) ≤ 0, ``eps`` (ε₁, ε₂) ≥ 0, ``d`` ≥ 1, ``weight_decay`` (λ) ≥ 0. Each
    number may be a tensor that matches the parameters' leading axes; ε₁ is a plain number, or None.
    """

    rule = staticmethod(adafactor)
    fixed: ClassVar[Mapping[str, Any]] = {"decoupled_weight_decay": True}

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 1e-2,
        beta2_decay: Number = -0.8,
        eps: tuple[float | None, Number] = (None, 1e-3),
        d: Number = 1.0,
        weight_decay: Number = 0.0,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(
            params,
            dict(
                lr=lr,
                beta2_decay=beta2_decay,
                eps=eps,
                d=d,
                weight_decay=weight_decay,
                decoupled_weight_decay=True,
            ),
            **options,
        )

    @staticmethod
    def check(group: dict[str, Any]) -> None:
        """Ranges."""
        RuleOptimizer.check(group)
        check_number("beta2_decay", group["beta2_decay"], high=0)
        check_number("d", group["d"], low=1)
        try:
            eps1, eps2 = group["eps"]
        except (TypeError, ValueError):
            raise TypeError(f"eps must be a pair of numbers, got {group['eps']!r}") from None
        if eps1 is not None:
            check_number("eps[0]", eps1, low=0)
        check_number("eps[1]", eps2, low=0)

    def init_state(self, param: Tensor, group: dict[str, Any]) -> State:
        """An average square for each row and each column; for each entry, where there are none."""
        nothing = torch.zeros_like(param)
        if param.ndim > 1:
            return {"row_var": mean_square(nothing, [-1]), "col_var": mean_square(nothing, [-2])}
        return {"variance": mean_square(nothing, [])}
