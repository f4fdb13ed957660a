"""A declared chart as the browser takes it: a plan in JSON, and all numbers in one piece."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from lwlr_teach.core.checks import check_choice
from lwlr_teach.core.text import label
from lwlr_teach.views.chart.declare import (
    Axis,
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
from lwlr_teach.views.kit.base import pack_float32

_WORD = re.compile(r"\{(\w+)\}")

# The values along each named axis: a slider's numbers, a choice's names, the legend's names.
Entries = Mapping[str, Sequence[float | str]]


class Words:
    """The words of a chart's texts, written for every state."""

    def __init__(self, words: Mapping[str, str | Over], entries: Entries) -> None:
        self.tables: dict[str, dict[str, Any]] = {}
        for axis, values in entries.items():
            word = "name" if axis == "method" else axis.removesuffix("_index")
            texts = [value if isinstance(value, str) else label(value) for value in values]
            self.tables[word] = {"over": [axis], "sizes": [len(texts)], "texts": texts}
        for word, value in words.items():
            self.tables[word] = _written(word, value, entries)

    def check(self, text: str) -> str:
        """The text; ValueError for a word that is not known."""
        for word in _WORD.findall(text):
            check_choice(f"the word in {text!r}", word, self.tables)
        return text

    def fill(self, text: str, places: Mapping[str, int]) -> str:
        """The text with its words, where the named axes stand at these places."""
        return _WORD.sub(lambda found: _entry(self.tables[found[1]], places), text)


def _written(word: str, value: str | Over, entries: Entries) -> dict[str, Any]:
    if isinstance(value, str):
        return {"over": [], "sizes": [], "texts": [value]}
    _check(word, value, entries, points=False)
    texts = [value.text(number) for number in value.values.flatten().tolist()]
    return {"over": value.axes, "sizes": list(value.values.shape), "texts": texts}


def _entry(table: Mapping[str, Any], places: Mapping[str, int]) -> str:
    at = 0
    for axis, size in zip(table["over"], table["sizes"], strict=True):
        at = at * size + places[axis]
    return table["texts"][at]


def _check(name: str, numbers: Over, entries: Entries, *, points: bool) -> None:
    """ValueError where numbers do not have an entry for each place of their named axes."""
    sizes = [len(check_choice(f"an axis of {name}", axis, entries)) for axis in numbers.axes]
    shape = list(numbers.values.shape)
    if shape[: len(sizes)] != sizes or len(shape) != len(sizes) + points:
        wanted = ", ".join(
            [*(f"{a}: {n}" for a, n in zip(numbers.axes, sizes, strict=True)), *["points"] * points]
        )
        raise ValueError(f"{name} must have the axes ({wanted}), got the shape {tuple(shape)}")


class Pack:
    """Puts the numbers of marks into one piece; the plan says where they begin."""

    def __init__(self, entries: Entries, words: Words) -> None:
        self._entries, self._words = entries, words
        self._parts: list[bytes] = []
        self._end = 0

    @property
    def numbers(self) -> bytes:
        """All numbers, as float32."""
        return b"".join(self._parts)

    def picture(self, picture: Panel | Strips) -> dict[str, Any]:
        """The plan of a panel, or of strips."""
        panels = picture.panels if isinstance(picture, Strips) else [picture]
        title = self._words.check(picture.title) if isinstance(picture, Strips) else None
        return {"title": title, "panels": [self._panel(panel) for panel in panels]}

    def _panel(self, panel: Panel) -> dict[str, Any]:
        marks = [self._mark(mark) for mark in panel.marks]
        return {"x": self._axis(panel.x), "y": self._axis(panel.y), "marks": marks}

    def _axis(self, axis: Axis) -> dict[str, Any]:
        plan: dict[str, Any] = {
            "title": self._words.check(axis.title),
            "range": axis_range(axis, self._entries),
            "log": axis.log,
            "percent": axis.percent,
        }
        if axis.ticks:
            plan |= {"at": list(axis.ticks), "labels": [label(tick) for tick in axis.ticks]}
        if axis.trait:
            plan |= {"trait": axis.trait, "values": self._entries[axis.trait]}
        return plan

    def _mark(self, mark: Mark) -> dict[str, Any]:
        kind = type(mark).__name__.lower()
        numbers = numbers_of(mark)
        options = {f.name: getattr(mark, f.name) for f in fields(mark) if f.name not in numbers}
        self._words.check(options.get("text", ""))
        for name, values in numbers.items():
            _check(f"{name} of a {kind}", values, self._entries, points=isinstance(mark, Line | Band))
        if isinstance(mark, Marker | Foot) and not each_method(mark):
            raise ValueError(f"a {kind} must have numbers over 'method', got none")
        if isinstance(mark, Line) and mark.beside:
            check_choice("beside", mark.beside, dict.fromkeys(mark.y.axes))
        tables = {name: self._table(values) for name, values in numbers.items()}
        return {"kind": kind, "each": each_method(mark), **options, **tables}

    def _table(self, numbers: Over) -> dict[str, Any]:
        sizes = [len(self._entries[axis]) for axis in numbers.axes]
        count = numbers.values.shape[len(sizes)] if numbers.values.ndim > len(sizes) else 1
        first = self._end
        self._parts.append(pack_float32(numbers.values))
        self._end += numbers.values.numel()
        return {"over": numbers.axes, "sizes": sizes, "from": first, "points": count}


def axis_range(axis: Axis, entries: Entries) -> tuple[float, float]:
    """Where an axis begins and ends: by default with the values of its slider."""
    if axis.range:
        return axis.range
    values = check_choice(f"the trait of axis {axis.title!r}", axis.trait, entries)
    return float(values[0]), float(values[-1])
