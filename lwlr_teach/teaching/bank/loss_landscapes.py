"""Lesson 16: filters made equally long, and the sharpness by power iteration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lwlr_teach.teaching.bank._steps import uniform
from lwlr_teach.teaching.items import Exercise, Explanation, Known, Question

# --- the filters ------------------------------------------------------------------------------------------


def normalised(d: Tensor, w: Tensor) -> Tensor:
    return d * w.norm(dim=0) / d.norm(dim=0)


def _filter_problem(generator: torch.Generator) -> dict[str, Any]:
    shape = [(4, 3), (3, 5), (7, 2)][int(torch.randint(3, (), generator=generator))]
    w, d = (torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2))
    return {"d": d, "w": w * (1 + 4 * torch.rand(shape[1], generator=generator, dtype=torch.float64))}


def _play_filter(answer: Callable[..., Any], problem: dict[str, Any]) -> dict[str, Any]:
    return {"the direction": answer(problem["d"], problem["w"])}


FILTER = Exercise(
    name="16-filter",
    asks=(
        "Write normalised(d, w): the direction d for a weight matrix w (in, out), each of its columns made "
        "as long as the same column of w."
    ),
    answer=normalised,
    problem=_filter_problem,
    play=_play_filter,
    right="Each unit's part of the direction is as long as the unit's weights.",
    known=(
        Known(
            lambda d, w: d * w.norm() / d.norm(),
            "You make the whole matrix as long as the whole w. Each column has a length of its own: dim=0.",
        ),
        Known(
            lambda d, w: d * w.norm(dim=1, keepdim=True) / d.norm(dim=1, keepdim=True),
            "You take the rows. A unit's weights are a column of (in, out): the length is along dim 0.",
        ),
        Known(
            lambda d, w: d / d.norm(dim=0),
            "Each of your columns has the length 1. Multiply it by the length of w's column.",
        ),
        Known(
            lambda d, w: d * w.norm(dim=0),
            "You multiply by w's lengths, but the columns had lengths of their own before. Divide by these.",
        ),
        Known(
            lambda d, w: d * d.norm(dim=0) / w.norm(dim=0),
            "The fraction is upside down: divide by d's own length, multiply by that of w.",
        ),
        Known(
            lambda d, w: d * (w**2).sum(0) / (d**2).sum(0),
            "You take the squares of the lengths. The root of the sum of squares is missing.",
        ),
        Known(
            lambda d, w: d * w.abs().sum(0) / d.abs().sum(0),
            "Your lengths are sums of absolute values. The filter norm is the root of the sum of squares.",
        ),
        Known(
            lambda d, w: d * w.abs() / d.abs(),
            "You make every single weight as large as w's. What is to be equal is the length of a column.",
        ),
        Known(
            lambda d, w: w * d.norm(dim=0) / w.norm(dim=0),
            "d and w have changed places: this points along w. The direction must stay random.",
        ),
        Known(
            lambda d, w: w + d * w.norm(dim=0) / d.norm(dim=0),
            "The direction is right, and you have added it to w. Return the direction alone.",
        ),
    ),
    hints=(
        "Which numbers belong to one unit? A column of w; its length is one number a column.",
        "w.norm(dim=0) has one length for each column. d.norm(dim=0) has those of the direction.",
        "return d * w.norm(dim=0) / d.norm(dim=0)",
    ),
    lesson="16-loss-landscapes",
)

# --- the sharpness ----------------------------------------------------------------------------------------


def sharpest(hessian: Tensor, v: Tensor, steps: int) -> Tensor:
    for _ in range(steps):
        v = hessian @ v
        v = v / v.norm()
    return v @ (hessian @ v)


def _hessian_problem(generator: torch.Generator) -> dict[str, Any]:
    """The largest eigenvalue in size is three times as large as the next, and negative in half the cases."""
    size = 4 + int(torch.randint(4, (), generator=generator))
    axes = torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=torch.float64)).Q
    values = torch.rand(size, generator=generator, dtype=torch.float64) - 0.5
    sign = 1 - 2 * int(torch.randint(2, (), generator=generator))
    values[0] = sign * uniform(generator, 1.5, 2.5)
    return {
        "hessian": axes @ torch.diag(values) @ axes.T,
        "v": torch.randn(size, generator=generator, dtype=torch.float64),
        "steps": 40,
    }


def _play_hessian(answer: Callable[..., Any], problem: dict[str, Any]) -> dict[str, Any]:
    return {"the curvature": answer(problem["hessian"], problem["v"], problem["steps"])}


def _after(finish: Callable[..., Any]) -> Callable[..., Any]:
    """An answer that goes the same way and ends in another."""

    def answer(hessian: Tensor, v: Tensor, steps: int) -> Any:
        for _ in range(steps):
            v = hessian @ v
            v = v / v.norm()
        return finish(v, hessian @ v)

    return answer


def _growing(h: Tensor, v: Tensor, steps: int) -> Tensor:
    for _ in range(steps):
        v = h @ v
    return v @ (h @ v)


def _grown_length(h: Tensor, v: Tensor, steps: int) -> Tensor:
    for _ in range(steps):
        v = h @ v
    return v.norm()


def _by_old_length(h: Tensor, v: Tensor, steps: int) -> Tensor:
    for _ in range(steps):
        v = h @ v / v.norm()
    return v @ (h @ v)


def _of_start(h: Tensor, v: Tensor, steps: int) -> Tensor:
    v = v / v.norm()
    return v @ (h @ v)


def _one_step(h: Tensor, v: Tensor, steps: int) -> Tensor:
    v = h @ v
    v = v / v.norm()
    return v @ (h @ v)


def _by_sum(h: Tensor, v: Tensor, steps: int) -> Tensor:
    for _ in range(steps):
        v = h @ v
        v = v / v.abs().sum()
    return v @ (h @ v)


SHARPEST = Exercise(
    name="16-sharpness",
    asks=(
        "Write sharpest(hessian, v, steps): the curvature in the direction where it is largest in "
        "size, by power iteration from v. hessian @ v is Hv."
    ),
    answer=sharpest,
    problem=_hessian_problem,
    play=_play_hessian,
    right="Again and again times the Hessian, each time back to length 1; then v · Hv.",
    known=(
        Known(
            _growing,
            "Your v is never brought back to length 1, and grows with each step. Divide it by its norm.",
        ),
        Known(
            _by_old_length,
            "You divide Hv by the length of the old v. Compute Hv first, then divide it by its own length.",
        ),
        Known(
            _grown_length,
            "You return how long v has grown. Bring it back to length 1 in each step, and return v · Hv.",
        ),
        Known(
            lambda h, v, steps: torch.linalg.eigvalsh(h)[-1],
            "You return the highest curvature. Asked for is the largest in size, which may be negative.",
        ),
        Known(
            _after(lambda v, curved: curved.norm()),
            "You return the length of Hv, which has no sign. Where the ground bends down the curvature is "
            "negative: v · Hv says so.",
        ),
        Known(
            _after(lambda v, curved: v),
            "You return the direction. The curvature along it is v · Hv, with v of length 1.",
        ),
        Known(
            _after(lambda v, curved: curved),
            "You return Hv, a vector. Multiply it by v and add up: v @ Hv.",
        ),
        Known(
            _after(lambda v, curved: v * curved),
            "You multiply entry by entry and do not add up. Write v @ Hv.",
        ),
        Known(
            _after(lambda v, curved: curved @ curved),
            "You return Hv · Hv, which is the square of the curvature. Write v @ Hv.",
        ),
        Known(
            _of_start, "You measure along the first v, and do not turn it. First steps times: v ← Hv/‖Hv‖."
        ),
        Known(_one_step, "You turn v once. It must be turned steps times, to come close to the direction."),
        Known(
            _by_sum,
            "You divide by the sum of absolute values. For v · Hv to be the curvature v needs the norm 1.",
        ),
        Known(
            lambda h, v, steps: -_after(lambda v, curved: v @ curved)(h, v, steps),
            "The sign is turned about. The curvature is v · Hv.",
        ),
        Known(
            lambda h, v, steps: _after(lambda v, curved: v @ curved)(h, v, steps) / 2,
            "You halve it. The loss bends as half the curvature times the square; the curvature is v · Hv.",
        ),
    ),
    hints=(
        "Times the Hessian, each part of v grows by its own curvature: after many times the largest has won.",
        "In the loop, after v = hessian @ v, bring v back to the length 1.",
        "After the loop v has the length 1: return v @ (hessian @ v).",
    ),
    lesson="16-loss-landscapes",
)

EXERCISES = (FILTER, SHARPEST)

QUESTIONS = (
    Question(
        "16-random-share",
        "16-loss-landscapes",
        "A path through 1,810 weights is drawn on a slice of two random directions. How much of it is seen?",
        ("about half", "about a tenth", "far less than a hundredth"),
        2,
        "Two directions of 1,810 hold about two parts in 1,810 of what the path does.",
    ),
    Question(
        "16-where-to",
        "16-loss-landscapes",
        "Gradient descent with all images in each step, at the rate 0.1. Where does the sharpness settle?",
        ("near 20", "near 10", "near 0"),
        0,
        "It grows until it is at the edge, 2/η = 20, and hovers there.",
    ),
    Question(
        "16-larger-rate",
        "16-loss-landscapes",
        "Two runs at the edge of stability, the second at twice the rate. Where does the second one lie?",
        ("in a place half as sharp", "in a place as sharp", "in a place twice as sharp"),
        0,
        "The edge is 2/η: what is sharper than that throws the run out.",
    ),
    Question(
        "16-scaled-layers",
        "16-loss-landscapes",
        "In a ReLU network layer 1 is multiplied by 10 and layer 2 divided by 10. What changes?",
        ("the function", "the sharpness", "nothing"),
        1,
        "The function is the same for every input. The same step means something else in either layer.",
    ),
    Question(
        "16-what-is-filter",
        "16-loss-landscapes",
        "What is made equal by filter normalisation?",
        (
            "the length of each unit's part of the direction, and the length of the unit's weights",
            "the length of all directions, to 1",
            "the loss at both ends of the slice",
        ),
        0,
        "Then a step of 1 means the same for a unit with large weights and for one with small weights.",
    ),
    Question(
        "16-warm-up-why",
        "16-loss-landscapes",
        "A rate of 0.4 loses the run, and after a warm-up it does not. What has the warm-up done?",
        (
            "led the run to a place that is flat enough for 0.4",
            "made the gradients smaller",
            "found the lowest loss",
        ),
        0,
        "While the rate grows the edge 2/η comes down, and the sharpness is pushed down with it.",
    ),
)

EXPLANATION = Explanation(
    "16-explain",
    "16-loss-landscapes",
    asks="A paper shows two smooth pictures: “Our method finds a flat minimum, the old one a sharp one, so "
    "ours will generalise.” What do you ask?",
    good=(
        "Along which directions? Two random ones show next to nothing of the others. How long is a step on "
        "the axes? Without filters of equal length one function looks sharp or flat as you like: make one "
        "layer larger, the next smaller. At which rate and batch? A large rate comes to its edge, 2/η. And "
        "is the flat one better on test images? On our digits small batches ended flatter, and no better."
    ),
)
