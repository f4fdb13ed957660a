"""The lessons as assignments for nbgrader, which gives a point for each exercise that is right.

``check`` talks to a learner and never fails a cell. What fails is a hidden test below it: nbgrader leaves it
out of the students' release, and puts it back into the locked cell when it grades.
"""

from __future__ import annotations

import ast

from nbformat import NotebookNode, from_dict

from authoring import cells

_HIDDEN = """
### BEGIN HIDDEN TESTS
from lwlr_teach.teaching.exercises import find_exercise, judge
assert judge(find_exercise({name}), {answer}).kind == "right"
### END HIDDEN TESTS"""


def assignment(notebook: NotebookNode) -> NotebookNode:
    """A notebook for nbgrader's ``source``, made from one that still has the marks around its solutions."""
    made = notebook.copy()
    made.cells = [
        part for cell in notebook.cells if not cells.is_teachers(cell) for part in _with_grades(cell)
    ]
    return made


def _with_grades(cell: NotebookNode) -> list[NotebookNode]:
    """A cell as it is, or in two: what a student writes, and the check of it, which is graded."""
    checks = cells.answers(cell.source) if cell.cell_type == "code" else []
    if not checks:
        return [cell]
    lines, first = cell.source.splitlines(), checks[0].lineno - 1
    tests = [_HIDDEN.format(name=ast.unparse(c.args[0]), answer=ast.unparse(c.args[1])) for c in checks]
    name = cells.text_argument(checks[0])
    return [
        _part(cell, "\n".join(lines[:first]).rstrip(), f"{name}-answer", solution=True),
        _part(cell, "\n".join([*lines[first:], *tests]), str(name), points=len(checks)),
    ]


def _part(
    cell: NotebookNode, source: str, name: str, *, solution: bool = False, points: int = 0
) -> NotebookNode:
    graded = not solution
    marks = {"schema_version": 3, "grade_id": name, "solution": solution, "grade": graded, "locked": graded}
    marks |= {"task": False} | ({"points": points} if graded else {})
    changed = {"id": name, "source": source, "metadata": {**cell.metadata, "nbgrader": marks}}
    return from_dict({**cell, **changed})
