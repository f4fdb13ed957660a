"""Lesson 06: the steps of RMSProp and of AdaDelta."""

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

# --- RMSProp ----------------------------------------------------------------------------------------------


def rmsprop_step(
    p: Tensor, g: Tensor, s: Tensor, lr: float, alpha: float, eps: float
) -> tuple[Tensor, Tensor]:
    s = alpha * s + (1 - alpha) * g**2
    return p - lr * g / (s.sqrt() + eps), s


def _rmsprop_problem(generator: torch.Generator) -> dict[str, Any]:
    return step_problem(generator) | {
        "lr": uniform(generator, 0.01, 1.01),
        "alpha": uniform(generator, 0.6, 0.95),
        "eps": uniform(generator, 0.02, 0.12),
    }


def _rmsprop_rule(answer: Callable[..., Any]) -> Rule:
    """A step at rate 1 is the direction, backwards."""

    def yours(
        grad: Tensor, state: State, number: int, *, param: Tensor, alpha: float = 0.99, eps: float = 1e-8
    ) -> tuple[Tensor, State]:
        new, s = answer(param, grad, state["s"], 1.0, alpha, eps)
        return param - new, {"s": s}

    return yours


def _averaged(s: Tensor, g: Tensor, alpha: float) -> Tensor:
    return alpha * s + (1 - alpha) * g**2


def _placed(p: Tensor, g: Tensor, s: Tensor, lr: float, eps: float) -> Tensor:
    return p - lr * g / (s.sqrt() + eps)


def _averaging(
    remember: Callable[[Tensor, Tensor, float], Tensor] = _averaged,
    move: Callable[[Tensor, Tensor, Tensor, float, float], Tensor] = _placed,
) -> Callable[..., Any]:
    """A wrong step from its two lines: the new average and the new place."""

    def wrong(p: Tensor, g: Tensor, s: Tensor, lr: float, alpha: float, eps: float) -> tuple[Tensor, Tensor]:
        s = remember(s, g, alpha)
        return move(p, g, s, lr, eps), s

    return wrong


