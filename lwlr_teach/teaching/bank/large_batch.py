"""Lesson 13: LAMB's step, and the gradient of a large batch from small ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lwlr_teach.teaching.bank import adam
from lwlr_teach.teaching.bank._steps import EACH_STEP, play_steps, step_problem, uniform
from lwlr_teach.teaching.items import Exercise, Explanation, Known, Question

# --- LAMB -------------------------------------------------------------------------------------------------


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
    m = betas[0] * m + (1 - betas[0]) * g
    v = betas[1] * v + (1 - betas[1]) * g**2
    m_hat = m / (1 - betas[0] ** t)
    v_hat = v / (1 - betas[1] ** t)
    r = m_hat / (v_hat.sqrt() + eps) + decay * p
    ratio = 1.0
    if p.norm() > 0 and r.norm() > 0:
        ratio = p.norm() / r.norm()
    return p - lr * ratio * r, m, v


def _problem(generator: torch.Generator) -> dict[str, Any]:
    return step_problem(generator) | {
        "lr": uniform(generator, 0.05, 0.4),
        "betas": (uniform(generator, 0.4, 0.9), uniform(generator, 0.92, 0.99)),
        "eps": uniform(generator, 0.02, 0.12),
        "decay": uniform(generator, 0.2, 0.8),
    }


def _play(answer: Callable[..., Any], problem: dict[str, Any]) -> dict[str, Any]:
    """Five steps; one from a layer of zeros; one in which nothing moves the layer."""
    came = play_steps(answer, problem, ["m", "v"], ["t", "lr", "betas", "eps", "decay"])
    nothing = torch.zeros_like(problem["p"])
    numbers = [problem[name] for name in ("lr", "betas", "eps")]
    for says, p, g, decay in (
        ("p after a step from zeros", nothing, problem["grads"][0], problem["decay"]),
        ("p without gradient and decay", problem["p"], nothing, 0.0),
    ):
        given = answer(p, g, nothing, nothing, 1, *numbers, decay)
        came[says] = given[0] if isinstance(given, tuple | list) and given else given
    return came


def _direction(p: Tensor, g: Tensor, m: Tensor, v: Tensor, t: int, b: Any, eps: float) -> Any:
    """Adam's direction, and the new averages."""
    new, m, v = adam.step(torch.zeros_like(p), g, m, v, t, 1.0, b, eps)
    return -new, m, v


def _or_one(above: Tensor, below: Tensor) -> Any:
    return above / below if above > 0 and below > 0 else 1.0


def _by(move: Callable[..., Any], says: str) -> Known:
    """A wrong last line: ``move(p, d, g, decay, lr)`` is the new p, from Adam's direction d."""

    def wrong(
        p: Tensor, g: Tensor, m: Tensor, v: Tensor, t: int, lr: float, b: Any, eps: float, decay: float
    ) -> Any:
        d, m, v = _direction(p, g, m, v, t, b, eps)
        return move(p, d, g, decay, lr), m, v

    return Known(wrong, says)


def _ratio(ratio: Callable[[Tensor, Tensor], Any], says: str) -> Known:
    """Another ratio, of p and of r = d + decay · p."""
    return _by(lambda p, d, g, decay, lr: p - lr * ratio(p, d + decay * p) * (d + decay * p), says)


def _uncorrected(
    p: Tensor, g: Tensor, m: Tensor, v: Tensor, t: int, lr: float, b: Any, eps: float, decay: float
) -> Any:
    m, v = b[0] * m + (1 - b[0]) * g, b[1] * v + (1 - b[1]) * g**2
    r = m / (v.sqrt() + eps) + decay * p
    return p - lr * _or_one(p.norm(), r.norm()) * r, m, v


def _in_gradient(
    p: Tensor, g: Tensor, m: Tensor, v: Tensor, t: int, lr: float, b: Any, eps: float, decay: float
) -> Any:
    r, m, v = _direction(p, g + decay * p, m, v, t, b, eps)
    return p - lr * _or_one(p.norm(), r.norm()) * r, m, v


