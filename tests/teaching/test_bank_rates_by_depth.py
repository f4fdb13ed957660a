"""Lesson 11's exercises: other right ways to write them, and that they agree with the package."""

import math

import pytest
import torch
from torch import nn

from lwlr_teach.layerwise import groups_by_depth
from lwlr_teach.studies.transfer import arrangements
from lwlr_teach.teaching.bank import EXERCISES
from lwlr_teach.teaching.exercises import judge

RATE_OF, AWAKE = EXERCISES["11-rate-of"], EXERCISES["11-awake"]


def by_a_loop(depth, layers, lr, factor):
    for _ in range(depth, layers - 1):
        lr = lr * factor
    return lr


def by_the_package(depth, layers, lr, factor):
    model = nn.Sequential(*(nn.Linear(1, 1) for _ in range(layers)))
    return groups_by_depth(model, lr, factor)[depth]["lr"]


def by_counting_borders(step, steps, layers):
    borders = [k * steps // layers for k in range(1, layers)]
    return 1 + sum(step >= border for border in borders)


def by_the_arrangement(step, steps, layers):
    """How many layers have a rate above 0 when the race unfreezes them from the top."""
    shares = arrangements(layers, steps)["unfrozen from the top"]
    return sum(share(step) > 0 for share in shares)


RIGHT = {
    "a loop": (RATE_OF, by_a_loop),
    "the package": (RATE_OF, by_the_package),
    "logarithms": (RATE_OF, lambda d, n, lr, f: math.exp(math.log(lr) + (n - 1 - d) * math.log(f))),
    "a tensor": (RATE_OF, lambda d, n, lr, f: torch.tensor(lr, dtype=torch.float64) * f ** (n - 1 - d)),
    "counting borders": (AWAKE, by_counting_borders),
    "the arrangement": (AWAKE, by_the_arrangement),
    "parts": (AWAKE, lambda s, n, k: s // (n // k) + 1),
    "no more than there are": (AWAKE, lambda s, n, k: min(k, 1 + s * k // n)),
    "nothing after the end": (AWAKE, lambda s, n, k: range(1, k + 1)[s * k // n]),
    "a float": (AWAKE, lambda s, n, k: float(min(k, s // (n // k) + 1))),
}


@pytest.mark.parametrize(("exercise", "answer"), RIGHT.values(), ids=RIGHT)
def test_another_way_to_write_the_same_is_right(exercise, answer):
    verdict = judge(exercise, answer)
    assert (verdict.kind, verdict.says) == ("right", exercise.right)


def test_the_message_names_the_layer():
    verdict = judge(RATE_OF, lambda depth, layers, lr, factor: lr * factor**7)
    assert verdict.kind == "wrong"
    assert verdict.says.startswith("the rate of depth 0 of ")
