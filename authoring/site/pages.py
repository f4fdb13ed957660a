"""A lesson as a page: its texts, its code, and for each output what a browser shows without a kernel."""

from __future__ import annotations

import io
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from PIL import Image

from authoring import cells
from authoring.build import WIDGET_VIEW
from authoring.site import frame, places, views

ANSWER, CODE, IMPORTS = "What was measured", "The code", "The first cell: what is imported"
LOOKS_BACK = (
    "<p>This page cannot look back for you: <code>my_course</code> reads the file in which notebooks note "
    "what you do. What you did on these pages stands where you did it.</p>"
)

_COLUMNS = re.compile(r"\S {2,}\S")  # what stands below one another in a table


def page(name: str, notebook: NotebookNode, folder: Path, code: Path) -> str:
    """The text of a lesson's page, in MyST Markdown.

    Pictures and states are written to ``folder``, which the page finds beside itself; modules that a view has
    for itself to ``code``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shown = {model: views.write(kept, folder, code) for model, kept in notebook.metadata.widgets.items()}
    outputs = _Outputs(name, folder, notebook.metadata.widgets, shown)
    parts = [part for cell in notebook.cells for part in _parts(name, cell, outputs)]
    parts.insert(1, _note(name))
    return "\n\n".join(parts) + "\n"


def raw(html: str) -> str:
    """HTML that goes to the page as it is."""
    longest = max((len(run) for run in html.split() if set(run) == {"`"}), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{{raw}} html\n{html}\n{fence}"


def _note(name: str) -> str:
    return (
        ":::{note}\nThis lesson was run when the page was made, and no cell waits for you. Its pictures "
        "are alive in your browser, which also keeps your guesses and answers. To run and change the code, "
        f"open it {_elsewhere(name)}.\n:::"
    )


def _elsewhere(name: str) -> str:
    """Where there is a Python, as links."""
    return f"[on Binder]({places.binder(name)}) or [in Colab]({places.colab(name)})"


def _parts(name: str, cell: NotebookNode, outputs: _Outputs) -> Iterator[str]:
    if cell.cell_type == "markdown":
        yield frame.to_pages(cell.source)
        return
    code = f"```python\n{cell.source.removeprefix(cells.FOLDED).strip()}\n```"
    if cell.metadata.get("jupyter", {}).get("source_hidden"):
        asks = bool(cells.calls(cell.source, r"predict_\w+"))  # the next question, which is not to be folded
        told = [output for output in cell.outputs if not (asks and WIDGET_VIEW in output.get("data", {}))]
        yield raw(f'<details class="lwlr-answer"><summary>{ANSWER}</summary>\n{outputs.all(told)}')
        yield from _folded(CODE, code)
        yield raw("</details>")
        if asks:
            yield raw(outputs.all([output for output in cell.outputs if output not in told]))
        return
    shown = outputs.all(cell.outputs)
    if cells.calls(cell.source, "calibration"):  # host.js says there what this browser knows
        shown = shown.replace('class="', 'class="lwlr-calibration ', 1)
    if cells.calls(cell.source, "my_course"):
        shown = LOOKS_BACK
    yield from _folded(IMPORTS, code) if cells.calls(cell.source, "begin") else [code]
    if any(map(outputs.trains, cell.outputs)):
        yield (
            "Here these schedules race alone. To let one of your own join, which takes Python to train it, "
            f"open this lesson {_elsewhere(name)}."
        )
    if shown:
        yield raw(shown)
    if cells.answers(cell.source):
        yield f"To write your answer and have it checked, open this lesson {_elsewhere(name)}."


def _folded(title: str, code: str) -> list[str]:
    return [raw(f'<details class="lwlr-code"><summary>{title}</summary>'), code, raw("</details>")]


class _Outputs:
    """Writes the outputs of one notebook as HTML, and their pictures into its folder."""

    def __init__(
        self, name: str, folder: Path, kept: Mapping[str, Any], shown: Mapping[str, views.Written]
    ) -> None:
        self.name, self.folder, self.kept, self.shown = name, folder, kept, shown
        self.pictures = 0

    def trains(self, output: NotebookNode) -> bool:
        """Whether it is a view that takes a drawn schedule and trains with it, for which ``kernel.js`` has no
        answer."""
        kept = self.kept.get(output.get("data", {}).get(WIDGET_VIEW, {}).get("model_id"))
        return kept is not None and kept["view"] == "schedules" and kept["state"]["plan"]["pad"]

    def all(self, outputs: Sequence[NotebookNode]) -> str:
        """What a browser shows of these outputs."""
        return "\n".join(map(self.html, outputs))

    def html(self, output: NotebookNode) -> str:
        """What a browser shows of an output."""
        if output.output_type == "stream" and not output.text.strip():
            return ""
        if output.output_type == "stream":
            columns = " lwlr-columns" if _COLUMNS.search(output.text) else ""
            return f'<pre class="lwlr-said{columns}">{escape(output.text)}</pre>'
        data = output.data
        words = data.get("text/plain", "")
        if "image/png" in data:
            alt = output.metadata.get("image/png", {}).get("alt", words)
            self.pictures += 1
            still = picture(b64decode(data["image/png"]), alt, self.folder / f"{self.pictures}.png")
        else:
            still = data.get("text/html") or f'<pre class="lwlr-said">{escape(words)}</pre>'
        if WIDGET_VIEW not in data:
            return still
        model = data[WIDGET_VIEW]["model_id"]
        return place(self.shown[model], f"{self.folder.name}/", still, self.name)


def place(shown: views.Written, beside: str, still: str, lesson: str = "") -> str:
    """Where a view comes to life; until then, and where it cannot, there is its picture.

    ``beside`` leads to its files.
    """
    module = f' data-module="{shown.module}"' if shown.module else ""
    return (
        f'<div class="lwlr-live" data-view="{shown.view}"{module} data-state="{beside}{shown.state}" '
        f'data-lesson="{lesson}">{still}</div>'
    )


def picture(png: bytes, alt: str, path: Path) -> str:
    """A picture with its words, written to a file in the folder that the page finds beside itself."""
    path.write_bytes(png)
    width, height = Image.open(io.BytesIO(png)).size
    address = f"{path.parent.name}/{path.name}"
    return f'<img src="{address}" alt="{escape(alt)}" width="{width}" height="{height}" loading="lazy">'