def _shrunk_first(
    p: Tensor, g: Tensor, m: Tensor, v: Tensor, t: int, lr: float, b: Any, eps: float, decay: float
) -> Any:
    d, m, v = _direction(p, g, m, v, t, b, eps)
    p = (1 - lr * decay) * p
    return p - lr * _or_one(p.norm(), d.norm()) * d, m, v


def _first_ratio(
    p: Tensor, g: Tensor, m: Tensor, v: Tensor, t: int, lr: float, b: Any, eps: float, decay: float
) -> Any:
    """LARS's ratio before Adam, as in lesson 12."""
    d, m, v = _direction(p, _or_one(p.norm(), g.norm()) * g, m, v, t, b, eps)
    return p - lr * (d + decay * p), m, v


LAMB = Exercise(
    name="13-lamb",
    asks=(
        "Write step(p, g, m, v, t, lr, betas, eps, decay): step number t of LAMB for a layer p, where the "
        "gradient is g, and m and v are the averages before it. Return the new p, m and v."
    ),
    answer=step,
    problem=_problem,
    play=_play,
    each=EACH_STEP,
    right="Adam's direction with the decay in it, made as long as the weights; and 1 where a norm is zero.",
    known=(
        _ratio(
            lambda p, r: p.norm() / r.norm(),
            "Zeros are missing. A layer of zeros would never move, and where r is zero you divide 0 by 0: "
            "take the ratio 1 if either norm is 0.",
        ),
        _ratio(
            lambda p, r: p.norm() / r.norm() if r.norm() > 0 else 1.0,
            "A layer of zeros gets the ratio 0, and stays zero for ever. Take 1 there.",
        ),
        _ratio(
            lambda p, r: p.norm() / r.norm() if p.norm() > 0 else 1.0,
            "You think of a layer of zeros. r can be zero as well, without a gradient: take 1 there, too.",
        ),
        _by(
            lambda p, d, g, decay, lr: p - lr * _or_one(p.norm(), g.norm()) * (d + decay * p),
            "You divide by the norm of the gradient, as LARS does. What moves the layer here is r: divide "
            "by its norm.",
        ),
        _by(
            lambda p, d, g, decay, lr: p - lr * (_or_one(p.norm(), d.norm()) * d + decay * p),
            "The decay stands outside the ratio. It is a part of r, and is multiplied by the ratio, too. "
            "(Keras does as you do.)",
        ),
        _by(
            lambda p, d, g, decay, lr: p - lr * _or_one(p.norm(), d.norm()) * (d + decay * p),
            "You multiply the decay by the ratio, but its norm is not counted: take the norm of "
            "r = m̂ / (√v̂ + ε) + decay · p.",
        ),
        Known(
            _shrunk_first,
            "You shrink the weights first, as AdamW does. In LAMB decay · p is a part of r, and the norm "
            "is taken of all of r.",
        ),
        _ratio(
            lambda p, r: torch.where((p != 0) & (r != 0), p.abs() / r.abs(), 1.0),
            "This is a ratio for each weight. LAMB has one for the whole layer: the norm of all entries.",
        ),
        _ratio(
            lambda p, r: 1.0,
            "The ratio is missing: this is AdamW's step. Multiply r by ‖p‖ / ‖r‖.",
        ),
        _by(
            lambda p, d, g, decay, lr: p - lr * _or_one(p.norm(), d.norm()) * d,
            "The decay is missing: r is m̂ / (√v̂ + ε) + decay · p.",
        ),
        Known(
            _in_gradient,
            "You add the decay to the gradient, and Adam divides it away (lesson 8). Add it to Adam's "
            "direction.",
        ),
        Known(
            _first_ratio,
            "You multiply the gradient by a ratio, and Adam divides it away (lesson 12). Multiply the "
            "direction.",
        ),
        Known(
            _uncorrected,
            "The corrections of Adam are missing, as in an early version of the paper. Divide m by "
            "1 − β₁ᵗ and v by 1 − β₂ᵗ.",
        ),
        _ratio(
            lambda p, r: _or_one(r.norm(), p.norm()),
            "The ratio is upside down. Divided by ‖r‖, the step has the length 1; times ‖p‖ it is a share "
            "of the weights.",
        ),
        _ratio(
            lambda p, r: 1.0 if p.norm() == 0 or r.norm() == 0 else 1 / r.norm(),
            "You only make the step 1 long. Multiply by ‖p‖ as well: it is to be a share of the weights.",
        ),
        _ratio(
            lambda p, r: min(_or_one(p.norm(), r.norm()), 1.0),
            "You never go above 1, as timm does with trust_clip. Here a layer may be sped up, too.",
        ),
        _ratio(
            lambda p, r: _or_one(p.square().sum(), r.square().sum()),
            "These are squares of norms; the roots are missing.",
        ),
        _by(
            lambda p, d, g, decay, lr: p + lr * _or_one(p.norm(), (d + decay * p).norm()) * (d + decay * p),
            "This goes uphill: subtract.",
        ),
    ),
    hints=(
        "Begin with Adam's direction, m̂ / (√v̂ + ε), and add decay · p. Call it r.",
        "The step is lr · ‖p‖ / ‖r‖ · r. All of r is in the norm, the decay as well.",
        "If p.norm() or r.norm() is 0, the ratio is 1.",
    ),
    lesson="13-lamb-large-batch",
)

