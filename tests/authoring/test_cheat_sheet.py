"""The sheet of the course: what is on it comes from the lessons, and the one in docs is the latest."""

import re

import pytest

from authoring.cheat_sheet import KEPT, drawn, entries, first_point, mark, sheet, short_rule
from lwlr_teach.teaching.course import COURSE

LESSON = r"""
# ## The rule
#
# $$ {rule} $$
#
# ## What to keep
#
# 1. The first, which `stands` alone.
# 2. The second.
"""


@pytest.mark.slow
def test_every_ready_lesson_is_on_it_in_its_part():
    page = sheet(entries())
    ready = [lesson for lesson in COURSE if lesson.ready]
    assert re.findall(r"<h3><b>(.*?)</b>", page) == [lesson.number for lesson in ready]
    assert re.findall(r"<h2>(.*?)</h2>", page) == list(dict.fromkeys(lesson.part for lesson in ready))
    assert not re.search(r"https?:|src=|<script|<link|url\(", page)


def test_the_first_point_is_taken_and_a_lesson_without_one_is_refused():
    assert first_point(LESSON) == "The first, which `stands` alone."
    with pytest.raises(ValueError, match="must have a first point under 'What to keep'"):
        first_point(LESSON.replace("# 1.", "# -"))


@pytest.mark.parametrize(
    ("rule", "parts"),
    [
        (r"p \leftarrow p - \eta\, g", [r"p \leftarrow p - \eta\, g"]),
        (r"s = g, \qquad p \leftarrow s.", ["s = g", r"p \leftarrow s"]),
        (r"\eta_i = 1", [r"\eta_i = 1"]),
        (r"a \leftarrow \beta a", []),  # neither gradient nor rate
        (r" \qquad ".join(["g"] * 6), []),  # too many
        (" + ".join(["g"] * 40), []),  # too wide
    ],
)
def test_a_rule_stands_on_it_if_it_is_short_and_about_the_gradient_or_the_rate(rule, parts):
    assert short_rule(LESSON.replace("{rule}", rule)) == parts


@pytest.mark.slow
def test_the_rules_of_the_methods_are_there():
    with_rule = {entry.lesson.number for entry in entries() if entry.rule}
    assert with_rule >= {"1", "2", "5", "6", "7", "8", "10"}


def test_a_formula_is_drawn_as_a_picture_with_its_text():
    svg = drawn(r"p < \sqrt{g}")
    assert 'aria-label="p &lt; \\sqrt{g}"' in svg
    assert re.search(r'viewBox="0 -\d+ \d+ \d+"><path d="M', svg)


def test_the_sheet_in_docs_is_that_of_the_lessons_and_small():
    kept = KEPT.read_bytes()
    assert f"% {mark(entries())}\n".encode() in kept, "the lessons have changed: run make cheat-sheet"
    assert len(kept) <= 150_000
