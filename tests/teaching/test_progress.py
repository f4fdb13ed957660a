"""The file of progress: whole or not at all, and nothing in it is ever lost."""

import errno
import json
import math
import os
import shutil
import stat
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from lwlr_teach.teaching import begin, calibration, check, course_map, progress, recall
from lwlr_teach.teaching.progress import note, progress_file, read_progress

EMPTY = progress._empty()


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


NONSENSE = {
    "a part that is a list": ("lessons", []),
    "an entry that is a number": ("predictions: 'x'", {"x": 3}),
    "a prediction whose verdict is a word": ("predictions: 'x'", {"x": {"guess": [1], "right": "no"}}),
    "a confidence that is a word": ("predictions: 'x'", {"x": {"confidence": "sure", "right": True}}),
    "a confidence that is no number": ("predictions: 'x'", {"x": {"confidence": math.nan, "right": True}}),
    "a confidence beyond floats": ("predictions: 'x'", {"x": {"confidence": 10**400, "right": True}}),
    "tries in words": ("exercises: 'x'", {"x": {"tries": "many", "passed": False, "hints": 0}}),
    "fewer hints than none": ("exercises: 'x'", {"x": {"tries": 1, "passed": False, "hints": -9}}),
    "nothing known of an exercise": ("exercises: 'x'", {"x": None}),
    "a turn that is a list": ("recall: 'x'", {"x": {"turn": [1], "last": "wrong"}}),
    "a count that is null": ("recall: 'x'", {"x": {"right": None, "last": "right"}}),
    "a lesson opened in words": ("lessons: 'x'", {"x": {"opened": "often"}}),
    "a version that is a word": ("version", "two"),
    "a name that is not text": ("lessons: '\\ud800'", {"\ud800": 1}),
}


@pytest.mark.parametrize(("said", "content"), NONSENSE.values(), ids=NONSENSE)
def test_nonsense_inside_is_set_aside_with_a_word_and_the_rest_is_used(file, said, content):
    good = {"lessons": {"a": {"opened": 2}}, "predictions": {"b": {"confidence": 75, "right": True}}}
    part = said.partition(":")[0]
    bad = good.get(part, {}) | content if isinstance(content, dict) else content
    file.write_text(json.dumps({"version": 1} | good | {part: bad}), encoding="utf-8")
    before = file.read_bytes()
    with pytest.warns(UserWarning, match="kept as lwlr-progress-damaged-1.json") as caught:
        course_map()
    calibration()
    recall("02-momentum")
    check("01-step", None).hints = 1
    note(mark("c"))
    (message,) = (str(warning.message) for warning in caught)
    assert f"holds entries that no lesson wrote ({said}), and only the rest is used" in message
    assert (file.parent / "lwlr-progress-damaged-1.json").read_bytes() == before
    assert read_progress()["predictions"]["b"] == good["predictions"]["b"]
    lessons = good["lessons"] if isinstance(bad, dict) or part != "lessons" else {}
    assert read_progress()["lessons"] == lessons | {"c": {"opened": 1}}


def test_of_an_entry_with_a_bad_field_the_others_are_used(file):
    file.write_text('{"predictions": {"x": {"guess": [1], "confidence": "sure"}}}', encoding="utf-8")
    with pytest.warns(UserWarning, match="only the rest is used"):
        assert read_progress()["predictions"] == {"x": {"guess": [1]}}


def test_every_exercise_can_go_on_from_an_entry_that_lacks_a_field(file):
    file.write_text('{"exercises": {"01-step": {"solution": 1}}}', encoding="utf-8")
    check("01-step", lambda p, g, lr: p + lr * g).hints = 1
    assert read_progress()["exercises"] == {
        "01-step": {"solution": 1, "tries": 1, "passed": False, "hints": 1}
    }


@pytest.mark.parametrize("version", [2, 1.5, 10**400])
def test_a_file_of_a_newer_version_is_named_and_left_as_it_is(file, version):
    newer = json.dumps({"version": version, "lessons": {"a": {"opened": [3]}}})
    file.write_text(newer, encoding="utf-8")
    with pytest.warns(UserWarning, match=rf"a newer version, {version}, of these lessons wrote this file"):
        assert read_progress() == EMPTY
    note(mark("b"))
    note(mark("c"))
    assert list(read_progress()["lessons"]) == ["b", "c"]
    assert file.read_text(encoding="utf-8") == newer
    assert {path.name for path in file.parent.iterdir()} <= {file.name, f"{file.name}.lock"}


