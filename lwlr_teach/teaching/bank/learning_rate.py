"""Lesson 01: the step, and the edge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lwlr_teach.core.arithmetic import State
from lwlr_teach.optim.update import Rule
from lwlr_teach.teaching.bank._steps import EACH_STEP
from lwlr_teach.teaching.items import Exercise, Explanation, Known, Question

# --- the step ---------------------------------------------------------------------------------------------


def step(p: Tensor, g: Tensor, lr: float) -> Tensor:
    return p - lr * g


def _step_problem(generator: torch.Generator) -> dict[str, Any]:
    shape = [(3,), (2, 4), (), (1, 1, 5)][int(torch.randint(4, (), generator=generator))]
    return {
        "p": torch.randn(shape, generator=generator, dtype=torch.float64),
        "grads": torch.randn(4, *shape, generator=generator, dtype=torch.float64),
        "lr": 0.01 + torch.rand((), generator=generator, dtype=torch.float64).item(),
    }


def _play_steps(answer: Callable[..., Any], problem: dict[str, Any]) -> dict[str, Any]:
    """Four steps, each from where the last one led."""
    places: dict[str, Any] = {}
    p = problem["p"]
    for i, g in enumerate(problem["grads"], start=1):
        new = places[f"p after step {i}"] = answer(p, g, problem["lr"])
        if getattr(new, "shape", None) != p.shape:
            break
        p = torch.as_tensor(new).detach()
    return places


def _rule(answer: Callable[..., Any]) -> Rule:
    """A step at rate 1 is the direction, backwards."""

    def yours(grad: Tensor, state: State, number: int, *, param: Tensor) -> tuple[Tensor, State]:
        return param - answer(param, grad, 1.0), {}

    return yours


STEP = Exercise(
    name="01-step",
    asks="Write step(p, g, lr): the new place after one step of SGD from p, where the gradient is g.",
    answer=step,
    problem=_step_problem,
    play=_play_steps,
    each=EACH_STEP,
    rule=_rule,
    right="The new place is the old one minus rate times slope, entry by entry.",
    known=(
        Known(
            lambda p, g, lr: p + lr * g,
            "This goes uphill: the step is along the gradient. Downhill is minus.",
        ),
        Known(
            lambda p, g, lr: p + g,
            "Two things. This goes uphill: downhill is minus. And the rate is missing: it multiplies "
            "the gradient.",
        ),
        Known(
            lambda p, g, lr: -lr * g, "This is the step alone. The new place is the old place plus the step."
        ),
        Known(lambda p, g, lr: lr * g, "This is the step alone, and uphill. The new place is p minus this."),
        Known(lambda p, g, lr: p - g, "The rate is missing: this takes the whole gradient as its step."),
        Known(lambda p, g, lr: p - lr, "The gradient is missing: every step has the same length, down."),
        Known(
            lambda p, g, lr: p - lr * g.sign(),
            "You use only the sign of the gradient. SGD's step is longer where it is steeper.",
        ),
        Known(
            lambda p, g, lr: p - lr * g / g.norm(),
            "You divide by the gradient's norm, so that every step is equally long. SGD does not.",
        ),
        Known(lambda p, g, lr: p - g / lr, "You divide by the rate. A larger rate must give a larger step."),
        Known(
            lambda p, g, lr: p - lr / g,
            "You divide by the gradient. A steeper slope must give a longer step: multiply.",
        ),
        Known(
            lambda p, g, lr: (p - lr) * g,
            "The parentheses are in the way: first lr times g, then p minus that.",
        ),
        Known(
            lambda p, g, lr: (1 - lr) * p, "The gradient is missing: this steps along p, whatever the slope."
        ),
        Known(
            lambda p, g, lr: p * (1 - lr * g),
            "p is multiplied. That is right only for a valley whose slope is p · g; the step is subtracted.",
        ),
        Known(lambda p, g, lr: lr * (p - g), "The rate multiplies the place as well. It belongs to g alone."),
        Known(
            lambda p, g, lr: p - lr * g.mean(),
            "You average the gradient. Each entry of p has a slope of its own.",
        ),
        Known(
            lambda p, g, lr: p - lr * g.sum(),
            "You add the gradient up. Each entry of p has a slope of its own.",
        ),
        Known(lambda p, g, lr: p - lr * g**2, "You square the gradient, which loses its sign."),
    ),
    hints=(
        "In words: new place = old place − rate × slope.",
        "Tensors are added and multiplied entry by entry, so no loop is needed.",
        "One line: return p minus something with lr and g.",
    ),
    lesson="01-learning-rate",
)

# --- the edge ---------------------------------------------------------------------------------------------


def edge(curvatures: Tensor) -> Tensor:
    return 2 / curvatures.max()


def _edge_problem(generator: torch.Generator) -> dict[str, Any]:
    count = int(torch.randint(2, 6, (), generator=generator))
    return {"curvatures": 10 ** (2 * torch.rand(count, generator=generator, dtype=torch.float64) - 1)}


EDGE = Exercise(
    name="01-edge",
    asks="Write edge(curvatures): the rate beyond which SGD explodes in a valley with these curvatures.",
    answer=edge,
    problem=_edge_problem,
    play=lambda answer, problem: {"the edge": answer(problem["curvatures"])},
    right="The steepest direction sets the limit, and there it is 2/λ.",
    known=(
        Known(
            lambda c: 2 / c.min(),
            "You took the gentlest direction. It sets the time; the steepest sets the limit.",
        ),
        Known(
            lambda c: 1 / c.max(),
            "At 1/λ the factor 1 − ηλ is 0: there in one step. The edge is where the factor is −1.",
        ),
        Known(
            lambda c: 1 / c.min(),
            "Two things. You took the gentlest direction; the steepest sets the limit. And the edge is at "
            "2/λ, where the factor 1 − ηλ is −1; at 1/λ it is 0.",
        ),
        Known(lambda c: 2 / c.mean(), "You averaged the curvatures. One direction that explodes is enough."),
        Known(lambda c: 2 / c.sum(), "You added the curvatures up. Each direction has a limit of its own."),
        Known(
            lambda c: 2 / c, "These are the limits of all directions. Which of them is the limit of the run?"
        ),
        Known(lambda c: 2 * c.max(), "You multiplied. The steeper the valley, the smaller the rate must be."),
        Known(
            lambda c: 2 / (c.max() + c.min()),
            "That is the best rate for these curvatures (lesson 2), not the edge.",
        ),
        Known(lambda c: c.max() / 2, "The fraction is upside down: steeper valleys need smaller rates."),
        Known(lambda c: 2 / c[0], "You took the first curvature. The largest one may stand anywhere."),
        Known(lambda c: 2 / c[-1], "You took the last curvature. The largest one may stand anywhere."),
        Known(
            lambda c: 2 / c.median(), "You took the middle curvature. One direction that explodes is enough."
        ),
        Known(
            lambda c: 2 / c.norm(), "You took the length of all curvatures together. Each has its own limit."
        ),
        Known(lambda c: 2.0 / c.max() ** 0.5, "The curvature itself counts, not its square root."),
    ),
    hints=(
        "Each step multiplies the distance in one direction by 1 − ηλ. When does that grow?",
        "It grows when the factor is below −1. Which direction gets there first?",
        "2 divided by the largest curvature: curvatures.max().",
    ),
    lesson="01-learning-rate",
)

EXERCISES = (STEP, EDGE)

QUESTIONS = (
    Question(
        "01-where-is-the-best",
        "01-learning-rate",
        "You sweep the rate from far too small to far too large. Where does the best one usually stand?",
        ("close to the smallest that works", "in the middle", "close to the largest that still works"),
        2,
        "Every rate that is smaller walks the same way in smaller steps. The best is near the edge.",
    ),
    Question(
        "01-edge-formula",
        "01-learning-rate",
        "A valley has the curvatures 1, 4 and 20. At which rate does plain SGD begin to explode?",
        ("beyond 0.1", "beyond 0.5", "beyond 2"),
        0,
        "The steepest direction sets the limit: 2/λ = 2/20 = 0.1.",
    ),
    Question(
        "01-spike",
        "01-learning-rate",
        "The loss jumps a hundredfold, and ten steps later it is lower than ever. What was it?",
        ("a divergence", "a spike: the run left a narrow valley for a wider one", "an error in the data"),
        1,
        "A divergence does not come back. A run thrown out of a narrow valley can land in a wide one.",
    ),
    Question(
        "01-flat",
        "01-learning-rate",
        "A classifier with ten classes has the loss 2.3 from the first steps on. What may be wrong?",
        (
            "the rate: far too small, or far too large",
            "nothing: 2.3 is a good loss",
            "the network: it is too large",
        ),
        0,
        "2.3 is ln 10, which is guessing: a run that creeps, or one that its first steps threw far away.",
    ),
    Question(
        "01-shared-rate",
        "01-learning-rate",
        "Two methods are compared at the rate 0.01, and one is far better. What does that show?",
        (
            "that it is the better method",
            "that 0.01 suits it better; each should have its own best rate",
            "that the other method has an error in it",
        ),
        1,
        "The best rates of two methods can be a factor of ten or more apart.",
    ),
)

EXPLANATION = Explanation(
    "01-explain",
    "01-learning-rate",
    asks=(
        "A friend says: “My loss exploded, so I made the rate a hundred times smaller, to be safe.” What "
        "would you answer, and why?"
    ),
    good=(
        "The edge is sharp. A rate just below it works, and it is about the fastest. So cut the rate by a "
        "factor of two or three until the loss falls. A hundred times smaller is a traffic jam: every "
        "step goes the same way, a hundred times shorter."
    ),
)
