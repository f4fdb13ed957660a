"""What the lessons ask: exercises with their known answers, and questions to recall. One file a lesson."""

from collections.abc import Mapping
from types import MappingProxyType

from lwlr_teach.teaching.bank import (
    exploding_gradients,
    finding_a_rate,
    first_two_steps,
    lars,
    learning_rate,
    momentum,
    rates_by_depth,
    schedules,
    width,
)
from lwlr_teach.teaching.exercises import Exercise
from lwlr_teach.teaching.recall import Question

_LESSONS = (
    learning_rate,
    momentum,
    schedules,
    finding_a_rate,
    exploding_gradients,
    rates_by_depth,
    lars,
    first_two_steps,
    width,
)

EXERCISES: Mapping[str, Exercise] = MappingProxyType(
    {exercise.name: exercise for lesson in _LESSONS for exercise in lesson.EXERCISES}
)
QUESTIONS: tuple[Question, ...] = tuple(question for lesson in _LESSONS for question in lesson.QUESTIONS)
