"""What stands in the cells of a lesson: what is called, what is printed, what is a solution."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

STUB = 'raise NotImplementedError("your code here")'
RIGHT, MISSING = "✔ right", "… not written yet"

_MARK = re.compile(r"^[ \t]*### (?:BEGIN|END) SOLUTION\b", re.MULTILINE)
_SOLUTION = re.compile(
    r"^(?P<indent>[ \t]*)### BEGIN SOLUTION[ \t]*\n(?P<body>.*?)^(?P=indent)### END SOLUTION[ \t]*$",
    re.MULTILINE | re.DOTALL,
)

FOLDED = "# What was measured. A click on the dots shows how."
"""The first line of a cell that is folded in a learner's notebook, because it answers what is asked."""


def student_code(code: str) -> str:
    """The code with each solution replaced by one line that says: not written yet."""
    return _cut(code, lambda found: f"{found['indent']}{STUB}")


def teacher_code(code: str) -> str:
    """The code with its solutions, without the marks around them."""
    return _cut(code, lambda found: found["body"].rstrip("\n"))


def has_solution(code: str) -> bool:
    """Whether the code marks a solution, well or badly."""
    return _MARK.search(code) is not None


def _cut(code: str, put: Callable[[re.Match[str]], str]) -> str:
    result = _SOLUTION.sub(put, code)
    stray = _MARK.search(result)
    if stray:
        raise ValueError(
            f"{stray[0].strip()!r} has no partner at the same indentation; "
            "write '### BEGIN SOLUTION' and '### END SOLUTION' in turn"
        )
    return result


def tree(code: str) -> ast.Module:
    """The syntax tree of a cell; lines like ``%time`` and ``!torchrun`` are allowed."""
    return ast.parse(TransformerManager().transform_cell(code))


def calls(code: str, pattern: str) -> list[ast.Call]:
    """The calls of every function or method whose name is matched by ``pattern``, in their order."""
    found = [
        node
        for node in ast.walk(tree(code))
        if isinstance(node, ast.Call) and re.fullmatch(pattern, called(node))
    ]
    return sorted(found, key=lambda call: (call.lineno, call.col_offset))


def shows(code: str) -> bool:
    """Whether a cell surely has an output. What the last call gives back is not known, but of a class."""
    body = tree(code).body
    last = body[-1].value if body and isinstance(body[-1], ast.Expr) else None
    value = last is not None and (not isinstance(last, ast.Call) or called(last)[:1].isupper())
    return value or bool(calls(code, "ask|check|claim|course_map|explain|my_course|print|recall|reveal"))


def answers(code: str) -> list[ast.Call]:
    """The calls of ``check`` that judge an answer. One without a name, like a lambda, is only an example."""
    return [call for call in calls(code, "check") if isinstance(call.args[-1], ast.Name)]


def called(node: ast.AST) -> str:
    """``f`` of ``f(x)`` and of ``a.f(x)``; empty for everything else."""
    function = node.func if isinstance(node, ast.Call) else None
    if isinstance(function, ast.Name):
        return function.id
    return function.attr if isinstance(function, ast.Attribute) else ""


def text_argument(call: ast.Call, place: int = 0) -> str | None:
    """A positional argument that is a plain text; None if it is not there, or is anything else."""
    argument = call.args[place] if len(call.args) > place else None
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        return argument.value
    return None


def code_cells(notebook: NotebookNode) -> Iterator[tuple[int, NotebookNode]]:
    """The code cells with their places in the notebook."""
    return ((i, cell) for i, cell in enumerate(notebook.cells) if cell.cell_type == "code")


def markdown_cells(notebook: NotebookNode) -> Iterator[tuple[int, NotebookNode]]:
    """The markdown cells with their places in the notebook."""
    return ((i, cell) for i, cell in enumerate(notebook.cells) if cell.cell_type == "markdown")


def is_teachers(cell: NotebookNode) -> bool:
    """Whether a cell is a note for the teacher."""
    return "teacher" in cell.metadata.get("tags", [])


def printed(cell: NotebookNode) -> str:
    """What a code cell printed, or showed as text. What a picture says of itself does not count."""
    texts = []
    for output in cell.get("outputs", []):
        if output.output_type == "stream" and output.name == "stdout":
            texts.append(output.text)
        elif output.output_type == "execute_result" and not pictures(output):
            texts.append(output.data.get("text/plain", ""))
    return "\n".join(texts)


def shown(cell: NotebookNode) -> str:
    """What the pictures of a code cell say of themselves."""
    outputs = [output for output in cell.get("outputs", []) if pictures(output)]
    return " ".join(output.data.get("text/plain", "") for output in outputs)


def pictures(output: NotebookNode) -> list[str]:
    """The types of the pictures in an output."""
    return [kind for kind in output.get("data", {}) if kind.startswith("image/")]


def headings(notebook: NotebookNode) -> list[tuple[int, int, str]]:
    """The headings of a notebook: cell, level, text."""
    return [
        (place, len(marks), title.strip())
        for place, cell in markdown_cells(notebook)
        for marks, title in re.findall(r"^(#+) (.*)$", without_fences(cell.source), re.MULTILINE)
    ]


def without_fences(text: str) -> str:
    """A markdown text with the lines of its code blocks emptied."""
    return re.sub(r"^```.*?^```$", lambda m: blank(m[0]), text, flags=re.MULTILINE | re.DOTALL)


def blank(text: str) -> str:
    """As many blanks and line ends, so that the places of everything else stay what they are."""
    return re.sub(r"[^\n]", " ", text)


def card(notebook: NotebookNode) -> dict[str, str]:
    """The rows of the card at the head of a lesson."""
    first = next((cell.source for _, cell in markdown_cells(notebook)), "")
    return dict(re.findall(r"^\| \*\*(.+?)\*\* \|\s*(.*?)\s*\|$", first, re.MULTILINE))
