"""What each setting of the layers' rates reaches: every combination on a grid, trained side by side.

Beside them stand the best rate that all layers share, and LARS, which chooses one for each layer by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from lwlr_teach.core.checks import check_choice, check_number, check_rising
from lwlr_teach.core.progress import Bar, progress_bar
from lwlr_teach.core.threads import one_thread
from lwlr_teach.optim import METHODS, Method
from lwlr_teach.problems.data import Digits
from lwlr_teach.problems.tasks import Task, digits_task
from lwlr_teach.runs.fleet import Fleet

MOST = 4096
"""Settings that are trained at most: about 40 seconds with the usual network."""

# Methods whose step is a rate times gradients: only then can their rates be compared with those of LARS.
_METHODS = {name: METHODS[name] for name in ("SGD", "Momentum", "Nesterov")}
# A coefficient of 1 leaves biases alone that are still zero, where LARS takes its rate as it is.
_LARS_LR = torch.logspace(-3.5, 0, 15)
# Rates between two of the grid at which equal rates are trained too.
_BETWEEN = 4


class Rival(NamedTuple):
    """What one number for all layers reaches, at its best. Medians over the seeds."""

    lr: float
    loss: float
    """On all training images after the last step."""
    batch_losses: Tensor
    """On each step's minibatch: (step,)."""


@dataclass(frozen=True)
class LayerRates:
    """One network at every setting of its layers' rates, and two rivals that search for one number only.

    All losses are medians over the seeds, infinite or nan where a run overflowed. The best of many settings
    is partly luck: with other seeds another one wins.
    """

    layers: tuple[str, ...]
    scales: tuple[float, ...]
    """The factor of each layer's first weights."""
    rates: Tensor
    """Those that each layer was trained with, rising: (rate,)."""
    loss: Tensor
    """Of each setting on all training images after the last step: an axis of rates for each layer."""
    batch_losses: Tensor
    """Of each setting on each step's minibatch: an axis of rates for each layer, then (step,)."""
    equal: Rival
    """The best rate that is equal in all layers, searched on a grid four times as fine."""
    lars: Rival
    """LARS at its own best rate of fifteen, with the momentum of the method (none with SGD)."""
    lars_rates: Tensor
    """The rate that LARS chose for each layer's weights (biases get another one): the 10th, 50th and 90th
    percentile over steps and seeds, (3, layer)."""

    @property
    def steps(self) -> int:
        """The steps of each run."""
        return self.batch_losses.shape[-1]

    @property
    def best(self) -> tuple[int, ...]:
        """The index of each layer's rate in the setting with the lowest loss."""
        return tuple(int(i) for i in torch.unravel_index(self.loss.argmin(), self.loss.shape))

    def score(self, loss: float) -> int:
        """How many percent of the other settings have a higher loss than this, rounded down."""
        others = self.loss.numel() - int((self.loss == loss).any())  # a rival's loss need not be one of them
        return 100 * int((self.loss > loss).sum()) // others


def train_layer_rates(
    *,
    hidden: Sequence[int] = (16, 16),
    scales: Sequence[float] | None = (8, 1 / 8, 1),
    method: str = "SGD",
    rates: Sequence[float] = (0.001, 0.004, 0.016, 0.06, 0.25, 1, 4, 16),
    seeds: int = 3,
    steps: int = 150,
    batch_size: int = 32,
    data: Digits | None = None,
    progress: bool = True,
) -> LayerRates:
    """Train a ReLU network on the digits at every setting of its layers' rates, and its two rivals.

    The usual network has weights that were multiplied by 8, 1/8 and 1: it computes the same before the first
    step as without, but each layer needs a rate of its own.

    Args:
        hidden: sizes of the hidden layers.
        scales: factor of each layer's first weights; ``None`` leaves them as they are.
        method: ``"SGD"``, ``"Momentum"`` or ``"Nesterov"``.
        rates: those of every layer, rising. The number of settings, rates to the power of layers, is at most
            4096.
        seeds, steps, batch_size, data: as in :func:`lwlr_teach.problems.tasks.digits_task`.
        progress: show a bar when training takes longer than a second.

    Raises:
        ValueError: for anything that cannot be run, before it is run; and where every setting overflowed.
    """
    chosen = check_choice("method", method, _METHODS)
    task = digits_task(data, seeds=seeds, steps=steps, batch_size=batch_size, hidden=hidden)
    layers = tuple(dict.fromkeys(task.layers))
    values = _check_rates(rates, len(layers))
    factors = _check_scales(scales, layers)
    task = _scaled(task, dict(zip(layers, factors, strict=True)))
    settings = torch.cartesian_prod(*[values] * len(layers)).reshape(-1, len(layers))
    equal = _finer(values)
    with one_thread(), progress_bar("training", 2 * steps, shown=progress) as bar:
        fleet = Fleet(
            chosen,
            torch.ones(len(settings) + len(equal)),
            task,
            layers=torch.cat([settings, equal[:, None].expand(-1, len(layers))]),
        )
        fleet.train(steps, bar)
        loss, curves = _losses(fleet)
        lars, lars_rates = _train_lars(chosen, task, bar)
    if not loss[: len(settings)].isfinite().any():
        raise ValueError("rates must have a setting that does not overflow, got none; use smaller rates")
    grid = [len(values)] * len(layers)
    return LayerRates(
        layers=layers,
        scales=factors,
        rates=values,
        loss=loss[: len(settings)].reshape(grid),
        batch_losses=curves[: len(settings)].reshape(*grid, steps),
        equal=_best(equal, loss[len(settings) :], curves[len(settings) :]),
        lars=lars,
        lars_rates=lars_rates,
    )


