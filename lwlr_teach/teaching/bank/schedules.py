"""Lesson 03: the cosine, and the decision of a plateau."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch

from lwlr_teach.teaching.items import Exercise, Explanation, Known, Question

# --- after a distance: the cosine -------------------------------------------------------------------------


def cosine(step: int, T_max: int, min_factor: float) -> float:
    from math import cos, pi

    share = min(step / T_max, 1)
    return min_factor + (1 - min_factor) * (1 + cos(pi * share)) / 2


def _cosine_problem(generator: torch.Generator) -> dict[str, Any]:
    return {
        "T_max": int(torch.randint(5, 60, (), generator=generator)),
        "min_factor": 0.05 + 0.45 * torch.rand((), generator=generator, dtype=torch.float64).item(),
    }


def _ask_at_steps(answer: Callable[..., Any], problem: dict[str, Any]) -> dict[str, Any]:
    """The factor at the start, on the way, at the end and after it."""
    T_max = problem["T_max"]
    steps = [0, 1, T_max // 3, T_max - 1, T_max, T_max + 2, 2 * T_max]
    return {
        f"the factor at step {step} of {T_max}": answer(step, T_max, problem["min_factor"]) for step in steps
    }


def _share(step: int, T_max: int) -> float:
    return min(step / T_max, 1)


def _way_left(share: float) -> float:
    """How much of a cosine's way down is left."""
    return (1 + math.cos(math.pi * share)) / 2


