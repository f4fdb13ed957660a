"""The playground: any optimizers on any surface, with a schedule, a clip and noise."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets

from lwlr_teach.clipping import Clip, by_global_norm, by_value
from lwlr_teach.core.checks import check_choice
from lwlr_teach.core.text import short
from lwlr_teach.optim import METHODS
from lwlr_teach.optim.grid import check_methods
from lwlr_teach.problems.surfaces import SURFACES, find_surface, noisy
from lwlr_teach.schedules import (
    WSD,
    Cosine,
    Exponential,
    InverseTime,
    MultiStep,
    OneCycle,
    Plateau,
    Polynomial,
    Schedule,
    WarmRestarts,
    Warmup,
)
from lwlr_teach.views.kit.base import close_predecessors
from lwlr_teach.views.kit.style import MOST
from lwlr_teach.views.surface.view import SIX, SurfaceView

STEPS = 100
SCHEDULES: dict[str, Schedule | None] = {
    "constant": None,
    "half after half": MultiStep([STEPS // 2], 0.5),
    "exponential": Exponential(0.01 ** (1 / STEPS)),
    "1 / t": InverseTime(0.1),
    "linear": Polynomial(STEPS),
    "cosine": Cosine(STEPS),
    "warm restarts": WarmRestarts(STEPS // 4),
    "warm-up, then constant": Warmup(19, 1 / 20),
    "one-cycle": OneCycle(STEPS, cycle_momentum=False),  # the momentum has a slider
    "WSD": WSD(STEPS),
    "plateau": Plateau(0.3, patience=2, every=5),
}
CLIPS: dict[str, Callable[[float], Clip] | None] = {
    "none": None,
    "by value": by_value,
    "by norm": by_global_norm,
}


class Playground(widgets.VBox):  # type: ignore[misc]
    """A surface view with choices around it. A choice asks the kernel; the sliders in the picture do not."""

    def __init__(
        self, surface: str = "quadratic", optimizers: Sequence[str] = SIX, *, at_lr: float = 0.01
    ) -> None:
        check_choice("surface", surface, SURFACES)
        names = [m.name for m in check_methods(optimizers)]
        self._at: dict[str, Any] = {"at_lr": at_lr}
        self._hidden: set[str] = set()
        self.surface = widgets.Dropdown(options=list(SURFACES), value=surface, description="surface")
        self.optimizers = widgets.SelectMultiple(
            options=list(METHODS), value=names, rows=7, description="optimizers"
        )
        self.schedule = widgets.Dropdown(options=list(SCHEDULES), description="schedule")
        self.clip = widgets.Dropdown(options=list(CLIPS), description="clip")
        self.limit = widgets.FloatLogSlider(
            value=1, base=10, min=-2, max=2, step=0.25, description="limit", continuous_update=False
        )
        self.noise = widgets.FloatSlider(
            value=0, min=0, max=3, step=0.25, description="noise", continuous_update=False
        )
        self.said = widgets.HTML()
        choices = [self.surface, self.optimizers, self.schedule, self.clip, self.limit, self.noise]
        self._picture = widgets.Box()
        super().__init__(
            [
                widgets.HBox(
                    [
                        widgets.VBox([self.surface, self.schedule, self.clip]),
                        self.optimizers,
                        widgets.VBox([self.limit, self.noise]),
                    ],
                    layout={"flex_flow": "row wrap"},
                ),
                self.said,
                self._picture,
            ]
        )
        self.view = self._make()
        close_predecessors(self)
        self._picture.children = [self.view]
        for choice in choices:
            choice.observe(self._remake, "value")

    def _make(self) -> SurfaceView:
        surface = find_surface(self.surface.value)
        if self.noise.value:
            surface = noisy(surface, self.noise.value)
        make_clip = CLIPS[self.clip.value]
        return SurfaceView(
            surface,
            self.optimizers.value,
            steps=STEPS,
            clip=None if make_clip is None else make_clip(self.limit.value),
            schedule=SCHEDULES[self.schedule.value],
            shown=[name for name in self.optimizers.value if name not in self._hidden],
            **self._at,
        )

    def _remake(self, _: Any) -> None:
        chosen = len(self.optimizers.value)
        if not 1 <= chosen <= MOST:
            self.said.value = f"Choose from one to {MOST} optimizers (hold Ctrl or Cmd); {chosen} are chosen."
            return
        self.said.value = ""
        old = self.view
        # The sliders and the boxes stay as they were.
        self._at |= {"at_lr": old.lr, "at_step": old.step, "every_rate": old.every_rate}
        if len(old.plan["momenta"]) > 1:
            self._at["at_momentum"] = old.momentum
        self._hidden = set(old.names) - set(old.shown)
        try:
            self.view = self._make()
        except ValueError as error:  # choices that do not go together; the old picture stays
            self.said.value = html.escape(str(error))
            return
        self._picture.children = [self.view]
        old.close()

    def close(self) -> None:
        """Close the picture as well."""
        if hasattr(self, "view"):  # also called for a playground that was never finished
            self.view.close()
        super().close()

    def describe(self) -> str:
        """The choices, and what the picture shows."""
        clip = "" if CLIPS[self.clip.value] is None else f" {short(self.limit.value)}"
        return (
            f"Playground, {self.schedule.value} rate, clip {self.clip.value}{clip}, "
            f"noise {short(self.noise.value)}. {self.view.describe()}"
        )

    def __repr__(self) -> str:
        return self.describe()

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        twin, metadata = self.view.twin(self.describe())
        return {**bundle, **twin, "text/plain": self.describe()}, metadata
