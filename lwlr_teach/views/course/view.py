"""The map of the course: every lesson with what the learner has done in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from textwrap import wrap
from typing import Any

import traitlets
from matplotlib.figure import Figure

from lwlr_teach.views.kit.base import View, module


class CourseView(View):
    """Lessons, each a mapping: ``name``, ``part``, ``question``, ``minutes``, ``ready``, ``opened``,
    ``predictions`` (how many were locked), ``passed`` and ``exercises`` (how many there are), and ``denied``
    (how many of its claims did not hold here). ``summary`` is a sentence below.
    """

    _esm = module("course/view.js")

    plan = traitlets.Dict().tag(sync=True)
    words = traitlets.Unicode().tag(sync=True)

    def __init__(self, lessons: Sequence[Mapping[str, Any]], summary: str) -> None:
        parts = [
            {"title": part, "lessons": [dict(lesson) | {"state": _state(lesson)} for lesson in group]}
            for part, group in groupby(lessons, key=lambda lesson: lesson["part"])
        ]
        self._lessons = list(lessons)
        self._summary = summary
        super().__init__(plan={"parts": parts, "summary": summary})
        self.words = self.describe()

    def describe(self) -> str:
        """How far the learner has come."""
        ready = [lesson for lesson in self._lessons if lesson["ready"]]
        done = sum(_state(lesson) == "done" for lesson in ready)
        begun = sum(_state(lesson) == "begun" for lesson in ready)
        return (
            f"The course: {len(self._lessons)} lessons, {len(ready)} of them ready. "
            f"{done} done, {begun} begun. {self._denied()}{self._summary}"
        )

    def _denied(self) -> str:
        names = [_number(lesson) for lesson in self._lessons if lesson["denied"]]
        return f"This machine measured something else in {', '.join(names)}. " if names else ""

    def figure(self) -> Figure:
        """The lessons as a list."""
        lines: list[tuple[str, str]] = []
        for part, group in groupby(self._lessons, key=lambda lesson: lesson["part"]):
            lines.append((part, "bold"))
            lines += [
                (f"{MARKS[_state(x)]}  {_number(x)}  {x['question']}  ({x['minutes']} min)", "normal")
                for x in group
            ]
        lines += [(text, "normal") for text in wrap(self._denied() + self._summary, 100)]
        height = 0.22 * len(lines) + 0.1
        figure = Figure(figsize=(7.5, height))
        for i, (text, weight) in enumerate(lines):
            figure.text(0.01, 1 - (0.05 + 0.22 * i) / height, text, fontsize=9, va="top", weight=weight)
        return figure


MARKS = {"done": "●", "begun": "◐", "new": "○", "later": "·"}


def _number(lesson: Mapping[str, Any]) -> str:
    """The number with which the name begins: 03, 03b."""
    return str(lesson["name"]).partition("-")[0]


def _state(lesson: Mapping[str, Any]) -> str:
    if not lesson["ready"]:
        return "later"
    if lesson["exercises"] and lesson["passed"] == lesson["exercises"]:
        return "done"
    return "begun" if lesson["opened"] or lesson["predictions"] or lesson["passed"] else "new"
