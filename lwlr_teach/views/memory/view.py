"""The memory view: the size of gradients, what a moving average makes of it, and the error of each memory."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from lwlr_teach.core.text import label, percent
from lwlr_teach.studies.memory import Sizes
from lwlr_teach.views.chart.declare import Axis, Band, Foot, Line, Marker, Over, Panel
from lwlr_teach.views.chart.view import Chart
from lwlr_teach.views.kit.traits import OneOf, Position, nearest

_TRUE, _FORGETS, _NEVER = "true size", "RMSprop", "Adagrad"


class MemoryView(Chart):
    """The size of gradients that changes, with the guesses of RMSProp and of an average that forgets nothing.

    Left are one draw: the grey columns are |g|, which is what a method sees. Right is RMSProp's error against
    its memory, over all draws. ``change`` is how the size changes; ``memory_index`` and ``shown`` follow the
    view's controls, on release, and move them when they are set; ``memory`` is the memory there.

    Args:
        sizes: see :func:`~lwlr_teach.studies.memory.guess_sizes`.
        at_memory: where the slider stands at first (the nearest memory is taken).
        change: how the size changes at first; by default as the first one.
        shown: the lines that are visible at first; all by default.
    """

    memory_index = Position("_memories")
    change = OneOf("_changes")

    def __init__(
        self,
        sizes: Sizes,
        *,
        at_memory: float = 10,
        change: str | None = None,
        shown: Sequence[str] | None = None,
    ) -> None:
        self.sizes, self.names, self._changes = sizes, [_TRUE, _FORGETS, _NEVER], list(sizes.names)
        self._memories = sizes.memories
        memories, nothing = len(sizes.memories), torch.full_like(sizes.error, torch.nan)
        lines = torch.stack(
            [
                sizes.size[:, None].expand_as(sizes.guessed),
                sizes.guessed,
                sizes.never_forgets[:, None].expand_as(sizes.guessed),
            ]
        )
        steps = torch.arange(lines.shape[-1], dtype=torch.float64)
        highest = max(lines.max().item(), sizes.seen.quantile(0.99).item())
        draw = Panel(
            Axis(title="step", range=(0, len(steps) - 1)),
            Axis(title="size of the gradient, {change}", range=(0, 1.05 * highest)),
            [
                Band(steps, Over(torch.zeros_like(sizes.seen), "change"), Over(sizes.seen, "change")),
                Line(steps, Over(lines, "method", "change", "memory_index")),
            ],
        )
        places = sizes.memories.expand(3, -1).clone()
        places[[0, 2]] = torch.nan
        best = sizes.best.expand(3, -1).clone()
        best[[0, 2]] = torch.nan
        errors = torch.stack([nothing, sizes.error, nothing])
        against = Panel(
            Axis(title="memory in steps", log=True, trait="memory_index", ticks=_ticks(sizes.memories)),
            Axis(title="typical error, RMSprop", range=(0, 1.05 * sizes.error.max().item()), percent=True),
            [
                Line(sizes.memories, Over(sizes.error, "change"), beside="change"),
                Marker(
                    Over(places, "method", "memory_index"), Over(errors, "method", "change", "memory_index")
                ),
                Foot(Over(best, "method", "change")),
            ],
        )
        off = torch.stack([nothing, sizes.error, sizes.never_error[:, None].expand(-1, memories)])
        super().__init__(
            draw,
            [against],
            says="Size of gradients, {change}, memory {memory} steps, α {alpha}",
            each="{name}{off}",
            none="no line is shown",
            readout=("typical error", "{error}"),
            words={
                "alpha": Over(1 - 1 / sizes.memories, "memory_index", text=label),
                "error": Over(off, "method", "change", "memory_index", text=_error),
                "off": Over(off, "method", "change", "memory_index", text=_off),
            },
            shown=shown,
            memory_index=nearest(sizes.memories, at_memory),
            change=change or sizes.names[0],
        )

    @property
    def memory(self) -> float:
        """The memory that the slider stands at, in steps."""
        return self._memories[self.memory_index].item()


def _ticks(memories: torch.Tensor) -> list[float]:
    """Of 1, 2, 5, 10, … those that lie on the axis."""
    low, high = memories[0].item() / 1.001, memories[-1].item() * 1.001
    return [n * 10.0**k for k in range(6) for n in (1, 2, 5) if low <= n * 10.0**k <= high]


def _error(error: float) -> str:
    return "–" if math.isnan(error) else percent(error)


def _off(error: float) -> str:
    return "" if math.isnan(error) else f" is typically {percent(error)} off"
