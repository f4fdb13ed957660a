"""Sequences of gradients on which a rule shows what it does."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lwlr_teach.core.checks import check_choice, check_count, check_number

DRAWN, GIVEN = "drawn", "given"
REACH = 2.0  # how large a drawn gradient can be

# What the sentence calls each.
WORDS = {
    "constant": "a constant gradient",
    "spike": "a gradient with a spike",
    "sparse": "a gradient at every tenth step",
    "noisy": "a noisy gradient",
    "changing sign": "a gradient that changes its sign",
    DRAWN: "gradients drawn by hand",
    GIVEN: "the given gradients",
}
_SPIKE = 10.0
_MOST = 1000  # steps


def sequences(steps: int) -> dict[str, list[float]]:
    """The gradients of each sequence that has a name of its own."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(steps, generator=generator, dtype=torch.float64)
    return {
        "constant": [1.0] * steps,
        "spike": [_SPIKE if step == steps // 3 else 1.0 for step in range(steps)],
        "sparse": [float(step % 10 == 9) for step in range(steps)],
        "noisy": [round(0.5 + draw, 2) for draw in noise.tolist()],
        "changing sign": [1.0 if step % 2 == 0 else -1.0 for step in range(steps)],
    }


def check_gradients(
    gradients: str | Sequence[float] | Tensor, steps: int | None
) -> tuple[str, int, list[float]]:
    """The sequence's name, how many steps it is taken for, and its numbers if it was given."""
    if steps is not None:
        check_count("steps", steps, low=2, high=_MOST)
    if isinstance(gradients, str):
        check_choice("gradients", gradients, {name: name for name in WORDS if name != GIVEN})
        return gradients, 30 if steps is None else steps, []
    try:
        numbers = torch.as_tensor(gradients, dtype=torch.float64, device="cpu")
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(
            f"gradients must be a list of numbers or one of {', '.join(WORDS)}, got {gradients!r}"
        ) from None
    if numbers.ndim != 1 or len(numbers) < 2:
        raise ValueError(
            f"gradients must be those of one number at two steps or more, got shape {tuple(numbers.shape)}"
        )
    check_number("gradients", numbers)
    steps = min(len(numbers), _MOST) if steps is None else steps
    check_count("steps", steps, low=2, high=len(numbers))
    return GIVEN, steps, numbers[:steps].tolist()
