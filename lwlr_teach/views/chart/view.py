"""A chart that is declared once, in Python, and drawn by the browser and by matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

import traitlets
from matplotlib.figure import Figure
from torch import Tensor

from lwlr_teach.views.chart.declare import Over, Panel, Strips
from lwlr_teach.views.chart.plan import Pack, Words
from lwlr_teach.views.chart.twin import draw
from lwlr_teach.views.kit.base import View, module
from lwlr_teach.views.kit.style import styles
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
        return draw(self)
