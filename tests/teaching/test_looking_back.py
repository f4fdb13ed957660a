"""The page to look back on: what it says, that it is safe, and that an older file of progress will do."""

import json
import re

import pytest

from lwlr_teach.teaching import check, explain, my_course, predict_choice
from lwlr_teach.teaching.bank import EXERCISES, EXPLANATIONS, QUESTIONS
from lwlr_teach.teaching.course import COURSE
from lwlr_teach.teaching.looking_back import EMPTY, HARDEST, MyCourse
from lwlr_teach.teaching.progress import read_progress

NASTY = "<script>alert('x')</script> & \"5 < 6\""


def write(file, **parts):
    file.write_text(json.dumps({"version": 1} | parts), encoding="utf-8")


def pages():
    """The page as a notebook shows it, and as it is saved."""
    course = my_course()
    return course._repr_html_(), course._document()


def test_without_progress_there_is_a_friendly_sentence(file, tmp_path):
    assert repr(my_course()) == EMPTY
    assert all(EMPTY in page for page in pages())
    my_course().save(tmp_path / "page.html")
    assert EMPTY in (tmp_path / "page.html").read_text("utf-8")
    assert not file.exists()


def test_it_tells_what_was_guessed_written_and_explained():
    guess = predict_choice("07-x", "Which one wins?", ["Adam", "SGD"])
    guess.set_state({"guess": [1], "confidence": 95, "locked": True})
    guess.reveal("Adam")
    check("01-edge", lambda curvatures: 2 / max(curvatures))
    check("01-step", lambda p, g, lr: p + lr * g)
    check("01-step", lambda p, g, lr: p - lr * g)
    explain("01-explain").said = "The rate is\nthe length."
    for page in pages():
        assert "1 prediction: 0% right, 95% sure on average" in page
        assert page.count("Which one wins?") == 2  # with the lesson, and as hard
        assert "You said “SGD”, 95% sure; measured: “Adam”." in page
        assert "Right after 2 tries." in page
        assert "Right at the first try." in page
        assert "The rate is\nthe length." in page
        assert "A good answer" in page
        assert re.findall(r'<section id="(.*?)">', page) == ["01-learning-rate", "07-adam"]
    assert "Wrong, and sure of it\n  Which one wins?" in repr(my_course())


def test_what_was_hard_comes_in_order_with_links_to_the_lessons(file):
    names = [exercise.name for exercise in EXERCISES.values()][:3]
    missed, known = QUESTIONS[0], QUESTIONS[1]
    write(
        file,
        predictions={f"02-{sure}": {"confidence": sure, "right": False} for sure in range(50, 90, 5)}
        | {"03-right": {"confidence": 100, "right": True}},
        exercises={
            names[0]: {"tries": 3, "passed": True, "hints": 2, "solution": 1},
            names[1]: {"tries": 9, "passed": False},
            names[2]: {"tries": 2, "passed": True},
        },
        recall={missed.name: {"wrong": 2, "right": 1}, known.name: {"right": 4}},
    )
    hard = my_course().hard
    wrong, long, questions = hard.values()
    assert [line.asks for line in wrong] == [f"The guess 02-{sure}." for sure in (85, 80, 75, 70, 65)]
    assert len(wrong) == HARDEST
    assert [line.outcome for line in long] == [
        "Not yet right after 9 tries.",
        "Right after 3 tries, with 2 hints and the solution.",
    ]
    assert [line.asks for line in questions] == [missed.asks]
    assert questions[0].outcome.startswith("Missed 2 times. The answer: ")
    notebook, saved = pages()
    head = notebook.partition("<section")[0]
    assert head.count('<a href="02-momentum.ipynb">2 · Why remember?</a>') == HARDEST
    assert '<a href="#02-momentum">2 · Why remember?</a>' in saved


def test_html_in_a_learners_answer_is_only_text(file):
    write(
        file,
        explanations={"01-explain": {"said": NASTY}},
        predictions={
            "01-a": {"right": False, "asks": NASTY, "compared": NASTY},
            f"02-{NASTY}": {"guess": [1]},
        },
    )
    for page in pages():
        assert "<script" not in page
        assert page.count("&lt;script&gt;") == 6


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"guess": [1], "confidence": 80, "truth": [2.0], "right": False}, "Wrong, 80% sure."),
        ({"guess": [1], "right": True}, "Right, 50% sure."),
        ({"guess": [1], "confidence": 80}, "80% sure; not compared with the result yet."),
        ({"guess": [1], "confidence": 80, "late": True}, "80% sure; it was locked after the result"),
        ({"guess": [1], "confidence": 80, "right": True, "asks": 3}, "Right, 80% sure."),
    ],
)
@pytest.mark.filterwarnings("ignore:lwlr-progress.json holds entries")
def test_an_older_file_of_progress_will_do(file, entry, says):
    write(
        file,
        predictions={"01-edge": entry, "of-no-lesson": entry, "odd": entry},
        exercises={"gone": {"tries": 9}},
    )
    assert [line.asks for line in my_course().guesses] == ["The guess 01-edge."]
    assert all(says in page for page in pages())


def test_the_saved_page_asks_no_other_host_for_anything(file, tmp_path):
    everything = {
        "predictions": {f"{lesson.prefix}a": {"right": False, "confidence": 70} for lesson in COURSE},
        "explanations": {name: {"said": "So."} for name in EXPLANATIONS},
        "exercises": {name: {"tries": 4, "passed": True} for name in EXERCISES},
        "recall": {question.name: {"wrong": 1} for question in QUESTIONS},
    }
    write(file, **everything)
    my_course().save(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "default-src 'none'" in page
    assert not re.search(r"https?:|src=|url\(|@import|<link|<script", page)
    addresses = re.findall(r'href="(.*?)"', page)
    assert {address.removeprefix("#").removesuffix(".ipynb") for address in addresses} == {
        x.name for x in COURSE
    }


def test_a_file_that_cannot_be_written_is_named_and_progress_is_not_written_over(file, tmp_path):
    write(file, lessons={"01-learning-rate": {"opened": 1}})
    before = file.read_bytes()
    with pytest.raises(ValueError, match=r"path must end in \.html, got .*lwlr-progress\.json"):
        my_course().save(file)
    assert file.read_bytes() == before
    with pytest.raises(OSError, match=r"path must name a file that can be written, got .*nowhere"):
        my_course().save(tmp_path / "nowhere" / "page.html")
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(OSError, match=r"path must name a file that can be written, got .*folder\.html"):
        my_course().save(tmp_path / "folder.html")


def test_looking_back_writes_nothing(file):
    MyCourse(read_progress())
    assert not file.exists()
