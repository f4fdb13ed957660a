"""The landscape view: slices of a network's loss as a relief that can be turned, with paths on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import traitlets
from matplotlib.figure import Figure
from torch import Tensor

from lwlr_teach.core.checks import check_choice, check_count
from lwlr_teach.core.text import short
from lwlr_teach.studies.landscapes import Slice
from lwlr_teach.views.kit.base import View, module, pack_float32
from lwlr_teach.views.kit.style import MATPLOTLIB_MARKERS, linestyle, styles
from lwlr_teach.views.kit.traits import OneOf, Position, Shown, check_shown

_YAWS, _TILTS = range(0, 360, 5), range(10, 95, 5)
_TOP = 20.0
"""Heights are logarithmic, and end at so many times the highest loss of a path."""


class LandscapeView(View):
    """Slices of a network's loss, and on each the shadows of the same paths.

    Heights are logarithmic: light is low. ``slice``, ``yaw_index``, ``tilt_index``, ``step`` and ``shown``
    follow the view's controls, on release, and move them when they are set.

    Args:
        slices: by name, see :func:`lwlr_teach.studies.landscapes.cut`; all with the same paths and points.
        title: begins the sentence that describes the view.
        slice: the one that is drawn first; the first by default.
        yaw, tilt: by how many degrees it is turned and looked down at, in fives; a tilt of 90 is a map.
        at_step: where the paths end at first; at their ends by default.
        shown: names of the paths that are visible at first; all by default.
    """

    _esm = module("landscape/view.js")

    plan = traitlets.Dict().tag(sync=True)
    heights = traitlets.Bytes().tag(sync=True)
    paths = traitlets.Bytes().tag(sync=True)
    losses = traitlets.Bytes().tag(sync=True)
    slice = OneOf("slices")
    yaw_index = Position("_yaws")
    tilt_index = Position("_tilts")
    step = Position("_steps")
    shown = Shown("names")

    def __init__(
        self,
        slices: Mapping[str, Slice],
        *,
        title: str = "Landscape",
        slice: str | None = None,
        yaw: int = 30,
        tilt: int = 40,
        at_step: int | None = None,
        shown: Sequence[str] | None = None,
    ) -> None:
        self.slices, self.title = dict(slices), title
        self.names, points, steps = _check(self.slices)
        self._yaws, self._tilts, self._steps = _YAWS, _TILTS, range(steps)
        self._styles = styles(self.names)
        self._seen = {name: _seen(one) for name, one in self.slices.items()}
        check_choice("yaw", str(yaw), dict.fromkeys(map(str, _YAWS)))
        check_choice("tilt", str(tilt), dict.fromkeys(map(str, _TILTS)))
        check_count("at_step", steps - 1 if at_step is None else at_step, low=0, high=steps - 1)
        start: dict[str, Any] = {
            "slice": next(iter(self.slices)) if slice is None else slice,
            "yaw_index": _YAWS.index(yaw),
            "tilt_index": _TILTS.index(tilt),
            "step": steps - 1 if at_step is None else at_step,
            "shown": check_shown(self.names, shown),
        }
        looks = zip(self.names, self._styles, strict=True)
        plan = {
            "title": title,
            "start": start,
            "slices": [self._told(name) for name in self.slices],
            "yaws": list(_YAWS),
            "tilts": list(_TILTS),
            "points": points,
            "steps": steps,
            "methods": [{"name": name, "style": style} for name, style in looks],
        }
        losses = [torch.stack([*one.path_loss.values()]) for one in self.slices.values()]
        super().__init__(
            **start,
            plan=plan,
            heights=pack_float32(torch.stack([height for height, _ in self._seen.values()])),
            paths=pack_float32(torch.stack([path for _, path in self._seen.values()])),
            losses=pack_float32(torch.stack(losses)),
        )

    def _told(self, name: str) -> dict[str, Any]:
        one = self.slices[name]
        low, high = _range(one)
        inside = [10.0**k for k in range(-9, 10) if low <= 10.0**k <= high]
        values = inside if len(inside) > 1 else [low, high]
        ends = torch.stack([one.along[[0, -1]], one.across[[0, -1]]])
        return {
            "name": name,
            "share": self._share(name),
            "ticks": [[_height(torch.tensor(v), low, high).item(), short(v)] for v in values],
            "middle": ends.mean(1).tolist(),
            "half": (ends.diff(dim=1).squeeze(1) / 2).tolist(),
        }

    def _share(self, name: str) -> str:
        return f"{short(100 * self.slices[name].share)}% of the paths' variance lies in it"

    def _visible(self) -> list[int]:
        return [i for i, name in enumerate(self.names) if name in self.shown]

    def describe(self) -> str:
        """How it is looked at, and each visible path's loss at the step, in a sentence."""
        # As the browser has them: rounding to single precision can change the last digit that is said.
        own = {
            name: loss.float()[self.step].item() for name, loss in self.slices[self.slice].path_loss.items()
        }
        each = [f"{self.names[i]} loss {short(own[self.names[i]])}" for i in self._visible()]
        return (
            f"{self.title}, {self.slice}, turned by {_YAWS[self.yaw_index]}°, "
            f"seen from {_TILTS[self.tilt_index]}° above, step {self.step}: "
            f"{'; '.join(each) or 'no path is shown'}."
        )

    def figure(self) -> Figure:
        """The relief from the same side, with the paths on it."""
        figure = Figure(figsize=(7, 5), layout="constrained")
        ax: Any = figure.add_subplot(projection="3d", computed_zorder=False)
        one, (heights, paths) = self.slices[self.slice], self._seen[self.slice]
        x, y = torch.meshgrid(one.along, one.across, indexing="ij")
        ax.plot_surface(
            *(t.numpy() for t in (x, y, heights)), cmap="Greys", alpha=0.8, lw=0.3, ec="#00000022"
        )
        told = self._told(self.slice)
        middle, half = (torch.tensor(told[key]) for key in ("middle", "half"))
        for i in self._visible():
            style, path = self._styles[i], paths[i, : self.step + 1]
            colour = style["colour"] or "black"
            across = (middle + half * path[:, :2]).T.numpy()
            ax.plot(*across, path[:, 2].numpy(), color=colour, ls=linestyle(style), zorder=3)
            head = [*across[:, -1:], path[-1:, 2].numpy()]
            shape = MATPLOTLIB_MARKERS[style["marker"]]
            ax.plot(*head, shape, color=colour, mec="white", ms=8, zorder=4, label=self.names[i])
        ax.view_init(elev=_TILTS[self.tilt_index], azim=_YAWS[self.yaw_index] - 90)
        ax.set(xlabel="direction 1", ylabel="direction 2", zlim=(0, 1))
        ax.set_zticks([z for z, _ in told["ticks"]], [text for _, text in told["ticks"]])
        if self._visible():
            ax.legend(loc="upper left", fontsize=9)
        figure.suptitle(f"{self.slice}: {self._share(self.slice)}", fontsize=10)
        return figure