COSINE = Exercise(
    name="03-cosine",
    asks=(
        "Write cosine(step, T_max, min_factor): the factor of the rate. It goes down along half a cosine, "
        "from 1 at step 0 to min_factor at step T_max, and stays there."
    ),
    answer=cosine,
    problem=_cosine_problem,
    play=_ask_at_steps,
    right="Down along half a cosine, to the floor, and there it stays.",
    known=(
        Known(
            lambda t, T, m: m + (1 - m) * _way_left(t / T),
            "Right until T_max. Then yours climbs back, as PyTorch's does; it should stay at min_factor.",
        ),
        Known(
            lambda t, T, m: m + (1 - m) * _way_left((t % T) / T),
            "At T_max yours starts again at 1. These are warm restarts; it should stay at min_factor.",
        ),
        Known(
            lambda t, T, m: m + (1 - m) * _way_left(t / T) if t <= T else 0.0,
            "Right until T_max. Then yours falls to 0; it should stay at min_factor.",
        ),
        Known(
            lambda t, T, m: m + (1 - m) * (1 + math.cos(180 * _share(t, T))) / 2,
            "cos takes radians: half a turn is π, not 180.",
        ),
        Known(
            lambda t, T, m: m + _way_left(_share(t, T)),
            "min_factor is added, so that you start above 1. The way down is only 1 − min_factor long.",
        ),
        Known(
            lambda t, T, m: _way_left(t / T),
            "Two things. You end at 0: min_factor is not used. And after T_max yours climbs back.",
        ),
        Known(
            lambda t, T, m: (1 - m) * _way_left(_share(t, T)),
            "The floor is not added: yours goes from 1 − min_factor to 0. Add min_factor to all of it.",
        ),
        Known(
            lambda t, T, m: (1 - m) * _way_left(t / T),
            "Two things. The floor is not added: yours goes from 1 − min_factor to 0. And after T_max it "
            "climbs back.",
        ),
        Known(
            lambda t, T, m: max(m, _way_left(t / T)),
            "Two things. You cut the cosine off at min_factor; squeeze it between 1 and min_factor. And "
            "after T_max yours climbs back.",
        ),
        Known(
            lambda t, T, m: m + (1 - m) * (1 + math.cos(180 * t / T)) / 2,
            "Two things. cos takes radians: half a turn is π, not 180. And after T_max it should stay there.",
        ),
        Known(
            lambda t, T, m: m + _way_left(t / T),
            "Two things. min_factor is added, so that you start above 1: the way down is only 1 − min_factor "
            "long. And after T_max yours climbs back.",
        ),
        Known(
            lambda t, T, m: m + (1 - m) * math.cos(math.pi * t / T),
            "Two things. A cosine goes from 1 to −1, so that yours falls below min_factor: add 1 to it and "
            "halve it. And after T_max it should stay.",
        ),
        Known(
            lambda t, T, m: math.cos(math.pi * _share(t, T)),
            "A cosine goes from 1 to −1. Add 1 and halve it, and squeeze it between 1 and min_factor.",
        ),
        Known(
            lambda t, T, m: max(m, _way_left(_share(t, T))),
            "You cut the cosine off at min_factor. It should be squeezed between 1 and min_factor.",
        ),
        Known(
            lambda t, T, m: _way_left(_share(t, T)),
            "You end at 0: min_factor is not used.",
        ),
        Known(
            lambda t, T, m: m * _way_left(_share(t, T)),
            "You start at min_factor and end at 0. Start at 1 and end at min_factor.",
        ),
        Known(
            lambda t, T, m: m + (1 - m) * _way_left(_share(t, T - 1)),
            "You arrive one step early: the steps 0 to T_max are T_max steps apart, not T_max − 1.",
        ),
        Known(
            lambda t, T, m: m + (1 - m) * _way_left(_share(t + 1, T)),
            "You are one step ahead: the first step is step 0, and its factor is 1.",
        ),
        Known(
            lambda t, T, m: m + (1 - m) * math.cos(math.pi / 2 * _share(t, T)),
            "This is a quarter of a cosine, which ends steep. Half of one ends flat: add 1 and halve it.",
        ),
        Known(
            lambda t, T, m: m + (1 - m) * _way_left(2 * _share(t, T)),
            "This is a whole turn: down to min_factor half-way, and up again. Half a turn is π.",
        ),
        Known(
            lambda t, T, m: m + (1 - m) * (1 + math.sin(math.pi * _share(t, T))) / 2,
            "This is a sine: it starts in the middle and goes up first.",
        ),
        Known(
            lambda t, T, m: m + (1 - m) * (1 + math.cos(math.pi * _share(t, T))),
            "The half is missing: 1 + cos goes from 2 to 0.",
        ),
        Known(
            lambda t, T, m: m + (1 - m) * (1 - math.cos(math.pi * _share(t, T))) / 2,
            "Upside down: yours goes up from min_factor to 1. That is a warm-up.",
        ),
        Known(
            lambda t, T, m: m + (1 - m) * math.cos(math.pi * _share(t, T)),
            "cos alone goes from 1 to −1, so that the rate becomes negative. Add 1 and halve it.",
        ),
        Known(
            lambda t, T, m: 1 - (1 - m) * _share(t, T),
            "This is a straight line: linear decay. The cosine starts flat and ends flat.",
        ),
        Known(
            lambda t, T, m: m + (1 - m) * _way_left(t // T),
            "// throws the rest away, so that the share is 0 until T_max. Divide with /.",
        ),
    ),
    hints=(
        "First the share of the way: step / T_max, but never more than 1.",
        "cos(π · share) goes from 1 to −1. Add 1 and halve it: from 1 to 0.",
        "Squeeze that between 1 and min_factor: min_factor + (1 − min_factor) · (what you have).",
    ),
    lesson="03-schedules",
)

# --- when progress plateaus: the decision -----------------------------------------------------------------


def stalled(losses: list[float], patience: int) -> bool:
    best_at = losses.index(min(losses))
    return len(losses) - 1 - best_at > patience


def _stalled_problem(generator: torch.Generator) -> dict[str, Any]:
    """Losses that fall, with ties and with gains that are hardly any."""
    count = int(torch.randint(18, 26, (), generator=generator))
    noise = torch.rand(count, generator=generator, dtype=torch.float64)
    losses = (1 + 2 * torch.exp(-torch.arange(count) / 5.0) + 0.6 * noise).mul(5).round().div(5)
    for i in range(2, count, 3):
        losses[i] = losses[:i].min() * (1 - 2e-5 * (i % 2))  # the best again, or hardly better
    return {
        "losses": losses.tolist(),
        "patience": int(torch.randint(1, 5, (), generator=generator)),
    }


def _ask_after_each(answer: Callable[..., Any], problem: dict[str, Any]) -> dict[str, Any]:
    losses, patience = problem["losses"], problem["patience"]
    return {
        f"stalled(losses[:{n}], patience={patience})": answer(losses[:n], patience)
        for n in range(1, len(losses) + 1)
    }


def _since_best(losses: Sequence[float]) -> int:
    return len(losses) - 1 - list(losses).index(min(losses))


def _since_best_of_torch(losses: Sequence[float]) -> int:
    """Steps since a loss was better than the best by a ten-thousandth."""
    best, bad = math.inf, 0
    for loss in losses:
        if loss < best * (1 - 1e-4):
            best, bad = loss, 0
        else:
            bad += 1
    return bad


def _bad_in_a_row(losses: Sequence[float]) -> int:
    """Steps up to the last one that were each no better than the one before."""
    bad = 0
    for before, loss in pairwise(losses):
        bad = bad + 1 if loss >= before else 0
    return bad


def _bad_in_all(losses: Sequence[float]) -> int:
    return sum(loss >= min(losses[:i]) for i, loss in enumerate(losses) if i)


STALLED = Exercise(
    name="03-stalled",
    asks=(
        "Write stalled(losses, patience): True if more than `patience` steps have passed since the lowest "
        "loss. A loss that only equals the lowest one is no progress."
    ),
    answer=stalled,
    problem=_stalled_problem,
    play=_ask_after_each,
    right="The lowest loss is more than `patience` steps ago: time to cut the rate.",
    known=(
        Known(
            lambda losses, p: _since_best_of_torch(losses) > p,
            "Right, and with PyTorch's threshold: a gain of less than a ten-thousandth is no progress.",
            passes=True,
        ),
        Known(
            lambda losses, p: _since_best(losses) > 0 and _since_best(losses) % (p + 1) == 0,
            "Right, and you start to count again after a cut, as PyTorch's ReduceLROnPlateau does.",
            passes=True,
        ),
        Known(
            lambda losses, p: _since_best(losses) >= p,
            "One step too early: a patience of 2 allows two steps without progress and acts at the third.",
        ),
        Known(
            lambda losses, p: _since_best(losses) > p + 1,
            "One step too late. After the lowest loss came len(losses) − 1 − (its index) others.",
        ),
        Known(
            lambda losses, p: min(losses[-p:]) > min(losses),
            "Two things. One step too early: a patience of 2 acts at the third step without progress. And a "
            "later loss that only equals the lowest one is no progress: count from the first of them.",
        ),
        Known(
            lambda losses, p: list(reversed(losses)).index(min(losses)) > p,
            "You count from the last of equal losses. A loss that only equals the lowest one is no progress.",
        ),
        Known(
            lambda losses, p: _bad_in_a_row(losses) > p,
            "You compare each loss with the one before it. Compare with the lowest so far: a noisy loss "
            "often falls from one step to the next without any progress.",
        ),
        Known(
            lambda losses, p: _bad_in_all(losses) > p,
            "You count every step without progress since the beginning. Progress sets the count back to 0.",
        ),
        Known(
            lambda losses, p: losses[-1] > min(losses),
            "You do not wait: this is True at the first step that is not the best. Where is the patience?",
        ),
        Known(
            lambda losses, p: len(losses) > p,
            "You only count steps: that is cutting after a distance. Look at the losses.",
        ),
        Known(
            lambda losses, p: len(losses) > p and losses[-1] >= losses[-1 - p],
            "You compare two single losses, the last one and an older one. Look for the lowest one.",
        ),
        Known(
            lambda losses, p: losses[-1] >= losses[0],
            "You compare the last loss with the first one. Compare with the lowest so far.",
        ),
        Known(
            lambda losses, p: len(losses) - 1 - list(losses).index(max(losses)) > p,
            "You look for the highest loss. Progress is a new lowest one.",
        ),
        Known(
            lambda losses, p: not _since_best(losses) > p,
            "The wrong way round: yours is True while there is progress.",
        ),
        Known(
            lambda losses, p: _since_best(losses),
            "This is the number of steps since the lowest loss. Compare it with the patience.",
        ),
        Known(
            lambda losses, p: list(losses).index(min(losses)) > p,
            "This is where the lowest loss stands, counted from the beginning. Count from the end.",
        ),
        Known(
            lambda losses, p: all(b >= a for a, b in zip(losses[-p - 1 :], losses[-p:], strict=False)),
            "You ask whether the last losses only climb. A stalled run goes up and down.",
        ),
        Known(
            lambda losses, p: len(losses) > 2 * p and sum(losses[-p:]) / p >= sum(losses[-2 * p : -p]) / p,
            "You compare means of two windows. That is a sensible test, but another: here the lowest counts.",
        ),
    ),
    hints=(
        "Where does the lowest loss stand? losses.index(min(losses)) finds the first of equal ones.",
        "The last loss has the index len(losses) − 1. How many losses came after the lowest?",
        "Compare that number with patience: only more than patience is stalled.",
    ),
    lesson="03-schedules",
)

EXERCISES = (COSINE, STALLED)

QUESTIONS = (
    Question(
        "03-floor",
        "03-schedules",
        "A run with noisy gradients and a constant rate has stopped getting better. You train it ten times "
        "longer. What happens?",
        (
            "it gets about ten times closer",
            "it gets a little closer",
            "nothing: it trembles at the same level",
        ),
        2,
        "The level is set by the rate and the noise, about η σ²/(2 λ). Only a smaller rate lowers it.",
    ),
    Question(
        "03-small-from-the-start",
        "03-schedules",
        "A small rate trembles less in the end. Why not train with it from the beginning?",
        (
            "it does not get there in the time that there is",
            "it trembles more in the beginning",
            "there is no reason not to",
        ),
        0,
        "A large rate travels, a small rate settles. A schedule has both, one after the other.",
    ),
    Question(
        "03-climbs-back",
        "03-schedules",
        "PyTorch's CosineAnnealingLR with T_max=100 is stepped 200 times. Where is the rate?",
        ("at 0, where it stays", "at its first value again", "there is an error at step 101"),
        1,
        "It is a cosine and goes on: down until T_max, up again until 2·T_max.",
    ),
    Question(
        "03-bound",
        "03-schedules",
        "Two schedules are compared by the formula of six lines. What does it need to know?",
        (
            "the network and the data",
            "the shapes of the two, and nothing of the network",
            "the losses of a first short run",
        ),
        1,
        "It bounds the loss for the worst smooth bowl, and looks only at the factors of the rate.",
    ),
    Question(
        "03-same-peak",
        "03-schedules",
        "Constant and cosine are compared at one peak rate, and the constant rate wins. What may be wrong?",
        (
            "nothing: then the constant rate is better",
            "the cosine's mean rate is half as high; it would want a higher peak",
            "the cosine should have been run twice as long",
        ),
        1,
        "Each schedule has a best peak of its own, and a schedule that falls has a higher one.",
    ),
)

EXPLANATION = Explanation(
    "03-explain",
    "03-schedules",
    asks=(
        "Your run gets no better any more, so you let it go on for three times as long, at the same rate. "
        "Why will that not help, and what will?"
    ),
    good=(
        "The batches are noisy. At a constant rate the run trembles at a level that the rate sets and the "
        "number of steps does not. Let the rate fall: then the level falls with it. It should have been "
        "high before, so that the run has come near enough."
    ),
)
