"""What stands around the lessons: the first page, the pages of docs, the reference made from docstrings."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from types import ModuleType

from authoring import blocks, contents
from authoring.build import ROOT
from authoring.site import places
from lwlr_teach.teaching.course import COURSE

TEACHING = {
    "teaching": "docs/teaching.md",
    "several-machines": "docs/several-machines.md",
    "authoring": "authoring/README.md",
}
TABLES = {
    "agreement": "docs/agreement.md",
    "speed": "benchmarks/README.md",
    "optimizer-speed": "docs/optimizer-speed.md",
    "diagnosis": "docs/diagnosis.md",
}
ROOMS = ("clipping", "layerwise", "schedules", "problems", "optim", "runs", "studies", "views", "teaching")

FIRST = """---
html_theme.sidebar_secondary.remove: true
---

# The learning rate, lesson by lesson

{playground}

This is the playground: drag the white ring, which is the start, and the sliders; tick the methods that you
want to see. The course is about the number of the first slider, the **learning rate**: fixed, scheduled,
decayed, adapted for every parameter, set for every layer. In each lesson you guess, drag, look, and are
told when you are wrong. Begin with [the first](lessons/{first}.md). What you do on these pages stays in
your browser.

## The lessons

{lessons}

## More

The whole course on one page is the <a href="cheat-sheet.pdf">cheat sheet</a>. The lessons are notebooks; to
run and change their code, open them [on Binder]({binder}) or [in Colab]({colab}), or on your own machine,
as [the project's page]({repository}) says. For teachers there is [a page on classes](teaching.md). Who
wants the optimizers for a program of their own finds [the reference](api/optim.rst), [how far they agree
with others](agreement.md), and [how fast they are](speed.md).
"""


def first(lessons: Sequence[str], playground: str) -> str:
    """The first page: the playground, running, and the list of the lessons."""
    listing = "\n".join(
        line for line in contents.listing().splitlines() if not (name := _lesson(line)) or name in lessons
    )
    text = FIRST.format(
        playground=playground,
        first=lessons[0],
        lessons=re.sub(r"\(([\w-]+)\.ipynb\)", r"(lessons/\1.md)", listing),
        binder=places.binder(places.FIRST),
        colab=places.colab(places.FIRST),
        repository=places.REPOSITORY,
    )
    chapters = [("Start", [places.FIRST])]
    chapters += [
        (part, [lesson.name for lesson in group]) for part, group in groupby(COURSE, lambda one: one.part)
    ]
    trees = [(title, [f"lessons/{name}" for name in names if name in lessons]) for title, names in chapters]
    trees += [
        ("Teaching", [*TEACHING]),
        ("Tables", [*TABLES]),
        ("Reference", [f"api/{room}" for room in ROOMS]),
    ]
    return "\n".join([text, *(_tree(title, pages) for title, pages in trees if pages)])


def _lesson(line: str) -> str:
    """The lesson that a line of the list is about; empty if it is none of the lessons."""
    found = re.match(r"\| \[([\w-]+)\]", line)
    return found[1] if found else ""


def _tree(title: str, pages: Sequence[str]) -> str:
    listed = "\n".join(pages)
    return f"```{{toctree}}\n:hidden:\n:caption: {title}\n\n{listed}\n```\n"


def write(folder: Path) -> None:
    """Write the pages of docs and of the reference to a folder."""
    known = {path: name for pages in (TEACHING, TABLES) for name, path in pages.items()}
    for path, name in known.items():
        text = (ROOT / path).read_text("utf-8")
        if name == "speed":
            text += f"\n## The figures\n\n{blocks.read(ROOT / 'README.md', 'benchmarks')}\n"
        (folder / f"{name}.md").write_text(linked(text, Path(path).parent, known), encoding="utf-8")
    (folder / "api").mkdir(exist_ok=True)
    for room in ROOMS:
        (folder / "api" / f"{room}.rst").write_text(reference(room), encoding="utf-8")


def linked(text: str, here: Path, known: dict[str, str]) -> str:
    """A text of the repository, its links led to the pages of the site, or to where files can be read."""

    def lead(found: re.Match[str]) -> str:
        path, mark, part = found[1].partition("#")
        if not path or ":" in path:
            return found[0]
        place = (ROOT / here / path).resolve().relative_to(ROOT).as_posix()
        if place in known:
            return f"]({known[place]}.md{mark}{part})"
        lesson = re.fullmatch(r"lessons/([\w-]+)\.ipynb", place)
        return f"](lessons/{lesson[1]}.md)" if lesson else f"]({places.source(place)}{mark}{part})"

    return re.sub(r"\]\(([^()\s]+)\)", lead, text)


def to_pages(text: str) -> str:
    """A lesson's text, in which what leads to a file of the repository leads to its page if there is one."""
    for pages in (TEACHING, TABLES):
        for name, path in pages.items():
            text = text.replace(f"]({places.source(path)}", f"](../{name}.md")
    return text


def reference(room: str) -> str:
    """The page of a room: what it offers, under the module that each thing is defined in."""
    face = importlib.import_module(f"lwlr_teach.{room}")
    offered = getattr(face, "__all__", [])
    lines = [face.__name__, "=" * len(face.__name__), "", f".. automodule:: {face.__name__}"]
    if not offered:
        return "\n".join([*lines, "   :members:", ""])
    lines += ["   :no-index:", "", f"``from {face.__name__} import …`` has everything on this page.", ""]
    modules: dict[str, list[str]] = {}
    for name in offered:
        module = _defined(face, name)
        if module.startswith(face.__name__):  # the rest is another room's, and stands there
            modules.setdefault(module, []).append(name)
    for module, names in sorted(modules.items()):
        title = module.removeprefix(f"{face.__name__}.")
        lines += [title, "-" * len(title), "", f".. automodule:: {module}"]
        lines += [f"   :members: {', '.join(sorted(names))}", ""]
    return "\n".join(lines)


def _defined(face: ModuleType, name: str) -> str:
    """The module that a room has a name from: what is no class or function does not know it itself."""
    imports = [
        node for node in ast.walk(ast.parse(inspect.getsource(face))) if isinstance(node, ast.ImportFrom)
    ]
    found = (str(node.module) for node in imports for one in node.names if one.name == name)
    return next(found, face.__name__)
