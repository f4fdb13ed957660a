"""Reads the lessons and says what is missing: parts, alt texts, links, years, proofs of numbers.

    python authoring/lint.py                  reads every lesson
    python authoring/lint.py 01-learning-rate reads one

It reads the built notebooks, so build first. Each rule is a function here; what it says names the cell,
counted from 0, and what to do. ``ANATOMY`` holds for every lesson but 00, ``FORM`` and ``TEXT`` for all.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import itertools
import re
import statistics
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from authoring import build, cells, guide
from authoring.proof import CARD, YEAR, prose, sentences, unproven_numbers
from lwlr_teach.command import desk

NUMBERS = Path(__file__).parent / "numbers.toml"
MINUTES, WORDS, PREDICTIONS = (30, 70), (1000, 2300), (2, 4)
MEDIAN_LINES, MOST_LINES = 8, 25


@dataclass(frozen=True)
class Lesson:
    """A lesson as its learner sees it, and ``source`` with solutions and teacher's notes, not run."""

    name: str
    notebook: NotebookNode
    source: NotebookNode
    folder: Path = build.LESSONS

    def says(self, cell: int | None, text: str) -> str:
        """A finding, with the place it is about."""
        return f"{self.name}: {text}" if cell is None else f"{self.name}, {self.place(cell)}: {text}"

    def place(self, cell: int) -> str:
        """The number of a cell and how it begins."""
        first = self.notebook.cells[cell].source.strip().partition("\n")[0]
        return f"cell {cell} ({first[:40] + '…' if len(first) > 40 else first})"

    def section(self, pattern: str) -> range | None:
        """The cells from a heading of the second level to the next one; None if there is no such heading."""
        found = [heading for heading in cells.headings(self.notebook) if heading[1] <= 2]
        ends = [place for place, _, _ in found[1:]] + [len(self.notebook.cells)]
        for (start, level, text), end in zip(found, ends, strict=False):
            if level == 2 and re.search(pattern, text):
                return range(start, max(end, start + 1))
        return None

    def calls(self, pattern: str) -> list[tuple[int, ast.Call]]:
        """The calls in all code cells, with their cells."""
        return [
            (i, call)
            for i, cell in cells.code_cells(self.notebook)
            for call in cells.calls(cell.source, pattern)
        ]


def load(source: Path) -> Lesson:
    """The lesson of a source: the built notebook if there is one, otherwise the source as it is."""
    path = build.notebook_of(source)
    notebook = nbformat.read(path, as_version=4) if path.exists() else build.read(source)
    return Lesson(source.stem, notebook, build.read(source, teacher=True), path.parent)


# --- anatomy ------------------------------------------------------------------------------------------------


def card(lesson: Lesson) -> Iterator[str]:
    """The card has all its rows, and minutes within the limits that are the same in the course's list."""
    from lwlr_teach.teaching.course import COURSE

    rows = cells.card(lesson.notebook)
    for row in CARD:
        if not rows.get(row):
            yield lesson.says(0, f"the card has no row | **{row}** | … |; add it")
    minutes = re.search(r"(\d+) minutes", rows.get("Time", ""))
    low, high = MINUTES
    if "Time" in rows and not (minutes and low <= int(minutes[1]) <= high):
        yield lesson.says(
            0, f"write the time as a number of minutes from {low} to {high}, not {rows['Time']!r}"
        )
    for entry in COURSE:
        if entry.name == lesson.name and minutes and int(minutes[1]) != entry.minutes:
            said = f"the card says {minutes[1]} minutes, lwlr_teach/teaching/course.py says {entry.minutes}"
            yield lesson.says(0, f"{said}; make them equal")


def begins(lesson: Lesson) -> Iterator[str]:
    """The first code cell notes that the lesson was opened."""
    first = next(cells.code_cells(lesson.notebook), None)
    opened = cells.calls(first[1].source, "begin") if first else []
    if [cells.text_argument(call) for call in opened] != [lesson.name]:
        yield lesson.says(first[0] if first else None, f'call begin("{lesson.name}") in the first code cell')


def recalls(lesson: Lesson) -> Iterator[str]:
    """Every lesson after the first begins with questions from earlier ones."""
    if lesson.name.startswith("01-"):
        return
    asked, guesses = lesson.calls("recall"), list(guide.asked(lesson.notebook))
    if not asked or cells.text_argument(asked[0][1]) != lesson.name:
        yield lesson.says(None, f'no recall("{lesson.name}"); ask it before the first prediction')
    elif guesses and asked[0][0] > guesses[0][0]:
        yield lesson.says(asked[0][0], "recall comes after the first prediction; move it before")


