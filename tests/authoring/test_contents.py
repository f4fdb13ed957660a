"""The list of the lessons, and the lines of a text that a program writes."""

import dataclasses

import pytest

from authoring import blocks, contents
from lwlr_teach.teaching.course import COURSE

TEXT = "above\n<!-- a -->\nold\n\nlines\n<!-- end of a -->\nbelow <!-- a -->\n"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(TEXT, "utf-8")
    return path


def test_a_block_is_read_and_replaced_and_the_rest_stays(file):
    assert blocks.read(file, "a") == "old\n\nlines"
    blocks.write(file, "a", "néw \\1")
    assert blocks.read(file, "a") == "néw \\1"
    blocks.write(file, "a", "old\n\nlines")
    assert file.read_bytes() == TEXT.encode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT.replace("end of", "end"),
        TEXT.replace("<!-- a -->\nold", "old"),
        TEXT + TEXT,
        "<!-- end of a -->\n<!-- a -->\n",
    ],
)
def test_a_text_without_the_marks_is_named_and_stays(file, text):
    file.write_text(text, "utf-8")
    with pytest.raises(
        ValueError, match=r"README\.md needs one line <!-- a --> and, after it, one line <!-- end"
    ):
        blocks.write(file, "a", "new")
    assert file.read_text("utf-8") == text


def test_the_list_is_of_what_is_ready_and_says_where_more_will_come(monkeypatch):
    first, second, third = (dataclasses.replace(lesson, ready=False) for lesson in COURSE[4:7])
    monkeypatch.setattr(
        contents, "COURSE", [dataclasses.replace(first, about="This", ready=True), second, third]
    )
    head, _, start, only, _, more = contents.listing().splitlines()
    assert head == "| lesson | question |"
    assert start.startswith("| [00-start-here](00-start-here.ipynb) | How do these lessons work? ")
    assert only == f"| [{first.name}]({first.name}.ipynb) | {first.question} This |"
    assert more == f"More lessons will follow in *{second.part}*."


def test_when_all_are_ready_no_more_will_come(monkeypatch):
    monkeypatch.setattr(contents, "COURSE", [dataclasses.replace(lesson, ready=True) for lesson in COURSE])
    assert contents.listing().splitlines()[-1].startswith(f"| [{COURSE[-1].name}]")


def test_a_list_that_is_not_there_is_a_difference(tmp_path):
    (missing,) = contents.differences(tmp_path)
    assert "README.md" in missing
    (tmp_path / "README.md").write_text("# Lessons", "utf-8")
    (unmarked,) = contents.differences(tmp_path)
    assert "needs one line <!-- lessons -->" in unmarked
