"""Lesson 3b: a warm-up before a straight line, and how often a scheduler is stepped."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from lwlr_teach.teaching.items import Exercise, Explanation, Known, Question

# --- the factor -------------------------------------------------------------------------------------------


def factor(step: int, warm: int, steps: int) -> float:
    if step < warm:
        return (step + 1) / warm
    return (steps - step) / (steps - warm)


def _factor_problem(generator: torch.Generator) -> dict[str, Any]:
    warm = 3 + int(torch.randint(8, (), generator=generator))
    return {"warm": warm, "steps": 3 * warm + 5 + int(torch.randint(40, (), generator=generator))}


def _ask_along_the_run(answer: Callable[..., Any], problem: dict[str, Any]) -> dict[str, Any]:
    """The factor in the first steps, around the peak, half-way down and in the last step."""
    warm, steps = problem["warm"], problem["steps"]
    return {
        f"the factor at step {step} (warm = {warm}, steps = {steps})": answer(step, warm, steps)
        for step in [0, 1, warm - 2, warm - 1, warm, warm + 1, (warm + steps) // 2, steps - 1]
    }


def _in_turn(
    up: Callable[[int, int, int], float], down: Callable[[int, int, int], float]
) -> Callable[..., Any]:
    return lambda t, w, n: up(t, w, n) if t < w else down(t, w, n)


def _up(t: int, w: int, n: int) -> float:
    return (t + 1) / w


def _down(t: int, w: int, n: int) -> float:
    return (n - t) / (n - w)


FACTOR = Exercise(
    name="03b-factor",
    asks=(
        "Write factor(step, warm, steps): the factor of the rate. It grows in equal parts, from 1/warm at "
        "step 0 to 1 at step warm − 1, and then falls along a straight line, from 1 at step warm to 0 at "
        "step steps."
    ),
    answer=factor,
    problem=_factor_problem,
    play=_ask_along_the_run,
    right="Up in equal parts, then straight down: the first step already goes somewhere.",
    known=(
        Known(
            _in_turn(lambda t, w, n: t / w, _down),
            "Your first step has the rate 0 and goes nowhere, as in Hugging Face's schedule. Here step 0 has "
            "1/warm: count from 1 with step + 1.",
        ),
        Known(
            _in_turn(lambda t, w, n: t / (w - 1), _down),
            "Your first step has the rate 0 and goes nowhere. Step 0 has 1/warm, and step warm − 1 has 1.",
        ),
        Known(
            _in_turn(lambda t, w, n: 1 / (t + 1), _down),
            "Yours begins at 1 and falls. A warm-up grows: (step + 1) / warm.",
        ),
        Known(
            _in_turn(lambda t, w, n: 1 / w, _down),
            "Yours stays at 1/warm and then jumps. It should grow by 1/warm in each step.",
        ),
        Known(
            _in_turn(_up, lambda t, w, n: 1 - t / n),
            "The warm-up is right. Your line begins to fall at step 0, so that it is below 1 when it takes "
            "over. It should begin at step warm: divide by steps − warm.",
        ),
        Known(
            _in_turn(_up, lambda t, w, n: 1 - (t - w) / n),
            "The warm-up is right. Your line has warm steps fewer than it thinks, and does not come to 0. "
            "Divide by steps − warm.",
        ),
        Known(
            _in_turn(_up, lambda t, w, n: (n - 1 - t) / (n - 1 - w)),
            "The warm-up is right. Your line is at 0 one step too early: the last step would go nowhere.",
        ),
        Known(
            _in_turn(_up, lambda t, w, n: 1.0),
            "The warm-up is right, and then nothing falls. The second part is missing.",
        ),
        Known(
            lambda t, w, n: _down(t, w, n),
            "This is the line alone. Before step warm the factor grows.",
        ),
        Known(
            lambda t, w, n: min(1.0, (t + 1) / w) * (1 - t / n),
            "You multiply the warm-up with a line over the whole run. That is done, too. Here they come in "
            "turn: the line begins at step warm, with 1.",
        ),
        Known(
            lambda t, w, n: min(1.0, (t + 1) / w) * (n - t) / (n - w),
            "You multiply the two parts, and in the warm-up the line is above 1. Take them in turn, with if.",
        ),
        Known(
            lambda t, w, n: (t + 1) / w if t <= w else _down(t, w, n),
            "One step too many goes up: at step warm the factor is above 1. Write step < warm.",
        ),
        Known(
            _in_turn(lambda t, w, n: (t + 1) // w, _down),
            "// cuts the fraction off. Divide with /.",
        ),
        Known(
            _in_turn(_up, lambda t, w, n: (1 + math.cos(math.pi * (t - w) / (n - w))) / 2),
            "The warm-up is right, and then comes a cosine. Here it is a straight line.",
        ),
    ),
    hints=(
        "Two cases: step < warm, and the rest. Which fraction is 1/warm at step 0 and 1 at step warm − 1?",
        "Up: (step + 1) / warm. Down: how many steps are left, as a share of those that the line has?",
        "Down: (steps − step) / (steps − warm).",
    ),
    lesson="03b-warm-up",
)

# --- how often --------------------------------------------------------------------------------------------


def scheduler_steps(images: int, batch_size: int, epochs: int) -> int:
    return epochs * math.ceil(images / batch_size)


def _steps_problem(generator: torch.Generator) -> dict[str, Any]:
    batch_size, batches, epochs = (
        2 + int(torch.randint(high, (), generator=generator)) for high in (60, 20, 9)
    )
    # More than one image is left over, and less than half a batch in some problems.
    rest = 1 + int(torch.randint(batch_size - 1, (), generator=generator))
    return {"images": batch_size * batches + rest, "batch_size": batch_size, "epochs": epochs}


SCHEDULER_STEPS = Exercise(
    name="03b-scheduler-steps",
    asks=(
        "Write scheduler_steps(images, batch_size, epochs): how often a scheduler is stepped that is stepped "
        "after each batch. In each epoch every image is seen once, and the last batch may be smaller."
    ),
    answer=scheduler_steps,
    problem=_steps_problem,
    play=lambda answer, problem: {
        "the number of steps": answer(problem["images"], problem["batch_size"], problem["epochs"]),
        "the number in one epoch": answer(problem["images"], problem["batch_size"], 1),
        "the number where no image is left over": answer(4 * problem["batch_size"], problem["batch_size"], 3),
    },
    right="So many batches an epoch, the last one smaller; this is the T_max that the script should have.",
    known=(
        Known(
            lambda n, b, e: e * (n // b),
            "You leave the last, smaller batch of each epoch out, as drop_last=True does. Here it counts: "
            "round up.",
        ),
        Known(
            lambda n, b, e: math.ceil(e * n / b),
            "You round once, at the end. Each epoch ends with a batch of its own: round up, then multiply.",
        ),
        Known(
            lambda n, b, e: e * n // b,
            "You round down once, at the end. Each epoch ends with a batch of its own: round up, then "
            "multiply.",
        ),
        Known(lambda n, b, e: e * n / b, "That is no whole number. Round up in each epoch."),
        Known(
            lambda n, b, e: e * round(n / b),
            "You round to the nearest. A last batch of a few images is a batch as well: round up.",
        ),
        Known(
            lambda n, b, e: e * (n // b + 1),
            "Yours counts a batch too many where no image is left over. Round up: math.ceil.",
        ),
        Known(
            lambda n, b, e: e,
            "That is how often it is stepped once an epoch. This one is stepped each batch.",
        ),
        Known(lambda n, b, e: math.ceil(n / b), "That is one epoch. How many are there?"),
        Known(lambda n, b, e: e * n, "That is the number of images seen. A step takes a whole batch."),
        Known(lambda n, b, e: e * b, "You multiply by the size of a batch. How many batches has an epoch?"),
    ),
    hints=(
        "How many batches does one epoch have, if the last one may be smaller?",
        "images / batch_size, rounded up: math.ceil.",
        "Round up within an epoch, then multiply by the epochs.",
    ),
    lesson="03b-warm-up",
)

EXERCISES = (FACTOR, SCHEDULER_STEPS)

QUESTIONS = (
    Question(
        "03b-five-epochs",
        "03b-warm-up",
        "A warm-up has total_iters=5, and an epoch 20 batches. scheduler.step() stands in the loop over the "
        "batches. How long is the warm-up?",
        ("5 epochs", "a quarter of an epoch", "20 epochs"),
        1,
        "A scheduler counts its own calls. Called after each batch, it ends the warm-up after 5 batches.",
    ),
    Question(
        "03b-what-warm-up-buys",
        "03b-warm-up",
        "What did the warm-up buy Adam on the digits?",
        (
            "a peak rate that it would not have survived from the first step on",
            "fewer steps in all",
            "a lower loss at every peak rate",
        ),
        0,
        "At a moderate rate it made no difference. At a high one it was that between learning and guessing.",
    ),
    Question(
        "03b-first-step",
        "03b-warm-up",
        "A warm-up has the factor step / 10, counted from step 0. What does the first step do?",
        ("a tenth of the peak's step", "nothing: its rate is 0", "a whole step"),
        1,
        "At step 0 the factor is 0. Count from 1, or begin at a small share of the rate.",
    ),
)

EXPLANATION = Explanation(
    "03b-explain",
    "03b-warm-up",
    asks=(
        "A colleague adds a warm-up to every run, “because it always helps”. What would you answer, and "
        "how could the two of you find out?"
    ),
    good=(
        "It does not make a given rate better. It lets a run survive a higher peak, and only that peak "
        "gains something. So compare both at their own best peak rates, from several seeds: where the two "
        "are equal, as with momentum on the digits, the warm-up is only one number more to choose."
    ),
)