RMSPROP = Exercise(
    name="06-rmsprop",
    asks=(
        "Write rmsprop_step(p, g, s, lr, alpha, eps): one step of RMSProp from p, where the gradient is g "
        "and s is the moving average of the squared gradients before it. Return the new p and the new s."
    ),
    answer=rmsprop_step,
    problem=_rmsprop_problem,
    play=partial(play_steps, state=["s"], settings=["lr", "alpha", "eps"]),
    each=EACH_STEP,
    rule=_rmsprop_rule,
    right="The average keeps the share α of the old, and the present gradient is in it before you divide.",
    known=(
        Known(
            _averaging(move=lambda p, g, s, lr, eps: p - lr * g / (s + eps).sqrt()),
            "Your ε stands inside the root, as in Keras and optax. In torch and in this course it is "
            "outside: root first, then plus ε.",
        ),
        Known(
            _averaging(lambda s, g, alpha: (1 - alpha) * s + alpha * g**2),
            "The two weights are exchanged: α is the share that is kept, 1 − α the share of the new square.",
        ),
        Known(
            _averaging(lambda s, g, alpha: s + g**2),
            "You add up and forget nothing: this is Adagrad (lesson 5). Here s is an average: weigh the old "
            "s with α and g² with 1 − α.",
        ),
        Known(
            _averaging(lambda s, g, alpha: alpha * s + g**2),
            "The old s is weighed and the new square is not, so that s becomes 1/(1 − α) times too large. "
            "Weigh g² with 1 − α.",
        ),
        Known(
            _averaging(lambda s, g, alpha: s + (1 - alpha) * g**2),
            "The new square is weighed, but the old s is kept whole, so that nothing is forgotten. Weigh it "
            "with α.",
        ),
        Known(
            _averaging(lambda s, g, alpha: (1 - alpha) * g**2),
            "You have left the old s out: α · s belongs to the new one.",
        ),
        Known(
            _averaging(lambda s, g, alpha: alpha * s + (1 - alpha) * g),
            "You average the gradients without squaring them, so that opposite ones cancel, and a root of a "
            "negative number is no number.",
        ),
        Known(
            _averaging(lambda s, g, alpha: alpha * s + (1 - alpha) * g.abs()),
            "You average sizes. RMSProp averages squares and takes the root: the root of the mean square is "
            "in its name.",
        ),
        Known(
            _averaging(lambda s, g, alpha: _averaged(s, g, 0.9)),
            "You typed 0.9 where alpha stands. It is given: use it.",
        ),
        Known(
            _averaging(lambda s, g, alpha: _averaged(s, g, 0.99)),
            "You typed 0.99 where alpha stands. It is given: use it.",
        ),
        Known(
            _averaging(lambda s, g, alpha: alpha * s + (1 - alpha) * (g**2).mean()),
            "You average g² over the entries as well, so that all share one s. Each entry has an average of "
            "its own.",
        ),
        Known(
            _averaging(lambda s, g, alpha: alpha * s + (1 - alpha) * (g**2).sum()),
            "You take the norm of the whole gradient, so that all entries share one s. Square each entry by "
            "itself.",
        ),
        Known(
            lambda p, g, s, lr, alpha, eps: (_placed(p, g, s, lr, eps), _averaged(s, g, alpha)),
            "You divide by the old average, which is 0 at the first step. First make the new s, then divide.",
        ),
        Known(
            lambda p, g, s, lr, alpha, eps: (_placed(p, g, _averaged(s, g, alpha), lr, eps), s),
            "The place is right. But you return the old s, so that nothing is remembered.",
        ),
        Known(
            _averaging(move=lambda p, g, s, lr, eps: p - lr * g / (s + eps)),
            "You divide by s itself. Its root is a length in the gradient's own unit: divide by that.",
        ),
        Known(
            _averaging(move=lambda p, g, s, lr, eps: p - lr * g * (s.sqrt() + eps)),
            "You multiply by the root. Where gradients are large the rate must be small: divide.",
        ),
        Known(
            _averaging(move=lambda p, g, s, lr, eps: p + lr * g / (s.sqrt() + eps)),
            "This goes uphill: the step is along the gradient. Downhill is minus.",
        ),
        Known(
            _averaging(move=lambda p, g, s, lr, eps: p - lr / (s.sqrt() + eps)),
            "You have the rate of each entry, and no gradient: every step goes down, whatever the slope.",
        ),
        Known(
            _averaging(move=lambda p, g, s, lr, eps: p - g / (s.sqrt() + eps)),
            "The rate is missing: multiply the step by lr.",
        ),
        Known(
            _averaging(move=lambda p, g, s, lr, eps: p - lr * g / s.sqrt()),
            "ε is missing. An entry that has had no gradient yet would be 0/0.",
        ),
        Known(
            _averaging(move=lambda p, g, s, lr, eps: lr * g / (s.sqrt() + eps)),
            "This is the step alone. The new place is p minus the step.",
        ),
        Known(
            _averaging(move=lambda p, g, s, lr, eps: p - lr * g),
            "This is SGD's step: s is kept and not used.",
        ),
        Known(
            lambda p, g, s, lr, alpha, eps: rmsprop_step(p, g, s, lr, alpha, eps)[::-1],
            "You return s first. Return the new p, then the new s.",
        ),
    ),
    hints=(
        "Two lines: first the new average of the squares, then the step with it.",
        "The new s is alpha times the old one plus (1 − alpha) times g². Divide by its root, plus eps.",
        "s = alpha * s + (1 - alpha) * g**2, and then return p - lr * g / (s.sqrt() + eps), s",
    ),
    lesson="06-rmsprop-adadelta",
)

# --- AdaDelta ---------------------------------------------------------------------------------------------


