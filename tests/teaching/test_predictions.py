"""A guess is locked before its truth is shown, kept, counted once, and never in the learner's way."""

import json
import math
import random

import numpy as np
import pytest
import torch

from lwlr_teach.teaching import calibration, claims, predict_choice, predict_curve, predict_number
from lwlr_teach.teaching.predictions import Calibration
from lwlr_teach.teaching.progress import read_progress
from lwlr_teach.views.prediction.view import COLUMNS

OPTIONS = ["yes", "perhaps", "no"]


def number(name="01-n", **options):
    return predict_number(name, "How many?", range(1, 11), **{"within": 1} | options)


def choice(name="01-c"):
    return predict_choice(name, "Does it?", OPTIONS)


def curve(name="01-k", **options):
    axes = dict(x={"range": [0, 30], "title": "step"}, y={"range": [0, 10], "title": "loss"})
    return predict_curve(name, "Draw it.", **axes | options)


def log_curve(name="01-k"):
    return curve(name, y={"range": [1e-4, 1e4], "log": True})


# What a learner may lock, and a truth that makes it right and one that makes it wrong.
KINDS = {
    "number": (number, [4], 5, 9),
    "choice": (choice, [2], "no", "yes"),
    "curve": (curve, [0.5] * COLUMNS, [5.0] * 31, [10.0] * 31),
}
kinds = pytest.mark.parametrize(("make", "guess", "right", "wrong"), KINDS.values(), ids=KINDS)


def lock(prediction, guess, confidence=80):
    """What arrives when the learner presses the button: one message with all three."""
    prediction.set_state({"guess": guess, "confidence": confidence, "locked": True})


# --- locked, kept, counted ----------------------------------------------------------------------------------


@kinds
def test_a_locked_guess_is_kept_and_counted_when_the_truth_is_shown(make, guess, right, wrong, kept):
    prediction = make()
    lock(prediction, guess, 85)
    assert kept()["predictions"] == {prediction.name: {"guess": guess, "confidence": 85}}
    assert prediction.right is None
    assert calibration().count == 0
    assert prediction.reveal(right) is prediction
    assert prediction.right is True
    entry = kept()["predictions"][prediction.name]
    words = {"asks": prediction.question, "compared": prediction.compared}
    assert entry == {"guess": guess, "confidence": 85, "truth": prediction.truth, "right": True} | words
    assert (calibration().count, calibration().right, calibration().sure) == (1, 1.0, 0.85)


@kinds
def test_a_wrong_guess_counts_as_wrong(make, guess, right, wrong):
    prediction = make()
    lock(prediction, guess)
    prediction.reveal(wrong)
    assert prediction.right is False
    assert (calibration().count, calibration().right) == (1, 0.0)


@kinds
def test_without_an_answer_the_truth_is_shown_and_nothing_is_counted(make, guess, right, wrong, file):
    prediction = make()
    prediction.guess = guess  # moved, and never locked
    shown = prediction.reveal(right)
    assert shown.truth
    assert shown.right is None
    assert "No guess was locked" in repr(shown)
    assert calibration().count == 0
    assert not file.exists()


@kinds
def test_a_guess_stays_locked_when_the_lesson_is_opened_again(make, guess, right, wrong, restart, kept):
    lock(make(), guess, 95)
    restart()
    again = make()
    assert (again.locked, again.guess, again.confidence) == (True, guess, 95)
    before = kept()
    again.reveal(right)
    assert calibration().count == 1
    restart()
    make().reveal(right)
    assert calibration().count == 1
    assert kept()["predictions"].keys() == before["predictions"].keys()


@kinds
def test_a_guess_that_is_locked_after_the_truth_was_shown_does_not_count(make, guess, right, wrong, restart):
    prediction = make()
    prediction.reveal(right)
    lock(prediction, guess)
    assert calibration().count == 0
    prediction.reveal(right)
    assert calibration().count == 0
    restart()
    again = make()
    assert again.locked
    again.reveal(right)
    assert calibration().count == 0


@kinds
def test_nor_does_one_in_the_cell_of_the_question_run_again(make, guess, right, wrong):
    make().reveal(right)
    late = make()
    lock(late, guess)
    late.reveal(right)
    assert calibration().count == 0


def test_after_a_restart_a_question_that_was_only_looked_at_may_be_answered(restart):
    choice().reveal("no")
    restart()
    prediction = choice()
    lock(prediction, [2])
    prediction.reveal("no")
    assert calibration().count == 1


