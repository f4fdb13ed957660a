"""Lesson 09: Lion's step, and the honest gain in a table of two methods."""

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

# --- Lion -------------------------------------------------------------------------------------------------


def step(
    p: Tensor, g: Tensor, m: Tensor, lr: float, betas: tuple[float, float], decay: float
) -> tuple[Tensor, Tensor]:
    c = betas[0] * m + (1 - betas[0]) * g
    p = p - lr * (c.sign() + decay * p)
    m = betas[1] * m + (1 - betas[1]) * g
    return p, m


def _problem(generator: torch.Generator) -> dict[str, Any]:
    return step_problem(generator) | {
        "lr": uniform(generator, 0.05, 0.5),
        "betas": (uniform(generator, 0.5, 0.7), uniform(generator, 0.85, 0.95)),
        "decay": uniform(generator, 0.1, 0.6),
    }


def _rule(answer: Callable[..., Any]) -> Rule:
    """A step at rate 1 from 0 is the direction, backwards."""

    def yours(
        grad: Tensor, state: State, number: int, *, momentum: float = 0.9, beta2: float = 0.99
    ) -> tuple[Tensor, State]:
        new, m = answer(torch.zeros_like(grad), grad, state["m"], 1.0, (momentum, beta2), 0.0)
        return -new, {"m": m}

    return yours


def _blend(m: Tensor, g: Tensor, share: float) -> Tensor:
    return share * m + (1 - share) * g


def _wrong(
    c: Callable[[Tensor, Tensor, Betas], Tensor] = lambda m, g, b: _blend(m, g, b[0]),
    keep: Callable[[Tensor, Tensor, Betas], Tensor] = lambda m, g, b: _blend(m, g, b[1]),
    move: Callable[..., Tensor] = lambda p, c, lr, decay: p - lr * (c.sign() + decay * p),
) -> Callable[..., Any]:
    """A step with one of its parts in another way."""

    def wrong(p: Tensor, g: Tensor, m: Tensor, lr: float, betas: Betas, decay: float) -> Any:
        return move(p, c(m, g, betas), lr, decay), keep(m, g, betas)

    return wrong


def _moving(move: Callable[..., Tensor], says: str) -> Known:
    return Known(_wrong(move=move), says)


