"""Schedule-Free: no schedule, but an average of the steps, with gradients taken near it.

    y = (1 − β) z + β x         where the gradient g is taken: the parameters while they train
    z ← z − γ d                 the steps of SGD, d = g + λ y, or of Adam without momentum
    x ← x + c (z − x)           their average: the parameters to judge and to keep
    c = w / Σ w ,   w = kʳ max(γ)ᵖ

Defazio et al. 2024. The average does what a falling rate does, however long the run. γ is ``lr``, and less in
the first n = ``warmup_steps`` steps k = 1, 2, …: ``lr`` · k / n. p is ``weight_lr_power``, so that the steps
of the warm-up weigh less. A schedule of yours may drive ``lr`` all the same.

While they train, the parameters are y. Call ``optimizer.eval()`` before you judge or save the model, so that
they are x, and ``optimizer.train()`` before you go on. Where there is batch norm, let the model see some
batches in training mode at x first, because its averages were taken at y.

Convention, as in the authors' code: the decay is of y, for Adam beside the normalised gradient; the k of a
group counts the steps of all of its tensors. optax's first rate of a warm-up is 0. Here an optimizer begins
in training mode, where x = y = z; the authors' refuses its first step until ``train()`` was called. Switching
there and back costs a rounding. A sweep and its pictures show y.
"""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from lwlr_teach.core.arithmetic import State, as_real, moving_average, power, sqrt_with_eps, zeros_like
from lwlr_teach.core.batching import lead
from lwlr_teach.core.checks import Number, check_count, check_number
from lwlr_teach.core.sharding import shard
from lwlr_teach.optim.adam import check_adam
from lwlr_teach.optim.engine import Options, RuleOptimizer


def way_of_y(y: Tensor, z: Tensor, d: Tensor, *, beta: Number, gamma: Number, c: Number) -> Tensor:
    """By how much y goes down when z goes down by γ d, and x takes its part of the new z."""
    return c * (y - z) + gamma * (1 - beta * (1 - c)) * d


def sgd_schedule_free(
    grad: Tensor, state: State, step: int, *, param: Tensor, momentum: Number, scheduled_lr: Number, c: Number
) -> tuple[Tensor, State]:
    """The step of y for SGD; any shape."""
    y, z = param, state["z"]
    direction = way_of_y(y, z, grad, beta=momentum, gamma=scheduled_lr, c=c)
    return direction, {"z": z - scheduled_lr * grad}


def adamw_schedule_free(
    grad: Tensor,
    state: State,
    step: int,
    *,
    param: Tensor,
    betas: tuple[Number, Number],
    eps: Number,
    weight_decay: Number,
    k: Number,
    scheduled_lr: Number,
    c: Number,
) -> tuple[Tensor, State]:
    """The step of y for AdamW; any shape."""
    y, z = param, state["z"]
    beta1, beta2 = betas
    v = moving_average(state["exp_avg_sq"], grad * grad, beta2)
    v_hat = v / (1 - power(beta2, k))
    d = grad / sqrt_with_eps(v_hat, eps, eps_in_root=False) + weight_decay * y
    direction = way_of_y(y, z, d, beta=beta1, gamma=scheduled_lr, c=c)
    return direction, {"z": z - scheduled_lr * d, "exp_avg_sq": v}