def test_the_first_of_two_locked_guesses_is_kept(kept):
    """The same question stands twice on the page, both open."""
    first, second = choice(), choice()
    lock(first, [2], 60)
    lock(second, [0], 100)
    assert kept()["predictions"]["01-c"] == {"guess": [2], "confidence": 60}
    second.reveal("yes")
    assert calibration().count == 0
    first.reveal("no")
    assert (calibration().count, calibration().right, calibration().sure) == (1, 1.0, 0.6)


def test_a_lock_without_a_guess_keeps_nothing(file):
    prediction = number()
    prediction.locked = True
    assert not file.exists()
    assert repr(prediction) == "How many? Not answered yet."
    prediction.figure()
    prediction.reveal(3)
    assert prediction.right is None


def test_a_file_that_was_deleted_meanwhile_is_made_again(file, kept):
    prediction = choice()
    lock(prediction, [2])
    file.unlink()
    prediction.reveal("no")
    assert kept()["predictions"]["01-c"]["right"] is True


def test_where_nothing_can_be_written_the_guess_counts_until_the_kernel_ends(monkeypatch):
    monkeypatch.setenv("LWLR_PROGRESS", "/proc/x/lwlr-progress.json")
    prediction = choice()
    with pytest.warns(UserWarning, match="cannot be written"):
        lock(prediction, [2])
    prediction.reveal("no")
    assert choice().locked
    assert calibration().count == 1


# --- a guess that does not fit ------------------------------------------------------------------------------

UNFIT = {
    "number": [[10], [-1], [1.5], [1, 2], [], ["1"], [True], [None], [[1]], 3, "3", None, {}, [math.nan]],
    "choice": [[3], [-1], [0.5], [], ["yes"], "yes", None],
    "curve": [[0.5] * 59, [0.5] * 61, [], ["0"] * 60, [1.1] + [0.5] * 59, [math.nan] * 60, [4], None],
}


@pytest.mark.parametrize(
    ("kind", "stored"),
    [
        pytest.param(kind, guess, id=f"{kind}-{i}")
        for kind, guesses in UNFIT.items()
        for i, guess in enumerate(guesses)
    ],
)
def test_a_stored_guess_that_does_not_fit_is_not_used_and_gives_way(kind, stored, file, kept):
    make, guess, right, _ = KINDS[kind]
    name = make().name
    other = {"guess": [1], "confidence": 70}
    file.write_text(
        json.dumps({"predictions": {name: {"guess": stored, "confidence": 70}, "other": other}}),
        encoding="utf-8",
    )
    prediction = make()
    assert (prediction.locked, prediction.guess, prediction.confidence) == (False, [], 70)
    lock(prediction, guess, 90)
    prediction.reveal(right)
    assert kept()["predictions"][name]["guess"] == guess
    assert kept()["predictions"]["other"] == other
    assert (calibration().count, calibration().sure) == (1, 0.9)


def test_an_unfit_guess_alone_is_never_counted(file):
    file.write_text(json.dumps({"predictions": {"01-c": {"guess": [7], "confidence": 70}}}), encoding="utf-8")
    choice().reveal("no")
    assert calibration().count == 0


@pytest.mark.filterwarnings("ignore:.* holds entries that no lesson wrote")
@pytest.mark.parametrize("confidence", [None, "high", 72.5, -1, 1000, [70]])
def test_a_stored_confidence_that_does_not_fit_is_replaced(confidence, file):
    file.write_text(
        json.dumps({"predictions": {"01-c": {"guess": [1], "confidence": confidence}}}), encoding="utf-8"
    )
    assert (choice().locked, choice().confidence) == (True, 70)


@kinds
def test_python_cannot_set_a_guess_that_does_not_fit(make, guess, right, wrong):
    prediction = make()
    with pytest.raises(ValueError, match=r"guess must be (one position|60 heights) from 0 to \d, got \[99"):
        prediction.guess = [99]
    prediction.guess = guess
    prediction.guess = []


# --- what is near enough ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("truth", "right"), [(5, True), (6, True), (4, True), (6.01, False), (3.99, False), (-100, False)]
)
def test_a_number_is_right_within_a_distance(truth, right):
    prediction = number()
    lock(prediction, [4])  # the fifth position is 5
    assert prediction.reveal(truth).right is right


@pytest.mark.parametrize(
    ("truth", "right"),
    [
        (0.01, True),
        (0.0199, True),
        (0.00501, True),
        (0.0201, False),
        (0.00499, False),
        (0, False),
        (-0.01, False),
    ],
)
def test_on_a_logarithmic_slider_it_is_right_within_a_factor(truth, right):
    prediction = predict_number("r", "Rate?", [0.001, 0.01, 0.1], within=2, log=True)
    lock(prediction, [1])
    assert prediction.reveal(truth).right is right