# --- a large batch from small ones ------------------------------------------------------------------------


def whole_gradient(grads: Tensor, sizes: list[int]) -> Tensor:
    total = torch.zeros_like(grads[0])
    for g, size in zip(grads, sizes, strict=True):
        total = total + size * g
    return total / sum(sizes)


def _parts_problem(generator: torch.Generator) -> dict[str, Any]:
    count = int(torch.randint(3, 6, (), generator=generator))
    sizes = (2 + torch.randperm(9, generator=generator)[:count]).tolist()
    return {"grads": torch.randn(count, 3, generator=generator, dtype=torch.float64), "sizes": sizes}


def _weighted(grads: Tensor, weights: Any) -> Tensor:
    weights = torch.as_tensor(weights, dtype=grads.dtype)
    return (weights[:, None] * grads).sum(0)


ACCUMULATE = Exercise(
    name="13-accumulate",
    asks=(
        "Write whole_gradient(grads, sizes): each row of grads is the mean gradient of a micro-batch, and "
        "sizes says of how many samples. Return the mean gradient of all samples together."
    ),
    answer=whole_gradient,
    problem=_parts_problem,
    play=lambda answer, problem: {"the gradient": answer(problem["grads"], problem["sizes"])},
    right="Each sample counts once, whatever micro-batch it is in.",
    known=(
        Known(
            lambda grads, sizes: grads.mean(0),
            "This is a mean of means: a sample in a small micro-batch counts more than one in a large one. "
            "Weigh each row by its size.",
        ),
        Known(
            lambda grads, sizes: grads.sum(0),
            "You add the means up. The sum grows with the number of micro-batches, and each counts alike. "
            "Weigh by the sizes, and divide by the number of samples.",
        ),
        Known(
            lambda grads, sizes: _weighted(grads, sizes),
            "This is the sum over all samples. Divide by their number, sum(sizes).",
        ),
        Known(
            lambda grads, sizes: _weighted(grads, sizes) / len(sizes),
            "You divide by the number of micro-batches. Divide by the number of samples, sum(sizes).",
        ),
        Known(
            lambda grads, sizes: grads.sum(0) / sum(sizes),
            "You divide by the number of samples, but a row is a mean: multiply it by its size first.",
        ),
        Known(
            lambda grads, sizes: _weighted(grads, [1 / s for s in sizes]),
            "You divide each row by its size. It is a mean already: multiply by the size, and divide by the "
            "sum of the sizes in the end.",
        ),
        Known(
            lambda grads, sizes: _weighted(grads, [1 / s for s in sizes]) / sum(1 / s for s in sizes),
            "Your weights are upside down: the small micro-batches count most. Weigh by the size.",
        ),
        Known(
            lambda grads, sizes: _weighted(grads, [s**0.5 for s in sizes]) / sum(s**0.5 for s in sizes),
            "You weigh by the roots of the sizes. Each sample counts once: weigh by the sizes.",
        ),
        Known(
            lambda grads, sizes: _weighted(grads, sizes) / max(sizes),
            "You divide by the largest size, as if all were full. Divide by the sum of the sizes.",
        ),
        Known(
            lambda grads, sizes: grads.sum(0) * max(sizes) / sum(sizes),
            "You take every micro-batch for a full one. Each has a size of its own.",
        ),
        Known(
            lambda grads, sizes: grads[-1],
            "This is the last micro-batch alone. Is the gradient set to zero between them?",
        ),
        Known(
            lambda grads, sizes: grads[0],
            "This is the first micro-batch alone. Does a return stand inside the loop?",
        ),
        Known(
            lambda grads, sizes: grads[:-1].mul(torch.tensor(sizes[:-1])[:, None]).sum(0) / sum(sizes[:-1]),
            "The last micro-batch is missing. It is small, but its samples count, too.",
        ),
        Known(
            lambda grads, sizes: grads.median(0).values,
            "This is the median. The gradient of a batch is a mean over its samples.",
        ),
    ),
    hints=(
        "A row times its size is the sum over the samples of that micro-batch.",
        "Add these sums up. By what must they be divided, to be the mean over all samples?",
        "total = total + size * g in a loop, and then total / sum(sizes)",
    ),
    lesson="13-lamb-large-batch",
)

