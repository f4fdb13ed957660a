"""From a step of the slider, or of the start, to changed pixels, in JupyterLab in Chromium.

A real mouse drags, a few pixels at a time, on views of six optimizers × 300 steps. The clock starts at the
control's own event and stops behind the first animation frame that has drawn another picture. The peer is
what a teacher would write: ``interact`` with a function that runs the six optimizers for the chosen rate and
draws the same picture with matplotlib.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, sync_playwright

from authoring.lab import Notebook, jupyter_lab, launch, write_notebook
from benchmarks.proxy import delayed
from benchmarks.report import Row, percentile

STEPS = 20  # moves of the mouse a block
PIXELS = 2  # a move; the peer's slider has a position for about each
BLOCKS = 3

OURS = """
from lwlr_teach.views import SurfaceView

SurfaceView('ravine', steps=300, at_lr=0.003)
"""
PEER = """
import matplotlib.pyplot as plt, torch
from ipywidgets import SelectionSlider, interact
from lwlr_teach.problems import ravine
from lwlr_teach.runs import sweep
from lwlr_teach.views import SIX

surface = ravine()
x, y = torch.meshgrid(torch.linspace(-3, 3, 121), torch.linspace(-2, 2, 91), indexing="xy")
z = torch.log1p(surface.loss(torch.stack([x, y], -1)))
rates = [round(r, 5) for r in torch.logspace(-3, 0, 61).tolist()]

def draw(lr):
    runs = sweep(surface, SIX, lr=[lr], steps=300, progress=False)
    figure, (on_map, curves) = plt.subplots(1, 2, figsize=(9, 4))
    on_map.contourf(x.numpy(), y.numpy(), z.numpy(), 16, cmap="Greys")
    for i, name in enumerate(runs.names):
        on_map.plot(*runs.paths[i, 0, 0].T.numpy(), marker=".", label=name)
        curves.plot(runs.losses[i, 0, 0].numpy())
    on_map.set(xlim=(-3, 3), ylim=(-2, 2))
    on_map.legend()
    curves.set_yscale("log")
    plt.show()

