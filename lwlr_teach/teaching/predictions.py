"""Predictions: a guess that is locked before the result is shown, kept, and drawn over the result.

A learner who has said what will happen looks at what does happen. Without an answer the lesson goes on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lwlr_teach.core.checks import check_choice, check_number
from lwlr_teach.core.text import fixed, percent
from lwlr_teach.teaching.claims import demand
from lwlr_teach.teaching.progress import Record, note, read_progress
from lwlr_teach.views.prediction.view import COLUMNS, CONFIDENCES, PredictionView

_SMALLEST = torch.finfo(torch.float64).tiny  # of a logarithmic axis

OFTEN = 5
"""After so many more predictions it is worth telling how well the learner knows what they know."""

# The questions whose truth this kernel has shown: a guess that is locked later does not count.
_shown: set[str] = set()


class Prediction(PredictionView):
    """A question, asked by :func:`predict_number`, :func:`predict_choice` or :func:`predict_curve`."""

    def __init__(self, name: str, kind: str, question: str, *, within: float = 0.0, **plan: Any) -> None:
        self.name, self._reports = name, False
        super().__init__(kind, question, within=within, **plan)
        kept = read_progress()["predictions"].get(name, {})
        if self.fits(kept.get("guess")):  # a guess stays locked when the lesson is opened again
            sure = kept.get("confidence")
            with self.hold_trait_notifications():
                self.guess, self.locked = kept["guess"], True
                self.confidence = sure if sure in CONFIDENCES else self.confidence
        self.observe(self._keep, "locked")

    @property
    def _answer(self) -> dict[str, Any]:
        return {"guess": list(self.guess), "confidence": self.confidence}

    def _keep(self, change: Any) -> None:
        if not (self.locked and self.guess):
            return
        late = {"late": True} if self.name in _shown else {}

        def put(record: Record) -> None:
            kept = record["predictions"].get(self.name, {})
            if not self.fits(kept.get("guess")):  # what was locked first stays
                record["predictions"][self.name] = self._answer | late

        note(put)

    def reveal(self, truth: float | str | Sequence[float] | Tensor, why: str = "") -> Prediction:
        """Show the truth beside the guess, say why, and count the guess if it was locked before.

        ``truth`` is the measured number; the right option; or the heights of the measured curve, evenly
        spaced along the axis. ``why`` is a sentence or two. Give the result as the last line of a cell.
        """
        measured = self._measured(truth)
        with self.hold_trait_notifications():  # the words have the reason in them
            self.why, self.truth = why, measured
        demand(
            not self.given_away, f"the knob of {self.name} stands at the answer at first; give other values"
        )
        _shown.add(self.name)
        right = self.right
        if right is not None:

            def put(record: Record) -> None:
                kept = record["predictions"].setdefault(self.name, self._answer)
                if kept.get("guess") == list(self.guess) and not kept.get("late"):
                    kept |= {"truth": list(self.truth), "right": right}
                    kept |= {"asks": self.question, "compared": self.compared}  # for my_course

            before = calibration().count
            note(put)
            known = calibration().count
            self._reports |= known > before and known % OFTEN == 0
            self.words = self.describe()
        return self

    def describe(self) -> str:
        """As of every prediction; with every fifth, how well the learner knows what they know."""
        text = super().describe()
        return f"{text} So far, {calibration()}" if self._reports else text

    def _measured(self, truth: Any) -> list[float]:
        """The truth as the view takes it."""
        if self.kind == "choice":
            labels = self.plan["labels"]
            return [check_choice("truth", truth, {text: i for i, text in enumerate(labels)})]
        if self.kind == "number":
            check_number("truth", truth)
            return [float(truth)]
        curve = torch.as_tensor(truth, dtype=torch.float64).detach().cpu()
        if curve.ndim != 1 or not len(curve):
            raise ValueError(f"truth must be a list of heights, got the shape {tuple(curve.shape)}")
        return self._shares(curve)

    def _shares(self, curve: Tensor) -> list[float]:
        """A curve at the pad's columns, each height as a share of the axis."""
        low, high = self.plan["y"]["range"]
        heights = curve.nan_to_num(nan=high, posinf=high).clamp(low, high)
        if self.plan["y"].get("log"):
            shares = (heights / low).log() / math.log(high / low)
        else:
            shares = (heights - low) / (high - low)
        columns = np.linspace(0, len(curve) - 1, COLUMNS)
        return np.interp(columns, np.arange(len(curve)), shares.numpy()).tolist()