LION = Exercise(
    name="09-lion",
    asks=(
        "Write step(p, g, m, lr, betas, decay): a step of Lion from p, where the gradient is g, and m is the "
        "average before it. Return the new p and m."
    ),
    answer=step,
    problem=_problem,
    play=partial(play_steps, state=["m"], settings=["lr", "betas", "decay"]),
    each=EACH_STEP,
    rule=_rule,
    right="One blend for the sign, another for the memory, and the decay beside them.",
    known=(
        Known(
            _wrong(c=lambda m, g, b: g),
            "You take the sign of the gradient alone. Lion takes it of the blend β₁ m + (1 − β₁) g.",
        ),
        Known(
            _wrong(c=lambda m, g, b: m),
            "You take the sign of the old average: the new gradient has no say in this step. Blend it in.",
        ),
        Known(
            _wrong(c=lambda m, g, b: _blend(_blend(m, g, b[1]), g, b[0])),
            "You make m new before the blend, so that the gradient is counted twice. The blend takes the "
            "old m.",
        ),
        Known(
            _wrong(c=lambda m, g, b: _blend(m, g, b[1])),
            "Your blend for the sign uses betas[1], the memory's. For the sign it is betas[0].",
        ),
        Known(
            _wrong(c=lambda m, g, b: _blend(m, g, b[1]), keep=lambda m, g, b: _blend(m, g, b[0])),
            "The betas are swapped: betas[0] is for the blend whose sign is taken, betas[1] for what is "
            "kept.",
        ),
        Known(
            _wrong(keep=lambda m, g, b: _blend(m, g, b[0])),
            "You keep the blend c as the new m. What is kept is another average, with betas[1].",
        ),
        Known(
            _wrong(c=lambda m, g, b: _blend(m, g, 1 - b[0])),
            "β₁ is the share of m in the blend. You give it to the gradient.",
        ),
        Known(
            _wrong(keep=lambda m, g, b: _blend(m, g, 1 - b[1])),
            "β₂ is the share that m keeps of itself. You give it to the gradient.",
        ),
        Known(
            _wrong(keep=lambda m, g, b: b[1] * m + g),
            "Your m is a sum, as SGD's buffer. It is an average: the gradient counts 1 − β₂.",
        ),
        Known(
            _wrong(keep=lambda m, g, b: _blend(m, g, b[1]).sign()),
            "You keep a sign. The sign is for the step: m remembers sizes, too.",
        ),
        Known(
            _wrong(keep=lambda m, g, b: _blend(m, g.sign(), b[1])),
            "You average signs of gradients. m averages the gradients, and the sign comes last.",
        ),
        Known(
            _wrong(keep=lambda m, g, b: m),
            "You return the old m: nothing is remembered. The new one is β₂ m + (1 − β₂) g.",
        ),
        Known(
            lambda p, g, m, lr, betas, decay: _wrong()(p, g + decay * p, m, lr, betas, 0.0),
            "You add decay · p to the gradient. Inside the sign, and in m, it cannot shrink a weight by "
            "a share of itself. It belongs beside the sign.",
        ),
        Known(
            lambda p, g, m, lr, betas, decay: (
                p - lr * (_blend(m, g, betas[0]) + decay * p).sign(),
                _blend(m, g, betas[1]),
            ),
            "Your decay stands inside the sign. Outside it shrinks the weight by lr · decay of itself: "
            "sign(c) + decay · p.",
        ),
        _moving(
            lambda p, c, lr, decay: p - lr * c.sign(),
            "decay is not used. Beside the sign stands decay · p.",
        ),
        _moving(
            lambda p, c, lr, decay: p - lr * c.sign() - decay * p,
            "The rate must multiply the decay, too: lr · (sign(c) + decay · p).",
        ),
        _moving(
            lambda p, c, lr, decay: p - lr * (c.sign() - decay * p),
            "Your weights grow: the decay pulls to 0. It is sign(c) plus decay · p, and all of it is "
            "subtracted.",
        ),
        Known(
            _wrong(move=lambda p, c, lr, decay: (1 - lr * decay) * (p - lr * c.sign())),
            "Right. You shrink the weights after the step, Lion does it from the old place. The "
            "difference is lr² · decay.",
            passes=True,
        ),
        _moving(
            lambda p, c, lr, decay: p - lr * (c + decay * p),
            "There is no sign: this is an averaged SGD. Take c.sign().",
        ),
        _moving(
            lambda p, c, lr, decay: p + lr * (c.sign() - decay * p),
            "This goes uphill: the sign points along the gradient. Downhill is minus.",
        ),
        _moving(
            lambda p, c, lr, decay: p - (c.sign() + decay * p),
            "The rate is missing: the sign is 1 long, and lr makes a step of it.",
        ),
        _moving(
            lambda p, c, lr, decay: p - lr * (c / c.norm() + decay * p),
            "You divide c by its norm, so that the whole tensor moves by one rate. Lion moves each entry "
            "by one: c.sign().",
        ),
        _moving(
            lambda p, c, lr, decay: lr * (c.sign() + decay * p),
            "This is the step alone. The new place is p minus the step.",
        ),
        Known(
            lambda p, g, m, lr, betas, decay: tuple(reversed(step(p, g, m, lr, betas, decay))),
            "You return m before p. Return p, m.",
        ),
    ),
    hints=(
        "Two blends of m and g. Of one the sign is taken, the other is kept.",
        "c = β₁ m + (1 − β₁) g; p − lr · (sign(c) + decay · p); and m ← β₂ m + (1 − β₂) g, from the old m.",
        "c = betas[0] * m + (1 - betas[0]) * g, and then p = p - lr * (c.sign() + decay * p)",
    ),
    lesson="09-after-adam",
)

# --- the honest gain --------------------------------------------------------------------------------------


