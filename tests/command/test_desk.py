"""The learner's desk: what is copied, what follows the course, and above all what is never written over."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from lwlr_teach.command import desk
from lwlr_teach.command.files import PACKAGE, handed_out
from lwlr_teach.teaching import progress

FIRST, SECOND = "01-first.ipynb", "02-second.ipynb"
NEWER, NEWEST = "01-first (new version).ipynb", "01-first (new version 2).ipynb"
TEXT = f"# Lessons\n\n[one]({FIRST})\n{desk.AUTHORS}\nThe sources are in `src`.\n"
NAMES = {FIRST, SECOND, "README.md", desk.RECORD}


@pytest.fixture
def lessons(tmp_path):
    """A course of two lessons, with what learners are not given."""
    folder = tmp_path / "lessons"
    (folder / "src").mkdir(parents=True)
    (folder / "conftest.py").touch()
    (folder / "README.md").write_text(TEXT, "utf-8")
    for name in (FIRST, SECOND):
        (folder / name).write_text(f"{name}, version 1", "utf-8")
    return folder


@pytest.fixture
def mine(tmp_path):
    """Where the copy goes."""
    return tmp_path / "my lessons"


@pytest.fixture
def lay_out(lessons, mine):
    """Lay out the desk, and return what it says, less the line that says where it is."""

    def run():
        first, *said = desk.lay_out(lessons, mine)
        assert first == f"Your lessons are in {mine}"
        return said

    return run


def held(folder):
    """What a folder holds, by name; of a folder in it None."""
    return {path.name: path.read_text("utf-8") if path.is_file() else None for path in folder.iterdir()}


def git(folder, *words):
    own = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *own, *words], cwd=folder, check=True, capture_output=True)


# --- what is copied -----------------------------------------------------------------------------------------


def test_the_first_time_learners_get_the_lessons_and_their_part_of_the_readme(lay_out, mine):
    assert lay_out() == [f"Copied: {FIRST}, {SECOND}, README.md"]
    assert set(held(mine)) == NAMES
    assert held(mine)[FIRST] == f"{FIRST}, version 1"
    assert held(mine)["README.md"] == f"# Lessons\n\n[one]({FIRST})\n"


def test_a_copy_begins_without_outputs(lay_out, lessons, mine):
    """Else the measured curve stands right below the one that is to be drawn."""
    text = {"cell_type": "markdown", "source": "Guess."}
    code = {"cell_type": "code", "source": "2 + 2", "metadata": {"tags": ["x"]}}
    run = code | {"execution_count": 3, "outputs": [{"output_type": "stream", "text": "4"}]}
    notebook = {"cells": [text, run], "metadata": {"language_info": {"name": "python"}}, "nbformat": 4}
    (lessons / FIRST).write_text(json.dumps(notebook), "utf-8")
    lay_out()
    cells = [text, code | {"execution_count": None, "outputs": []}]
    assert json.loads(held(mine)[FIRST]) == notebook | {"cells": cells}
    assert lay_out() == []


def test_what_follows_a_question_is_a_screen_below_it_until_it_is_asked(lay_out, lessons, mine):
    sources = [
        'guess = predict_number("x", "How far?", range(9))\nguess',
        ["explain(", '"01-explain")'],
        "p = 1",
    ]
    cells = [{"cell_type": "code", "source": source, "outputs": [], "metadata": {}} for source in sources]
    (lessons / FIRST).write_text(json.dumps({"cells": cells, "metadata": {"language_info": {}}}), "utf-8")
    lay_out()
    given = [cell["outputs"] for cell in json.loads(held(mine)[FIRST])["cells"]]
    assert [len(outputs) for outputs in given] == [1, 1, 0]
    for (output,) in given[:2]:
        assert output["text"].startswith("Run this cell.")
        assert output["text"].count("\n") >= 30


def test_what_a_picture_answers_is_a_screen_below_it_until_it_is_shown(lay_out, lessons, mine):
    cells = {
        "p = 1": False,
        'guess = predict_number("x", "How far?", range(9))\nguess': True,
        "View(p)": True,
        "claim(p)": False,  # the reveal comes at once
        'guess.reveal(3, "It goes.")': True,
        "q = 2": False,
    }
    notebook = []
    for source in cells:
        notebook.append({"cell_type": "code", "source": source, "outputs": [], "metadata": {}})
        if not source.startswith("claim"):
            notebook.append({"cell_type": "markdown", "source": "What was seen."})
    (lessons / FIRST).write_text(json.dumps({"cells": notebook, "metadata": {"language_info": {}}}), "utf-8")
    lay_out()
    given = [cell for cell in json.loads(held(mine)[FIRST])["cells"] if cell["cell_type"] == "code"]
    assert [bool(cell["outputs"]) for cell in given] == list(cells.values())


def test_what_somebody_did_in_the_folder_of_the_lessons_keeps_its_outputs(lay_out, lessons, mine):
    run = {
        "cell_type": "code",
        "source": "2",
        "execution_count": 1,
        "outputs": [{"text": "2"}],
        "metadata": {},
    }
    saved = {"cells": [run], "metadata": {"language_info": {"name": "python", "version": "3.12"}}}
    (lessons / FIRST).write_text(json.dumps(saved), "utf-8")
    lay_out()
    assert json.loads(held(mine)[FIRST]) == saved


def test_a_second_time_there_is_nothing_to_do(lay_out, mine):
    lay_out()
    before = held(mine)
    assert lay_out() == []
    assert held(mine) == before


def test_a_new_lesson_comes_along(lay_out, lessons, mine):
    lay_out()
    (lessons / "03-third.ipynb").write_text("new", "utf-8")
    assert lay_out() == ["Copied: 03-third.ipynb"]
    assert held(mine)["03-third.ipynb"] == "new"


def test_what_was_not_touched_follows_the_course(lay_out, lessons, mine):
    lay_out()
    for version in ("version 2", "version 3", "version 2"):
        (lessons / FIRST).write_text(version, "utf-8")
        assert lay_out() == [f"Brought up to date: {FIRST}"]
        assert held(mine)[FIRST] == version
    assert set(held(mine)) == NAMES


def test_a_lesson_that_left_the_course_stays(lay_out, lessons, mine):
    lay_out()
    (lessons / FIRST).unlink()
    assert lay_out() == []
    assert FIRST in held(mine)


# --- what the learner changed -------------------------------------------------------------------------------


def test_an_edited_copy_stays_and_nothing_is_put_beside_it(lay_out, mine):
    lay_out()
    (mine / FIRST).write_text("my work", "utf-8")
    assert lay_out() == []
    assert held(mine)[FIRST] == "my work"
    assert set(held(mine)) == NAMES


def test_beside_an_edited_copy_the_newer_version_is_put_once(lay_out, lessons, mine):
    lay_out()
    (mine / FIRST).write_text("my work", "utf-8")
    (lessons / FIRST).write_text("version 2", "utf-8")
    assert lay_out() == [f"{desk.BESIDE}: {NEWER}"]
    assert (held(mine)[FIRST], held(mine)[NEWER]) == ("my work", "version 2")
    assert lay_out() == []
    (mine / NEWER).unlink()  # who does not want it is not asked again
    assert lay_out() == []
    (lessons / FIRST).write_text(f"{FIRST}, version 1", "utf-8")  # the course goes back
    assert lay_out() == []
    assert set(held(mine)) == NAMES


def test_a_newer_version_that_was_not_touched_makes_way_for_the_next(lay_out, lessons, mine):
    lay_out()
    (mine / FIRST).write_text("my work", "utf-8")
    for version in ("version 2", "version 3"):
        (lessons / FIRST).write_text(version, "utf-8")
        assert lay_out() == [f"{desk.BESIDE}: {NEWER}"]
    assert set(held(mine)) == {*NAMES, NEWER}
    assert (held(mine)[FIRST], held(mine)[NEWER]) == ("my work", "version 3")


def test_an_edited_newer_version_stays_too(lay_out, lessons, mine):
    lay_out()
    (mine / FIRST).write_text("my work", "utf-8")
    (lessons / FIRST).write_text("version 2", "utf-8")
    lay_out()
    (mine / NEWER).write_text("my work on version 2", "utf-8")
    (lessons / FIRST).write_text("version 3", "utf-8")
    assert lay_out() == [f"{desk.BESIDE}: {NEWEST}"]
    found = held(mine)
    assert [found[name] for name in (FIRST, NEWER, NEWEST)] == [
        "my work",
        "my work on version 2",
        "version 3",
    ]


def test_a_newer_version_that_took_the_place_of_the_old_one_follows_the_course(lay_out, lessons, mine):
    lay_out()
    (mine / FIRST).write_text("my work", "utf-8")
    (lessons / FIRST).write_text("version 2", "utf-8")
    lay_out()
    (mine / NEWER).replace(mine / FIRST)
    (lessons / FIRST).write_text("version 3", "utf-8")
    assert lay_out() == [f"Brought up to date: {FIRST}"]


def test_what_was_deleted_comes_back(lay_out, lessons, mine):
    lay_out()
    (mine / FIRST).write_text("my work", "utf-8")
    lay_out()
    (mine / FIRST).unlink()
    (lessons / FIRST).write_text("version 2", "utf-8")
    assert lay_out() == [f"Copied: {FIRST}"]
    assert held(mine)[FIRST] == "version 2"


def test_what_else_is_in_the_folder_is_not_touched(lay_out, mine):
    lay_out()
    (mine / "mine.ipynb").write_text("my own", "utf-8")
    (mine / "src").mkdir()
    assert lay_out() == []
    assert set(held(mine)) == {*NAMES, "mine.ipynb", "src"}


def test_a_locked_copy_stays_and_a_locked_lesson_gives_a_copy_that_can_be_written(lay_out, lessons, mine):
    (lessons / SECOND).chmod(0o444)
    lay_out()
    assert (mine / SECOND).stat().st_mode & 0o200
    (mine / FIRST).chmod(0o444)
    (lessons / FIRST).write_text("version 2", "utf-8")
    assert lay_out() == [f"{desk.BESIDE}: {NEWER}"]
    assert held(mine)[FIRST] == f"{FIRST}, version 1"


def saved(text):
    """A notebook as JupyterLab saves it."""
    return json.dumps(
        {"metadata": {"language_info": {"name": "python", "version": "3.12.1"}}, "cells": [text]}
    )


def test_work_that_was_done_in_the_folder_of_the_lessons_is_the_learners(lay_out, lessons, mine):
    original = (lessons / FIRST).read_text("utf-8")
    (lessons / FIRST).write_text(saved("my work"), "utf-8")
    (lessons / "Ünnamed 1.ipynb").write_text(saved("my own"), "utf-8")
    assert lay_out() == [f"Copied: {FIRST}, {SECOND}, Ünnamed 1.ipynb, README.md"]
    assert lay_out() == []
    (mine / FIRST).write_text(saved("more work"), "utf-8")
    assert lay_out() == [f"{desk.HELD}: {FIRST}"]
    (mine / FIRST).write_text(saved("my work"), "utf-8")
    (lessons / FIRST).write_text(original, "utf-8")  # so that the next pull works
    assert lay_out() == [f"{desk.BESIDE}: {NEWER}"]
    found = held(mine)
    assert [found[name] for name in (FIRST, NEWER)] == [saved("my work"), original]
    assert found["Ünnamed 1.ipynb"] == saved("my own")


def test_in_a_repository_that_is_not_the_courses_a_copy_follows_the_course(lay_out, lessons):
    git(lessons.parent, "init")
    lay_out()
    (lessons / FIRST).write_text("version 2", "utf-8")
    assert lay_out() == [f"Brought up to date: {FIRST}"]


def test_the_lessons_of_this_course_are_as_a_build_wrote_them():
    """A trace of JupyterLab in one would keep it from ever being brought up to date."""
    assert [path.name for path in desk.LESSONS.glob("*.ipynb") if desk._worked_in(path.read_bytes())] == []


# --- what goes wrong ----------------------------------------------------------------------------------------

DAMAGED = [
    "",
    "{",
    "[]",
    "null",
    '{"01-first.ipynb": 3}',
    '{"01-first.ipynb": [""]}',
    "\ud800",
    "[" * 100_000,
]


@pytest.mark.parametrize("content", DAMAGED, ids=lambda content: repr(content[:20]))
def test_when_the_record_cannot_be_read_all_that_differs_is_the_learners(lay_out, lessons, mine, content):
    lay_out()
    (mine / FIRST).write_text("my work", "utf-8")
    (lessons / SECOND).write_text("version 2", "utf-8")
    (mine / desk.RECORD).write_bytes(content.encode("utf-8", "surrogatepass"))
    beside, damage = lay_out()
    assert beside == f"{desk.BESIDE}: {NEWER}, 02-second (new version).ipynb"
    assert re.fullmatch(r"\.lwlr-desk\.json cannot be read \(.+\); what differs .* counts as yours", damage)
    found = held(mine)
    assert (found[FIRST], found[SECOND]) == ("my work", f"{SECOND}, version 1")
    assert lay_out() == []


def test_a_folder_in_the_place_of_the_record_is_told_every_time_and_nothing_piles_up(lay_out, mine):
    lay_out()
    (mine / FIRST).write_text("my work", "utf-8")
    (mine / desk.RECORD).unlink()
    (mine / desk.RECORD).mkdir()
    for _ in range(3):
        said = lay_out()
        assert said[0] == f"{desk.BESIDE}: {NEWER}"
        assert [line.partition(" (")[0] for line in said[1:]] == [
            f"{desk.RECORD} cannot be read",
            f"{desk.RECORD} cannot be written",
        ]
    assert {name for name in held(mine) if not name.endswith(".tmp")} == {*NAMES, NEWER}


def test_a_folder_in_the_place_of_a_lesson_stays(lay_out, lessons, mine):
    (mine / FIRST).mkdir(parents=True)
    (mine / FIRST / "notes.txt").touch()
    assert lay_out() == [f"Copied: {SECOND}, README.md", f"{desk.BESIDE}: {NEWER}"]
    assert (mine / FIRST / "notes.txt").exists()
    (lessons / FIRST).write_text("version 2", "utf-8")
    (mine / NEWER).unlink()
    (mine / NEWER).mkdir()
    assert lay_out() == [f"{desk.BESIDE}: {NEWEST}"]


def test_a_file_in_the_place_of_the_folder_is_named(mine):
    mine.write_text("mine", "utf-8")
    with pytest.raises(SystemExit) as caught:
        desk.copy_to(mine)
    assert caught.value.code == (
        f"The lessons cannot be copied to {mine}: "
        "a file has that name, and a folder is needed; move the file away"
    )
    assert mine.read_text("utf-8") == "mine"


def test_a_folder_without_lessons_is_named(tmp_path, mine):
    with pytest.raises(FileNotFoundError, match=r"holds no lessons \(\*\.ipynb\)"):
        desk.lay_out(tmp_path, mine)
    assert not mine.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_are_followed_and_a_dangling_one_stays(lay_out, mine, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    mine.symlink_to(tmp_path / "elsewhere")
    (mine / FIRST).symlink_to(tmp_path / "nowhere")
    assert lay_out() == [f"Copied: {SECOND}, README.md", f"{desk.BESIDE}: {NEWER}"]
    assert (mine / FIRST).is_symlink()
    assert set(held(tmp_path / "elsewhere")) == {*NAMES, NEWER}


def test_a_file_that_cannot_be_copied_keeps_none_back(lay_out, mine, lessons):
    mine.mkdir()
    (mine / f".{FIRST}.tmp").mkdir()
    (lessons / "README.md").unlink()
    copied, failed = lay_out()
    assert copied == f"Copied: {SECOND}"
    assert failed.startswith(f"Could not be copied: {FIRST} (")
    assert "README.md (" in failed
    (mine / f".{FIRST}.tmp").rmdir()
    assert lay_out()[0] == f"Copied: {FIRST}"


@pytest.mark.parametrize("call", range(1, 18))
def test_an_interrupted_run_is_finished_by_the_next(lay_out, lessons, mine, monkeypatch, call):
    """Stopped at each of the steps that read or write one of three files, or write the record."""
    lay_out()
    (mine / SECOND).write_text("my work", "utf-8")
    for name in (FIRST, SECOND, "README.md"):
        (lessons / name).write_text(f"{name}, version 2", "utf-8")
    steps = iter(range(1, 100))

    def interrupted(function):
        def run(*args):
            if next(steps) == call:
                raise KeyboardInterrupt
            return function(*args)

        return run

    with monkeypatch.context() as patch:
        patch.setattr(desk.os, "fsync", interrupted(os.fsync))
        patch.setattr(desk.Path, "replace", interrupted(desk.Path.replace))
        patch.setattr(desk, "_hash", interrupted(desk._hash))
        with pytest.raises(KeyboardInterrupt):
            lay_out()
        assert next(steps) > call
    assert held(mine)[SECOND] == "my work"
    assert held(mine)[FIRST] in (f"{FIRST}, version 1", f"{FIRST}, version 2")
    lay_out()
    assert set(held(mine)) == {*NAMES, "02-second (new version).ipynb"}
    assert held(mine)[FIRST] == f"{FIRST}, version 2"
    assert held(mine)["02-second (new version).ipynb"] == f"{SECOND}, version 2"
    assert held(mine)[SECOND] == "my work"
    assert lay_out() == []


# --- progress -----------------------------------------------------------------------------------------------


def test_progress_that_was_made_in_the_folder_of_the_lessons_goes_on_once(lay_out, lessons, mine):
    old = lessons / desk.PROGRESS
    old.write_text("{}", "utf-8")
    assert lay_out()[1:] == [f"Your progress goes on from a copy of {old}"]
    assert held(mine)[desk.PROGRESS] == "{}"
    (mine / desk.PROGRESS).write_text("more", "utf-8")
    assert lay_out() == []
    assert held(mine)[desk.PROGRESS] == "more"
    (mine / desk.PROGRESS).unlink()  # to begin anew
    assert lay_out() == []
    assert old.read_text("utf-8") == "{}"


def test_progress_that_was_made_on_the_desk_is_not_replaced(lay_out, lessons, mine):
    lay_out()
    (mine / desk.PROGRESS).write_text("mine", "utf-8")
    (lessons / desk.PROGRESS).write_text("{}", "utf-8")
    assert lay_out() == []
    assert held(mine)[desk.PROGRESS] == "mine"


def test_a_desk_elsewhere_is_another_learners_and_gets_no_progress(lessons, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(desk, "LESSONS", lessons)
    (lessons / desk.PROGRESS).write_text("the teacher's", "utf-8")
    (tmp_path / "ada").mkdir()
    desk.copy_to(tmp_path / "ada" / "my-lessons")
    assert set(held(tmp_path / "ada" / "my-lessons")) == NAMES
    assert "progress" not in capsys.readouterr().out


def test_progress_is_the_file_that_the_lessons_write(monkeypatch, tmp_path):
    monkeypatch.delenv("LWLR_PROGRESS", raising=False)
    monkeypatch.chdir(tmp_path)
    assert progress.progress_file() == tmp_path / desk.PROGRESS


# --- the course itself --------------------------------------------------------------------------------------


def test_every_link_of_the_learners_readme_leads_somewhere_on_the_desk(mine):
    """The lint reads those of the lessons."""
    desk.lay_out(desk.LESSONS, mine)
    readme = (mine / "README.md").read_text("utf-8")
    relative = [link for link in re.findall(r"\]\(([^()\s]+)", readme) if not link.startswith("https:")]
    assert "00-start-here.ipynb" in relative
    assert [link for link in relative if not (mine / link).is_file()] == []
    assert "`src`" in (desk.LESSONS / "README.md").read_text("utf-8")
    assert "`src`" not in readme


def test_git_does_not_see_a_desk_in_a_clone(tmp_path):
    shutil.copy(PACKAGE.parent / ".gitignore", tmp_path)
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "course")
    command = [sys.executable, "-m", "lwlr_teach", "copy"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stdout.startswith(f"Your lessons are in {tmp_path / 'my-lessons'}\nCopied: {desk.FIRST}, ")
    status = subprocess.run(["git", "status", "--porcelain"], cwd=tmp_path, capture_output=True, check=True)
    assert status.stdout == b""
    assert json.loads((tmp_path / "my-lessons" / desk.RECORD).read_text("utf-8")).keys() == {
        *desk.names(desk.LESSONS)
    }


def test_where_no_folder_is_named_it_is_the_desk_that_one_stands_in(lay_out, mine, monkeypatch):
    lay_out()
    monkeypatch.chdir(mine)
    assert desk.usual_desk() == mine
    monkeypatch.chdir(mine.parent)
    assert desk.usual_desk() == mine.parent / "my-lessons"


def test_lessons_are_beside_the_package_or_in_it(tmp_path, monkeypatch):
    assert handed_out("lessons") == PACKAGE.parent / "lessons"
    monkeypatch.setattr("lwlr_teach.command.files.PACKAGE", tmp_path / "lwlr_teach")
    (tmp_path / "lwlr_teach" / "lessons").mkdir(parents=True)
    (tmp_path / "lessons").mkdir()
    assert handed_out("lessons") == tmp_path / "lwlr_teach" / "lessons"
