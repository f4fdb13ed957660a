"""Formulas as docstrings have them, in signs that are read as they stand, as LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence

_MATHEMATICS = re.compile("[←√‖α-ω]")
_COLUMN, _PAUSE = re.compile(r" {4,}"), re.compile(r" {3}|(?<=,) {2}")
# From two letters on; between words, commas and "a".
_WORDS = re.compile(r" ?[A-Za-z]{2,}(?:,? (?:[A-Za-z]{2,}|a(?= [a-z]{2})))*[:,]? ?")
_ROOT = re.compile(r"√(?:\(([^()]*)\)|\[(.*)\]|(\w[\u0300-\u036f]?[₀-₉]*))")
_NORM = re.compile("‖([^‖]*)‖")
_STAR = re.compile(r"(?<=\w)\*")


def is_formula(block: Sequence[str]) -> bool:
    """Whether an indented block of a docstring is mathematics; else it is code."""
    return any(map(_MATHEMATICS.search, block))


def latex(block: Sequence[str]) -> str:
    """A block of mathematics in LaTeX: a row for each line, a column behind each gap of four blanks."""
    rows = [[_cell(cell) for cell in _COLUMN.split(line.strip())] for line in block if line.strip()]
    columns = max(map(len, rows))
    # A line without a second column makes the first of the others no wider.
    written = [rf"\mathrlap{{{row[0]}}}" if len(row) == 1 < columns else " & ".join(row) for row in rows]
    body = r" \\ ".join(written)
    return rf"\begin{{array}}{{{'l' * columns}}}{body}\end{{array}}"


def _cell(text: str) -> str:
    text = _WORDS.sub(_worded, _PAUSE.sub("\0", text))
    text = _ROOT.sub(lambda found: rf"\sqrt{{{found[1] or found[2] or found[3]}}}", text)
    text = _NORM.sub(r"\\lVert \1\\rVert ", _STAR.sub("^*", text))
    return text.replace("·", r"\cdot ").replace("\0", r"\quad ")


def _worded(found: re.Match[str]) -> str:
    """Words as text, and before a bracket as the name of a function."""
    called = found.string[found.end() :].startswith("(") and not found[0].endswith(" ")
    return rf"\operatorname{{{found[0].strip()}}}" if called else rf"\text{{{found[0]}}}"
