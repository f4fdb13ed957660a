"""Makes the site: python -m authoring.site [lessons]. It is then in build/site, for any server of files.

Each lesson is run first, as `make lessons` runs it; a run is kept until the lesson or the package changes.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path

from nbformat import NotebookNode
from sphinx.application import Sphinx

from authoring.build import ROOT, named
from authoring.site import frame, pages, views
from authoring.site.executed import executed
from authoring.site.formulas import KATEX
from lwlr_teach.views import Playground

HERE = Path(__file__).parent
SITE = ROOT / "build" / "site"


def make(notebooks: Mapping[str, NotebookNode], site: Path) -> None:
    """Write the site of these lessons, which were run, to a folder.

    Raises RuntimeError where Sphinx has a warning.
    """
    text, read = site.with_name(f"{site.name}-text"), site.with_name(f"{site.name}-read")
    for old in (text, read, site):
        shutil.rmtree(old, ignore_errors=True)
    code, extra = text / "_static", text / "extra"
    for folder in (code, extra, text / "lessons"):
        folder.mkdir(parents=True)
    views.copy_modules(code)
    shutil.copytree(
        KATEX / "fonts", code / "katex" / "fonts", ignore=shutil.ignore_patterns("*.ttf", "*.woff")
    )
    shutil.copy(KATEX / "katex.min.css", code / "katex")
    shutil.copy(ROOT / "docs" / "cheat-sheet.pdf", extra)
    for name, notebook in notebooks.items():
        page = pages.page(name, notebook, extra / "lessons" / name, code)
        (text / "lessons" / f"{name}.md").write_text(page, encoding="utf-8")
    (text / "index.md").write_text(frame.first([*notebooks], _playground(extra, code)), encoding="utf-8")
    frame.write(text)
    own = {"html_static_path": [str(code)], "html_extra_path": [str(extra)]}
    sphinx = Sphinx(text, HERE, site, read, "html", own, status=None, warningiserror=True)
    sphinx.build()
    if sphinx.statuscode:
        raise RuntimeError("Sphinx has warnings; they stand above")


def _playground(extra: Path, code: Path) -> str:
    """The playground, as HTML for the first page."""
    view, folder = Playground(), extra / "playground"
    folder.mkdir()
    (png,) = view.twin("")[0].values()
    still = pages.picture(b64decode(png), view.describe(), folder / "playground.png")
    return pages.raw(pages.place(views.write(views.kept(view), folder, code), "playground/", still))


def main() -> int:
    """Make the site of the lessons named on the command line, all of them by default."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="lessons, by name; all by default")
    chosen = named(parser.parse_args().names, parser)
    make({source.stem: executed(source) for source in chosen}, SITE)
    print(f"The site is in {SITE}; see it with: lwlr-teach site")
    return 0


if __name__ == "__main__":
    sys.exit(main())
