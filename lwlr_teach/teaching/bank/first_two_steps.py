"""Lesson 14: one step of a two-layer linear network, and a budget that the norms divide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lwlr_teach.teaching.bank._steps import two_numbers
from lwlr_teach.teaching.items import Exercise, Explanation, Known, Question

# --- one step of one number -------------------------------------------------------------------------------


def moved(a: Tensor, b: Tensor, v: Tensor, rate: float, delta: float) -> Tensor:
    return a + rate * (v - delta * a * b) * b


def _step_problem(generator: torch.Generator) -> dict[str, Any]:
    rates = 0.2 + 0.6 * torch.rand(2, generator=generator, dtype=torch.float64)
    a, b = 0.5 + torch.rand(2, 4, generator=generator, dtype=torch.float64)
    v = torch.tensor([1.0, -1.0, 1.0, -1.0], dtype=torch.float64)
    delta = 0.2 + 0.6 * torch.rand((), generator=generator).item()
    return {"a": a, "b": b, "v": v, "rates": rates.tolist(), "delta": delta}


def _play_steps(answer: Callable[..., Any], problem: dict[str, Any]) -> dict[str, Any]:
    """Three steps of both layers at once: the rule is the same for either."""
    a, b, v, (first, second), delta = problem.values()
    played: dict[str, Any] = {}
    for number in range(1, 4):
        a, b = answer(a, b, v, first, delta), answer(b, a, v, second, delta)
        played |= {f"the first number after step {number}": a, f"the second number after step {number}": b}
        if a is None or b is None:
            break
    return played


STEP = Exercise(
    name="14-step",
    asks=(
        "Write moved(a, b, v, rate, delta): where the number a of one layer is after a step of gradient "
        "descent, when the other layer's number is b, the target is v and the network shows delta · a · b."
    ),
    answer=moved,
    problem=_step_problem,
    play=_play_steps,
    each={"rates": ("rate", "layer")},
    right="The rate, times the error, times the other layer: no layer learns but through the others.",
    known=(
        Known(
            lambda a, b, v, rate, delta: a + rate * v * b,
            "Your error is v alone. That is the surrogate of the study: it forgets what the network shows.",
        ),
        Known(
            lambda a, b, v, rate, delta: a + rate * (v - a * b) * b,
            "The δ is missing in the error. What the network shows is δ · a · b.",
        ),
        Known(
            lambda a, b, v, rate, delta: a + rate * (v - delta**2 * a * b) * b,
            "In your error the product is multiplied by δ². The factor is δ.",
        ),
        Known(
            lambda a, b, v, rate, delta: a + rate * (v - delta * (a + b)) * b,
            "You add the two layers in the error. Layers in a row multiply.",
        ),
        Known(
            lambda a, b, v, rate, delta: a - rate * (v - delta * a * b) * b,
            "The sign is wrong: your step leads away from the target.",
        ),
        Known(
            lambda a, b, v, rate, delta: a + rate * (v - delta * a * b),
            "The other layer is missing. A layer's gradient goes through it: times b.",
        ),
        Known(
            lambda a, b, v, rate, delta: a + rate * (v - delta * a * b) * a,
            "You multiply by a itself. The gradient of one layer goes through the other one: times b.",
        ),
        Known(
            lambda a, b, v, rate, delta: a + rate * (v - delta * a * b) / b,
            "You divide by the other layer. The gradient is the error times b.",
        ),
        Known(
            lambda a, b, v, rate, delta: a + rate * delta * (v - delta * a * b) * b,
            "You have one δ too many: it is in the rate already, which is counted in units of h^(3/2).",
        ),
        Known(
            lambda a, b, v, rate, delta: a + 2 * rate * (v - delta * a * b) * b,
            "Twice the step. The loss that is descended is half of the squared error.",
        ),
        Known(
            lambda a, b, v, rate, delta: rate * (v - delta * a * b) * b,
            "This is the step alone. What is asked for is where a is after it.",
        ),
        Known(
            lambda a, b, v, rate, delta: moved(b, a, v, rate, delta),
            "You move the other number. a is the one that this layer owns.",
        ),
    ),
    hints=(
        "First the error: the target v less what the network shows, δ · a · b.",
        "The gradient of one layer goes through the other: error times b. Then the rate.",
        "a + rate * (v - delta * a * b) * b",
    ),
    lesson="14-first-two-steps",
)

# --- the budget that the norms divide ---------------------------------------------------------------------


def divide(budget: float, w1: Tensor, w2: Tensor) -> tuple[float, float]:
    share = (w2.norm() / (w1.norm() + w2.norm())).item()
    return budget * share, budget * (1 - share)


def _norms_problem(generator: torch.Generator) -> dict[str, Any]:
    sizes = torch.randint(2, 6, (3,), generator=generator).tolist()
    scales = 0.2 + 3 * torch.rand(2, generator=generator)
    w1, w2 = (
        scale * torch.randn(rows, columns, generator=generator)
        for scale, rows, columns in zip(scales, sizes, sizes[1:], strict=False)
    )
    return {"budget": 0.1 + torch.rand((), generator=generator).item(), "w1": w1, "w2": w2}


def _play_norms(answer: Callable[..., Any], problem: dict[str, Any]) -> dict[str, Any]:
    return two_numbers(answer(*problem.values()), "the first layer's rate", "the second layer's rate")


def _shares(weight: Callable[[Tensor], Tensor]) -> Callable[..., Any]:
    """An answer that gives each layer a share in proportion to this."""

    def answer(budget: float, w1: Tensor, w2: Tensor) -> tuple[float, float]:
        first, second = weight(w1), weight(w2)
        return (budget * first / (first + second)).item(), (budget * second / (first + second)).item()

    return answer


DIVIDE = Exercise(
    name="14-divide",
    asks=(
        "Write divide(budget, w1, w2): the rates of two layers with these weights. They add up to the budget "
        "and each is in proportion to the norm of the other layer's weights."
    ),
    answer=divide,
    problem=_norms_problem,
    play=_play_norms,
    right="The layer with the small weights moves more. LARS leans the other way.",
    known=(
        Known(
            _shares(lambda w: w.norm()),
            "Your layer with the larger weights gets more, as LARS would have it. Here it gets less.",
        ),
        Known(
            _shares(lambda w: 1 / w.square().sum()),
            "You use the squared norms. Take the norms themselves.",
        ),
        Known(
            _shares(lambda w: 1 / w.abs().sum()),
            "You add up absolute values. The norm is the root of the sum of squares.",
        ),
        Known(
            _shares(lambda w: 1 / w.square().mean().sqrt()),
            "Your size is a mean over the entries. The norm is a sum: a larger matrix has more of it.",
        ),
        Known(
            _shares(lambda w: 1 / torch.linalg.matrix_norm(w, 2)),
            "You use the largest singular value. The norm here is that of all entries, .norm().",
        ),
        Known(
            _shares(lambda w: torch.ones(())),
            "Equal rates: your answer does not look at the weights.",
        ),
        Known(
            lambda budget, w1, w2: tuple(2 * rate for rate in divide(budget, w1, w2)),
            "Your rates add up to twice the budget. The study's factor 2 is for a rate per layer.",
        ),
        Known(
            lambda budget, w1, w2: tuple(rate / budget for rate in divide(budget, w1, w2)),
            "These are shares that add up to 1. Multiply them by the budget.",
        ),
        Known(
            lambda budget, w1, w2: (budget * (w2.norm() / w1.norm()).item(), budget),
            "Their ratio is right, but they do not add up to the budget.",
        ),
    ),
    hints=(
        "Two norms: w1.norm() and w2.norm(). The first layer's share has the second one's norm on top.",
        "The two shares have the same denominator, so that they add up to 1.",
        "budget * w2.norm() / (w1.norm() + w2.norm()), and the rest to the second layer.",
    ),
    lesson="14-first-two-steps",
)

EXERCISES = (STEP, DIVIDE)

QUESTIONS = (
    Question(
        "14-first",
        "14-first-two-steps",
        "Two random linear layers share a budget of rates. Which split has the lowest loss after one step?",
        ("half and half", "everything to one layer", "more to the second layer than to the first"),
        1,
        "Their signals add up; what both make together takes some of it back and adds noise.",
    ),
    Question(
        "14-second",
        "14-first-two-steps",
        "And why are equal rates best after the second step?",
        (
            "by then the layers have become equal",
            "each gradient goes through the other layer, and that one has learned something",
            "the noise of the first step has been averaged away",
        ),
        1,
        "What one layer has learned makes the other one's gradient longer in the right direction.",
    ),
    Question(
        "14-end",
        "14-first-two-steps",
        "Close to the solution, what decides whether gradient descent on two linear layers can come to rest?",
        ("the sum of the two rates", "the larger of the two rates", "the product of the two rates"),
        2,
        "There the layers act like one with the geometric mean of the rates. An uneven split has more room.",
    ),
    Question(
        "14-surrogate",
        "14-first-two-steps",
        "A proof replaces the gradient by a simpler one and finds a threshold. What do you check first?",
        (
            "whether the threshold is still there with the true gradient",
            "whether the proof holds for wider networks too",
            "nothing: a proof needs no check",
        ),
        0,
        "In the lesson the threshold of the second step moved from one to six times the width.",
    ),
)

EXPLANATION = Explanation(
    "14-explain",
    "14-first-two-steps",
    asks=(
        "Why is it best, by a little, to give everything to one layer at the first step, and wrong to go "
        "on like that?"
    ),
    good=(
        "At the first step what the two layers gain simply adds up, so that only the sum of the rates "
        "counts; what they do together takes a little back, and most if the rates are equal. From the "
        "second step on each layer's gradient passes through the other one, so that the product of the "
        "rates counts, and of all rates with the same sum equal ones have the largest product. A layer "
        "that stands still holds the other one back."
    ),
)
