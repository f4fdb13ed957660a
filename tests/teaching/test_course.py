"""The course agrees with its lessons, and the start page with what the learner did."""

import itertools
import re
from types import SimpleNamespace

import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell

from authoring import build
from lwlr_teach.teaching import begin, check, course_map, kernel, predict_choice, start_page
from lwlr_teach.teaching.bank import EXERCISES, QUESTIONS
from lwlr_teach.teaching.course import COURSE
from lwlr_teach.teaching.progress import read_progress

START = "00-start-here"
READY = [lesson for lesson in COURSE if lesson.ready]


def rows(view):
    return [lesson for part in view.plan["parts"] for lesson in part["lessons"]]


def row(view, name):
    return next(lesson for lesson in rows(view) if lesson["name"] == name)


def pass_all(lesson):
    for exercise in EXERCISES.values():
        if exercise.lesson == lesson:
            check(exercise.name, exercise.answer)


# --- the course ---------------------------------------------------------------------------------------------


def test_the_names_are_numbered_in_the_order_of_the_course():
    """A lesson that was put in later has the number of the one before, and a letter."""
    number = 0
    for lesson in COURSE:
        added = lesson.number.endswith("b")
        number += not added
        assert re.fullmatch(rf"{number:02d}{'b' * added}(-[a-z0-9]+)+", lesson.name)
        assert (lesson.number, lesson.prefix) == (f"{number}{'b' * added}", f"{number:02d}{'b' * added}-")


def test_the_start_page_says_where_each_of_the_four_words_is_met():
    """All lessons but the last part's, each at one word: the plan of the course, as learners read it."""
    source = (build.LESSONS / "src" / f"{START}.py").read_text(encoding="utf-8")
    met = [row[1] for row in re.finditer(r"^# \| \*\*\w+\*\* \|.*\| lessons? (.*) \|$", source, re.MULTILINE)]
    assert len(met) == 4
    ranges = re.findall(r"(\d+)(?: to (\d+))?", ", ".join(met))
    numbers = [number for low, high in ranges for number in range(int(low), int(high or low) + 1)]
    assert sorted(numbers) == sorted(
        {int(lesson.name[:2]) for lesson in COURSE if lesson.part != COURSE[-1].part}
    )


def test_every_lesson_is_a_question_with_its_minutes_in_one_of_four_parts():
    assert all(lesson.question.endswith("?") and 30 <= lesson.minutes <= 70 for lesson in COURSE)
    assert len({lesson.question for lesson in COURSE}) == len(COURSE)
    assert all(lesson.about and lesson.about[-1] not in ".?!" for lesson in READY)
    parts = [lesson.part for lesson in COURSE]
    assert list(dict.fromkeys(parts)) == [
        "One rate for everything",
        "A rate for every parameter",
        "A rate for every layer",
        "Choosing",
    ]
    assert sum(a != b for a, b in itertools.pairwise(parts)) == 3  # no part is split


@pytest.mark.parametrize("lesson", READY, ids=lambda lesson: lesson.name)
def test_the_title_of_a_lesson_is_the_question_of_the_map(lesson):
    source = (build.LESSONS / "src" / f"{lesson.name}.py").read_text(encoding="utf-8")
    assert f"\n# # {lesson.number} · {lesson.question}\n" in source


def test_exercises_and_questions_belong_to_lessons_that_are_ready():
    ready = {lesson.name for lesson in READY}
    assert {exercise.lesson for exercise in EXERCISES.values()} <= ready
    assert {question.lesson for question in QUESTIONS} <= ready


@pytest.mark.parametrize("name", EXERCISES)
def test_every_exercise_is_asked_in_its_lesson(name):
    source = (build.LESSONS / "src" / f"{EXERCISES[name].lesson}.py").read_text(encoding="utf-8")
    assert f'check("{name}", {EXERCISES[name].answer.__name__})' in source


# --- the map ------------------------------------------------------------------------------------------------


def test_before_anything_was_done():
    view = course_map()
    assert [lesson["name"] for lesson in rows(view)] == [lesson.name for lesson in COURSE]
    minutes = sum(lesson.minutes for lesson in READY)
    assert repr(view) == (
        f"The course: {len(COURSE)} lessons, {len(READY)} of them ready. 0 done, 0 begun. About {minutes} "
        "minutes are left of what is ready. No prediction has been compared with a result yet."
    )
    states = {lesson["name"]: lesson["state"] for lesson in rows(view)}
    assert states == {lesson.name: "new" if lesson.ready else "later" for lesson in COURSE}


def test_what_was_done_is_counted(restart):
    begin("01-learning-rate")
    begin("01-learning-rate")
    assert read_progress()["lessons"] == {"01-learning-rate": {"opened": 2}}
    assert row(course_map(), "01-learning-rate")["state"] == "begun"
    for name, confidence in [("01-edge", 80), ("01-spike", 60), ("00-ball", 50), ("011-other", 50)]:
        asked = predict_choice(name, "?", ["a", "b"])
        asked.set_state({"guess": [0], "confidence": confidence, "locked": True})
        asked.reveal("a")
    check("01-step", EXERCISES["01-step"].answer)
    check("01-edge", lambda curvatures: 1)
    restart()
    found = row(course_map(), "01-learning-rate")
    assert (found["predictions"], found["passed"], found["exercises"]) == (2, 1, 2)
    assert found["state"] == "begun"
    assert "0 done, 1 begun" in repr(course_map())
    assert "4 predictions: 100% right, 60% sure on average" in repr(course_map())


@pytest.mark.slow
def test_a_lesson_is_done_when_its_exercises_are_and_its_minutes_are_off_the_list(capsys):
    minutes = [lesson.minutes for lesson in READY]
    for i, lesson in enumerate(READY):
        assert f"About {sum(minutes[i:])} minutes are left" in repr(course_map())
        pass_all(lesson.name)
        assert row(course_map(), lesson.name)["state"] == "done"
    assert f"{len(READY)} done, 0 begun. " in repr(course_map())


def test_a_lesson_keeps_torch_to_one_thread():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        begin(START)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_a_lesson_gives_memory_back_after_each_cell(monkeypatch):
    shell = InteractiveShell()
    monkeypatch.setattr(kernel, "get_ipython", lambda: shell)
    given: list[int] = []
    monkeypatch.setattr(kernel.ctypes, "CDLL", lambda _: SimpleNamespace(malloc_trim=given.append))
    monkeypatch.setattr(kernel.sys, "platform", "linux")
    for _ in range(2):
        begin(START)
    shell.run_cell("1 + 1")
    assert given == [0]
    monkeypatch.setattr(kernel.ctypes, "CDLL", lambda _: SimpleNamespace())  # musl
    kernel._give_memory_back()
    monkeypatch.setattr(kernel.sys, "platform", "win32")
    monkeypatch.setattr(kernel.ctypes, "CDLL", None)
    kernel._give_memory_back()
    assert given == [0]


def test_the_wrong_answer_of_the_start_page_begins_no_lesson():
    begin(START)
    check("01-step", lambda p, g, lr: p + lr * g)
    assert "0 done, 0 begun" in repr(course_map())


def test_a_lesson_without_exercises_is_never_done(monkeypatch):
    monkeypatch.setattr(start_page, "EXERCISES", {})
    begin("01-learning-rate")
    assert row(course_map(), "01-learning-rate")["state"] == "begun"
    assert f"About {sum(lesson.minutes for lesson in READY)} minutes" in repr(course_map())