class ScheduleFree(RuleOptimizer):
    """What both have: the weights of the average, and the two modes."""

    elementwise = True
    whole_step = True
    finds: ClassVar[tuple[str, ...]] = ("k", "scheduled_lr", "lr_max", "weight_sum", "c")

    def __init__(self, params: ParamsT, settings: dict[str, Any], **options: Unpack[Options]) -> None:
        found = dict.fromkeys(self.finds, 0.0)
        super().__init__(params, settings | found | {"train_mode": True}, **options)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """As in torch; the group is in the mode of the others."""
        super().add_param_group(param_group)
        self.param_groups[-1]["train_mode"] = self.param_groups[0]["train_mode"]

    @torch.no_grad()
    def train(self) -> None:
        """Make the parameters y, to go on training; nothing happens if they are."""
        self._switch(True)

    @torch.no_grad()
    def eval(self) -> None:
        """Make the parameters x, to judge or to keep them; nothing happens if they are."""
        self._switch(False)

    def _switch(self, train: bool) -> None:
        for group in self.param_groups:
            if group["train_mode"] == train:
                continue
            beta = self._settings(group)["betas"][0] if "betas" in group else group["momentum"]
            for p in group["params"]:
                if "z" in self.state.get(p, {}):
                    here, z = shard(as_real(p)), shard(self.state[p]["z"])
                    here.copy_(moving_average(here, z, lead(beta if train else 1 / beta, here)))
            group["train_mode"] = train

    def before_step(self) -> None:
        """Find the rate of this step, and the part that x takes of it."""
        for group in self.param_groups:
            if not group["train_mode"]:
                raise RuntimeError(
                    f"{type(self).__name__} is in evaluation mode, where a step would move the average; call "
                    "optimizer.train() first. Nothing was changed"
                )
        for group in self.param_groups:
            lr = group["lr"]
            if not isinstance(lr, Tensor):
                lr = torch.tensor(lr, dtype=torch.float64, device="cpu")
            k = group["k"] + 1
            ready = k / max(1, group["warmup_steps"])
            lr = lr * (ready.clamp(max=1) if isinstance(ready, Tensor) else min(1.0, ready))
            lr_max = lr.clamp(min=group["lr_max"])
            weight = k ** group["r"] * lr_max ** group["weight_lr_power"]
            weight_sum = group["weight_sum"] + weight
            c = torch.where(weight_sum > 0, weight / weight_sum, 0.0)
            self.note(group, k=k, scheduled_lr=lr, lr_max=lr_max, weight_sum=weight_sum, c=c)

    def init_state(self, param: Tensor, group: dict[str, Any]) -> State:
        """z begins where y and x do."""
        return {"z": param.clone(memory_format=torch.preserve_format)}


def check_schedule_free(group: dict[str, Any]) -> None:
    """Raise unless what both have is in range."""
    RuleOptimizer.check(group)
    check_count("warmup_steps", group["warmup_steps"], low=0)
    for name in ("r", "weight_lr_power"):
        check_number(name, group[name], low=0)


class SGDScheduleFree(ScheduleFree):
    """Schedule-Free SGD, with the authors' arguments.

    ``lr`` ≥ 0, ``momentum`` (β) in (0, 1), ``weight_decay`` (λ) ≥ 0, ``r`` ≥ 0 and ``weight_lr_power`` ≥ 0;
    each may be a tensor that matches the parameters' leading axes. ``warmup_steps`` ≥ 0 is a whole number.
    """

    rule = staticmethod(sgd_schedule_free)

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 1.0,
        momentum: Number = 0.9,
        weight_decay: Number = 0,
        warmup_steps: int = 0,
        r: Number = 0.0,
        weight_lr_power: Number = 2.0,
        **options: Unpack[Options],
    ) -> None:
        settings = dict(
            lr=lr,
            momentum=momentum,
            weight_decay=weight_decay,
            warmup_steps=warmup_steps,
            r=r,
            weight_lr_power=weight_lr_power,
        )
        super().__init__(params, settings, **options)

    @staticmethod
    def check(group: dict[str, Any]) -> None:
        """Ranges."""
        check_schedule_free(group)
        check_number("momentum", group["momentum"], above=0, below=1)


class AdamWScheduleFree(ScheduleFree):
    """Schedule-Free AdamW, with the authors' arguments.

    ``betas`` are β in (0, 1) and β₂ in [0, 1), ``eps`` ≥ 0; the others as for :class:`SGDScheduleFree`.
    """

    rule = staticmethod(adamw_schedule_free)

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 0.0025,
        betas: tuple[Number, Number] = (0.9, 0.999),
        eps: Number = 1e-8,
        weight_decay: Number = 0,
        warmup_steps: int = 0,
        r: Number = 0.0,
        weight_lr_power: Number = 2.0,
        **options: Unpack[Options],
    ) -> None:
        settings = dict(
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            warmup_steps=warmup_steps,
            r=r,
            weight_lr_power=weight_lr_power,
        )
        super().__init__(params, settings, **options)

    @staticmethod
    def check(group: dict[str, Any]) -> None:
        """Ranges."""
        check_schedule_free(group)
        check_adam(group)
        check_number("betas[0]", group["betas"][0], above=0, below=1)

    def init_state(self, param: Tensor, group: dict[str, Any]) -> State:
        """z, and the average of squares."""
        return super().init_state(param, group) | zeros_like(param, "exp_avg_sq")
