"""The clinic: a run that may be ill, its curves, tests with prices, and causes to choose from."""

from __future__ import annotations

import random
from collections.abc import Sequence
from textwrap import fill
from typing import Any

import torch
import traitlets
from matplotlib.figure import Figure
from torch import Tensor

from lwlr_teach.core.text import short
from lwlr_teach.studies.illnesses import ILLNESSES, Patient
from lwlr_teach.views.inspector.view import TITLES, depth_styles
from lwlr_teach.views.kit.base import View, module, pack_float32
from lwlr_teach.views.kit.style import linestyle
from lwlr_teach.views.kit.traits import OneOf, Position, Shown

PRICES = {
    "relative_update": 0,
    "clipped_norm": 1,
    "weight_norm": 1,
    "effective_rate": 1,
    "held": 1,
    "one batch": 3,
    "a tenth": 10,
    "ten times": 10,
    "warm-up": 10,
    "another seed": 10,
}
"""What each test costs, in minutes."""
WRONG = 10
"""What a wrong name costs."""

_TESTS = {
    "held": "count the tensors that the optimizer holds",
    "one batch": "train on one batch again and again",
    "a tenth": "run it at a tenth of the rate",
    "ten times": "run it at ten times the rate",
    "warm-up": "run it with a warm-up of 50 steps",
    "another seed": "run it with another seed",
}
_RECORDS = {
    "relative_update": "updates ÷ weights",
    "clipped_norm": "gradients",
    "weight_norm": "weights",
    "effective_rate": "rates",
}
_WHOLE = "clipped_norm"
"""The record that has a curve of all layers together, too."""
_TOGETHER = "all layers together"
_LOSSES = (0.01, 30.0)
_DECADES = 1e-6
_ORDER = 3
"""Of the shuffled patients: with this seed the first five differ, and no record costs more than a minute."""


class ClinicView(View):
    """Patients of the clinic, one at a time: the loss and one record of each layer, the tests, the causes.

    They come in a shuffled order, the same on every machine, and who was cured comes again when all are
    cured. A test is paid for when it is chosen, a wrong cause costs as much as a run. ``patient`` is the
    place of the patient in ``patients``, ``quantity`` the record that is shown, ``bought`` the tests that
    were paid for, ``named`` the illnesses that were named, ``cured`` the earlier patients that were cured,
    and ``bills`` what they have cost. They follow the view's controls, and move them when they are set.

    Args:
        patients: stored runs, see :func:`~lwlr_teach.studies.patients`.
    """

    _esm = module("clinic/view.js")

    plan = traitlets.Dict().tag(sync=True)
    numbers = traitlets.Bytes().tag(sync=True)
    patient = Position("patients")
    quantity = OneOf("_records")
    bought = Shown("_tests")
    named = Shown("_causes")
    shown = Shown("layers")
    cured = traitlets.List(traitlets.Int()).tag(sync=True)
    bills = traitlets.List(traitlets.Int()).tag(sync=True)

    _records = tuple(_RECORDS)
    _tests = tuple(PRICES)
    _causes = tuple(ILLNESSES)

    def __init__(self, patients: Sequence[Patient]) -> None:
        if not patients:
            raise ValueError("patients must be at least one, got none")
        self.patients = list(patients)
        random.Random(_ORDER).shuffle(self.patients)
        self.layers = list(patients[0].layers)
        begin: dict[str, Any] = {
            "patient": 0,
            "quantity": "relative_update",
            "bought": [],
            "named": [],
            "shown": self.layers,
            "cured": [],
            "bills": [],
        }
        both = zip(self.layers, depth_styles(len(self.layers)), strict=True)
        plan = {
            "layers": [{"name": name, "style": style} for name, style in both],
            "steps": patients[0].steps.tolist(),
            "records": {name: [_RECORDS[name], TITLES[name]] for name in _RECORDS},
            "together": [_WHOLE, _TOGETHER],
            "tests": _TESTS,
            "reruns": list(patients[0].reruns),
            "prices": PRICES,
            "wrong": WRONG,
            "causes": {name: illness.cause for name, illness in ILLNESSES.items()},
            "patients": [
                {
                    "illness": one.illness.name,
                    "outcomes": {test: _outcome(one, test) for test in _TESTS},
                    "losses": {name: _loss_range(losses) for name, losses in _losses(one).items()},
                    "ranges": {name: _range(_curves(one, name)) for name in one.records},
                    "whole": _whole_says(one),
                    "ends": {name: _end(_curves(one, name), one) for name in one.records}
                    | {"loss": _end(one.losses[None], one)},
                }
                for one in self.patients
            ],
            "verdicts": {
                name: {
                    "shows": illness.shows,
                    "met": illness.met,
                    "code": illness.source,
                    "not": _not_so(name),
                }
                for name, illness in ILLNESSES.items()
            },
            "start": begin,
        }
        numbers = torch.stack([_numbers(one) for one in self.patients])
        super().__init__(**begin, plan=plan, numbers=pack_float32(numbers))

    @property
    def bill(self) -> int:
        """What this patient has cost so far, in minutes."""
        tests = {*self.bought, self.quantity}
        return sum(PRICES[test] for test in tests) + WRONG * len(self._wrong)

    @property
    def solved(self) -> bool:
        """Whether the right cause was named."""
        return self._illness.name in self.named

    @property
    def _illness(self) -> Any:
        return self.patients[self.patient].illness

    @property
    def _wrong(self) -> list[str]:
        return [name for name in self.named if name != self._illness.name]

    def describe(self) -> str:
        """The patient, what the tests that were paid for have said, and what it has."""
        one = self.patients[self.patient]
        last = _loss(one.losses[-1].item())
        parts = [f"Patient {self.patient + 1}: the loss ends at {last}, {TITLES[self.quantity]} is shown."]
        shown = {"training loss": one.losses[None], TITLES[self.quantity]: _curves(one, self.quantity)}
        parts += [f"{title}: {end}." for title, values in shown.items() if (end := _end(values, one))]
        parts += [_whole_says(one)] if self.quantity == _WHOLE else []
        parts += [f"{_TESTS[test]}: {_outcome(one, test)}." for test in _TESTS if test in self.bought]
        parts += [_not_so(name) for name in self._wrong]
        if self.solved:
            parts.append(f"Right, {self._illness.cause}. {self._illness.shows}")
        return " ".join([*parts, f"Bill: {self.bill} minutes."])

    def figure(self) -> Figure:
        """The loss and the record of each layer; when it is solved, the code."""
        one = self.patients[self.patient]
        seen = [losses for name, losses in _losses(one).items() if name in ("", *self.bought)]
        low_high = _loss_range(torch.cat(seen))
        code = fill(self._illness.cause, 100) + "\n\n" + self._illness.source if self.solved else ""
        lines = code.count("\n") + 1 if code else 0
        figure = Figure(figsize=(9, 3.4 + 0.17 * lines), layout="constrained")
        grid = figure.add_gridspec(2 if code else 1, 2, height_ratios=[3.4, 0.17 * lines] if code else None)
        loss, record = (figure.add_subplot(grid[0, i]) for i in range(2))
        steps = one.steps.numpy()
        loss.plot(steps, one.losses.clamp(*low_high), color="black")
        for name in one.reruns:
            if name in self.bought:
                loss.plot(steps, one.reruns[name].clamp(*low_high), linewidth=1, label=name)
        if loss.get_legend_handles_labels()[0]:
            loss.legend(fontsize=8)
        loss.set(yscale="log", ylim=low_high, xlabel="step")
        loss.set_title("training loss", fontsize=10, loc="left")
        every = _curves(one, self.quantity)
        low, high = _range(every)
        for i, (name, style) in enumerate(zip(self.layers, depth_styles(len(self.layers)), strict=True)):
            if name in self.shown:
                values = one.records[self.quantity][i].clamp(low, high)
                record.plot(steps, values, color=style["colour"], linestyle=linestyle(style), label=name)
        if self.quantity == _WHOLE:
            record.plot(steps, every[-1].clamp(low, high), color="black", linewidth=2, label=_TOGETHER)
        record.set(yscale="log", ylim=(low, high), xlabel="step")
        record.set_title(TITLES[self.quantity], fontsize=10, loc="left")
        for axes, values in ((loss, one.losses[None]), (record, every)):
            axes.text(0.5, 0.9, _end(values, one), transform=axes.transAxes, ha="center", fontsize=9)
        if record.get_legend_handles_labels()[0]:
            record.legend(fontsize=8)
        if code:
            text = figure.add_subplot(grid[1, :])
            text.set_axis_off()
            text.text(0, 1, code, fontsize=8, va="top", family="monospace", parse_math=False)
        return figure


