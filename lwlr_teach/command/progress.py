"""What a learner has done, in words, from the file of progress in a folder."""

from __future__ import annotations

import contextlib
import os
import warnings
from pathlib import Path
from typing import Any

from lwlr_teach.command.desk import PROGRESS


def progress(folder: Path) -> int:
    """Print what was done in each lesson that was begun, how far that is, how well the guesses were, and
    what was hard."""
    if not folder.is_dir():
        raise SystemExit(f"There is no folder {folder}. `lwlr-teach` makes it; another can be named.")
    file = Path(os.environ.get("LWLR_PROGRESS", folder / PROGRESS))
    if not file.is_file():
        print(f"There is no progress in {folder} yet. What you guess, check and explain is kept there.")
        return 0
    from lwlr_teach.teaching import course_map, my_course
    from lwlr_teach.views.course.view import MARKS

    with contextlib.chdir(folder), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        course, look_back = course_map(), my_course()
    lessons = [lesson for part in course.plan["parts"] for lesson in part["lessons"]]
    done = [
        f"{MARKS[lesson['state']]} {_done(lesson)}"
        for lesson in lessons
        if lesson["state"] in ("begun", "done")
    ]
    print("\n".join([*(str(each.message) for each in caught), str(file), *done, course.describe()]))
    print("\n".join(look_back.hard_in_words()), end="\n" if look_back.hard else "")
    return 0


def _done(lesson: dict[str, Any]) -> str:
    """What was done in a lesson, as the map of the course says it."""
    guessed = f", {lesson['predictions']} guessed" if lesson["predictions"] else ""
    number = lesson["name"].partition("-")[0]
    return f"{number} {lesson['question']} {lesson['passed']} of {lesson['exercises']} exercises{guessed}"
