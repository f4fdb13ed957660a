"""The recall view: questions with options, each answered once, with the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

import traitlets
from matplotlib.figure import Figure

from lwlr_teach.views.kit.base import View, module


class RecallView(View):
    """Questions, each a mapping: ``asks``, ``options``, ``right`` (the number of an option) and ``why``.

    ``answers`` holds the number of the chosen option of each question, −1 while there is none.
    """

    _esm = module("recall/view.js")

    plan = traitlets.Dict().tag(sync=True)
    answers = traitlets.List(traitlets.Int()).tag(sync=True)
    words = traitlets.Unicode().tag(sync=True)

    def __init__(self, questions: Sequence[Mapping[str, Any]]) -> None:
        plan = {"questions": [dict(question) for question in questions]}
        super().__init__(plan=plan, answers=[-1] * len(questions))
        self.words = self.describe()
        self.observe(self._say, "answers")

    def _say(self, _: Any) -> None:
        self.words = self.describe()

    def describe(self) -> str:
        """The questions, and how many were answered right."""
        questions = self.plan["questions"]
        asked = " ".join(f"{i}. {question['asks']}" for i, question in enumerate(questions, start=1))
        done = [(q, a) for q, a in zip(questions, self.answers, strict=True) if a >= 0]
        if not done:
            return f"Recall: {asked} Not answered yet."
        right = sum(question["right"] == answer for question, answer in done)
        return f"Recall: {asked} {right} of {len(done)} answered right."

    def figure(self) -> Figure:
        """The questions and their options, and the reasons of those that were answered."""
        lines = []
        for i, (question, answer) in enumerate(
            zip(self.plan["questions"], self.answers, strict=True), start=1
        ):
            lines.append(fill(f"{i}. {question['asks']}", 100))
            for j, option in enumerate(question["options"]):
                mark = "●" if j == answer else "○"
                lines.append(fill(f"     {mark} {option}", 100, subsequent_indent="        "))
            if answer >= 0:
                verdict = "✔ Right." if answer == question["right"] else "✘ No."
                lines.append(fill(f"     {verdict} {question['why']}", 100, subsequent_indent="     "))
        text = "\n".join(lines)
        figure = Figure(figsize=(7.5, 0.3 + 0.19 * (text.count("\n") + 1)), layout="constrained")
        ax = figure.add_subplot()
        ax.set_axis_off()
        ax.text(0, 1, text, fontsize=9, va="top", transform=ax.transAxes)
        return figure
