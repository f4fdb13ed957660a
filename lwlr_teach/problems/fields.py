"""Four fields in one shape: pictures, a text, a pole to balance, and digits to be made up.

Each is small and real, and needs no download. What a field has is the same for all: first parameters, a loss
for each step, and a score that says how good a network is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from lwlr_teach.core.checks import check_count
from lwlr_teach.problems.cartpole import fallen, first_states, push
from lwlr_teach.problems.data import digits
from lwlr_teach.problems.field_models import (
    cnn,
    init_cnn,
    init_transformer,
    init_vae,
    transformer,
    vae_loss,
)
from lwlr_teach.problems.models import cross_entropy, init_mlp, mlp, stack_networks
from lwlr_teach.problems.tasks import order_batches
from lwlr_teach.problems.texts import letters

Params = Sequence[Tensor]
Score = Callable[[Params], Tensor]
_VALID = 300


@dataclass(frozen=True)
class Field:
    """A network and what it is to learn; parameters have the axes (run, seed, …)."""

    name: str
    first: list[Tensor]
    """First parameters: (seed, …)."""
    steps: int
    loss: Callable[[Params, int], Tensor]
    """``loss(params, step)``, (run, seed): what the step is to lower. Its gradient is that of one batch."""
    valid: Score
    """``valid(params)``, (run, seed): what chooses the rates, and what is to reach a target."""
    test: Score
    """The same on what has had no part in any choice."""
    score: str
    """What the score is."""
    higher: bool = False
    """Whether a higher score is better."""


def vision(*, seeds: int, steps: int = 120, batch_size: int = 32) -> Field:
    """Which digit is it? A small convolutional network; the score is the cross-entropy in nats."""
    data, generators = digits(), _generators(seeds, steps)
    rest = len(data.x_train) - _VALID
    first = stack_networks(init_cnn((8, 16), 10, g) for g in generators)
    batches = _batches(rest, batch_size, steps, generators)

    def loss(params: Params, x: Tensor, y: Tensor) -> Tensor:
        return cross_entropy(cnn(params, x), y)

    return Field(
        "vision",
        first,
        steps,
        lambda params, step: loss(params, data.x_train[batches[step]], data.y_train[batches[step]]),
        lambda params: loss(params, data.x_train[None, rest:], data.y_train[None, rest:]),
        lambda params: loss(params, data.x_test[None], data.y_test[None]),
        "loss",
    )


def language(
    *, seeds: int, steps: int = 120, batch_size: int = 16, context: int = 16, width: int = 24
) -> Field:
    """Which letter comes next? A transformer of one block; the score is the cross-entropy in nats."""
    check_count("batch_size", batch_size)
    check_count("context", context)
    text, generators = letters(), _generators(seeds, steps)
    size = len(text.alphabet)
    first = stack_networks(init_transformer(size, context, width, g) for g in generators)
    last = len(text.train) - context
    starts = torch.stack([torch.randint(last, (steps, batch_size), generator=g) for g in generators], 1)

    def loss(params: Params, codes: Tensor) -> Tensor:
        return cross_entropy(transformer(params, codes[..., :-1]).flatten(-3, -2), codes[..., 1:].flatten(-2))

    def judge(part: Tensor, count: int) -> Score:
        windows = part[: count * (context + 1)].unflatten(0, (-1, context + 1))[None]
        return lambda params: loss(params, windows)

    return Field(
        "language",
        first,
        steps,
        lambda params, step: loss(params, text.train[starts[step, ..., None] + torch.arange(context + 1)]),
        judge(text.valid, 64),
        judge(text.test, 256),
        "loss per letter",
    )


def generation(
    *, seeds: int, steps: int = 200, batch_size: int = 32, hidden: int = 32, latent: int = 4
) -> Field:
    """Digits of one's own: a variational autoencoder; the score is its bound on −log p, in nats an image."""
    check_count("latent", latent)
    data, generators = digits(), _generators(seeds, steps)
    rest = len(data.x_train) - _VALID
    first = stack_networks(init_vae(64, hidden, latent, g) for g in generators)
    batches = _batches(rest, batch_size, steps, generators)
    noise = torch.stack([torch.randn(steps, batch_size, latent, generator=g) for g in generators], 1)

    def judge(x: Tensor) -> Score:
        still = torch.randn(1, len(x), latent, generator=torch.Generator().manual_seed(1))
        return lambda params: vae_loss(params, x[None], still).mean(-1)

    return Field(
        "generation",
        first,
        steps,
        lambda params, step: vae_loss(params, data.x_train[batches[step]], noise[step]).mean(-1),
        judge(data.x_train[rest:]),
        judge(data.x_test),
        "bound",
    )