def gain(old: Tensor, new: Tensor, choosers: int) -> Tensor:
    at_old, at_new = (losses[:, :choosers].mean(1).argmin() for losses in (old, new))
    return old[at_old, choosers:].mean() - new[at_new, choosers:].mean()


def _gain_problem(generator: torch.Generator) -> dict[str, Any]:
    """Losses with a best rate for each method, and seeds so unlike that each way to choose takes another."""
    rates, seeds = 6, 7
    x = torch.arange(rates, dtype=torch.float64)
    tables = []
    for centre in (uniform(generator, 3.0, 4.4), uniform(generator, 0.8, 2.2)):
        noise = torch.rand(rates, seeds, generator=generator, dtype=torch.float64)
        tables.append(0.3 + 0.05 * (x[:, None] - centre) ** 2 + noise)
    return {"old": tables[0], "new": tables[1], "choosers": 3}


def _by(
    choose: Callable[[Tensor, int], Tensor], judge: Callable[[Tensor, int], Tensor]
) -> Callable[[Tensor, Tensor, int], Tensor]:
    """A gain where each method's rate is chosen in some way, and the row of losses judged in some way."""
    return lambda old, new, n: judge(old[choose(old, n)], n) - judge(new[choose(new, n)], n)


def _best(losses: Tensor, choosers: int) -> Tensor:
    return losses[:, :choosers].mean(1).argmin()


def _rest(row: Tensor, choosers: int) -> Tensor:
    return row[choosers:].mean()


def _untuned(old: Tensor, new: Tensor, at: Tensor | int, choosers: int) -> Tensor:
    return _rest(old[at], choosers) - _rest(new[_best(new, choosers)], choosers)


TABLE = Exercise(
    name="09-table",
    asks=(
        "Write gain(old, new, choosers): by how much the new method's loss is lower. old and new are "
        "tensors of losses (rate, seed). For each method the first choosers of the seeds choose the "
        "rate, by their mean loss; the others judge it, by theirs."
    ),
    answer=gain,
    problem=_gain_problem,
    play=lambda answer, problem: {"gain": answer(problem["old"], problem["new"], problem["choosers"])},
    right="Each at its own best rate, judged by seeds that had no part in the choice.",
    known=(
        Known(
            _by(_best, lambda row, n: row.mean()),
            "All seeds judge, also those that chose. They were lucky at this rate, or they would not "
            "have chosen it. Judge by the others alone.",
        ),
        Known(
            _by(_best, lambda row, n: row[:n].mean()),
            "The seeds that chose also judge. They were lucky at this rate. Judge by the others.",
        ),
        Known(
            _by(lambda losses, n: losses.mean(1).argmin(), _rest),
            "All seeds choose, also those that judge. Choose by the first ones alone.",
        ),
        Known(
            _by(lambda losses, n: losses[:, n:].mean(1).argmin(), _rest),
            "The seeds that judge also choose. Choose by the first ones.",
        ),
        Known(
            _by(lambda losses, n: losses.mean(1).argmin(), lambda row, n: row.mean()),
            "All seeds choose and all judge. Choose by the first ones, and judge by the others.",
        ),
        Known(
            lambda old, new, n: _untuned(old, new, 0, n),
            "The old method runs at its first rate, the new one at its best. Give both their best.",
        ),
        Known(
            lambda old, new, n: _untuned(old, new, _best(new, n), n),
            "The old method runs at the new one's best rate. Each has a best rate of its own.",
        ),
        Known(
            lambda old, new, n: _rest(old[_best(old, n)], n) - _rest(new[_best(old, n)], n),
            "The new method runs at the old one's best rate. Each has a best rate of its own.",
        ),
        Known(
            lambda old, new, n: (old[:, n:].mean(1) - new[:, n:].mean(1)).max(),
            "You take the rate at which the gain is largest: that is what a bad paper does. Each method "
            "has the rate at which its own loss is lowest.",
        ),
        Known(
            lambda old, new, n: old[:, n:].mean() - new[:, n:].mean(),
            "You average over all rates, also over the hopeless ones. Choose one for each method.",
        ),
        Known(
            lambda old, new, n: gain(new, old, n),
            "The sign is the wrong way: a lower loss of the new method is a positive gain. old minus new.",
        ),
        Known(
            lambda old, new, n: gain(old, new, n) / _rest(old[_best(old, n)], n),
            "You return the gain as a share of the old loss. What is asked for is the difference.",
        ),
        Known(
            _by(lambda losses, n: losses[:, :n].mean(1).argmax(), _rest),
            "You chose the rate with the highest loss: argmin, not argmax.",
        ),
        Known(
            _by(lambda losses, n: losses[:, :n].amin(1).argmin(), _rest),
            "You choose by the luckiest seed. Choose by the mean of those that choose.",
        ),
        Known(
            _by(lambda losses, n: losses[:, 0].argmin(), _rest),
            "Only the first seed chooses. Take the mean of the first choosers of them.",
        ),
        Known(
            _by(_best, lambda row, n: row[n:].min()),
            "You report the luckiest of the seeds that judge. Report their mean.",
        ),
        Known(
            _by(_best, lambda row, n: row[n:].median()),
            "You judge by the median. That can be done as well; here the mean is asked for.",
        ),
        Known(
            lambda old, new, n: _rest(old[_best(old, n)], n),
            "This is the old method's loss. The gain is that minus the new one's.",
        ),
        Known(
            lambda old, new, n: _rest(new[_best(new, n)], n),
            "This is the new method's loss. The gain is the old one's minus that.",
        ),
    ),
    hints=(
        "The same is done with both tables: choose a rate, then judge it by the other seeds. Subtract.",
        "losses[:, :choosers].mean(1) has a number for each rate; argmin() is the place of the lowest.",
        "best = losses[:, :choosers].mean(1).argmin(), and then losses[best, choosers:].mean()",
    ),
    lesson="09-after-adam",
)

