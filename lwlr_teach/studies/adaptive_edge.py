"""What an adaptive rate adapts to: RMSProp with one average for the whole network, and the loss's sharpness.

    ν ← α ν + (1 − α) ‖g‖² ,   p ← p − (η/√ν) g

This is gradient descent whose rate η/√ν sets itself, and gradient descent is stable while rate · sharpness is
below 2. Cohen, Damian, Talwalkar, Kolter & Lee 2025 ("central flows") found that training comes to this edge
and stays there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from lwlr_teach.core.checks import check_count, check_rising
from lwlr_teach.core.progress import progress_bar
from lwlr_teach.core.threads import one_thread
from lwlr_teach.problems.data import digits
from lwlr_teach.problems.models import init_mlp

# Power iterations for the sharpness: many at first, then a few a step, from where the last step ended.
_AT_FIRST, _EACH_STEP = 50, 2


@dataclass(frozen=True)
class AdaptiveEdge:
    """Runs at several rates from several seeds; tensors have the axes (rate, seed, step)."""

    lr: Tensor
    """The rates η that were typed: (rate,)"""
    loss: Tensor
    """Before each step."""
    own_rate: Tensor
    """The rate that the step was taken with, η/√ν."""
    sharpness: Tensor
    """The largest eigenvalue of the loss's Hessian, before each step."""

    @property
    def product(self) -> Tensor:
        """Own rate · sharpness; 2 is the edge of stability."""
        return self.own_rate * self.sharpness

    def average(self, steps: int = 50) -> Tensor:
        """The product, averaged over this step and up to ``steps − 1`` before it."""
        check_count("steps", steps, high=self.loss.shape[-1])
        sums = torch.nn.functional.pad(self.product.cumsum(-1), (1, 0))
        ends = torch.arange(1, sums.shape[-1])
        begins = (ends - steps).clamp(min=0)
        return (sums[..., ends] - sums[..., begins]) / (ends - begins)


def train_at_the_edge(
    lr: Sequence[float] | Tensor = (0.03,),
    *,
    seeds: int = 1,
    steps: int = 800,
    images: int = 100,
    hidden: Sequence[int] = (16, 16),
    alpha: float = 0.99,
    progress: bool = True,
) -> AdaptiveEdge:
    """Train a tanh network on the first ``images`` digits, all of them in every step, with squared errors.

    The loss is the squared distance from the label's row of the identity, mean over the images. All runs are
    in double precision.
    """
    check_count("seeds", seeds)
    check_count("steps", steps)
    data = digits()
    check_count("images", images, high=len(data.x_train))
    rates = torch.as_tensor(lr, dtype=torch.float64)
    check_rising("lr", rates)
    x, y = data.x_train[:images].double(), one_hot(data.y_train[:images]).double()
    sizes = [x.shape[-1], *hidden, y.shape[-1]]
    first = [
        torch.cat(
            [p.flatten() / 2**0.5 for p in init_mlp(sizes, torch.Generator().manual_seed(s), torch.float64)]
        )
        for s in range(seeds)
    ]
    params = torch.stack(first).expand(len(rates), -1, -1).clone().requires_grad_()  # (rate, seed, entry)
    direction = torch.ones_like(params)
    square = torch.zeros(params.shape[:-1], dtype=torch.float64)
    told: list[tuple[Tensor, Tensor, Tensor]] = []
    with one_thread(), progress_bar("training", steps, shown=progress) as bar:
        for step in range(steps):
            loss = _loss(params, x, y, sizes)
            (grad,) = torch.autograd.grad(loss.sum(), params, create_graph=True)
            for _ in range(_EACH_STEP if step else _AT_FIRST):
                direction = direction / direction.norm(dim=-1, keepdim=True)
                (curved,) = torch.autograd.grad(grad, params, direction, retain_graph=True)
                sharpness, direction = (direction * curved).sum(-1), curved
            grad = grad.detach()
            square = alpha * square + (1 - alpha) * grad.square().sum(-1)
            own = rates[:, None] / square.sqrt()
            told.append((loss.detach(), own, sharpness))
            with torch.no_grad():
                params -= own[..., None] * grad
            bar.update()
    return AdaptiveEdge(rates, *(torch.stack(column, -1) for column in zip(*told, strict=True)))


def _loss(params: Tensor, x: Tensor, y: Tensor, sizes: Sequence[int]) -> Tensor:
    """The loss of each network, (rate, seed), from all its parameters in one row."""
    counts = [count for pair in pairwise(sizes) for count in (pair[0] * pair[1], pair[1])]
    weight, bias, *rest = params.split(counts, -1)
    out = x @ weight.unflatten(-1, (sizes[0], sizes[1])) + bias[..., None, :]
    for i, shape in enumerate(pairwise(sizes[1:])):
        weight, bias = rest[2 * i], rest[2 * i + 1]
        out = torch.tanh(out) @ weight.unflatten(-1, shape) + bias[..., None, :]
    return (out - y).square().sum(-1).mean(-1)
