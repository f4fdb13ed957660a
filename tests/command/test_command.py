"""What is said to ``lwlr-teach``, what it answers, and what it imports for that."""

import json
import mimetypes
import os
import re
import subprocess
import sys
import threading
import urllib.request
from types import SimpleNamespace

import jupyterlab.labapp
import pytest

import lwlr_teach
from lwlr_teach.command import desk, site
from lwlr_teach.command.lab import SETTINGS
from lwlr_teach.command.main import main
from lwlr_teach.teaching.bank import EXERCISES, QUESTIONS

FIRST = desk.FIRST


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """The folder that one stands in: an empty one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LWLR_PROGRESS", raising=False)
    return tmp_path


@pytest.fixture
def started(monkeypatch):
    """What JupyterLab was told, and where it would look for settings first; in place of starting it."""
    told = []
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "")  # so that it is put back

    def launch(options):
        told.append(SimpleNamespace(options=options, settings=os.environ["JUPYTER_CONFIG_PATH"]))

    monkeypatch.setattr(jupyterlab.labapp.LabApp, "launch_instance", launch)
    return told


def refused(*arguments):
    """The line with which it ends."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert isinstance(caught.value.code, str), "an exit status of 1 and a line"
    assert "\n" not in caught.value.code
    return caught.value.code


# --- lab and copy -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [[], ["lab"]])
def test_without_a_folder_the_lessons_come_to_my_lessons_and_jupyterlab_opens_the_first(
    started, here, arguments
):
    assert main(arguments) == 0
    folder = here / "my-lessons"
    assert {*desk.names(desk.LESSONS)} < {path.name for path in folder.iterdir()}
    [lab] = started
    assert lab.options[1:] == [f"--ServerApp.root_dir={folder}", str(folder / FIRST)]


def test_a_folder_can_be_named_and_what_follows_is_jupyterlabs(started, here):
    assert main(["lab", "mine", "--port", "9999", "--no-browser"]) == 0
    assert main(["lab", "--port", "9999"]) == 0
    assert [lab.options[2:] for lab in started] == [
        ["--port", "9999", "--no-browser", str(here / "mine" / FIRST)],
        ["--port", "9999", str(here / "my-lessons" / FIRST)],
    ]


def test_jupyterlab_asks_about_no_news_and_what_the_learner_has_set_comes_first(started, monkeypatch):
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "theirs")
    main(["lab"])
    assert started[0].settings == f"theirs{os.pathsep}{SETTINGS}"
    overrides = SETTINGS / "labconfig" / "default_setting_overrides.json"
    assert json.loads(overrides.read_text("utf-8")) == {
        "@jupyterlab/apputils-extension:notification": {"checkForUpdates": False, "fetchNews": "false"}
    }


def test_jupytext_does_not_write_a_learners_lessons_anew(started):
    main(["lab"])
    assert started[0].options[0] == "--ServerApp.jpserver_extensions={'jupyterlab_jupytext': False}"


def test_copy_opens_nothing_and_says_what_is_new(started, here, capsys):
    assert main(["copy"]) == 0
    assert main(["copy"]) == 0
    first, second = capsys.readouterr().out.split(f"Your lessons are in {here / 'my-lessons'}\n")[1:]
    assert first.startswith(f"Copied: {FIRST}, ")
    assert (second, started) == ("", [])


def test_where_jupyterlab_is_missing_it_says_so_before_anything_is_copied(monkeypatch, here):
    find = lwlr_teach.command.lab.importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "jupyterlab" else find(name))
    assert refused("lab").startswith("JupyterLab is not installed beside lwlr-teach. Do: pip install")
    assert list(here.iterdir()) == []


def test_a_file_in_the_place_of_the_folder_is_an_error(started, here):
    (here / "my-lessons").touch()
    assert "a file has that name" in refused("lab")
    assert "a file has that name" in refused("copy")
    assert started == []


def test_where_there_is_no_room_it_says_so_and_starts_nothing(started, here, monkeypatch):
    def write(path, content):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(desk, "_write", write)
    assert refused("lab") == f"The first lesson, {FIRST}, could not be copied to {here / 'my-lessons'}"
    assert started == []


