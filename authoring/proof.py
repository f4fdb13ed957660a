"""Finds the numbers in the prose of a lesson that nothing accounts for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from nbformat import NotebookNode

from authoring import cells

CARD = ("Question", "Afterwards you can", "Time", "You need", "Difficulty")
YEAR = r"(?:19|20)\d\d[a-z]?"
_CITED = re.compile(
    r"\b(?!(?:In|Since|Until|From|By|Around|After|Before|Of)\b)[A-Z][\w'’-]+"
    rf"(?: et al\.)?,? (?:\({YEAR}\)|{YEAR}\b)"
)
_NOT_PROSE = re.compile(
    "|".join(
        [
            r"`[^`\n]+`",
            r"https?://\S+",
            r"(?i:\barxiv:? ?)\d+\.\d+",
            r"^#+ \d+ ·",  # the number of the lesson in its title
            r"^[ \t]*\d+[.)](?=\s)",  # the number of a point in a list
            r"(?i:\b(?:lessons|exercises|parts)) \d+(?:(?:,? and|,? or| to|,|–) ?\d+)*\b",
            r"(?i:\b(?:lesson|exercise|part)) \d+\b",
            r"\b\d\d-[a-z][\w-]*",  # the name of a lesson
            r"\b\d+(?:st|nd|rd|th|D)\b",
        ]
    ),
    re.MULTILINE,
)
_NUMBER = re.compile(
    r"(?<![\w.])(?<![A-Za-z]-)(?:10(?P<power>[⁻⁰¹²³⁴-⁹]+)"
    r"|(?P<digits>(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)(?P<exponent>e[-−+]?\d+)?"
    r"(?P<percent>[ \u202f]?%| per ?cent)?)"
)
_PLAIN = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹−", "-0123456789-")


class Unproven(NamedTuple):
    """A number in the prose that no cell printed or set and no source is cited for."""

    cell: int
    number: str
    sentence: str


def unproven_numbers(notebook: NotebookNode) -> list[Unproven]:
    """The numbers in the prose of a notebook that was run, without those that are accounted for.

    A number is, if a cell printed it, perhaps with more digits; if it is a number in the code; or if its
    paragraph cites a source with a year. Formulas, code, the card, and numbers of lessons are passed over.
    """
    shown = [cells.printed(cell) for _, cell in cells.code_cells(notebook)]
    printed = {value(found) for text in shown for found in _NUMBER.finditer(text)}
    settings = {number for _, cell in cells.code_cells(notebook) for number in _literals(cell.source)}
    unproven = [
        Unproven(place, found[0].strip(), _around(cell.source, found.start()))
        for place, cell in cells.markdown_cells(notebook)
        if not cells.is_teachers(cell)
        for paragraph in re.finditer(r"(?:.*\S.*\n?)+", _countable(cell.source))
        if not _CITED.search(cell.source, paragraph.start(), paragraph.end())
        for found in _NUMBER.finditer(_countable(cell.source), paragraph.start(), paragraph.end())
        if value(found) not in settings and not any(_rounds_to(p, value(found)) for p in printed)
    ]
    return list(dict.fromkeys(unproven))


def value(found: re.Match[str]) -> Decimal:
    """The number that was written, without its sign; 95% is 0.95."""
    if found["power"]:
        return Decimal(1).scaleb(int(found["power"].translate(_PLAIN)))
    exponent = (found["exponent"] or "").translate(_PLAIN)
    number = Decimal(found["digits"].replace(",", "") + exponent)
    return number.scaleb(-2) if found["percent"] else number


def _rounds_to(printed: Decimal, said: Decimal) -> bool:
    """Whether the printed number is the said one, or is it when rounded to as many digits (two at least)."""
    digits, last = said.as_tuple().digits, int(said.as_tuple().exponent)
    if printed == said or len(digits) < 2 or int(printed.as_tuple().exponent) > last:
        return printed == said
    return abs(printed - said) * 2 <= Decimal(1).scaleb(last)


def _literals(code: str) -> Iterator[Decimal]:
    for node in ast.walk(cells.tree(code)):
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            yield Decimal(repr(node.value))


def _countable(text: str) -> str:
    """The prose of a markdown text, everything in its place, with blanks where a number needs no proof."""
    return _NOT_PROSE.sub(lambda m: cells.blank(m[0]), prose(text))


def _around(text: str, place: int) -> str:
    """The sentence, or the cell of a table, in which a place lies."""
    start = max(m.end() for m in re.finditer(r"^|\n|[.!?]\**\s+(?=[A-Z*])|\| ", text[: place + 1]))
    end = re.search(r"\n|[.!?](?=\**\s+[A-Z*]|\**$)| \||\Z", text[place:])
    return text[start : place + (end.end() if end else 0)].strip(" |\n")


def prose(text: str) -> str:
    """A markdown text without card, code blocks, formulas, and the targets of its links."""
    card_rows = rf"^\| \*\*(?:{'|'.join(CARD)})\*\*[^\n]*$"
    formulas = (r"\$\$.*?\$\$", r"\$[^$\n]+\$")
    for pattern in (card_rows, r"^```.*?^```$", *formulas, r"</?[A-Za-z][^>\n]*>", r"\]\([^)\s]*\)"):
        text = re.sub(pattern, lambda m: cells.blank(m[0]), text, flags=re.MULTILINE | re.DOTALL)
    return text


def sentences(text: str) -> list[str]:
    """The sentences of a line. A full stop inside *a title* ends none."""
    hidden = re.sub(r"(?<!\*)\*[^*]+\*(?!\*)", lambda m: re.sub(r"[.!?:]", "_", m[0]), text)
    ends = [m.end() for m in re.finditer(r"(?<!\b[A-Z])[.!?]\**\s+(?=[A-Z*\"“])", hidden)]
    return [
        text[a:b].strip() for a, b in zip([0, *ends], [*ends, len(text)], strict=True) if text[a:b].strip()
    ]
