"""What was wrong comes again, then what is new, then what was right longest ago."""

import json

import pytest

from lwlr_teach.teaching import ask as ask_now
from lwlr_teach.teaching import explain, recall
from lwlr_teach.teaching import questions as questions_module
from lwlr_teach.teaching.bank import EXPLANATIONS, QUESTIONS
from lwlr_teach.teaching.course import COURSE
from lwlr_teach.teaching.items import Question
from lwlr_teach.teaching.progress import read_progress

LESSONS = [lesson.name for lesson in COURSE]
PREFIX = {lesson.name: lesson.prefix for lesson in COURSE}


def question(name, lesson=0):
    return Question(name, LESSONS[lesson], f"{name}?", ("a", "b", "c"), 1, "because")


@pytest.fixture
def ask(monkeypatch):
    """Recall from a bank of five questions, at the fourth lesson."""
    questions = tuple(question(name, i // 2) for i, name in enumerate(["a", "b", "c", "d", "later"]))
    monkeypatch.setattr(questions_module, "QUESTIONS", (*questions[:4], question("later", 3)))
    return lambda count=3, lesson=LESSONS[3]: recall(lesson, count)


@pytest.fixture
def opened(file):
    """Both lessons that have questions were opened, so that the second one's come first."""
    lessons = {name: {"opened": 1} for name in LESSONS[:2]}
    file.write_text(json.dumps({"lessons": lessons}), encoding="utf-8")


def names(asked):
    return [q.name for q in asked.questions]


def answer(asked, *chosen):
    asked.set_state({"answers": list(chosen)})


# --- the bank -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", QUESTIONS, ids=lambda q: q.name)
def test_a_question_can_be_answered(one):
    assert one.lesson in LESSONS
    assert one.name.startswith(PREFIX[one.lesson])
    assert one.right in range(len(one.options))
    assert 2 <= len(one.options) == len(set(one.options))
    assert one.asks.endswith("?")
    assert one.why


def test_each_name_is_given_once_and_right_answers_do_not_stand_in_one_place():
    assert len({q.name for q in QUESTIONS}) == len(QUESTIONS)
    assert len({q.right for q in QUESTIONS}) > 1


@pytest.mark.parametrize("lesson", [lesson.name for lesson in COURSE if lesson.ready])
def test_every_lesson_that_is_ready_leaves_questions(lesson):
    assert sum(q.lesson == lesson for q in QUESTIONS) >= 3


# --- the order ----------------------------------------------------------------------------------------------


def test_without_progress_the_earliest_lesson_comes_first_and_always_the_same(ask, file):
    assert names(ask()) == names(ask()) == ["a", "b", "c"]
    assert not file.exists()


def test_of_the_lessons_that_were_opened_the_latest_comes_first(ask, file):
    file.write_text(json.dumps({"lessons": {LESSONS[1]: {"opened": 1}}}), encoding="utf-8")
    assert names(ask()) == ["c", "d", "a"]
    file.write_text(json.dumps({"lessons": {LESSONS[0]: {"opened": 1}}}), encoding="utf-8")
    assert names(ask()) == ["a", "b", "c"]


def test_later_lessons_are_never_asked(ask):
    assert names(ask(10)) == ["a", "b", "c", "d"]
    assert names(ask(10, LESSONS[1])) == ["a", "b"]


def test_the_first_lesson_has_nothing_to_recall(capsys):
    assert recall(LESSONS[0]) is None
    assert capsys.readouterr().out == "There is nothing to recall yet: this is the first lesson.\n"


def test_wrong_comes_first_then_new_then_right_longest_ago(ask, opened):
    answer(ask(2), 1, 0)  # c right, d wrong
    assert names(ask(4)) == ["d", "a", "b", "c"]
    answer(ask(3), 1, 0, 1)  # d right, a wrong, b right
    assert names(ask(4)) == ["a", "c", "b", "d"]
    answer(ask(2), 0, 2)  # a and c wrong
    assert set(names(ask(2))) == {"a", "c"}
    assert names(ask(4))[2:] == ["b", "d"]
    answer(ask(4), 1, 1, 1, 0)  # d wrong
    assert names(ask(1)) == ["d"]


def test_of_what_was_wrong_the_latest_comes_first(ask, opened):
    answer(ask(1), 0)  # c wrong
    answer(ask(2), -1, 0)  # c left open, d wrong
    assert names(ask(2)) == ["d", "c"]


# --- what is kept -------------------------------------------------------------------------------------------


def test_each_answer_is_kept_once(ask, kept, opened):
    asked = ask()
    answer(asked, 1, -1, -1)
    answer(asked, 1, -1, 0)
    answer(asked, 1, -1, 0)
    assert kept()["recall"] == {
        "c": {"right": 1, "last": "right", "turn": 1},
        "a": {"wrong": 1, "last": "wrong", "turn": 2},
    }
    answer(ask(1), 1)  # a again
    assert kept()["recall"]["a"] == {"right": 1, "wrong": 1, "last": "right", "turn": 3}


def test_an_answer_does_not_change_afterwards(ask, kept, opened):
    asked = ask()
    answer(asked, 0, -1, -1)
    answer(asked, 1, -1, -1)
    assert kept()["recall"]["c"] == {"wrong": 1, "last": "wrong", "turn": 1}


def test_nothing_is_asked_twice_at_once_and_everything_is_asked_in_time(ask):
    seen = []
    for _ in range(4):
        asked = ask(1)
        seen += names(asked)
        answer(asked, 1)
    assert sorted(seen) == ["a", "b", "c", "d"]
    assert names(ask(1)) == seen[:1]


def test_questions_that_are_gone_and_entries_that_were_edited_are_no_obstacle(ask, file):
    entries = {"gone": {"right": 1, "last": "right", "turn": 7}, "a": {"last": "wrong"}, "b": {}}
    lessons = {name: {"opened": 1} for name in LESSONS[:2]}
    file.write_text(json.dumps({"recall": entries, "lessons": lessons}), encoding="utf-8")
    assert names(ask(4)) == ["a", "c", "d", "b"]
    answer(ask(1), 1)
    assert read_progress()["recall"]["a"] == {"last": "right", "right": 1, "turn": 8}


def test_questions_of_the_bank_are_asked_here_and_now(file):
    asked = ask_now("07-which-sum", "07-large-eps")
    assert names(asked) == ["07-which-sum", "07-large-eps"]
    answer(asked, 0, -1)
    assert read_progress()["recall"]["07-which-sum"]["last"] == "wrong"
    assert names(recall("08-adamw", 1)) == ["07-which-sum"]


def test_a_question_that_is_not_in_the_bank_is_named():
    with pytest.raises(ValueError, match="question '07-which' is not known; did you mean 07-which-sum"):
        ask_now("07-which")
    with pytest.raises(ValueError, match="number of questions must be"):
        ask_now()


# --- bad input ----------------------------------------------------------------------------------------------


def test_an_unknown_lesson_lists_the_nearest():
    with pytest.raises(ValueError, match="lesson '02-momentun' is not known; did you mean 02-momentum"):
        recall("02-momentun")
    with pytest.raises(ValueError, match="lesson 'x' is not known; choose from 01-learning-rate, "):
        recall("x")


@pytest.mark.parametrize(
    ("count", "error"), [(0, ValueError), (-1, ValueError), (2.5, TypeError), ("3", TypeError)]
)
def test_a_count_must_be_a_whole_number(count, error):
    with pytest.raises(error, match="count must be"):
        recall("02-momentum", count)


# --- a sentence of one's own --------------------------------------------------------------------------------


@pytest.mark.parametrize("one", EXPLANATIONS.values(), ids=EXPLANATIONS)
def test_an_explanation_is_complete(one):
    assert one.lesson in LESSONS
    assert one.name == f"{PREFIX[one.lesson]}explain"
    assert "?" in one.asks
    assert 150 <= len(one.good) <= 500


def test_every_lesson_that_is_ready_asks_for_one():
    asked = [one.lesson for one in EXPLANATIONS.values()]
    assert asked == [lesson.name for lesson in COURSE if lesson.ready]


def test_what_was_said_is_kept_and_stands_there_again(restart):
    asked = explain("01-explain")
    assert repr(asked).endswith(" Not answered yet.")
    asked.set_state({"said": "Halve it."})
    assert read_progress()["explanations"] == {"01-explain": {"said": "Halve it."}}
    restart()
    again = explain("01-explain")
    assert again.said == "Halve it."
    assert repr(again).endswith(f"You said: Halve it. A good answer: {again.plan['good']}")


def test_an_explanation_that_does_not_exist_is_named():
    with pytest.raises(ValueError, match="explanation '01-explian' is not known; did you mean 01-explain"):
        explain("01-explian")
