"""axe-core's rules of WCAG 2.2 AA for parts of a page: what of it somebody cannot use, in words."""

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
_SCAN = """async (parts, tags) => {
  const { violations } = await axe.run({ include: parts }, { runOnly: tags, resultTypes: ["violations"] });
  return violations.flatMap(({ id, help, nodes }) => nodes.map(({ html, any, all, none }) => {
    const why = [...any, ...all, ...none].map(({ message }) => message).join("; ");
    return `${id}: ${help}. ${why}: ${html.slice(0, 300)}`;
  }));
}"""


def violations(parts: Locator) -> list[str]:
    """The rule, why it is broken, and the element, for each that breaks one in these parts of a page."""
    parts.page.evaluate(_LOAD, _source())
    found: list[str] = parts.evaluate_all(_SCAN, TAGS)
    return found


@cache
def _source() -> str:
    if not AXE.is_file() and not os.environ.get("CI"):
        pytest.skip("no axe-core here: make lint brings it")
    return AXE.read_text(encoding="utf-8")
