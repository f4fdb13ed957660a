"""Lesson 07: Adam's step, in three tasks with less and less given: its last line, the corrections, all."""

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

Betas = tuple[float, float]


def step(
    p: Tensor, g: Tensor, m: Tensor, v: Tensor, t: int, lr: float, betas: tuple[float, float], eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    m = betas[0] * m + (1 - betas[0]) * g
    v = betas[1] * v + (1 - betas[1]) * g**2
    m_hat = m / (1 - betas[0] ** t)
    v_hat = v / (1 - betas[1] ** t)
    return p - lr * m_hat / (v_hat.sqrt() + eps), m, v


def _problem(generator: torch.Generator) -> dict[str, Any]:
    return step_problem(generator) | {
        "lr": uniform(generator, 0.01, 1.01),
        "betas": (uniform(generator, 0.4, 0.9), uniform(generator, 0.92, 0.99)),
        "eps": uniform(generator, 0.02, 0.12),
    }


_play = partial(play_steps, state=["m", "v"], settings=["t", "lr", "betas", "eps"])


def _rule(answer: Callable[..., Any]) -> Rule:
    """A step at rate 1 from 0 is the direction, backwards."""

    def yours(
        grad: Tensor,
        state: State,
        number: int,
        *,
        momentum: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
    ) -> tuple[Tensor, State]:
        zero = torch.zeros_like(grad)
        new, m, v = answer(zero, grad, state["m"], state["v"], number, 1.0, (momentum, beta2), eps)
        return -new, {"m": m, "v": v}

    return yours


# --- wrong answers, made of their parts -------------------------------------------------------------------


def _m(m: Tensor, g: Tensor, b: Betas) -> Tensor:
    return b[0] * m + (1 - b[0]) * g


def _v(v: Tensor, g: Tensor, m: Tensor, b: Betas) -> Tensor:
    return b[1] * v + (1 - b[1]) * g**2


def _hats(m: Tensor, v: Tensor, b: Betas, t: int) -> tuple[Tensor, Tensor]:
    return m / (1 - b[0] ** t), v / (1 - b[1] ** t)


def _move(
    p: Tensor, g: Tensor, m: Tensor, v: Tensor, hats: tuple[Tensor, Tensor], lr: float, eps: float
) -> Tensor:
    return p - lr * hats[0] / (hats[1].sqrt() + eps)


def _wrong(
    m: Callable[..., Tensor] = _m,
    v: Callable[..., Tensor] = _v,
    hats: Callable[..., tuple[Tensor, Tensor]] = _hats,
    move: Callable[..., Tensor] = _move,
    keep: Callable[..., Any] = lambda p, m, v, hats, old: (p, m, v),
) -> Callable[..., Any]:
    """A step with one of its parts in another way; each part is given what it needs."""

    def wrong(
        p: Tensor, g: Tensor, m_: Tensor, v_: Tensor, t: int, lr: float, betas: Betas, eps: float
    ) -> Any:
        old = m_, v_
        new_m = m(m_, g, betas)
        new_v = v(v_, g, new_m, betas)
        both = hats(new_m, new_v, betas, t)
        return keep(move(p, g, new_m, new_v, both, lr, eps), new_m, new_v, both, old)

    return wrong


def _moving(move: Callable[..., Tensor], says: str) -> Known:
    """A wrong last line, of m̂, the root's content v̂, and the rest."""
    return Known(_wrong(move=move), says)


def _correcting(hats: Callable[..., tuple[Tensor, Tensor]], says: str) -> Known:
    return Known(_wrong(hats=hats), says)


_LAST_LINE = (
    _moving(
        lambda p, g, m, v, hats, lr, eps: p - lr * hats[0] / (hats[1] + eps).sqrt(),
        "Your ε stands inside the root, as optax's eps_root does. In torch and in this course it is outside.",
    ),
    _moving(
        lambda p, g, m, v, hats, lr, eps: p - lr * hats[0] / (hats[1] + eps),
        "You divide by the average square itself. Its root is a size again, in the gradient's own unit.",
    ),
    _moving(
        lambda p, g, m, v, hats, lr, eps: p - lr * g / (hats[1].sqrt() + eps),
        "You step along the gradient g: this is RMSProp, with a correction. Adam steps along the average, m̂.",
    ),
    _moving(
        lambda p, g, m, v, hats, lr, eps: p + lr * hats[0] / (hats[1].sqrt() + eps),
        "This goes uphill: m̂ points along the gradient. Downhill is minus.",
    ),
    _moving(
        lambda p, g, m, v, hats, lr, eps: p - hats[0] / (hats[1].sqrt() + eps),
        "The rate is missing: the quotient is about 1, and lr makes a step of it.",
    ),
    _moving(
        lambda p, g, m, v, hats, lr, eps: p - lr * hats[0] * (hats[1].sqrt() + eps),
        "You multiply by the root. What has large gradients must have them made small: divide.",
    ),
    _moving(
        lambda p, g, m, v, hats, lr, eps: p - lr * hats[0],
        "This is Momentum: v̂ is not used. Divide by its root plus ε.",
    ),
    _moving(
        lambda p, g, m, v, hats, lr, eps: p - lr * hats[0] / hats[1].sqrt(),
        "ε is missing. An entry that has had no gradient yet would be 0/0.",
    ),
    _moving(
        lambda p, g, m, v, hats, lr, eps: p - lr * hats[0] / (v.sqrt() + eps),
        "Above the line stands the corrected average, below it the uncorrected one. Take v̂ there.",
    ),
    _moving(
        lambda p, g, m, v, hats, lr, eps: p - lr * m / (hats[1].sqrt() + eps),
        "Below the line stands the corrected average, above it the uncorrected one. Take m̂ there.",
    ),
    _moving(
        lambda p, g, m, v, hats, lr, eps: p - lr * hats[0].sign(),
        "This is the sign of the average alone. Divide m̂ by √v̂ + ε.",
    ),
    _moving(
        lambda p, g, m, v, hats, lr, eps: lr * hats[0] / (hats[1].sqrt() + eps),
        "This is the step alone. The new place is p minus the step.",
    ),
    Known(
        _wrong(keep=lambda p, m, v, hats, old: (p, *hats)),
        "The place of the first step is right. But you hand on m̂ and v̂, and the next step corrects them "
        "again. Return m and v; the hats are made anew in each step.",
    ),
    Known(
        _wrong(keep=lambda p, m, v, hats, old: (p, v, m)),
        "You return v before m. Return p, m, v.",
    ),
    Known(
        _wrong(keep=lambda p, m, v, hats, old: (p, *old)),
        "The place of the first step is right. But you return the old m and v: nothing is remembered.",
    ),
)

_CORRECTIONS = (
    _correcting(
        lambda m, v, b, t: (m, v),
        "Nothing is corrected. Both averages began at 0, so that the first steps are too long, about "
        "(1 − β₁)/√(1 − β₂) rates. Divide m by 1 − β₁ᵗ, and v by 1 − β₂ᵗ.",
    ),
    _correcting(
        lambda m, v, b, t: _hats(m, v, b, 1),
        "Your t stays at 1: step after step you correct as in the first. The power is t.",
    ),
    _correcting(
        lambda m, v, b, t: _hats(m, v, b, t - 1),
        "Your t begins at 0, and 1 − β⁰ is 0: the first step divides by nothing. The t that you are given "
        "begins at 1.",
    ),
    _correcting(
        lambda m, v, b, t: _hats(m, v, b, t + 1),
        "Your t is one too many. The t that you are given is 1 at the first step: take it as it is.",
    ),
    _correcting(
        lambda m, v, b, t: (m / b[0] ** t, v / b[1] ** t),
        "You divide by βᵗ. That is the share that is still missing; what the average has is 1 − βᵗ.",
    ),
    _correcting(
        lambda m, v, b, t: (m / (1 - b[0] * t), v / (1 - b[1] * t)),
        "You multiply β by t. It is a power: β is forgotten once in each step, βᵗ in t steps.",
    ),
    _correcting(
        lambda m, v, b, t: (m * (1 - b[0] ** t), v * (1 - b[1] ** t)),
        "You multiply by 1 − βᵗ. The averages are too small by this factor: divide by it.",
    ),
    _correcting(
        lambda m, v, b, t: _hats(m, v, (b[1], b[0]), t),
        "The betas of the two corrections are swapped: m belongs to betas[0], v to betas[1].",
    ),
    _correcting(
        lambda m, v, b, t: _hats(m, v, (b[0], b[0]), t),
        "Both corrections use betas[0]. v belongs to betas[1].",
    ),
    _correcting(
        lambda m, v, b, t: _hats(m, v, (b[1], b[1]), t),
        "Both corrections use betas[1]. m belongs to betas[0].",
    ),
    _correcting(
        lambda m, v, b, t: (m / (1 - b[0] ** t), v / (1 - b[1] ** t) ** 2),
        "You take the root first and divide then. The correction belongs to v, inside the root.",
    ),
    Known(
        _wrong(
            move=lambda p, g, m, v, hats, lr, eps: p - lr * hats[0] / (v.sqrt() + eps) * (v / hats[1]).sqrt()
        ),
        "This is Keras's form: your ε is added before v is corrected. In torch and in this course it is "
        "added to the root of v̂.",
    ),
)

_AVERAGES = (
    Known(
        _wrong(v=lambda v, g, m, b: b[1] * v + (1 - b[1]) * g),
        "Your v averages g. It must be the average of the squares, g².",
    ),
    Known(
        _wrong(
            v=lambda v, g, m, b: b[1] * v + (1 - b[1]) * g.abs(),
            move=lambda p, g, m, v, hats, lr, eps: p - lr * hats[0] / (hats[1].sqrt() + eps),
        ),
        "Your v averages sizes, |g|. Adam averages squares, and takes the root of the average.",
    ),
    Known(
        _wrong(v=lambda v, g, m, b: b[1] * v + (1 - b[1]) * m**2),
        "Your v averages the squares of m. It must see the gradient itself, g².",
    ),
    Known(
        _wrong(m=lambda m, g, b: b[0] * m + g),
        "Your m is a sum, as SGD's buffer. Adam's is an average: the new gradient counts 1 − β₁.",
    ),
    Known(
        _wrong(m=lambda m, g, b: b[0] * m + g, v=lambda v, g, m, b: b[1] * v + g**2),
        "Both are sums, as in Momentum. In an average the new part is weighted with what the old one gives "
        "up: 1 − β.",
    ),
    Known(
        _wrong(v=lambda v, g, m, b: b[1] * v + g**2),
        "Your v is a sum that fades. It is an average: the new square counts 1 − β₂.",
    ),
    Known(
        _wrong(m=lambda m, g, b: (1 - b[0]) * m + b[0] * g),
        "β₁ is the share that m keeps of itself. You give it to the new gradient.",
    ),
    Known(
        _wrong(v=lambda v, g, m, b: (1 - b[1]) * v + b[1] * g**2),
        "β₂ is the share that v keeps of itself. You give it to the new square.",
    ),
    Known(
        lambda p, g, m, v, t, lr, betas, eps: step(p, g, m, v, t, lr, (betas[1], betas[0]), eps),
        "The betas are swapped: betas[0] is the memory of m, betas[1] that of v.",
    ),
    Known(
        lambda p, g, m, v, t, lr, betas, eps: step(p, g, m, v, t, lr, (betas[0], betas[0]), eps),
        "Both averages use betas[0]. The memory of v is betas[1].",
    ),
    Known(
        _wrong(v=lambda v, g, m, b: b[1] * v + (1 - b[1]) * (g**2).mean()),
        "You average g² over the entries, so that all share one v. Each entry has a v of its own.",
    ),
    Known(
        _wrong(v=lambda v, g, m, b: b[1] * v + (1 - b[1]) * (g**2).sum()),
        "You take the norm of the whole gradient, so that all entries share one v. Each has a v of its own.",
    ),
    Known(
        _wrong(v=lambda v, g, m, b: v + g**2),
        "Your v is Adagrad's sum, which forgets nothing. Adam's is an average that forgets.",
    ),
    Known(
        _wrong(m=lambda m, g, b: g),
        "Your m is the last gradient alone. Keep β₁ of the old m.",
    ),
    Known(
        lambda p, g, m, v, t, lr, betas, eps: (
            _move(p, g, m, v, _hats(m, v, betas, t), lr, eps),
            _m(m, g, betas),
            _v(v, g, m, betas),
        ),
        "You step by the old averages, which are 0 at first. First take the new gradient in, then step.",
    ),
)

_RETURN = "Return the new p, m and v."

LAST_LINE = Exercise(
    name="07-last-line",
    asks=f"Write the last line of Adam's step, with what the lines above it have made. {_RETURN}",
    answer=step,
    problem=_problem,
    play=_play,
    each=EACH_STEP,
    rule=_rule,
    right="The corrected average, divided by its corrected size. m and v are handed on as they are.",
    known=(
        *_LAST_LINE,
        _moving(
            lambda p, g, m, v, hats, lr, eps: p - lr * m / (v.sqrt() + eps),
            "You step with the raw averages, which begin too small. Take m̂ and v̂ in their places.",
        ),
    ),
    hints=(
        "Which way, and how far: m̂ says which way, √v̂ + ε how large it usually is.",
        "The new p is p − lr · m̂ / (√v̂ + ε). Hand on m and v, without their hats.",
        "return p - lr * m_hat / (v_hat.sqrt() + eps), m, v",
    ),
    lesson="07-adam",
)

CORRECTION = Exercise(
    name="07-correction",
    asks=f"Write the two corrections of Adam and its step; m and v are new already. {_RETURN}",
    answer=step,
    problem=_problem,
    play=_play,
    each=EACH_STEP,
    rule=_rule,
    right="After t steps an average that began at 0 has 1 − βᵗ of what it should have.",
    known=(*_CORRECTIONS, *_LAST_LINE),
    hints=(
        "At the first step m is (1 − β₁) g. What must it be divided by to be g?",
        "m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ); t is 1 at the first step.",
        "m_hat, v_hat = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t), and then the last line.",
    ),
    lesson="07-adam",
)

ADAM = Exercise(
    name="07-adam",
    asks=(
        "Write step(p, g, m, v, t, lr, betas, eps): step number t of Adam from p, where the gradient is g, "
        f"and m and v are the averages before it. {_RETURN}"
    ),
    answer=step,
    problem=_problem,
    play=_play,
    each=EACH_STEP,
    rule=_rule,
    right="Two averages, two corrections, one step.",
    known=(*_AVERAGES, *_CORRECTIONS, *_LAST_LINE),
    hints=(
        "Five lines: the new m, the new v, m̂, v̂, and the step.",
        "m ← β₁ m + (1 − β₁) g and v ← β₂ v + (1 − β₂) g². The rest you have written before.",
        "m = betas[0] * m + (1 - betas[0]) * g, and v = betas[1] * v + (1 - betas[1]) * g**2",
    ),
    lesson="07-adam",
)

EXERCISES = (LAST_LINE, CORRECTION, ADAM)

QUESTIONS = (
    Question(
        "07-first-step",
        "07-adam",
        "Adam's rate is 0.01, and the first gradient of a weight is 1,000. How long is its first step?",
        ("0.01", "10", "0.0316"),
        0,
        "Corrected, the averages are g and g² at the first step, and g/√g² is 1: the step is the rate.",
    ),
    Question(
        "07-uncorrected",
        "07-adam",
        "Adam without its bias correction, at its defaults: how long is the first step?",
        ("a tenth of the rate", "the rate", "about three times the rate"),
        2,
        "m has a tenth of the gradient, √v only a thirtieth of its size: both are too small, and v more so.",
    ),
    Question(
        "07-which-sum",
        "07-adam",
        "s = s + g², and then p = p − η g / (√s + ε). Which rule is this?",
        ("Momentum", "Adagrad", "RMSProp"),
        1,
        "A sum of squares that forgets nothing is Adagrad's. RMSProp has an average in its place.",
    ),
    Question(
        "07-beta-zero",
        "07-adam",
        "Adam with β₁ = 0 and without the correction: which method is that?",
        ("Momentum", "RMSProp", "Adagrad"),
        1,
        "Without a memory m is the gradient itself, and the root of its recent average square divides it.",
    ),
    Question(
        "07-large-eps",
        "07-adam",
        "ε is far larger than every √v̂. What is left of Adam?",
        ("SGD with momentum, at the rate η/ε", "RMSProp", "steps that are all as long as the rate"),
        0,
        "√v̂ + ε is ε everywhere, so that all weights share one rate again.",
    ),
    Question(
        "07-longest",
        "07-adam",
        "Is a step of Adam ever longer than its rate?",
        ("no, never", "yes, when gradients come after a long silence", "yes, when the gradient is large"),
        1,
        "In a silence v forgets. What comes then enters m sooner than √v, whatever its size.",
    ),
    Question(
        "07-schedule",
        "07-adam",
        "Does a rate that falls to 0 help Adam?",
        (
            "no, it lowers its own rates",
            "yes: with noisy gradients its steps do not become short by themselves",
            "only if β₁ is 0",
        ),
        1,
        "Adam divides by the size of the gradient, noise included. As long as there is noise, its steps "
        "are nearly as long as at the beginning.",
    ),
)

EXPLANATION = Explanation(
    "07-explain",
    "07-adam",
    asks="A friend says: “Use Adam, it finds its own rate. Leave 0.001, and you need no schedule.” What is "
    "true of it?",
    good=(
        "It finds the scale of each gradient: a loss ten times as large changes nothing, and the rate says "
        "about how far a weight moves in a step. How far that should be it does not know. On our digits "
        "0.001 was far too small for the steps that there were, ten times the best rate was too large, and "
        "a rate that fell to 0 ended lower than a constant one. So it is a good place to start, and the "
        "number still has to be found."
    ),
)