@pytest.mark.parametrize(
    "truth",
    [5, 5.0, np.float64(5), np.float32(5), np.int64(5), torch.tensor(5.0), torch.tensor([5])],
    ids=[*map(str, range(7))],
)
def test_a_measured_number_may_be_of_any_kind(truth):
    prediction = number()
    lock(prediction, [4])
    assert prediction.reveal(truth).right is True
    assert prediction.truth == [5.0]


@pytest.mark.parametrize(("off", "right"), [(1.4, True), (1.6, False), (-1.4, True), (-1.6, False)])
def test_a_curve_is_right_if_it_is_near_on_average(off, right):
    prediction = curve()
    lock(prediction, [0.5] * COLUMNS)
    assert prediction.reveal([5.0 + off] * 31).right is right  # a tenth is a tenth of the axis


def test_the_knob_of_a_lesson_must_not_stand_at_the_answer(monkeypatch):
    monkeypatch.setattr(claims, "_lesson", "01-learning-rate")
    monkeypatch.setenv(claims.MODE, "strict")
    number().reveal(3)
    with pytest.raises(AssertionError, match="the knob of 01-m stands at the answer"):
        number("01-m").reveal(6)
    monkeypatch.delenv(claims.MODE)  # as a learner has it
    number("01-l").reveal(6)


def test_of_a_curve_the_part_is_judged_that_the_question_is_about():
    asked = predict_curve("p", "?", x={"range": [0, 59], "title": "step"}, y={"range": [0, 1]}, over=(20, 40))
    lock(asked, [0.0] * 20 + [0.5] * 21 + [0.0] * 19)
    asked.reveal([0.6] * 60)
    assert asked.right is True
    assert (
        "0.1 away on average from step 20 to 40 (0.15 counts as right), and furthest at step" in asked.words
    )


@pytest.mark.parametrize("over", [(-1, 30), (20, 21), (40, 20), (20, 99)])
def test_a_part_of_a_curve_that_is_none_is_refused(over):
    with pytest.raises(ValueError, match=r"over\[[01]\] must be"):
        predict_curve("p", "?", x={"range": [0, 59]}, y={"range": [0, 1]}, over=over)


def test_a_curve_is_resampled_along_its_axis():
    prediction = curve().reveal(torch.linspace(0, 10, 31))
    assert prediction.truth == pytest.approx(np.linspace(0, 1, COLUMNS).tolist())
    few, many = curve().reveal([0.0, 10.0]), curve().reveal(np.linspace(0, 10, 1000))
    assert few.truth == pytest.approx(prediction.truth)
    assert many.truth == pytest.approx(prediction.truth)
    assert curve().reveal([3.0]).truth == pytest.approx([0.3] * COLUMNS)


