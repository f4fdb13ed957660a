"""Lesson 18: how far each layer moved, as a share of its weights, and the doctor's questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from lwlr_teach.teaching.items import Exercise, Explanation, Known, Question

Layers = Sequence[Tensor]


def shares(before: list[Tensor], after: list[Tensor]) -> list[Tensor]:
    return [(q - p).norm() / p.norm() for p, q in zip(before, after, strict=True)]


def _problem(generator: torch.Generator) -> dict[str, Any]:
    """Three to five layers of several shapes; one of them has not moved."""
    count = 3 + int(torch.randint(3, (), generator=generator))
    sizes = [(4, 3), (3,), (2, 5), (6,), (3, 3)][:count]
    before = [torch.randn(size, generator=generator, dtype=torch.float64) for size in sizes]
    moves = [torch.randn(size, generator=generator, dtype=torch.float64) for size in sizes]
    lengths = 10 ** (-2 + 2.3 * torch.rand(count, generator=generator, dtype=torch.float64))
    lengths[int(torch.randint(count, (), generator=generator))] = 0.0
    after = [p + length * d for p, d, length in zip(before, moves, lengths, strict=True)]
    return {"before": before, "after": after}


def _play(answer: Callable[..., Any], problem: dict[str, Any]) -> dict[str, Any]:
    before, after = ([p.clone() for p in problem[name]] for name in ("before", "after"))
    given = answer(before, after)
    count = len(before)
    if not isinstance(given, list | tuple | Tensor) or len(torch.as_tensor(given).shape) != 1:
        return {f"a list of {count} numbers, one for each layer": given}
    if len(given) != count:
        return {f"a list of {count} numbers, one for each layer": torch.as_tensor(given)}
    return {f"the share of layer {i}": value for i, value in enumerate(given, start=1)}


def _each(share: Callable[[Tensor, Tensor], Any], says: str) -> Known:
    """A wrong share, of a layer before and after the step."""
    return Known(
        lambda before, after: [share(p, q) for p, q in zip(before, after, strict=True)],
        says,
    )


def _whole(layers: Layers) -> Tensor:
    return torch.cat([p.flatten() for p in layers])


SHARES = Exercise(
    name="18-shares",
    asks=(
        "Write shares(before, after): how far each layer has moved in a step, as a share of its weights. "
        "Both are lists of tensors, one for each layer. Return a list of numbers, one for each layer."
    ),
    answer=shares,
    problem=_problem,
    play=_play,
    right="The length of the step over the length of the weights, layer by layer: it has no unit.",
    known=(
        _each(
            lambda p, q: (q - p).norm(),
            "These are lengths of steps. Whether one is long depends on the weights: divide by their norm.",
        ),
        _each(
            lambda p, q: (q - p).norm() / q.norm(),
            "You divide by the weights after the step. Take those before it, from which it set out.",
        ),
        _each(
            lambda p, q: (q.norm() - p.norm()) / p.norm(),
            "You take the norms first and then the difference. A layer that has turned would seem not to "
            "have moved: take the norm of the difference.",
        ),
        _each(
            lambda p, q: (q.norm() - p.norm()).abs() / p.norm(),
            "You compare the lengths of the weights. A layer that has turned keeps its length: take the "
            "norm of the difference.",
        ),
        _each(
            lambda p, q: p.norm() / (q - p).norm(),
            "It is upside down: a layer that has not moved gets infinity. Divide the step by the weights.",
        ),
        _each(
            lambda p, q: (q - p).square().sum() / p.square().sum(),
            "These are squares. Take the root of each sum: the norm.",
        ),
        _each(
            lambda p, q: ((q - p) / p).abs().mean(),
            "You divide entry by entry, and one weight near 0 decides everything. Take the norms of the "
            "layer first.",
        ),
        _each(
            lambda p, q: ((q - p) / p).norm(),
            "You divide entry by entry. Take the norm of the step and the norm of the weights, then divide.",
        ),
        _each(
            lambda p, q: (q - p).abs().max() / p.abs().max(),
            "You compare the largest entries. The norm counts all of them.",
        ),
        _each(
            lambda p, q: (q - p).abs().sum() / p.abs().sum(),
            "You add up absolute values. The norm is the root of the sum of the squares.",
        ),
        _each(
            lambda p, q: (q - p).mean() / p.mean(),
            "You compare means, and there plus and minus cancel. Take norms.",
        ),
        _each(
            lambda p, q: (q - p).norm() / p.norm() / p.numel() ** 0.5,
            "You divide by the root of the number of weights once more. Both norms grow with it alike.",
        ),
        Known(
            lambda before, after: [
                (_whole(after) - _whole(before)).norm() / _whole(before).norm() for _ in before
            ],
            "This is one number for the whole network. A layer that stands still cannot be seen in it.",
        ),
        Known(
            lambda before, after: [
                (q - p).norm() / _whole(before).norm() for p, q in zip(before, after, strict=True)
            ],
            "You divide by the weights of the whole network. Each layer is compared with its own.",
        ),
    ),
    hints=(
        "What would make a step of length 1 a long one, and what would make it a short one?",
        "For each layer the norm of after − before, divided by the norm of before.",
        "A list over zip(before, after): (q - p).norm() / p.norm()",
    ),
    lesson="18-clinic",
)

EXERCISES = (SHARES,)

QUESTIONS = (
    Question(
        "18-worth",
        "18-clinic",
        "When is a test worth its price?",
        (
            "when it is the cheapest one",
            "when two causes that you still believe in would answer it differently",
            "when it shows that something is wrong",
        ),
        1,
        "A test that all suspects answer alike tells nothing, and would be too dear if it were free.",
    ),
    Question(
        "18-tenth",
        "18-clinic",
        "The loss goes up. At a tenth of the rate it still does, only more slowly. What do you suspect?",
        ("a rate that is too high", "a missing warm-up", "a wrong sign"),
        2,
        "Short enough steps downhill lower the loss. If short ones raise it, too, they lead uphill.",
    ),
    Question(
        "18-constant",
        "18-clinic",
        "The norm of the whole gradient is the same in every step. What does that say?",
        ("the network has converged", "a clip acts in every step", "the rate is too low"),
        1,
        "Gradients of batches differ. Only something that sets their length makes them all alike.",
    ),
    Question(
        "18-still",
        "18-clinic",
        "A layer has gradients, and its updates are exactly 0 from the first step to the last. Which test?",
        (
            "look whether the optimizer holds its parameters",
            "raise the rate tenfold",
            "try another seed",
        ),
        0,
        "A rate that is only low would still move it a little. What is never touched is not held.",
    ),
    Question(
        "18-jump",
        "18-clinic",
        "Adam, constant rate. After a restart of the job all layers' steps are suddenly longer. Why?",
        (
            "the data come in another order",
            "its averages are gone, and its steps are those of a beginning",
            "the weights were not saved",
        ),
        1,
        "With m and v lost, the first step has nearly the whole rate in each weight again.",
    ),
)

EXPLANATION = Explanation(
    "18-explain",
    "18-clinic",
    asks="A colleague's loss does not fall. She has a free afternoon and wants to sweep twenty rates. What "
    "do you say first?",
    good=(
        "A sweep helps only if the rate is to blame. First look at what is there already: does every layer "
        "move, by which share of its weights, are the gradients ordinary, and what is the rate in each step? "
        "If nothing stands out, I would let it learn one batch by heart, at this rate, at a tenth and at ten "
        "times it. If the loss falls at another rate, I know on which side to search. If it falls at none, I "
        "would look for a mistake before any sweep."
    ),
)
