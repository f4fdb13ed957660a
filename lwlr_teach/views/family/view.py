"""The family view: each method's rule on a card, below those that it came of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import traitlets
from matplotlib.figure import Figure

from lwlr_teach.core.checks import check_choice
from lwlr_teach.optim import PARENTS, Member, family
from lwlr_teach.views.kit.base import View, module
from lwlr_teach.views.kit.traits import OneOf

_LINE, _GAP, _WIDTH = 0.2, 0.45, 3.4  # inches of the still picture


class FamilyView(View):
    """Methods as a family: each has a card with its rule, line by line, below the methods that it came of.

    Lines that none of them has are marked with + and bold. The rules are those that run, in the papers'
    symbols, see :func:`~lwlr_teach.optim.family`. ``chosen`` is the method whose descent is drawn in strong
    lines; it follows a click on a card, and moves when it is set.

    Args:
        methods: names of methods, each after its parents.
        chosen: the method that is chosen at first; the last one by default.
    """

    _esm = module("family/view.js")

    plan = traitlets.Dict().tag(sync=True)
    chosen = OneOf("names")

    def __init__(self, methods: Iterable[str] = tuple(PARENTS), *, chosen: str | None = None) -> None:
        self.members = {member.name: member for member in family(methods)}
        if not self.members:
            raise ValueError("methods must be at least one, got none")
        self.names = list(self.members)
        chosen = self.names[-1] if chosen is None else chosen
        check_choice("chosen", chosen, self.members)
        self._places = _places(self.members.values())
        cards = [
            {
                "name": member.name,
                "parents": member.parents,
                "place": self._places[member.name],
                "lines": [[line.text, line.is_new] for line in member.lines],
                "came": _came(member),
                "says": _says(member),
                "descent": self._descent(member.name),
            }
            for member in self.members.values()
        ]
        super().__init__(chosen=chosen, plan={"cards": cards, "start": {"chosen": chosen}})

    def _descent(self, name: str) -> list[str]:
        """The method and all before it."""
        before = [ancestor for parent in self.members[name].parents for ancestor in self._descent(parent)]
        return [name, *dict.fromkeys(before)]

    def describe(self) -> str:
        """What the chosen method came of, which lines are new, and which are kept."""
        return _says(self.members[self.chosen])

    def figure(self) -> Figure:
        """The cards in their generations, joined by lines."""
        rows = 1 + max(row for row, _ in self._places.values())
        columns = 1 + max(column for _, column in self._places.values())
        lines = [1 + max(self._lines_in(row)) for row in range(rows)]
        tops = [sum(lines[:row]) * _LINE + row * _GAP for row in range(rows)]
        height = tops[-1] + lines[-1] * _LINE + _GAP
        figure = Figure(figsize=(columns * _WIDTH, height))
        ax = figure.add_axes((0, 0, 1, 1), xlim=(0, columns * _WIDTH), ylim=(height, 0))
        ax.set_axis_off()
        descent = self._descent(self.chosen)
        bottom: dict[str, tuple[float, float]] = {}
        for name, (row, column) in self._places.items():
            member, strong = self.members[name], name in descent
            left, top = column * _WIDTH + 0.2, tops[row] + _GAP / 2
            high = (1 + len(member.lines)) * _LINE
            for parent in member.parents:
                width = 2.2 if strong and parent in descent else 0.8
                ax.annotate(
                    "", (left + 0.6, top), bottom[parent], arrowprops={"arrowstyle": "->", "linewidth": width}
                )
            bottom[name] = left + 0.6, top + high + 0.04
            ax.text(left, top + 0.14, name, fontsize=10, weight="bold" if strong else "normal")
            for i, line in enumerate(member.lines, start=1):
                said = f"{'+' if line.is_new else '  '} {line.text}"
                weight = "bold" if line.is_new else "normal"
                ax.text(left, top + 0.14 + i * _LINE, said, fontsize=9, weight=weight, parse_math=False)
        return figure

    def _lines_in(self, row: int) -> list[int]:
        """How many lines the cards of a row have."""
        return [len(self.members[name].lines) for name, (own, _) in self._places.items() if own == row]


def _came(member: Member) -> str:
    came = f"comes from {' and '.join(member.parents)}" if member.parents else "begins the family"
    return f"{member.name} {came}"


def _says(member: Member) -> str:
    new = "; ".join(member.new) or "nothing in the rule"
    kept = "; ".join(line.text for line in member.lines if not line.is_new)
    return f"{_came(member)}. New: {new}.{f' Kept: {kept}.' if kept else ''}"


def _places(members: Iterable[Member]) -> Mapping[str, tuple[int, int]]:
    """Row and column of each: below its last parent, in its first parent's column or the next free one."""
    places: dict[str, tuple[int, int]] = {}
    for member in members:
        above = [places[parent] for parent in member.parents]
        row = 1 + max((row for row, _ in above), default=-1)
        column = above[0][1] if above else 0
        while (row, column) in places.values():
            column += 1
        places[member.name] = row, column
    return places
