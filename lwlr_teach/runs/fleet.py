"""Copies of one network that train side by side, each with its own rate, schedule and factors for its layers.

Races, ensembles and pictures are made of fleets: many small networks cost little more than one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from lwlr_teach.clipping import Clip
from lwlr_teach.core.checks import check_made, check_number, with_inner
from lwlr_teach.core.progress import Bar
from lwlr_teach.core.threads import unbroken
from lwlr_teach.optim import Method
from lwlr_teach.problems.models import cross_entropy
from lwlr_teach.problems.tasks import Task
from lwlr_teach.schedules import (
    Schedule,
    check_drivable,
    cycles_momentum,
    factor_at,
    in_order,
    set_momentum,
)

Layers = Sequence[float | Schedule] | Callable[[Tensor], Tensor]
"""A factor or a schedule for each layer, first to last; or a rule such as
:func:`~lwlr_teach.layerwise.opposite_norms`, which makes factors of the layers' norms before each step, both
(layer, run, seed)."""


class Fleet:
    """Copies of one network that train side by side, one for each run and seed: axes (run, seed).

    Runs differ in their rate ``lr`` (run,), and in their schedule where each has one of its own. ``layers``
    gives each layer of the network a factor of that rate, as :data:`Layers` says; or, as a tensor
    (run, layer), a factor that is another one in each run.
    """

    def __init__(
        self,
        method: Method,
        lr: Tensor,
        task: Task,
        *,
        schedules: Schedule | Sequence[Schedule] | None = None,
        clip: Clip | None = None,
        layers: Layers | Tensor | None = None,
    ) -> None:
        steps, seeds, _ = task.batches.shape
        self.task = task
        self.lr = lr
        self.step = 0
        self._losses = torch.empty(steps, len(lr), seeds, device=lr.device)
        self._params = [p.expand(len(lr), *p.shape).clone().requires_grad_() for p in task.first]
        names = list(dict.fromkeys(task.layers)) if layers is not None else [""]
        self._rule = layers if callable(layers) else None
        factors, self._own_schedules = _layer_factors(layers, names, lr)
        self._first_rates = [
            lr[:, None] * factor[:, None] for factor in factors.unbind(1)
        ]  # (run, seed) each
        # An optimizer keeps these very dicts, but a Partition may keep them in another order.
        self._groups: list[dict[str, Any]] = [
            {
                "params": [
                    p for p, owner in zip(self._params, task.layers, strict=True) if name in ("", owner)
                ],
                "lr": first,
            }
            for name, first in zip(names, self._first_rates, strict=True)
        ]
        self._optimizer = method(self._groups, {"clip": clip}, lr=lr[:, None])
        self._members = _members(schedules, len(lr))
        if self._rule or self._members or any(self._own_schedules):
            check_drivable(method.name, self._optimizer)
        self._momenta = self._own_momenta(method)

    def _own_momenta(self, method: Method) -> Tensor | None:
        """The momentum (run, 1) of the method, if a schedule is going to change it."""
        if not any(map(cycles_momentum, self._members)):
            return None
        if method.memory is None:
            raise ValueError(
                f"OneCycle cycles the momentum, and {method.name} has none; pass cycle_momentum=False"
            )
        own = method.hyperparameters()
        memory = own["betas"][0] if method.memory == "beta1" else own[method.memory]
        return torch.full_like(self.lr[:, None], memory)

    @property
    def params(self) -> list[Tensor]:
        """The parameters as they are now: (run, seed, …) each."""
        return [p.detach() for p in self._params]

    @property
    def scales(self) -> list[Tensor]:
        """The factor of each parameter's rate that a layer-wise method took last: (run, seed) each."""
        shape = (len(self.lr), self.task.batches.shape[1])
        return [self._optimizer.state[p]["scale"].detach().reshape(shape) for p in self._params]

    @property
    def losses(self) -> Tensor:
        """Losses on the batches so far, before each step: (step, run, seed)."""
        return self._losses[: self.step]

    def train(self, steps: int, bar: Bar | None = None) -> None:
        """Go on for this many steps; an interruption leaves everything at the last whole one."""
        data = self.task.data
        for _ in range(steps):
            batch = self.task.batches[self.step]
            self._set_rates()
            losses = cross_entropy(self.task.forward(self._params, data.x_train[batch]), data.y_train[batch])
            self._optimizer.zero_grad()
            losses.sum().backward()  # no run's loss depends on another run's weights
            with unbroken():
                self._optimizer.step()
                self._losses[self.step] = losses.detach()
                self.step += 1
            if bar is not None:
                bar.update()

    def _set_rates(self) -> None:
        if not self._rule and not self._members and not any(self._own_schedules):
            return
        factors = torch.ones_like(self._losses[0])
        for schedule, members in self._members.items():
            factor = factor_at(schedule, self.step, self.losses)
            factor = torch.as_tensor(factor, dtype=factors.dtype, device=factors.device)
            factors[members] = factor.expand_as(factors)[members]
            if self._momenta is not None and cycles_momentum(schedule):
                self._momenta[members] = schedule.momentum(self.step)
        ruled = torch.ones(len(self._first_rates))
        if self._rule:
            ruled = self._rule(layer_norms(group["params"] for group in self._groups))
        shares = zip(self._groups, self._first_rates, self._own_schedules, ruled, strict=True)
        for group, first, own, share in shares:
            if own is not None:
                share = torch.as_tensor(factor_at(own, self.step, self.losses), dtype=first.dtype)
            group["lr"] = first * factors * share.to(first.device)
            if self._momenta is not None:
                set_momentum(group, self._momenta)

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        """The parameters are those to judge, as Schedule-Free's average, and afterwards what they were."""
        switching: list[Any] = [o for o in with_inner(self._optimizer) if hasattr(o, "eval")]
        kept = [p.clone() for p in self._params] if switching else []
        for optimizer in switching:
            optimizer.eval()
        try:
            yield
        finally:
            for optimizer in switching:
                optimizer.train()
            for p, before in zip(self._params, kept, strict=False):
                p.copy_(before)  # to the last digit: how often they are judged shall not matter

    @torch.no_grad()
    def score(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Mean loss on these images, and the share of them that is classified right: (run, seed) each."""
        with self._evaluating():
            logits = self.task.forward(self._params, x)
        return cross_entropy(logits, y), (logits.argmax(-1) == y).float().mean(-1)


def layer_norms(layers: Iterable[Iterable[Tensor]]) -> Tensor:
    """The norm of each layer's parameters together, (layer, run, seed); of each parameter (run, seed, …)."""
    squares = [[p.detach().flatten(2).square().sum(-1) for p in params] for params in layers]
    return torch.stack([sum(own[1:], own[0]).sqrt() for own in squares])


def _layer_factors(
    layers: Layers | Tensor | None, names: list[str], lr: Tensor
) -> tuple[Tensor, list[Schedule | None]]:
    """The factor of each layer's rate in each run, (run, layer), and each layer's schedule if it has one."""
    none: list[Schedule | None] = [None] * len(names)
    if layers is None or callable(layers):
        return torch.ones(len(lr), len(names), dtype=lr.dtype, device=lr.device), none
    if isinstance(layers, Tensor):
        if layers.shape != (len(lr), len(names)):
            wanted = f"({len(lr)} runs, {len(names)} layers)"
            raise ValueError(f"layers must have the shape {wanted}, got {tuple(layers.shape)}")
        check_number("layers", layers, low=0)
        return layers.to(lr), none
    if len(layers) != len(names):
        raise ValueError(f"layers must be one for each of {', '.join(names)}, got {len(layers)}")
    schedules: list[Schedule | None] = []
    factors: list[float] = []
    for layer in layers:
        schedules.append(in_order(layer) if callable(layer) else None)
        factors.append(1.0 if callable(layer) else layer)
        check_number("layers", factors[-1], low=0)
    return torch.tensor(factors, dtype=lr.dtype, device=lr.device).expand(len(lr), -1), schedules


def _members(schedules: Schedule | Sequence[Schedule] | None, runs: int) -> dict[Schedule, list[int]]:
    """The runs of each schedule: one for all of them, or a list with one for each."""
    each = schedules if isinstance(schedules, Sequence) else [] if schedules is None else [schedules] * runs
    if schedules is not None and len(each) != runs:
        raise ValueError(f"schedules must be one for each of the {runs} rates, got {len(each)}")
    members: dict[Schedule, list[int]] = {}
    for run, schedule in enumerate(each):
        check_made("schedules", schedule, "Cosine(300)")
        members.setdefault(schedule, []).append(run)
    return {in_order(schedule): runs_of_it for schedule, runs_of_it in members.items()}
