"""Views in an empty page of Chromium, with a stand-in for the kernel: much faster than in JupyterLab."""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from authoring import lab
from authoring.site.views import own
from lwlr_teach.views.kit.base import View

# The page's model holds the state, and what the page has saved until the kernel takes it; `tell` changes the
# state as a kernel would.
_RENDER = """async ([source, state, place]) => {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const { default: { render } } = await import(url);
  const heard = {};
  const model = {
    unsaved: {},
    get: (name) => state[name],
    set: (name, value) => (state[name] = model.unsaved[name] = value),
    save_changes: () => {
      if (window.gone) throw new Error("no kernel");
      Object.assign(saved[place], model.unsaved);
      model.unsaved = {};
    },
    on: (event, callback) => (heard[event] ??= []).push(callback),
    off: () => {},
  };
  const el = document.querySelectorAll("main")[place];
  const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  window.sentence = async () => {
    await frame();
    return el.querySelector("canvas[role=img]").getAttribute("aria-label");
  };
  window.tells ??= [];
  window.tells[place] = window.tell = async (changes) => {
    Object.assign(state, changes);
    for (const name of Object.keys(changes)) for (const callback of heard[`change:${name}`] ?? []) callback();
    await frame();
  };
  window.saved ??= [];
  window.saved[place] = {};
  window.state = state;
  await render({ model, el });
}"""


def sent(view: View, names: set[str] | None = None) -> dict[str, Any]:
    """What the browser is told of a view: bytes as base64, as a page without a kernel has them."""
    return {
        name: base64.b64encode(value).decode() if isinstance(value, bytes) else value
        for name, value in own(view.trait_values(sync=True)).items()
        if names is None or name in names
    }


def mount(page: Page, *views: View, width: int = 600) -> None:
    """Show views in the page, each in a <main> of its own."""
    page.set_content(f"<main style='width: {width}px; overflow: hidden'></main>" * len(views))
    for place, view in enumerate(views):
        page.add_style_tag(content=view._css)
        page.evaluate(_RENDER, [view._esm, sent(view), place])


def dress(page: Page, theme: str) -> None:
    """Give the page the colours of JupyterLab's theme ``light`` or ``dark``, and a language."""
    page.add_style_tag(content=_colours(theme))
    page.evaluate(
        """async (light) => {
  document.documentElement.lang = "en";
  const [background, color] = ["var(--jp-layout-color0)", "var(--jp-ui-font-color1)"];
  Object.assign(document.body.style, { background, color });
  document.body.dataset.jpThemeLight = light;
  await new Promise((done) => setTimeout(done, 200)); // pictures follow a theme a little later
}""",
        str(theme == "light").lower(),
    )


@cache
def _colours(theme: str) -> str:
    themes = Path(sys.prefix) / "share/jupyter/lab/themes/@jupyterlab"
    return (themes / f"theme-{theme}-extension" / "index.css").read_text(encoding="utf-8")


class Bare:
    """Views in an empty page, with this process as their kernel: it answers whenever it is asked."""

    def __init__(self, page: Page, names: dict[str, Any], views: Iterable[View], width: int) -> None:
        self.page = page
        self._names = names
        self._views = list(views)
        mount(page, *self._views, width=width)
        self._known = [sent(view) for view in self._views]

    def view(self, number: int = 0) -> lab.View:
        view = lab.View(self.page.locator(".lwlr-view").nth(number))
        view.settle()
        return view

    def ask(self, code: str) -> str:
        """Run code beside the cells that made the views; what it prints."""
        self._exchange()
        with contextlib.redirect_stdout(io.StringIO()) as said:
            exec(code, self._names)
        self._exchange()
        return said.getvalue().strip()

    def answer(self) -> None:
        """Wait until the page has saved something, and answer it as a kernel does."""
        self.page.wait_for_function("saved.some(said => Object.keys(said).length)")
        self._exchange()

    def _exchange(self) -> None:
        """Give the views what the page has saved, and the page what they have changed."""
        for place, view in enumerate(self._views):
            saved = self.page.evaluate(
                "place => { const said = saved[place]; saved[place] = {}; return said; }", place
            )
            self._known[place] |= saved
            view.set_state(saved)
            now = sent(view)
            changed = {name: value for name, value in now.items() if value != self._known[place][name]}
            self._known[place] = now
            self.page.evaluate("([place, changes]) => tells[place](changes)", [place, changed])


def run(cell: str, names: dict[str, Any]) -> Any:
    """Run a cell; what its last line is."""
    *before, last = ast.parse(cell).body
    exec(compile(ast.Module(before, []), "<cell>", "exec"), names)
    if isinstance(last, ast.Expr):
        return eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)
    exec(compile(ast.Module([last], []), "<cell>", "exec"), names)
    return None