interact(draw, lr=SelectionSlider(options=rates, value=rates[10]));
"""

# Each design names the element that the mouse drags, what tells that it moved, and the picture that follows.
DESIGNS = {
    "slider": {
        "cell": OURS,
        "knob": '.lwlr-view input[data-name="lr"]',
        "event": "input",
        "picture": ".lwlr-view canvas.lwlr-map",
    },
    "start": {
        "cell": OURS,
        "knob": ".lwlr-view canvas.lwlr-map",
        "event": "pointermove",
        "picture": ".lwlr-view canvas.lwlr-map",
    },
    "peer": {
        "cell": PEER,
        "knob": ".widget-slider .noUi-handle",
        "event": "aria",
        "picture": ".jupyter-widgets-output-area img, .widget-output img",
    },
}

# Copies the picture small behind every frame and remembers when it first differed after a step. A picture
# that is missing for a moment, as interact's is while it is replaced, counts as not changed yet.
PROBE = """
({knob, event, picture}) => {
  const small = Object.assign(document.createElement('canvas'), {width: 96, height: 64});
  const ctx = small.getContext('2d', {willReadFrequently: true});
  const look = () => {
    const found = document.querySelector(picture);
    if (!found || (found.tagName === 'IMG' && !found.complete)) return null;
    ctx.clearRect(0, 0, 96, 64);
    ctx.drawImage(found, 0, 0, 96, 64);
    return ctx.getImageData(0, 0, 96, 64).data.join();
  };
  const probe = window.probe = {times: [], waiting: null, seen: look()};
  const began = () => { probe.waiting ??= performance.now(); };
  const element = document.querySelector(knob);
  const aria = {attributeFilter: ['aria-valuenow', 'aria-valuetext']};
  if (event === 'aria') new MutationObserver(began).observe(element, aria);
  else element.addEventListener(event, began);
  // A message comes after all that was asked for in this frame, the view's own drawing too.
  const channel = new MessageChannel();
  channel.port1.onmessage = () => {
    if (probe.waiting !== null) {
      const now = look();
      if (now !== null && now !== probe.seen) {
        probe.times.push(performance.now() - probe.waiting);
        Object.assign(probe, {waiting: null, seen: now});
      }
    }
    requestAnimationFrame(frame);
  };
  const frame = () => channel.port2.postMessage(null);
  requestAnimationFrame(frame);
}
"""


# Where the mouse takes hold: a slider's thumb, a place of the map where no path is, the middle of a handle.
GRIP = """
(element) => {
  const {left, top, width, height} = element.getBoundingClientRect();
  const thumb = 8 + (element.value / element.max) * (width - 16);
  if (element.type === 'range') return [left + thumb, top + height / 2];
  const share = element.tagName === 'CANVAS' ? 0.75 : 0.5;
  return [left + share * width, top + share * height];
}
"""


def measure(browser: Browser, address: str) -> dict[str, list[float]]:
    """Milliseconds of each step for each design, in blocks that take turns."""
    times: dict[str, list[float]] = {name: [] for name in DESIGNS}
    pages = {}
    for name, design in DESIGNS.items():
        page = browser.new_page(viewport={"width": 1300, "height": 900})
        notebook = Notebook(page, address, f"{name}.ipynb")
        notebook.run_all()
        page.locator(design["picture"]).first.wait_for(timeout=60_000)
        page.wait_for_timeout(1500)
        page.evaluate(PROBE, {k: design[k] for k in ("knob", "event", "picture")})
        pages[name] = page
    for _ in range(BLOCKS):
        for name, page in pages.items():
            page.bring_to_front()
            knob = page.locator(DESIGNS[name]["knob"]).first
            knob.scroll_into_view_if_needed()
            x, y = knob.evaluate(GRIP)
            page.mouse.move(x, y)
            page.mouse.down()
            page.wait_for_timeout(1000)  # a press moves something, too
            way = PIXELS if len(times[name]) // STEPS % 2 == 0 else -PIXELS
            for _ in range(STEPS):
                done = page.evaluate("probe.times.length")
                while not page.evaluate("n => probe.waiting || probe.times.length > n", done):
                    x += way
                    page.mouse.move(x, y)
                    page.wait_for_timeout(20)
                page.wait_for_function("n => probe.times.length > n", arg=done, timeout=20_000)
                page.wait_for_timeout(60)
                times[name].append(page.evaluate("probe.times.at(-1)"))
            page.mouse.up()
    for page in pages.values():
        page.close()
    return times


def run() -> list[Row]:
    """Without delay, and through a proxy with 150 ms of round trip."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        root, home = Path(folder, "root"), Path(folder, "home")
        root.mkdir()
        for name, design in DESIGNS.items():
            write_notebook(root / f"{name}.ipynb", design["cell"])
        browser = launch(playwright)
        with jupyter_lab(root, home) as (address, _):
            rows += _rows("", measure(browser, address))
            with delayed(urlsplit(address).port or 0, 0.15) as port:
                late = measure(browser, f"http://127.0.0.1:{port}")
            rows += _rows(", with 150 ms of network delay", late)
        browser.close()
    return rows


def _rows(how: str, times: dict[str, list[float]]) -> list[Row]:
    return [
        _row(f"{name} step to changed pixels{how}", times[name], times["peer"])
        for name in ("slider", "start")
    ]


def _row(figure: str, ours: list[float], peer: list[float]) -> Row:
    median, p95 = statistics.median(ours), percentile(ours, 0.95)
    slow, slow95 = statistics.median(peer), percentile(peer, 0.95)
    ratio = slow / median
    return Row(
        figure=f"{figure} (n = {len(ours)} each)",
        ours=f"median {median:.0f} ms, p95 {p95:.0f} ms",
        peer=f"interact + matplotlib: median {slow:.0f} ms, p95 {slow95:.0f} ms",
        ratio=f"{ratio:.0f} × faster",
        bound="17 ms, p95 33 ms, 15 × faster",
        met=median <= 17 and p95 <= 33 and ratio >= 15,
    )
