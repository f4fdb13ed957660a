"""The start page: the map of the course with the learner's progress."""

from __future__ import annotations

from dataclasses import asdict

from lwlr_teach.teaching.bank import EXERCISES
from lwlr_teach.teaching.course import COURSE
from lwlr_teach.teaching.predictions import calibration
from lwlr_teach.teaching.progress import Record, read_progress
from lwlr_teach.views.course.view import CourseView


def course_map() -> CourseView:
    """The lessons, with what was done in each, the minutes that are left, and the calibration so far."""
    record = read_progress()
    rows = [asdict(lesson) | _done(record, lesson.name, lesson.prefix) for lesson in COURSE]
    left = sum(row["minutes"] for row in rows if row["ready"] and row["passed"] < max(1, row["exercises"]))
    return CourseView(rows, f"About {left} minutes are left of what is ready. {calibration()}")


def _done(record: Record, lesson: str, prefix: str) -> dict[str, object]:
    exercises = [exercise.name for exercise in EXERCISES.values() if exercise.lesson == lesson]
    passed = [name for name in exercises if record["exercises"].get(name, {}).get("passed")]
    predictions = [name for name in record["predictions"] if name.startswith(prefix)]
    return {
        "opened": lesson in record["lessons"],
        "predictions": len(predictions),
        "exercises": len(exercises),
        "passed": len(passed),
        "denied": len(record["claims"].get(lesson, {})),
    }
