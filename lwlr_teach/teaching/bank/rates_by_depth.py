"""Lesson 11: the rate of a layer by its depth, and how many layers are awake in gradual unfreezing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from lwlr_teach.teaching.items import Exercise, Explanation, Known, Question

# --- the rate of a layer ----------------------------------------------------------------------------------


def rate_of(depth: int, layers: int, lr: float, factor: float) -> float:
    return lr * factor ** (layers - 1 - depth)


def _rate_problem(generator: torch.Generator) -> dict[str, Any]:
    def number() -> float:
        return torch.rand((), generator=generator, dtype=torch.float64).item()

    # Below 1 and above: factors above 1 make the first layers the fast ones.
    return {
        "layers": 3 + int(torch.randint(6, (), generator=generator)),
        "lr": 10 ** (-4 + 3 * number()),
        "factor": 0.3 + number(),
    }


def _ask_every_depth(answer: Callable[..., Any], problem: dict[str, Any]) -> dict[str, Any]:
    layers = problem["layers"]
    return {
        f"the rate of depth {depth} of {layers} layers": answer(depth, *problem.values())
        for depth in range(layers)
    }


RATE_OF = Exercise(
    name="11-rate-of",
    asks=(
        "Write rate_of(depth, layers, lr, factor): the rate of the layer at this depth. The first layer has "
        "depth 0. The last one has the rate lr, and each layer before it factor times that of the next."
    ),
    answer=rate_of,
    problem=_rate_problem,
    play=_ask_every_depth,
    right="One factor for every layer that lies between this one and the top.",
    known=(
        Known(
            lambda d, n, lr, f: lr * f**d,
            "From the wrong end: yours gives lr to the first layer. The last one has depth layers − 1.",
        ),
        Known(
            lambda d, n, lr, f: lr * f ** (n - d),
            "One factor too many: your last layer gets lr · factor. Its depth is layers − 1, not layers.",
        ),
        Known(
            lambda d, n, lr, f: lr * f ** (n - 2 - d),
            "One factor too few: your last layer gets lr / factor. Depth begins at 0.",
        ),
        Known(
            lambda d, n, lr, f: lr / f ** (n - 1 - d),
            "You divide by the factor. Each layer has factor times the rate of the next one.",
        ),
        Known(
            lambda d, n, lr, f: lr / f ** (n - d),
            "Two things. You divide by the factor; each layer has factor times the rate of the next one. "
            "And the depth of the last one is layers − 1, so that the power is one too high.",
        ),
        Known(
            lambda d, n, lr, f: lr * f * (n - 1 - d),
            "You multiply by the distance to the top. The factor is applied once a layer: a power.",
        ),
        Known(
            lambda d, n, lr, f: f ** (n - 1 - d),
            "These are the factors. Multiply them by lr.",
        ),
        Known(lambda d, n, lr, f: lr, "This is one rate for all layers."),
        Known(
            lambda d, n, lr, f: lr if d == n - 1 else lr * f,
            "You have two rates, one for the top and one for the rest. Every layer has one of its own.",
        ),
        Known(
            lambda d, n, lr, f: lr * (d + 1) / n,
            "Your rates rise in equal steps, and factor is not used. They should rise in equal ratios.",
        ),
        Known(
            lambda d, n, lr, f: lr * math.exp(-f * (n - 1 - d)),
            "You use exp(−factor) for each layer. The factor itself is what a layer loses.",
        ),
        Known(
            lambda d, n, lr, f: lr * f ** ((n - 1 - d) / (n - 1)),
            "In yours the first layer has lr · factor altogether. The factor is for each layer.",
        ),
    ),
    hints=(
        "How many layers lie above this one? The last layer has none above it.",
        "There are layers − 1 − depth of them, and each brings one factor.",
        "lr times factor to the power of that number.",
    ),
    lesson="11-rates-by-depth",
)

# --- gradual unfreezing -----------------------------------------------------------------------------------


def awake(step: int, steps: int, layers: int) -> int:
    return 1 + step * layers // steps


def _awake_problem(generator: torch.Generator) -> dict[str, Any]:
    layers = 3 + int(torch.randint(4, (), generator=generator))
    return {"steps": layers * (4 + int(torch.randint(900, (), generator=generator))), "layers": layers}


def _ask_at_the_borders(answer: Callable[..., Any], problem: dict[str, Any]) -> dict[str, Any]:
    """The number at the start, late in each part, before and after each border, and in the last step."""
    steps, layers = problem["steps"], problem["layers"]
    part = steps // layers
    late = [k * part + 3 * part // 4 for k in range(layers)]
    borders = [step for k in range(1, layers) for step in (k * part - 1, k * part)]
    return {
        f"the number of layers at step {step} (steps = {steps}, layers = {layers})": answer(
            step, steps, layers
        )
        for step in sorted([0, 1, *late, *borders, steps - 1])
    }


AWAKE = Exercise(
    name="11-awake",
    asks=(
        "Write awake(step, steps, layers): how many layers, counted from the top, are trained in this step. "
        "The steps fall into as many equal parts as there are layers: 1 layer in the first part, 2 in the "
        "second, all in the last one. The first step is 0, and steps is a multiple of layers."
    ),
    answer=awake,
    problem=_awake_problem,
    play=_ask_at_the_borders,
    right="One layer from the start, one more with each part, and all of them in the last.",
    known=(
        Known(
            lambda s, n, k: min(k, s * k // n),
            "Yours begins with no layer at all: the first part would train nothing.",
        ),
        Known(
            lambda s, n, k: min(k, max(1, s * k // n)),
            "Your first part is twice as long, and the first layer is trained only after the last step.",
        ),
        Known(
            lambda s, n, k: min(k, math.ceil(s * k / n)),
            "Yours is one step late at every border, and begins with no layer at all.",
        ),
        Known(
            lambda s, n, k: min(k, max(1, math.ceil(s * k / n))),
            "Yours is one step late at every border: the step after a part belongs to the next one.",
        ),
        Known(
            lambda s, n, k: min(k, 1 + s * k / n),
            "Yours is not a whole number of layers. Use // in place of /.",
        ),
        Known(
            lambda s, n, k: 1 + s * k / n,
            "Yours has a fraction of a layer: whole parts are over, or none. Use // in place of /.",
        ),
        Known(
            lambda s, n, k: min(k, round(1 + s * k / n)),
            "You round to the nearest: each layer wakes half a part too early. Use //.",
        ),
        Known(
            lambda s, n, k: round(1 + s * k / n),
            "You round to the nearest: each layer wakes half a part too early, and in the end there is one "
            "too many. Use //.",
        ),
        Known(
            lambda s, n, k: round(s * k / n),
            "Two things. You begin with no layer at all: one more than the parts that are over. And you "
            "round to the nearest, so that each layer wakes in the middle of a part. Use //.",
        ),
        Known(
            lambda s, n, k: (s + 1) * k // n,
            "You add the 1 to the step, and it belongs to the layers: yours begins with no layer at all, and "
            "has all of them only in the last step.",
        ),
        Known(
            lambda s, n, k: max(1, (s + 1) * k // n),
            "You add the 1 to the step, and it belongs to the layers: the second layer wakes a part late, "
            "and all of them are awake only in the last step.",
        ),
        Known(
            lambda s, n, k: min(k, 1 + (s + 1) * k // n),
            "Yours is one step early at every border: the first step is 0, so that step counts those before.",
        ),
        Known(
            lambda s, n, k: 1 + (s + 1) * k // n,
            "Yours is one step early at every border, and comes to one layer too many. The first step is 0, "
            "so that step counts those before.",
        ),
        Known(
            lambda s, n, k: max(1, k - s * k // n),
            "The other way round: yours begins with all layers and freezes one after the other.",
        ),
        Known(
            lambda s, n, k: min(k, 1 + s // k),
            "You divide by the number of layers. A part has steps / layers steps; divide by that.",
        ),
        Known(
            lambda s, n, k: 1 + s // k,
            "You divide by the number of layers, and come to more layers than there are. A part has "
            "steps / layers steps; divide by that.",
        ),
        Known(
            lambda s, n, k: min(k, 1 + s),
            "One more layer with each step. It should be one more with each part.",
        ),
        Known(lambda s, n, k: k, "All layers from the first step: nothing is frozen."),
        Known(lambda s, n, k: 1, "Only the top layer, to the end. The others are never trained."),
        Known(
            lambda s, n, k: min(k, 1 + s * (k - 1) // n),
            "You cut the steps into layers − 1 parts, so that the first layer never wakes before the end.",
        ),
    ),
    hints=(
        "How long is one part? How many whole parts are over at this step?",
        "step * layers // steps parts are over. In the first part, when none is over, 1 layer is awake.",
        "One more than the parts that are over: 1 + step * layers // steps.",
    ),
    lesson="11-rates-by-depth",
)

EXERCISES = (RATE_OF, AWAKE)

QUESTIONS = (
    Question(
        "11-direction",
        "11-rates-by-depth",
        "A trained network goes on with a new task. Should its early layers move less than the late ones?",
        (
            "yes: they have learned what is general",
            "no: they have to learn the new inputs",
            "that depends on what their outputs still say about the new task",
        ),
        2,
        "In the lesson smaller rates early lost on new digits and won on inverted ones.",
    ),
    Question(
        "11-probe",
        "11-rates-by-depth",
        "A readout of the new classes does worse on the last hidden layer than on the pixels. What follows?",
        (
            "the layers below have to move",
            "only the last layer has to move",
            "the learning rate was too high",
        ),
        0,
        "What a layer has thrown away no layer above it can bring back.",
    ),
    Question(
        "11-memory",
        "11-rates-by-depth",
        "SGD with momentum 0.9 held a layer at rate 0 for a while. How long is its first step afterwards?",
        (
            "as long as any first step",
            "about ten times as long: the buffer went on filling",
            "zero: the buffer is empty",
        ),
        1,
        "Rate 0 stops the step and not the memory. Without a gradient the optimizer leaves the layer alone.",
    ),
    Question(
        "11-cost",
        "11-rates-by-depth",
        "When do many parameter groups cost time?",
        (
            "always: each rate is another multiplication",
            "when the optimizer handles all tensors of a group in one call, and the calls are small",
            "never",
        ),
        1,
        "The arithmetic is the same. There are more and smaller calls, one set for each group.",
    ),
)

EXPLANATION = Explanation(
    "11-explain",
    "11-rates-by-depth",
    asks=(
        "“In transfer learning the early layers should move less.” When is that right, when is it wrong, "
        "and how can you find out before you train?"
    ),
    good=(
        "It is right if what the early layers say still tells the new classes apart, as on the inverted "
        "images. It is wrong if they have thrown away what the new task needs, as on the new digits. Read "
        "the new classes from each layer with a simple readout: where the top is read no better than the "
        "pixels, the early layers have to move, too."
    ),
)
