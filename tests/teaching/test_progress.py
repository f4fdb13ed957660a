"""The file of progress: whole or not at all, and nothing in it is ever lost."""

import json
import os
import subprocess
import sys
import warnings

import pytest

from lwlr_teach.teaching import begin, progress
from lwlr_teach.teaching.progress import note, progress_file, read_progress

EMPTY = {"lessons": {}, "predictions": {}, "exercises": {}, "recall": {}}


def mark(name):
    return lambda record: record["lessons"].setdefault(name, {"opened": 1})


def test_a_note_is_read_back_and_others_stay(kept, restart):
    assert read_progress() == EMPTY
    note(mark("a"))
    restart()
    note(mark("b"))
    assert read_progress()["lessons"] == {"a": {"opened": 1}, "b": {"opened": 1}}
    assert kept() == {"version": 1} | read_progress()


def test_reading_alone_writes_nothing(file):
    read_progress()
    assert list(file.parent.iterdir()) == []


def test_the_file_is_beside_the_notebook_unless_the_environment_names_another(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LWLR_PROGRESS")
    assert progress_file() == tmp_path / "lwlr-progress.json"
    begin("01-learning-rate")
    assert (tmp_path / "lwlr-progress.json").exists()
    monkeypatch.setenv("LWLR_PROGRESS", "other.json")
    assert progress_file() == tmp_path / "other.json"
    assert read_progress() == EMPTY


def test_it_is_found_again_after_a_change_of_folder_only_where_it_was(file, monkeypatch, tmp_path):
    """An absolute path is kept; a relative one is looked up when it is used, as the notebook's folder."""
    monkeypatch.setenv("LWLR_PROGRESS", "here.json")
    monkeypatch.chdir(tmp_path)
    note(mark("a"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert read_progress() == EMPTY


def test_two_processes_that_write_at_once_lose_nothing(file):
    code = (
        "import runpy, sys\n"
        "note = runpy.run_path(sys.argv[2])['note']\n"  # without the package, which takes seconds
        "def put(record):\n"
        "    mine = record['lessons'].setdefault(sys.argv[1], {'opened': 0})\n"
        "    both = record['lessons'].setdefault('both', {'opened': 0})\n"
        "    mine['opened'] += 1\n"
        "    both['opened'] += 1\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "for _ in range(50): note(put)\n"
    )
    writers = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code, name, progress.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"LWLR_PROGRESS": str(file)},
        )
        for name in ("one", "two")
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    opened = {name: entry["opened"] for name, entry in read_progress()["lessons"].items()}
    assert opened == {"one": 50, "two": 50, "both": 100}


def test_a_change_that_fails_leaves_the_file_as_it_was(file):
    note(mark("a"))
    before = file.read_bytes()

    def fails(record):
        record["lessons"].clear()
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        note(fails)
    assert file.read_bytes() == before


def test_what_cannot_be_written_as_json_leaves_the_file_as_it_was_and_no_rubbish(file):
    note(mark("a"))
    before, files = file.read_bytes(), set(file.parent.iterdir())
    with pytest.raises(TypeError):
        note(lambda record: record["lessons"].update(b={"opened": object()}))
    assert file.read_bytes() == before
    assert set(file.parent.iterdir()) == files


def test_a_writer_that_was_killed_half_way_leaves_the_old_record_and_no_rubbish(file):
    note(mark("a"))
    half = file.with_name(f"{file.name}.tmp")
    half.write_text('{"lessons": {"a"', encoding="utf-8")
    assert list(read_progress()["lessons"]) == ["a"]
    note(mark("b"))
    assert list(read_progress()["lessons"]) == ["a", "b"]
    assert not half.exists()


DAMAGED = {
    "cut off": b'{"version": 1, "lessons": {"a": {"ope',
    "empty": b"",
    "not text": b"\xff\xfe\x00\x80",
    "not a record": b"[1, 2, 3]",
    "a number": b"7",
    "a part that is a list": b'{"version": 1, "lessons": []}',
    "an entry that is a number": b'{"version": 1, "predictions": {"01-edge": 3}}',
    "a version that is a word": b'{"version": "two"}',
    "too deep": b"[" * 200_000,
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("first", ["read", "note"])
def test_a_damaged_file_is_set_aside_and_said_once(file, content, first):
    file.write_bytes(content)
    with pytest.warns(UserWarning, match=r"cannot be read .* kept as lwlr-progress-damaged-1.json") as caught:
        assert read_progress() == EMPTY if first == "read" else note(mark("a")) is None
    assert len(caught) == 1
    assert (file.parent / "lwlr-progress-damaged-1.json").read_bytes() == content
    note(mark("b"))
    assert "b" in read_progress()["lessons"]


def test_each_damaged_file_is_kept(file):
    for content in (b"first", b"second"):
        file.write_bytes(content)
        with pytest.warns(UserWarning, match="progress starts anew"):
            read_progress()
    kept = [(file.parent / f"lwlr-progress-damaged-{i}.json").read_bytes() for i in (1, 2)]
    assert kept == [b"first", b"second"]


def test_a_record_of_a_newer_version_is_kept_and_not_written_over(file):
    newer = json.dumps({"version": 2, "lessons": {"a": {"opened": 3}}})
    file.write_text(newer, encoding="utf-8")
    with pytest.warns(UserWarning, match=r"written by a newer version \(2\) of these lessons"):
        note(mark("b"))
    assert (file.parent / "lwlr-progress-damaged-1.json").read_text(encoding="utf-8") == newer


def test_a_record_with_a_part_that_is_missing_or_unknown_is_read(file):
    file.write_text('{"lessons": {"a": {"opened": 1}}, "later": {}}', encoding="utf-8")
    assert read_progress() == EMPTY | {"lessons": {"a": {"opened": 1}}}


@pytest.mark.parametrize(
    "name", ["/proc/x/lwlr-progress.json", "{tmp}/a-file/lwlr-progress.json", "{tmp}/folder"]
)
def test_where_nothing_can_be_written_the_kernel_remembers_and_says_so_once(name, monkeypatch, tmp_path):
    (tmp_path / "a-file").write_text("mine", encoding="utf-8")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "work.txt").write_text("mine", encoding="utf-8")
    monkeypatch.setenv("LWLR_PROGRESS", name.format(tmp=tmp_path))
    with pytest.warns(UserWarning, match="cannot be written to .* kept until this kernel ends") as caught:
        note(mark("a"))
    assert len(caught) == 1
    note(mark("b"))
    assert list(read_progress()["lessons"]) == ["a", "b"]
    assert (tmp_path / "folder" / "work.txt").read_text(encoding="utf-8") == "mine"


def test_in_a_read_only_folder_what_is_there_is_read(file, monkeypatch):
    note(mark("a"))
    before = file.read_bytes()

    def refuse(*args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(progress, "_write", refuse)
    with pytest.warns(UserWarning, match="cannot be written"):
        note(mark("b"))
    assert list(read_progress()["lessons"]) == ["a", "b"]
    assert file.read_bytes() == before


def test_the_kernel_remembers_even_where_a_warning_is_an_error(monkeypatch):
    monkeypatch.setenv("LWLR_PROGRESS", "/proc/x/lwlr-progress.json")
    with warnings.catch_warnings(action="error"), pytest.raises(UserWarning, match="cannot be written"):
        note(mark("a"))
    assert list(read_progress()["lessons"]) == ["a"]


def test_what_was_read_is_a_copy(monkeypatch):
    monkeypatch.setenv("LWLR_PROGRESS", "/proc/x/lwlr-progress.json")
    with pytest.warns(UserWarning, match="cannot be written"):
        note(mark("a"))
    read_progress()["lessons"].clear()
    assert list(read_progress()["lessons"]) == ["a"]
