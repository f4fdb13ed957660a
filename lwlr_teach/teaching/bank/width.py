"""Lesson 15: the rates of muP, and its first weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from lwlr_teach.teaching.items import Exercise, Explanation, Known, Question

_LAYERS = ("first", "hidden", "last")


def _widths(generator: torch.Generator) -> tuple[int, int]:
    """A base width and another one, up to ten times as wide; their ratio is seldom a whole number."""
    base = 16 + int(torch.randint(100, (), generator=generator))
    return base, base + 1 + int(torch.randint(9 * base, (), generator=generator))


# --- the rates --------------------------------------------------------------------------------------------


def layer_rate(layer: str, lr: float, base: int, width: int) -> float:
    return lr if layer == "first" else lr * base / width


def _rate_problem(generator: torch.Generator) -> dict[str, Any]:
    base, width = _widths(generator)
    lr = 0.001 + 0.1 * torch.rand((), generator=generator, dtype=torch.float64).item()
    return {"lr": lr, "base": base, "width": width}


def _play_rates(answer: Callable[..., Any], problem: dict[str, Any]) -> dict[str, Any]:
    return {f"the rate of the {layer} layer": answer(layer, *problem.values()) for layer in _LAYERS}


def _by_layer(
    first: Callable[..., float], hidden: Callable[..., float], last: Callable[..., float]
) -> Callable[..., float]:
    """An answer that treats the layers in these ways; each is a function of a number and of the growth."""
    ways = dict(zip(_LAYERS, (first, hidden, last), strict=True))
    return lambda layer, x, base, width: ways[layer](x, width / base)


def _same(x: float, m: float) -> float:
    return x


def _by(power: float) -> Callable[[float, float], float]:
    return lambda x, m: x * m**power


LAYER_RATE = Exercise(
    name="15-layer-rate",
    asks=(
        "Write layer_rate(layer, lr, base, width): the rate of the weights of the 'first', a 'hidden' or the "
        "'last' layer under Adam in muP, when lr is best at the width base."
    ),
    answer=layer_rate,
    problem=_rate_problem,
    play=_play_rates,
    right="What sums over the width gets lr / m. The first layer sums over the inputs, whose number stays.",
    known=(
        Known(_by_layer(_same, _same, _same), "This is standard parametrisation: one rate for all layers."),
        Known(
            _by_layer(_by(-1), _by(-1), _by(-1)),
            "The first layer is slowed as well. Its units sum over the inputs, which do not grow.",
        ),
        Known(
            _by_layer(_same, _by(-1), _same),
            "The last layer keeps its rate. It sums over a layer that grows: it needs lr / m.",
        ),
        Known(
            _by_layer(_same, _same, _by(-1)),
            "The hidden layers keep their rate. Each of their units sums over a layer that grows: lr / m.",
        ),
        Known(
            _by_layer(_by(-1), _same, _same),
            "You slow the first layer and leave the others. It is the other way round.",
        ),
        Known(
            _by_layer(_same, _by(-0.5), _by(-0.5)),
            "You divide by √m. First weights are random and add up like √m; steps agree and add up like m.",
        ),
        Known(
            _by_layer(_same, _by(-0.5), _by(-1)),
            "The hidden layers are divided by √m. Their steps agree with one another too: divide by m.",
        ),
        Known(
            _by_layer(_same, _by(-1), _by(-0.5)),
            "The last layer is divided by √m. Its steps agree with one another too: divide by m.",
        ),
        Known(
            _by_layer(_same, _by(1), _by(1)),
            "The fraction is upside down: a wider network needs smaller steps here.",
        ),
        Known(
            _by_layer(_same, _by(-2), _by(-2)),
            "You divide by m². The sum has m times as many terms, not m² times.",
        ),
        Known(
            _by_layer(_same, _by(-1), _by(-2)),
            "The last layer is divided by m². That is for its first variance; its rate is lr / m.",
        ),
        Known(
            _by_layer(_by(1), _same, _by(-1)),
            "This is the column for SGD, whose step is as long as the gradient. Take Adam's column.",
        ),
        Known(
            _by_layer(_by(1), _by(-1), _by(-1)),
            "The first layer is made faster. That is for SGD; Adam divides the gradient's size away.",
        ),
        Known(
            lambda layer, lr, base, width: lr if layer == "first" else lr / width,
            "You divide by the width itself. lr belongs to the width base: divide by m = width / base.",
        ),
        Known(
            lambda layer, lr, base, width: lr if layer == "first" else lr / (width - base),
            "You divide by the difference of the widths. What counts is how many times wider: width / base.",
        ),
        Known(
            lambda layer, lr, base, width: lr if layer == "first" else lr / (width // base),
            "You use whole-number division. Width 96 is 1.5 times width 64: write / and not //.",
        ),
    ),
    hints=(
        "Ask of each layer: over how many inputs does one of its units sum, and does that number grow?",
        "Adam moves each weight by about the rate, and steps agree: m times as many, m times the sum.",
        "m = width / base. The first layer keeps lr, the hidden ones and the last one get lr / m.",
    ),
    lesson="15-width",
)

# --- the first weights ------------------------------------------------------------------------------------


def first_std(layer: str, std: float, base: int, width: int) -> float:
    m = width / base
    return {"first": std, "hidden": std / m**0.5, "last": std / m}[layer]


def _std_problem(generator: torch.Generator) -> dict[str, Any]:
    base, width = _widths(generator)
    std = 0.05 + torch.rand((), generator=generator, dtype=torch.float64).item()
    return {"std": std, "base": base, "width": width}


def _play_stds(answer: Callable[..., Any], problem: dict[str, Any]) -> dict[str, Any]:
    return {f"the std of the {layer} layer": answer(layer, *problem.values()) for layer in _LAYERS}


FIRST_STD = Exercise(
    name="15-first-std",
    asks=(
        "Write first_std(layer, std, base, width): the standard deviation of the first weights of the "
        "'first', a 'hidden' or the 'last' layer in muP, when it is std at the width base."
    ),
    answer=first_std,
    problem=_std_problem,
    play=_play_stds,
    right="Hidden layers as usual, by √m; the last one by m; the first one has as many inputs as before.",
    known=(
        Known(
            _by_layer(_same, _by(-0.5), _by(-0.5)),
            "This is the usual start. In muP the last layer is smaller: variance 1 / m², so std / m.",
        ),
        Known(
            _by_layer(_same, _by(-1), _by(-1)),
            "The hidden layers are too small. Only the last one is divided by m; they as usual, by √m.",
        ),
        Known(
            _by_layer(_same, _by(-1), _by(-2)),
            "These are variances. A standard deviation is the root: √m for hidden layers, m for the last.",
        ),
        Known(
            _by_layer(_same, _by(-0.5), _by(-2)),
            "The variance of the last layer is divided by m², so its standard deviation by m.",
        ),
        Known(
            _by_layer(_same, _by(-1), _by(-0.5)),
            "Hidden and last are exchanged: hidden layers by √m as usual, the last one by m.",
        ),
        Known(_by_layer(_same, _same, _same), "All keep their std, so that sums grow with the width."),
        Known(
            _by_layer(_same, _same, _by(-1)),
            "The hidden layers keep their std, and their sums would grow like √m. Divide by √m.",
        ),
        Known(
            _by_layer(_same, _by(-0.5), _same),
            "The last layer keeps its std. In muP it is the one that shrinks most: by m.",
        ),
        Known(
            _by_layer(_by(-0.5), _by(-0.5), _by(-1)),
            "The first layer is scaled too. It has as many inputs as before, so it keeps its std.",
        ),
        Known(
            _by_layer(_by(-0.5), _by(-0.5), _by(-0.5)),
            "All layers by √m. The first has as many inputs as before; the last is divided by m.",
        ),
        Known(
            _by_layer(_by(-1), _by(-1), _by(-1)),
            "All layers by m. That is for the last one; the first keeps its std, hidden ones get √m.",
        ),
        Known(
            _by_layer(_same, _by(0.5), _by(1)),
            "The fractions are upside down: with more inputs each weight must be smaller.",
        ),
        Known(
            lambda layer, std, base, width: {"first": std, "hidden": std / width**0.5, "last": std / width}[
                layer
            ],
            "You divide by the width itself. std belongs to the width base: use m = width / base.",
        ),
        Known(
            lambda layer, std, base, width: {
                "first": std,
                "hidden": std / (width // base) ** 0.5,
                "last": std / (width // base),
            }[layer],
            "You use whole-number division. Width 96 is 1.5 times width 64: write / and not //.",
        ),
    ),
    hints=(
        "A sum of n independent random terms is √n times as large as one of them, not n times.",
        "So hidden layers are divided by √m, as everywhere. Which layer is different in muP?",
        "The last one: its variance is divided by m², so its standard deviation by m.",
    ),
    lesson="15-width",
)

EXERCISES = (LAYER_RATE, FIRST_STD)

QUESTIONS = (
    Question(
        "15-carry",
        "15-width",
        "A rate was tuned for Adam on a narrow network. Which rate suits one eight times as wide?",
        ("a smaller rate", "the same rate", "a larger rate"),
        0,
        "Each unit sums over more weights, which all move by about the rate: it moves further.",
    ),
    Question(
        "15-first-layer",
        "15-width",
        "Which layer keeps its rate in muP under Adam when the network grows wider?",
        ("the first", "the hidden ones", "the last"),
        0,
        "The first layer sums over the inputs, whose number stays. The others sum over layers that grow.",
    ),
    Question(
        "15-root-or-not",
        "15-width",
        "First weights shrink like 1/√m in hidden layers, Adam's rate like 1/m. Why not both alike?",
        (
            "because Adam takes a square root",
            "random numbers partly cancel in a sum; steps agree and add up",
            "by convention; either would do",
        ),
        1,
        "m times as many random terms give a sum √m times as large; of equal terms, m times.",
    ),
    Question(
        "15-promise",
        "15-width",
        "What does muP promise?",
        (
            "the lowest loss at every width",
            "that the best rate of a narrow network stays good for a wide one",
            "that no rate has to be tuned",
        ),
        1,
        "One width has to be tuned. In the lesson the standard network, tuned anew, even had a lower loss.",
    ),
    Question(
        "15-muon",
        "15-width",
        "Muon replaces the step of a matrix by another one. What are its singular values?",
        ("all exactly 1", "all near 1, between about 0.7 and 1.1", "those of the gradient, rescaled"),
        1,
        "Five Newton–Schulz steps with coefficients that are chosen for speed end in a band, not at 1.",
    ),
)

EXPLANATION = Explanation(
    "15-explain",
    "15-width",
    asks=(
        "Why does Adam's best rate fall when a network becomes wider, and what does muP change so that it "
        "does not?"
    ),
    good=(
        "One step of Adam moves every weight by about the rate, all in a direction that agrees with the "
        "inputs, so that a unit that sums over m times as many inputs moves m times as far. muP divides "
        "the rate of exactly these layers by m. Then each unit moves as far as in the narrow network, and "
        "the rate that was best there stays good."
    ),
)
