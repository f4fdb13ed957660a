"""Which split of a budget is best in networks that no formula describes: trained, from several seeds.

The first layer gets a share of the budget, the others share the rest equally. Descent is with all training
data at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lwlr_teach.core.checks import check_choice, check_count, check_number
from lwlr_teach.core.threads import one_thread
from lwlr_teach.optim import method
from lwlr_teach.problems.data import Digits, digits
from lwlr_teach.problems.linear_networks import descend, gaussian, linear_network
from lwlr_teach.problems.tasks import digits_task
from lwlr_teach.runs.fleet import Fleet
from lwlr_teach.studies.splits import SHARES, Splits

WIDTH = 64
"""Of the networks that learn a random linear function."""
IMAGES = 300
"""Of the digits: enough for the first steps, on which all of them are used."""
_TEST = 500
_SHARES = SHARES[::2]


def trained_splits(network: str, budgets: Sequence[float], *, steps: int = 64, seeds: int = 5) -> Splits:
    """The mean loss over the seeds after each step, for every budget and 21 splits of it.

    Args:
        network: "four layers" and "eight layers": linear ones, all but the last layer of
            :func:`~lwlr_teach.problems.linear_networks.linear_network` are trained. "ReLU":
            f(x) = relu(relu(xᵀ W₁) W₂) a / √h learns what they learn, from h examples, and is judged on 500
            others. "digits": a ReLU network with one hidden layer, the cross-entropy on its own images.
        budgets: sums of all rates, rising; of the first three in units of √h.
    """
    train, layers = check_choice("network", network, NETWORKS)
    if not budgets:
        raise ValueError("budgets must be at least one number, got none")
    for budget in budgets:
        check_number("budgets", budget, low=0)
    check_count("steps", steps)
    check_count("seeds", seeds)
    total = torch.tensor(budgets)[:, None]
    rates = [total * _SHARES.float(), *[total * (1 - _SHARES.float()) / (layers - 1)] * (layers - 1)]
    with one_thread():
        found = train(rates, steps, seeds)  # step, budget, share, seed
    found = found.nan_to_num(nan=math.inf, posinf=math.inf).double()
    return Splits(
        width=WIDTH,
        budgets=total[:, 0].double(),
        shares=_SHARES,
        steps=tuple(range(1, steps + 1)),
        losses=found[1:].mean(-1).movedim(0, 1),
        first=found[0].mean().item(),
        limit=None,
        equal=1 / layers,
        each=_SHARES[found[1:].argmin(2)].movedim(0, 1),
    )


def _deep(rates: list[Tensor], steps: int, seeds: int) -> Tensor:
    return torch.stack(
        [
            descend(
                linear_network(WIDTH, len(rates) + 1, seed=seed, dtype=torch.float32),
                *(rate * math.sqrt(WIDTH) for rate in rates),
                steps=steps,
            )
            for seed in range(seeds)
        ],
        dim=-1,
    )


def _relu(rates: list[Tensor], steps: int, seeds: int) -> Tensor:
    return torch.stack([_relu_losses(rates, steps, seed) for seed in range(seeds)], dim=-1)


def _relu_losses(rates: list[Tensor], steps: int, seed: int) -> Tensor:
    """(step, budget, share) of one network."""
    generator = torch.Generator().manual_seed(seed)
    root = math.sqrt(WIDTH)
    # √2, because a ReLU lets half of the sum of squares through.
    first = [math.sqrt(2) * gaussian(WIDTH, generator).float() for _ in rates]
    a, beta = torch.randn(2, WIDTH, 1, generator=generator)
    a, beta = a / a.norm(), beta / beta.norm()
    x, x_test = torch.randn(WIDTH + _TEST, WIDTH, generator=generator).split([WIDTH, _TEST])
    weights = [w.expand(*rates[0].shape, -1, -1).clone().requires_grad_() for w in first]

    def losses(x: Tensor) -> Tensor:
        hidden = x
        for w in weights:
            hidden = (hidden @ w).relu()
        return (hidden @ a / root - x @ beta).square().mean((-2, -1))

    found = []
    for _ in range(steps + 1):
        with torch.no_grad():
            found.append(losses(x_test))
        gradients = torch.autograd.grad(losses(x).sum() / 2, weights)
        with torch.no_grad():
            for w, rate, g in zip(weights, rates, gradients, strict=True):
                w -= root * rate[..., None, None] * g
    return torch.stack(found)


def _digits(rates: list[Tensor], steps: int, seeds: int) -> Tensor:
    data = digits()
    few = Digits(data.x_train[:IMAGES], data.y_train[:IMAGES], data.x_test, data.y_test)
    task = digits_task(few, seeds=seeds, steps=steps + 1, batch_size=IMAGES)
    shape = rates[0].shape
    layers = torch.stack([rate.flatten() for rate in rates], dim=1)
    fleet = Fleet(method("SGD"), torch.ones(len(layers)), task, layers=layers)
    fleet.train(steps + 1)
    return fleet.losses.unflatten(1, shape)


NETWORKS: dict[str, tuple[Callable[[list[Tensor], int, int], Tensor], int]] = {
    "four layers": (_deep, 3),
    "eight layers": (_deep, 7),
    "ReLU": (_relu, 2),
    "digits": (_digits, 2),
}
"""How each network is trained, and how many of its layers are."""
