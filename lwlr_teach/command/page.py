"""A notebook as one web page: ``jupyter nbconvert --to lwlr-html``, and in JupyterLab's menu File."""

from __future__ import annotations

from pathlib import Path

from nbconvert.exporters import HTMLExporter
from traitlets import default


class PageExporter(HTMLExporter):
    """nbconvert's HTML, with what its template leaves out.

    A picture's words become its alt text. Where a notebook keeps the state of its widgets, a view's picture
    stands in the page until the live view comes, which needs a network: nbconvert loads the widget manager.
    """

    export_from_notebook = "HTML for lwlr-teach"

    @default("template_name")
    def _template_name_default(self) -> str:
        return "lwlr"

    @default("extra_template_basedirs")
    def _extra_template_basedirs_default(self) -> list[str]:
        return [*super()._default_extra_template_basedirs(), str(Path(__file__).parent / "nbconvert")]
