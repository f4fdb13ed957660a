"""The list of the lessons in their README, made from the course."""

from __future__ import annotations

from pathlib import Path

from authoring import blocks
from lwlr_teach.teaching.course import COURSE

BLOCK = "lessons"
START = ("00-start-here", "How do these lessons work? The four words, the map of the course, the playground")


def write(lessons: Path) -> None:
    """Bring the list in the README of a folder of lessons up to date."""
    blocks.write(lessons / "README.md", BLOCK, listing())


def differences(lessons: Path) -> list[str]:
    """What keeps the list in the README of a folder of lessons from being the course's."""
    try:
        found = blocks.read(lessons / "README.md", BLOCK)
    except (OSError, ValueError) as error:
        return [str(error)]
    return (
        [] if found == listing() else ["the list in README.md is not that of lwlr_teach/teaching/course.py"]
    )


def listing() -> str:
    """The lessons that are ready, as a table, and a sentence about those that are not."""
    rows = [START, *((lesson.name, f"{lesson.question} {lesson.about}") for lesson in COURSE if lesson.ready)]
    table = ["| lesson | question |", "|---|---|"]
    table += [f"| [{name}]({name}.ipynb) | {text} |" for name, text in rows]
    parts = dict.fromkeys(f"*{lesson.part}*" for lesson in COURSE if not lesson.ready)
    more = ["", f"More lessons will follow in {', '.join(parts)}."] if parts else []
    return "\n".join([*table, *more])
