"""A small one of every view, made in a second or two."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import nn

from lwlr_teach.problems import digits, principal_directions, random_directions
from lwlr_teach.runs import QUANTITIES, Contestant, Minibatches, Recording, race, range_test, train_ensemble
from lwlr_teach.schedules import Plateau
from lwlr_teach.studies import (
    compare,
    cut,
    few_digits,
    guess_sizes,
    patients,
    pretrain,
    sweep_momentum,
    train_layer_rates,
    train_schedules,
    train_widths,
    walks,
)
from lwlr_teach.studies.four_fields import FieldRuns
from lwlr_teach.teaching import (
    ask,
    check,
    course_map,
    explain,
    predict_choice,
    predict_curve,
    predict_number,
)
from lwlr_teach.teaching.predictions import Prediction
from lwlr_teach.views import (
    ClinicView,
    CurvesView,
    FamilyView,
    FieldsView,
    GalleryView,
    InspectorView,
    LandscapeView,
    LayerRatesView,
    MemoryView,
    Microscope,
    MomentumView,
    Playground,
    RaceView,
    RangeTestView,
    RatesView,
    ScheduleView,
    SplitView,
    SurfaceView,
    TransferView,
    WidthView,
)
from lwlr_teach.views.kit.base import View

RATES = [0.01, 0.1, 1.0, 10.0]


def recording(first: str = "first") -> Recording:
    """Of three layers, with random numbers."""
    values = torch.rand(len(QUANTITIES), 3, 4, generator=torch.Generator().manual_seed(0))
    return Recording((first, "a.much.longer.name", "last"), torch.tensor([0, 10, 20, 25]), values)


def surface() -> View:
    """With three sliders and a step; some of its runs diverge."""
    return SurfaceView("rosenbrock", lr=torch.logspace(-4, -1, 7), momentum=(0.0, 0.5, 0.9), steps=20)


def playground() -> View:
    """With every choice and slider."""
    return Playground("ravine", steps=20)


def surface_beforehand() -> View:
    """The same, of paths that Python has computed."""
    never = Plateau(0.5, patience=99)
    return SurfaceView(
        "rosenbrock", lr=torch.logspace(-4, -1, 7), momentum=(0.0, 0.5, 0.9), steps=20, schedule=never
    )


def rates() -> View:
    """Of three methods."""
    return RatesView(train_ensemble(lr=RATES, steps=20, progress=False))


def width() -> View:
    """Of two runs."""
    how = {
        "lr": [0.001, 0.016, 5.0],
        "widths": [8, 16],
        "base": 8,
        "seeds": 2,
        "steps": 12,
        "progress": False,
    }
    return WidthView([train_widths("Adam", way, **how) for way in ("standard", "muP")])


def ranges() -> View:
    """Of two lengths."""
    data = digits()
    torch.manual_seed(0)
    model = nn.Linear(64, 10)
    batches = Minibatches(data.x_train, data.y_train)
    how = {"low": 1e-4, "stop": 1e3}
    tests = [
        range_test(model, nn.functional.cross_entropy, batches, torch.optim.SGD, steps=steps, **how)
        for steps in (40, 80)
    ]
    return RangeTestView(tests, race(["SGD"], lr=RATES, seeds=2, steps=20, progress=False), "SGD")


def contest() -> View:
    """Of four contestants at the same rates."""
    entered = ["SGD", "Momentum", "Adam", Contestant("Adagrad", name="mine")]
    return RaceView(race(entered, lr=RATES, seeds=3, steps=20, checkpoints=5, progress=False))


def transfer() -> View:
    """Of two transfers with two numbers of examples."""
    known = pretrain(seeds=2, steps=40, hidden=(8, 8))
    how = {"lr": [0.003, 0.01], "steps": 12, "names": ["smaller early"], "progress": False}
    return TransferView(
        [compare(known, t, shots=n, **how) for t in ("new digits", "mirrored") for n in (1, 3)]
    )


def layers() -> View:
    """Of two layers."""
    return LayerRatesView(train_layer_rates(seeds=1, steps=5, rates=(0.1, 1), progress=False))


def schedules() -> View:
    """Of three families."""
    names = ["constant", "cosine", "WSD"]
    return ScheduleView(train_schedules(names, lr=[0.05, 0.1, 0.5], seeds=2, steps=20, progress=False))


def memory() -> View:
    """Of five memories."""
    return MemoryView(guess_sizes([2, 5, 10, 40, 150], steps=30, before=50, draws=20))


def landscape() -> View:
    """Of two slices with two paths."""
    net = few_digits(20, 4)
    ways = walks(net, {"SGD": 0.05, "Adam": 0.03}, steps=12)
    end = [p[-1] for p in ways["SGD"]]
    directions = {
        "two random directions": random_directions(end, torch.Generator().manual_seed(0)),
        "the main directions": principal_directions(ways["Adam"])[0],
    }
    return LandscapeView({name: cut(net, ways, two, points=9) for name, two in directions.items()})


def microscope() -> View:
    """Of two rules; the first step of one is unlike the others."""
    return Microscope(["Adam", "Nesterov"], gradients=[1, -0.3, 0, 0, 20], at_step=2)


def fields() -> View:
    """Of two fields; some runs overflowed."""
    valid = torch.rand(2, 2, 4, 4, generator=torch.Generator().manual_seed(0)) * 2
    valid[:, 1, 3] = torch.inf
    rates = torch.tensor(RATES)
    return FieldsView(
        {
            name: FieldRuns(name, "loss", False, ("SGD", "Adam"), rates, 9, 2.0, 1.0, own, own, own)
            for name, own in zip(("vision", "control"), valid, strict=True)
        }
    )


MAKERS: dict[str, Callable[[], View]] = {
    "surface": surface,
    "playground": playground,
    "surface beforehand": surface_beforehand,
    "rates": rates,
    "microscope": microscope,
    "momentum": lambda: MomentumView(sweep_momentum()),
    "schedules": schedules,
    "range test": ranges,
    "race": contest,
    "inspector": lambda: InspectorView(recording()),
    "landscape": landscape,
    "layers": layers,
    "transfer": transfer,
    "splits": lambda: SplitView(revealed=False),
    "width": width,
    "memory": memory,
    "clinic": lambda: ClinicView(patients()[::5]),
    "fields": fields,
}


def number() -> Prediction:
    """A question for a number."""
    return predict_number("00-number", "How many?", [1, 2, 3], within=1)


def choice() -> Prediction:
    """A question with three answers."""
    return predict_choice("00-choice", "Which is first?", ["SGD", "Adam", "neither"])


def curve() -> Prediction:
    """A question for a curve."""
    return predict_curve(
        "00-curve",
        "How does it fall?",
        x={"range": [0, 9], "title": "step"},
        y={"range": [0, 1], "title": "loss"},
    )


def locked(asked: Prediction, guess: list[float], truth: Any = None) -> View:
    """A question after its guess was locked, and after the truth is there if it is given."""
    asked.guess, asked.locked = guess, True
    return asked if truth is None else asked.reveal(truth, "Because it is so.")


def remembered() -> View:
    """Three questions of the bank, of which one was answered right and one wrong."""
    asked = ask("01-where-is-the-best", "01-edge-formula", "01-spike")
    right, wrong = asked.questions[0].right, (asked.questions[1].right + 1) % 3
    asked.answers = [right, wrong, -1]
    return asked


def explained() -> View:
    """A question with an answer in one's own words."""
    asked = explain("01-explain")
    asked.said = "Where it curves most, a step goes too far."
    return asked


