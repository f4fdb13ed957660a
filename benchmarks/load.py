"""What a learner waits for and what a laptop must hold: the first picture, and JupyterLab's memory."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

import psutil
from playwright.sync_api import sync_playwright

from authoring.lab import ROOT, Notebook, jupyter_lab, launch
from benchmarks.report import Row

LESSON = ROOT / "lessons" / "01-learning-rate.ipynb"


def maps_torch(process: psutil.Process) -> bool:
    """Whether torch's libraries are loaded in a process; False where one may not look."""
    try:
        return any("libtorch" in mapping.path for mapping in process.memory_maps())
    except psutil.Error:
        return False


def memory(pid: int) -> float:
    """GiB that a process and its children hold, with pages that they share counted once (PSS).

    PSS charges a page in equal parts to all who map it: torch in a process outside would flatter the sum.
    """
    parent = psutil.Process(pid)
    family = [parent, *parent.children(recursive=True)]
    outside = [p.pid for p in psutil.process_iter() if p not in family and maps_torch(p)]
    if outside:
        raise RuntimeError(f"processes {outside} use torch: memory is measured only while no others do")
    return sum(process.memory_full_info().pss for process in family) / 2**30


def run() -> list[Row]:
    """Open the first lesson twice, under two names, and run both."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        root, home = Path(folder, "root"), Path(folder, "home")
        root.mkdir()
        names = ["first.ipynb", "second.ipynb"]
        for name in names:
            shutil.copy(LESSON, root / name)
        browser = launch(playwright)
        waits = []
        with jupyter_lab(root, home) as (address, server):
            for name in names:
                page = browser.new_page(viewport={"width": 1300, "height": 900})
                notebook = Notebook(page, address, name)
                start = time.perf_counter()
                page.evaluate("() => void jupyterapp.commands.execute('notebook:run-all-cells')")
                page.locator(".lwlr-view canvas[aria-label]").first.wait_for(timeout=60_000)
                waits.append(time.perf_counter() - start)
                notebook.run_all()
            held = memory(server.pid)
        browser.close()
    return [
        Row("first picture after “run all” (worse of two)", f"{max(waits):.1f} s", "10 s", max(waits) <= 10),
        Row("JupyterLab with two lessons open and run (PSS)", f"{held:.2f} GiB", "1 GiB", held <= 1),
    ]
