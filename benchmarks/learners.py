"""How much memory a learner needs on a server: JupyterLab and the kernel of one lesson, at their most.

    python -m benchmarks.learners                  lessons 01, 05, 07 and 13
    python -m benchmarks.learners 02-momentum      others

In a container of its own, a learner pays for everything: the pages written and the libraries. Where learners
share a machine, the libraries are there once, and each further learner adds only what its processes write
(the anonymous pages). Neither depends on what else runs on this machine.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil
from playwright.sync_api import sync_playwright

from authoring.lab import ROOT, Notebook, jupyter_lab, launch

LESSONS = ["01-learning-rate", "05-adagrad", "07-adam", "13-lamb-large-batch"]
GIB = 2**30


def held(pid: int) -> tuple[float, float]:
    """GiB that a process and its children hold: what they have written, and the files they have mapped.

    A library that two of them map counts once, by the larger part of it that is in memory.
    """
    parent = psutil.Process(pid)
    written, files = 0, Counter[str]()
    for process in [parent, *parent.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            for mapping in process.memory_maps():
                written += mapping.anonymous
                files[mapping.path] = max(files[mapping.path], mapping.rss - mapping.anonymous)
    return written / GIB, files.total() / GIB


class Most(threading.Thread):
    """Looks every second until it is stopped, and keeps the largest figures."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.stopped = pid, threading.Event()
        self.alone = self.written = 0.0

    def run(self) -> None:
        while not self.stopped.wait(1):
            written, files = held(self.pid)
            self.alone, self.written = max(self.alone, written + files), max(self.written, written)


def measure(name: str) -> tuple[float, float]:
    """GiB that the learner of a lesson needs alone, and as one more on a machine with others."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        root, home = Path(folder, "root"), Path(folder, "home")
        root.mkdir()
        shutil.copy(ROOT / "lessons" / f"{name}.ipynb", root)
        browser = launch(playwright)
        with jupyter_lab(root, home) as (address, server):
            most = Most(server.pid)
            most.start()
            Notebook(browser.new_page(), address, f"{name}.ipynb").run_all()
            most.stopped.set()
            most.join()
        browser.close()
    return most.alone, most.written


def main() -> None:
    """Print the table of docs/teaching.md."""
    print("| lesson | alone | each further one |", "|---|---|---|", sep="\n")
    for name in sys.argv[1:] or LESSONS:
        alone, further = measure(name)
        print(f"| {name} | {alone:.2f} GiB | {further:.2f} GiB |", flush=True)


if __name__ == "__main__":
    main()
