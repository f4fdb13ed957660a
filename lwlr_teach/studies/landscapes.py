"""Where gradient descent goes on the landscape of a small network, and how sharp it is there.

A ReLU network learns a few digits with squared errors. The sharpness is the largest eigenvalue of the loss's
Hessian; gradient descent with the rate η holds where it is below 2/η. Training sharpens the place until it is
at that edge, and stays there (Cohen, Kaur, Li, Kolter & Talwalkar 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import vmap
from torch.nn.functional import one_hot

from lwlr_teach.core.checks import check_count, check_number, check_rising
from lwlr_teach.core.progress import progress_bar
from lwlr_teach.core.threads import one_thread
from lwlr_teach.optim import method
from lwlr_teach.problems.data import digits
from lwlr_teach.problems.landscapes import loss_slice, project, sharpness
from lwlr_teach.problems.models import init_mlp, mlp, stack_networks


class FewDigits(NamedTuple):
    """A network of one hidden layer of ReLU, and the digits that it learns, in double precision."""

    x: Tensor
    y: Tensor
    """The labels' rows of the identity."""
    x_test: Tensor
    labels_test: Tensor
    hidden: int

    def first(self, seed: int = 0, gain: float = 1.0) -> list[Tensor]:
        """First weights, normal with variance ``gain``²/in; biases of 0."""
        sizes = [self.x.shape[-1], self.hidden, self.y.shape[-1]]
        params = init_mlp(sizes, torch.Generator().manual_seed(seed), self.x.dtype)
        return [gain / 2**0.5 * p for p in params]

    def loss(self, params: Sequence[Tensor], chosen: Tensor | slice = slice(None)) -> Tensor:
        """The squared distance from the labels, mean over the images. Leading axes of the parameters are
        copies of the network; ``chosen`` are the images that are looked at."""
        return (mlp(params, self.x[chosen]) - self.y[chosen]).square().sum(-1).mean(-1)

    def sharpness(self, params: Sequence[Tensor], copies: int = 0) -> Tensor:
        """The sharpness of each network; ``copies`` is the number of leading axes."""
        find: Callable[..., Tensor] = partial(sharpness, self.loss, steps=20)
        for _ in range(copies):
            find = vmap(find)
        return find(list(params))

    def accuracy(self, params: Sequence[Tensor]) -> Tensor:
        """The share of the test images that is read correctly."""
        return (mlp(params, self.x_test).argmax(-1) == self.labels_test).double().mean(-1)


def few_digits(images: int = 100, hidden: int = 24) -> FewDigits:
    """The first so many training images."""
    data = digits()
    check_count("images", images, high=len(data.x_train))
    check_count("hidden", hidden)
    y = one_hot(data.y_train[:images]).double()
    return FewDigits(data.x_train[:images].double(), y, data.x_test.double(), data.y_test, hidden)


def rescale(params: Sequence[Tensor], times: float) -> list[Tensor]:
    """The first layer of a network with one hidden layer made so many times as large, the second layer's
    weights as many times smaller: with ReLU it is the same function (Dinh et al. 2017)."""
    check_number("times", times, above=0)
    weight, bias, last, last_bias = params
    return [times * weight, times * bias, last / times, last_bias]


def walks(
    net: FewDigits, rates: Mapping[str, float], *, steps: int, seed: int = 0, gain: float = 1.0
) -> dict[str, list[Tensor]]:
    """The way of each optimizer from the same first weights, with all images in every step: (step, …) for
    each parameter, beginning with the first weights. ``rates`` has a rate for each name."""
    check_count("steps", steps)
    ways = {}
    with one_thread():
        for name, lr in rates.items():
            params = [p.requires_grad_() for p in net.first(seed, gain)]
            optimizer, way = method(name)(params, lr=lr), [[p.detach().clone() for p in params]]
            for _ in range(steps):
                optimizer.zero_grad()
                net.loss(params).backward()
                optimizer.step()
                way.append([p.detach().clone() for p in params])
            ways[name] = [torch.stack(places) for places in zip(*way, strict=True)]
    return ways


@dataclass(frozen=True)
class Descents:
    """Runs of gradient descent at several rates from several seeds, looked at every few steps.

    Measured tensors have the axes (rate, seed, look).
    """

    net: FewDigits
    lr: Tensor
    """(rate,)"""
    steps: Tensor
    """The numbers of the steps before which it was looked: (look,)"""
    loss: Tensor
    sharpness: Tensor
    rate: Tensor
    """The rate of the step that came next, smaller than ``lr`` while it warms up: (rate, look)"""
    highest: Tensor
    """The highest loss before any step: (rate, seed)"""
    params: list[Tensor]
    """The networks at the end: (rate, seed, …) for each parameter."""

    @property
    def product(self) -> Tensor:
        """Rate · sharpness; 2 is the edge of stability."""
        return self.rate[:, None] * self.sharpness


