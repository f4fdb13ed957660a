"""A real JupyterLab in a real Chromium, for the tests, the benchmarks and the picture of the README."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Browser, Error, Locator, Page, Playwright

from lwlr_teach.command.lab import SETTINGS

ROOT = Path(__file__).parents[1]

# Without these Chromium tries to reach its maker at every start; without a sandbox it also runs as root.
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str | None:
    """Where Chromium is on this machine, if it is."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


def launch(playwright: Playwright) -> Browser:
    """A headless Chromium: the machine's own, since Playwright's is not in a package registry."""
    return playwright.chromium.launch(executable_path=chromium(), args=QUIET)


@contextmanager
def jupyter_lab(root: Path, home: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A JupyterLab on ``root`` with settings of its own in ``home``: its address and its process."""
    folders = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"),
        *(
            f"--port={port}",
            "--ServerApp.port_retries=0",
            "--IdentityProvider.token=",
            "--ServerApp.password=",
        ),
        f"--ServerApp.root_dir={root}",
        "--LabApp.expose_app_in_browser=True",
        "--ServerApp.allow_external_kernels=True",
        "--ServerApp.disable_check_xsrf=True",
        "--ServerApp.jpserver_extensions={'jupyterlab_jupytext': False}",
    ]
    log = home / "lab.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            command,
            env=os.environ
            | {name: str(home / folder) for name, folder in folders.items()}
            | {"JUPYTER_CONFIG_PATH": str(SETTINGS), "LWLR_CLAIMS": "strict"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(address, server, log)
            yield address, server
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 90
    while True:
        try:
            with urllib.request.urlopen(f"{address}/api/status", timeout=5):
                return
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()}") from None
            time.sleep(0.1)


def lend_kernel(connection: Path, address: str, home: Path, name: str) -> None:
    """Let the notebook ``name`` be opened with a kernel that runs already, and that JupyterLab cannot end."""
    before = {kernel["id"] for kernel in _call(f"{address}/api/kernels")}
    folder = home / "runtime" / "external_kernels"
    folder.mkdir(exist_ok=True)
    about = json.loads(connection.read_text())
    (folder / f"{name}.json").write_text(json.dumps(about | {"kernel_name": "python3"}))
    (lent,) = {kernel["id"] for kernel in _call(f"{address}/api/kernels")} - before
    _call(f"{address}/api/sessions", path=name, name=name, type="notebook", kernel={"id": lent})


def _call(url: str, **content: Any) -> Any:
    """What the server answers: to a GET, or to a POST with this content."""
    data = json.dumps(content).encode() if content else None
    with urllib.request.urlopen(urllib.request.Request(url, data), timeout=30) as answer:
        return json.load(answer)


def write_notebook(path: Path, *cells: str) -> None:
    """A notebook with these code cells, not run."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    # Without a kernel's name JupyterLab would ask for one.
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, path)


# The widget of the notebook that is open; every script below begins with it.
_PANEL = "const panel = jupyterapp.shell.currentWidget;"


