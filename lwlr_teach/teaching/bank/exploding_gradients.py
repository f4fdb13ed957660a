"""Lesson 10: the factor of a clip by the global norm, and the longest step after a clip by value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lwlr_teach.teaching.items import Exercise, Explanation, Known, Question

# --- the factor -------------------------------------------------------------------------------------------


def factor(grads: list[Tensor], max_norm: float) -> Tensor:
    total = torch.stack([g.norm() for g in grads]).norm()
    return (max_norm / total).clamp(max=1)


def _factor_problem(generator: torch.Generator) -> dict[str, Any]:
    def number(low: float, high: float) -> float:
        return low + (high - low) * torch.rand((), generator=generator, dtype=torch.float64).item()

    shapes = [(3,), (2, 4), (5, 1), (1,)][: int(torch.randint(2, 5, (), generator=generator))]
    # Also tiny norms, where an epsilon shows; and tensors of unequal size, so that one outweighs the others.
    max_norm = 10 ** number(-4, 1)
    grads = [10 ** number(-1, 1) * torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes]
    size = max_norm / torch.cat([g.flatten() for g in grads]).norm()
    return {"grads": [size * g for g in grads], "max_norm": max_norm}


def _play_factor(answer: Callable[..., Any], problem: dict[str, Any]) -> dict[str, Any]:
    """The same gradients with a norm far above, just above, just below, and far below the limit."""
    grads, max_norm = problem["grads"], problem["max_norm"]
    times = {"far above": 30.0, "just above": 1.2, "just below": 0.8, "far below": 0.03}
    return {
        f"the factor for {n:g} · grads, a norm {where} the limit": answer([n * g for g in grads], max_norm)
        for where, n in times.items()
    }


def _of_size(size: Callable[[list[Tensor]], Tensor]) -> Callable[..., Tensor]:
    """The answer of somebody who measures the gradients by ``size`` in place of their norm."""

    def wrong(grads: list[Tensor], max_norm: float) -> Tensor:
        return (max_norm / size(grads)).clamp(max=1)

    return wrong


def _total(grads: list[Tensor]) -> Tensor:
    return torch.cat([g.flatten() for g in grads]).norm()


def _norms(grads: list[Tensor]) -> Tensor:
    return torch.stack([g.norm() for g in grads])


def _entries(grads: list[Tensor]) -> Tensor:
    return torch.cat([g.flatten() for g in grads]).abs()


FACTOR = Exercise(
    name="10-factor",
    asks="Write factor(grads, max_norm): the number by which all gradients are multiplied.",
    answer=factor,
    problem=_factor_problem,
    play=_play_factor,
    right="One factor for all of them, min(1, limit / norm), so that their direction stays.",
    known=(
        Known(
            _of_size(lambda grads: _total(grads) + 1e-6),
            "Right in PyTorch's convention: clip_grad_norm_ adds 1e-6 to the norm. The paper has none.",
            passes=True,
        ),
        Known(
            _of_size(_norms),
            "These are factors for each tensor alone, which is clipping per layer. The global norm has one.",
        ),
        Known(
            lambda grads, c: c / _total(grads),
            "The minimum with 1 is missing: a gradient that is shorter than the limit would be made longer.",
        ),
        Known(
            lambda grads, c: (c / _total(grads)).clamp(min=1),
            "You took the maximum with 1: this stretches short gradients, and leaves long ones alone.",
        ),
        Known(
            lambda grads, c: (_total(grads) / c).clamp(max=1),
            "The fraction is upside down: this shrinks the short gradients.",
        ),
        Known(
            _of_size(lambda grads: _norms(grads).sum()),
            "You add the norms up. Their squares add up, as the sides of a right angle do.",
        ),
        Known(
            lambda grads, c: c / _norms(grads).sum(),
            "Two things. You add the norms up; their squares add up. And the minimum with 1 is missing.",
        ),
        Known(
            _of_size(lambda grads: _norms(grads).square().sum()),
            "This is the square of the norm; the root is missing.",
        ),
        Known(
            _of_size(lambda grads: _norms(grads).mean()),
            "You average the norms. The global norm is that of all entries together.",
        ),
        Known(
            _of_size(lambda grads: _norms(grads).max()),
            "You took the norm of the largest tensor. The others belong to the vector as well.",
        ),
        Known(
            _of_size(lambda grads: grads[0].norm()),
            "You took the first tensor only. All of them count together.",
        ),
        Known(
            _of_size(lambda grads: _entries(grads).max()),
            "You took the largest entry. That is one number's limit; here it is the whole vector's.",
        ),
        Known(
            _of_size(lambda grads: _entries(grads).sum()),
            "You add up the sizes of all entries. The norm is the root of the sum of their squares.",
        ),
        Known(
            _of_size(lambda grads: _entries(grads).square().mean().sqrt()),
            "You divide by the number of entries under the root. The norm is a sum, not a mean.",
        ),
        Known(
            lambda grads, c: torch.where(_total(grads) > c, 1 / _total(grads), 1.0),
            "This gives long gradients the length 1. They should become as long as the limit.",
        ),
        Known(
            lambda grads, c: torch.where(_total(grads) > c, c, torch.ones((), dtype=torch.float64)),
            "You multiply long gradients by the limit itself. Divide it by their norm.",
        ),
        Known(
            lambda grads, c: torch.where(_total(grads) > c, 0.0, torch.ones((), dtype=torch.float64)),
            "This throws a long gradient away. It should be shortened, and its direction kept.",
        ),
        Known(
            lambda grads, c: (c - _total(grads)).clamp(max=1),
            "You subtract. To shorten a vector without turning it, it is multiplied.",
        ),
        Known(
            lambda grads, c: c / (c + _total(grads)),
            "This shrinks every gradient a little. Below the limit nothing should change.",
        ),
        Known(
            lambda grads, c: (c / _total(grads)).clamp(max=1).sqrt(),
            "The root of the factor leaves long gradients longer than the limit.",
        ),
    ),
    hints=(
        "How long is the vector of all entries of all tensors? g.norm() is the length of one of them.",
        "Lengths add up as squares: the root of the sum of all squared norms.",
        "The factor is limit / norm, but never more than 1.",
    ),
    lesson="10-exploding-gradients",
)

# --- the longest step -------------------------------------------------------------------------------------


def longest_step(lr: float, clip_value: float, n: int) -> float:
    return lr * clip_value * n**0.5


def _step_problem(generator: torch.Generator) -> dict[str, Any]:
    a, b = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
    n = int(torch.randint(2, 5000, (), generator=generator))
    return {"lr": 10 ** (3 * a - 3), "clip_value": 10 ** (2 * b - 1), "n": n}


LONGEST_STEP = Exercise(
    name="10-longest-step",
    asks="Write longest_step(lr, clip_value, n): the longest step of SGD with n weights, clipped by value.",
    answer=longest_step,
    problem=_step_problem,
    play=lambda answer, problem: {
        "the longest step": answer(problem["lr"], problem["clip_value"], problem["n"])
    },
    right="Every entry at its limit is the corner of a box, and the corner is √n times as far as a side.",
    known=(
        Known(
            lambda lr, c, n: lr * c,
            "That is the longest step of one weight, or of all after a clip by global norm. Here are n.",
        ),
        Known(
            lambda lr, c, n: lr * c * n,
            "You add the n steps up. They are at right angles: their squares add up.",
        ),
        Known(lambda lr, c, n: c * n**0.5, "This is the longest gradient. The step is the rate times that."),
        Known(lambda lr, c, n: lr * n**0.5, "The limit is missing."),
        Known(lambda lr, c, n: c, "This is the limit of one entry of the gradient, not yet a step."),
        Known(lambda lr, c, n: lr * c / n**0.5, "You divide by √n. More weights make a longer step."),
        Known(lambda lr, c, n: lr * c / n, "You divide by n. More weights make a longer step."),
        Known(lambda lr, c, n: (lr * c) ** 2 * n, "This is the square of the length; the root is missing."),
        Known(
            lambda lr, c, n: lr * (c * n) ** 0.5,
            "The root covers the limit as well. The length is the root of n · limit².",
        ),
        Known(
            lambda lr, c, n: (lr * c * n) ** 0.5,
            "The root covers too much: only the number of weights belongs under it.",
        ),
        Known(
            lambda lr, c, n: 2 * lr * c * n**0.5,
            "That is from one corner of the box to the other. A step starts in its middle.",
        ),
        Known(lambda lr, c, n: c * n**0.5 / lr, "You divide by the rate. A larger rate makes a longer step."),
        Known(lambda lr, c, n: lr * c * n**2, "n squared is far too much: the squares add up to n · limit²."),
    ),
    hints=(
        "When is the gradient longest? When every one of its n entries is at the limit.",
        "The length of a vector with n entries of size c is the root of n · c².",
        "The step is the rate times that length.",
    ),
    lesson="10-exploding-gradients",
)

EXERCISES = (FACTOR, LONGEST_STEP)

QUESTIONS = (
    Question(
        "10-why",
        "10-exploding-gradients",
        "Why does the gradient of a recurrent network grow exponentially with the length of the sequence?",
        (
            "a longer sequence holds more errors, which add up",
            "on its way back it is multiplied by the same matrix at every step",
            "the rate is too large",
        ),
        1,
        "Each step back is one more product with the same matrix: what is above 1 grows without end.",
    ),
    Question(
        "10-global-norm",
        "10-exploding-gradients",
        "All gradients together have the norm 20, and they are clipped to the global norm 5. What happens?",
        (
            "every entry is multiplied by 0.25",
            "every entry above 5 becomes 5",
            "each tensor is shortened to 5",
        ),
        0,
        "One factor for all, 5/20. So the direction stays.",
    ),
    Question(
        "10-turns",
        "10-exploding-gradients",
        "Which clip can turn the gradient of a single tensor?",
        ("by global norm", "by layer norm", "by value"),
        2,
        "It cuts large entries and leaves small ones. A factor for the whole tensor turns nothing.",
    ),
    Question(
        "10-trust",
        "10-exploding-gradients",
        "SGD at the rate 0.1, clipped to the global norm 2: how long can a step be?",
        ("0.2 at most", "2 at most", "there is no limit"),
        0,
        "Rate × limit. That is the part of the map in which the gradient is trusted.",
    ),
    Question(
        "10-adam",
        "10-exploding-gradients",
        "Adam with a clip that acts at every step. The limit is made a hundred times smaller. What changes?",
        (
            "its steps become a hundred times shorter",
            "almost nothing: Adam divides by the gradient's size",
            "it stands still",
        ),
        1,
        "A factor that all gradients share cancels in Adam. Its step is set by the rate alone.",
    ),
)

EXPLANATION = Explanation(
    "10-explain",
    "10-exploding-gradients",
    asks=(
        "Why can one gradient destroy a run that went well for a thousand steps, and what exactly does a "
        "clip by the global norm prevent?"
    ),
    good=(
        "Where the loss has a wall, a gradient is a thousand times as long as on the slope beside it, and "
        "the step is as long as the gradient. The clip shortens a gradient that is longer than the limit "
        "and keeps its direction, so that no step is longer than rate × limit: one step cannot throw away "
        "what a thousand have won."
    ),
)
