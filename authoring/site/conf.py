"""What Sphinx is told. Nothing here is asked of another host, and the pages ask none either."""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx
from sphinx.ext.napoleon.docstring import GoogleDocstring

from authoring.build import ROOT
from authoring.site import docstrings, places, views
from lwlr_teach import __version__

project = "lwlr-teach"
author = "The lwlr-teach authors"
project_copyright = (
    "2026, The lwlr-teach authors. Texts and pictures of the lessons: CC BY 4.0; code: BSD-3-Clause"
)
version = release = __version__
language = "en"
exclude_patterns: list[str] = []
extensions = ["myst_parser", "sphinx.ext.autodoc", "authoring.site.formulas"]

myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"

html_math_renderer = "formulas"
html_theme = "sphinx_book_theme"
html_title = "lwlr-teach"
templates_path = [str(ROOT / "authoring" / "site" / "templates")]
html_css_files = ["katex/katex.min.css", "lwlr_teach/views/kit/view.css", "authoring/site/site.css"]
html_js_files = [("authoring/site/host.js", {"type": "module"})]
html_favicon = str(ROOT / "authoring" / "site" / "icon.svg")
html_context = {"default_mode": "auto"}
html_use_index = html_domain_indices = False  # no page leads to them, and the search finds more
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "use_download_button": False,
    "home_page_in_toc": True,
    "show_toc_level": 2,
    "article_header_end": ["launch", "article-header-buttons"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}

_MODULES = re.compile(r"~(?:\w+\.)*")


def docstring(_app: Any, what: Any, _name: str, thing: Any, _options: Any, lines: list[str]) -> None:
    """A docstring of this project as reStructuredText."""
    lines[:] = docstrings.restructured(lines)
    if what in (
        "module",
        "class",
        "function",
        "method",
    ):  # of the others it would read the first words as a type
        lines[:] = GoogleDocstring(lines, what=what, obj=thing).lines()


def signature(*event: Any) -> tuple[str | None, str | None]:
    """A signature without the names of modules, which Sphinx leaves in where a default cannot be written."""
    arguments, returns = event[-2:]
    return (arguments and _MODULES.sub("", arguments), returns)


def skipped(_app: Any, _what: Any, _name: str, thing: Any, _skip: bool, _options: Any) -> bool | None:
    """Whether a member is left out: the fields of a tuple of which nothing is said but their number."""
    return True if str(thing.__doc__).startswith("Alias for field number") else None


def launch(_app: Any, page: str, _template: str, context: dict[str, Any], _tree: Any) -> None:
    """Give a page the addresses behind the links on its top, of its lesson or of the first; and what its
    views import, so that the browser need not find it out module by module."""
    folder, _, name = page.rpartition("/")
    lesson = name if folder == "lessons" else places.FIRST
    context |= {"binder": places.binder(lesson), "colab": places.colab(lesson), "source": places.REPOSITORY}
    context["modules"] = views.SHARED if folder == "lessons" or page == "index" else []


def setup(app: Sphinx) -> None:
    """Sphinx calls this."""
    app.connect("autodoc-process-docstring", docstring)
    app.connect("autodoc-process-signature", signature)
    app.connect("autodoc-skip-member", skipped)
    app.connect("html-page-context", launch)