def _range(one: Slice) -> tuple[float, float]:
    """From the lowest loss to the highest that is told apart."""
    known = one.loss[one.loss.isfinite() & (one.loss > 0)]
    most = _TOP * max(loss.max().item() for loss in one.path_loss.values())
    low = known.min().item()
    return low, max(min(known.max().item(), most), low * 1.01)


def _height(loss: Tensor, low: float, high: float) -> Tensor:
    """Logarithmic, from 0 to 1."""
    found = (loss / low).log() / torch.tensor(high / low).log()
    return found.nan_to_num(nan=1.0, posinf=1.0).clamp(0, 1)


def _seen(one: Slice) -> tuple[Tensor, Tensor]:
    """Heights (a, b), and paths (path, step, 3) in −1 … 1 and at the height of the slice below them."""
    heights = _height(one.loss, *_range(one))
    ends = torch.stack([one.along[[0, -1]], one.across[[0, -1]]])
    places = (torch.stack([*one.paths.values()]) - ends.mean(1)) / (ends.diff(dim=1).squeeze(1) / 2)
    grid = places.flip(-1).to(heights)[None]  # grid_sample wants the last axis first
    below = torch.nn.functional.grid_sample(heights[None, None], grid, align_corners=True)[0, 0]
    return heights, torch.cat([places, below[..., None]], -1)


def _check(slices: Mapping[str, Slice]) -> tuple[list[str], int, int]:
    """The names of the paths, points to a side and steps; ValueError where the slices are not alike."""
    if not slices:
        raise ValueError("slices must be at least one, got none")
    first = next(iter(slices.values()))
    names = list(first.paths)
    steps = len(next(iter(first.paths.values())))
    for name, one in slices.items():
        if one.loss.shape != (len(first.along),) * 2:
            raise ValueError(
                f"slices must be square and equally fine, got {tuple(one.loss.shape)} for {name}"
            )
        if list(one.paths) != names or {len(p) for p in one.paths.values()} != {steps}:
            raise ValueError(f"slices must have the same paths, equally long, got others for {name}")
    return names, len(first.along), steps
