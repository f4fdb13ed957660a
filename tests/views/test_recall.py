import base64
import io

import pytest
from PIL import Image

from lwlr_teach.views.recall.view import RecallView

QUESTIONS = [
    {"asks": "One?", "options": ["a", "b"], "right": 1, "why": "Because of one."},
    {"asks": "Two?", "options": ["c", "d", "e"], "right": 0, "why": "Because of two."},
]


def view(*answers):
    made = RecallView(QUESTIONS)
    made.answers = [*answers, *[-1] * (2 - len(answers))]
    return made


def text(made):
    (drawn,) = made.figure().axes[0].texts
    return drawn.get_text()


def test_the_sentence_says_what_is_asked_and_how_much_was_right():
    assert repr(RecallView(QUESTIONS)) == "Recall: 1. One? 2. Two? Not answered yet."
    assert repr(view(1)) == "Recall: 1. One? 2. Two? 1 of 1 answered right."
    assert repr(view(0, 0)) == "Recall: 1. One? 2. Two? 1 of 2 answered right."
    assert view(0, 2).words == "Recall: 1. One? 2. Two? 0 of 2 answered right."


def test_the_picture_gives_no_reason_before_an_answer():
    assert "Because" not in text(RecallView(QUESTIONS))
    assert "●" not in text(RecallView(QUESTIONS))
    assert text(RecallView(QUESTIONS)).count("○") == 5


def test_the_picture_gives_the_reasons_of_what_was_answered():
    said = text(view(0, -1))
    assert "● a" in said
    assert "✘ No. Because of one." in said
    assert "Because of two." not in said
    assert "✔ Right. Because of two." in text(view(0, 0))


@pytest.mark.parametrize("answers", [(), (0,), (1, 2)])
def test_the_bundle_has_the_live_view_a_picture_and_words(answers):
    made = view(*answers)
    data, metadata = made._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["text/plain"] == metadata["image/png"]["alt"] == made.describe()
    assert Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).size[0] == 750


def test_no_text_is_cut_off():
    long = "learning rate " * 30
    made = RecallView([{"asks": long, "options": [long + "1", long + "2"], "right": 0, "why": long}] * 3)
    made.answers = [0, 1, -1]
    figure = made.figure()
    figure.draw_without_rendering()
    box, whole = figure.axes[0].texts[0].get_window_extent(), figure.bbox
    assert box.x0 >= -1
    assert box.x1 <= whole.x1 + 1
    assert box.y0 >= -1
    assert box.y1 <= whole.y1 + 1


def test_the_view_does_not_share_its_questions_with_its_maker():
    made = RecallView(QUESTIONS)
    made.plan["questions"][0]["asks"] = "changed"
    assert QUESTIONS[0]["asks"] == "One?"