# --- words that are none, and help --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", [["lessons"], ["--verison"], ["copy", "a", "b"], ["site", "--port", "x"]]
)
def test_what_is_not_known_is_said_in_a_line_with_the_usage(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    *usage, error = capsys.readouterr().err.splitlines()
    assert usage[0].startswith("usage: lwlr-teach")
    assert ": error: " in error


def test_help_of_lab_is_ours(started, capsys):
    for arguments in (["lab", "--help"], ["lab", "folder", "-h"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 0
        assert "What else is said goes to JupyterLab" in capsys.readouterr().out
    assert started == []


@pytest.mark.slow
def test_a_terminal_that_lacks_a_sign_shows_another(here):
    """As the console of Windows."""
    (here / "my-lessons").mkdir()
    (here / "my-lessons" / desk.PROGRESS).write_text('{"version": 1, "lessons": {"07-adam": {"opened": 1}}}')
    command = [sys.executable, "-m", "lwlr_teach", "progress"]
    done = subprocess.run(command, env=os.environ | {"PYTHONIOENCODING": "ascii"}, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"? 07 Why does everybody start here?" in done.stdout


@pytest.mark.parametrize("arguments", ["--help", "--version", "copy", "progress my-lessons"])
def test_it_starts_without_torch(here, arguments):
    (here / "my-lessons").mkdir()
    program = (
        "import sys\n"
        "from lwlr_teach.command.main import main\n"
        "try:\n"
        f"    main({arguments.split()})\n"
        "finally:\n"
        "    heavy = {'torch', 'numpy', 'matplotlib', 'IPython', 'jupyterlab'} & set(sys.modules)\n"
        "    assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


# --- progress -----------------------------------------------------------------------------------------------


@pytest.fixture
def record(here):
    """Some progress, in my-lessons."""
    exercise = next(exercise for exercise in EXERCISES.values() if exercise.lesson == "01-learning-rate")
    record = {
        "version": 1,
        "lessons": {"01-learning-rate": {"opened": 1}, "02-momentum": {"opened": 1}},
        "predictions": {"01-edge": {"confidence": 90, "right": False, "asks": "Where is the edge?"}},
        "exercises": {exercise.name: {"tries": 4, "passed": True}},
        "recall": {QUESTIONS[0].name: {"wrong": 2}},
    }
    file = here / "my-lessons" / desk.PROGRESS
    file.parent.mkdir()
    file.write_text(json.dumps(record), "utf-8")
    return file


def test_progress_tells_what_was_done_and_what_was_hard(record, capsys):
    before = record.read_bytes()
    assert main(["progress"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{record}\n◐ 01 How big a step? 1 of ")
    assert re.search(r"1 of \d exercises, 1 guessed\n◐ 02 Why remember\? 0 of \d exercises\n", said)
    assert "0 done, 2 begun." in said
    assert "1 prediction: 0% right, 90% sure on average" in said
    assert "Wrong, and sure of it\n  Where is the edge? Wrong, 90% sure. (01-learning-rate)\n" in said
    assert "Exercises that took many tries\n" in said
    assert f"Questions missed\n  {QUESTIONS[0].asks} Missed 2 times." in said
    assert record.read_bytes() == before


def test_progress_is_that_of_the_folder_named_or_of_the_one_stood_in(record, here, monkeypatch, capsys):
    main(["progress", "my-lessons"])
    named = capsys.readouterr().out
    desk.lay_out(desk.LESSONS, here / "my-lessons")
    monkeypatch.chdir(here / "my-lessons")
    main(["progress"])
    assert capsys.readouterr().out == named
    monkeypatch.chdir(here)
    monkeypatch.setenv("LWLR_PROGRESS", str(record))
    (here / "other").mkdir()
    main(["progress", "other"])
    assert capsys.readouterr().out == named


def test_before_anything_was_done_progress_says_where_it_will_be(here, capsys):
    assert "There is no folder" in refused("progress")
    main(["copy"])
    capsys.readouterr()
    assert main(["progress"]) == 0
    assert capsys.readouterr().out.startswith(f"There is no progress in {here / 'my-lessons'} yet.")


def test_a_damaged_file_of_progress_is_set_aside_and_told_in_a_line(here, capsys):
    (here / "my-lessons").mkdir()
    (here / "my-lessons" / desk.PROGRESS).write_text("{", "utf-8")
    assert main(["progress"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("lwlr-progress.json cannot be read (")
    assert "all of it is kept as lwlr-progress-damaged-1.json\n" in out
    assert err == ""


# --- site ---------------------------------------------------------------------------------------------------


@pytest.fixture
def pages(here, monkeypatch):
    """A site of two files, as a clone builds it."""
    folder = here / "clone" / "build" / "site"
    folder.mkdir(parents=True)
    (folder / "index.html").write_text("<h1>Lessons</h1>")
    (folder / "view.js").write_text("export default 1;")
    monkeypatch.setattr(site, "PACKAGE", here / "clone" / "lwlr_teach")
    monkeypatch.setattr("lwlr_teach.command.files.PACKAGE", here / "clone" / "lwlr_teach")
    return folder


@pytest.mark.slow
def test_the_site_is_served_to_this_machine(pages, monkeypatch, capsys):
    servers = []

    class Server(site.ThreadingHTTPServer):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            servers.append(self)

    monkeypatch.setattr(site, "ThreadingHTTPServer", Server)
    mimetypes.init()
    monkeypatch.setitem(mimetypes.types_map, ".js", "text/plain")  # as Windows may have it
    thread = threading.Thread(target=main, args=[["site", "--no-browser", "--port", "0"]])
    thread.start()
    try:
        while not servers:
            thread.join(0.01)
        address = f"http://127.0.0.1:{servers[0].server_port}/"
        with urllib.request.urlopen(address) as answer:
            assert answer.read() == b"<h1>Lessons</h1>"
        with urllib.request.urlopen(f"{address}view.js") as answer:
            assert answer.headers["Content-Type"] == "text/javascript"
        assert servers[0].server_address[0] == "127.0.0.1"
        assert main_refuses_port(servers[0].server_port)
    finally:
        servers[0].shutdown()
        thread.join()
    out, err = capsys.readouterr()
    assert address in out
    assert err == ""


def main_refuses_port(port):
    """A port that is in use is said in a line."""
    return refused("site", "--no-browser", "--port", str(port)).startswith(f"Port {port} cannot be used (")


@pytest.mark.parametrize("port", ["-1", "65536"])
def test_a_port_that_is_none_is_an_error(pages, port):
    assert refused("site", "--port", port).startswith(f"Port {port} cannot be used (")


def test_where_no_site_is_held_it_says_where_one_is(pages):
    (pages / "index.html").unlink()
    assert "`make site` builds it" in refused("site")


def test_a_release_holds_the_site_in_the_package(pages, capsys):
    inside = pages.parents[1] / "lwlr_teach" / "site"
    inside.mkdir(parents=True)
    (inside / "index.html").touch()
    assert site._pages() == inside
