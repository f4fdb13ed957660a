"""Prodigy: Adam, at a rate that is an estimate of the distance to the minimum.

    δ = d η b                           the rate of this step
    s ← β₃ s + (d/d₀) δ g               the gradients met so far, each with its weight
    q ← β₃ q + (d/d₀) δ ⟨g, p₀ − p⟩     the same of their slopes towards p₀, over all tensors together
    d' = max( d, q / ‖s‖₁ )             the next d
    m ← β₁ m + (1 − β₁) d g
    v ← β₂ v + (1 − β₂) d² g²
    p ← p − δ ( m / (√v + d' ε) + λ p )

Mishchenko & Defazio 2023. If the loss is convex and the gradients are exact, q / ‖s‖₁ is never more than the
distance from p₀ to the minimum, of the coordinate that has furthest to go: d grows from d₀ towards it.

η, the group's ``lr``, is a factor: leave it at 1, or let it follow a schedule from 1 down, as the authors
advise. The estimate is in every group as ``d``: ``optimizer.param_groups[0]["d"]``.

Convention, as in the authors' code: one d for all groups, whose ``lr`` must be equal, or 0 for one that
rests; ``beta3``, ``d0``, ``d_coef``, ``growth_rate`` and ``safeguard_warmup`` are the first group's. β₃ is
√β₂ unless it is given. b is 1, or Adam's √(1 − β₂ᵏ) / (1 − β₁ᵏ) with ``use_bias_correction`` (in optax
always). ``safeguard_warmup`` leaves η out of s, for a warm-up that begins near 0. The decay λ is decoupled.
With β₁ = 0 their code steps by d' g; the paper, optax and we by d g.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from lwlr_teach.core.arithmetic import (
    State,
    choose,
    moving_average,
    norm_dtype,
    power,
    sqrt_with_eps,
    zeros_like,
)
from lwlr_teach.core.batching import lead, over_batch
from lwlr_teach.core.checks import Number, check_number
from lwlr_teach.core.sharding import whole
from lwlr_teach.optim.adam import check_adam
from lwlr_teach.optim.compiling import as_number
from lwlr_teach.optim.engine import Options, RuleOptimizer
from lwlr_teach.optim.hypergradient import dot


def correction(betas: tuple[Number, Number], k: Number, use_bias_correction: bool) -> Number:
    """b, the factor that makes good for averages that begin at 0."""
    if not use_bias_correction:
        return 1.0
    beta1, beta2 = betas
    return (1 - power(beta2, k)) ** 0.5 / (1 - power(beta1, k))


def prodigy(
    grad: Tensor,
    state: State,
    step: int,
    *,
    param: Tensor,
    betas: tuple[Number, Number],
    eps: Number,
    weight_decay: Number,
    use_bias_correction: bool,
    k: Number,
    d: Number,
    d_before: Number,
) -> tuple[Tensor, State]:
    """Direction of Prodigy; any shape. d was found from all tensors together; ``d`` is the new one, d'."""
    beta1, beta2 = betas
    g = d_before * grad
    m = moving_average(state["exp_avg"], g, beta1)
    v = moving_average(state["exp_avg_sq"], g * g, beta2)
    adam = m / sqrt_with_eps(v, d * eps, eps_in_root=False)
    direction = d_before * correction(betas, k, use_bias_correction) * (adam + weight_decay * param)
    return direction, {"exp_avg": m, "exp_avg_sq": v}


