"""The split view: how a budget is best split between two layers, after any number of steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import traitlets
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from lwlr_teach.core.checks import check_choice, check_count, check_number
from lwlr_teach.core.text import fixed, label, short
from lwlr_teach.problems.linear_networks import DYNAMICS, EXACT
from lwlr_teach.studies.splits import (
    GAUSSIAN,
    GAUSSIAN_WIDTH,
    LEARNED,
    ORTHOGONAL,
    SHARES,
    STARTS,
    STEPS,
    Splits,
    split_losses,
)
from lwlr_teach.views.kit.base import View, module, pack_float32
from lwlr_teach.views.kit.style import palette
from lwlr_teach.views.kit.traits import Position, nearest

WIDTHS = (16, 64, 250, 1000, 4000)
NETWORKS = {2: "two layers", 3: "three layers"}
_COLOURS, _BEST, _DONE, _INFINITE = 64, 64, 65, 255
_PALE = "#fff8cf"  # of the splits that have learned
_YOURS = "#d55e00"
_LEARNED = "10⁻¹²"
# A curve that spans more than this is drawn on a logarithmic axis.
_LOG_FROM = 20
# A curve is drawn up to so many times the first loss, where some of it lies below: a run that diverges would
# hide all others.
_ABOVE = 10
# A flat curve has so much of its height above and below it; with less, the ticks would all have one label.
_ROOM = 5e-5
_STATES = ("layers", "dynamics", "start", "width")


class SplitView(View):
    """A budget η₁ + η₂ is split between two layers of a linear network; which split is best, and when?

    The map has the step from left to right and the share of layer 1 from bottom to top. Each column is
    coloured from that step's worst split to its best one, and a dot marks the best. Splits that have learned
    the task have a colour of their own. The map ends at the furthest step that was looked at, so that it
    answers no question before it is asked. Beside it stands the loss against the share, after the step that
    the slider stands at.

    ``layers``, ``dynamics``, ``start`` and ``width`` say what is trained: to change one computes anew, which
    takes a kernel, or the site, which has all answers. ``budget_index``, ``step_index`` and ``share_index``
    are the sliders' positions; they follow the view's controls, on release, and move them when they are set.
    So does ``revealed``: whether the best splits are shown. ``splits`` has the numbers; ``budget``, ``step``,
    ``share`` and ``loss`` are what the sliders stand for.

    A view of given :class:`~lwlr_teach.studies.splits.Splits` has the sliders only. If they are of several
    networks, a dot on the map is the best split of one of them, larger where more of them agree.

    Args:
        layers: 2 or 3; or given splits.
        width: one of ``WIDTHS``.
        dynamics: ``"exact"``, or ``"surrogate"`` for the study's approximation.
        start: ``"orthogonal"``, or ``"gaussian"`` for the first weights and the data; then the width is 32,
            the last step is 16, and there are half as many shares.
        at_budget, at_step, at_share: where the sliders stand at first (the nearest position is taken); by
            default the budget is 40,000 of two layers of width 1,000, and as much in another network.
        title: of given splits; begins the sentence that describes the view.
        revealed: show at once which splits are best, and not only where the share stands on one.
    """

    _esm = module("splits/view.js")

    plan = traitlets.Dict().tag(sync=True)
    table = traitlets.Dict().tag(sync=True)
    losses = traitlets.Bytes().tag(sync=True)
    codes = traitlets.Bytes().tag(sync=True)
    each = traitlets.Bytes().tag(sync=True)
    layers = traitlets.Int().tag(sync=True)
    dynamics = traitlets.Unicode().tag(sync=True)
    start = traitlets.Unicode().tag(sync=True)
    width = traitlets.Int().tag(sync=True)
    budget_index = Position("_budgets")
    step_index = Position("_steps")
    share_index = Position("_shares")
    revealed = traitlets.Bool().tag(sync=True)

    def __init__(
        self,
        layers: int | Splits = 2,
        *,
        width: int = 1000,
        dynamics: str = EXACT,
        start: str = ORTHOGONAL,
        at_budget: float | None = None,
        at_step: int = 1,
        at_share: float = 0.3,
        title: str = "Trained network",
        revealed: bool = True,
    ) -> None:
        self.title = title
        self._given = layers if isinstance(layers, Splits) else None
        setting: dict[str, Any] = {}
        if not isinstance(layers, Splits):
            setting = {"layers": layers, "dynamics": dynamics, "start": start, "width": width}
            for name, value in setting.items():
                _check_setting(name, value)
        splits = self._given or split_losses(**setting)
        self._budgets = range(len(splits.budgets))  # as many in every setting
        self._steps = splits.steps if self._given else STEPS
        self._shares = splits.shares if self._given else SHARES
        self._edges = _edges(self._steps)
        if at_budget is not None:
            check_number("at_budget", at_budget, low=0)
        check_count("at_step", at_step, high=splits.steps[-1])
        check_number("at_share", at_share, low=0, high=1)
        usual = nearest(splits.budgets / splits.budgets[-1], 0.5) if self._given else 9
        begin: dict[str, Any] = {
            **setting,
            "budget_index": usual if at_budget is None else nearest(splits.budgets, at_budget),
            "step_index": nearest(torch.tensor(splits.steps), at_step),
            "share_index": nearest(splits.shares, at_share) * self._stride(splits),
            "revealed": revealed,
        }
        plan = {
            "choices": not self._given,
            "layers": {str(count): words for count, words in NETWORKS.items()},
            "dynamics": list(DYNAMICS),
            "starts": {name: f"{name} start" for name in STARTS},
            "widths": WIDTHS,
            "gaussian": [GAUSSIAN, GAUSSIAN_WIDTH],
            "steps": list(self._steps),
            "edges": self._edges.tolist(),
            "shares": [_percent(s) for s in self._shares.tolist()],
            "colours": palette(_COLOURS),
            "best": _BEST,
            "done": _DONE,
            "pale": _PALE,
            "yours": _YOURS,
            "learned": [LEARNED, _LEARNED],
            "log_from": _LOG_FROM,
            "above": _ABOVE,
            "room": _ROOM,
            "equal": splits.equal,
            "networks": 0 if splits.each is None else splits.each.shape[-1],
            "start": begin,
        }
        super().__init__(**begin, plan=plan, **self._sent(splits, **setting))
        self.observe(self._compute, _STATES)

    @property
    def splits(self) -> Splits:
        """The losses of all splits, and which are best."""
        if self._given is not None:
            return self._given
        return split_losses(**self._setting)

    @property
    def _setting(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _STATES}

    @property
    def budget(self) -> float:
        """η₁ + η₂ where the slider stands."""
        return self.splits.budgets[self.budget_index].item()

    @property
    def step(self) -> int:
        """The number of steps that were taken."""
        return self.splits.steps[self.step_index]

    @property
    def share(self) -> float:
        """The share of the budget that goes to layer 1."""
        return self._shares[self.share_index].item()

    @property
    def loss(self) -> float:
        """The loss of this share of this budget after this step, as it is drawn: in single precision."""
        return self._curve[self._column].item()

    @traitlets.validate("layers", "width", "dynamics", "start")
    def _a_setting(self, proposal: dict[str, Any]) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        if self._given is None:
            _check_setting(name, value)
        elif value:
            raise ValueError(f"{name} cannot be chosen in a view of given splits, got {value!r}")
        return value

    # A view that is told at once to begin elsewhere and to stand at a step or share which that start does not
    # have stands at the nearest below.
    @traitlets.validate("step_index")
    def _on_the_steps(self, proposal: dict[str, Any]) -> int:
        return min(proposal["value"], len(self.splits.steps) - 1)

    @traitlets.validate("share_index")
    def _on_the_shares(self, proposal: dict[str, Any]) -> int:
        position: int = proposal["value"]
        return position - position % self._stride(self.splits)

    def _compute(self, _: Any) -> None:
        """Send the losses of another setting, and move the sliders to positions that it has."""
        with self.hold_sync():
            for name, value in self._sent(self.splits, **self._setting).items():
                setattr(self, name, value)
            self.step_index = min(self.step_index, len(self.splits.steps) - 1)
            self.share_index -= self.share_index % self._stride(self.splits)

    def _sent(self, splits: Splits, **setting: Any) -> dict[str, Any]:
        each, title = splits.each, self.title
        if setting:
            layers = NETWORKS[setting["layers"]].capitalize()
            title = (
                f"{layers}, width {splits.width}, {setting['dynamics']} dynamics, {setting['start']} start"
            )
        return {
            "table": {
                "setting": [setting[name] for name in _STATES if setting],
                "title": title,
                "budgets": [_budget(b) for b in splits.budgets.tolist()],
                "values": splits.budgets.tolist(),
                "steps": len(splits.steps),
                "stride": self._stride(splits),
                "first": splits.first,
                "limit": splits.limit,
                "equal": nearest(splits.shares, splits.equal),
            },
            "each": b"" if each is None else _columns(splits, each).to(torch.uint8).numpy().tobytes(),
            "losses": pack_float32(splits.losses),
            "codes": _codes(splits).numpy().tobytes(),
        }

    @property
    def _column(self) -> int:
        return self.share_index // self._stride(self.splits)

    def _stride(self, splits: Splits) -> int:
        """How many positions of the share's slider lie between two shares that were computed."""
        return (len(self._shares) - 1) // (len(splits.shares) - 1)

    @property
    def _curve(self) -> Tensor:
        """The losses against the share, as they are sent: (share)."""
        return self.splits.losses[self.budget_index, self.step_index].float()

    def describe(self) -> str:
        """The sliders' position, the loss there, the best split, and what the equal split costs."""
        title = str(self.table["title"])
        return f"{title}, budget {_budget(self.budget)}, after step {self.step}: {self._verdict()}"

    def _verdict(self) -> str:
        best = self.splits.is_best[self.budget_index, self.step_index]
        said = [f"{_percent(self.share)} of the budget in layer 1 {_gives(self.loss)}."]
        limit = self.splits.limit
        if limit is not None and self.budget**2 * self.share * (1 - self.share) >= limit:
            said.append("Here η₁η₂ is so large that descent cannot come to rest.")
        if not best.any():
            return " ".join([*said, "So does every other split."])
        if not self._tells:
            return " ".join(said)
        shares, low = self.splits.shares[best].tolist(), self._curve.min().item()
        several = "have" if len(shares) > 1 else "has"
        equal = nearest(self.splits.shares, self.splits.equal)
        beside = self.splits.shares[equal].item()
        exactly = abs(beside - self.splits.equal) < 1e-6
        name = "The equal split" if exactly else f"The split next to equal rates, {_percent(beside)},"
        if low < LEARNED:
            said.append(f"{len(shares)} of {len(best)} splits {several} learned the task.")
        elif len(shares) == 1 and best[equal]:
            said.append(f"{name} is the best, with {_loss(low)}.")
        else:
            listed = " and ".join(map(_percent, shares))
            said.append(f"Best {'are' if len(shares) > 1 else 'is'} {listed}, with {_loss(low)}.")
        if not best[equal]:
            said.append(f"{name} {_costs(self._curve[equal].item(), low)}.")
        if self.splits.each is not None:
            each = self.splits.each[self.budget_index, self.step_index]
            said.append(
                f"Alone, the {len(each)} networks are best from {_percent(each.min().item())} "
                f"to {_percent(each.max().item())}."
            )
        return " ".join(said)

    @property
    def _tells(self) -> bool:
        """Whether the best splits of this step are shown: to whoever has found one, in any case."""
        return self.revealed or bool(self.splits.is_best[self.budget_index, self.step_index, self._column])

    def figure(self) -> Figure:
        """The map of steps and shares, and the loss against the share."""
        figure = Figure(figsize=(9, 4.2), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
        self._draw_map(left)
        self._draw_curve(right)
        return figure

    def _draw_map(self, ax: Axes) -> None:
        walked = self.step_index + 1
        codes = _codes(self.splits)[self.budget_index, :walked].T.float()
        best = codes == _BEST
        codes[codes == _INFINITE] = torch.nan
        codes[best] = _COLOURS - 1
        colours = ListedColormap(palette(_COLOURS)).with_extremes(over=_PALE, bad="0.6")
        half = self.splits.shares[1].item() / 2
        steps, shares = torch.tensor(self.splits.steps), self.splits.shares
        rows = np.append(shares.numpy() - half, 1 + half)
        picture = ax.pcolormesh(
            self._edges[: walked + 1], rows, codes.numpy(), cmap=colours, vmin=0, vmax=_COLOURS - 1
        )
        ax.axvline(self.step, color="black", linewidth=1)
        ax.axhline(self.splits.equal, color="black", linewidth=1, linestyle="--")
        if not self.revealed:
            pass
        elif self.splits.each is None:
            row, column = best.nonzero(as_tuple=True)
            ax.plot(steps[column].numpy(), shares[row].numpy(), "o", color="white", mec="black", ms=4)
        else:
            each = self.splits.each[self.budget_index, :walked]
            ax.plot(steps[:walked].numpy(), each.numpy(), "o", color="white", mec="black", ms=4)
        ax.plot(self.step, self.share, "o", color=_YOURS, mec="black", ms=9)
        ax.set(xscale="log", xlim=self._edges[[0, len(steps)]], ylim=(-half, 1 + half), xlabel="step")
        ticks = [2**k for k in range(20) if steps[0] <= 2**k <= steps[-1]]
        ax.set_xticks(ticks, labels=[str(tick) for tick in ticks])
        ax.minorticks_off()
        ax.set_yticks([0, 0.25, 0.5, 0.75, 1], labels=["0%", "25%", "50%", "75%", "100%"])
        ax.set_title("share of the budget that goes to layer 1", fontsize=10, loc="left")
        bar = ax.figure.colorbar(picture, ax=ax, location="top", shrink=0.7, aspect=40, pad=0.01)
        bar.set_ticks([0, _COLOURS - 1], labels=["the step's worst split", "its best ○"])
        bar.ax.tick_params(labelsize=8)

    def _draw_curve(self, ax: Axes) -> None:
        curve, shares = self._curve, self.splits.shares
        finite = curve[curve.isfinite()]
        if len(finite):
            low, high = max(finite.min().item(), LEARNED), max(finite.max().item(), LEARNED)
            if low < _ABOVE * self.splits.first:
                high = min(high, _ABOVE * self.splits.first)
            if high == LEARNED:
                high = self.splits.first  # a curve along the bottom
            log = high > _LOG_FROM * low
            room = (high / low) ** 0.08 if log else max((high - low) * 0.08, _ROOM * high)
            limits = (low / room, high * room) if log else (low - room, high + room)
            ax.set(yscale="log" if log else "linear", ylim=limits)
            if not log:
                ax.ticklabel_format(axis="y", useOffset=False)
        drawn = curve.clamp(min=LEARNED).where(curve.isfinite(), torch.nan)
        ax.plot(shares.numpy(), drawn.numpy(), color="black")
        best = self.splits.is_best[self.budget_index, self.step_index] & (curve >= LEARNED) & self._tells
        for share in shares[best].tolist():
            ax.axvline(share, color="black", linewidth=0.8, linestyle=":")
        ax.plot(shares[best].numpy(), drawn[best].numpy(), "o", color="white", mec="black", ms=7)
        ax.axvline(self.splits.equal, color="black", linewidth=0.8, linestyle="--")
        ax.plot(self.share, drawn[self._column].item(), "o", color=_YOURS, mec="black", ms=9)
        ax.set(xlim=(0, 1), xlabel="share of the budget that goes to layer 1")
        ax.set_xticks([0, 0.25, 0.5, 0.75, 1], labels=["0%", "25%", "50%", "75%", "100%"])
        ax.set_title(f"loss after step {self.step}, budget {_budget(self.budget)}", fontsize=10, loc="left")
        ax.grid(alpha=0.2)


def _check_setting(name: str, value: Any) -> None:
    choices = {
        "layers": map(str, NETWORKS),
        "width": map(str, WIDTHS),
        "dynamics": DYNAMICS,
        "start": STARTS,
    }
    check_choice(name, str(value), dict.fromkeys(choices[name]))


def _edges(steps: Sequence[int]) -> NDArray[np.float64]:
    """Where the columns of the steps end on a logarithmic axis: half way to the next."""
    between = np.sqrt(np.multiply(steps[1:], steps[:-1]))
    if not len(between):
        return np.array([steps[0] * 2**-0.5, steps[0] * 2**0.5])
    return np.array([steps[0] ** 2 / between[0], *between, steps[-1] ** 2 / between[-1]])


def _columns(splits: Splits, shares: Tensor) -> Tensor:
    """The numbers of shares that were computed."""
    return (shares[..., None] - splits.shares).abs().argmin(-1)


def _codes(splits: Splits) -> Tensor:
    """The number of each loss's colour: (budget, step, share).

    It follows the root of the excess, to show a hill between two valleys that is low beside the ends.
    """
    excess = splits.excess
    colours = ((1 - excess.clamp(max=1).sqrt()) * (_COLOURS - 1)).round()
    colours = torch.where(excess.isfinite(), colours, _INFINITE)
    colours = torch.where(splits.is_best, _BEST, colours)
    return torch.where(splits.losses < LEARNED, _DONE, colours).to(torch.uint8)


def _budget(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else label(value)


def _percent(share: float) -> str:
    return f"{round(100 * share, 2):g}%"


def _loss(value: float) -> str:
    return fixed(value, 5) if 0.001 <= value < 1000 else short(value)


def _gives(loss: float) -> str:
    if loss < LEARNED:
        return f"gives a loss below {_LEARNED}"
    return f"gives the loss {_loss(loss)}" if loss < float("inf") else "overflows"


def _costs(loss: float, low: float) -> str:
    """What the equal split costs beside the best one."""
    if loss == float("inf"):
        return "overflows"
    if low < LEARNED:
        return f"costs {_loss(loss)}"
    ratio = loss / low
    more = f"{short(100 * (ratio - 1))}% more" if ratio < 2 else f"{short(ratio)} times as much"
    return f"costs {_loss(loss)}, {more}"
