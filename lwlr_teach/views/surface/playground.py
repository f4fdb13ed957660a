"""The playground: any optimizers on any surface, with a schedule, a clip and noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from lwlr_teach.clipping import by_global_norm, by_value
from lwlr_teach.core.checks import check_choice, check_count
from lwlr_teach.optim import METHODS
from lwlr_teach.optim.grid import check_methods
from lwlr_teach.problems.surfaces import SURFACES
from lwlr_teach.schedules import (
    WSD,
    Cosine,
    Exponential,
    InverseTime,
    MultiStep,
    OneCycle,
    Polynomial,
    Schedule,
    WarmRestarts,
    Warmup,
)
from lwlr_teach.views.surface.choices import MOMENTA, Choices
from lwlr_teach.views.surface.view import SIX, SurfaceView


def schedules(steps: int) -> dict[str, Schedule | None]:
    """The schedules that are offered for runs of so many steps, by name."""
    return {
        "constant": None,
        "half after half": MultiStep([steps // 2], 0.5),
        "exponential": Exponential(round(0.01 ** (1 / steps), 5)),
        "1 / t": InverseTime(10 / steps),
        "linear": Polynomial(steps),
        "cosine": Cosine(steps),
        "warm restarts": WarmRestarts(max(1, steps // 4)),
        "warm-up, then constant": Warmup(max(1, steps // 5), 0.05),
        "one-cycle": OneCycle(steps, cycle_momentum=False),  # the momentum has a slider
        "WSD": WSD(steps),
    }


CLIPS: dict[str, Any] = {"by value": by_value, "by norm": by_global_norm}
# Noise has a slider. A rate that the method finds itself follows no schedule. Not all of the others would go
# into a tenth of a megabyte.
_SURFACES = {name: make() for name, make in SURFACES.items() if name != "noisy quadratic"}
LEFT_OUT = ("Hypergradient", "Lion", "Adam-mini", "Adafactor")
OFFERED = {name: method for name, method in METHODS.items() if name not in LEFT_OUT}


class Playground(SurfaceView):
    """A surface view in which everything can be chosen: the surface, the methods, a schedule, a clip, noise.

    ``surface`` and ``optimizers``, names, are what is shown at first. The browser does it all, so that it
    goes on without a kernel. *copy code* gives the Python lines for what is shown, *copy link* an address
    that brings it back.
    """

    def __init__(
        self,
        surface: str = "beale",
        optimizers: Sequence[str] = SIX,
        *,
        steps: int = 100,
        at_lr: float = 0.015,
        at_momentum: float = 0.9,
    ) -> None:
        check_choice("surface", surface, _SURFACES)
        check_count("steps", steps, low=2)
        offered = schedules(steps)
        names = [check_choice("optimizer", m.name, OFFERED).name for m in check_methods(optimizers)]
        every = tuple(OFFERED.values())
        clipped = {how: tuple(m.clipped(clip, name=m.name) for m in every) for how, clip in CLIPS.items()}
        self._build(
            Choices({surface: _SURFACES[surface], **_SURFACES}, {"none": every, **clipped}, offered, steps),
            {
                "lr": torch.logspace(-4, 1, 1001, dtype=torch.float64),
                "momentum": MOMENTA,
                "limit": torch.logspace(-2, 2, 81, dtype=torch.float64),
                "weight_decay": 0.01 * torch.arange(101),
            },
            noise=0.05 * torch.arange(61),
            at={"lr": at_lr, "momentum": at_momentum, "limit": 1.0, "step": None},
            shown=names,
            most=len(every),
            code={
                "schedule": {name: repr(schedule) for name, schedule in offered.items()},
                "clip": {name: clip.__name__ for name, clip in CLIPS.items()},
            },
        )