class Prodigy(RuleOptimizer):
    """Prodigy, with the authors' arguments; theirs for memory and for coupled decay are left out.

    ``lr`` (η) ≥ 0, ``betas`` (β₁, β₂) in [0, 1), ``beta3`` (β₃) in [0, 1), ``eps`` (ε) ≥ 0, ``weight_decay``
    (λ) ≥ 0, ``d0`` (d₀) > 0, ``d_coef`` > 0, a factor of q / ‖s‖₁, and ``growth_rate`` ≥ 1, by which d may
    grow in a step. Each number may be a tensor that matches the parameters' leading axes; every model of a
    batch finds a d of its own. Raises ValueError for groups at different rates.
    """

    rule = staticmethod(prodigy)
    elementwise = True
    finds: ClassVar[tuple[str, ...]] = ("k", "d", "d_before", "d_max", "d_numerator")

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 1.0,
        betas: tuple[Number, Number] = (0.9, 0.999),
        beta3: Number | None = None,
        eps: Number = 1e-8,
        weight_decay: Number = 0,
        use_bias_correction: bool = False,
        safeguard_warmup: bool = False,
        d0: Number = 1e-6,
        d_coef: Number = 1.0,
        growth_rate: Number = math.inf,
        **options: Unpack[Options],
    ) -> None:
        settings = dict(
            lr=lr,
            betas=betas,
            beta3=beta3,
            eps=eps,
            weight_decay=weight_decay,
            use_bias_correction=use_bias_correction,
            safeguard_warmup=safeguard_warmup,
            d0=d0,
            d_coef=d_coef,
            growth_rate=growth_rate,
        )
        found = dict(k=0.0, d=d0, d_before=d0, d_max=d0, d_numerator=0.0)
        super().__init__(params, settings | found, **options)

    @staticmethod
    def check(group: dict[str, Any]) -> None:
        """Ranges."""
        check_adam(group)
        for name in ("d0", "d_coef"):
            check_number(name, group[name], above=0)
        if group["beta3"] is not None:
            check_number("beta3", group["beta3"], low=0, below=1)
        if isinstance(group["growth_rate"], Tensor) or group["growth_rate"] != math.inf:
            check_number("growth_rate", group["growth_rate"], low=1)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """As in torch; refuses a group at another rate."""
        known = set(param_group) if isinstance(param_group, dict) else set()
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        for name in {"d", "d_before", "d_max"} - known:
            group[name] = group["d0"]
        try:
            self._check_rates()
        except ValueError:
            self.param_groups.pop()
            raise

    def _check_rates(self) -> None:
        """One d, so one rate for all groups; 0 for those that rest."""
        rates = [as_number(group["lr"]).cpu().float() for group in self.param_groups]
        for one, other in combinations(sorted(rates, key=lambda rate: rate.ndim), 2):
            same = lead(one, other)
            if not ((same == other) | (same == 0) | (other == 0)).all():
                raise ValueError(
                    "lr must be the same in all groups, or 0, because Prodigy finds one d for all of them, "
                    f"got {one.tolist()} and {other.tolist()}"
                )

    def before_step(self) -> None:
        """Find d."""
        if len(self.param_groups) > 1:
            self._check_rates()
        batch, given, first = self.batch_axes(), self.given(), self._settings(self.param_groups[0])
        moving = [own for groups in given for own in groups]
        if not moving:
            return
        _, one, _ = moving[0]
        like = torch.zeros(one.shape[:batch], dtype=norm_dtype(one), device=one.device)
        beta3 = first["betas"][1] ** 0.5 if first["beta3"] is None else first["beta3"]
        k, d, d0 = lead(first["k"], like) + 1, lead(first["d"], like), lead(first["d0"], like)
        numerator, denominator = lead(beta3, like) * lead(first["d_numerator"], like), like
        for group, own in zip(self.param_groups, given, strict=True):
            settings = self._settings(group)
            lr, betas = lead(settings["lr"], like), lead(settings["betas"], like)
            scale = d * correction(betas, k, group["use_bias_correction"])
            rate = lr * scale
            weight = d / d0 * (d * (lr > 0) if first["safeguard_warmup"] else rate)
            for p, param, grad in own:
                state = self.state[p]
                if "s" not in state:
                    start = param.clone(memory_format=torch.preserve_format)
                    state.update(zeros_like(param, "s") | {"p0": start})
                state["scale"] = like + scale  # where a recorder looks
                met = over_batch(dot, batch, grad, state["p0"] - param).to(like.device)
                numerator = numerator + d / d0 * rate * met
                state["s"] = lead(beta3, param) * state["s"] + lead(weight, param) * grad
                denominator = denominator + over_batch(_sum_of_sizes, batch, state["s"]).to(like.device)
        d_hat = lead(first["d_coef"], like) * numerator / denominator
        d_hat = torch.where(denominator > 0, d_hat, 0.0)  # nothing was met so far
        d_max = d_hat.clamp(min=lead(first["d_max"], like))
        new = d_max
        if isinstance(first["growth_rate"], Tensor) or first["growth_rate"] != math.inf:
            free = choose(d == d0, lambda: d_hat.clamp(min=d), lambda: d)  # the first estimate may jump
            new = d_max.clamp(max=free * lead(first["growth_rate"], like))
        for group in self.param_groups:
            self.note(group, k=k, d=new, d_before=d, d_max=d_max, d_numerator=numerator)

    def init_state(self, param: Tensor, group: dict[str, Any]) -> State:
        """Both averages start at zero."""
        return zeros_like(param, "exp_avg", "exp_avg_sq")


def _sum_of_sizes(x: Tensor) -> Tensor:
    return whole(x.abs().sum(dtype=norm_dtype(x)))