def control(*, seeds: int, steps: int = 50, carts: int = 16, longest: int = 100, hidden: int = 16) -> Field:
    """A pole to balance: REINFORCE (Williams 1992) on CartPole. The score is how long the pole stands.

    Each step's batch are episodes of ``carts`` carts, of at most ``longest`` pushes. An action counts for as
    much as came after it, in units of its spread: the mean return of the batch is taken off.
    """
    check_count("carts", carts, low=2)
    check_count("longest", longest)
    generators = _generators(seeds, steps)
    first = stack_networks(init_mlp((4, hidden, 1), g) for g in generators)

    def loss(params: Params, step: int) -> Tensor:
        states, right, alive = drive(params, *luck(seeds, 1 + step, carts, longest), longest)
        logits = mlp(params, states.flatten(2, 3)).unflatten(-2, states.shape[2:4]).squeeze(-1)
        likely = logsigmoid(torch.where(right, logits, -logits))  # (run, seed, time, cart)
        counted = alive.to(likely)
        returns = counted.flip(2).cumsum(2).flip(2)
        number = counted.sum((2, 3), keepdim=True)
        mean = (returns * counted).sum((2, 3), keepdim=True) / number
        spread = (((returns - mean) * counted).square().sum((2, 3), keepdim=True) / number).sqrt()
        worth = (returns - mean) / (spread + 1e-3) * counted
        return -(likely * worth).sum((2, 3)) / number.squeeze((2, 3))

    def judge(params: Params, step: int) -> Tensor:
        _, _, alive = drive(params, *luck(1, step, 32, longest), longest)
        return alive.float().sum(2).mean(-1)

    return Field(
        "control",
        first,
        steps,
        loss,
        partial(judge, step=-1),
        partial(judge, step=-2),
        "pushes until it falls",
        higher=True,
    )


@torch.no_grad()
def drive(params: Params, states: Tensor, luck: Tensor, longest: int) -> tuple[Tensor, Tensor, Tensor]:
    """Episodes from the first ``states`` (seed, cart, 4): the states before each push (run, seed, time, cart,
    4), whether it went to the right, and whether the pole still stood before it.

    A cart is pushed to the right where ``luck`` (seed, time, cart), uniform between 0 and 1, is below the
    probability that the network gives; it gives the log-odds.
    """
    states = states.expand(*params[0].shape[:2], *states.shape[-2:])
    alive = torch.ones(states.shape[:-1], dtype=torch.bool)
    kept: list[tuple[Tensor, Tensor, Tensor]] = []
    for time in range(longest):
        right = luck[:, time] < mlp(params, states).squeeze(-1).sigmoid()
        kept.append((states, right, alive))
        states = push(states, right)
        alive = alive & ~fallen(states)
    came, actions, stood = (torch.stack(part, 2) for part in zip(*kept, strict=True))
    return came, actions, stood


def luck(seeds: int, step: int, carts: int, longest: int) -> tuple[Tensor, Tensor]:
    """First states (seed, cart, 4) and what chooses the pushes (seed, time, cart)."""
    generators = [torch.Generator().manual_seed(1000 * seed + step + 10) for seed in range(seeds)]
    states = torch.stack([first_states(carts, generator=g) for g in generators])
    return states, torch.stack([torch.rand(longest, carts, generator=g) for g in generators])


FIELDS: dict[str, Callable[..., Field]] = {
    "vision": vision,
    "language": language,
    "control": control,
    "generation": generation,
}


def _generators(seeds: int, steps: int) -> list[torch.Generator]:
    check_count("seeds", seeds)
    check_count("steps", steps)
    return [torch.Generator().manual_seed(seed) for seed in range(seeds)]


def _batches(images: int, batch_size: int, steps: int, generators: list[torch.Generator]) -> Tensor:
    check_count("batch_size", batch_size, high=images)
    return torch.stack([order_batches(images, batch_size, steps, g) for g in generators], 1)
