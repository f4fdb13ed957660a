"""Lesson 02's exercises: other right ways to write them, and answers that are wrong in their form."""

import math

import numpy as np
import pytest
import torch

from lwlr_teach.optim import SGD
from lwlr_teach.problems.quadratics import best_settings
from lwlr_teach.teaching.bank import EXERCISES
from lwlr_teach.teaching.exercises import judge

WALK, BEST = EXERCISES["02-walk"], EXERCISES["02-best"]


def through(optimizer):
    def walk(p, grads, rates, momentum):
        q = p.clone()
        sgd = optimizer([q], lr=1.0, momentum=momentum)
        for g, lr in zip(grads, rates, strict=True):
            sgd.param_groups[0]["lr"] = lr.item()
            q.grad = g
            sgd.step()
        return q

    return walk


def without_a_buffer(p, grads, rates, momentum):
    """The sum written out: each gradient, faded, at each later rate."""
    for t in range(len(rates)):
        p = p - rates[t] * sum(momentum ** (t - s) * grads[s] for s in range(t + 1))
    return p


def in_numpy(p, grads, rates, momentum):
    p, buffer = p.numpy().copy(), 0.0
    for g, lr in zip(grads.numpy(), rates.numpy(), strict=True):
        buffer = momentum * buffer + g
        p = p - lr * buffer
    return p


def pointing_down(p, grads, rates, momentum):
    speed = 0
    for g, lr in zip(grads, rates, strict=True):
        speed = momentum * speed - g
        p = p + lr * speed
    return p


def a_list(curvatures):
    k = math.sqrt(max(curvatures) / min(curvatures))
    return [4 / (min(curvatures) * (1 + k) ** 2), ((k - 1) / (k + 1)) ** 2]


RIGHT = {
    "torch's optimizer": (WALK, through(torch.optim.SGD)),
    "our optimizer": (WALK, through(SGD)),
    "without a buffer": (WALK, without_a_buffer),
    "numpy": (WALK, in_numpy),
    "a speed that points down": (WALK, pointing_down),
    "a list": (BEST, a_list),
    "a tensor of two": (BEST, lambda c: torch.stack(BEST.answer(c))),
    "an array of two": (BEST, lambda c: np.array([v.item() for v in BEST.answer(c)])),
    "the package's formula": (BEST, lambda c: best_settings(c.min().item(), c.max().item())[:2]),
    "the rate from the momentum": (
        BEST,
        lambda c: (2 * (1 + BEST.answer(c)[1]) / (c.min() + c.max()), BEST.answer(c)[1]),
    ),
}


@pytest.mark.parametrize(("exercise", "answer"), RIGHT.values(), ids=RIGHT)
def test_another_way_to_write_the_same_is_right(exercise, answer):
    verdict = judge(exercise, answer)
    assert (verdict.kind, verdict.says) == ("right", exercise.right)


WRONG = {
    "p changed": (
        WALK,
        lambda p, grads, rates, momentum: p.sub_(grads[0]),
        "changes its argument p in place",
    ),
    "every place": (
        WALK,
        lambda p, grads, rates, momentum: torch.stack([p, p]),
        "p after 1 step has the shape (2, 3); it should be (3,).",
    ),
    "all places in a list": (
        WALK,
        lambda p, grads, rates, momentum: [
            WALK.answer(p, grads[:n], rates[:n], momentum) for n in range(1, len(grads) + 1)
        ],
        "p after 1 step should be a tensor, and is a list of 1. Its only entry would be right.",
    ),
    "only the rate": (BEST, lambda c: BEST.answer(c)[0], "That is the rate alone, and it is right."),
    "one number, and wrong": (BEST, lambda c: c.max(), "Return two numbers, the rate and the momentum."),
    "three": (BEST, lambda c: (*BEST.answer(c), 1.0), "Return two numbers, the rate and the momentum."),
    "text": (BEST, lambda c: "??", "Return two numbers, the rate and the momentum."),
    "two texts": (BEST, lambda c: ("?", "?"), "the rate should be a number, and is '?'"),
}


@pytest.mark.parametrize(("exercise", "answer", "says"), WRONG.values(), ids=WRONG)
def test_a_wrong_answer_is_told_what_is_wrong(exercise, answer, says):
    verdict = judge(exercise, answer)
    assert verdict.kind == "wrong"
    assert says in verdict.says


def test_what_returns_nothing_is_not_written_yet():
    assert judge(BEST, lambda c: None).kind == "missing"
    assert judge(WALK, lambda p, grads, rates, momentum: None).kind == "missing"


def test_the_rate_changes_in_every_problem():
    """Otherwise a rate inside the buffer would pass."""
    for seed in range(12):
        rates = WALK.problem(torch.Generator().manual_seed(seed))["rates"]
        assert rates.max() > 1.2 * rates.min()
