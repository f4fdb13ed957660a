"""What is handed out: the wheel and the sdist, and the command where there is a wheel and no clone."""

import configparser
import json
import os
import re
import subprocess
import sys
import tarfile
import time
import tomllib
import urllib.request
import zipfile
from functools import partial
from pathlib import Path

import pytest

from lwlr_teach.command import desk
from tests.environment import fresh_environment
from tests.repository import ROOT, copy_repository, repository_files

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with the wheel and the sdist, built where there is a site."""
    folder = tmp_path_factory.mktemp("built")
    clone = copy_repository(folder / "clone")
    for name in ("index.html", "scripts/view.js"):
        (clone / "build" / "site" / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / "build" / "site" / name).write_text(name, "utf-8")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=clone, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def wheel(built):
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def command(wheel, tmp_path_factory):
    """The command ``lwlr-teach``, in an environment that has this wheel and what it depends on."""
    prefix = fresh_environment(tmp_path_factory.mktemp("fresh"))
    install = [prefix / "bin" / "python", "-I", "-m", "pip", "install", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True, capture_output=True)
    return prefix / "bin" / "lwlr-teach"


def test_the_wheel_holds_the_lessons_and_the_site_and_nothing_of_how_they_are_made(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    package = {path.relative_to(ROOT).as_posix() for path in repository_files()}
    lessons = {f"lwlr_teach/lessons/{name}" for name in desk.names(ROOT / "lessons")}
    site = {"lwlr_teach/site/index.html", "lwlr_teach/site/scripts/view.js"}
    assert {name for name in names if ".dist-info/" not in name} == {
        *(name for name in package if name.startswith("lwlr_teach/")),
        *lessons,
        *site,
        "lwlr_teach/constraints.txt",
    }


def test_the_readme_leads_to_the_repository_where_it_is_read_on_a_package_index(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        text = archive.read(name).decode("utf-8")
    found = [*re.findall(r"\]\(([^)\s]+)\)", text), *re.findall(r'(?:src|srcset)="([^"]+)"', text)]
    assert [place for place in found if not place.startswith("https://")] == []
    ours = [re.sub(r".*/(?:blob|raw)/main/", "", place) for place in found if "/main/" in place]
    assert {"docs/surface-view.webp", "docs/surface-view.png", "LICENSE", "docs/teaching.md"} <= {*ours}
    assert [path for path in ours if not (ROOT / path).is_file()] == []


def test_the_sdist_holds_all_that_git_knows(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    held = {path.relative_to(ROOT).as_posix() for path in repository_files()}
    assert names == held | {"PKG-INFO"}


def test_the_command_and_the_exporter_are_named_in_the_wheel(wheel):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = configparser.ConfigParser()
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        named.read_string(archive.read(name).decode())
    wanted = {"console_scripts": project["scripts"]} | project["entry-points"]
    assert {part: dict(named[part]) for part in named.sections()} == wanted
    assert {*wanted} == {"console_scripts", "nbconvert.exporters"}


def test_from_a_wheel_the_first_lesson_opens_in_an_empty_folder(command, wheel, tmp_path):
    own = {f"JUPYTER_{name}_DIR": str(tmp_path / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    own["JUPYTERLAB_DIR"] = str(Path(sys.prefix, "share", "jupyter", "lab"))
    own["PYTHONPATH"] = ""  # not the clone
    (tmp_path / "here").mkdir()
    run = partial(subprocess.Popen, cwd=tmp_path / "here", env=os.environ | own, text=True)

    version = run([command, "--version"], stdout=subprocess.PIPE).communicate()[0]
    assert version == f"lwlr-teach {wheel.name.split('-')[1]}\n"
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0", "--IdentityProvider.token=t"]
    log = tmp_path / "log"
    with log.open("w") as output:
        server = run([command, "lab", *options], stdout=output, stderr=output)
    try:
        address = _address(log, server)
        with urllib.request.urlopen(f"{address}lab/tree/{desk.FIRST}?token=t", timeout=30) as answer:
            assert answer.status == 200
        with urllib.request.urlopen(f"{address}files/{desk.FIRST}?token=t", timeout=30) as answer:
            assert json.load(answer)["cells"]
        news = f"{address}lab/api/settings/@jupyterlab/apputils-extension:notification?token=t"
        with urllib.request.urlopen(news, timeout=30) as answer:
            assert json.load(answer)["schema"]["properties"]["fetchNews"]["default"] == "false"
    finally:
        server.terminate()
        server.wait(30)
    assert log.read_text().startswith(f"Your lessons are in {tmp_path / 'here' / 'my-lessons'}\nCopied: ")
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["my-lessons"]
    assert not list((tmp_path / "config").rglob("*overrides*"))


def _address(log, server):
    """Where JupyterLab says it is."""
    deadline = time.monotonic() + 90
    while not (found := re.search(r"(http://127\.0\.0\.1:\d+/)lab", log.read_text())):
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    return found[1]