def predictions(lesson: Lesson) -> Iterator[str]:
    """Two to four predictions, each with a name of its own and revealed in a later cell."""
    asked = list(guide.asked(lesson.notebook))
    low, high = PREDICTIONS
    if not low <= len(asked) <= high:
        yield lesson.says(
            None, f"{len(asked)} predictions; ask {low} to {high} with predict_number, _choice or _curve"
        )
    names = [cells.text_argument(call) or "" for _, _, call in asked]
    for (place, variable, _), name in zip(asked, names, strict=True):
        if names.count(name) > 1:
            yield lesson.says(place, f"two predictions are called {name!r}; give each a name of its own")
        prefix = f"{lesson.name.partition('-')[0]}-"
        if not name.startswith(prefix):
            yield lesson.says(place, f"the prediction is called {name!r}; begin its name with {prefix!r}")
        if not variable:
            yield lesson.says(place, f"keep {name!r} in a variable, so that a later cell can reveal it")
        elif guide.revealed(lesson.notebook, variable, place) is None:
            yield lesson.says(place, f"no later cell reveals {name!r}; end one with {variable}.reveal(…)")
    for place, call in lesson.calls("reveal"):
        if len(call.args) < 2 and not any(keyword.arg == "why" for keyword in call.keywords):
            yield lesson.says(
                place, "the answer comes without a reason; give it in a sentence: .reveal(truth, why)"
            )


def teachers_notes(lesson: Lesson) -> Iterator[str]:
    """A note for the teacher follows every prediction: which wrong guesses to expect, and why."""
    for place, _, call in guide.asked(lesson.source):
        if not guide.note_on(lesson.source, place):
            name = cells.text_argument(call)
            text = 'add a markdown cell tagged "teacher" right after it, with the wrong guesses to expect'
            yield lesson.says(None, f"the prediction {name!r} has no note for the teacher; {text}")


def has_view(lesson: Lesson) -> Iterator[str]:
    """There is a live picture."""
    if not lesson.calls(r"\w+View"):
        yield lesson.says(None, "no view; a learner needs a picture to drag (SurfaceView, RatesView, …)")


def has_claims(lesson: Lesson) -> Iterator[str]:
    """Measured sentences are printed by claims."""
    if not lesson.calls("claim"):
        yield lesson.says(None, "no claim; print what was measured with claim(sentence, condition)")


def the_rule(lesson: Lesson) -> Iterator[str]:
    """A section shows the rule, and the same numbers from torch."""
    section = lesson.section("^The rule$")
    if section is None:
        yield lesson.says(
            None, "no section '## The rule'; give the formula, our function and torch's numbers"
        )
        return
    code = [cell.source for i, cell in cells.code_cells(lesson.notebook) if i >= section.start]
    if not any("torch.optim" in source for source in code):
        yield lesson.says(
            section.start, "no cell from here on compares with torch.optim; show the same numbers"
        )


def real_data(lesson: Lesson) -> Iterator[str]:
    """A section shows the method on a real network."""
    section = lesson.section(r"(?i)\breal\b")
    if section is None:
        yield lesson.says(
            None, "no heading of the second level says 'real'; add a section like '## A real network'"
        )
    elif not any(lesson.notebook.cells[i].cell_type == "code" for i in section):
        yield lesson.says(section.start, "nothing is run in this section; train a real network here")


def exercise(lesson: Lesson) -> Iterator[str]:
    """A section asks the learner to write something, and ends with check."""
    section = lesson.section("^Exercise")
    if section is None:
        yield lesson.says(None, "no section '## Exercise'; let the learner write the rule or break it")
    elif not any(place in section for place, _ in lesson.calls("check")):
        yield lesson.says(section.start, 'no check("NAME", answer) in this section; end it with one')


def explanation(lesson: Lesson) -> Iterator[str]:
    """One question is answered in the learner's own words, after the exercise; the bank has it."""
    from lwlr_teach.teaching.bank import EXPLANATIONS

    asked = lesson.calls("explain")
    if len(asked) != 1:
        yield lesson.says(
            None, f"{len(asked)} questions to explain; ask one, with explain(…), before 'What to keep'"
        )
    for place, call in asked:
        found = EXPLANATIONS.get(cells.text_argument(call) or "")
        if found is None or found.lesson != lesson.name:
            yield lesson.says(
                place, "the bank has no such EXPLANATION of this lesson; write it beside its exercises"
            )
        if any(later > place for later, _ in lesson.calls("check")):
            yield lesson.says(place, "explain comes before the last check; move it behind")