EXERCISES = (LAMB, ACCUMULATE)

QUESTIONS = (
    Question(
        "13-small-batch",
        "13-lamb-large-batch",
        "The batch is far below the critical one. You double it, and take the best rate for it. What happens "
        "to the number of steps to the same loss?",
        ("it stays", "it is about halved", "it falls to a quarter"),
        1,
        "The noise is what costs steps there, and a batch twice as large has half of it.",
    ),
    Question(
        "13-large-batch",
        "13-lamb-large-batch",
        "The batch is far above the critical one, and you double it. What do you pay, and what do you get?",
        (
            "twice the samples, and hardly fewer steps",
            "the same samples, and half the steps",
            "half the samples, and the same steps",
        ),
        0,
        "The gradient is nearly exact already. More samples make it no better.",
    ),
    Question(
        "13-critical-later",
        "13-lamb-large-batch",
        "The critical batch is about tr Σ / |g|². What does it do as the loss falls?",
        ("it shrinks", "it stays", "it grows"),
        2,
        "The gradient gets short, and the noise of single samples does not get short as fast.",
    ),
    Question(
        "13-norm-of-what",
        "13-lamb-large-batch",
        "By the norm of what does LAMB divide the norm of a layer's weights?",
        ("of its gradient", "of Adam's direction, with the decay in it", "of Adam's direction alone"),
        1,
        "The ratio is to say how long the step is, so it is taken of all that the step is made of.",
    ),
    Question(
        "13-scheduler",
        "13-lamb-large-batch",
        "A batch is gathered from 8 micro-batches, and a schedule is made for 1,000 steps. By mistake "
        "scheduler.step() is called for each micro-batch. What happens?",
        (
            "nothing: the rate is the same",
            "the rate is eight times too large",
            "the schedule is over after 125 steps",
        ),
        2,
        "The scheduler counts its own calls: 8 for each step of the optimizer. 1,000 / 8 is 125.",
    ),
)

EXPLANATION = Explanation(
    "13-explain",
    "13-lamb-large-batch",
    asks="Somebody gives you eight times as many machines, and asks whether training will be eight times as "
    "fast. What do you answer, and what do you measure first?",
    good=(
        "It depends on where the batch is now. Below the critical batch, eight times the batch needs about "
        "an eighth of the steps, if the rate is found anew; above it, hardly fewer, and all the work is "
        "wasted. I would train a little with two sizes of batch, each at its own best rate, or measure the "
        "noise of single samples' gradients against their mean. And I would count what the machines need to "
        "talk to one another. LAMB or LARS do not change this: they are ways to choose the rates of layers."
    ),
)
