"""Lesson 08: AdamW's step, and how much the decay leaves of a weight that has no gradient."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from lwlr_teach.teaching.bank import adam
from lwlr_teach.teaching.bank._steps import EACH_STEP, play_steps, uniform
from lwlr_teach.teaching.items import Exercise, Explanation, Known, Question

# --- AdamW ------------------------------------------------------------------------------------------------


def step(
    p: Tensor,
    g: Tensor,
    m: Tensor,
    v: Tensor,
    t: int,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    decay: float,
) -> tuple[Tensor, Tensor, Tensor]:
    p = (1 - lr * decay) * p
    m = betas[0] * m + (1 - betas[0]) * g
    v = betas[1] * v + (1 - betas[1]) * g**2
    m_hat = m / (1 - betas[0] ** t)
    v_hat = v / (1 - betas[1] ** t)
    return p - lr * m_hat / (v_hat.sqrt() + eps), m, v


def _problem(generator: torch.Generator) -> dict[str, Any]:
    return adam.ADAM.problem(generator) | {"decay": uniform(generator, 0.1, 0.6)}


def _shrinking(factor: Callable[[float, float, int], float], says: str, answer: Any = adam.step) -> Known:
    """Adam's step, or a wrong one, from weights that were multiplied by a factor of rate, decay and t."""

    def wrong(p: Tensor, *rest: Any) -> Any:
        *adams, decay = rest
        t, lr = adams[3:5]
        return answer(factor(lr, decay, t) * p, *adams)

    return Known(wrong, says)


def _in_gradient(
    p: Tensor, g: Tensor, m: Tensor, v: Tensor, t: int, lr: float, b: Any, eps: float, decay: float
) -> Any:
    return adam.step(p, g + decay * p, m, v, t, lr, b, eps)


def _in_average(
    p: Tensor, g: Tensor, m: Tensor, v: Tensor, t: int, lr: float, b: Any, eps: float, decay: float
) -> Any:
    _, _, new_v = adam.step(p, g, m, v, t, lr, b, eps)
    _, new_m, _ = adam.step(p, g + decay * p, m, v, t, lr, b, eps)
    root = (new_v / (1 - b[1] ** t)).sqrt()
    return p - lr * new_m / (1 - b[0] ** t) / (root + eps), new_m, new_v


def _divided(
    p: Tensor, g: Tensor, m: Tensor, v: Tensor, t: int, lr: float, b: Any, eps: float, decay: float
) -> Any:
    new, m, v = adam.step(p, g, m, v, t, lr, b, eps)
    return new - lr * decay * p / ((v / (1 - b[1] ** t)).sqrt() + eps), m, v


def _afterwards(
    p: Tensor, g: Tensor, m: Tensor, v: Tensor, t: int, lr: float, b: Any, eps: float, decay: float
) -> Any:
    new, m, v = adam.step(p, g, m, v, t, lr, b, eps)
    return (1 - lr * decay) * new, m, v


def _memory_shrinks(
    p: Tensor, g: Tensor, m: Tensor, v: Tensor, t: int, lr: float, b: Any, eps: float, decay: float
) -> Any:
    new, m, v = adam.step(p, g, m, v, t, lr, b, eps)
    return new, (1 - lr * decay) * m, v


def _constant(
    p: Tensor, g: Tensor, m: Tensor, v: Tensor, t: int, lr: float, b: Any, eps: float, decay: float
) -> Any:
    return adam.step(p - lr * decay, g, m, v, t, lr, b, eps)


def _by_sign(
    p: Tensor, g: Tensor, m: Tensor, v: Tensor, t: int, lr: float, b: Any, eps: float, decay: float
) -> Any:
    return adam.step(p - lr * decay * p.sign(), g, m, v, t, lr, b, eps)