def train_on_landscape(
    lr: Sequence[float] | Tensor,
    *,
    net: FewDigits | None = None,
    seeds: int = 4,
    steps: int = 400,
    every: int = 10,
    batch_size: int | None = None,
    warm_up: int = 0,
    gain: float = 1.0,
    progress: bool = True,
) -> Descents:
    """Train from ``seeds`` first weights at each rate, and look at the sharpness every so many steps.

    Args:
        lr: the rates.
        net: what is trained, by default :func:`few_digits`.
        seeds: of the first weights and the batches.
        steps: how many.
        every: steps from one look to the next; the last look is after the last step.
        batch_size: images in a step, drawn anew for each; all of them by default.
        warm_up: steps over which the rate rises linearly to ``lr``.
        gain: of the first weights.
        progress: whether a bar is shown.
    """
    net = net or few_digits()
    for name, count in {"seeds": seeds, "steps": steps, "every": every}.items():
        check_count(name, count)
    check_count("warm_up", warm_up, low=0)
    images = len(net.x)
    if batch_size is not None:
        check_count("batch_size", batch_size, high=images)
    rates = torch.as_tensor(lr, dtype=torch.float64)
    check_rising("lr", rates)
    first = stack_networks(net.first(s, gain) for s in range(seeds))
    params = [p.expand(len(rates), *p.shape).clone().requires_grad_() for p in first]
    generator, looks, told = torch.Generator().manual_seed(0), [], []
    highest = torch.zeros(len(rates), seeds, dtype=torch.float64)
    chosen: Tensor | slice = slice(None)
    with one_thread(), progress_bar("training", steps, shown=progress) as bar:
        for step in range(steps + 1):
            now = rates * min(1, (step + 1) / max(warm_up, 1))
            if step % every == 0 or step == steps:
                whole = [p.detach() for p in params]
                looks.append(step)
                told.append((net.loss(whole), net.sharpness(whole, 2), now))
                highest = highest.maximum(told[-1][0])
            if step == steps:
                break
            if batch_size is not None:
                chosen = torch.stack(
                    [torch.randperm(images, generator=generator)[:batch_size] for _ in range(seeds)]
                )
            loss = net.loss(params, chosen)
            highest = highest if batch_size else highest.maximum(loss.detach())
            grads = torch.autograd.grad(loss.sum(), params)
            with torch.no_grad():
                for p, g in zip(params, grads, strict=True):
                    p -= now.reshape(-1, *[1] * (p.dim() - 1)) * g
            bar.update()
    losses, sharp, now_rates = (torch.stack(column, -1) for column in zip(*told, strict=True))
    at_end = [p.detach() for p in params]
    return Descents(net, rates, torch.tensor(looks), losses, sharp, now_rates, highest, at_end)


@dataclass(frozen=True)
class Slice:
    """A plane through the landscape, and the shadows that paths cast on it."""

    along: Tensor
    """Places on the first direction: (a,)"""
    across: Tensor
    """Places on the second: (b,)"""
    loss: Tensor
    """At each place of the plane: (a, b)"""
    paths: dict[str, Tensor]
    """The place of the plane that is nearest to each place of a path: (step, 2)"""
    path_loss: dict[str, Tensor]
    """The loss on the path itself, which may be far from the plane: (step,)"""
    share: float
    """How much of the paths' variance lies in the plane."""


def cut(
    net: FewDigits,
    ways: Mapping[str, list[Tensor]],
    directions: Sequence[Tensor],
    *,
    points: int = 41,
    room: float = 0.2,
    reach: float = 0.0,
) -> Slice:
    """The plane of two directions through the end of the first way, with the shadows of all ways.

    The plane holds all shadows with ``room`` around them, a share of their extent, and at least ``reach`` to
    all sides.
    """
    check_count("points", points, low=2)
    end = [p[-1] for p in next(iter(ways.values()))]
    paths = {name: project(way, end, directions) for name, way in ways.items()}
    places = torch.cat([*paths.values()])
    low, high = places.amin(0), places.amax(0)
    low, high = (low - room * (high - low)).clamp(max=-reach), (high + room * (high - low)).clamp(min=reach)
    along, across = (torch.linspace(a, b, points, dtype=low.dtype) for a, b in zip(low, high, strict=True))
    with one_thread():
        loss = loss_slice(net.loss, end, directions, along, across)
        path_loss = {name: net.loss(way) for name, way in ways.items()}
    # At right angles, so that variances along them add up.
    spanned = torch.linalg.qr(torch.cat([d.flatten(1) for d in directions], 1).T).Q
    rows = torch.cat([torch.cat([p.flatten(1) for p in way], 1) for way in ways.values()])
    away = rows - rows.mean(0)
    share = (away @ spanned).square().sum() / away.square().sum()
    return Slice(along, across, loss, paths, path_loss, share.item())
