"""Builds the lessons: lessons/src/NAME.py is run and becomes lessons/NAME.ipynb, with its outputs.

    python authoring/build.py                   builds every lesson
    python authoring/build.py 01-learning-rate  builds one
    python authoring/build.py --check           builds nothing; says what is not up to date
    python authoring/build.py --teacher         writes the teacher's pack to build/teacher, or to a folder

A notebook is never edited. It keeps texts and pictures but no widget state, and two builds on one machine
give the same bytes. lessons/NAME.ipynb is the learner's: what its source has from ``### BEGIN SOLUTION`` to
``### END SOLUTION`` is one line there, cells tagged "teacher" are left out, and what answers a prediction,
or claims something behind a picture, is folded. The teacher's pack has all of it. Every build also writes
the list in lessons/README.md, which is the course's.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from authoring import cells, contents, grading, guide
from lwlr_teach.command.desk import PICTURES, TEXT_ASKS
from lwlr_teach.teaching.claims import MODE

ROOT = Path(__file__).parents[1]
LESSONS = ROOT / "lessons"
TEACHERS = ROOT / "build" / "teacher"
NO_BARS = {"TQDM_DISABLE": "1"}
"""For a kernel whose outputs are kept: a bar is for whoever waits."""
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def sources() -> list[Path]:
    """The sources of all lessons, in the order of the course."""
    return sorted((LESSONS / "src").glob("*.py"))


def named(names: list[str], parser: argparse.ArgumentParser) -> list[Path]:
    """The sources of the lessons that a command was given, all if it was given none."""
    known = {source.stem: source for source in sources()}
    unknown = [name for name in names if name not in known]
    if unknown:
        parser.error(f"no lesson is called {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in names or known]


def notebook_of(source: Path) -> Path:
    """Where the notebook of a source belongs."""
    return LESSONS / f"{source.stem}.ipynb"


def read(source: Path, *, teacher: bool = False) -> NotebookNode:
    """The notebook of a source, not run yet: the learner's, or the teacher's with solutions and notes."""
    notebook = _marked(source)
    cut = cells.teacher_code if teacher else cells.student_code
    for number, cell in cells.code_cells(notebook):
        try:
            cell.source = cut(cell.source)
        except ValueError as error:
            raise ValueError(f"{source.name}, cell {number}: {error}") from None
    if not teacher:
        notebook.cells = [cell for cell in notebook.cells if not cells.is_teachers(cell)]
        for cell in _answering(notebook):  # an answer that is read before it is guessed teaches nothing
            cell.metadata["jupyter"] = nbformat.from_dict({"source_hidden": True})
            cell.source = f"{cells.FOLDED}\n{cell.source}"  # JupyterLab shows the first line
    return notebook


def _answering(notebook: NotebookNode) -> Iterator[NotebookNode]:
    """What reveals the answer to a prediction, what claims before that, and what claims behind a picture, a
    question of the text, or another such cell."""
    asked, behind_a_picture, behind_a_question, behind_an_answer = 0, False, False, False
    for cell in notebook.cells:
        if cell.cell_type != "code":
            behind_a_question, behind_an_answer = bool(TEXT_ASKS.search(cell.source)), False
            continue
        asked += len(cells.calls(cell.source, r"predict_\w+"))
        reveals = len(cells.calls(cell.source, "reveal"))
        claims = cells.calls(cell.source, "claim")
        behind = asked or behind_a_picture or behind_a_question or behind_an_answer
        if behind_an_answer := bool(reveals or (claims and behind)):
            yield cell
        asked -= reveals
        behind_a_picture = bool(cells.calls(cell.source, PICTURES))


def _marked(source: Path) -> NotebookNode:
    """The notebook of a source with its notes, and its solutions between their marks."""
    notebook = jupytext.read(source, fmt="py:percent")
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for number, cell in enumerate(notebook.cells):
        cell.id = f"{source.stem}-{number:03d}"
        cell.metadata = nbformat.from_dict(
            {k: cell.metadata[k] for k in ("tags", "jupyter") if k in cell.metadata}
        )
    return notebook


def run(notebook: NotebookNode, *, allow_errors: bool = False, **environment: str) -> None:
    """Run a notebook from top to bottom, and keep what any machine would: no widgets, no versions.

    A claim that does not hold is an error here; ``environment`` are variables for the kernel.
    """
    metadata = notebook.metadata.copy()
    execute(notebook, allow_errors=allow_errors, **environment)
    notebook.metadata = metadata
    for _, cell in cells.code_cells(notebook):
        cell.outputs = _tidy(cell.outputs)


def execute(notebook: NotebookNode, *, allow_errors: bool = False, **environment: str) -> None:
    """Run a notebook as somebody who has never opened a lesson before; with the state of its widgets."""
    client = NotebookClient(
        notebook,
        timeout=300,
        record_timing=False,
        allow_errors=allow_errors,
        resources={"metadata": {"path": str(LESSONS)}},
    )
    with tempfile.TemporaryDirectory() as folder:
        own = {"LWLR_PROGRESS": str(Path(folder) / "progress.json"), MODE: "strict", **NO_BARS}
        asyncio.run(client.async_execute(env=os.environ | own | environment))


def build(source: Path) -> None:
    """Run a source from top to bottom and write the learner's notebook."""
    notebook = read(source)
    run(notebook)
    _write(notebook, notebook_of(source))


