"""What the exercises share that ask for a step of a method with a state: how they are played.

It asks nothing itself, so it has no ``QUESTIONS``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch


def play_steps(
    answer: Callable[..., Any],
    problem: dict[str, Any],
    names: Sequence[str],
    further: Callable[[int], tuple[Any, ...]],
) -> dict[str, Any]:
    """A step for each of the problem's ``grads``, from where the last one led: ``answer(p, g, *state, …)``.

    The state has these ``names`` and begins at zeros; ``further(i)`` is what the answer takes after it at
    step i, counted from 1. The answer returns the new p and the new state, in this order.
    """
    all_names = ["p", *names]
    came: dict[str, Any] = {}
    p = problem["p"]
    now = [p, *(torch.zeros_like(p) for _ in names)]
    for i, g in enumerate(problem["grads"], start=1):
        given = answer(now[0], g, *now[1:], *further(i))
        if not isinstance(given, tuple | list) or len(given) != len(all_names):
            count = ["", "", "two", "three", "four"][len(all_names)]
            listed = f"{', '.join(all_names[:-1])} and {all_names[-1]}"
            return {f"{listed} ({count} values, as in: return {', '.join(all_names)})": given}
        came |= {f"{name} after step {i}": new for name, new in zip(all_names, given, strict=True)}
        if {getattr(new, "shape", None) for new in given} != {p.shape}:
            break
        now = [torch.as_tensor(new).detach() for new in given]
    return came
