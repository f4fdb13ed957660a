"""Lesson 05: Adagrad's step, and how far it gets on a constant slope."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from lwlr_teach.core.arithmetic import State
from lwlr_teach.optim.update import Rule
from lwlr_teach.teaching.bank._steps import EACH_STEP, play_steps, step_problem, uniform
from lwlr_teach.teaching.items import Exercise, Explanation, Known, Question

# --- the step ---------------------------------------------------------------------------------------------


def step(p: Tensor, g: Tensor, s: Tensor, lr: float, eps: float) -> tuple[Tensor, Tensor]:
    s = s + g**2
    return p - lr * g / (s.sqrt() + eps), s


def _step_problem(generator: torch.Generator) -> dict[str, Any]:
    return step_problem(generator) | {
        "lr": uniform(generator, 0.01, 1.01),
        "eps": uniform(generator, 0.02, 0.12),
    }


def _rule(answer: Callable[..., Any]) -> Rule:
    """A step at rate 1 is the direction, backwards."""

    def yours(
        grad: Tensor, state: State, number: int, *, param: Tensor, eps: float = 1e-10
    ) -> tuple[Tensor, State]:
        new, s = answer(param, grad, state["sum"], 1.0, eps)
        return param - new, {"sum": s}

    return yours


def _summing(
    remember: Callable[[Tensor, Tensor], Tensor],
    move: Callable[[Tensor, Tensor, Tensor, float, float], Tensor] | None = None,
) -> Callable[..., Any]:
    """A wrong step from its two lines: the new sum and the new place."""

    def wrong(p: Tensor, g: Tensor, s: Tensor, lr: float, eps: float) -> tuple[Tensor, Tensor]:
        s = remember(s, g)
        return (p - lr * g / (s.sqrt() + eps) if move is None else move(p, g, s, lr, eps)), s

    return wrong


def _right(s: Tensor, g: Tensor) -> Tensor:
    return s + g**2


def _by_the_old_sum(p: Tensor, g: Tensor, s: Tensor, lr: float, eps: float) -> tuple[Tensor, Tensor]:
    return p - lr * g / (s.sqrt() + eps), s + g**2


def _forgets_to_keep(p: Tensor, g: Tensor, s: Tensor, lr: float, eps: float) -> tuple[Tensor, Tensor]:
    return p - lr * g / ((s + g**2).sqrt() + eps), s


def _turned_about(p: Tensor, g: Tensor, s: Tensor, lr: float, eps: float) -> tuple[Tensor, Tensor]:
    s = s + g**2
    return s, p - lr * g / (s.sqrt() + eps)


STEP = Exercise(
    name="05-step",
    asks=(
        "Write step(p, g, s, lr, eps): one step of Adagrad from p, where the gradient is g and s is the "
        "sum of "
        "the squared gradients before it. Return the new p and the new s."
    ),
    answer=step,
    problem=_step_problem,
    play=partial(play_steps, state=["s"], settings=["lr", "eps"]),
    each=EACH_STEP,
    rule=_rule,
    right="Every entry is divided by the root of its own sum, the present gradient included.",
    known=(
        Known(
            _summing(_right, lambda p, g, s, lr, eps: p - lr * g / (s + eps).sqrt()),
            "Your ε stands inside the root, as in Keras and optax. In torch and in this course it is "
            "outside.",
        ),
        Known(
            _summing(lambda s, g: 0.9 * s + 0.1 * g**2),
            "Your s forgets: this is RMSprop (lesson 6). Adagrad's sum forgets nothing.",
        ),
        Known(
            _summing(lambda s, g: 0.99 * s + 0.01 * g**2),
            "Your s forgets, with torch's 0.99: this is RMSprop (lesson 6). Adagrad's sum forgets nothing.",
        ),
        Known(
            _summing(lambda s, g: 0.9 * s + g**2),
            "You shrink the old sum. Adagrad keeps it whole and adds g².",
        ),
        Known(
            _summing(lambda s, g: g**2),
            "You have left the old sum out: s must grow with every gradient. Without it only signs are left.",
        ),
        Known(
            _summing(lambda s, g: s + g),
            "You add up the gradients without squaring them, so that opposite ones cancel.",
        ),
        Known(
            _summing(lambda s, g: s + g.abs()),
            "You add up sizes. Adagrad adds up squares, and takes the root of the sum.",
        ),
        Known(
            _summing(lambda s, g: s + g.abs(), lambda p, g, s, lr, eps: p - lr * g / (s + eps)),
            "You add up sizes and divide by their sum. Adagrad adds up squares, and divides by the root "
            "of the sum.",
        ),
        Known(
            _summing(lambda s, g: s + (g**2).mean()),
            "You average g² over the entries, so that all have one rate. Each entry has a sum of its own.",
        ),
        Known(
            _summing(lambda s, g: s + (g**2).sum()),
            "You take the norm of the whole gradient: one rate for all entries (Streeter and McMahan 2010). "
            "Each entry has a sum of its own.",
        ),
        Known(
            _summing(lambda s, g: (s + g**2) / 2),
            "You average the old sum with the new square. It is a sum, so that steps become shorter.",
        ),
        Known(
            _by_the_old_sum,
            "You divide by the old sum, which is 0 at the first step. First add the new square, then divide.",
        ),
        Known(
            _forgets_to_keep, "The place is right. But you return the old s, so that nothing is remembered."
        ),
        Known(
            _summing(_right, lambda p, g, s, lr, eps: p - lr * g * (s.sqrt() + eps)),
            "You multiply by the root. What was steep so far must get the smaller steps: divide.",
        ),
        Known(
            _summing(_right, lambda p, g, s, lr, eps: p - lr * g / (s + eps)),
            "You divide by the sum itself. The root makes it a length again, in the gradient's own unit.",
        ),
        Known(
            _summing(_right, lambda p, g, s, lr, eps: p + lr * g / (s.sqrt() + eps)),
            "This goes uphill: the step is along the gradient. Downhill is minus.",
        ),
        Known(
            _summing(_right, lambda p, g, s, lr, eps: p - lr / (s.sqrt() + eps)),
            "You have the rate of each entry, and no gradient: every step goes down, whatever the slope.",
        ),
        Known(
            _summing(_right, lambda p, g, s, lr, eps: p - g / (s.sqrt() + eps)),
            "The rate is missing: each entry's own rate is lr divided by its root.",
        ),
        Known(
            _summing(_right, lambda p, g, s, lr, eps: p - lr * g / s.sqrt()),
            "ε is missing. An entry that has had no gradient yet would be 0/0.",
        ),
        Known(
            _summing(_right, lambda p, g, s, lr, eps: lr * g / (s.sqrt() + eps)),
            "This is the step alone. The new place is p minus the step.",
        ),
        Known(_summing(_right, lambda p, g, s, lr, eps: p - lr * g), "This is SGD's step: s is not used."),
        Known(_turned_about, "You return s first. Return the new p, then the new s."),
    ),
    hints=(
        "Two lines: first the new sum, s + g², then the step with it.",
        "The step is lr · g divided by (the root of the new sum, plus eps).",
        "s = s + g**2, and then return p - lr * g / (s.sqrt() + eps), s",
    ),
    lesson="05-adagrad",
)

# --- the distance -----------------------------------------------------------------------------------------


def distance(slope: float, lr: float, steps: int) -> float:
    return lr * sum(1 / t**0.5 for t in range(1, steps + 1))


def _distance_problem(generator: torch.Generator) -> dict[str, Any]:
    slope, lr = (10 ** (2 * torch.rand(2, generator=generator, dtype=torch.float64) - 1)).tolist()
    return {"slope": slope, "lr": lr / 10, "steps": 3 + int(torch.randint(60, (), generator=generator))}


DISTANCE = Exercise(
    name="05-distance",
    asks=(
        "Write distance(slope, lr, steps): how far Adagrad gets in so many steps, if the gradient is "
        "the same "
        "slope > 0 at each of them. Leave ε out."
    ),
    answer=distance,
    problem=_distance_problem,
    play=lambda answer, problem: {"the distance": answer(problem["slope"], problem["lr"], problem["steps"])},
    right="Step t is η/√t, whatever the slope, and together they are about 2η√T.",
    known=(
        Known(
            lambda slope, lr, steps: lr * steps,
            "This is a step of the whole rate each time. Step t is lr/√t.",
        ),
        Known(
            lambda slope, lr, steps: lr * slope * steps,
            "This is how far SGD gets. Adagrad's step t is divided by the root of t slope².",
        ),
        Known(
            lambda slope, lr, steps: lr * slope * sum(1 / t**0.5 for t in range(1, steps + 1)),
            "The slope cancels: step t is lr · slope/√(t · slope²). Whoever climbs twice as steep goes "
            "as far.",
        ),
        Known(
            lambda slope, lr, steps: lr / slope * sum(1 / t**0.5 for t in range(1, steps + 1)),
            "You divide by the slope once too often: it stands above and below, and cancels.",
        ),
        Known(
            lambda slope, lr, steps: 2 * lr * steps**0.5,
            "That is the formula for many steps. Here add up the steps one by one: lr/√1 + lr/√2 + …",
        ),
        Known(
            lambda slope, lr, steps: lr * steps**0.5, "Add up the steps: lr/√1 + lr/√2 + … is about 2 lr √T."
        ),
        Known(
            lambda slope, lr, steps: lr / steps**0.5,
            "This is the last step alone. Add all of them up, from t = 1.",
        ),
        Known(
            lambda slope, lr, steps: lr * sum(1 / t for t in range(1, steps + 1)),
            "You divide by t. Adagrad divides by the root of the sum, so by √t.",
        ),
        Known(
            lambda slope, lr, steps: lr * sum(1 / t**0.5 for t in range(1, steps)),
            "The last step is missing: range stops one before its end.",
        ),
        Known(
            lambda slope, lr, steps: lr * sum(1 / (t + 1) ** 0.5 for t in range(1, steps + 1)),
            "The first step has its own gradient in the sum already: it is lr/√1, not lr/√2.",
        ),
        Known(
            lambda slope, lr, steps: lr * sum(t**0.5 for t in range(1, steps + 1)),
            "You multiply by √t. The steps become shorter: divide.",
        ),
        Known(
            lambda slope, lr, steps: lr * sum(1 / t**0.5 for t in range(1, steps + 1)) / steps,
            "This is the mean length of a step. The distance is the sum.",
        ),
        Known(
            lambda slope, lr, steps: sum(1 / t**0.5 for t in range(1, steps + 1)),
            "The rate is missing: this is the distance in rates.",
        ),
    ),
    hints=(
        "After t steps the sum is t · slope². What is step t, then?",
        "Step t is lr · slope / √(t · slope²) = lr/√t.",
        "Add lr / t**0.5 up, for t in range(1, steps + 1).",
    ),
    lesson="05-adagrad",
)

EXERCISES = (STEP, DISTANCE)

QUESTIONS = (
    Question(
        "05-silence",
        "05-adagrad",
        "A word does not occur for a thousand steps. What happens to its own rate in Adagrad?",
        ("it falls with the number of steps", "nothing at all", "it grows back"),
        1,
        "Only a weight's own gradients enter its sum. Where there is none, the sum stays, and so does "
        "the rate.",
    ),
    Question(
        "05-first-step",
        "05-adagrad",
        "Two weights have the first gradients 0.001 and 1,000. How long are Adagrad's first steps?",
        ("equally long: the rate", "a million times apart", "a thousand times apart"),
        0,
        "The sum is the square of the one gradient, so the gradient is divided by its own size.",
    ),
    Question(
        "05-ten-times",
        "05-adagrad",
        "You multiply the loss by ten. What has to be done to Adagrad's rate?",
        ("it must be ten times smaller", "nothing", "it must be ten times larger"),
        1,
        "Gradients and the roots of their sums grow tenfold alike. It is SGD's rate that would have to "
        "shrink.",
    ),
    Question(
        "05-turned",
        "05-adagrad",
        "Where does a rate for every parameter help most?",
        (
            "where the valley lies slanting to the axes",
            "where the steep and the gentle directions are single parameters",
            "where all directions are equally steep",
        ),
        1,
        "Each rate belongs to an axis. In a slanting valley every axis is both steep and gentle.",
    ),
    Question(
        "05-constant-slope",
        "05-adagrad",
        "On a constant slope Adagrad has gone a certain way in 100 steps. How far does it get in 10,000?",
        ("100 times as far", "10 times as far", "hardly any further"),
        1,
        "The steps fall like 1/√t, and their sum grows like √t: slower and slower, and without an end.",
    ),
)

EXPLANATION = Explanation(
    "05-explain",
    "05-adagrad",
    asks="A friend says: “Adagrad's rates can only fall, so in the end it is always slow.” What is true "
    "of it?",
    good=(
        "They can only fall, but each falls with its own gradients and not with time. A rare word keeps "
        "a high "
        "rate for as long as it is rare, and where the gradients fade near a goal the sums stop "
        "growing. On a "
        "slope that never ends the step does fall, as one over the root of the number of steps. Then it "
        "becomes slow, and one that forgets is better."
    ),
)
