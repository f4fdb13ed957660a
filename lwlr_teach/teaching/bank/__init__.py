"""What the lessons ask: exercises with their known answers, questions to recall, one to explain.

There is one file a lesson, with its ``EXERCISES``, its ``QUESTIONS`` and an ``EXPLANATION``. It is found here
by itself. A file without ``QUESTIONS`` helps the others.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from types import MappingProxyType

from lwlr_teach.teaching.items import Exercise, Explanation, Question

_FILES = [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
# In the order of the course.
_LESSONS = sorted(
    (file for file in _FILES if hasattr(file, "QUESTIONS")), key=lambda file: str(file.QUESTIONS[0].lesson)
)

EXERCISES: Mapping[str, Exercise] = MappingProxyType(
    {exercise.name: exercise for lesson in _LESSONS for exercise in lesson.EXERCISES}
)
QUESTIONS: tuple[Question, ...] = tuple(question for lesson in _LESSONS for question in lesson.QUESTIONS)
EXPLANATIONS: Mapping[str, Explanation] = MappingProxyType(
    {lesson.EXPLANATION.name: lesson.EXPLANATION for lesson in _LESSONS}
)
