"""The teacher's guide: what the notebooks of the teacher's pack hold, lesson by lesson, on paper."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nbformat import NotebookNode

from authoring import cells, plan

HEAD = """# The teacher's guide

Made from the lessons by `python authoring/build.py --teacher`. The notebooks beside it hold the solutions and
the notes; the learners' notebooks do not.

The folder `source` is for nbgrader. `nbgrader generate_assignment 01-learning-rate` writes what students get,
without solutions and notes; `nbgrader autograde 01-learning-rate` gives a point for each right exercise. It
runs the whole lesson, about a minute for each student, with a Python that has lwlr-teach.
"""
NUMBERS = (
    "A notebook prints these sentences, or stops at the one that its run denies. The numbers are rounded so "
    "that another machine prints the same; the condition is the tolerance within which a sentence stands."
)


def guide(notebooks: dict[str, NotebookNode]) -> str:
    """The guide to these notebooks, which were run with their solutions."""
    rows = [f"| {name} | {cells.card(notebook).get('Time', '')} |" for name, notebook in notebooks.items()]
    chapters = [_chapter(name, notebook) for name, notebook in notebooks.items()]
    return "\n".join([HEAD, "| lesson | time |", "|---|---|", *rows, *chapters]).rstrip() + "\n"


def unsolved(notebook: NotebookNode) -> list[str]:
    """The exercises that the notebook's own solutions do not solve."""
    problems = []
    for _, cell in cells.code_cells(notebook):
        names = _checked(cell)
        if cells.printed(cell).count(cells.RIGHT) < len(names):
            said = cells.printed(cell).strip()
            problems.append(f"the solution of {', '.join(names)} is not right: {said}")
    return problems


def _checked(cell: NotebookNode) -> list[str]:
    """The exercises that a cell checks."""
    return [cells.text_argument(call) or "" for call in cells.answers(cell.source)]


def _chapter(name: str, notebook: NotebookNode) -> str:
    title = next((text for _, level, text in cells.headings(notebook) if level == 1), name)
    card = [f"- **{row}**: {text}" for row, text in cells.card(notebook).items()]
    parts = [
        ("Plan", plan.plan(notebook)),
        ("Notes", _notes(notebook)),
        ("Predictions", _predictions(notebook)),
        ("Numbers to expect", _numbers(notebook)),
        ("Exercises", _exercises(notebook)),
    ]
    texts = [f"### {heading}\n\n{text}\n" for heading, text in parts if text]
    return "\n".join([f"\n## {title}\n", f"[{name}.ipynb]({name}.ipynb)\n", *card, "", *texts])


def asked(notebook: NotebookNode) -> Iterator[tuple[int, str, ast.Call]]:
    """Every prediction: its cell, the variable that holds it (empty if none does), the call."""
    for place, cell in cells.code_cells(notebook):
        names = _variables(cell.source)
        for call in cells.calls(cell.source, "predict_(number|choice|curve)"):
            yield place, names.get((call.lineno, call.col_offset), ""), call


def _variables(code: str) -> dict[tuple[int, int], str]:
    """The variables that values are given to, by the place at which the value stands."""
    return {
        (node.value.lineno, node.value.col_offset): node.targets[0].id
        for node in ast.walk(cells.tree(code))
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }


def revealed(notebook: NotebookNode, variable: str, after: int) -> int | None:
    """The first cell after a prediction that reveals it."""
    for place, cell in cells.code_cells(notebook):
        for call in cells.calls(cell.source, "reveal") if place > after else []:
            owner = call.func.value if isinstance(call.func, ast.Attribute) else None
            if isinstance(owner, ast.Name) and owner.id == variable:
                return place
    return None


def note_on(notebook: NotebookNode, place: int) -> str:
    """The teacher's note that stands directly after a cell; empty if there is none."""
    after = notebook.cells[place + 1] if place + 1 < len(notebook.cells) else None
    return after.source if after is not None and cells.is_teachers(after) else ""


def _notes(notebook: NotebookNode) -> str:
    """The teacher's notes that belong to no prediction, each under the heading where it stands."""
    with_prediction = {place + 1 for place, _, _ in asked(notebook)}
    notes, section = [], ""
    for place, cell in enumerate(notebook.cells):
        titles = [text for where, _, text in cells.headings(notebook) if where == place]
        if cells.is_teachers(cell):
            if place not in with_prediction:
                notes.append(f"*{section}*: {cell.source}" if section else cell.source)
        elif titles:
            section = titles[-1]
    return "\n\n".join(notes)


def _predictions(notebook: NotebookNode) -> str:
    entries = []
    for number, (place, variable, call) in enumerate(asked(notebook), start=1):
        question = cells.shown(notebook.cells[place]).removesuffix(" Not answered yet.")
        at = revealed(notebook, variable, place)
        truth = cells.shown(notebook.cells[at]).removeprefix(question) if at is not None else ""
        truth = re.sub(r"^No guess was locked; (?:it is |measured: |the measured )?", "", truth.strip())
        lines = [f"{number}. **{question}**", f"   - Measured: {truth}" if truth else ""]
        lines += [f"   - {keyword.arg}: `{ast.unparse(keyword.value)}`" for keyword in call.keywords]
        lines += [f"   - answers: `{ast.unparse(call.args[2])}`" if len(call.args) > 2 else ""]
        note = note_on(notebook, place).replace("\n", "\n     ")
        lines += [f"   - Expect: {note}" if note else ""]
        entries.append("\n".join(filter(None, lines)))
    return "\n".join(entries)


def _numbers(notebook: NotebookNode) -> str:
    rows = []
    for _, cell in cells.code_cells(notebook):
        claims = [(_pattern(call.args[0]), call.args[1]) for call in cells.calls(cell.source, "claim")]
        for line in cells.printed(cell).splitlines():
            holds = next((holds for pattern, holds in claims if re.fullmatch(pattern, line)), None)
            if holds is not None:
                rows.append(f"| {_in_table(line)} | `{_in_table(ast.unparse(holds))}` |")
    return "\n".join([NUMBERS, "", "| sentence | stands as long as |", "|---|---|", *rows]) if rows else ""


def _pattern(sentence: ast.expr) -> str:
    """What a sentence looks like once its numbers stand in it."""
    if isinstance(sentence, ast.JoinedStr):
        return "".join(map(_pattern, sentence.values))
    if isinstance(sentence, ast.Constant):
        return re.escape(str(sentence.value))
    return ".*"


def _in_table(text: str) -> str:
    return text.replace("|", "\\|")


def _exercises(notebook: NotebookNode) -> str:
    from lwlr_teach.teaching.exercises import find_exercise

    checked = [name for _, cell in cells.code_cells(notebook) for name in _checked(cell)]
    entries = []
    for exercise in map(find_exercise, dict.fromkeys(checked)):
        wrong = [f"- {known.says}" for known in exercise.known if not known.passes]
        entries += [f"**{exercise.name}.** {exercise.asks}", f"```python\n{exercise.solution.rstrip()}\n```"]
        entries += ["What the checker says to usual answers:", "\n".join(wrong)] if wrong else []
        entries += ["Hints:", "\n".join(f"- {hint}" for hint in exercise.hints)]
    return "\n\n".join(entries)
