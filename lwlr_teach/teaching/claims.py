"""Claims: a measured sentence and the condition that makes it true, in one call."""

from __future__ import annotations

import ast
import os
import platform
import sys
from importlib.metadata import metadata
from types import FrameType
from typing import Any

import torch
from executing import Source
from torch import Tensor

from lwlr_teach.teaching.progress import Record, note

MODE = "LWLR_CLAIMS"
"""Set to "strict" in CI, in the build and in the tests: there a claim that does not hold is an error."""

_lesson = ""
_denied: set[str] = set()


def claim(sentence: str, holds: object) -> None:
    """Print the sentence if it holds, so that a notebook never states what its run denies.

    ``holds`` is anything with a truth value, for example a comparison of measured numbers. The sentence
    should carry those numbers, rounded so that another machine prints the same.

    A sentence that does not hold is a fault of the lesson and stops nobody who learns from it. What was
    measured is shown instead, with a line to report; the map of the course remembers it. With
    ``LWLR_CLAIMS=strict`` in the environment it raises AssertionError.
    """
    if holds:
        print(sentence)
        _forget(sentence)
        return
    measured = _measured(sys._getframe(1))
    if os.environ.get(MODE) == "strict":
        raise AssertionError(f"this run says otherwise: {sentence!r} does not hold ({measured})")
    print(_denial(sentence, measured), file=sys.stderr)  # which JupyterLab shows on red
    _remember(sentence, measured)


def demand(holds: bool, says: str) -> None:
    """Stop the strict run of a lesson for a mistake of its author's that need not trouble a learner."""
    if not holds and _lesson and os.environ.get(MODE) == "strict":
        raise AssertionError(f"{_lesson}: {says}")


def open_lesson(lesson: str) -> None:
    """From now on claims are this lesson's, and none of this run is denied yet."""
    global _lesson
    _lesson = lesson
    _denied.clear()


def _remember(sentence: str, measured: str) -> None:
    _denied.add(sentence)

    def put(record: Record) -> None:
        record["claims"].setdefault(_lesson, {})[sentence] = measured

    note(put)


def _forget(sentence: str) -> None:
    if sentence in _denied:  # the cell was run again, with another result
        _denied.remove(sentence)

        def put(record: Record) -> None:
            record["claims"].get(_lesson, {}).pop(sentence, None)

        note(put)


def _denial(sentence: str, measured: str) -> str:
    about = metadata("lwlr-teach")
    address = next(url.partition(", ")[2] for url in about.get_all("Project-URL", []))
    processor = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    threads = torch.get_num_threads()
    report = (
        f"lwlr-teach {about['Version']}, lesson {_lesson or '?'}, torch {torch.__version__}, "
        f"Python {platform.python_version()}, {platform.system()} {processor}, "
        f"{threads} thread{'s' if threads > 1 else ''}: {sentence!r}: {measured}"
    )
    lines = [
        "✘ This machine measured something else.",
        f"The lesson says: {sentence}",
        f"Measured here:   {measured}",
        "The fault is the lesson's, not yours, and you can go on. To report it, copy the next line to "
        f"{address}/issues (nothing is sent by itself):",
        report,
    ]
    return "\n".join(lines)


def _measured(frame: FrameType) -> str:
    """The condition of the claim that is made in this frame, and the numbers in it."""
    call = Source.executing(frame).node
    given = [*call.args[1:], *(k.value for k in call.keywords)] if isinstance(call, ast.Call) else []
    if not given:
        return "the condition is false"
    condition = given[0]
    numbers = [f"{text} = {value}" for text, value in _numbers(condition, frame).items()]
    return f"not so: {ast.unparse(condition)}" + "".join(f"; {number}" for number in numbers)


def _numbers(condition: ast.expr, frame: FrameType) -> dict[str, str]:
    """What stands beside a sign of comparison, and every name, with its value if that is a number."""
    nodes = list(ast.walk(condition))
    sides = [
        side for node in nodes if isinstance(node, ast.Compare) for side in (node.left, *node.comparators)
    ]
    found = {}
    for node in [*sides, *(node for node in nodes if isinstance(node, ast.Name))]:
        if isinstance(node, ast.Constant):
            continue
        try:
            value = eval(ast.unparse(node), frame.f_globals, frame.f_locals)
        except Exception:  # names that live only inside the condition
            continue
        text = _number(value)
        if text:
            found[ast.unparse(node)] = text
    return found


def _number(value: Any) -> str:
    """A number, or some of them, in six digits; nothing for everything else."""
    if isinstance(value, Tensor) and value.numel() <= 8:
        value = value.tolist()
    if isinstance(value, list | tuple) and len(value) <= 8:
        texts = [_number(v) for v in value]
        return f"[{', '.join(texts)}]" if all(texts) else ""
    if isinstance(value, dict) and len(value) <= 8:
        texts = [f"{k!r}: {_number(v)}" for k, v in value.items() if _number(v)]
        return f"{{{', '.join(texts)}}}" if texts else ""
    return f"{value:.6g}" if isinstance(value, int | float) else ""
