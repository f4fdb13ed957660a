"""The start page: the map of the course with the learner's progress."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import asdict

import torch
from IPython.core.getipython import get_ipython

from lwlr_teach.teaching.bank import EXERCISES
from lwlr_teach.teaching.claims import open_lesson
from lwlr_teach.teaching.course import COURSE
from lwlr_teach.teaching.predictions import calibration
from lwlr_teach.teaching.progress import Record, note, read_progress
from lwlr_teach.views.course import CourseView


def course_map() -> CourseView:
    """The lessons, with what was done in each, the minutes that are left, and the calibration so far."""
    record = read_progress()
    rows = [asdict(lesson) | _done(record, lesson.name) for lesson in COURSE]
    left = sum(row["minutes"] for row in rows if row["ready"] and row["passed"] < max(1, row["exercises"]))
    return CourseView(rows, f"About {left} minutes are left of what is ready. {calibration()}")


def _done(record: Record, lesson: str) -> dict[str, object]:
    exercises = [exercise.name for exercise in EXERCISES.values() if exercise.lesson == lesson]
    passed = [name for name in exercises if record["exercises"].get(name, {}).get("passed")]
    predictions = [name for name in record["predictions"] if name.startswith(lesson[:3])]
    return {
        "opened": lesson in record["lessons"],
        "predictions": len(predictions),
        "exercises": len(exercises),
        "passed": len(passed),
        "denied": len(record["claims"].get(lesson, {})),
    }


def begin(lesson: str) -> None:
    """Note that a lesson was opened, and make its kernel frugal; the first code cell of each lesson calls it.

    Torch keeps to one thread. The lessons' networks are so small that a second one only waits for the first;
    what that costs when another program runs beside them says :func:`lwlr_teach.fleet.one_thread`. And what a
    cell has freed is given back to the system, so that two lessons fit into the 2 GB of a free server.
    """
    torch.set_num_threads(1)
    shell = get_ipython()
    if shell is not None:
        shell.events.register("post_run_cell", _give_memory_back)  # once, however often it is registered

    open_lesson(lesson)

    def put(record: Record) -> None:
        record["claims"].pop(lesson, None)  # what its last run denied
        kept = record["lessons"].setdefault(lesson, {})
        kept["opened"] = kept.get("opened", 0) + 1

    note(put)


def _give_memory_back(_: object = None) -> None:
    """glibc keeps what was freed: a hundred megabytes after lesson 01 has trained a thousand networks."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries have no such function
        if trim is not None:
            trim(0)