EXERCISES = (LION, TABLE)

QUESTIONS = (
    Question(
        "09-radam-start",
        "09-after-adam",
        "RAdam in PyTorch, and the first gradients are very large. What are its first five steps?",
        ("Momentum's, and as large as the gradients", "Adam's, made shorter", "none: it waits"),
        0,
        "Before it divides it steps by the average gradient. With large gradients that is a large step.",
    ),
    Question(
        "09-half-memory",
        "09-after-adam",
        "Which method keeps half as many numbers for each weight as Adam?",
        ("RAdam", "Ranger", "Lion"),
        2,
        "Lion keeps an average of the gradients and no sizes. RAdam keeps both, Ranger a third number "
        "besides.",
    ),
    Question(
        "09-lion-rate",
        "09-after-adam",
        "You go from Adam to Lion. Where do you look for the rate?",
        ("at smaller ones", "at the same ones", "at larger ones"),
        0,
        "Each of Lion's steps is one rate long in every weight. Adam's are shorter where gradients are "
        "noisy.",
    ),
    Question(
        "09-block",
        "09-after-adam",
        "One rate for each block of weights. When does that help most?",
        (
            "if every block has small and large curvatures in it",
            "if the blocks differ and each is even within",
            "always, in proportion to the number of blocks",
        ),
        1,
        "A block's rate is held back by its own largest curvature, and its own smallest one has to live "
        "with it.",
    ),
    Question(
        "09-muon-balance",
        "09-after-adam",
        "What does a step of Muon move equally far?",
        ("every weight", "every direction of a matrix", "every layer, measured by its weights"),
        1,
        "It makes the singular values of a step about equal. Every weight equally far is Lion.",
    ),
)

EXPLANATION = Explanation(
    "09-explain",
    "09-after-adam",
    asks="Your colleague wants to switch to X because it won in a paper. What do you ask?",
    good=(
        "What was X made for, and do we have that case? Was the method that it beat tuned with the same "
        "care: as many rates, the same schedule, the same steps? Did other seeds judge than those that "
        "chose? Does the lead hold from every seed, and at half and twice the budget? What does X cost "
        "in memory and in time? Then I try both on our task, each at its own best rate. In this lesson "
        "the same method beat itself, until both had been tuned."
    ),
)
