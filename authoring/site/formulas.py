"""Formulas, set by KaTeX while the pages are made: a page needs its style and its fonts, and no script."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from authoring.build import ROOT

KATEX = ROOT / "build" / "javascript" / "node_modules" / "katex" / "dist"

# Reads a formula a line and writes its HTML in a line.
_SETS = f"""import katex from {json.dumps((KATEX / "katex.mjs").as_uri())};
import {{ createInterface }} from "node:readline";
for await (const line of createInterface({{ input: process.stdin }})) {{
  const [text, displayMode] = JSON.parse(line);
  let html = "";
  try {{
    const strict = (fault) => (fault === "unicodeTextInMathMode" ? "ignore" : "error");
    html = katex.renderToString(text, {{ displayMode, strict }});
  }} catch (error) {{
    html = {{ error: error.message }};
  }}
  console.log(JSON.stringify(html));
}}"""


def formula(text: str, *, display: bool) -> str:
    """The HTML of a LaTeX formula, in a line of its own if ``display``.

    ValueError for one that KaTeX cannot read.
    """
    node = _node()
    assert node.stdin is not None
    assert node.stdout is not None
    node.stdin.write(json.dumps([text, display]) + "\n")
    node.stdin.flush()
    html = json.loads(node.stdout.readline())
    if not isinstance(html, str):
        raise ValueError(f"{html['error']} in {text!r}")
    return html


@cache
def _node() -> subprocess.Popen[str]:
    """The Node that is installed beside this Python, before any other; it ends with this process."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    command = shutil.which("node", path=places)
    if command is None or not KATEX.is_dir():
        raise FileNotFoundError(f"formulas need Node and {KATEX}; `make site` installs both")
    return subprocess.Popen(
        [command, "--input-type=module", "--eval", _SETS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )


def _inline(translator: Any, node: nodes.math) -> None:
    translator.body.append(formula(node.astext(), display=False))
    raise nodes.SkipNode


def _block(translator: Any, node: nodes.math_block) -> None:
    classes = " ".join(["math", *node["classes"]])
    translator.body.append(f'<div class="{classes}">{formula(node.astext(), display=True)}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx calls this."""
    app.add_html_math_renderer("formulas", inline_renderers=(_inline, None), block_renderers=(_block, None))
    return {"parallel_read_safe": True}
