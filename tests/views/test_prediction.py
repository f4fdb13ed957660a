import base64
import io
import math

import numpy as np
import pytest
from PIL import Image

from lwlr_teach.core.text import short
from lwlr_teach.views.kit.base import module
from lwlr_teach.views.prediction.view import COLUMNS, CONFIDENCES, PredictionView

X = {"range": [0, 30], "title": "step"}
Y = {"range": [1e-6, 100], "title": "loss", "log": True}
GUESS = np.linspace(0.2, 0.8, COLUMNS).tolist()
TRUTH = np.linspace(0.9, 0.1, COLUMNS).tolist()
ORANGE, BLUE = (0xE6, 0x9F, 0x00), (0x00, 0x72, 0xB2)

MAKE = {
    "number": lambda: PredictionView(
        "number", "Which?", values=[0.01, 0.1, 1.0], log=True, unit=" s", within=2
    ),
    "choice": lambda: PredictionView("choice", "Which?", options=["yes", "no"]),
    "curve": lambda: PredictionView("curve", "Which?", x=X, y=Y, within=0.15),
}
GUESSES = {"number": [1], "choice": [0], "curve": GUESS}
TRUTHS = {"number": [0.5], "choice": [1], "curve": TRUTH}
kinds = pytest.mark.parametrize("kind", MAKE)


def show(kind, *, guess=False, truth=False):
    view = MAKE[kind]()
    if guess:
        view.guess, view.locked = GUESSES[kind], True
    if truth:
        view.truth = TRUTHS[kind]
    return view


def colours(view):
    """How often each of the two colours stands in the picture."""
    png = base64.b64decode(view._repr_mimebundle_()[0]["image/png"])
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).reshape(-1, 3).astype(int)
    return [int((np.abs(pixels - colour).max(1) < 12).sum()) for colour in (ORANGE, BLUE)]


SENTENCES = {
    "number": ("0.1 s, 70% sure", "it is 0.5 s"),
    "choice": ("“yes”, 70% sure", "measured: “no”"),
    "curve": ("a curve, 70% sure", "the measured curve goes from 15.8 to 6.31e-06, at most 15.8"),
}

JUDGED = {
    "number": " (a factor of 2 off counts as right)",
    "choice": "",
    "curve": ". Yours is a factor of 700 away on average (a factor of 16 counts as right), "
    "and furthest at step 30",
}


@kinds
def test_the_sentence_says_what_is_known(kind):
    guess, truth = SENTENCES[kind]
    assert repr(show(kind)) == "Which? Not answered yet."
    assert repr(show(kind, guess=True)) == f"Which? Locked: {guess}."
    assert repr(show(kind, truth=True)) == f"Which? No guess was locked; {truth}."
    judged = show(kind, guess=True, truth=True)
    assert repr(judged) == f"Which? ✘ You said {guess}; {truth}{JUDGED[kind]}."


@kinds
def test_the_reason_is_said_with_the_truth(kind):
    view = MAKE[kind]()
    view.why = "It must be."
    assert repr(view) == "Which? Not answered yet."
    view.truth = TRUTHS[kind]
    assert repr(view) == f"Which? No guess was locked; {SENTENCES[kind][1]}. It must be."


def test_a_right_answer_says_so():
    view = show("choice", guess=True)
    view.truth = GUESSES["choice"]
    assert repr(view) == "Which? ✔ You said “yes”, 70% sure; measured: “yes”."


def test_a_curve_on_a_linear_axis_is_so_far_away_in_its_own_units():
    view = PredictionView("curve", "Which?", x=X, y={"range": [0, 8]}, within=0.25)
    view.guess, view.locked = [0.5] * COLUMNS, True
    view.truth = [0.5] * (COLUMNS - 1) + [0.0]
    away = 4 / COLUMNS
    said = f"Yours is {short(away)} away on average (2 counts as right), and furthest at step 30."
    assert repr(view).startswith("Which? ✔ You said a curve")
    assert repr(view).endswith(said)


def test_a_step_is_a_whole_number_though_the_columns_of_a_curve_lie_between():
    view = PredictionView("curve", "Which?", x=X, y={"range": [0, 8]}, within=0.25)
    view.guess, view.locked = [0.5] * COLUMNS, True
    view.truth = [0.5, 0.0, *[0.5] * (COLUMNS - 2)]
    where = math.floor(X["range"][1] / (COLUMNS - 1) + 0.5)
    assert repr(view).endswith(f"and furthest at step {where}.")


@kinds
def test_a_guess_that_is_not_locked_is_not_told(kind):
    view = MAKE[kind]()
    view.guess = GUESSES[kind]
    assert repr(view) == "Which? Not answered yet."
    assert view._repr_mimebundle_()[0]["image/png"] == MAKE[kind]()._repr_mimebundle_()[0]["image/png"]


