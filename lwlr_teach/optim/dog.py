"""DoG and L-DoG: the rate is the distance that was come, over the gradients that were met.

    r̄ ← ρ (1 + ‖p₀‖)  at the first step, then  max( r̄, ‖p − p₀‖ )
    G ← G + ‖g‖²
    η = r̄ / √(G + ε)
    d = η g ,   p ← p − c d

Ivgi, Hinder & Carmon 2023. The best constant rate for t steps on a slope is the distance to the minimum, over
‖g‖ √t; r̄ stands for the distance. The first steps are tiny and grow exponentially, until r̄ is right.

DoG takes both norms over all tensors of a group, L-DoG over each tensor by itself, so that every layer has a
rate of its own. c, the group's ``lr``, is a factor: leave it at 1. It may follow a schedule, though the
method is meant to do without one. The last point jitters: judge an average of the points, such as that of
:func:`polynomial_average`.

Convention, as in the authors' code: DoG has one η for each group (optax: for all parameters); g is the
gradient after clip and coupled decay; ε stands in the root. ρ is ``reps_rel``, 1e-4 rather than 1e-6 for a
model with batch norm. A group's ``rbar``, ``G`` and ``eta`` tell where DoG is, and a tensor's state where
L-DoG is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from lwlr_teach.core.arithmetic import (
    State,
    as_real,
    choose,
    norm,
    norm_dtype,
    sqrt_with_eps,
    stretch,
    total_norm,
)
from lwlr_teach.core.batching import lead, over_batch
from lwlr_teach.core.checks import Number, check_number
from lwlr_teach.optim.engine import Options, RuleOptimizer


def dog(grad: Tensor, state: State, step: int, *, eta: Number) -> tuple[Tensor, State]:
    """Direction of DoG; any shape. η was found from all tensors together."""
    return eta * grad, {}


def ldog(
    grad: Tensor, state: State, step: int, *, param: Tensor, reps_rel: Number, eps: Number
) -> tuple[Tensor, State]:
    """Direction of L-DoG for one layer; any shape. The state's ``scale`` is the layer's last η."""
    start = state["init_param"]
    rbar = choose(
        step == 1,
        lambda: reps_rel * (1 + norm(param)),
        lambda: torch.maximum(state["rbar"], norm(param - start)),
    )
    G = state["G"] + norm(grad) ** 2
    eta = rbar / sqrt_with_eps(G, eps, eps_in_root=True)
    return stretch(grad, eta), {"init_param": start, "rbar": rbar, "G": G, "scale": eta}


def check_dog(group: dict[str, Any]) -> None:
    """Ranges."""
    RuleOptimizer.check(group)
    check_number("reps_rel", group["reps_rel"], above=0)
    check_number("eps", group["eps"], low=0)


class DoG(RuleOptimizer):
    """Distance over gradients, with one rate for all tensors of a group.

    ``reps_rel`` (ρ) > 0, ``lr`` (c) ≥ 0, ``weight_decay`` ≥ 0 and ``eps`` (ε) ≥ 0; each may be a tensor that
    matches the parameters' leading axes. Every model of a batch finds a rate of its own.
    """

    rule = staticmethod(dog)
    check = staticmethod(check_dog)
    elementwise = True
    finds: ClassVar[tuple[str, ...]] = ("rbar", "G", "eta")

    def __init__(
        self,
        params: ParamsT,
        reps_rel: Number = 1e-6,
        lr: Number = 1.0,
        weight_decay: Number = 0,
        eps: Number = 1e-8,
        **options: Unpack[Options],
    ) -> None:
        settings = dict(reps_rel=reps_rel, lr=lr, weight_decay=weight_decay, eps=eps)
        super().__init__(params, settings | dict.fromkeys(self.finds, 0.0), **options)

    def before_step(self) -> None:
        """Find each group's rate."""
        batch = self.batch_axes()
        for group, moving in zip(self.param_groups, self.given(), strict=True):
            if not moving:
                continue
            is_first = not any("init_param" in self.state.get(p, {}) for p in group["params"])
            for p, param, _ in moving:
                if "init_param" not in self.state[p]:
                    self.state[p]["init_param"] = param.clone(memory_format=torch.preserve_format)
            if is_first:
                size = over_batch(total_norm, batch, [as_real(p) for p in group["params"]])
                rbar = lead(group["reps_rel"], size) * (1 + size)
            else:
                come = [
                    as_real(p) - self.state[p]["init_param"]
                    for p in group["params"]
                    if "init_param" in self.state.get(p, {})
                ]
                distance = over_batch(total_norm, batch, come)
                rbar = distance.clamp(min=lead(group["rbar"], distance))
            square = over_batch(total_norm, batch, [grad for _, _, grad in moving]) ** 2
            G = lead(group["G"], square) + square
            eta = rbar / sqrt_with_eps(G, lead(group["eps"], G), eps_in_root=True)
            self.note(group, rbar=rbar, G=G, eta=eta)
            for p, _, _ in moving:
                self.state[p]["scale"] = eta  # where a recorder looks


class LDoG(RuleOptimizer):
    """Distance over gradients, with a rate for each tensor. Arguments as for :class:`DoG`."""

    rule = staticmethod(ldog)
    check = staticmethod(check_dog)

    def __init__(
        self,
        params: ParamsT,
        reps_rel: Number = 1e-6,
        lr: Number = 1.0,
        weight_decay: Number = 0,
        eps: Number = 1e-8,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(
            params, dict(reps_rel=reps_rel, lr=lr, weight_decay=weight_decay, eps=eps), **options
        )

    def init_state(self, param: Tensor, group: dict[str, Any]) -> State:
        """Where the layer begins, and two numbers for it."""
        zero = torch.zeros((), dtype=norm_dtype(param), device=param.device)
        start = param.clone(memory_format=torch.preserve_format)
        return {"init_param": start, "rbar": zero, "G": zero.clone()}


def polynomial_average(gamma: float = 8.0) -> Callable[[Tensor, Tensor, Any], Tensor]:
    """An average that forgets, as ``avg_fn`` of ``torch.optim.swa_utils.AveragedModel``.

        p̄ ← p̄ + (1 + γ) / (t + γ) · (p − p̄)

    Shamir & Zhang 2013; DoG's authors take γ = 8. γ = 0 is the mean of all points, a larger γ weighs the late
    ones more::

        averaged = AveragedModel(model, avg_fn=polynomial_average())
        averaged.update_parameters(model)  # after every step
    """
    check_number("gamma", gamma, low=0)

    def average(averaged: Tensor, current: Tensor, count: Any) -> Tensor:
        return averaged + (1 + gamma) / (count + 1 + gamma) * (current - averaged)

    return average
