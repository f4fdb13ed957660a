"""The course on one page: what each lesson leaves, and its rule. Made from the lessons, never by hand.

python -m authoring.cheat_sheet

writes build/cheat-sheet.html and build/cheat-sheet.pdf, and docs/cheat-sheet.pdf.
"""

from __future__ import annotations

import hashlib
import math
import re
from html import escape
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path as Outline
from matplotlib.textpath import TextPath
from playwright.sync_api import Browser, sync_playwright

from authoring.lab import launch
from lwlr_teach.teaching.course import COURSE, Lesson

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "lessons" / "src"
BUILD = ROOT / "build"
KEPT = ROOT / "docs" / "cheat-sheet.pdf"

COLUMNS, SIZE = 4, 9.7  # points, of the text
WIDTH = 187.0  # points, of a column
PARTS = 5  # of a formula; one with more is for the lesson

# What matplotlib does not know of LaTeX, in words that it does.
_KNOWN = {
    r"\\frac": r"\\dfrac",
    r"\\lVert|\\rVert": r"\\Vert",
    r"\\[Bb]ig\(": r"\\left(",
    r"\\[Bb]ig\)": r"\\right)",
    r"\\le(?![a-z])": r"\\leq",
    r"\\ge(?![a-z])": r"\\geq",
    r"\\;|\\,|\\!": r"\\,",
}


class Entry(NamedTuple):
    """What stands on the sheet of one lesson."""

    lesson: Lesson
    keep: str
    rule: list[str]


def entries() -> list[Entry]:
    """Of every lesson that is ready: the first thing to keep, and the rule if it is short."""
    return [
        Entry(lesson, first_point(source), short_rule(source))
        for lesson in COURSE
        if lesson.ready
        for source in [(SOURCES / f"{lesson.name}.py").read_text("utf-8")]
    ]


def first_point(source: str) -> str:
    """The first of the numbered points of "What to keep"."""
    found = re.search(r"^# 1\. (.+)$", _section(source, "What to keep"), re.MULTILINE)
    if not found:
        raise ValueError("a lesson must have a first point under 'What to keep'")
    return found[1]


def short_rule(source: str) -> list[str]:
    """The formula of "The rule" in its parts, if they are few, narrow, and about the gradient or the rate.

    Others need the text of their lesson.
    """
    formulas = re.findall(r"\$\$(.*?)\$\$", _section(source, "The rule"))
    parts = [part.strip(" .,") for text in formulas for part in re.split(r"\\qquad|\\quad", text)]
    rule = [_known(part) for part in parts if part and part != course_line()]
    about = any(re.search(r"\\eta(?![a-z])|(?<![\\a-z])g\b", part) for part in rule)
    return rule if about and len(rule) <= PARTS and all(_outline(x)[1] <= WIDTH for x in rule) else []


def course_line() -> str:
    """The line that every method is, as the start page has it: it stands at the head of the sheet."""
    found = re.search(r"\$\$(.*?)\$\$", (SOURCES / "00-start-here.py").read_text("utf-8"))
    if not found:
        raise ValueError("the start page must have the formula of the course")
    return found[1].strip()


def _section(source: str, title: str) -> str:
    found = re.search(rf"^# ## {title}\b.*?(?=^# ## |\Z)", source, re.MULTILINE | re.DOTALL)
    return found[0] if found else ""


def _known(formula: str) -> str:
    for pattern, known in _KNOWN.items():
        formula = re.sub(pattern, known, formula)
    return formula


def _outline(formula: str) -> tuple[TextPath, float]:
    """A formula as a path, and its width in points."""
    path = TextPath((0, 0), f"${formula}$", size=SIZE + 0.6, prop=FontProperties(math_fontfamily="cm"))
    return path, float(path.get_extents().x1)


_UNITS = 16  # of a point: whole numbers keep the PDF small


