"""A page without a kernel says of a prediction what Python says."""

import json
import random

import pytest

from lwlr_teach.teaching.predictions import Calibration
from lwlr_teach.views.kit.base import VIEWS
from lwlr_teach.views.prediction.view import COLUMNS, PredictionView
from tests.javascript import run_node

WORDS = (VIEWS / "prediction" / "words.js").as_uri()


def random_view(draw: random.Random) -> PredictionView:
    """A question with or without a guess and a truth."""
    kind = draw.choice(["number", "choice", "curve"])
    if kind == "choice":
        view = PredictionView(kind, "Which?", options=["one", "the other", "neither"])
        guess, truth = [draw.randrange(3)], [draw.randrange(3)]
    elif kind == "number":
        log = draw.random() < 0.5
        n = draw.randrange(2, 40)
        values = [
            10 ** (-4 + 6 * i / (n - 1)) if log else draw.choice([1, 0.005]) * (i - 3) for i in range(n)
        ]
        unit = draw.choice(["", " steps", "%"])
        within = draw.choice([2.0, 1.5]) if log else draw.choice([0.02, 3])
        view = PredictionView(kind, "How many?", values=values, log=log, unit=unit, within=within)
        guess = [draw.randrange(n)]
        truth = [draw.choice([values[guess[0]], draw.uniform(-1, 3), draw.uniform(-2e5, 2e5)])]
    else:
        log = draw.random() < 0.5
        low = draw.choice([1e-6, 0.5]) if log else draw.choice([0, -3])
        y = {"range": [low, draw.choice([1, 2500.0])], "title": "loss"} | ({"log": True} if log else {})
        x = {"range": [0, draw.choice([100, 7.5])]} | draw.choice([{}, {"title": "step"}])
        over = draw.choice([None, (0.2 * x["range"][1], x["range"][1])])
        view = PredictionView(kind, "How does it go?", x=x, y=y, within=draw.choice([0.15, 0.4]), over=over)
        guess, truth = ([draw.random() for _ in range(COLUMNS)] for _ in range(2))
    view.guess = draw.choice([guess, guess, guess, []])
    view.confidence, view.locked = draw.choice([50, 65, 100]), draw.random() < 0.8
    view.why = draw.choice(["", "For a reason."])
    view.truth = draw.choice([truth, truth, truth, []])
    return view


@pytest.mark.slow
def test_both_languages_say_the_same_of_many_guesses():
    draw = random.Random(0)
    views = [random_view(draw) for _ in range(600)]
    traits = ("plan", "guess", "confidence", "locked", "truth", "why")
    asked = [{name: getattr(view, name) for name in traits} for view in views]
    script = f"""import {{ describe, isRight }} from "{WORDS}";
const asked = {json.dumps(asked)};
console.log(JSON.stringify(asked.map((each) => [describe(each), isRight(each)])));"""
    said = json.loads(run_node("--input-type=module", "-", script=script))
    assert said == [[view.describe(), view.right] for view in views]
    assert {view.right for view in views} == {True, False, None}


@pytest.mark.parametrize("count", [0, 1, 3, 8])
def test_both_languages_say_the_same_of_the_calibration(count):
    draw = random.Random(count)
    runs = []
    for _ in range(40):
        pairs = [(draw.choice([50, 55, 75, 100]), draw.random() < 0.6) for _ in range(count)]
        mean = [
            sum(values) / count if count else 0.0
            for values in (
                [hit for _, hit in pairs],
                [sure / 100 for sure, _ in pairs],
                [(sure / 100 - hit) ** 2 for sure, hit in pairs],
            )
        ]
        runs.append((pairs, str(Calibration(count, *mean))))
    given = [[{"confidence": sure, "right": hit} for sure, hit in pairs] for pairs, _ in runs]
    script = f"""import {{ calibration }} from "{WORDS}";
console.log(JSON.stringify({json.dumps(given)}.map(calibration)));"""
    assert json.loads(run_node("--input-type=module", "-", script=script)) == [said for _, said in runs]
