"""What exercises share that ask for several values: a step of a method with a state, or two numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

GRADIENTS = 5
EACH_STEP = {"grads": ("g", "step")}


def step_problem(generator: torch.Generator) -> dict[str, Any]:
    """A place p and the gradients of five steps, in one of several shapes; the second gradient is 0."""
    shape = [(3,), (2, 4), (), (1, 1, 5)][int(torch.randint(4, (), generator=generator))]
    grads = torch.randn(GRADIENTS, *shape, generator=generator, dtype=torch.float64)
    grads[1] = 0.0  # a silence
    return {"p": torch.randn(shape, generator=generator, dtype=torch.float64), "grads": grads}


def play_steps(
    answer: Callable[..., Any], problem: dict[str, Any], state: Sequence[str], settings: Sequence[str]
) -> dict[str, Any]:
    """Five steps, each from where the last one led: ``answer(p, g, *state, *settings)`` returns p and the
    state, which is zeros at first. The setting ``t`` is the number of the step, from 1."""
    came: dict[str, Any] = {}
    names = ["p", *state]
    count = {2: "two", 3: "three"}[len(names)]
    values = [problem["p"], *(torch.zeros_like(problem["p"]) for _ in state)]
    for i, g in enumerate(problem["grads"], start=1):
        given = answer(values[0], g, *values[1:], *((problem | {"t": i})[name] for name in settings))
        if not isinstance(given, tuple | list) or len(given) != len(names):
            said = (
                f"{', '.join(names[:-1])} and {names[-1]} ({count} values, as in: return {', '.join(names)})"
            )
            return {said: given}
        came |= {f"{name} after step {i}": value for name, value in zip(names, given, strict=True)}
        if {getattr(value, "shape", None) for value in given} != {problem["p"].shape}:
            break
        values = [torch.as_tensor(value).detach() for value in given]
    return came


def two_numbers(given: Any, first: str, second: str) -> dict[str, Any]:
    """What was returned, by name, if it is a pair: a tuple, a list, a tensor or an array."""
    pair = isinstance(given, tuple | list) and len(given) == 2
    if pair or tuple(getattr(given, "shape", ())) == (2,):
        return {first: given[0], second: given[1]}
    return {f"two numbers, {first} and {second}": given}


def uniform(generator: torch.Generator, low: float, high: float) -> float:
    """A number between the two."""
    return low + (high - low) * torch.rand((), generator=generator, dtype=torch.float64).item()