def build_teachers(chosen: list[Path], folder: Path) -> None:
    """Write the teacher's pack: each notebook with its solutions, a guide to all, and nbgrader's sources."""
    folder.mkdir(parents=True, exist_ok=True)
    notebooks = {}
    for source in chosen:
        print(f"building {folder / notebook_of(source).name}", flush=True)
        notebook = notebooks[source.stem] = read(source, teacher=True)
        run(notebook)
        problems = guide.unsolved(notebook)
        if problems:
            raise ValueError(f"{source.name}: {'; '.join(problems)}")
        _write(notebook, folder / notebook_of(source).name)
        graded = folder / "source" / source.stem / notebook_of(source).name
        graded.parent.mkdir(parents=True, exist_ok=True)
        _write(grading.assignment(_marked(source)), graded)
    (folder / "guide.md").write_text(guide.guide(notebooks), encoding="utf-8", newline="\n")


def _write(notebook: NotebookNode, path: Path) -> None:
    path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8", newline="\n")


def _tidy(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Drop live widgets, whose ids are random, and join texts, which arrive in pieces of random length."""
    tidy: list[NotebookNode] = []
    for output in outputs:
        if "data" in output:
            output.data.pop(WIDGET_VIEW, None)
        last = tidy[-1] if tidy else None
        if last and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
        else:
            tidy.append(output)
    return tidy


def differences(source: Path) -> list[str]:
    """What keeps a notebook from being its source, run from top to bottom; empty if nothing does."""
    target = notebook_of(source)
    if not target.exists():
        return [f"{target.name} is missing"]
    wanted, found = read(source), nbformat.read(target, as_version=4)
    problems = []
    for number, (want, have) in enumerate(itertools.zip_longest(wanted.cells, found.cells)):
        if want is None or have is None:
            problems.append(f"{target.name} has {len(found.cells)} cells, its source {len(wanted.cells)}")
            break
        if any(want.get(key) != have.get(key) for key in ("id", "cell_type", "source", "metadata")):
            problems.append(f"cell {number} of {target.name} is not its source's")
    counts = [cell.execution_count for cell in found.cells if cell.cell_type == "code"]
    if counts != list(range(1, len(counts) + 1)):
        problems.append(f"{target.name} was not run once from top to bottom: its cells are numbered {counts}")
    if found.metadata != wanted.metadata:
        problems.append(f"{target.name} has the metadata {found.metadata}, its source {wanted.metadata}")
    for number, cell in cells.code_cells(found):
        problems += [f"cell {number} of {target.name} {fault}" for fault in _faults(cell)]
    return problems


# What only one machine prints, or one run: a path, the address of an object.
_OF_ONE_MACHINE = re.compile(r"(?<![\w.~/:])/\w[\w.-]*/[\w./-]+|\b[A-Z]:\\[\w\\]+|\b0x[0-9a-f]{6,}")


def _faults(cell: NotebookNode) -> Iterator[str]:
    """What is wrong with the outputs of a code cell, so far as this can be told without running it."""
    if not cell.outputs and cells.shows(cell.source):
        yield "has lost its output"
    for output in cell.outputs:
        if output.output_type == "error":
            yield f"stopped with {output.ename}: {output.evalue}"
        data = output.get("data", {})
        texts = [output.get("text", ""), *(str(data[kind]) for kind in data if not kind.startswith("image/"))]
        for found in _OF_ONE_MACHINE.findall("\n".join(texts)):
            yield f"prints what another machine will not: {found}"


def main() -> int:
    """Build or check the lessons named on the command line, all of them by default."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="lessons, by name; all by default")
    parser.add_argument("--check", action="store_true", help="only say what is not up to date")
    parser.add_argument(
        "--teacher", nargs="?", const=TEACHERS, type=Path, metavar="FOLDER", help="write the teacher's pack"
    )
    chosen = parser.parse_args()
    wanted = named(chosen.names, parser)
    if chosen.teacher and str(chosen.teacher) in {source.stem for source in sources()}:
        parser.error(f"--teacher {chosen.teacher} names a folder; write the lesson before it")
    if chosen.check:
        problems = [problem for source in wanted for problem in differences(source)]
        problems += contents.differences(LESSONS)
        print("\n".join(problems) or "everything is up to date")
        return bool(problems)
    if chosen.teacher:
        build_teachers(wanted, chosen.teacher)
        return 0
    contents.write(LESSONS)
    for source in wanted:
        print(f"building {notebook_of(source).name}", flush=True)
        build(source)
    return 0


if __name__ == "__main__":
    sys.exit(main())
