"""A chart that is declared once, in Python, and drawn by the browser and by matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.ticker import NullLocator, PercentFormatter
from torch import Tensor

from lwlr_teach.core.text import label
from lwlr_teach.views.chart.declare import (
    Band,
    Foot,
    Line,
    Mark,
    Marker,
    Over,
    Panel,
    Strips,
    each_method,
    numbers_of,
)
from lwlr_teach.views.chart.plan import Pack, Words, axis_range
from lwlr_teach.views.kit.base import View, module
from lwlr_teach.views.kit.style import MATPLOTLIB_MARKERS, linestyle, styles
from lwlr_teach.views.kit.traits import OneOf, Position, Shown, check_shown


class Chart(View):
    """Curves over the state of sliders and choices, with a legend.

    A subclass sets ``names``, the methods of the legend, and the attributes that its traits look into; then
    it declares the picture. Each ``Position`` has a slider, each ``OneOf`` with several names a choice. Texts
    may have words in braces: ``{name}`` is the method, ``{lr}`` the value of the slider ``lr_index``,
    ``{run}`` what is chosen for ``run``; others stand in ``words``.

    Args:
        main: a panel, or strips of them, to the left.
        side: panels below the legend.
        says: begins the sentence that describes the view. ``each`` is its part for each visible method, and
            ``none`` what stands there if none is visible.
        readout: a title, and what the legend says beside each method.
        words: texts, or numbers over the state.
        shown: names of the methods that are visible at first; all by default.
        start: the first values of the subclass's traits.
    """

    _esm = module("chart/view.js")

    plan = traitlets.Dict().tag(sync=True)
    numbers = traitlets.Bytes().tag(sync=True)
    shown = Shown("names")

    names: Sequence[str]

    def __init__(
        self,
        main: Panel | Strips,
        side: Sequence[Panel],
        *,
        says: str,
        each: str,
        readout: tuple[str, str],
        words: Mapping[str, str | Over],
        none: str = "no method is shown",
        shown: Sequence[str] | None,
        **start: Any,
    ) -> None:
        self.main, self.side, self.styles = main, side, styles(self.names)
        self.entries = self._find_entries()
        self._words = Words(words, self.entries)
        self._says, self._each, self._none = self._words.check(says), self._words.check(each), none
        pack = Pack(self.entries, self._words)
        begin = {**start, "shown": check_shown(self.names, shown)}
        both = zip(self.names, self.styles, strict=True)
        plan = {
            "methods": [{"name": name, "style": style} for name, style in both],
            "entries": self.entries,
            "words": self._words.tables,
            "main": pack.picture(main),
            "side": [pack.picture(panel) for panel in side],
            "says": says,
            "each": each,
            "none": none,
            "readout": [readout[0], self._words.check(readout[1])],
            "start": begin,
        }
        super().__init__(**begin, plan=plan, numbers=pack.numbers)

    def _find_entries(self) -> dict[str, list[float | str]]:
        """What there is along each trait that chooses, and along the methods."""
        found: dict[str, list[float | str]] = {"method": list(self.names)}
        for name, trait in self.traits().items():
            if isinstance(trait, Position | OneOf):
                values = attrgetter(trait.along if isinstance(trait, Position) else trait.among)(self)
                found[name] = values.tolist() if isinstance(values, Tensor) else list(values)
        return found

    def places(self, method: int = 0, **other: str) -> dict[str, int]:
        """Where each named axis stands now; with another value of a choice, where it would stand."""
        now = {axis: getattr(self, axis) for axis in self.entries if axis != "method"} | other
        found = {a: v if isinstance(v, int) else self.entries[a].index(v) for a, v in now.items()}
        return {**found, "method": method}

    @property
    def visible(self) -> list[int]:
        """Which of the methods are shown."""
        return [i for i, name in enumerate(self.names) if name in self.shown]

    def fill(self, text: str, method: int = 0) -> str:
        """A text with its words as they are now."""
        return self._words.fill(text, self.places(method))

    def describe(self) -> str:
        """The state, and what each visible method has there, in a sentence."""
        parts = [self.fill(self._each, i) for i in self.visible]
        return f"{self.fill(self._says)}: {'; '.join(parts) or self._none}."

    def figure(self) -> Figure:
        """The panels, drawn by matplotlib."""
        return _draw(self)


def _draw(chart: Chart) -> Figure:
    """The main panel or the strips to the left, the other panels in a column beside it."""
    main, side = chart.main, chart.side
    if isinstance(main, Strips):
        rows, widths = max(len(chart.visible), 1), [1.0 for _ in main.panels]
        height = 0.6 + 0.85 * max(rows, 3)
    else:
        rows, widths, height = 1, [1.5], 3.8
    figure = Figure(figsize=(9, height), layout="constrained")
    widths += [1.0] * bool(side)
    grid = figure.add_gridspec(rows, len(widths), width_ratios=widths)
    if isinstance(main, Strips):
        _draw_strips(figure, grid, chart, main)
    else:
        _draw_panel(figure.add_subplot(grid[0, 0]), chart, main, chart.visible)
    column = grid[:, -1].subgridspec(max(len(side), 1), 1)
    for row, panel in enumerate(side):
        _draw_panel(figure.add_subplot(column[row]), chart, panel, chart.visible)
    return figure


def _draw_strips(figure: Figure, grid: GridSpec, chart: Chart, strips: Strips) -> None:
    for row, method in enumerate(chart.visible):
        for column, panel in enumerate(strips.panels):
            ax = figure.add_subplot(grid[row, column])
            _draw_panel(ax, chart, panel, [method], solid=True)
            last = row == len(chart.visible) - 1
            ax.tick_params(labelsize=8, labelbottom=last)
            if not last:
                ax.set_xlabel("")
            if not panel.y.log:
                ax.set_yticks(axis_range(panel.y, chart.entries))
            heading = "" if row else chart.fill(panel.y.title) + "\n"
            title = "" if column else chart.fill(strips.title, method)
            ax.set_title(heading + title, fontsize=8, loc="left", pad=2)


def _draw_panel(ax: Axes, chart: Chart, panel: Panel, methods: list[int], *, solid: bool = False) -> None:
    """The panel of these methods; ``solid`` lines have no dashes, and no legend."""
    _draw_axes(ax, chart, panel)
    for mark in panel.marks:
        for method in methods if each_method(mark) else [None]:
            _draw_mark(ax, chart, panel, mark, method, solid=solid)
        if isinstance(mark, Marker) and mark.joined and methods:
            points = [_numbers(chart, panel, mark, method) for method in methods]
            x, y = [p["x"] for p in points], [p["y"] for p in points]
            ax.plot(x, y, color="black", linewidth=2.5, alpha=0.5, zorder=3)
    if panel.x.trait:
        position = chart.entries[panel.x.trait][chart.places()[panel.x.trait]]
        ax.axvline(float(position), color="black", linewidth=0.8)
    if not solid and ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize=8)


def _draw_axes(ax: Axes, chart: Chart, panel: Panel) -> None:
    (x_low, x_high), (low, high) = (axis_range(axis, chart.entries) for axis in (panel.x, panel.y))
    room = 0 if panel.y.log else 0.05 * (high - low)  # for a line along the upper edge
    ax.set(xlabel=chart.fill(panel.x.title), xlim=(x_low, x_high), ylim=(low, high + room))
    ax.set_title(chart.fill(panel.y.title), fontsize=10, loc="left")
    ax.grid(alpha=0.2)
    for axis, drawn, name in ((panel.x, ax.xaxis, "x"), (panel.y, ax.yaxis, "y")):
        if axis.log:
            ax.set(**{f"{name}scale": "log"})
        if axis.percent:
            drawn.set_major_formatter(PercentFormatter(1))
        if axis.ticks:
            drawn.set_ticks(axis.ticks, labels=[label(tick) for tick in axis.ticks])
            drawn.set_minor_locator(NullLocator())


def _draw_mark(ax: Axes, chart: Chart, panel: Panel, mark: Mark, method: int | None, *, solid: bool) -> None:
    style = chart.styles[method or 0]
    colour = "black" if method is None else style["colour"] or "black"
    at = _numbers(chart, panel, mark, method or 0)
    marker = MATPLOTLIB_MARKERS[style["marker"]]
    if isinstance(mark, Band):
        ax.fill_between(at["x"], at["low"], at["high"], color=colour, alpha=0.3, linewidth=0)
    elif isinstance(mark, Line) and mark.beside:
        _draw_beside(ax, chart, panel, mark)
    elif isinstance(mark, Line):
        dashes = "-" if solid or method is None else linestyle(style)
        name = None if method is None else chart.names[method]
        ax.plot(at["x"], at["y"], color=colour, linestyle=dashes, label=name)
    elif isinstance(mark, Marker) and at["x"].isfinite():
        ax.plot(at["x"], at["y"], marker, color=colour, mec="white", ms=8, zorder=4, clip_on=False)
        words = chart.fill(mark.text, method or 0)
        ax.annotate(words, (at["x"], at["y"]), (0, 8), textcoords="offset points", ha="center", fontsize=8)
    elif isinstance(mark, Foot) and at["x"].isfinite():
        transform = ax.get_xaxis_transform()
        ax.plot(at["x"], 0, "^", color=colour, ms=5, transform=transform, clip_on=False)


def _draw_beside(ax: Axes, chart: Chart, panel: Panel, mark: Line) -> None:
    """A line for each name that can be chosen; the chosen one is thick."""
    for name in chart.entries[mark.beside]:
        on = name == getattr(chart, mark.beside)
        at = _numbers(chart, panel, mark, 0, **{mark.beside: str(name)})
        ax.plot(at["x"], at["y"], color="black", alpha=1 if on else 0.3, linewidth=2.5 if on else 1.5)
        if not on:
            end = at["x"][-1], at["y"][-1]
            ax.annotate(str(name), end, ha="right", va="top", fontsize=8, alpha=0.6)


def _numbers(chart: Chart, panel: Panel, mark: Mark, method: int, **other: str) -> dict[str, Tensor]:
    """A mark's numbers in the present state; what lies beyond the y axis is at its edge."""
    places = chart.places(method, **other)
    found = {name: numbers.at(places) for name, numbers in numbers_of(mark).items()}
    edges = axis_range(panel.y, chart.entries)
    return {name: value if name == "x" else value.clamp(*edges) for name, value in found.items()}