@kinds
@pytest.mark.parametrize("guess", [False, True])
@pytest.mark.parametrize("truth", [False, True])
def test_the_bundle_has_the_live_view_a_picture_and_words(kind, guess, truth):
    view = show(kind, guess=guess, truth=truth)
    data, metadata = view._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["text/plain"] == metadata["image/png"]["alt"] == view.words == view.describe()
    assert Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).width == 700


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["number", "curve"])
def test_the_picture_draws_the_guess_over_the_truth(kind):
    assert colours(show(kind)) == [0, 0]
    orange, blue = colours(show(kind, guess=True))
    assert (orange > 50, blue) == (True, 0)
    orange, blue = colours(show(kind, truth=True))
    assert (orange, blue > 50) == (0, True)
    assert min(colours(show(kind, guess=True, truth=True))) > 50


def test_the_picture_of_a_choice_marks_both():
    texts = [t.get_text() for t in show("choice", guess=True, truth=True).figure().axes[0].texts]
    assert ["your guess" in t for t in texts] == [True, False]
    assert ["measured" in t for t in texts] == [False, True]
    texts = [t.get_text() for t in show("choice").figure().axes[0].texts]
    assert texts == ["○ yes", "○ no"]


def test_the_curves_of_the_picture_are_where_they_should_be():
    (axes,) = show("curve", guess=True, truth=True).figure().axes
    measured, guessed = axes.get_lines()
    assert measured.get_xdata()[[0, -1]].tolist() == [0, 30]
    assert np.log10(measured.get_ydata()) == pytest.approx(-6 + 8 * np.array(TRUTH))
    assert np.log10(guessed.get_ydata()) == pytest.approx(-6 + 8 * np.array(GUESS))
    assert axes.get_yscale() == "log"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step", "loss")


@kinds
@pytest.mark.parametrize("length", [40, 400])
def test_no_text_is_cut_off(kind, length):
    words = ("learning rate " * length)[:length].strip()
    long = PredictionView(kind, words + "?", options=[words + "1", words + "2"], values=[1, 2], x=X, y=Y)
    figure = long.figure()
    figure.draw_without_rendering()
    whole = figure.bbox
    for axes in figure.axes:
        for text in [axes.title, axes._left_title, *axes.texts]:
            box = text.get_window_extent()
            assert not text.get_text() or (box.x0 >= -1 and box.x1 <= whole.x1 + 1), text.get_text()
            assert not text.get_text() or (box.y0 >= -1 and box.y1 <= whole.y1 + 1), text.get_text()


@kinds
def test_the_words_follow_every_trait(kind):
    view = show(kind)
    for trait, value in {
        "guess": GUESSES[kind],
        "locked": True,
        "confidence": 95,
        "truth": TRUTHS[kind],
    }.items():
        setattr(view, trait, value)
        assert view.words == view.describe()
    assert "95% sure" in view.words


@kinds
def test_a_guess_that_does_not_fit_is_refused(kind):
    view = MAKE[kind]()
    for wrong in ([-1], [7], [0.5], ["0"], [0.5] * (COLUMNS + 1), [2.0] * COLUMNS):
        with pytest.raises(ValueError, match="guess must be "):
            view.guess = wrong
    assert view.guess == []
    assert view.fits(GUESSES[kind])
    assert not view.fits([])


def test_what_is_sent_is_enough_to_draw():
    plan = MAKE["number"]().plan
    assert (plan["labels"], plan["values"], plan["log"]) == (
        ["0.01 s", "0.1 s", "1 s"],
        [0.01, 0.1, 1.0],
        True,
    )
    assert plan["confidences"] == CONFIDENCES == [50, 55, 60, 65, 70, 75, 80, 85, 90, 95, 100]
    assert MAKE["curve"]().plan["columns"] == COLUMNS


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (dict(kind="nmber", values=[1, 2]), "kind 'nmber' is not known; did you mean number"),
        (dict(kind="number", values=[1]), "number of possible answers must be at least 2, got 1"),
        (dict(kind="choice", options=["a", "a"]), "options must be distinct, and 'a' is given twice"),
    ],
    ids=["kind", "values", "options"],
)
def test_bad_input(wrong, says):
    with pytest.raises(ValueError, match=says):
        PredictionView(**{"question": "Which?"} | wrong)


@pytest.mark.parametrize("name", ["prediction/view.js", "recall/view.js", "course/view.js"])
def test_the_module_is_self_contained(name):
    source = module(name)
    assert "import " not in source
    assert source.count("export default") == 1
    assert "http" not in source