def _outcome(one: Patient, test: str) -> str:
    """What a test says of a patient."""
    if test == "held":
        return f"{one.held[0]} of {one.held[1]}"
    end, own = (_loss(losses[-5:].mean().item()) for losses in (one.reruns[test], one.losses))
    return f"the loss ends at {end}, " + ("as before" if end == own else f"and not at {own}")


def _loss(value: float) -> str:
    return short(value) if value == value else "no number"


def _not_so(name: str) -> str:
    """What is said to a wrong name: what would tell it."""
    return f"Not so: {ILLNESSES[name].cause}. You would know it by this: {ILLNESSES[name].would}"


def _whole(one: Patient) -> Tensor:
    """The norm of the gradient of all layers together: (step,)."""
    return one.records[_WHOLE].square().sum(0).sqrt()


def _whole_says(one: Patient) -> str:
    whole = _whole(one)
    low, high = map(short, torch.stack(whole[whole.isfinite()].aminmax()).tolist())
    return f"The gradient of {_TOGETHER}: {low} to {high}."


def _curves(one: Patient, quantity: str) -> Tensor:
    """What is drawn of a record: (curve, step)."""
    values = one.records[quantity]
    return torch.cat([values, _whole(one)[None]]) if quantity == _WHOLE else values


def _end(values: Tensor, one: Patient) -> str:
    """From which step on these curves are no number, in words; nothing if they end at one."""
    known = values.isfinite().any(0).nonzero().flatten().tolist()
    after = known[-1] + 1 if known else 0
    return f"no number from step {int(one.steps[after])} on" if after < len(one.steps) else ""


def _numbers(one: Patient) -> Tensor:
    """All curves of a patient, one below the other: its loss, its records, its reruns, the whole gradient."""
    reruns = torch.stack([*one.reruns.values()])
    return torch.cat([one.losses[None], *one.records.values(), reruns, _whole(one)[None]])


def _losses(one: Patient) -> dict[str, Tensor]:
    """The loss, without a name, and those of the reruns."""
    return {"": one.losses, **one.reruns}


def _loss_range(losses: Tensor) -> list[float]:
    """Of what is seen alone: an axis that has room for a rerun tells what it would say."""
    found = losses[losses.isfinite()].clamp(*_LOSSES)
    return [min(1.0, *(found / 1.2).tolist()), max(3.0, *(found * 1.2).tolist())]


def _range(values: Tensor) -> list[float]:
    found = values[values.isfinite() & (values > 0)]
    if not len(found):
        return [0.1, 10.0]
    high = found.max().item()
    return [max(found.min().item(), high * _DECADES) / 1.5, high * 1.5]
