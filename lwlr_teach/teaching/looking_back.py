"""The course as the learner took it: guesses, answers in their own words, exercises, and what was hard."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from lwlr_teach.teaching.bank import EXERCISES, EXPLANATIONS, QUESTIONS
from lwlr_teach.teaching.course import COURSE
from lwlr_teach.teaching.items import Question
from lwlr_teach.teaching.predictions import calibration
from lwlr_teach.teaching.progress import Record, read_progress

HARDEST = 5
"""So many of each kind are named as hard."""
MANY_TRIES = 3

EMPTY = (
    "There is nothing to look back on yet. Lock a guess, check an exercise or explain something in your own "
    "words, in any lesson, and it will stand here."
)
_TITLES = {"00-start-here": "0 · How do these lessons work?"} | {
    lesson.name: f"{lesson.number} · {lesson.question}" for lesson in COURSE
}


@dataclass(frozen=True)
class Line:
    """Something that was done in a lesson: what was asked, what came of it, and how it went."""

    lesson: str
    asks: str
    outcome: str
    mark: str = ""


@dataclass(frozen=True)
class Words:
    """A question, the learner's own answer, and a good one beside it."""

    lesson: str
    asks: str
    said: str
    good: str


class MyCourse:
    """A page to look back on, made from the file of progress. ``save`` keeps it as one file."""

    def __init__(self, record: Record) -> None:
        self.calibration = str(calibration())
        self.guesses = _guesses(record)
        self.exercises = _exercises(record)
        self.explanations = _explanations(record)
        self.hard = {title: lines for title, lines in _hard(record).items() if lines}

    def __bool__(self) -> bool:
        return bool(self.guesses or self.exercises or self.explanations or self.hard)

    def __repr__(self) -> str:
        if not self:
            return EMPTY
        return "\n".join([self.calibration, *self.hard_in_words()])

    def hard_in_words(self) -> list[str]:
        """What was hard, as lines."""
        return [
            line
            for title, hard in self.hard.items()
            for line in (title, *(f"  {each.asks} {each.outcome} ({each.lesson})" for each in hard))
        ]

    def _repr_html_(self) -> str:
        if not self:
            return f"<p>{EMPTY}</p>"
        return f"<style>{_STYLE}</style>{self._page(lambda lesson: f'{lesson}.ipynb')}"

    def save(self, path: str | Path) -> None:
        """Write the page into a file that needs nothing else; a browser shows it, and prints it as a PDF."""
        file = Path(path)
        if file.suffix not in (".html", ".htm"):
            raise ValueError(f"path must end in .html, got {str(path)!r}")
        try:
            file.write_text(self._document(), encoding="utf-8")
        except OSError as error:
            raise OSError(f"path must name a file that can be written, got {str(path)!r}: {error}") from error
        print(f"Your course is in {file.resolve()}. Open it in a browser; print it there to get a PDF.")

    def _document(self) -> str:
        """The page by itself. The policy forbids the browser to fetch anything."""
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; """
            """style-src 'unsafe-inline'">"""
            '<meta name="viewport" content="width=device-width"><title>My course</title>'
            f"<style>{_DOCUMENT_STYLE}{_STYLE}</style></head>\n"
            f"<body>{self._page(lambda lesson: f'#{lesson}')}</body></html>\n"
        )

    def _page(self, address: Callable[[str], str]) -> str:
        """The page. ``address`` of a lesson is where the links at its top lead."""
        if not self:
            return f'<div class="lwlr-my-course"><h2>My course</h2><p>{EMPTY}</p></div>'
        hard = "".join(
            f"<h4>{title}</h4>{_list(lines, lambda name: _link(address(name), _TITLES[name]))}"
            for title, lines in self.hard.items()
        )
        sections = "".join(self._section(name) for name in _TITLES)
        return (
            f'<div class="lwlr-my-course"><h2>My course</h2><p>{escape(self.calibration)}</p>'
            f"{f'<h3>What was hard</h3>{hard}' if hard else ''}{sections}</div>\n"
        )

    def _section(self, name: str) -> str:
        """What was done in a lesson; empty if nothing was."""
        guesses = [line for line in self.guesses if line.lesson == name]
        exercises = [line for line in self.exercises if line.lesson == name]
        words = [answer for answer in self.explanations if answer.lesson == name]
        if not (guesses or exercises or words):
            return ""
        parts = [
            f"<h4>Guesses</h4>{_list(guesses)}" if guesses else "",
            f"<h4>Exercises</h4>{_list(exercises)}" if exercises else "",
            "".join(map(_in_own_words, words)),
        ]
        title = _link(f"{name}.ipynb", _TITLES[name])
        return f'\n<section id="{name}"><h3>{title}</h3>{"".join(parts)}</section>'


def my_course() -> MyCourse:
    """Everything that you guessed, wrote and explained, what was hard, and how well you knew what you know.

    ``my_course().save("my-course.html")`` keeps it as a page of its own.
    """
    return MyCourse(read_progress())


def _lesson_of(name: str) -> str | None:
    """The lesson of a prediction: its name begins with the lesson's number."""
    start = f"{name.partition('-')[0]}-"
    return next((lesson for lesson in _TITLES if lesson.startswith(start)), None)


def _guesses(record: Record) -> list[Line]:
    found = ((_lesson_of(name), name, kept) for name, kept in record["predictions"].items())
    return [_guess(lesson, name, kept) for lesson, name, kept in found if lesson]


