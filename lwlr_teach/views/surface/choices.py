"""What a surface view can be set to: surfaces, methods, schedules; and the runs of a setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from lwlr_teach.clipping import Clip
from lwlr_teach.optim import Method
from lwlr_teach.optim.grid import check_grid
from lwlr_teach.problems.surfaces import Surface
from lwlr_teach.runs.sweeps import Sweep, sweep
from lwlr_teach.schedules import Schedule

# The positions of the sliders, where none are given: so many where the browser computes, fewer where each
# position is computed beforehand. Three digits say a rate to a hundredth.
RATES, _FEWER_RATES = (torch.logspace(-3, 0, n, dtype=torch.float64) for n in (601, 61))
MOMENTA = 0.01 * torch.arange(100, dtype=torch.float64)
_FEWER_MOMENTA = (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99)
_FEWEST_MOMENTA = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99)  # for more than four methods that have a memory
OWN_TRAITS = ("lr", "momentum", "limit")  # the hyperparameters whose positions are traits of the view


@dataclass(frozen=True)
class Choices:
    """By their names: the surfaces, the methods by the clip that they have (``ways``), and the schedules; and
    how all of them are run: by so many walkers, each in a wind of its own. Of each, the first is chosen at
    first."""

    surfaces: Mapping[str, Surface]
    ways: Mapping[str, tuple[Method, ...]]
    schedules: Mapping[str, Schedule | None]
    steps: int
    seed: int = 0
    clip: Clip | None = None
    walkers: int = 1

    @property
    def first(self) -> dict[str, Any]:
        """What is chosen at first."""
        lists = {"surface": self.surfaces, "clip": self.ways, "schedule": self.schedules}
        return {name: next(iter(offered)) for name, offered in lists.items()}

    @property
    def every(self) -> tuple[Method, ...]:
        """The methods of all ways."""
        return tuple(method for group in self.ways.values() for method in group)

    def reading(self, names: Sequence[str]) -> dict[str, list[list[str]]]:
        """Which of these hyperparameters each method reads, by way."""
        return {
            way: [[name for name in names if m.target(name)] for m in group]
            for way, group in self.ways.items()
        }

    def positions(self, given: Mapping[str, Any], at_momentum: float, few: bool) -> dict[str, Tensor]:
        """The sliders' values, checked; ``few`` of them where every position is computed beforehand."""
        grid = dict(given)
        memories = sum(m.memory is not None for m in self.ways[self.first["clip"]])
        if grid["lr"] is None:
            grid["lr"] = _FEWER_RATES if few else RATES
        if grid.get("momentum", 0) is None and "limit" in grid:
            grid["momentum"] = (at_momentum,)
        elif grid.get("momentum", 0) is None:
            fewer = _FEWER_MOMENTA if memories <= 4 else _FEWEST_MOMENTA
            grid["momentum"] = fewer if few else MOMENTA
        return check_grid(self.every, grid, torch.device("cpu"), torch.float64)

    def sweep(
        self,
        now: Mapping[str, Any],
        start: Sequence[float],
        grid: Mapping[str, Tensor],
        noise: float | None = None,
        methods: Sequence[Method] | None = None,
    ) -> Sweep:
        """The runs from a start, at what is chosen ``now``; ``noise`` in place of the surface's own."""
        methods, surface = methods or self.ways[now["clip"]], self.surfaces[now["surface"]]
        if noise is not None:
            surface = replace(surface, noise=noise)
        read: dict[str, Any] = {
            name: values for name, values in grid.items() if any(m.target(name) for m in methods)
        }
        return sweep(
            surface,
            methods,
            steps=self.steps,
            starts=torch.tensor([start] * self.walkers, dtype=torch.float64),
            seed=self.seed,
            clip=self.clip,
            schedule=self.schedules[now["schedule"]],
            progress=False,
            **read,
        )
