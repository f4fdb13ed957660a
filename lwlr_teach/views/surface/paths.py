"""Where the paths of the surface view come from: programs for the browser, or runs at every position."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lwlr_teach.clipping import Clip
from lwlr_teach.core.javascript import NotJavaScript
from lwlr_teach.optim import Method, to_javascript
from lwlr_teach.problems.surfaces import Surface
from lwlr_teach.runs.sweeps import Sweep
from lwlr_teach.schedules import Plateau, Schedule, cycles_momentum, factor_at
from lwlr_teach.views.kit.base import pack_float32, pack_uint16

# Paths are sent as far as this many half-widths from the middle of the map; 1/65535 of that is less than a
# tenth of a pixel.
_WINDOW = 8.0


def programs(
    surfaces: Mapping[str, Surface],
    methods: Mapping[str, Sequence[Method]],
    free: Mapping[str, Sequence[Sequence[str]]],
    clip: Clip | None,
) -> str:
    """The surfaces and the methods as JavaScript, an expression. ``methods`` and the hyperparameters that are
    ``free`` are by the name of the clip that the methods have.

    Raises NotJavaScript for what cannot run in a browser.
    """

    def steppers(way: str) -> str:
        both = zip(methods[way], free[way], strict=True)
        return f"[{', '.join(to_javascript(m, own, {'clip': clip}).literal for m, own in both)}]"

    groups = {way: steppers(way) for way in methods}
    texts = {name: surface.to_javascript() for name, surface in surfaces.items()}
    return f"{{ surfaces: {_object(texts)},\nmethods: {_object(groups)} }}"


def _object(texts: Mapping[str, str]) -> str:
    return f"{{ {', '.join(f'{json.dumps(name)}: {text}' for name, text in texts.items())} }}"


def factors(schedule: Schedule | None, steps: int, methods: Sequence[Method]) -> dict[str, Any]:
    """What a schedule does at each step: factors of the rate, and momenta. NotJavaScript for one that looks
    at losses."""
    if schedule is None:
        return {"factors": None, "momenta": None}
    if isinstance(schedule, Plateau):
        raise NotJavaScript("a plateau waits for losses, and its factors are not known before the run")
    momenta = None
    if cycles_momentum(schedule):
        if not all(method.memory for method in methods):
            raise NotJavaScript("the schedule sets a momentum also for methods that are shown without one")
        momenta = [schedule.momentum(step) for step in range(steps)]
    return {"factors": [factor_at(schedule, step) for step in range(steps)], "momenta": momenta}


def draws(steps: int, seed: int, walkers: int) -> bytes:
    """The noise of each step's gradient, one walker after the other, as
    :func:`~lwlr_teach.runs.sweeps.sweep` draws it for so many starts."""
    generator = torch.Generator().manual_seed(seed)
    drawn = [torch.randn(walkers, 2, generator=generator, dtype=torch.float64) for _ in range(steps)]
    data: bytes = torch.stack(drawn, 1).numpy().astype("<f8").tobytes()
    return data


def precomputed(runs: Sweep) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The runs at every position of the sliders; along a slider that a method does not have, once. For the
    plan, and traits."""
    rates, momenta, limits = (len(runs.grid.get(name, [0])) for name in ("lr", "momentum", "limit"))
    low, high = torch.tensor(runs.surface.bounds, dtype=torch.float64).unbind(-1)
    middle, half = (low + high) / 2, (high - low) / 2
    window = middle - _WINDOW * half, middle + _WINDOW * half
    gap = (runs.losses - runs.surface.lowest).clamp(min=0)

    def of_each(values: Tensor, more: int) -> Tensor:
        """Values (method, lr, momentum, limit, …) with so many more axes, one run after the other."""
        grid = values.reshape(len(runs.methods), rates, momenta, limits, *values.shape[values.ndim - more :])
        both = zip(grid, own, strict=True)
        return torch.cat([runs_of[:, : m["momenta"], : m["limits"]].flatten(0, 2) for runs_of, m in both])

    own: list[dict[str, int]] = []
    first = 0
    for method in runs.methods:
        counts = {"momenta": momenta if method.memory else 1, "limits": limits if method.clip else 1}
        own.append({"first": first, **counts})
        first += rates * counts["momenta"] * counts["limits"]
    return {"runs": own, "window": torch.stack(window, -1).tolist()}, {
        "paths": pack_uint16(of_each(runs.paths, 2), *window),
        "losses": pack_float32(of_each(gap, 1)),
        "diverged": of_each(runs.diverged_at, 0).numpy().astype("<i4").tobytes(),
    }