def _guess(lesson: str, name: str, kept: dict[str, Any]) -> Line:
    """A guess with its result. A file from before these were noted has only its name, and right or wrong."""
    asks = kept.get("asks", f"The guess {name}.")
    sure = f"{kept.get('confidence', 50):.0f}% sure"
    if "right" not in kept:
        late = "it was locked after the result, and does not count." if kept.get("late") else ""
        return Line(lesson, asks, f"{sure}; {late or 'not compared with the result yet.'}")
    verdict = f"{'Right' if kept['right'] else 'Wrong'}, {sure}."
    return Line(lesson, asks, kept.get("compared", verdict), "✔" if kept["right"] else "✘")


def _exercises(record: Record) -> list[Line]:
    tried = ((exercise, record["exercises"].get(exercise.name, {})) for exercise in EXERCISES.values())
    return [
        Line(
            exercise.lesson, _first_sentence(exercise.asks), _tries(kept), "✔" if kept.get("passed") else "…"
        )
        for exercise, kept in tried
        if kept.get("tries") or kept.get("passed")
    ]


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[.?])\s", text, maxsplit=1)[0]


def _tries(kept: dict[str, Any]) -> str:
    count = max(1, kept.get("tries", 0))
    tries = f"after {count} tries" if count > 1 else "at the first try"
    result = f"Right {tries}" if kept.get("passed") else f"Not yet right {tries}"
    hints = kept.get("hints", 0)
    helped = [f"{hints} {'hint' if hints == 1 else 'hints'}"] if hints else []
    helped += ["the solution"] if kept.get("solution") else []
    return f"{result}{', with ' if helped else ''}{' and '.join(helped)}."


def _explanations(record: Record) -> list[Words]:
    said = {name: kept.get("said", "").strip() for name, kept in record["explanations"].items()}
    return [
        Words(asked.lesson, asked.asks, said[name], asked.good)
        for name, asked in EXPLANATIONS.items()
        if said.get(name)
    ]


def _hard(record: Record) -> dict[str, list[Line]]:
    """The surest wrong guesses, the exercises with most tries, and the questions missed most often."""
    wrong = [
        (kept.get("confidence", 50), _guess(lesson, name, kept))
        for name, kept in record["predictions"].items()
        if kept.get("right") is False and (lesson := _lesson_of(name))
    ]
    long = [
        (kept["tries"], Line(exercise.lesson, _first_sentence(exercise.asks), _tries(kept)))
        for exercise in EXERCISES.values()
        if (kept := record["exercises"].get(exercise.name, {})).get("tries", 0) >= MANY_TRIES
    ]
    missed = [
        (times, Line(question.lesson, question.asks, f"{_times(times)} The answer: {_answer(question)}"))
        for question in QUESTIONS
        if (times := record["recall"].get(question.name, {}).get("wrong", 0))
    ]
    return {
        "Wrong, and sure of it": _most(wrong),
        "Exercises that took many tries": _most(long),
        "Questions missed": _most(missed),
    }


def _most(ranked: Iterable[tuple[float, Line]]) -> list[Line]:
    return [line for _, line in sorted(ranked, key=lambda pair: -pair[0])[:HARDEST]]


def _times(count: int) -> str:
    return "Missed once." if count == 1 else f"Missed {count} times."


def _answer(question: Question) -> str:
    right = question.options[question.right]
    return right if right.endswith(".") else f"{right}."


def _list(lines: list[Line], link: Callable[[str], str] = lambda _: "") -> str:
    """Lines as a list, each with a link to its lesson if ``link`` makes one."""
    rows = (
        f"<li><b>{line.mark}</b> {_ours(line.asks)} <i>{_ours(line.outcome)}</i> {link(line.lesson)}</li>"
        for line in lines
    )
    return f"<ul>{''.join(rows)}</ul>"


def _in_own_words(words: Words) -> str:
    return (
        f"<h4>In your own words</h4><p>{_ours(words.asks)}</p><div class='lwlr-beside'>"
        f"<div><i>You</i><p class='lwlr-said'>{escape(words.said)}</p></div>"
        f"<div><i>A good answer</i><p>{_ours(words.good)}</p></div></div>"
    )


def _link(address: str, text: str) -> str:
    return f'<a href="{address}">{escape(text)}</a>'


def _ours(text: str) -> str:
    """A text in which `backticks` mark code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


_STYLE = """
.lwlr-my-course { max-width: 52rem; line-height: 1.45; }
.lwlr-my-course h3 { margin: 1.4em 0 .3em; }
.lwlr-my-course h4 { margin: .8em 0 .2em; font-size: 1em; font-weight: bold; }
.lwlr-my-course ul { margin: 0; padding-left: 0; list-style: none; }
.lwlr-my-course li { margin: .25em 0; padding-left: 1.4em; text-indent: -1.4em; }
.lwlr-my-course section { border-top: 1px solid rgba(127, 127, 127, .5); }
.lwlr-my-course .lwlr-beside { display: grid; grid-template-columns: 1fr 1fr; gap: 1.5em; }
.lwlr-my-course .lwlr-beside > div { overflow-wrap: anywhere; }
.lwlr-my-course .lwlr-beside p { margin: .2em 0; }
.lwlr-my-course .lwlr-said { white-space: pre-wrap; }
@media print {
  .lwlr-my-course h3, .lwlr-my-course h4 { break-after: avoid; }
  .lwlr-my-course li, .lwlr-my-course .lwlr-beside { break-inside: avoid; }
  .lwlr-my-course a { color: inherit; text-decoration: none; }
}
"""
_DOCUMENT_STYLE = """
@page { margin: 18mm; }
body { margin: 2rem auto; max-width: 52rem; padding: 0 1rem; font-family: sans-serif; color: #222; }
@media print { body { margin: 0; padding: 0; font-size: 10pt; } }
"""