_DECAY = (
    Known(
        _in_gradient,
        "This is Adam with L2: you add decay · p to the gradient, and the division takes most of it away "
        "again. Leave the gradient alone, and multiply p by 1 − lr · decay.",
    ),
    Known(
        _in_average,
        "decay · p goes into m, and is divided by √v̂ like a gradient. Keep it out of both averages.",
    ),
    Known(
        _divided,
        "You divide the decay by √v̂ + ε, too. It is to be the same for every weight: only m̂ is divided.",
    ),
    _shrinking(
        lambda lr, decay, t: 1 + lr * decay,
        "With 1 + lr · decay the weights grow, step after step. What is left is 1 − lr · decay.",
    ),
    _shrinking(
        lambda lr, decay, t: 1 - decay,
        "You shrink by 1 − decay. So it stands in the paper, where the base rate does not multiply it. In "
        "torch, Keras and optax, and here, the factor is 1 − lr · decay.",
    ),
    Known(
        _afterwards,
        "Right. You shrink the weights after the step, torch does it before. The difference is "
        "lr² · decay times the direction.",
        passes=True,
    ),
    _shrinking(
        lambda lr, decay, t: 1.0,
        "This is Adam: decay is not used. First multiply p by 1 − lr · decay.",
    ),
    _shrinking(
        lambda lr, decay, t: lr * decay,
        "You keep the share lr · decay of the weights. That is the share that goes: keep 1 − lr · decay.",
    ),
    _shrinking(
        lambda lr, decay, t: 1 - 2 * lr * decay,
        "You shrink twice as fast: 2 · decay · p is the slope of decay · p². Here the pull is decay · p.",
    ),
    _shrinking(
        lambda lr, decay, t: (1 - lr * decay) ** t,
        "You raise the factor to t. But p was shrunk in each of the steps before: once a step is enough.",
    ),
    _shrinking(
        lambda lr, decay, t: math.exp(-lr * decay),
        "Nearly: e^(−lr · decay) is what many tiny steps come to. AdamW's factor is 1 − lr · decay.",
    ),
    Known(
        _memory_shrinks,
        "You shrink the average m. The decay is for the weights: multiply p.",
    ),
    Known(
        _constant,
        "You subtract lr · decay itself, which pulls a negative weight away from 0. The decay takes a share "
        "of each weight: lr · decay · p.",
    ),
    Known(
        _by_sign,
        "You subtract lr · decay from every weight, whatever its size. The decay takes a share of it: "
        "lr · decay · p.",
    ),
)

ADAMW = Exercise(
    name="08-adamw",
    asks=(
        "Write step(p, g, m, v, t, lr, betas, eps, decay): step number t of AdamW from p, where the gradient "
        "is g, and m and v are the averages before it. Return the new p, m and v."
    ),
    answer=step,
    problem=_problem,
    play=partial(play_steps, state=["m", "v"], settings=["t", "lr", "betas", "eps", "decay"]),
    each=EACH_STEP,
    right="The weights shrink by themselves, and Adam's step is what it was.",
    known=(
        *_DECAY,
        *(_shrinking(lambda lr, decay, t: 1 - lr * decay, k.says, k.answer) for k in adam.ADAM.known),
    ),
    hints=(
        "Adam's five lines stay as they are. One line comes before them.",
        "It does not touch g: it multiplies p by what the decay leaves of it.",
        "p = (1 - lr * decay) * p, and then Adam's step",
    ),
    lesson="08-adamw",
)

# --- what is left -----------------------------------------------------------------------------------------


def left(rates: list[float], decay: float) -> float:
    share = 1.0
    for lr in rates:
        share = share * (1 - lr * decay)
    return share


def _left_problem(generator: torch.Generator) -> dict[str, Any]:
    steps = int(torch.randint(4, 9, (), generator=generator))
    return {
        "rates": [uniform(generator, 0.05, 0.95) for _ in range(steps)],
        "decay": uniform(generator, 0.2, 0.7),
    }


