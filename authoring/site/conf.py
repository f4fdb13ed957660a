"""What Sphinx is told. `make site` calls it; nothing here is asked of another host, and the pages ask none either."""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

from authoring.build import ROOT
from authoring.site import places
from lwlr_teach import __version__

project = "lwlr-teach"
author = "The lwlr-teach authors"
project_copyright = "2026, The lwlr-teach authors. Texts and pictures of the lessons: CC BY 4.0; code: BSD-3-Clause"
version = release = __version__
language = "en"
exclude_patterns: list[str] = []
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "authoring.site.formulas"]

myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
napoleon_google_docstring = True

html_math_renderer = "formulas"
html_theme = "sphinx_book_theme"
html_title = "lwlr-teach"
html_static_path = ["_static"]
html_extra_path = ["extra"]
templates_path = [str(ROOT / "authoring" / "site" / "templates")]
html_css_files = ["katex/katex.min.css", "lwlr_teach/views/kit/view.css", "authoring/site/site.css"]
html_js_files = [("authoring/site/host.js", {"type": "module"})]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "repository_url": places.REPOSITORY,
    "use_repository_button": True,
    "use_download_button": False,
    "home_page_in_toc": True,
    "show_toc_level": 2,
    "article_header_start": ["toggle-primary-sidebar", "launch"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}


def literal(_app: Any, _what: str, _name: str, _thing: Any, _options: Any, lines: list[str]) -> None:
    """An indented block of a docstring is a formula as the file has it: its lines and its blanks stay."""
    for i in range(len(lines) - 1, 0, -1):
        begins = lines[i].startswith("    ") and not lines[i - 1].strip()
        before = next((lines[k] for k in range(i - 1, -1, -1) if lines[k].strip()), "")
        text = bool(before) and not before.startswith(" ") and not re.match(r"[-*.:]|\d+\.", before)
        if begins and text and not before.endswith("::"):
            lines[i:i] = ["::", ""]


def launch(_app: Any, page: str, _template: str, context: dict[str, Any], _tree: Any) -> None:
    """The addresses behind the two links on top of each page: of its lesson, or of the first."""
    folder, _, name = page.rpartition("/")
    lesson = name if folder == "lessons" else places.FIRST
    context |= {"binder": places.binder(lesson), "colab": places.colab(lesson)}


def setup(app: Sphinx) -> None:
    """Sphinx calls this."""
    app.connect("autodoc-process-docstring", literal)
    app.connect("html-page-context", launch)
