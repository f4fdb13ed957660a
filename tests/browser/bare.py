"""Views in an empty page of Chromium, with a stand-in for the kernel: a fraction of the time of JupyterLab."""

from __future__ import annotations

import base64
from typing import Any

from playwright.sync_api import Page

from lwlr_teach.views.kit.base import View

# The page's model holds the state; `tell` changes it as a kernel would, and answers with the sentence.
_RENDER = """async ([source, state]) => {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const { default: { render } } = await import(url);
  const heard = {};
  const model = {
    get: (name) => state[name],
    set: (name, value) => (state[name] = value),
    save_changes: () => {},
    on: (event, callback) => (heard[event] ??= []).push(callback),
    off: () => {},
  };
  const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  window.sentence = async () => {
    await frame();
    return document.querySelector("main canvas[role=img]").getAttribute("aria-label");
  };
  window.tell = async (changes) => {
    Object.assign(state, changes);
    for (const name of Object.keys(changes)) for (const callback of heard[`change:${name}`] ?? []) callback();
    return sentence();
  };
  window.state = state;
  await render({ model, el: document.querySelector("main") });
  window.ended = false;
}"""
_NOT_OURS = {"layout", "tooltip", "tabbable"}


def sent(view: View, names: set[str] | None = None) -> dict[str, Any]:
    """What the browser is told of a view: bytes as base64, as a page without a kernel has them."""
    return {
        name: base64.b64encode(value).decode() if isinstance(value, bytes) else value
        for name, value in view.trait_values(sync=True).items()
        if not name.startswith("_") and name not in _NOT_OURS and (names is None or name in names)
    }


def mount(page: Page, view: View) -> None:
    """Show a view in the page's <main>."""
    page.set_content("<main style='width: 600px; overflow: hidden'></main>")
    page.add_style_tag(content=view._css)
    page.evaluate(_RENDER, [view._esm, sent(view)])
