import base64
import io

import pytest
from PIL import Image

from lwlr_teach.views.course.view import CourseView

LESSON = dict(
    name="01-a",
    part="One",
    question="A?",
    minutes=45,
    ready=True,
    opened=False,
    predictions=0,
    passed=0,
    exercises=2,
    denied=0,
)
SUMMARY = "About 45 minutes are left."


def lesson(**changes):
    return LESSON | changes


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        (dict(), "new"),
        (dict(opened=True), "begun"),
        (dict(predictions=1), "begun"),
        (dict(passed=1), "begun"),
        (dict(passed=2), "done"),
        (dict(passed=2, opened=True, predictions=3), "done"),
        (dict(exercises=0), "new"),
        (dict(exercises=0, opened=True), "begun"),
        (dict(ready=False), "later"),
        (dict(ready=False, opened=True, passed=2), "later"),
    ],
    ids=[*map(str, range(10))],
)
def test_the_state_of_a_lesson(changes, state):
    view = CourseView([lesson(**changes)], SUMMARY)
    assert view.plan["parts"][0]["lessons"][0]["state"] == state
    assert f"{int(state == 'done')} done, {int(state == 'begun')} begun. {SUMMARY}" in repr(view)


LESSONS = [
    lesson(passed=2),
    lesson(name="02-b", question="B?", opened=True),
    lesson(name="03-c", part="Two", question="C?"),
    lesson(name="04-d", part="Two", question="D?", ready=False),
]


def test_what_this_machine_denied_is_said_in_the_sentence_and_in_the_list():
    view = CourseView([lesson(denied=2), lesson(name="12-b"), lesson(name="14-c", denied=1)], SUMMARY)
    assert f"This machine measured something else in 01, 14. {SUMMARY}" in repr(view)
    assert [x["denied"] for x in view.plan["parts"][0]["lessons"]] == [2, 0, 1]
    said = [text.get_text() for text in view.figure().texts]
    assert any("measured something else in 01, 14" in text for text in said)


def test_the_sentence_counts():
    assert repr(CourseView(LESSONS, SUMMARY)) == (
        "The course: 4 lessons, 3 of them ready. 1 done, 1 begun. About 45 minutes are left."
    )


def test_lessons_stand_in_their_parts():
    plan = CourseView(LESSONS, SUMMARY).plan
    parts = {part["title"]: [entry["name"] for entry in part["lessons"]] for part in plan["parts"]}
    assert parts == {"One": ["01-a", "02-b"], "Two": ["03-c", "04-d"]}
    assert plan["summary"] == SUMMARY


def test_the_picture_lists_every_lesson_with_its_mark():
    texts = [text.get_text() for text in CourseView(LESSONS, SUMMARY).figure().texts]
    assert texts == [
        "One",
        "●  01  A?  (45 min)",
        "◐  02  B?  (45 min)",
        "Two",
        "○  03  C?  (45 min)",
        "·  04  D?  (45 min)",
        SUMMARY,
    ]


def test_no_text_is_cut_off():
    figure = CourseView(LESSONS * 5, "About minutes. " * 40).figure()
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.texts]
    assert min(box.y0 for box in boxes) >= -1
    assert max(box.x1 for box in boxes) <= figure.bbox.x1 + 1
    tops = [box.y1 for box in boxes]
    assert tops == sorted(tops, reverse=True)


def test_the_bundle_has_the_live_view_a_picture_and_words():
    view = CourseView(LESSONS, SUMMARY)
    data, metadata = view._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["text/plain"] == metadata["image/png"]["alt"] == view.words == view.describe()
    assert Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).size[0] == 750
