"""A class on a JupyterHub: two learners, of whom neither sees the other's files or progress.

Both servers run as the user of this test. So it shows what the hub and the lessons keep apart. What a
learner's own code may read is for the system to say (docs/teaching.md): Unix users, or containers.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, Page

from authoring.lab import ROOT, Notebook
from lwlr_teach.command.lab import SETTINGS
from lwlr_teach.teaching.progress import FILE
from tests.javascript import NODE

PROXY = ROOT / "build/javascript/node_modules/configurable-http-proxy/bin/configurable-http-proxy"
LESSON = "00-start-here.ipynb"
MARK = "LWLR_TEST_HUB"
"""A variable in the environment of all that the hub starts, by which it is found and ended."""

CONFIG = """
c.JupyterHub.bind_url = "http://127.0.0.1:{public}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub}"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api}"
c.ConfigurableHTTPProxy.command = {proxy}
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = "{homes}/{{username}}"
c.Spawner.cmd = ["{server}"]
c.Spawner.args = [
    "--allow-root",
    "--LabApp.expose_app_in_browser=True",
    "--ServerApp.jpserver_extensions={{'jupyterlab_jupytext': False}}",
]
c.Spawner.default_url = "/lab/tree/my-lessons/{lesson}"
c.Spawner.environment = {{"{mark}": "{homes}", "LWLR_CLAIMS": "strict"}}
c.Spawner.http_timeout = 60
"""


def free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(number)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def started_for(homes: Path) -> list[psutil.Process]:
    """All processes that a hub with these home folders has started, itself included."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(MARK) == str(homes):
                found.append(process)
    return found


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home folders of Ada and Bob."""
    homes = tmp_path_factory.mktemp("homes")
    for name in ("ada", "bob"):
        shutil.copytree(SETTINGS, homes / name / ".jupyter")
    return homes


@pytest.fixture(scope="module")
def hub(homes: Path, tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[str]:
    """The address of a JupyterHub. Afterwards nothing that it started is left."""
    if not (NODE and PROXY.is_file()) and not os.environ.get("CI"):
        pytest.skip("no configurable-http-proxy: make lint installs it")
    folder = tmp_path_factory.mktemp("hub")
    ports = dict(zip(("public", "hub", "api"), free_ports(3), strict=True))
    server = ROOT / "binder" / "hub-server"
    config = CONFIG.format(
        proxy=[NODE, str(PROXY)], homes=homes, server=server, lesson=LESSON, mark=MARK, **ports
    )
    (folder / "jupyterhub_config.py").write_text(config)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    log = folder / "hub.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub"],
            cwd=folder,
            env=os.environ | {"PATH": path, MARK: str(homes)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    address = f"http://127.0.0.1:{ports['public']}"
    try:
        wait_for(f"{address}/hub/api", process, log)
        yield address
    finally:
        process.terminate()  # it ends the servers and the proxy
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        left = started_for(homes)
        for one in left:
            with suppress(psutil.Error):
                one.kill()
        psutil.wait_procs(left, timeout=10)
        process.wait(10)
        assert started_for(homes) == []


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"JupyterHub did not start:\n{log.read_text()}") from None
            time.sleep(0.1)


class Learner:
    """Somebody who has logged in, in a browser of their own, and whose server starts."""

    def __init__(self, browser: Browser, hub: str, homes: Path, name: str) -> None:
        self.address, self.desk = f"{hub}/user/{name}", homes / name / "my-lessons"
        self.page: Page = browser.new_context(viewport={"width": 1400, "height": 900}).new_page()
        self.page.goto(f"{hub}/hub/login")
        self.page.fill("input[name=username]", name)
        self.page.fill("input[name=password]", f"the password of {name}")
        self.page.click("#login_submit")

    def open(self) -> None:
        """Wait for the server, which opens the lesson."""
        self.page.wait_for_url(f"{self.address}/lab/tree/my-lessons/{LESSON}*", timeout=120_000)
        self.page.wait_for_function(
            "() => window.jupyterapp?.shell?.currentWidget?.sessionContext", timeout=90_000
        )
        self.notebook = Notebook(self.page, self.address, f"my-lessons/{LESSON}")

    def ask(self) -> None:
        """Run the lesson as far as its prediction."""
        sources = [cell["source"] for cell in json.loads((self.desk / LESSON).read_text("utf-8"))["cells"]]
        asks = next(n for n, source in enumerate(sources) if "predict_number(" in "".join(source))
        for number in range(asks + 1):
            self.notebook.run_cell(number)

    def guess(self, share: float) -> int:
        """Lock a guess, at a share of the slider; where it stands."""
        view = self.notebook.view()
        view.drag("guess", share)
        position = view.position("guess")
        view.button("lock").click()
        view.root.locator(".lwlr-status", has_text="Locked: ").wait_for()  # the kernel has answered
        return position

    def progress(self) -> dict:
        return json.loads((self.desk / FILE).read_text("utf-8"))

    def status(self, url: str) -> int:
        """What this learner's browser is answered."""
        return self.page.context.request.get(url).status

    def files(self, folder: str) -> set[str]:
        answer = self.page.context.request.get(f"{self.address}/api/contents/{folder}")
        assert answer.ok
        return {entry["name"] for entry in answer.json()["content"]}


@pytest.fixture
def learners(browser: Browser, hub: str, homes: Path) -> Iterator[list[Learner]]:
    """Ada and Bob, whose servers start side by side."""
    learners = [Learner(browser, hub, homes, name) for name in ("ada", "bob")]
    for learner in learners:
        learner.open()
    yield learners
    for learner in learners:
        learner.page.context.close()


@pytest.mark.timeout(300)
def test_neither_of_two_learners_sees_files_or_progress_of_the_other(hub, learners):
    ada, bob = learners
    ada.ask()
    first = ada.guess(0.2)
    ada.notebook.ask("open('adas-notes.txt', 'w').close()")
    adas = ada.progress()
    assert list(adas["predictions"]) == ["00-ball"]
    assert "adas-notes.txt" in ada.files("my-lessons")

    bob.ask()
    assert bob.progress()["predictions"] == {}
    assert not bob.notebook.view().button("lock").is_hidden()
    second = bob.guess(0.8)
    assert ada.progress() == adas
    assert [who.progress()["predictions"]["00-ball"]["guess"] for who in (ada, bob)] == [[first], [second]]

    assert bob.files("") == {"my-lessons"}
    assert "adas-notes.txt" not in bob.files("my-lessons")
    listed = bob.page.locator(".jp-DirListing-item").all_inner_texts()
    assert any(LESSON in item for item in listed)
    assert not any("adas-notes" in item for item in listed)
    for path in ("api/contents/my-lessons", f"files/my-lessons/{FILE}", f"lab/tree/my-lessons/{LESSON}"):
        assert ada.status(f"{ada.address}/{path}") == 200
        assert bob.status(f"{ada.address}/{path}") in (403, 404)
    assert bob.status(f"{bob.address}/api/contents/..%2Fada") in (403, 404)
    assert bob.status(f"{hub}/hub/api/users/ada") in (403, 404)
    assert ada.notebook.page_errors == bob.notebook.page_errors == []