def _train_lars(chosen: Method, task: Task, bar: Bar) -> tuple[Rival, Tensor]:
    """LARS at its best rate, and the quantiles of the rates that it chose there: (3, layer)."""
    momentum = chosen.hyperparameters().get("momentum", 0)
    own = {**METHODS["LARS"].settings, "momentum": momentum, "trust_coefficient": 1.0}
    fleet = Fleet(replace(METHODS["LARS"], settings=own), _LARS_LR, task)
    weights = [task.layers.index(name) for name in dict.fromkeys(task.layers)]
    scales = []
    for _ in task.batches:
        fleet.train(1, bar)
        scales.append(torch.stack([fleet.scales[i] for i in weights]))
    loss, curves = _losses(fleet)
    best = int(loss.argmin())
    rates = (torch.stack(scales)[:, :, best] * _LARS_LR[best]).movedim(1, 0).flatten(1)
    return _best(_LARS_LR, loss, curves), rates.quantile(torch.tensor([0.1, 0.5, 0.9]), dim=1)


def _losses(fleet: Fleet) -> tuple[Tensor, Tensor]:
    """Medians over the seeds: the final loss (run,), and the loss on each minibatch (run, step)."""
    loss, _ = fleet.score(fleet.task.data.x_train, fleet.task.data.y_train)
    final = loss.nan_to_num(nan=torch.inf, posinf=torch.inf).median(-1).values
    return final, fleet.losses.median(-1).values.T


def _best(lr: Tensor, loss: Tensor, curves: Tensor) -> Rival:
    best = int(loss.argmin())
    # A copy: a saved slice would take all curves with it.
    return Rival(lr[best].item(), loss[best].item(), curves[best].clone())


def _finer(values: Tensor) -> Tensor:
    """The values, and more between them, at equal distances of their logarithms."""
    logs = values.log()
    shares = torch.arange(_BETWEEN) / _BETWEEN
    between = logs[:-1, None] + (logs[1:] - logs[:-1])[:, None] * shares
    return torch.cat([between.flatten(), logs[-1:]]).exp()


def _scaled(task: Task, factors: dict[str, float]) -> Task:
    return task._replace(first=[p * factors[name] for p, name in zip(task.first, task.layers, strict=True)])


def _check_rates(rates: Sequence[float], layers: int) -> Tensor:
    values = torch.as_tensor(rates, dtype=torch.float32)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"rates must be a list of at least two, got {rates!r}")
    check_rising("rates", values)
    if len(values) ** layers > MOST:
        raise ValueError(
            f"rates must make at most {MOST} settings, got {len(values)} rates for {layers} layers, which are"
            f" {len(values) ** layers}; use fewer rates"
        )
    return values


def _check_scales(scales: Sequence[float] | None, layers: Sequence[str]) -> tuple[float, ...]:
    if scales is None:
        return (1.0,) * len(layers)
    if len(scales) != len(layers):
        raise ValueError(f"scales must be one for each of {', '.join(layers)}, got {len(scales)}")
    for scale in scales:
        check_number("scales", scale, low=0)
    return tuple(map(float, scales))