def drawn(formula: str) -> str:
    """A formula as inline SVG that stands on the line of the text."""
    path, width = _outline(formula)
    box = path.get_extents()
    low, high, right = math.floor(box.y0 - 1), math.ceil(box.y1 + 1), math.ceil(width + 1)
    steps, here = [], np.zeros(2)
    for flat, code in path.iter_segments(simplify=False, curves=True):
        points = flat.reshape(-1, 2) * [_UNITS, -_UNITS]  # downwards is positive in SVG
        if code == Outline.CURVE3:  # as a cubic curve, which is all that a PDF has
            middle, end = points
            points = np.stack([here + (middle - here) * 2 / 3, end + (middle - end) * 2 / 3, end])
        letter = "Z" if code == Outline.CLOSEPOLY else _LETTERS[len(points), code == Outline.MOVETO]
        places = "" if letter == "Z" else " ".join(f"{value:.0f}" for value in points.flatten())
        steps.append(letter + places)
        here = points[-1]
    view = f"0 {-high * _UNITS} {right * _UNITS} {(high - low) * _UNITS}"
    return (
        f'<svg role="img" aria-label="{escape(formula)}" width="{right}pt" height="{high - low}pt" '
        f'style="vertical-align: {low}pt" viewBox="{view}"><path d="{"".join(steps)}"/></svg>'
    )


_LETTERS = {(1, True): "M", (1, False): "L", (3, False): "C"}


def sheet(found: list[Entry]) -> str:
    """The page, which needs no other file."""
    groups = "".join(
        f"<section><h2>{escape(part)}</h2>{''.join(map(_entry, group))}</section>"
        for part, group in groupby(found, key=lambda entry: entry.lesson.part)
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>Learning rates, on one page</title><style>{_STYLE}</style></head>\n"
        f"<body><header><h1>Learning rates, on one page</h1><span>Every method is one line: "
        f"{drawn(_known(course_line()))} <i>p</i> weights, <i>g</i> gradient, <i>η</i> rate</span></header>\n"
        f"<main>{groups}</main></body></html>\n"
    )


def _entry(entry: Entry) -> str:
    rule = " ".join(map(drawn, entry.rule))
    keep = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(entry.keep)).replace(" − ", "\u00a0−\u00a0")
    title = f"<b>{entry.lesson.number}</b> {escape(entry.lesson.question)}"
    return f"\n<article><h3>{title}</h3><p>{keep}</p>{f'<div>{rule}</div>' if rule else ''}</article>"


def pdf(page: str, browser: Browser, mark: str) -> bytes:
    """The page on A4, the same bytes each time: without dates. A comment at its end says what is on it."""
    tab = browser.new_page()
    tab.set_content(page)
    printed = tab.pdf(prefer_css_page_size=True, print_background=True)
    tab.close()
    undated = re.sub(rb"(/(?:Creation|Mod)Date \(D:)\d{14}", rb"\g<1>20000101000000", printed)
    return undated.rstrip(b"\n") + f"\n% {mark}\n".encode()


def mark(found: list[Entry]) -> str:
    """What changes whenever the sheet should be made again."""
    words = [[entry.lesson.number, entry.lesson.question, entry.keep, *entry.rule] for entry in found]
    return f"sheet {hashlib.sha256(repr([course_line(), _STYLE, words]).encode()).hexdigest()}"


_STYLE = f"""
@page {{ size: A4 landscape; margin: 8mm; }}
* {{ box-sizing: border-box; margin: 0; }}
body {{ width: 281mm; height: 193mm; font: {SIZE}pt/1.24 "DejaVu Sans", sans-serif; color: #111; }}
header {{ display: flex; align-items: baseline; border-bottom: 1pt solid #0072b2; margin-bottom: 2mm; }}
h1 {{ font-size: 13pt; flex: 1; }}
main {{ columns: {COLUMNS}; column-gap: 5mm; height: 182mm; column-fill: balance; }}
h2 {{ font-size: 11pt; color: #0072b2; break-after: avoid; margin-bottom: .6mm; }}
h3 {{ font-size: {SIZE}pt; }}
h3 b {{ color: #0072b2; }}
article {{ break-inside: avoid; padding-bottom: 2mm; }}
div {{ line-height: 1.9; }}
svg {{ margin-right: 2.5mm; }}
@media screen {{ body {{ margin: 8mm; }} }}
"""


def main() -> None:
    """Write the sheet as a page and as a PDF."""
    found = entries()
    page = sheet(found)
    with sync_playwright() as playwright:
        browser = launch(playwright)
        printed = pdf(page, browser, mark(found))
        browser.close()
    BUILD.mkdir(exist_ok=True)
    (BUILD / "cheat-sheet.html").write_text(page, encoding="utf-8")
    for file in (BUILD / "cheat-sheet.pdf", KEPT):
        file.write_bytes(printed)


if __name__ == "__main__":
    main()