def test_a_height_on_a_logarithmic_axis_is_a_share_of_its_decades():
    heights = torch.tensor([1e-4, 1.0, 1e4]).repeat_interleave(40)
    truth = log_curve().reveal(heights).truth
    assert (truth[0], truth[-1]) == (pytest.approx(0), pytest.approx(1))
    assert truth[COLUMNS // 2] == pytest.approx(0.5)


def test_what_leaves_the_axis_is_drawn_at_its_edge():
    heights = [-5.0, 20.0, math.inf, -math.inf, math.nan]
    assert curve().reveal(heights).truth[0] == 0
    assert set(np.round(curve().reveal([20.0, math.inf, math.nan]).truth, 9)) == {1.0}
    assert set(curve().reveal([-1.0, -math.inf]).truth) == {0.0}
    assert set(log_curve().reveal([0.0, -3.0]).truth) == {0.0}


def test_a_curve_may_come_from_a_run_with_gradients():
    assert curve().reveal(torch.full((31,), 5.0, requires_grad=True)).truth == [0.5] * COLUMNS


# --- bad input ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: number(within=-1), ValueError, "within must be a finite number ≥ 0, got -1"),
        (lambda: number(log=True, within=0.5), ValueError, "within must be a finite number ≥ 1, got 0.5"),
        (
            lambda: predict_number("n", "?", [1.0], within=1),
            ValueError,
            "number of possible answers must be at least 2, got 1",
        ),
        (
            lambda: predict_number("n", "?", [0.0, 1.0], within=2, log=True),
            ValueError,
            "values must be a finite number ≥ .*, got 0",
        ),
        (
            lambda: predict_number("n", "?", [1.0, 2.0, 5.0, 10.0], within=1),
            ValueError,
            "values must grow by equal amounts, or the knob stands beside its number, got",
        ),
        (
            lambda: predict_number("n", "?", range(1, 9), within=2, log=True),
            ValueError,
            "values must grow by equal factors",
        ),
        (
            lambda: predict_number("n", "?", [1.0, math.inf], within=1),
            ValueError,
            "values must be a finite number, got inf",
        ),
        (
            lambda: predict_choice("c", "?", ["only"]),
            ValueError,
            "number of possible answers must be at least 2",
        ),
        (lambda: predict_choice("c", "?", ["a", "b", "a"]), ValueError, "'a' is given twice"),
        (lambda: curve(y={"range": [1, 1]}), ValueError, r"range\[0\] must be a finite number < 1, got 1"),
        (
            lambda: curve(y={"range": [0, 1], "log": True}),
            ValueError,
            r"range\[0\] must be a finite number ≥ .*, got 0",
        ),
        (
            lambda: choice().reveal("xyz"),
            ValueError,
            "truth 'xyz' is not known; choose from yes, perhaps, no",
        ),
        (lambda: choice().reveal("nope"), ValueError, "truth 'nope' is not known; did you mean no"),
        (lambda: choice().reveal(2), ValueError, "truth 2 is not known"),
        (lambda: number().reveal(math.nan), ValueError, "truth must be a finite number, got nan"),
        (
            lambda: number().reveal("five"),
            TypeError,
            "truth must be a number or a tensor of numbers, got 'five'",
        ),
        (lambda: curve().reveal([]), ValueError, r"truth must be a list of heights, got the shape \(0,\)"),
        (
            lambda: curve().reveal(torch.zeros(2, 31)),
            ValueError,
            r"truth must be a list of heights, got the shape \(2, 31\)",
        ),
    ],
    ids=[*map(str, range(18))],
)
def test_a_question_that_cannot_be_asked_is_refused(call, error, says):
    with pytest.raises(error, match=says):
        call()


# --- calibration --------------------------------------------------------------------------------------------


def test_before_the_first_comparison():
    assert calibration() == Calibration(0, 0.0, 0.0, 0.0)
    assert str(calibration()) == "No prediction has been compared with a result yet."


def test_the_score_grows_over_the_course_and_is_what_a_plain_sum_gives(restart):
    chosen = random.Random(0)
    pairs = []
    for i in range(20):
        sure, hit = chosen.randrange(50, 101, 5), chosen.random() < 0.6
        prediction = choice(f"{i:02}-question")
        lock(prediction, [2], sure)
        prediction.reveal("no" if hit else "yes")
        pairs.append((sure / 100, hit))
        found = calibration()
        assert found.count == i + 1
        assert ("So far, " in prediction.words) == (i % 5 == 4)  # told when there is something new in it
        assert prediction.reveal("no" if hit else "yes").words == prediction.words
        assert found.right == pytest.approx(sum(hit for _, hit in pairs) / len(pairs))
        assert found.sure == pytest.approx(sum(sure for sure, _ in pairs) / len(pairs))
        assert found.brier == pytest.approx(sum((sure - hit) ** 2 for sure, hit in pairs) / len(pairs))
        restart()


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        (
            [(100, True)],
            "1 prediction: 100% right, 100% sure on average (about as sure as right); Brier score 0.00 ",
        ),
        ([(50, False)], "1 prediction: 0% right, 50% sure on average (surer than right); Brier score 0.25 "),
        (
            [(50, True), (50, True)],
            "2 predictions: 100% right, 50% sure on average (too modest); Brier score 0.25 ",
        ),
        ([(90, True), (70, False)], "50% right, 80% sure on average (surer than right); Brier score 0.25 "),
    ],
    ids=["right", "wrong", "modest", "half"],
)
def test_the_score_in_words(answers, says):
    for i, (sure, hit) in enumerate(answers):
        prediction = choice(str(i))
        lock(prediction, [2], sure)
        prediction.reveal("no" if hit else "yes")
    assert says in str(calibration())
    assert "0 is perfect" in str(calibration())


def test_always_saying_half_gets_a_quarter():
    for i in range(6):
        prediction = choice(str(i))
        lock(prediction, [2], 50)
        prediction.reveal("no" if i % 2 else "yes")
    assert calibration().brier == 0.25


def test_an_entry_that_somebody_edited_does_not_crash(file):
    entries = {"a": {"right": True, "confidence": 90}, "b": {"right": False}, "c": {"guess": [1]}, "d": {}}
    file.write_text(json.dumps({"predictions": entries}), encoding="utf-8")
    assert calibration().count == 2
    assert list(read_progress()["predictions"]) == ["a", "b", "c"]