def exercises_fit(lesson: Lesson) -> Iterator[str]:
    """Each stub has the signature of its solution and of the bank's, and the solution stays hidden."""
    from lwlr_teach.teaching.bank import EXERCISES

    for cell in lesson.source.cells:
        learners = next((own for own in lesson.notebook.cells if own.id == cell.id), None)
        if cell.cell_type == "code" and learners is not None and cells.STUB in learners.source:
            yield from (lesson.says(None, text) for text in stub_faults(learners.source, cell.source))
    stubs = {
        node.name: [each.arg for each in ast.walk(node.args) if isinstance(each, ast.arg)]
        for _, cell in cells.code_cells(lesson.notebook)
        for node in ast.walk(cells.tree(cell.source))
        if isinstance(node, ast.FunctionDef)
    }
    for place, call in lesson.calls("check"):
        name = cells.text_argument(call) or ""
        answer = call.args[1] if len(call.args) > 1 else None
        if name not in EXERCISES:
            yield lesson.says(
                place, f"the bank has no exercise {name!r}; write it in lwlr_teach/teaching/bank"
            )
        elif isinstance(answer, ast.Name) and answer.id in stubs:
            wanted = list(inspect.signature(EXERCISES[name].answer).parameters)
            if wanted != stubs[answer.id]:
                yield lesson.says(
                    place, f"{answer.id} should take what the bank's answer takes: {', '.join(wanted)}"
                )
    for place, cell in cells.code_cells(lesson.notebook):
        if cells.calls(cell.source, "check") and cells.RIGHT in cells.printed(cell):
            yield lesson.says(
                place, "the learner's notebook holds the solution; mark it with ### BEGIN SOLUTION"
            )


def stub_faults(stub: str, solved: str) -> list[str]:
    """What keeps a stub from being its solution with the insides of functions cut out."""
    try:
        stub_tree, solved_tree = cells.tree(stub), cells.tree(solved)
    except SyntaxError as error:
        return [f"a stub or its solution is not Python: {error}"]
    inside = {id(n) for f in ast.walk(stub_tree) if isinstance(f, ast.FunctionDef) for n in ast.walk(f)}
    if any(isinstance(n, ast.Raise) and id(n) not in inside for n in ast.walk(stub_tree)):
        return ["a solution is marked outside of a function; the learner's notebook would stop there"]
    if _signatures(stub_tree) != _signatures(solved_tree):
        stub, solved = ", ".join(_signatures(stub_tree)), ", ".join(_signatures(solved_tree))
        return [f"the stub is {stub or 'nothing'}, its solution {solved}; mark the body only"]
    return []


def _signatures(module: ast.Module) -> list[str]:
    functions = [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef)]
    return [f"{f.name}({ast.unparse(f.args)})" for f in functions]


def what_to_keep(lesson: Lesson) -> Iterator[str]:
    """The last section keeps three sentences, says where implementations disagree, and names its sources."""
    section = lesson.section("^What to keep$")
    if section is None:
        yield lesson.says(None, "no section '## What to keep'; end the lesson with one")
        return
    if section.stop != len(lesson.notebook.cells):
        yield lesson.says(section.start, "another section follows 'What to keep'; it should be the last")
    text = "\n\n".join(c.source for i in section if (c := lesson.notebook.cells[i]).cell_type == "markdown")
    kept = re.findall(r"^\d+\. (.*)$", text, re.MULTILINE)
    if len(kept) != 3:
        yield lesson.says(section.start, f"{len(kept)} numbered sentences to keep; write exactly three")
    for number, item in enumerate(kept, start=1):
        if len(sentences(item)) > 1:
            yield lesson.says(
                section.start, f"point {number} to keep is {len(sentences(item))} sentences; make it one"
            )
    if not re.search(r"^\*\*Where (libraries|implementations) disagree\b", text, re.MULTILINE):
        yield lesson.says(
            section.start, "no paragraph '**Where libraries disagree.** …'; say it, even if they do not"
        )
    if not _sources(text):
        yield lesson.says(section.start, "no paragraph '**Sources.** …'; name them, each with its year")


# --- form ---------------------------------------------------------------------------------------------------


