"""A plan of a lesson by the minute: the time on its card, shared among its sections by what they ask."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate

from nbformat import NotebookNode

from authoring import cells
from lwlr_teach.command.desk import PICTURES

HEAD = """The minutes of the card, shared among the sections by what each asks: its words, formulas, cells,
guesses, pictures, questions and exercises. No class has been timed.
"""
WORDS_A_MINUTE = 150
_CELL = 0.5
_FORMULA = 1
# What else takes time: what is called, what it is in the plan, and its minutes.
_TASKS = (
    (r"recall", "recall", 2),
    (r"predict_\w+", "guess", 1.5),
    (PICTURES, "picture", 1.5),
    (r"ask", "question", 1),
    (r"explain", "explanation", 3),
)
_EXERCISE = 5


def plan(notebook: NotebookNode) -> str:
    """The table of a lesson; empty if its card names no minutes."""
    found = re.match(r"(\d+) minutes", cells.card(notebook).get("Time", ""))
    if found is None:
        return ""
    sections = list(_sections(notebook))
    until = list(accumulate(minutes for _, minutes, _ in sections))
    ends = [0]
    for end in until:  # each has its minute
        ends.append(max(ends[-1] + 1, round(int(found[1]) * end / until[-1])))
    rows = [
        f"| {begin}–{end} | {title} | {', '.join(tasks)} |"
        for begin, end, (title, _, tasks) in zip(ends[:-1], ends[1:], sections, strict=True)
    ]
    return "\n".join([HEAD, "| minutes | section | what it asks |", "|---|---|---|", *rows])


def _sections(notebook: NotebookNode) -> Iterator[tuple[str, float, list[str]]]:
    """The title of each section, its minutes as they come, and what it asks."""
    starts = [(place, title) for place, level, title in cells.headings(notebook) if level <= 2]
    ends = [place for place, _ in starts[1:]] + [len(notebook.cells)]
    for (start, title), end in zip(starts, ends, strict=True):
        part = [cell for cell in notebook.cells[start:end] if not cells.is_teachers(cell)]
        texts = [cell.source for cell in part if cell.cell_type == "markdown"]
        codes = [cell.source for cell in part if cell.cell_type == "code"]
        words = sum(len(text.split()) for text in texts)
        minutes, tasks = words / WORDS_A_MINUTE + _CELL * len(codes), [f"{words} words"]
        formulas = sum(text.count("$$") // 2 for text in texts)
        minutes += _FORMULA * formulas
        tasks += [_counted(formulas, "formula")] if formulas else []
        for pattern, task, each in _TASKS:
            number = sum(len(cells.calls(code, pattern)) for code in codes)
            minutes += each * number
            tasks += [_counted(number, task)] if number else []
        names = [cells.text_argument(call) or "" for code in codes for call in cells.answers(code)]
        yield title, minutes + _EXERCISE * len(names), tasks + [f"exercise `{name}`" for name in names]


def _counted(number: int, task: str) -> str:
    return task if number == 1 else f"{number} {task}{'es' if task.endswith('s') else 's'}"