def test_what_is_not_known_here_is_kept_at_the_next_write(file, kept):
    later = {"later": {"x": [1, {"y": None}]}, "lessons": {"a": {"opened": 1, "mood": "good"}}, "n": 7}
    file.write_text(json.dumps(later), encoding="utf-8")
    note(mark("b"))
    assert kept()["later"] == later["later"]
    assert kept()["n"] == 7
    assert kept()["lessons"] == later["lessons"] | {"b": {"opened": 1}}


@pytest.fixture
def link(tmp_path, monkeypatch):
    """Where the progress of this test is kept: a symbolic link to a file in another folder."""
    (tmp_path / "cloud").mkdir()
    path = tmp_path / "notebooks" / "lwlr-progress.json"
    path.parent.mkdir()
    path.symlink_to(tmp_path / "cloud" / "mine.json")
    monkeypatch.setenv("LWLR_PROGRESS", str(path))
    return path


def test_a_symbolic_link_stays_and_its_target_is_written_with_its_mode(link):
    note(mark("a"))  # the target is not there yet
    target = link.resolve()
    target.chmod(0o600)
    note(mark("b"))
    assert link.is_symlink()
    assert list(json.loads(target.read_text("utf-8"))["lessons"]) == ["a", "b"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert list(link.parent.iterdir()) == [link]


def test_two_names_of_one_file_share_its_lock_and_what_is_unsaved(link, monkeypatch):
    note(mark("a"))
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", no_space)
        with pytest.warns(UserWarning, match="No space left"):
            note(mark("b"))
    monkeypatch.setenv("LWLR_PROGRESS", str(link.resolve()))
    assert list(read_progress()["lessons"]) == ["a", "b"]


def test_what_is_damaged_is_set_aside_beside_the_target_of_a_link(link):
    link.write_text("{", encoding="utf-8")
    with pytest.warns(UserWarning, match="mine-damaged-1.json"):
        note(mark("a"))
    assert link.is_symlink()
    assert (link.resolve().parent / "mine-damaged-1.json").read_text("utf-8") == "{"


def test_a_link_that_leads_to_itself_is_no_file(tmp_path, monkeypatch):
    path = tmp_path / "loop"
    path.symlink_to(path)
    monkeypatch.setenv("LWLR_PROGRESS", str(path))
    with pytest.warns(UserWarning, match="cannot be written"):
        note(mark("a"))
    assert list(read_progress()["lessons"]) == ["a"]


def no_space(*args):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_after_a_full_disk_the_next_note_saves_all_and_says_so(file, kept, monkeypatch, capsys, where):
    note(mark("a"))
    before = file.read_bytes()
    with monkeypatch.context() as full:
        full.setattr(*{"fsync": (os, "fsync", no_space), "replace": (Path, "replace", no_space)}[where])
        with pytest.warns(UserWarning, match="No space left on device"):
            note(mark("b"))
        note(mark("c"))  # is said once
        assert file.read_bytes() == before
    assert capsys.readouterr().out == ""
    note(mark("d"))
    assert capsys.readouterr().out == f"Your progress is saved again, all of it, in {file}.\n"
    assert list(kept()["lessons"]) == ["a", "b", "c", "d"]
    note(mark("e"))
    assert capsys.readouterr().out == ""


# A file system of a few kB for one process: full, then with room, then read-only, then as before.
DISK = """
import json, os, runpy, subprocess, sys, warnings
folder, source = sys.argv[1:]
os.environ["LWLR_PROGRESS"] = file = f"{folder}/lwlr-progress.json"
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k", "none", folder], check=True)
progress = runpy.run_path(source)
def put(name):
    with warnings.catch_warnings(record=True, action="always") as caught:
        progress["note"](lambda record: record["lessons"].setdefault(name, {"opened": 1}))
    with open(file) as kept:
        print(list(json.load(kept)["lessons"]), list(progress["read_progress"]()["lessons"]), len(caught))
def fill():
    with open(f"{folder}/other", "wb", buffering=0) as other:
        while True: other.write(bytes(512))
put("a")
try:
    fill()
except OSError as error:
    print(error.strerror)
put("b" * 5000)
put("c")
os.remove(f"{folder}/other")
put("d")
subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
put("e")
subprocess.run(["mount", "-o", "remount,rw", folder], check=True)
put("f")
print(*sorted(os.listdir(folder)))
"""


def test_a_disk_that_is_full_and_one_that_is_read_only_lose_nothing(tmp_path):
    alone = ["unshare", "--map-root-user", "--mount"]
    if not shutil.which("unshare") or subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("this user may mount nothing here")
    command = [*alone, sys.executable, "-c", DISK, str(tmp_path), progress.__file__]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    b = "b" * 5000
    a_to_d, all_six = ["a", b, "c", "d"], ["a", b, "c", "d", "e", "f"]
    saved = f"Your progress is saved again, all of it, in {tmp_path}/lwlr-progress.json."
    assert done.stdout.splitlines() == [
        "['a'] ['a'] 0",
        "No space left on device",
        f"['a'] {['a', b]} 1",
        f"['a'] {['a', b, 'c']} 0",
        saved,
        f"{a_to_d} {a_to_d} 0",
        f"{a_to_d} {all_six[:5]} 1",
        saved,
        f"{all_six} {all_six} 0",
        "lwlr-progress.json lwlr-progress.json.lock",
    ]


def test_what_waited_for_room_is_added_to_what_another_notebook_wrote(file, kept, monkeypatch):
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", no_space)
        with pytest.warns(UserWarning, match="No space left"):
            note(mark("mine"))
    file.write_text('{"version": 1, "lessons": {"theirs": {"opened": 5}}}', encoding="utf-8")
    assert list(read_progress()["lessons"]) == ["theirs", "mine"]
    note(mark("also mine"))
    assert list(kept()["lessons"]) == ["theirs", "mine", "also mine"]


def test_a_damaged_file_on_a_full_disk_stays_until_there_is_room(file, monkeypatch):
    file.write_bytes(b"{")
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", no_space)
        with pytest.warns(UserWarning, match="No space left"):
            note(mark("a"))
        assert file.read_bytes() == b"{"
    with pytest.warns(UserWarning, match="kept as lwlr-progress-damaged-1.json"):
        note(mark("b"))
    assert list(read_progress()["lessons"]) == ["a", "b"]


@pytest.mark.slow
def test_a_writer_that_is_killed_at_any_moment_takes_nothing_from_itself_nor_from_another(file, kept):
    code = (
        "import runpy, sys\n"
        "note = runpy.run_path(sys.argv[1])['note']\n"
        "def put(record): record['lessons'].setdefault(sys.argv[2], {'opened': 0})['opened'] += 1\n"
        "while True: note(put); print(flush=True)\n"
    )

    def start(name):
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code, progress.__file__, name],
            stdout=subprocess.PIPE,
            env=os.environ | {"LWLR_PROGRESS": str(file)},
        )

    def opened(name):
        return kept()["lessons"][name]["opened"]

    least, other = 0, start("other")
    for notes in (1, 2, 3, 5, 8):
        writer = start("killed")
        for _ in range(notes):
            assert writer.stdout.readline() == b"\n"
        writer.kill()
        writer.communicate()
        least += notes
        assert opened("killed") >= least
    assert other.poll() is None
    other.kill()
    said, _ = other.communicate()
    assert opened("other") >= said.count(b"\n") > 5
    note(mark("b"))
    assert not file.with_name(f"{file.name}.tmp").exists()


@pytest.mark.parametrize(
    "name", ["/proc/x/lwlr-progress.json", "{tmp}/a-file/lwlr-progress.json", "{tmp}/folder"]
)
def test_where_nothing_can_be_written_the_kernel_remembers_and_says_so_once(name, monkeypatch, tmp_path):
    (tmp_path / "a-file").write_text("mine", encoding="utf-8")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "work.txt").write_text("mine", encoding="utf-8")
    monkeypatch.setenv("LWLR_PROGRESS", name.format(tmp=tmp_path))
    said = r"Your progress cannot be written to .* \([^][]*\)\. It is kept until this kernel ends"
    with pytest.warns(UserWarning, match=said) as caught:
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
