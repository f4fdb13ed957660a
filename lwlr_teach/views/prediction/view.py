"""The prediction view: a question, a guess that is locked, and later the guess over the truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from textwrap import wrap
from typing import Any

import numpy as np
import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lwlr_teach.core.checks import check_choice, check_count
from lwlr_teach.core.text import label, short
from lwlr_teach.views.kit.base import View, module

KINDS = {kind: kind for kind in ("number", "choice", "curve")}
CONFIDENCES = list(range(50, 101, 5))
COLUMNS = 60
_GUESS, _TRUTH = "#e69f00", "#0072b2"


class PredictionView(View):
    """A question with a slider, a list of options, or a pad to draw on.

    ``guess`` and ``truth`` are lists, empty while there is none: the position on the slider and the measured
    value; the number of an option; or ``COLUMNS`` heights, each a share of the axis. ``locked`` says that the
    learner has fixed the guess, ``confidence`` how sure of it, in percent. A guess is right if it is at most
    ``within`` away: on a logarithmic slider that factor, of a curve on average that share of the axis. Of a
    curve the part ``over`` is judged, from one x to another, or all of it.
    ``why`` is the reason for the truth, and is said with it.
    """

    _esm = module("prediction/view.js")

    plan = traitlets.Dict().tag(sync=True)
    guess: traitlets.List[float] = traitlets.List().tag(sync=True)
    confidence = traitlets.Int(70).tag(sync=True)
    locked = traitlets.Bool(False).tag(sync=True)
    truth: traitlets.List[float] = traitlets.List().tag(sync=True)
    why = traitlets.Unicode().tag(sync=True)
    words = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        kind: str,
        question: str,
        *,
        values: Sequence[float] = (),
        options: Sequence[str] = (),
        log: bool = False,
        x: dict[str, Any] | None = None,
        y: dict[str, Any] | None = None,
        unit: str = "",
        within: float = 0.0,
        over: tuple[float, float] | None = None,
    ) -> None:
        check_choice("kind", kind, KINDS)
        self.kind, self.question, self.unit, self.within, self.over = kind, question, unit, within, over
        labels = list(options) if kind == "choice" else [self._number(v) for v in values]
        if kind != "curve":
            check_count("number of possible answers", len(labels), low=2)
        if kind == "choice" and len(set(labels)) < len(labels):
            twice = next(text for i, text in enumerate(labels) if text in labels[:i])
            raise ValueError(f"options must be distinct, and {twice!r} is given twice")
        plan = {
            "kind": kind,
            "question": question,
            "labels": labels,
            "values": list(values),
            "log": log,
            "x": x or {},
            "y": y or {},
            "columns": COLUMNS,
            "confidences": CONFIDENCES,
            # What a page without a kernel judges with.
            "within": within,
            "over": list(over or ()),
            "unit": unit,
        }
        super().__init__(plan=plan)
        self.words = self.describe()
        self.observe(self._say, ["guess", "confidence", "locked", "truth"])

    def fits(self, guess: Any) -> bool:
        """Whether this question takes that guess: a position of the slider, an option, or a whole curve."""
        if not isinstance(guess, list) or any(isinstance(x, bool) or not isinstance(x, Real) for x in guess):
            return False
        if self.kind == "curve":
            return len(guess) == COLUMNS and all(0 <= share <= 1 for share in guess)
        return len(guess) == 1 and guess[0] in range(len(self.plan["labels"]))

    @traitlets.validate("guess")
    def _is_possible(self, proposal: dict[str, Any]) -> list[float]:
        guess: list[float] = proposal["value"]
        if guess and not self.fits(guess):
            wanted = (
                f"{COLUMNS} heights from 0 to 1"
                if self.kind == "curve"
                else f"one position from 0 to {len(self.plan['labels']) - 1}"
            )
            raise ValueError(f"guess must be {wanted}, got {guess}")
        return guess

    def _say(self, _: Any) -> None:
        self.words = self.describe()

    def _number(self, value: float) -> str:
        return f"{label(value)}{self.unit}"

    def describe(self) -> str:
        """The question, what was guessed and what was measured, as far as they are known."""
        if not self.truth:
            locked = self.locked and self.guess
            return f"{self.question} {f'Locked: {self._sure_in_words()}.' if locked else 'Not answered yet.'}"
        mark = {True: "✔ ", False: "✘ ", None: ""}[self.right]
        return f"{self.question} {mark}{self.compared} {self.why}".rstrip()

    @property
    def compared(self) -> str:
        """What was guessed and what was measured, in a sentence; once there is a truth."""
        if self.right is None:
            return f"No guess was locked; {self._truth_in_words()}."
        return f"You said {self._sure_in_words()}; {self._truth_in_words()}{self._judged_in_words()}."

    def _sure_in_words(self) -> str:
        return f"{self._guess_in_words()}, {self.confidence}% sure"

    @property
    def right(self) -> bool | None:
        """Whether the locked guess was near enough; None while guess or truth is missing."""
        if not (self.locked and self.guess and self.truth):
            return None
        if self.kind == "choice":
            return int(self.guess[0]) == int(self.truth[0])
        if self.kind == "curve":
            return self._average() <= self.within
        return self._is_near(int(self.guess[0]))

    def _is_near(self, position: int) -> bool:
        """Whether a position of the slider is near enough to the measured number."""
        guess, truth = self.plan["values"][position], self.truth[0]
        if self.plan["log"]:
            return bool(truth > 0 and max(guess / truth, truth / guess) <= self.within)
        return bool(abs(guess - truth) <= self.within)

    @property
    def given_away(self) -> bool:
        """Whether the knob of an untouched slider, which stands in the middle, stands at the answer."""
        return self.kind == "number" and bool(self.truth) and self._is_near(len(self.plan["values"]) // 2)

    def _apart(self) -> dict[float, float]:
        """How far guess and truth are apart where they are judged: at each x, as shares of the axis."""
        ends = low, high = self.plan["x"]["range"]
        places = np.linspace(low, high, COLUMNS).tolist()
        first, last = self.over or ends
        both = zip(places, self.guess, self.truth, strict=True)
        return {x: abs(guess - truth) for x, guess, truth in both if first <= x <= last}

    def _average(self) -> float:
        apart = self._apart().values()
        return sum(apart) / len(apart)

    def _judged_in_words(self) -> str:
        """How far a number or a curve is away, and how far would still do."""
        if self.kind == "number":
            off = f"a factor of {label(self.within)}" if self.plan["log"] else self._number(self.within)
            return f" ({off} off counts as right)"
        if self.kind == "curve":
            apart, what = self._apart(), self.plan["x"].get("title", "x")
            furthest = max(apart, key=apart.__getitem__)
            if what == "step":  # columns lie between steps, too; halves go up, as in JavaScript
                furthest = math.floor(furthest + 0.5)
            part = f" from {what} {label(self.over[0])} to {label(self.over[1])}" if self.over else ""
            return (
                f". Yours is {self._distance(self._average())} away on average{part} "
                f"({self._distance(self.within)} counts as right), and furthest at "
                f"{what} {label(furthest)}"
            )
        return ""

    def _distance(self, share: float) -> str:
        """A share of the vertical axis as what it means there: a difference, or a factor."""
        low, high = self.plan["y"]["range"]
        if self.plan["y"].get("log"):
            return f"a factor of {short((high / low) ** share)}"
        return short(share * (high - low))

    def _guess_in_words(self) -> str:
        return "a curve" if self.kind == "curve" else self._option(self.guess)

    def _option(self, chosen: list[float]) -> str:
        text = self.plan["labels"][int(chosen[0])]
        return f"“{text}”" if self.kind == "choice" else str(text)

    def _truth_in_words(self) -> str:
        if self.kind == "choice":
            return f"measured: {self._option(self.truth)}"
        if self.kind == "number":
            return f"it is {self._number(self.truth[0])}"
        first, last = self._height(self.truth[0]), self._height(self.truth[-1])
        return f"the measured curve goes from {first} to {last}, at most {self._height(max(self.truth))}"

    def _height(self, share: float) -> str:
        low, high = self.plan["y"]["range"]
        value = low * (high / low) ** share if self.plan["y"].get("log") else low + share * (high - low)
        return label(value)

    def figure(self) -> Figure:
        """The guess over the truth, as far as they are known."""
        draw = {"number": self._draw_number, "choice": self._draw_choice, "curve": self._draw_curve}[
            self.kind
        ]
        figure = draw().get_figure()
        assert isinstance(figure, Figure)
        return figure

    def _axes(self, height: float) -> Axes:
        """Axes of this height in inches under the question."""
        title = wrap(self.question, 95)
        figure = Figure(figsize=(7, height + 0.16 * (len(title) - 1)), layout="constrained")
        ax = figure.add_subplot()
        ax.set_title("\n".join(title), fontsize=9, loc="left")
        return ax

    def _draw_number(self) -> Axes:
        ax = self._axes(1.4)
        values = self.plan["values"]
        ax.set(
            yticks=[],
            xlim=(values[0], values[-1]),
            xscale="log" if self.plan["log"] else "linear",
            ylim=(0, 1),
        )
        if self.truth:
            ax.axvline(self.truth[0], color=_TRUTH, label="measured")
            ax.plot(self.truth[0], 0.25, "*", color=_TRUTH, ms=12)
        if self.locked and self.guess:
            guess = values[int(self.guess[0])]
            ax.axvline(guess, color=_GUESS, linestyle="--", label="your guess")
            ax.plot(guess, 0.75, "v", color=_GUESS, ms=9)
        if self.truth or (self.locked and self.guess):
            ax.legend(fontsize=8, loc="center left")
        return ax

    def _draw_choice(self) -> Axes:
        lines: list[tuple[str, str]] = []
        for i, text in enumerate(self.plan["labels"]):
            marks = " ★ measured" if self.truth and int(self.truth[0]) == i else ""
            if self.locked and self.guess and int(self.guess[0]) == i:
                marks += " ▼ your guess"
            weight = "bold" if marks else "normal"
            lines += [(line, weight) for line in wrap(f"○ {text}{marks}", 90, subsequent_indent="    ")]
        ax = self._axes(0.4 + 0.24 * len(lines))
        ax.set_axis_off()
        ax.set(xlim=(0, 1), ylim=(len(lines) - 0.5, -0.5))
        for i, (line, weight) in enumerate(lines):
            ax.text(0.02, i, line, fontsize=9, va="center", weight=weight)
        return ax

    def _draw_curve(self) -> Axes:
        ax = self._axes(3)
        x, y = self.plan["x"], self.plan["y"]
        columns = np.linspace(x["range"][0], x["range"][1], COLUMNS)
        ax.set(xlabel=x.get("title", ""), ylabel=y.get("title", ""), xlim=x["range"], ylim=y["range"])
        ax.set_yscale("log" if y.get("log") else "linear")
        low, high = y["range"]
        for heights, colour, dashes, name in [
            (self.truth, _TRUTH, "-", "measured"),
            (self.guess if self.locked else [], _GUESS, "--", "your guess"),
        ]:
            if heights:
                shares = np.asarray(heights)
                values = low * (high / low) ** shares if y.get("log") else low + shares * (high - low)
                ax.plot(columns, values, dashes, color=colour, label=name)
        if self.truth or (self.locked and self.guess):
            ax.legend(fontsize=8)
        return ax
