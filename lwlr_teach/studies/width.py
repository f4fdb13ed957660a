"""The best rate against the width of the network, in standard parametrisation and in muP.

In *standard* parametrisation each width gets its first weights by its own size, and one rate for all layers.
In *muP*, the maximal update parametrisation (Yang et al. 2021), it gets the first weights and the rates of
:func:`lwlr_teach.layerwise.mup_groups`, counted from a base width at which the two are the same network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Unpack

import torch
from torch import Tensor, nn

from lwlr_teach.core.checks import Number, check_choice, check_count, check_number, check_rising
from lwlr_teach.core.progress import progress_bar
from lwlr_teach.core.threads import one_thread
from lwlr_teach.layerwise import mup_groups
from lwlr_teach.optim import METHODS, Adam, Method, Muon, Partition
from lwlr_teach.optim.engine import Options
from lwlr_teach.optim.grid import check_grid
from lwlr_teach.problems.data import Digits, digits
from lwlr_teach.problems.models import mlp
from lwlr_teach.problems.tasks import Task, digits_task
from lwlr_teach.runs.fleet import Fleet
from lwlr_teach.schedules import Polynomial

STANDARD, MUP = "standard", "muP"
_PARAMETRISATIONS = {name: name for name in (STANDARD, MUP)}

# The column of muP's table that a method needs: a step of the second kind is as long as the gradient.
_COLUMNS = {"Adam": "adam", "AMSGrad": "adam", "AdamW": "adam", "RMSprop": "adam", "Muon": "adam"}
_COLUMNS |= {"SGD": "sgd", "Momentum": "sgd", "Nesterov": "sgd"}

# Weights that are trained at once. More of them no longer fit the processor's caches: 45 networks of width
# 256 were measured to take six times as long together as in parts of this size.
_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class Widths:
    """One network at several widths, each trained at the same rates from several seeds.

    Tensors are on the CPU; a run that overflowed, or that was not made, has nan or inf.
    """

    method: str
    parametrisation: str
    base: int
    """The width from which muP counts."""
    widths: tuple[int, ...]
    lr: Tensor
    """(rate,)"""
    steps: int
    train_loss: Tensor
    """Mean loss on all training images after the last step: (width, rate, seed)."""
    test_accuracy: Tensor
    """Share of the test images that are classified right after the last step: (width, rate, seed)."""

    @property
    def name(self) -> str:
        """The parametrisation, and the method if it is not Adam."""
        return self.parametrisation if self.method == "Adam" else f"{self.method}, {self.parametrisation}"

    @property
    def loss(self) -> Tensor:
        """Mean over the seeds, infinite where one of them overflowed: (width, rate)."""
        return self.train_loss.nan_to_num(nan=torch.inf, posinf=torch.inf).mean(-1)

    @property
    def best(self) -> Tensor:
        """Index of the rate with the lowest loss, for each width."""
        return self.loss.argmin(-1)

    @property
    def best_lr(self) -> Tensor:
        """That rate, nan where every one overflowed: (width,)."""
        return torch.where(self.loss.isfinite().any(-1), self.lr[self.best], torch.nan)

    def loss_at(self, lr: float) -> Tensor:
        """The loss of each width at the rate of the grid that is nearest in proportion: (width,)."""
        check_number("lr", lr, low=self.lr[0].item(), high=self.lr[-1].item())
        return self.loss[:, (self.lr.log() - torch.tensor(lr).log()).abs().argmin()]


def train_widths(
    optimizer: str = "Adam",
    parametrisation: str = STANDARD,
    *,
    lr: Sequence[float] | Tensor,
    widths: Sequence[int] = (32, 64, 128, 256),
    base: int = 64,
    depth: int = 4,
    seeds: int = 5,
    steps: int = 40,
    batch_size: int = 64,
    others_lr: float = 2**-6,
    data: Digits | None = None,
    progress: bool = True,
) -> Widths:
    """Train a ReLU network on the digits at every width, at every rate, from every seed.

    The rate falls linearly to 0, which takes the tremble out of the last losses. ``depth`` hidden layers all
    have the width. ``"Muon"`` moves the matrices between hidden layers; Adam moves everything else, at the
    rate ``others_lr``, and in muP that rate is scaled as Adam's is.

    Interrupt it (■ in JupyterLab's toolbar, Ctrl+C in a terminal) and what is done comes back: the widths
    that have begun, with nan for the rates of the last one that were not trained to the end.

    Raises:
        ValueError: for anything that cannot be run, before it is run. Divergence is a result, not an error.
    """
    rates = _check(optimizer, parametrisation, lr, widths, base, depth)
    check_number("others_lr", others_lr, low=0)
    data = data or digits()
    made = [
        _made(optimizer, parametrisation, width, base, depth, data, (seeds, steps, batch_size))
        for width in widths
    ]
    losses = torch.full((len(made), len(rates), seeds), torch.nan)
    accuracies = torch.full_like(losses, torch.nan)
    done = 0
    runs = len(made) * len(rates)
    try:
        with one_thread(), progress_bar("widths", runs, shown=progress) as bar:
            for i, (task, method, factors) in enumerate(made):
                weights = sum(p.numel() for p in task.first)
                for part in torch.arange(len(rates)).split(max(1, _AT_ONCE // weights)):
                    fleet = _fleet(task, method, factors, rates[part], others_lr)
                    fleet.train(steps)
                    losses[i, part], _ = fleet.score(task.data.x_train, task.data.y_train)
                    _, accuracies[i, part] = fleet.score(task.data.x_test, task.data.y_test)
                    done = i * len(rates) + int(part[-1]) + 1
                    bar.update(len(part))
    except KeyboardInterrupt:
        if not done:
            raise  # nothing to keep
        print(f"Interrupted: {done} of {runs} runs are done, and are kept.")
    begun = -(-done // len(rates))
    return Widths(
        method=optimizer,
        parametrisation=parametrisation,
        base=base,
        widths=tuple(widths)[:begun],
        lr=rates,
        steps=steps,
        train_loss=losses[:begun],
        test_accuracy=accuracies[:begun],
    )


def activation_changes(
    optimizer: str = "Adam",
    parametrisation: str = STANDARD,
    *,
    lr: float,
    widths: Sequence[int] = (32, 64, 128, 256),
    base: int = 64,
    depth: int = 4,
    seeds: int = 5,
    steps: int = 3,
    batch_size: int = 64,
    others_lr: float = 2**-6,
    data: Digits | None = None,
) -> Tensor:
    """How far each layer's outputs have moved after a few steps at the same rate: (width, layer).

    The root mean square over images, units and seeds, before the ReLU; the last layer is the logits. This is
    the *coordinate check* of muP: there it stands still while the width grows. The rate is constant.
    """
    rates = _check(optimizer, parametrisation, [lr], widths, base, depth)
    check_number("others_lr", others_lr, low=0)
    data = data or digits()
    rows = []
    for width in widths:
        counts = (seeds, steps, batch_size)
        task, method, factors = _made(optimizer, parametrisation, width, base, depth, data, counts)
        with one_thread():
            fleet = _fleet(task, method, factors, rates, others_lr, decay=False)
            before = _outputs(fleet.params, task.data.x_test)
            fleet.train(steps)
            after = _outputs(fleet.params, task.data.x_test)
        rows.append(torch.stack([(b - a).square().mean().sqrt() for a, b in zip(before, after, strict=True)]))
    return torch.stack(rows)


def _outputs(params: Sequence[Tensor], x: Tensor) -> list[Tensor]:
    """What each layer gives before its ReLU: the network cut off after it."""
    return [mlp(params[:end], x) for end in range(2, len(params) + 1, 2)]


def _check(
    optimizer: str,
    parametrisation: str,
    lr: Sequence[float] | Tensor,
    widths: Sequence[int],
    base: int,
    depth: int,
) -> Tensor:
    """The rates as a tensor; an error for what cannot be run."""
    check_choice("optimizer", optimizer, _COLUMNS)
    check_choice("parametrisation", parametrisation, _PARAMETRISATIONS)
    if not widths:
        raise ValueError("widths must be at least one number, got none")
    for width in widths:
        check_count("widths", width)
    if list(widths) != sorted(set(widths)):
        raise ValueError(f"widths must rise, got {', '.join(map(str, widths))}")
    check_count("base", base)
    check_count("depth", depth)
    if optimizer == "Muon":
        check_count("depth", depth, low=2)  # one hidden layer has no matrix for it
    rates = check_grid((METHODS["Adam"],), {"lr": lr}, torch.device("cpu"), torch.float32)["lr"]
    check_rising("lr", rates)
    return rates


def _made(
    optimizer: str,
    parametrisation: str,
    width: int,
    base: int,
    depth: int,
    data: Digits,
    counts: tuple[int, int, int],
) -> tuple[Task, Method, Tensor]:
    """A network of this width with its first weights, its method, and a factor for each parameter's rate."""
    seeds, steps, batch_size = counts
    task = digits_task(data, seeds=seeds, steps=steps, batch_size=batch_size, hidden=(width,) * depth)
    factors = torch.ones(len(task.first))
    if parametrisation == MUP:
        *rest, weight, bias = task.first
        task = task._replace(first=[*rest, weight * (base / width) ** 0.5, bias])
        sizes = [data.x_train.shape[-1], *[width] * depth, weight.shape[-1]]
        base_sizes = [sizes[0], *[base] * depth, sizes[-1]]
        groups = mup_groups(network(sizes), network(base_sizes), 1.0, optimizer=_COLUMNS[optimizer])
        factors = torch.tensor([group["lr"] for group in groups])
    # Weights and biases of a layer have different rates under SGD, so each is a layer of its own here.
    task = task._replace(layers=tuple(map(str, range(len(task.first)))))
    if optimizer != "Muon":
        return task, METHODS[optimizer], factors
    matrices = _hidden_matrices(len(task.first))
    factors[matrices] = 1.0
    return task, Method("Muon", partial(_muon_and_adam, matrices=tuple(matrices))), factors


def network(sizes: Sequence[int]) -> nn.Module:
    """The same network as a module without memory for its weights, for functions that want its shapes."""
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out, device="meta"), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _hidden_matrices(params: int) -> list[int]:
    """Indices of the weights that lead from one hidden layer to the next."""
    return list(range(2, params - 2, 2))


def _fleet(
    task: Task, method: Method, factors: Tensor, rates: Tensor, others_lr: float, *, decay: bool = True
) -> Fleet:
    layers = factors.expand(len(rates), -1).clone()
    if method.name == "Muon":
        others = [i for i in range(len(factors)) if i not in _hidden_matrices(len(factors))]
        layers[:, others] *= others_lr / rates[:, None]
    schedule = Polynomial(len(task.batches)) if decay else None
    return Fleet(method, rates, task, schedules=schedule, layers=layers)


def _muon_and_adam(
    params: Sequence[dict[str, Any]],
    lr: Number = 1e-3,
    *,
    matrices: Sequence[int],
    **options: Unpack[Options],
) -> Partition:
    """Muon for the groups of these numbers, Adam for the others."""
    by_muon = [group for i, group in enumerate(params) if i in matrices]
    others = [group for i, group in enumerate(params) if i not in matrices]
    return Partition(Muon(by_muon, lr=lr, weight_decay=0.0, **options), Adam(others, lr=lr, **options))
