"""What a lesson asks: exercises with their usual answers, questions to recall, and one to explain."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from lwlr_teach.optim.update import Rule


@dataclass(frozen=True)
class Known:
    """A usual answer: a function, and what to say to somebody who wrote it.

    ``passes`` says whether it is accepted, as another way to write what was asked for.
    """

    answer: Callable[..., Any]
    says: str
    passes: bool = False


@dataclass(frozen=True)
class Exercise:
    """Something to write, and all that is needed to judge and to help.

    ``play(answer, problem)`` calls the answer as the lesson would, several times if there are several steps,
    and returns every tensor that came out, by name. ``problem(generator)`` draws the arguments.
    """

    name: str
    asks: str
    answer: Callable[..., Any]
    problem: Callable[[torch.Generator], dict[str, Any]]
    play: Callable[[Callable[..., Any], dict[str, Any]], dict[str, Any]]
    known: tuple[Known, ...]
    hints: tuple[str, ...]
    right: str
    rule: Callable[[Callable[..., Any]], Rule] | None = None
    """For a step of a method: makes an update rule of an answer, so that it can run in a picture."""
    each: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Of what the problem holds for several calls, by name: the argument that takes one, and what has one."""
    lesson: str = field(default="")

    @property
    def solution(self) -> str:
        """The source of the reference answer."""
        return inspect.getsource(self.answer)


@dataclass(frozen=True)
class Question:
    """A question with one right answer among ``options``, and the reason why it is right."""

    name: str
    lesson: str
    asks: str
    options: tuple[str, ...]
    right: int
    why: str


@dataclass(frozen=True)
class Explanation:
    """A question that is answered in a sentence of one's own, and a good answer to compare it with."""

    name: str
    lesson: str
    asks: str
    good: str