def helped() -> View:
    """A wrong answer's hints, all of them, and the solution."""
    given = check("01-step", lambda p, g, lr: p + lr * g)
    given.hints, given.solved = len(given.plan["hints"]), True
    return given


# Views with few positions or none. Each is made anew: it would keep what was answered.
OTHERS: dict[str, Callable[[], View]] = {
    "curves": lambda: CurvesView({"a": [4, 2, 1], "b": [1, 2, 4]}, y="loss", title="Two", at=0),
    "family": lambda: FamilyView(chosen="Adam"),
    "gallery": lambda: GalleryView(
        {"a": [0, 1, 0], "b": [1, float("nan"), 0.5]}, y="factor", notes={"b": "a gap"}
    ),
    "number": number,
    "number, locked": lambda: locked(number(), [0]),
    "number, revealed": lambda: locked(number(), [0], 3.0),
    "choice": choice,
    "choice, locked": lambda: locked(choice(), [0]),
    "choice, revealed": lambda: locked(choice(), [0], "Adam"),
    "curve": curve,
    "curve, locked": lambda: locked(curve(), [0.5] * 60),
    "curve, revealed": lambda: locked(curve(), [0.5] * 60, [1.0, 0.5, 0.1]),
    "recall": lambda: ask("01-where-is-the-best", "01-edge-formula"),
    "recall, answered": remembered,
    "explain": lambda: explain("01-explain"),
    "explain, kept": explained,
    "help": lambda: check("01-step", lambda p, g, lr: p + lr * g),
    "help, shown": helped,
    "course": course_map,
}


@cache
def small(name: str) -> View:
    """The small view of this name; the same one at every call."""
    return MAKERS[name]()


def one(name: str) -> View:
    """A view of either kind, as it was made."""
    return small(name) if name in MAKERS else OTHERS[name]()