def predict_number(
    name: str,
    question: str,
    values: Sequence[float] | Tensor,
    *,
    within: float,
    log: bool = False,
    unit: str = "",
) -> Prediction:
    """Ask for a number: a position on a slider over ``values``.

    A guess is right if it is at most ``within`` away, or on a logarithmic slider at most that factor.
    """
    check_number("within", within, low=1 if log else 0)
    numbers = torch.as_tensor(values, dtype=torch.float64)
    check_number("values", numbers, low=_SMALLEST if log else -math.inf)
    ways = (numbers.log() if log else numbers).diff()
    if len(ways) and (ways - ways.mean()).abs().max() > 0.05 * ways.mean().abs():
        evenly = "by equal factors" if log else "by equal amounts"
        raise ValueError(f"values must grow {evenly}, or the knob stands beside its number, got {values}")
    return Prediction(name, "number", question, values=numbers.tolist(), within=within, log=log, unit=unit)


def predict_choice(name: str, question: str, options: Sequence[str]) -> Prediction:
    """Ask for one of several answers."""
    return Prediction(name, "choice", question, options=options)


def predict_curve(
    name: str,
    question: str,
    *,
    x: dict[str, Any],
    y: dict[str, Any],
    within: float = 0.15,
    over: tuple[float, float] | None = None,
) -> Prediction:
    """Ask for a curve, drawn by hand on axes like ``{"range": [0, 100], "title": "step"}`` (``"log": True``).

    A guess is right if it is on average at most ``within`` of the axis' height away, of the whole curve or of
    the part ``over``, (from, to), that the question is about.
    """
    for axis in (x, y):
        low, high = axis["range"]
        check_number("range[0]", low, low=_SMALLEST if axis.get("log") else -math.inf, below=high)
    if over is not None:
        low, high = x["range"]
        check_number("over[0]", over[0], low=low)
        check_number("over[1]", over[1], low=over[0] + 0.1 * (high - low), high=high)
    return Prediction(name, "curve", question, x=x, y=y, within=within, over=over)


@dataclass(frozen=True)
class Calibration:
    """How well learners know what they know, over all predictions so far."""

    count: int
    right: float
    sure: float
    brier: float

    def __str__(self) -> str:
        if not self.count:
            return "No prediction has been compared with a result yet."
        noun = "prediction" if self.count == 1 else "predictions"
        gap = self.sure - self.right
        verdict = (
            "about as sure as right" if abs(gap) <= 0.1 else "surer than right" if gap > 0 else "too modest"
        )
        return (
            f"{self.count} {noun}: {percent(self.right)} right, {percent(self.sure)} sure on average "
            f"({verdict}); Brier score {fixed(self.brier, 2)} "
            "(0 is perfect, 0.25 is what always saying 50% gets)."
        )


def calibration() -> Calibration:
    """The learner's calibration so far, from the file of their progress."""
    counted = [kept for kept in read_progress()["predictions"].values() if "right" in kept]
    if not counted:
        return Calibration(0, 0.0, 0.0, 0.0)
    pairs = [(kept.get("confidence", 50) / 100, float(kept["right"])) for kept in counted]
    n = len(pairs)
    return Calibration(
        n,
        sum(hit for _, hit in pairs) / n,
        sum(sure for sure, _ in pairs) / n,
        sum((sure - hit) ** 2 for sure, hit in pairs) / n,
    )
