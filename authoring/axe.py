"""axe-core's rules of WCAG 2.2 AA for a part of a page: what of it somebody cannot use, in words."""

from __future__ import annotations

import os
from functools import cache

import pytest
from playwright.sync_api import Locator

from authoring.lab import ROOT

AXE = ROOT / "build/javascript/node_modules/axe-core/axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

# JupyterLab has a loader of modules, at which axe would register itself in place of window.axe.
_LOAD = "(source) => window.axe || new Function('define', 'module', source).call(window)"
_SCAN = """async (part, tags) => {
  const { violations } = await axe.run(part, { runOnly: tags, resultTypes: ["violations"] });
  return violations.flatMap(({ id, help, nodes }) => nodes.map(({ html, any, all, none }) => {
    const why = [...any, ...all, ...none].map(({ message }) => message).join("; ");
    return `${id}: ${help}. ${why}: ${html.slice(0, 300)}`;
  }));
}"""


def violations(part: Locator) -> list[str]:
    """The rule, why it is broken, and the element, for each that breaks one in this part of its page."""
    part.page.evaluate(_LOAD, _source())
    found: list[str] = part.evaluate(_SCAN, TAGS)
    return found


@cache
def _source() -> str:
    if not AXE.is_file() and not os.environ.get("CI"):
        pytest.skip("no axe-core here: make lint brings it")
    return AXE.read_text(encoding="utf-8")