def adadelta_step(
    p: Tensor, g: Tensor, s: Tensor, u: Tensor, rho: float, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    s = rho * s + (1 - rho) * g**2
    d = (u + eps).sqrt() / (s + eps).sqrt() * g
    u = rho * u + (1 - rho) * d**2
    return p - d, s, u


def _adadelta_problem(generator: torch.Generator) -> dict[str, Any]:
    return step_problem(generator) | {
        "rho": uniform(generator, 0.6, 0.88),
        "eps": uniform(generator, 0.02, 0.12),
    }


def _adadelta_rule(answer: Callable[..., Any]) -> Rule:
    def yours(
        grad: Tensor, state: State, number: int, *, param: Tensor, rho: float = 0.9, eps: float = 1e-6
    ) -> tuple[Tensor, State]:
        new, s, u = answer(param, grad, state["s"], state["u"], rho, eps)
        return param - new, {"s": s, "u": u}

    return yours


def _kept(old: Tensor, new: Tensor, rho: float) -> Tensor:
    return rho * old + (1 - rho) * new**2


def _direction(g: Tensor, s: Tensor, u: Tensor, eps: float) -> Tensor:
    return (u + eps).sqrt() / (s + eps).sqrt() * g


def _moving(
    squares: Callable[[Tensor, Tensor, float], Tensor] = _kept,
    direction: Callable[[Tensor, Tensor, Tensor, float], Tensor] = _direction,
    steps: Callable[[Tensor, Tensor, float], Tensor] = _kept,
    place: Callable[[Tensor, Tensor], Tensor] = torch.sub,
) -> Callable[..., Any]:
    """A wrong step from its four lines: the average of g², the step, the average of its square, the place."""

    def wrong(
        p: Tensor, g: Tensor, s: Tensor, u: Tensor, rho: float, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        s = squares(s, g, rho)
        d = direction(g, s, u, eps)
        return place(p, d), s, steps(u, d, rho)

    return wrong


def _swapped(old: Tensor, new: Tensor, rho: float) -> Tensor:
    return (1 - rho) * old + rho * new**2


def _summed(old: Tensor, new: Tensor, rho: float) -> Tensor:
    return old + new**2


def _by_the_old_s(
    p: Tensor, g: Tensor, s: Tensor, u: Tensor, rho: float, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    d = _direction(g, s, u, eps)
    return p - d, _kept(s, g, rho), _kept(u, d, rho)


def _by_the_new_u(
    p: Tensor, g: Tensor, s: Tensor, u: Tensor, rho: float, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    s = _kept(s, g, rho)
    u = _kept(u, _direction(g, s, u, eps), rho)
    return p - _direction(g, s, u, eps), s, u


def _u_of_gradients(
    p: Tensor, g: Tensor, s: Tensor, u: Tensor, rho: float, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    s = _kept(s, g, rho)
    return p - _direction(g, s, u, eps), s, _kept(u, g, rho)


def _returning(*kept: int) -> Callable[..., Any]:
    """The right step, of which these come back: 0 to 2 are new p, s, u, and 4 and 5 the old s and u."""

    def wrong(p: Tensor, g: Tensor, s: Tensor, u: Tensor, rho: float, eps: float) -> tuple[Tensor, ...]:
        values = [*adadelta_step(p, g, s, u, rho, eps), p, s, u]
        return tuple(values[i] for i in kept)

    return wrong


ADADELTA = Exercise(
    name="06-adadelta",
    asks=(
        "Write adadelta_step(p, g, s, u, rho, eps): one step of AdaDelta from p, where the gradient is g, s "
        "the moving average of the squared gradients before it, and u that of the squared steps. Return the "
        "new p, s and u."
    ),
    answer=adadelta_step,
    problem=_adadelta_problem,
    play=partial(play_steps, state=["s", "u"], settings=["rho", "eps"]),
    each=EACH_STEP,
    rule=_adadelta_rule,
    right="The step uses the new s and the old u, because u cannot know a step that has not been taken yet.",
    known=(
        Known(
            _moving(direction=lambda g, s, u, eps: (u.sqrt() + eps) / (s.sqrt() + eps) * g),
            "Your ε stands outside the roots, as in RMSProp. AdaDelta has it inside both.",
        ),
        Known(
            _moving(direction=lambda g, s, u, eps: (u + eps).sqrt() / (s.sqrt() + eps) * g),
            "Your lower ε stands outside its root, as in RMSProp. AdaDelta has ε inside both.",
        ),
        Known(
            _moving(direction=lambda g, s, u, eps: u.sqrt() / (s + eps).sqrt() * g),
            "Without ε above, the first step is 0, u stays 0, and it never sets out. Put ε into both roots.",
        ),
        Known(
            _moving(direction=lambda g, s, u, eps: (u + eps) / (s + eps) * g),
            "Both roots are missing. They make lengths of the mean squares.",
        ),
        Known(
            _moving(direction=lambda g, s, u, eps: (u + eps).sqrt() / (s + eps) * g),
            "The root below is missing: divide by the root of s + ε.",
        ),
        Known(
            _moving(direction=lambda g, s, u, eps: (s + eps).sqrt() / (u + eps).sqrt() * g),
            "The fraction is upside down: the steps stand above, the gradients below.",
        ),
        Known(
            _moving(direction=lambda g, s, u, eps: g / (s + eps).sqrt()),
            "You have left u out of the step: this is RMSProp with the rate 1. The root of u + ε is missing.",
        ),
        Known(
            _moving(direction=lambda g, s, u, eps: (u + eps).sqrt() / (s + eps).sqrt()),
            "The gradient is missing from the step, so that it always goes the same way, whatever the slope.",
        ),
        Known(
            _moving(squares=_swapped, steps=_swapped),
            "The weights are exchanged in both averages: ρ is the share that is kept.",
        ),
        Known(
            _moving(squares=_swapped),
            "The weights of s are exchanged: ρ is the share that is kept, 1 − ρ the share of g².",
        ),
        Known(
            _moving(steps=_swapped),
            "The weights of u are exchanged: ρ is the share that is kept, 1 − ρ the share of the new step.",
        ),
        Known(
            _moving(squares=_summed, steps=_summed),
            "You add up and forget nothing, as Adagrad does. Both are averages: weigh the old with ρ, the "
            "new with 1 − ρ.",
        ),
        Known(_moving(squares=_summed), "s is a sum, as Adagrad's. Make it an average, as u is."),
        Known(_moving(steps=_summed), "u is a sum. Make it an average, as s is."),
        Known(
            _moving(steps=lambda u, d, rho: rho * u + (1 - rho) * d),
            "You average the steps without squaring them, so that steps to and fro cancel.",
        ),
        Known(
            _moving(steps=lambda u, d, rho: rho * u + (1 - rho) * d.abs()),
            "You average the sizes of the steps. u is the average of their squares.",
        ),
        Known(
            _moving(squares=lambda s, g, rho: rho * s + (1 - rho) * (g**2).mean()),
            "You average g² over the entries as well, so that all share one s. Each entry has its own.",
        ),
        Known(
            _by_the_old_s,
            "Each step is the whole gradient, because the same number stands above and below. Divide by the "
            "new s, multiply by the old u, and put the step into u afterwards.",
        ),
        Known(
            _by_the_new_u,
            "You take the step twice: once to make the new u, and again with it. Step with the old u, and "
            "put this step into u afterwards.",
        ),
        Known(_u_of_gradients, "u averages g² here, as s does. It is to average the squares of the steps d."),
        Known(
            _returning(0, 4, 5),
            "The place is right. But you return the old s and the old u, so that nothing is remembered.",
        ),
        Known(_returning(0, 4, 2), "You return the old s, so that no gradient is remembered."),
        Known(
            _returning(0, 1, 5),
            "You return the old u, so that it stays 0, and every step is made with √ε alone.",
        ),
        Known(
            _moving(place=torch.add), "This goes uphill: the step is along the gradient. Downhill is minus."
        ),
        Known(_moving(place=lambda p, d: d), "This is the step alone. The new place is p minus the step."),
        Known(
            _moving(place=lambda p, d: p - 0.001 * d),
            "You multiply the step by 0.001, as Keras does. The paper and torch take the whole step.",
        ),
        Known(_returning(0, 2, 1), "You return u before s. The order is p, s, u."),
        Known(_returning(1, 2, 0), "You return p last. The order is p, s, u."),
    ),
    hints=(
        "Four lines: the new s, the step d with it and with the old u, the new u with d, the new place.",
        "d is g times the root of (u + eps) divided by the root of (s + eps), with the new s.",
        "After d: u = rho * u + (1 - rho) * d**2, and then return p - d, s, u",
    ),
    lesson="06-rmsprop-adadelta",
)

EXERCISES = (RMSPROP, ADADELTA)

QUESTIONS = (
    Question(
        "06-memory",
        "06-rmsprop-adadelta",
        "The size of the gradients wanders twice as fast as before. What has to be done to RMSProp's memory?",
        ("it should be about half as long", "nothing", "it should be about twice as long"),
        0,
        "A longer memory would still hold what is no longer true, a much shorter one trembles. The best "
        "memory is inverse to the speed.",
    ),
    Question(
        "06-first-step",
        "06-rmsprop-adadelta",
        "RMSProp with α = 0.99 and the rate η meets its first gradient. How long is its step?",
        ("η", "10 η", "η/10"),
        1,
        "At first s is g²/100, because the average began at 0 and nothing corrects it. Its root is |g|/10.",
    ),
    Question(
        "06-tracking",
        "06-rmsprop-adadelta",
        "A goal jumps now and then, and the gradients always have the same size. Who follows it best, each "
        "at its own best rate?",
        ("RMSProp, because it forgets", "Adagrad", "SGD is as good as RMSProp"),
        2,
        "SGD has nothing to forget. RMSProp adds the division by the size, and here the size never changes.",
    ),
    Question(
        "06-small-eps",
        "06-rmsprop-adadelta",
        "AdaDelta's ε is made a hundred times smaller. What happens to its first step?",
        ("nothing, ε only guards against 0/0", "it becomes 10 times shorter", "it becomes longer"),
        1,
        "The first step is √ε/√(1 − ρ), whatever the gradient: u is still 0, so only ε stands above.",
    ),
    Question(
        "06-large-eps",
        "06-rmsprop-adadelta",
        "AdaDelta's ε is made so large that it is all that counts in both roots. Which method is it then?",
        ("SGD with the rate 1", "Adagrad", "one that does not move"),
        0,
        "The two roots cancel, and the step is the gradient itself, times torch's lr = 1.",
    ),
)

EXPLANATION = Explanation(
    "06-explain",
    "06-rmsprop-adadelta",
    asks="A friend says: “AdaDelta is the best choice, because it has no learning rate that I would have to "
    "find.” What do you answer?",
    good=(
        "It has one, and it is called ε. At first nothing is known of earlier steps, so the first step is "
        "made of √ε alone, and the next ones grow from it. A small ε is a small rate: it creeps. A "
        "large one makes it SGD with the rate 1, which is a rate that nobody has chosen for this loss. "
        "The best ε differs from problem to problem by many powers of ten, and has to be found like any rate."
    ),
)