LEFT = Exercise(
    name="08-left",
    asks=(
        "Write left(rates, decay): the share of a weight that AdamW leaves after steps with these rates, a "
        "list of numbers, if the weight has no gradient. Return one number."
    ),
    answer=left,
    problem=_left_problem,
    play=lambda answer, problem: {"what is left": answer(problem["rates"], problem["decay"])},
    right="A factor for each step. Their product is nearly e to the minus decay times the sum of the rates.",
    known=(
        Known(
            lambda rates, decay: math.exp(-decay * sum(rates)),
            "Nearly: so it would be with endlessly many small steps. These are single ones, each with a "
            "factor 1 − lr · decay. Multiply these.",
        ),
        Known(
            lambda rates, decay: 1 - decay * sum(rates),
            "You subtract a share of the first weight in each step. The decay takes a share of what is still "
            "there: multiply the factors.",
        ),
        Known(
            lambda rates, decay: 1 - sum(rates),
            "You subtract the rates themselves. A step takes a share, lr · decay, of what is still there.",
        ),
        Known(
            lambda rates, decay: (1 - decay) ** len(rates),
            "The rates are not used. The factor of a step is 1 − lr · decay.",
        ),
        Known(
            lambda rates, decay: (1 - decay * sum(rates) / len(rates)) ** len(rates),
            "You took the average rate in every step. Each step has a rate, and a factor, of its own.",
        ),
        Known(
            lambda rates, decay: (1 - decay * rates[0]) ** len(rates),
            "You took the first rate in every step. Each step has a rate of its own.",
        ),
        Known(
            lambda rates, decay: (1 - decay * rates[-1]) ** len(rates),
            "You took the last rate in every step. Each step has a rate of its own.",
        ),
        Known(
            lambda rates, decay: 1 - decay * rates[-1],
            "This is the last step's factor alone. Multiply the factors of all steps.",
        ),
        Known(
            lambda rates, decay: 1 - decay * rates[0],
            "This is the first step's factor alone. Does a return stand inside the loop?",
        ),
        Known(
            lambda rates, decay: 1 - left(rates, decay),
            "This is the share that has gone. What is left is 1 minus it.",
        ),
        Known(
            lambda rates, decay: left(rates, -decay),
            "With 1 + lr · decay the weight grows. The factor is 1 − lr · decay.",
        ),
        Known(
            lambda rates, decay: left(rates[1:], decay),
            "The first step is missing: it shrinks the weight, too.",
        ),
        Known(
            lambda rates, decay: left(rates[:-1], decay),
            "The last step is missing: it shrinks the weight, too.",
        ),
        Known(
            lambda rates, decay: math.prod(lr * decay for lr in rates),
            "You multiply the shares that go, lr · decay. Multiply what stays in each step: 1 − lr · decay.",
        ),
        Known(
            lambda rates, decay: sum(1 - lr * decay for lr in rates),
            "You add the factors. One step shrinks what the last one left: multiply them.",
        ),
        Known(
            lambda rates, decay: left(rates, 1.0),
            "decay is not used. The factor of a step is 1 − lr · decay.",
        ),
    ),
    hints=(
        "Without a gradient Adam's step is 0, and only the decay is left. What does one step multiply by?",
        "1 − lr · decay. Begin with 1, and multiply by this for each of the rates.",
        "share = 1.0, and in a loop over the rates: share = share * (1 - lr * decay)",
    ),
    lesson="08-adamw",
)

EXERCISES = (ADAMW, LEFT)

QUESTIONS = (
    Question(
        "08-sgd",
        "08-adamw",
        "Plain SGD, without momentum: λ times the weight is added to its gradient. What else does the same?",
        (
            "to multiply the weight by 1 − ηλ before the step",
            "to multiply the rate by 1 − λ",
            "to subtract λ from the weight",
        ),
        0,
        "p − η(g + λp) is (1 − ηλ)p − ηg. For plain SGD, L2 and weight decay are one thing.",
    ),
    Question(
        "08-who-decays",
        "08-adamw",
        "Adam with L2 in the gradient: which weights does it hardly shrink?",
        ("those with small gradients", "those with large gradients", "it shrinks all by the same share"),
        1,
        "The pull λp is divided by the size of the weight's gradients, as everything in the gradient is.",
    ),
    Question(
        "08-silent",
        "08-adamw",
        "Adam with L2, and a weight that never has a gradient. λ is made ten times as large. How much faster "
        "does the weight go to 0?",
        ("ten times", "about three times", "not at all"),
        2,
        "Its gradient is λp alone, and Adam divides that by its own size: the step is about one rate.",
    ),
    Question(
        "08-half-rate",
        "08-adamw",
        "AdamW in PyTorch: you halve the rate and leave λ as it is. What does one step take of a weight?",
        ("as much as before", "half as much", "twice as much"),
        1,
        "The factor is 1 − ηλ: in PyTorch, Keras and optax the rate multiplies the decay.",
    ),
    Question(
        "08-normalised",
        "08-adamw",
        "A layer before a normalisation, with weight decay. The rate falls to 0, λ stays. What do its "
        "gradients do, measured by its weights?",
        ("they grow", "they shrink with the rate", "nothing changes"),
        0,
        "The balance is at √(2λ/η): the smaller the rate, the smaller the weights, the larger the gradients.",
    ),
)

EXPLANATION = Explanation(
    "08-explain",
    "08-adamw",
    asks="A colleague moves from Adam with weight_decay = 0.003 to AdamW, and keeps 0.003. Then he halves "
    "the rate. What do you tell him?",
    good=(
        "In Adam the decay is part of the gradient and is divided by the gradient's size. Where gradients "
        "are small, 0.003 pulls hard. In AdamW it is what it says: each step takes 0.003 times the rate of "
        "every weight, which may be hardly anything. So λ has to be looked for anew; on our digits it was "
        "about a hundred times as large. At half the rate each step takes half as much. That need not "
        "be wrong: the pull of the gradients is halved as well. On our digits the best λ stayed."
    ),
)
