"""The learner's desk: a copy of the lessons in which nothing of a learner's is lost."""

import json
import os
import subprocess

import pytest

from lwlr_teach.teaching import desk as module
from lwlr_teach.teaching.desk import lay_out


@pytest.fixture
def lessons(tmp_path):
    """Two lessons, a README, and what a learner need not see."""
    folder = tmp_path / "lessons"
    (folder / "src").mkdir(parents=True)
    for name in ("01-one.ipynb", "02-two.ipynb", "README.md", "conftest.py", "src/01-one.py"):
        (folder / name).write_text(f"{name}, first version")
    return folder


@pytest.fixture
def desk(tmp_path, lessons):
    lay_out(lessons, tmp_path / "my-lessons")
    return tmp_path / "my-lessons"


def files(folder):
    return {path.name: path.read_text() for path in folder.iterdir() if not path.name.startswith(".")}


def test_a_desk_holds_the_lessons_and_nothing_for_authors(lessons, desk):
    assert sorted(files(desk)) == ["01-one.ipynb", "02-two.ipynb", "README.md"]
    assert lay_out(lessons, desk) == []


def test_a_lesson_that_was_not_touched_follows_the_course_and_a_new_one_comes(lessons, desk):
    (lessons / "01-one.ipynb").write_text("second version")
    (lessons / "03-three.ipynb").write_text("three")
    assert lay_out(lessons, desk) == ["01-one.ipynb is there.", "03-three.ipynb is there."]
    assert files(desk)["01-one.ipynb"] == "second version"


def test_what_a_learner_changed_stays_and_the_newer_one_lies_beside_it(lessons, desk):
    (desk / "01-one.ipynb").write_text("mine")
    assert lay_out(lessons, desk) == []
    (lessons / "01-one.ipynb").write_text("second version")
    (said,) = lay_out(lessons, desk)
    assert said == (
        "01-one.ipynb is yours and stays; the course has a newer one, which is 01-one (new).ipynb."
    )
    assert files(desk)["01-one.ipynb"] == "mine"
    assert files(desk)["01-one (new).ipynb"] == "second version"
    assert lay_out(lessons, desk) == []

    (lessons / "01-one.ipynb").write_text("third version")  # the one beside was not touched
    lay_out(lessons, desk)
    assert files(desk)["01-one (new).ipynb"] == "third version"
    (desk / "01-one (new).ipynb").write_text("mine, too")
    (lessons / "01-one.ipynb").write_text("fourth version")
    lay_out(lessons, desk)
    assert [files(desk)[f"01-one{n}.ipynb"] for n in ("", " (new)", " (new 2)")] == [
        "mine",
        "mine, too",
        "fourth version",
    ]
    assert lay_out(lessons, desk) == []


def test_a_deleted_lesson_comes_back_and_a_deleted_newer_one_does_not(lessons, desk):
    (desk / "02-two.ipynb").unlink()
    assert lay_out(lessons, desk) == ["02-two.ipynb is there."]
    (desk / "01-one.ipynb").write_text("mine")
    (lessons / "01-one.ipynb").write_text("second version")
    lay_out(lessons, desk)
    (desk / "01-one (new).ipynb").unlink()
    assert lay_out(lessons, desk) == []
    (desk / "01-one.ipynb").unlink()  # begins it again, with the newest
    lay_out(lessons, desk)
    assert files(desk)["01-one.ipynb"] == "second version"


@pytest.mark.parametrize("broken", ["{", "[1, 2]", '{"01-one.ipynb": 3}', None])
def test_without_its_notes_everything_that_differs_counts_as_the_learners(lessons, desk, broken):
    record = desk / ".copied.json"
    if broken is None:
        record.unlink()
    else:
        record.write_text(broken)
    (desk / "01-one.ipynb").write_text("mine")
    lay_out(lessons, desk)
    assert files(desk)["01-one.ipynb"] == "mine"
    assert files(desk)["01-one (new).ipynb"] == "01-one.ipynb, first version"
    assert json.loads(record.read_text())["02-two.ipynb"]


def test_a_copy_that_was_interrupted_is_made_again_and_leaves_nothing_half_done(lessons, desk, monkeypatch):
    (lessons / "02-two.ipynb").write_text("second version")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("the disk is full")))
    with pytest.raises(OSError, match="full"):
        lay_out(lessons, desk)
    monkeypatch.undo()
    assert files(desk)["02-two.ipynb"] == "02-two.ipynb, first version"
    lay_out(lessons, desk)
    assert files(desk)["02-two.ipynb"] == "second version"


def test_a_folder_in_the_place_of_a_lesson_is_left_alone(lessons, desk):
    (desk / "01-one.ipynb").unlink()
    (desk / "01-one.ipynb").mkdir()
    (lessons / "01-one.ipynb").write_text("second version")
    lay_out(lessons, desk)
    assert (desk / "01-one.ipynb").is_dir()
    assert (desk / "01-one (new).ipynb").read_text() == "second version"


def test_what_was_done_among_the_lessons_is_taken_along_once(lessons, tmp_path):
    desk = tmp_path / "my-lessons"
    (lessons / "lwlr-progress.json").write_text("{}")
    assert lay_out(lessons, desk)[-1] == "What you did in lessons/ so far was taken along."
    (desk / "lwlr-progress.json").write_text('{"more": 1}')
    assert lay_out(lessons, desk) == []
    assert (desk / "lwlr-progress.json").read_text() == '{"more": 1}'


def test_where_there_are_no_lessons_it_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="run this in a clone"):
        lay_out(tmp_path, tmp_path / "my-lessons")


def test_the_command_says_where_the_lessons_are(lessons, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, "LESSONS", lessons)
    monkeypatch.setattr(module, "DESK", tmp_path / "desk")
    assert module.main() == 0
    assert f"Your lessons are in {tmp_path / 'desk'}." in capsys.readouterr().out
    monkeypatch.setattr(module, "LESSONS", tmp_path / "nowhere")
    assert module.main() == 1
    assert "cannot be laid out" in capsys.readouterr().err


def test_the_desk_of_this_clone_is_not_in_git():
    ignored = subprocess.run(["git", "check-ignore", "-q", str(module.DESK)], cwd=module.ROOT)
    assert ignored.returncode == 0
    assert module.LESSONS.is_dir()