class Notebook:
    """A notebook that is open in JupyterLab. ``page_errors`` collects whatever the page complains about."""

    def __init__(self, page: Page, address: str, name: str) -> None:
        self.page = page
        self.page_errors: list[str] = []
        page.on("pageerror", self._note_error)
        # JupyterLab takes seconds to load: a page that shows it already opens the notebook there.
        if page.url.startswith(address):
            self._run("await jupyterapp.commands.execute('docmanager:open', {path: argument});", name)
        else:
            page.goto(f"{address}/lab/tree/{name}?reset")
        self._wait("panel?.sessionContext?.session?.kernel?.status === 'idle'")

    def close(self) -> None:
        """Close the notebook as it is, with whatever else is open, and shut its kernel down.

        The page can show another one then.
        """
        self.page.remove_listener("pageerror", self._note_error)
        self._run(
            "for (const widget of [...jupyterapp.shell.widgets('main')]) {"
            "  await widget.sessionContext?.shutdown();"
            "  widget.dispose();"
            "}"
        )

    def _note_error(self, error: Error) -> None:
        self.page_errors.append(error.stack or str(error))

    def _wait(self, condition: str, seconds: float = 60) -> None:
        script = f"() => {{ const panel = window.jupyterapp?.shell?.currentWidget; return {condition}; }}"
        self.page.wait_for_function(script, timeout=1000 * seconds)

    def _run(self, script: str, argument: Any = None) -> Any:
        return self.page.evaluate(f"async (argument) => {{ {_PANEL} {script} }}", argument)

    def run_all(self) -> None:
        """Run every cell and wait until the last one is done."""
        self._run("await jupyterapp.commands.execute('notebook:run-all-cells');")
        self._wait("panel.sessionContext.session.kernel.status === 'idle'", seconds=180)

    def run_cell(self, number: int, *, wait: bool = True) -> None:
        """Run one cell, again or for the first time, and wait until it is done."""
        self._run(
            "panel.content.activeCellIndex = argument[0]; panel.content.deselectAll();"
            "const done = jupyterapp.commands.execute('notebook:run-cell'); if (argument[1]) await done;",
            [number, wait],
        )

    def clear_outputs(self) -> None:
        self._run("await jupyterapp.commands.execute('notebook:clear-all-cell-outputs');")

    def interrupt(self) -> None:
        """Press ■."""
        self._run("await jupyterapp.commands.execute('notebook:interrupt-kernel');")
        self._wait("panel.sessionContext.session.kernel.status === 'idle'")

    def cell_errors(self) -> list[str]:
        """The errors that stand under the cells."""
        return self._run(
            "const cells = panel.model.sharedModel.cells.filter(c => c.cell_type === 'code');"
            "return cells.flatMap(c => c.getOutputs()).filter(o => o.output_type === 'error')"
            ".map(o => `${o.ename}: ${o.evalue}`);"
        )

    def active_cell(self) -> int:
        """The number of the cell that is selected."""
        return self._run("return panel.content.activeCellIndex;")

    def ask(self, code: str) -> str:
        """Run code in the notebook's kernel, beside the cells; what it prints.

        The code meets what the page's widgets last said: ipywidgets holds changes back while the kernel is
        busy with an earlier one, and the empty request is answered once that is done and the rest was sent.
        Behind that rest another change may be held back, if the machine is slow: hence a second request.
        """
        return self._run(
            "const kernel = panel.sessionContext.session.kernel;"
            "await kernel.requestExecute({code: ''}).done;"
            "await kernel.requestExecute({code: ''}).done;"
            "const future = kernel.requestExecute({code: argument});"
            "let said = '';"
            "future.onIOPub = ({header, content}) => {"
            "  if (header.msg_type === 'stream') said += content.text;"
            "  if (header.msg_type === 'error') said += content.traceback.join('\\n');"
            "};"
            "await future.done;"
            "return said.trim();",
            code,
        )

    def has_kernel(self) -> bool:
        """Whether the notebook's kernel is there and waits for work."""
        return self._run("return panel?.sessionContext?.session?.kernel?.status === 'idle';")

    def shut_down_kernel(self) -> None:
        self._run("await panel.sessionContext.shutdown();")

    def kill_kernel(self) -> None:
        """End the kernel as a lack of memory does. JupyterLab starts another one, and says so."""
        os.kill(int(self.ask("import os; print(os.getpid())")), signal.SIGKILL)
        self.page.locator(".jp-Dialog button").click()
        self._wait("panel.sessionContext.session.kernel.status === 'idle'")

    def theme(self, name: str) -> None:
        """``JupyterLab Light`` or ``JupyterLab Dark``."""
        # A page that opens and a theme that changes show JupyterLab's splash screen. Where two overlap,
        # JupyterLab (4.6.6) takes it away twice, which is an error of the page.
        self.page.wait_for_selector("#jupyterlab-splash", state="detached")
        self._run("await jupyterapp.commands.execute('apputils:change-theme', {theme: argument});", name)
        light = "true" if name.endswith("Light") else "false"
        self.page.wait_for_function(f"() => document.body.dataset.jpThemeLight === '{light}'")
        self.page.wait_for_selector("#jupyterlab-splash", state="detached")

    def view(self, number: int = 0) -> View:
        """The view number ``number`` on the page, scrolled to."""
        root = self.page.locator(".lwlr-view").nth(number)
        root.wait_for()
        root.scroll_into_view_if_needed()
        view = View(root)
        view.settle()
        return view

    def view_below(self, cell: int) -> View:
        """The view below a cell, scrolled to: JupyterLab draws what is not run only there."""
        place = f'.jp-Cell[data-windowed-list-index="{cell}"] .lwlr-view'
        # What is above may still grow and push it away again.
        self.page.wait_for_function(
            "([cell, place]) => { jupyterapp.shell.currentWidget.content.scrollToItem(cell, 'start');"
            " return document.querySelector(place); }",
            arg=[cell, place],
            polling=250,
            timeout=60_000,
        )
        root = self.page.locator(place)
        root.scroll_into_view_if_needed()
        view = View(root)
        view.settle()
        return view