def code_length(lesson: Lesson) -> Iterator[str]:
    """Code cells are short: the training and the drawing live in the package."""
    lengths = {i: len(cell.source.splitlines()) for i, cell in cells.code_cells(lesson.notebook)}
    for place, length in lengths.items():
        if length > MOST_LINES:
            yield lesson.says(
                place, f"{length} lines of code; at most {MOST_LINES}: move some into the package"
            )
    if lengths and (median := statistics.median(lengths.values())) > MEDIAN_LINES:
        yield lesson.says(
            None,
            f"the median code cell has {median:g} lines; at most {MEDIAN_LINES}: {list(lengths.values())}",
        )


def heading_order(lesson: Lesson) -> Iterator[str]:
    """One title, in the first cell; no level is skipped; no two headings share an anchor."""
    found = cells.headings(lesson.notebook)
    titles = [(place, text) for place, level, text in found if level == 1]
    if not titles or titles[0][0] != 0:
        yield lesson.says(0, "the first cell has no title; begin it with '# N · Question?'")
    for place, text in titles[1:]:
        yield lesson.says(place, f"a second title, {text!r}; make it '## {text}'")
    for (_, above, _), (place, level, text) in itertools.pairwise(found):
        if level > above + 1:
            yield lesson.says(
                place, f"{text!r} is on level {level} below level {above}; use {'#' * (above + 1)}"
            )
    texts = [text for _, _, text in found]
    for place, _, text in found:
        if not text:
            yield lesson.says(place, "a heading without words; give it some")
        elif texts.count(text) > 1:
            yield lesson.says(
                place, f"two headings say {text!r}; a link could reach only one, reword the other"
            )


def alt_texts(lesson: Lesson) -> Iterator[str]:
    """Every picture says in words what it shows, and every view left a picture."""
    for place, cell in cells.markdown_cells(lesson.notebook):
        text = cells.without_fences(cell.source)
        for target in re.findall(r"!\[\s*\]\(([^)]*)\)", text):
            yield lesson.says(place, f"the picture {target} has no alt text; write it between ![ and ]")
        for tag in re.findall(r"<img\b[^>]*>", text):
            if not re.search(r"""\balt=(["'])(?!\s*\1)""", tag):
                yield lesson.says(place, f'{tag} has no alt text; give it alt="…"')
    guesses = {variable for _, variable, _ in guide.asked(lesson.notebook) if variable}
    for place, cell in cells.code_cells(lesson.notebook):
        drawn = [(output, kind) for output in cell.outputs for kind in cells.pictures(output)]
        for output, kind in drawn:
            if not output.metadata.get(kind, {}).get("alt"):
                yield lesson.says(
                    place, "its picture has no alt text; show it with a View, which describes itself"
                )
        if cell.execution_count and _shows_view(cell.source, guesses) and not drawn:
            yield lesson.says(
                place, "its view left no picture; a View belongs in the last line of a cell that was run"
            )


def _shows_view(code: str, guesses: set[str]) -> bool:
    """Whether the last line of a cell is a view, a prediction or its result."""
    body = cells.tree(code).body
    last = body[-1].value if body and isinstance(body[-1], ast.Expr) else None
    if isinstance(last, ast.Name):
        return last.id in guesses
    return last is not None and re.fullmatch(r"\w*View|reveal|predict_\w+", cells.called(last)) is not None


def links(lesson: Lesson) -> Iterator[str]:
    """Relative links lead to a file that learners are given, and to a heading in it; all others are https."""
    for place, cell in cells.markdown_cells(lesson.notebook):
        text = re.sub(r"`[^`\n]*`", lambda m: cells.blank(m[0]), cells.without_fences(cell.source))
        for found in re.finditer(
            r"""\]\(<?([^()\s>]*(?:\([^()\s]*\)[^()\s>]*)*)|\b(?:href|src)=["']([^"']*)""", text
        ):
            target = found[1] or found[2] or ""
            if fault := _link_fault(lesson, target):
                yield lesson.says(place, f"the link {target!r} {fault}")
        for bare in re.findall(r"(?<![\w(\"'<])http://[^\s)>]+", text):
            yield lesson.says(place, f"the address {bare} is not https")


def _link_fault(lesson: Lesson, target: str) -> str | None:
    if re.match(r"[a-z][a-z+.-]*:", target):
        return None if target.startswith("https://") else "is not https"
    name, _, anchor = target.partition("#")
    path = lesson.folder / name
    if not target or (name and (name not in desk.names(lesson.folder) or not path.is_file())):
        return "leads nowhere in a learner's copy; link to a lesson, README.md or an https address"
    if not anchor:
        return None
    if path.suffix == ".md":
        titles = re.findall(r"^#+ (.*)$", cells.without_fences(path.read_text("utf-8")), re.MULTILINE)
        known = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]
    else:
        notebook = nbformat.read(path, as_version=4) if name else lesson.notebook
        known = [title.replace(" ", "-") for _, _, title in cells.headings(notebook)]
    return None if anchor in known else f"names no heading; there are {', '.join('#' + k for k in known)}"


