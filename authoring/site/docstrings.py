"""Docstrings, which are written to be read as they stand, as reStructuredText."""

from __future__ import annotations

import re
from collections.abc import Sequence

_LITERAL = re.compile(r"(``[^`]+``|:\w+:`[^`]+`)")
_EMPHASIS = re.compile(r"(\*\*[^*\s][^*]*\*\*|(?<![\w*])\*[^*\s,][^*,]*\*(?![\w*]))")
_ENTRY = re.compile(r"- ")
_JOINED = re.compile(r"[^\s.,;:!?)\]}'\"/\\-]")


def restructured(lines: Sequence[str]) -> list[str]:
    """The lines of a docstring as reStructuredText.

    An indented block is a formula: its lines and blanks stay. A list need not have empty lines around it, and
    bars and stars are signs of mathematics, unless two stars stand around words.
    """
    text: list[str] = []
    block = False  # within a formula
    for line in lines:
        indented, empty = line.startswith("    "), not line.strip()
        before = next((one for one in reversed(text) if one.strip()), "")
        after_gap = not text or not text[-1].strip()
        if not empty and not indented:
            block = False
        if indented and after_gap and not block and not _holds_a_block(before):
            block = True
            text += ["::", ""] if not before.endswith("::") else []
        if block or empty:
            text.append(line)
            continue
        listed = _ENTRY.match(before) or before.startswith("  ")
        begins, ends = _ENTRY.match(line) and not listed, listed and not _ENTRY.match(line) and line[0] != " "
        if (begins or ends) and not after_gap:
            text.append("")
        text.append(_escaped(line))
    return text


def _holds_a_block(line: str) -> bool:
    """Whether what is indented below belongs to this line: ``Args:``, an entry of a list."""
    return bool(re.match(r"\s|- |\w+:$", line)) or line.startswith(".. ")


def _escaped(line: str) -> str:
    """A line whose signs are what they are; a literal may stand directly before a sign, as in ``gain``²."""
    parts = _LITERAL.split(line)
    for i, part in enumerate(parts):
        if i % 2 == 0:
            joined = i > 0 and _JOINED.match(part)
            parts[i] = ("\\ " if joined else "") + _signs(part)
    return "".join(parts)


def _signs(text: str) -> str:
    """Bars, and stars without a partner, as what they are."""
    text = text.replace("|", r"\|")
    return "".join(
        part if i % 2 else part.replace("*", r"\*") for i, part in enumerate(_EMPHASIS.split(text))
    )
