"""Docstrings, which are written to be read as they stand, as reStructuredText."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence

from authoring.site import unicode_math

_LITERAL = re.compile(r"(``[^`]+``|:\w+:`[^`]+`)")
_EMPHASIS = re.compile(r"(\*\*[^*\s][^*]*\*\*|(?<![\w*])\*[^*\s,][^*,]*\*(?![\w*]))")
_ENTRY = re.compile(r"- ")
_JOINED = re.compile(r"[^\s.,;:!?)\]}'\"/\\-]")


def restructured(lines: Sequence[str]) -> list[str]:
    """The lines of a docstring as reStructuredText.

    An indented block is a formula, which is set, or code, whose lines and blanks stay. A list need not have
    empty lines around it, and bars and stars are signs of mathematics, unless two stars stand around words.
    """
    text: list[str] = []
    rest = deque(lines)
    while rest:
        line, before = rest.popleft(), next((one for one in reversed(text) if one.strip()), "")
        after_gap = not text or not text[-1].strip()
        if line.startswith("    ") and after_gap and not _holds_a_block(before):
            block = [line]
            while rest and (rest[0].startswith("    ") or not rest[0].strip()):
                block.append(rest.popleft())
            text += _block(block) if not before.endswith("::") else block
            continue
        if not line.strip():
            text.append(line)
            continue
        listed = _ENTRY.match(before) or before.startswith("  ")
        begins, ends = _ENTRY.match(line) and not listed, listed and not _ENTRY.match(line) and line[0] != " "
        if (begins or ends) and not after_gap:
            text.append("")
        text.append(_escaped(line))
    return text


def _block(lines: Sequence[str]) -> list[str]:
    """What stands indented by itself: a formula is set, and code stays as it is."""
    if not unicode_math.is_formula(lines):
        return ["::", "", *lines]
    return [".. math::", "   :class: lwlr-rule", "", f"   {unicode_math.latex(lines)}", ""]


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