def years(lesson: Lesson) -> Iterator[str]:
    """Each source has a year, in the list of sources and where it is cited."""
    for place, cell in cells.markdown_cells(lesson.notebook):
        for entry in _sources(cell.source):
            if not re.search(rf"\b{YEAR}\b", entry):
                yield lesson.says(place, f"the source {entry!r} has no year; add it as in 'Goh (2017), …'")
        for cited in re.finditer(r"\b(\w[\w'’-]*) et al\.(?!,? \(?(?:19|20)\d\d)", cell.source):
            yield lesson.says(place, f"{cited[0]!r} is cited without a year")


def _sources(text: str) -> list[str]:
    """The entries of a paragraph that begins with **Sources**, or of the list that follows it."""
    found = re.search(r"^\*\*Sources?\.?\*\*\.?(.*)", text, re.MULTILINE | re.DOTALL)
    if not found:
        return []
    lines = [line.strip().removeprefix("- ").removeprefix("* ") for line in found[1].splitlines()]
    return [entry for line in lines if line for entry in sentences(line)]


# --- text ---------------------------------------------------------------------------------------------------


def prose_length(lesson: Lesson) -> Iterator[str]:
    """The prose, without card and formulas, is within its limits."""
    words = sum(
        len(re.findall(r"\S*\w\S*", prose(cell.source))) for _, cell in cells.markdown_cells(lesson.notebook)
    )
    low, high = WORDS
    if lesson.name.startswith("00-"):
        low = 0
    if not low <= words <= high:
        yield lesson.says(None, f"{words:,} words of prose; write {low:,} to {high:,}")


def numbers(lesson: Lesson, baseline: dict[str, dict[str, str]] | None = None) -> Iterator[str]:
    """Every number is accounted for or in the baseline, with its reason; the baseline holds no others."""
    known = (read_baseline() if baseline is None else baseline).get(lesson.name, {})
    found = unproven_numbers(lesson.notebook)
    for place, number, sentence in found:
        if number not in known:
            yield lesson.says(
                place,
                f"no cell printed {number}: {sentence!r}; say it in a claim, cite a source with its year, "
                f"or give a reason in {NUMBERS.name}",
            )
    for number, reason in known.items():
        if number not in {each.number for each in found}:
            yield lesson.says(
                None, f"{NUMBERS.name} lists {number}, which needs no reason any more; delete the line"
            )
        if not reason.strip() or "\n" in reason:
            yield lesson.says(None, f"{NUMBERS.name} lists {number} without a reason of one line")


def read_baseline() -> dict[str, dict[str, str]]:
    """The numbers that stand in the prose for a reason, by lesson."""
    return tomllib.loads(NUMBERS.read_text("utf-8"))


ANATOMY: tuple[Callable[[Lesson], Iterator[str]], ...] = (
    card,
    begins,
    recalls,
    predictions,
    teachers_notes,
    has_view,
    has_claims,
    the_rule,
    real_data,
    exercise,
    explanation,
    what_to_keep,
)
FORM = (exercises_fit, code_length, heading_order, alt_texts, links, years)
TEXT = (prose_length, numbers)


def lint(lesson: Lesson) -> list[str]:
    """Everything that the rules find in a lesson."""
    anatomy = () if lesson.name.startswith("00-") else ANATOMY
    return [finding for rule in (*anatomy, *FORM, *TEXT) for finding in rule(lesson)]


def strangers(names: Iterable[str]) -> list[str]:
    """The lessons in the baseline that do not exist."""
    return [
        f"{NUMBERS.name} lists {name}, which is no lesson" for name in read_baseline() if name not in names
    ]


def main() -> int:
    """Lint the lessons named on the command line, all of them by default."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="lessons, by name; all by default")
    chosen = parser.parse_args().names
    known = {source.stem: source for source in build.sources()}
    unknown = [name for name in chosen if name not in known]
    if unknown:
        parser.error(f"no lesson is called {', '.join(unknown)}; there are {', '.join(known)}")
    findings = strangers(known)
    for source in (known[name] for name in chosen or known):
        findings += [f"{problem}; run make lessons" for problem in build.differences(source)[:1]]
        findings += lint(load(source))
    print("\n".join(findings) or "nothing is missing")
    return bool(findings)


if __name__ == "__main__":
    sys.exit(main())