class View:
    """A live picture on the page, and what one can do with it."""

    def __init__(self, root: Locator) -> None:
        self.root = root
        self.page = root.page

    def canvas(self, name: str) -> Locator:
        return self.root.locator(f"canvas.lwlr-{name}")

    def slider(self, name: str) -> Locator:
        return self.root.locator(f'input[type=range][data-name="{name}"]')

    def box(self, method: str) -> Locator:
        return self.root.locator(f'input[type=checkbox][data-method="{method}"]')

    def button(self, name: str) -> Locator:
        return self.root.locator(f'button[data-name="{name}"]')

    def readout(self, method: str) -> str:
        self.settle()
        return self.root.locator(f'[data-readout="{method}"]').inner_text()

    def sentence(self) -> str:
        """The words of the first picture, for those who cannot see it."""
        self.settle()
        return self.root.locator("canvas[role=img]").first.get_attribute("aria-label") or ""

    def position(self, name: str) -> int:
        self.settle()
        return int(self.slider(name).input_value())

    def settle(self) -> None:
        """Wait until whatever was asked for is drawn."""
        self.page.evaluate(
            "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )

    def colour(self, name: str, x: float, y: float) -> list[int]:
        """Red, green and blue at a point of a picture, in pixels of the page."""
        script = "(c, [x, y]) => [...c.getContext('2d').getImageData(x, y, 1, 1).data.slice(0, 3)]"
        return self.canvas(name).evaluate(script, [round(x), round(y)])

    def picture(self, name: str) -> str:
        """The pixels of a canvas, as a data URL."""
        self.settle()
        return self.canvas(name).evaluate("canvas => canvas.toDataURL()")

    def press(self, name: str, key: str, times: int = 1) -> None:
        """Press a key on a slider."""
        self.slider(name).focus()
        for _ in range(times):
            self.page.keyboard.press(key)
        self.settle()

    def drag(self, name: str, share: float) -> None:
        """Drag a slider's knob with the mouse to a share of its length."""
        slider = self.slider(name)
        slider.scroll_into_view_if_needed()
        box = slider.bounding_box()
        assert box is not None
        low, high = (int(slider.get_attribute(end) or 0) for end in ("min", "max"))
        knob = 16  # the knob's middle stops half its width before the ends
        at = [knob / 2 + (self.position(name) - low) / (high - low) * (box["width"] - knob)]
        at.append(knob / 2 + share * (box["width"] - knob))
        y = box["y"] + box["height"] / 2
        self.page.mouse.move(box["x"] + at[0], y)
        self.page.mouse.down()
        self.page.mouse.move(box["x"] + at[1], y, steps=12)
        self.page.mouse.up()
        self.settle()
