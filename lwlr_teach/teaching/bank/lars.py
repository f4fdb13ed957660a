"""Lesson 12: the trust ratio of a layer, and its rate under LARC."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lwlr_teach.teaching.items import Exercise, Explanation, Known, Question

# --- the trust ratio --------------------------------------------------------------------------------------


def layer_ratio(p: Tensor, g: Tensor, weight_decay: float) -> Tensor | float:
    if p.norm() == 0 or g.norm() == 0:
        return 1.0
    return p.norm() / (g.norm() + weight_decay * p.norm())


def _ratio_problem(generator: torch.Generator) -> dict[str, Any]:
    shape = [(3,), (4, 2), (2, 5), (6, 1)][int(torch.randint(4, (), generator=generator))]
    a, b, c = torch.rand(3, generator=generator, dtype=torch.float64).tolist()
    p, g = (torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2))
    # Weights and gradients of very unequal length, and a decay that counts beside a short gradient.
    return {"p": 10 ** (2 * a - 1) * p, "g": 10 ** (3 * b - 2) * g, "weight_decay": 0.02 + 0.3 * c}


def _play_ratio(answer: Callable[..., Any], problem: dict[str, Any]) -> dict[str, Any]:
    p, g, weight_decay = problem.values()
    nothing = torch.zeros_like(p)
    return {
        "the ratio": answer(p, g, weight_decay),
        "the ratio without decay": answer(p, g, 0.0),
        "the ratio of a layer of zeros": answer(nothing, g, weight_decay),
        "the ratio for a gradient of zeros": answer(p, nothing, weight_decay),
    }


def _or_one(ratio: Callable[[Tensor, Tensor, float], Any]) -> Callable[..., Any]:
    """An answer that is right about zeros and takes this ratio elsewhere."""
    return lambda p, g, decay: 1.0 if p.norm() == 0 or g.norm() == 0 else ratio(p, g, decay)


def _by_length(length: Callable[[Tensor], Tensor]) -> Callable[..., Any]:
    """An answer that measures weights and gradient by ``length`` in place of their norm."""
    return _or_one(lambda p, g, decay: length(p) / (length(g) + decay * length(p)))


TRUST_RATIO = Exercise(
    name="12-trust-ratio",
    asks="Write layer_ratio(p, g, weight_decay): ‖p‖ / (‖g‖ + weight_decay · ‖p‖), or 1 if p or g is zero.",
    answer=layer_ratio,
    problem=_ratio_problem,
    play=_play_ratio,
    right="The length of the weights over that of what moves them; and 1 where nothing can be compared.",
    known=(
        Known(
            _or_one(lambda p, g, decay: p.norm() / (g + decay * p).norm()),
            "Right in optax's convention: the norm of the sum. The paper adds the two norms up.",
            passes=True,
        ),
        Known(
            lambda p, g, decay: p.norm() / (g.norm() + decay * p.norm()),
            "Zeros are missing. A layer of zeros would get the rate 0 and never move: return 1 there, and "
            "where the gradient is zero.",
        ),
        Known(
            lambda p, g, decay: 1.0 if p.norm() == 0 else p.norm() / (g.norm() + decay * p.norm()),
            "You think of a layer of zeros. A gradient of zeros has nothing to compare either: 1 there, too.",
        ),
        Known(
            lambda p, g, decay: 1.0 if g.norm() == 0 else p.norm() / (g.norm() + decay * p.norm()),
            "A layer of zeros gets the ratio 0, so that it stays zero for ever. Return 1 there.",
        ),
        Known(
            lambda p, g, decay: (
                0.0 if p.norm() == 0 or g.norm() == 0 else p.norm() / (g.norm() + decay * p.norm())
            ),
            "At zeros you return 0: a layer that starts at zero would never move. Return 1.",
        ),
        Known(
            lambda p, g, decay: p.norm() / (g + decay * p).norm(),
            "That is optax's convention, the norm of the sum, and it would do. But zeros are missing: return "
            "1 for a layer of zeros, and where the gradient is zero.",
        ),
        Known(
            _or_one(lambda p, g, decay: p.norm() / (g.norm() + decay * p.norm() + 1e-6)),
            "You add a millionth below the line, against a division by zero. Zeros are taken care of here, "
            "so leave it out.",
        ),
        Known(
            lambda p, g, decay: (g.norm() + decay * p.norm()) / p.norm(),
            "The fraction is upside down, and zeros are missing.",
        ),
        Known(
            _or_one(lambda p, g, decay: (g.norm() + decay * p.norm()) / p.norm()),
            "The fraction is upside down. A short gradient needs a large ratio.",
        ),
        Known(
            _or_one(lambda p, g, decay: p.norm() / g.norm()),
            "The decay is missing. It moves the weights as well: add weight_decay · ‖p‖ below.",
        ),
        Known(
            lambda p, g, decay: p.norm() / g.norm(),
            "Two things. The decay is missing: it moves the weights as well, so add weight_decay · ‖p‖ "
            "below. And zeros are missing: return 1 for a layer of zeros, and where the gradient is zero.",
        ),
        Known(
            _or_one(lambda p, g, decay: p.norm() / (g.norm() + decay)),
            "You add the decay itself. What it moves the weights by is weight_decay · ‖p‖.",
        ),
        Known(
            _or_one(lambda p, g, decay: p.norm() / g.norm() + decay * p.norm()),
            "The parentheses are missing: the decay belongs below the line, with the gradient.",
        ),
        Known(
            _or_one(lambda p, g, decay: p.norm() / (g.norm() - decay * p.norm())),
            "The decay is subtracted. Gradient and decay both move the weights: add their norms.",
        ),
        Known(
            _or_one(lambda p, g, decay: p.norm() / (g.norm() + decay * g.norm())),
            "You take the decay of the gradient. It is the weights that decay: weight_decay · ‖p‖.",
        ),
        Known(
            _or_one(
                lambda p, g, decay: p.square().sum() / (g.square().sum() + decay * p.square().sum()),
            ),
            "These are squares of norms; the roots are missing.",
        ),
        Known(
            _by_length(lambda x: x.abs().sum()),
            "You add up the sizes of the entries. The norm is the root of the sum of their squares.",
        ),
        Known(
            _by_length(lambda x: x.abs().max()),
            "You take the largest entry. The norm is the root of the sum of all squares.",
        ),
        Known(
            _by_length(lambda x: x.norm(dim=0)),
            "This is a ratio for each column. LARS has one for the whole layer: the norm of all entries.",
        ),
        Known(
            _or_one(lambda p, g, decay: p.abs() / (g.abs() + decay * p.abs())),
            "This is a ratio for each weight. LARS has one for the whole layer.",
        ),
        Known(
            _or_one(lambda p, g, decay: min(p.norm() / (g.norm() + decay * p.norm()), 1.0)),
            "You never go above 1, like a clip. LARS stretches short gradients as well.",
        ),
        Known(
            _or_one(lambda p, g, decay: 0.001 * p.norm() / (g.norm() + decay * p.norm())),
            "This has the paper's coefficient of 0.001. Here the coefficient is 1.",
        ),
        Known(
            _or_one(lambda p, g, decay: 1 / (g.norm() + decay * p.norm())),
            "The weights are missing above the line: this gives equal steps, and not equal shares.",
        ),
        Known(
            _or_one(lambda p, g, decay: g / (g.norm() + decay * p.norm()) * p.norm()),
            "That is the gradient times the ratio. Return the ratio alone, a number.",
        ),
    ),
    hints=(
        "How long are the weights? p.norm(). How long is what moves them, gradient and decay together?",
        "Divide ‖p‖ by ‖g‖ + weight_decay · ‖p‖, with the sum in parentheses.",
        "If p.norm() or g.norm() is 0, return 1.0 before you divide.",
    ),
    lesson="12-lars",
)

# --- LARC -------------------------------------------------------------------------------------------------


def larc_rate(p_norm: float, g_norm: float, lr: float, coefficient: float) -> float:
    return min(coefficient * p_norm / g_norm, lr)


def _larc_problem(generator: torch.Generator) -> dict[str, Any]:
    a, b, c = torch.rand(3, generator=generator, dtype=torch.float64).tolist()
    return {"p_norm": 10 ** (2 * a - 1), "lr": 10 ** (1.5 * b - 2), "coefficient": 10 ** (2 * c - 3)}


def _play_larc(answer: Callable[..., Any], problem: dict[str, Any]) -> dict[str, Any]:
    """One layer with gradients so long that its own rate is below ``lr``, and so short that it is above."""
    p_norm, lr, coefficient = problem.values()
    even = coefficient * p_norm / lr  # here the two rates are equal
    times = {"long": 20.0, "rather long": 1.3, "rather short": 0.8, "short": 0.05}
    return {
        f"the rate for a {which} gradient (g_norm = {n * even:.4g})": answer(
            p_norm, n * even, lr, coefficient
        )
        for which, n in times.items()
    }


LARC = Exercise(
    name="12-larc",
    asks=(
        "Write larc_rate(p_norm, g_norm, lr, coefficient): coefficient · ‖p‖ / ‖g‖, which is not multiplied "
        "by lr, but never more than lr."
    ),
    answer=larc_rate,
    problem=_larc_problem,
    play=_play_larc,
    right="The smaller of two rates: the layer's own where it brakes, and yours where it would speed up.",
    known=(
        Known(
            lambda p, g, lr, c: c * p / g,
            "This is the layer's own rate, without a limit. LARC never goes above lr.",
        ),
        Known(
            lambda p, g, lr, c: lr * c * p / g,
            "This is LARS, where the ratio multiplies the rate. In LARC lr is a limit, not a factor.",
        ),
        Known(
            lambda p, g, lr, c: max(c * p / g, lr),
            "You take the larger one: this only speeds up. LARC only brakes: take the smaller one.",
        ),
        Known(
            lambda p, g, lr, c: lr * min(c * p / g, 1.0),
            "You limit the ratio to 1 and multiply by lr (in timm that is trust_clip). LARC limits the rate "
            "c · ‖p‖ / ‖g‖ itself to lr.",
        ),
        Known(
            lambda p, g, lr, c: min(c * p / g, 1.0),
            "Your limit is 1. The limit is lr.",
        ),
        Known(
            lambda p, g, lr, c: lr,
            "This is lr for every layer. Where the layer's own rate is smaller, LARC takes that.",
        ),
        Known(
            lambda p, g, lr, c: min(c * g / p, lr),
            "The fraction is upside down: a long gradient needs a small rate.",
        ),
        Known(
            lambda p, g, lr, c: min(p / g, lr),
            "The coefficient is missing. The layer's own rate is coefficient · ‖p‖ / ‖g‖.",
        ),
        Known(
            lambda p, g, lr, c: c * min(p / g, lr),
            "The coefficient stands outside. It belongs to the layer's own rate only, not to lr.",
        ),
        Known(
            lambda p, g, lr, c: min(c * p / g / lr, 1.0),
            "This is the factor on your rate. The rate itself is lr times that.",
        ),
        Known(
            lambda p, g, lr, c: min(c * p, lr) / g,
            "You limit before you divide by ‖g‖. Divide first; then take the smaller rate.",
        ),
        Known(
            lambda p, g, lr, c: min(c / g, lr),
            "The weights are missing: the layer's own rate is coefficient · ‖p‖ / ‖g‖.",
        ),
        Known(
            lambda p, g, lr, c: min(c * p, lr),
            "The gradient is missing: the layer's own rate is coefficient · ‖p‖ / ‖g‖.",
        ),
        Known(
            lambda p, g, lr, c: min(c * p / g, lr) * g,
            "That is the length of the step. The rate is what the gradient is multiplied by.",
        ),
        Known(
            lambda p, g, lr, c: (c * p / g + lr) / 2,
            "You take the mean of the two rates. LARC takes the smaller one.",
        ),
    ),
    hints=(
        "First coefficient · ‖p‖ / ‖g‖ alone.",
        "There are two rates now, this one and lr. LARC is the careful one: which of the two does it take?",
        "min(coefficient * p_norm / g_norm, lr)",
    ),
    lesson="12-lars",
)

EXERCISES = (TRUST_RATIO, LARC)

QUESTIONS = (
    Question(
        "12-share",
        "12-lars",
        "LARS without momentum and decay, coefficient 1, rate 0.01. How far does a layer move in a step?",
        (
            "0.01 times its gradient",
            "0.01 times the length of its weights",
            "0.01 in every weight",
        ),
        1,
        "The ratio ‖p‖ / ‖g‖ takes the gradient's length away and puts the weights' length in its place.",
    ),
    Question(
        "12-clothes",
        "12-lars",
        "A layer's weights × 8, the next layer's / 8: the same function. Which rate does the first one need?",
        ("8 times the old one", "64 times the old one", "an eighth of the old one"),
        1,
        "Its step must be 8 times as long, and its gradient has become 8 times as short.",
    ),
    Question(
        "12-before-adam",
        "12-lars",
        "Each layer's gradient is multiplied by its trust ratio before Adam gets it. What changes?",
        ("little: its steps stay about as long", "each layer moves by the same share", "Adam diverges"),
        0,
        "Adam divides by the gradient's usual size, and the factor with it. It belongs on the rate.",
    ),
    Question(
        "12-no-clip",
        "12-lars",
        "What can LARS do to a layer's step that a clip cannot?",
        ("turn it", "make it longer", "make it shorter"),
        1,
        "A clip only cuts long gradients. LARS also stretches short ones.",
    ),
    Question(
        "12-when",
        "12-lars",
        "When does LARS give little?",
        (
            "when the layers' trust ratios are alike",
            "when the layers' trust ratios differ much",
            "when a schedule is used",
        ),
        0,
        "Then one rate suits all. LARS pays where the ratios differ, and it needs a schedule in any case.",
    ),
)

EXPLANATION = Explanation(
    "12-explain",
    "12-lars",
    asks=("What does LARS look at that a schedule, a clip and Adam do not, and when is that worth nothing?"),
    good=(
        "At each layer's own two sizes: how large its weights are and how large its gradient. It makes "
        "every layer move by the same share of its weights. Where these ratios are alike in all layers, "
        "one rate does the same. Before Adam it is worth nothing, because Adam divides every factor of "
        "the gradient away."
    ),
)
