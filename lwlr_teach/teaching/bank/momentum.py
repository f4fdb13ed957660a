"""Lesson 02: the heavy ball, with the rate outside the buffer, and its best settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lwlr_teach.core.arithmetic import State
from lwlr_teach.optim.update import Rule
from lwlr_teach.teaching.bank._steps import two_numbers
from lwlr_teach.teaching.items import Exercise, Explanation, Known, Question

# --- the walk ---------------------------------------------------------------------------------------------


def walk(p: Tensor, grads: Tensor, rates: Tensor, momentum: float) -> Tensor:
    buffer = torch.zeros_like(p)
    for g, lr in zip(grads, rates, strict=True):
        buffer = momentum * buffer + g
        p = p - lr * buffer
    return p


def _walk_problem(generator: torch.Generator) -> dict[str, Any]:
    shape = [(3,), (2, 4), (), (1, 1, 5)][int(torch.randint(4, (), generator=generator))]
    # The rate changes on the way: with a constant one it would not show whether it stands in the buffer.
    return {
        "p": torch.randn(shape, generator=generator, dtype=torch.float64),
        "grads": torch.randn(5, *shape, generator=generator, dtype=torch.float64),
        "rates": 0.01 + torch.rand(5, generator=generator, dtype=torch.float64),
        "momentum": 0.2 + 0.7 * torch.rand((), generator=generator, dtype=torch.float64).item(),
    }


def _play_walk(answer: Callable[..., Any], problem: dict[str, Any]) -> dict[str, Any]:
    """The walk after one, two, and all of its steps, so that a message can say where it goes wrong."""
    p, grads, rates, momentum = problem["p"], problem["grads"], problem["rates"], problem["momentum"]
    return {f"p after {n} step{'s' * (n > 1)}": answer(p, grads[:n], rates[:n], momentum) for n in (1, 2, 5)}


def _rule(answer: Callable[..., Any]) -> Rule:
    """Of a walk: the old buffer enters as a gradient that moves nothing, and then the new gradient leads from
    0 to the new buffer."""

    def yours(grad: Tensor, state: State, number: int, *, momentum: float = 0.9) -> tuple[Tensor, State]:
        grads, rates = torch.stack([state["buffer"], grad]), torch.tensor([0.0, -1.0], dtype=grad.dtype)
        buffer = answer(torch.zeros_like(grad), grads, rates, momentum)
        return buffer, {"buffer": buffer}

    return yours


def _remembering(
    remember: Callable[..., Any], move: Callable[..., Any], ends: Callable[..., Any] = lambda p, p0, b: p
) -> Callable[..., Any]:
    """A wrong walk from its two lines: the new buffer and the new place."""

    def wrong(p: Tensor, grads: Tensor, rates: Tensor, momentum: float) -> Tensor:
        p0, buffer = p, torch.zeros_like(p)
        for t, (g, lr) in enumerate(zip(grads, rates, strict=True), start=1):
            old = buffer
            buffer = remember(buffer, g, momentum, lr, t)
            p = move(p, buffer, g, momentum, lr, old, t)
        result: Tensor = ends(p, p0, buffer)
        return result

    return wrong


def _heavy(b: Tensor, g: Tensor, m: float, lr: Tensor, t: int) -> Tensor:
    return m * b + g


def _outside(p: Tensor, b: Tensor, g: Tensor, m: float, lr: Tensor, old: Tensor, t: int) -> Tensor:
    return p - lr * b


def _inside(p: Tensor, b: Tensor, g: Tensor, m: float, lr: Tensor, old: Tensor, t: int) -> Tensor:
    return p - b


def _only_first_rate(p: Tensor, grads: Tensor, rates: Tensor, momentum: float) -> Tensor:
    return walk(p, grads, rates[:1].expand(len(rates)), momentum)


def _starts_with_the_first_gradient(p: Tensor, grads: Tensor, rates: Tensor, momentum: float) -> Tensor:
    buffer = grads[0]
    for g, lr in zip(grads, rates, strict=True):
        buffer = momentum * buffer + g
        p = p - lr * buffer
    return p


WALK = Exercise(
    name="02-walk",
    asks=(
        "Write walk(p, grads, rates, momentum): the place after a step of the heavy ball for each gradient, "
        "each with its own rate, which stands outside the buffer. The buffer begins at zero."
    ),
    answer=walk,
    problem=_walk_problem,
    play=_play_walk,
    rule=_rule,
    right="The buffer remembers gradients; the rate of the moment multiplies the whole memory.",
    known=(
        Known(
            _remembering(lambda b, g, m, lr, t: m * b + lr * g, _inside),
            "Your rate stands inside the memory, as in Keras and in Sutskever's form, or you add β times the "
            "last step. At a constant rate that is the same walk. Here the rate changes, and old steps keep "
            "the old rate. Write torch's form: remember g alone, multiply by lr when you move.",
        ),
        Known(
            _remembering(lambda b, g, m, lr, t: m * b + (1 - m) * g, _outside),
            "Your buffer is an average: g enters with 1 − β. The heavy ball takes g whole, and becomes "
            "1/(1 − β) times as fast.",
        ),
        Known(
            _remembering(lambda b, g, m, lr, t: m * b + (1 if t == 1 else 1 - m) * g, _outside),
            "This is torch with dampening = β: the first gradient whole, the later ones with 1 − β. Write "
            "the heavy ball without dampening.",
        ),
        Known(
            _remembering(
                lambda b, g, m, lr, t: m * b + (1 - m) * g,
                lambda p, b, g, m, lr, old, t: p - lr * b / (1 - m**t),
            ),
            "You average and correct the bias, as Adam does (lesson 7). The heavy ball does neither.",
        ),
        Known(
            _remembering(lambda b, g, m, lr, t: (1 - m) * b + m * g, _outside),
            "The two weights are exchanged: β belongs to the memory. And the heavy ball takes g whole.",
        ),
        Known(
            _remembering(lambda b, g, m, lr, t: (1 - m) * b + g, _outside),
            "You keep 1 − β of the memory. The heavy ball keeps β of it.",
        ),
        Known(
            _remembering(_heavy, lambda p, b, g, m, lr, old, t: p - lr * (g + m * b)),
            "This is Nesterov's step, g + β · buffer: it looks ahead. The heavy ball moves by the buffer.",
        ),
        Known(
            _remembering(
                lambda b, g, m, lr, t: m * b + lr * g, lambda p, b, g, m, lr, old, t: p - lr * g - m * b
            ),
            "This is Nesterov's step, with the rate inside the memory. The heavy ball moves by the buffer.",
        ),
        Known(
            _remembering(_heavy, lambda p, b, g, m, lr, old, t: p - lr * g),
            "The memory is kept but not used, or begins anew in each step: this is plain SGD.",
        ),
        Known(
            _remembering(_heavy, lambda p, b, g, m, lr, old, t: p - lr * old),
            "You move before the buffer takes in the new gradient: each gradient comes one step late.",
        ),
        Known(
            _remembering(lambda b, g, m, lr, t: b + g, _outside),
            "Nothing is forgotten: the old buffer has to be multiplied by the momentum.",
        ),
        Known(
            _remembering(lambda b, g, m, lr, t: m * (b + g), _outside),
            "The new gradient is multiplied by the momentum as well. It enters whole.",
        ),
        Known(
            _remembering(lambda b, g, m, lr, t: b + m * g, _outside),
            "The momentum stands in the wrong place: it multiplies the old buffer, not the gradient.",
        ),
        Known(
            _starts_with_the_first_gradient,
            "Your buffer begins with the first gradient and takes it in once more. It begins at zero.",
        ),
        Known(
            _remembering(_heavy, lambda p, b, g, m, lr, old, t: p + lr * b),
            "This goes uphill. Downhill is minus.",
        ),
        Known(
            _remembering(lambda b, g, m, lr, t: m * b - lr * g, lambda p, b, g, m, lr, old, t: p - b),
            "Two minus signs make a plus: the velocity already points downhill, so it is added to p.",
        ),
        Known(
            _remembering(_heavy, lambda p, b, g, m, lr, old, t: p - b),
            "The rate is missing: the whole buffer is taken as the step.",
        ),
        Known(_only_first_rate, "You use the first rate in all steps. Each step has its own."),
        Known(
            _remembering(lambda b, g, m, lr, t: m * b + lr * g, _outside),
            "The rate is applied twice, inside the memory and outside. It belongs outside only.",
        ),
        Known(
            _remembering(_heavy, _outside, lambda p, p0, b: p - p0),
            "This is how far it went. Return the place: the start plus all the steps.",
        ),
        Known(_remembering(_heavy, _outside, lambda p, p0, b: b), "This is the buffer. Return the place."),
        Known(
            _remembering(_heavy, lambda p, b, g, m, lr, old, t: p - lr * g - m * b),
            "The rate has to multiply the memory too, and g is in the buffer already.",
        ),
    ),
    hints=(
        "Two lines in a loop: what the ball remembers, and where it goes. The memory begins at zero.",
        "Remember: buffer = momentum · buffer + g. The rate is not in it.",
        "for g, lr in zip(grads, rates): first the new buffer, then p = p − lr · buffer. Then return p.",
    ),
    lesson="02-momentum",
)

# --- the best settings ------------------------------------------------------------------------------------


def best(curvatures: Tensor) -> tuple[Tensor, Tensor]:
    low, high = curvatures.min().sqrt(), curvatures.max().sqrt()
    return (2 / (low + high)) ** 2, ((high - low) / (high + low)) ** 2


def _best_problem(generator: torch.Generator) -> dict[str, Any]:
    count = int(torch.randint(3, 7, (), generator=generator))
    return {"curvatures": 10 ** (3 * torch.rand(count, generator=generator, dtype=torch.float64) - 1)}


def _play_best(answer: Callable[..., Any], problem: dict[str, Any]) -> dict[str, Any]:
    return two_numbers(answer(problem["curvatures"]), "the rate", "the momentum")


def _pair(rate: Callable[..., Any], momentum: Callable[..., Any]) -> Callable[..., Any]:
    """An answer from the smallest and the largest curvature."""

    def answer(c: Tensor) -> Any:
        return rate(c.min(), c.max()), momentum(c.min(), c.max())

    return answer


def _right_rate(a: Tensor, b: Tensor) -> Tensor:
    return (2 / (a.sqrt() + b.sqrt())) ** 2


def _right_momentum(a: Tensor, b: Tensor) -> Tensor:
    return ((b.sqrt() - a.sqrt()) / (b.sqrt() + a.sqrt())) ** 2


def _of_two(c: Tensor, first: int, last: int) -> Any:
    return _right_rate(c[first], c[last]), _right_momentum(c[first], c[last])


BEST = Exercise(
    name="02-best",
    asks=(
        "Write best(curvatures): the rate and the momentum with which the heavy ball is fastest in a valley "
        "with these curvatures, in this order."
    ),
    answer=best,
    problem=_best_problem,
    play=_play_best,
    right="With these two numbers the distance shrinks by (√κ − 1)/(√κ + 1) in each step.",
    known=(
        Known(
            lambda c: (_right_momentum(c.min(), c.max()), _right_rate(c.min(), c.max())),
            "Both numbers are right, in the wrong order: the rate comes first.",
        ),
        Known(
            _pair(lambda a, b: 2 / (a + b), _right_momentum),
            "Your momentum is right. Your rate is the best one without momentum, 2/(λ₁ + λₙ).",
        ),
        Known(
            _pair(lambda a, b: 2 / (a + b), lambda a, b: 0 * a),
            "This is the best that can be done without momentum.",
        ),
        Known(
            _pair(lambda a, b: 2 / b, _right_momentum),
            "Your momentum is right. Your rate is the edge of plain SGD, 2/λ of the steepest direction.",
        ),
        Known(
            _pair(lambda a, b: (2 + 2 * _right_momentum(a, b)) / b, _right_momentum),
            "Your momentum is right. Your rate is the heavy ball's edge for it: any larger, and it explodes.",
        ),
        Known(
            _pair(lambda a, b: 1 / b, _right_momentum),
            "Your momentum is right. 1/λ of the steepest direction is too careful a rate for the heavy ball.",
        ),
        Known(
            _pair(lambda a, b: 2 / (a.sqrt() + b.sqrt()), _right_momentum),
            "Your momentum is right. The square is missing in the rate: (2/(√λ₁ + √λₙ))².",
        ),
        Known(
            _pair(lambda a, b: (2 / (a + b)) ** 2, _right_momentum),
            "Your momentum is right. In the rate the roots of the curvatures are missing.",
        ),
        Known(
            _pair(lambda a, b: 4 / (a.sqrt() + b.sqrt()), _right_momentum),
            "Your momentum is right. In the rate the sum of the roots has to be squared as well.",
        ),
        Known(
            _pair(_right_rate, lambda a, b: _right_momentum(a, b).sqrt()),
            "Your rate is right. Your momentum is the factor by which a step shrinks the distance; β is its "
            "square.",
        ),
        Known(
            _pair(_right_rate, lambda a, b: ((b - a) / (b + a)) ** 2),
            "Your rate is right. The momentum has the roots of the curvatures, √κ and not κ.",
        ),
        Known(
            _pair(_right_rate, lambda a, b: (b - a) / (b + a)),
            "Your rate is right. Your momentum is plain SGD's factor. Take √κ for κ, and the square.",
        ),
        Known(
            _pair(_right_rate, lambda a, b: 0 * a + 0.9),
            "Your rate is right. 0.9 is a habit; here the best momentum follows from the condition number.",
        ),
        Known(
            _pair(_right_rate, lambda a, b: 1 - _right_momentum(a, b)),
            "Your rate is right. Your momentum is 1 − β.",
        ),
        Known(
            _pair(
                lambda a, b: 4 / (3 * b + a),
                lambda a, b: ((3 * b / a + 1).sqrt() - 2) / ((3 * b / a + 1).sqrt() + 2),
            ),
            "These are Nesterov's best settings for a quadratic. The heavy ball can take a larger rate.",
        ),
        Known(
            _pair(lambda a, b: 1 / b, lambda a, b: _right_momentum(a, b).sqrt()),
            "These are Nesterov's usual settings for a convex valley. Give the heavy ball's.",
        ),
        Known(
            _pair(lambda a, b: 2 / (a.sqrt() + b.sqrt()), lambda a, b: _right_momentum(a, b).sqrt()),
            "Both squares are missing: the rate is (2/(√λ₁ + √λₙ))², and β the square of the factor.",
        ),
        Known(
            _pair(lambda a, b: 2 / (a + b), lambda a, b: ((b - a) / (b + a)) ** 2),
            "The rate is SGD's best one, and the momentum the square of SGD's factor. With the roots of the "
            "curvatures in place of the curvatures, and the square of the whole rate, both are the ball's.",
        ),
        Known(
            lambda c: _right_rate(c.min(), c.max()),
            "That is the rate alone, and it is right. Return the momentum as well: return rate, momentum.",
        ),
        Known(
            lambda c: _right_momentum(c.min(), c.max()),
            "That is the momentum alone, and it is right. Return the rate before it: return rate, momentum.",
        ),
        Known(
            lambda c: _of_two(c, 0, -1),
            "You took the first and the last curvature. The smallest and the largest may stand anywhere.",
        ),
    ),
    hints=(
        "Only the smallest and the largest curvature matter, and of each the square root.",
        "The rate is (2/(√λ₁ + √λₙ))². The momentum is ((√κ − 1)/(√κ + 1))², where κ = λₙ/λ₁.",
        "low, high = curvatures.min().sqrt(), curvatures.max().sqrt(). Then return two numbers, rate first.",
    ),
    lesson="02-momentum",
)

EXERCISES = (WALK, BEST)

QUESTIONS = (
    Question(
        "02-terminal-speed",
        "02-momentum",
        "The slope stays the same for a long time. How long do the steps become at β = 0.9?",
        ("as long as without momentum", "ten times as long", "they grow for ever"),
        1,
        "Each step keeps 0.9 of the last one: 1 + 0.9 + 0.81 + … = 1/(1 − 0.9) = 10.",
    ),
    Question(
        "02-condition-number",
        "02-momentum",
        "The condition number becomes 100 times as large. How many more steps, at the best settings?",
        (
            "SGD 100 times, the heavy ball 10 times as many",
            "both 100 times as many",
            "SGD 10 times, the heavy ball as many as before",
        ),
        0,
        "SGD needs steps in proportion to κ, the heavy ball in proportion to √κ.",
    ),
    Question(
        "02-which-edge",
        "02-momentum",
        "Plain SGD, the heavy ball, Nesterov, the last two with β = 0.9: which tolerates the smallest rate?",
        ("plain SGD", "the heavy ball", "Nesterov"),
        2,
        "In units of 1/λ the edges are 2, 3.8 and 1.357: looking ahead counts the newest slope almost twice.",
    ),
    Question(
        "02-unfair",
        "02-momentum",
        "SGD and Momentum 0.9 are compared at the rate 0.01, and Momentum is far ahead. Why, mostly?",
        (
            "because momentum smooths the gradient",
            "because its steps become up to ten times as long",
            "because it finds a better minimum",
        ),
        1,
        "At the same rate momentum is a tenfold rate. A fair race gives each its own best rate.",
    ),
    Question(
        "02-drop",
        "02-momentum",
        "The rate drops tenfold, and the steps go on almost as long as before. What is the reason?",
        (
            "the momentum is too large",
            "the rate stands inside the buffer, and old steps keep the old rate",
            "the gradient has grown",
        ),
        1,
        "With the rate outside the buffer, as in torch, a new rate acts at once on the whole memory.",
    ),
)

EXPLANATION = Explanation(
    "02-explain",
    "02-momentum",
    asks=("Why does momentum help so much in a long, narrow valley, and hardly at all in a round bowl?"),
    good=(
        "Across a narrow valley the slopes change their sign from step to step and cancel in the sum. "
        "Along it they agree and add up, so that the walk along the valley becomes faster while the steep "
        "direction still sets the limit. In a round bowl no direction holds the others up, and there is "
        "nothing to gain."
    ),
)
