"""The notebooks are their sources, run from top to bottom. What their cells print is checked by nbval."""

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_notebook, new_output

from authoring import build, cells, contents, grading, guide, lint, plan
from lwlr_teach.teaching import check
from lwlr_teach.teaching.course import COURSE

SOURCES = build.sources()
CONFTEST = build.LESSONS / "conftest.py"
LESSONS = ["00-start-here", *(lesson.name for lesson in COURSE if lesson.ready)]


def test_the_lessons_are_these():
    assert [source.stem for source in SOURCES] == LESSONS
    assert sorted(path.stem for path in build.LESSONS.glob("*.ipynb")) == LESSONS
    assert contents.differences(build.LESSONS) == []


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.stem)
def test_the_notebook_is_its_source(source):
    assert build.differences(source) == []


def test_what_answers_a_prediction_is_folded_and_its_first_line_tells_nothing(tmp_path):
    source = tmp_path / "x.py"
    asks = "a = predict_choice('a', '?', ['b', 'c'])"
    measured = ["claim('2 is even', True)", "a.reveal('b')", "claim('right behind it', True)"]
    text = " [markdown]\n# This is what it was."
    code = [
        "claim('free', True)",
        asks,
        *measured,
        text,
        "claim('free again', True)",
        "CurvesView({})",
        "claim('it falls', True)",
        text,
        "claim('1', 1)",
    ]
    codes = [part if part is text else f"\n{part}" for part in code]
    source.write_text("".join(f"# %%{code}\n" for code in codes), "utf-8")
    folded = [cell.source for cell in build.read(source).cells if "jupyter" in cell.metadata]
    assert folded == [f"{cells.FOLDED}\n{code[i]}" for i in (2, 3, 4, 8)]
    assert not any("jupyter" in cell.metadata for cell in build.read(source, teacher=True).cells)


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.stem)
def test_every_picture_has_a_png_and_words_and_no_widget_state(source):
    notebook = nbformat.read(build.notebook_of(source), as_version=4)
    nbformat.validate(notebook)
    assert "widgets" not in notebook.metadata
    outputs = [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs]
    assert outputs
    assert not any(build.WIDGET_VIEW in o.get("data", {}) for o in outputs)
    views = [c for c in notebook.cells if c.cell_type == "code" and "View(" in c.source.splitlines()[-1]]
    assert views
    for cell in views:
        (output,) = [o for o in cell.outputs if o.output_type != "stream"]  # beside a word to the learner
        assert output.data["image/png"]
        assert output.metadata["image/png"]["alt"] == output.data["text/plain"]
    assert build.notebook_of(source).stat().st_size < 500_000


@pytest.mark.parametrize("name", LESSONS)
def test_the_lint_finds_nothing(name):
    assert lint.lint(lint.load(build.LESSONS / "src" / f"{name}.py")) == []


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.stem)
def test_the_stubs_fit_their_solutions_and_the_bank(source):
    given = lint.Lesson(source.stem, build.read(source), build.read(source, teacher=True))
    assert list(lint.exercises_fit(given)) == []


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.stem)
def test_the_solutions_are_right(source, tmp_path, monkeypatch):
    """nbval runs the whole lesson. An answer needs the imports and nothing else."""
    monkeypatch.setenv("LWLR_PROGRESS", str(tmp_path / "progress.json"))
    imports, *rest = cells.code_cells(build.read(source, teacher=True))
    checked = [cell for _, cell in rest if cells.calls(cell.source, "check")]
    assert checked
    room = {}
    for cell in [imports[1], *checked]:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(cell.source, room)
        cell.outputs = [new_output("stream", text=printed.getvalue())]
    assert guide.unsolved(new_notebook(cells=checked)) == []


def _source(folder, monkeypatch, text):
    """A source in a folder of its own, which takes the place of ``lessons``."""
    (folder / "src").mkdir()
    source = folder / "src" / "small.py"
    source.write_text(text, encoding="utf-8")
    monkeypatch.setattr(build, "LESSONS", folder)
    return source


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with a small lesson, built."""
    folder = tmp_path_factory.mktemp("built")
    with pytest.MonkeyPatch.context() as monkeypatch:
        text = "# %% [markdown]\n# # Title\n\n# %%\nx = 1 + 1\nprint(x)\n\n# %%\nx\n"
        build.build(_source(folder, monkeypatch, text))
    (folder / "README.md").write_text("<!-- lessons -->\n\n<!-- end of lessons -->\n", encoding="utf-8")
    contents.write(folder)
    return folder


@pytest.fixture
def lesson(built, tmp_path, monkeypatch):
    """The source of that lesson, in a folder of its own."""
    shutil.copytree(built, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(build, "LESSONS", tmp_path)
    return tmp_path / "src" / "small.py"


def test_a_built_lesson_has_no_differences(lesson):
    assert build.differences(lesson) == []


def _edit(lesson, change):
    path = build.notebook_of(lesson)
    notebook = nbformat.read(path, as_version=4)
    change(notebook)
    nbformat.write(notebook, path)


def prints(notebook, text):
    notebook.cells[1].outputs = [new_output("stream", name="stdout", text=text)]


@pytest.mark.parametrize(
    "text", ["1/2 and 3/4/5", "https://example.org/a/b", "lessons/src/x.py", "0xff", "/"]
)
def test_what_every_machine_prints_is_no_fault(lesson, text):
    _edit(lesson, lambda notebook: prints(notebook, text))
    assert build.differences(lesson) == []


@pytest.mark.parametrize(
    "code", ["begin('01-x')", "x = 1", "fit(model, sgd)", "def f():\n    return 1", "", "a.b()"]
)
def test_a_cell_that_may_be_silent_needs_no_output(code):
    assert not cells.shows(code)


@pytest.mark.parametrize(
    "code", ["x", "x + 1", "View(x)", "claim('a', True)", "p.reveal(1)", "for i in a:\n    print(i)"]
)
def test_a_cell_that_shows_something_needs_an_output(code):
    assert cells.shows(code)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (lambda n: n.cells[1].update(source="x = 3\nprint(x)"), "cell 1 of small.ipynb is not its source's"),
        (lambda n: n.cells[0].update(source="# Other"), "cell 0"),
        (lambda n: n.cells[2].metadata.update(tags=["nbval-skip"]), "cell 2"),
        (lambda n: n.cells.pop(), "has 2 cells, its source 3"),
        (lambda n: n.cells[2].update(execution_count=None), "was not run once from top to bottom"),
        (lambda n: n.cells[2].update(execution_count=7), "its cells are numbered [1, 7]"),
        (lambda n: n.cells[1].update(outputs=[]), "cell 1 of small.ipynb has lost its output"),
        (lambda n: n.cells[2].update(outputs=[]), "cell 2 of small.ipynb has lost its output"),
        (
            lambda n: n.cells[2].update(outputs=[new_output("error", ename="KeyError", evalue="'x'")]),
            "cell 2 of small.ipynb stopped with KeyError: 'x'",
        ),
        (lambda n: n.metadata.kernelspec.update(name="julia"), "small.ipynb has the metadata"),
        (lambda n: n.metadata.update(widgets={}), "'widgets': {}"),
        (lambda n: prints(n, "in /home/me/lessons/x.py"), "another machine will not: /home/me/lessons/x.py"),
        (lambda n: prints(n, "C:\\Users\\me"), "another machine will not: C:\\Users\\me"),
        (lambda n: prints(n, "<function f at 0x7f12ab34cd56>"), "another machine will not: 0x7f12ab34cd56"),
        (
            lambda n: n.cells[2].update(outputs=[new_output("display_data", {"text/html": "'/tmp/a/b'"})]),
            "another machine will not: /tmp/a/b",
        ),
    ],
)
def test_a_notebook_that_is_not_its_source_is_found(lesson, fault, said):
    _edit(lesson, fault)
    assert any(said in problem for problem in build.differences(lesson))


def test_a_missing_notebook_is_found(lesson):
    build.notebook_of(lesson).unlink()
    assert build.differences(lesson) == ["small.ipynb is missing"]


def test_the_command_checks_and_names_unknown_lessons(lesson, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["build.py", "--check"])
    assert build.main() == 0
    build.notebook_of(lesson).unlink()
    assert build.main() == 1
    assert "small.ipynb is missing" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["build.py", "smal"])
    with pytest.raises(SystemExit):
        build.main()
    assert "no lesson is called smal; there are small" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_checks_the_list_and_each_build_writes_it(lesson, monkeypatch, capsys):
    monkeypatch.setattr(contents, "COURSE", COURSE[:3])
    monkeypatch.setattr("sys.argv", ["build.py", "--check", "small"])
    assert build.main() == 1
    assert "the list in README.md is not that of lwlr_teach/teaching/course.py" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["build.py", "small"])
    assert build.main() == 0
    assert contents.differences(build.LESSONS) == []


# --- the learner's and the teacher's version ----------------------------------------------------------------

EXERCISE = """\
# %% [markdown]
# # Title
#
# | | |
# |---|---|
# | **Time** | 40 minutes |

# %% [markdown] tags=["teacher"]
# Bring a ball.

# %%
from lwlr_teach.teaching import check, claim, predict_number
from lwlr_teach.teaching.progress import progress_file, read_progress

# %%
guess = predict_number("small-steps", "How many?", [1, 2, 3], within=1)
guess

# %% [markdown] tags=["teacher"]
# Many say 3.

# %%
for steps in (2, 4):
    claim(f"It took {steps} steps | or so.", steps < 5 or steps | 1)
guess.reveal(2)

# %%
def step(p, g, lr):
    ### BEGIN SOLUTION
    return p - lr * g
    ### END SOLUTION


check("01-step", step)

# %%
print(len(read_progress()["exercises"]), progress_file().parent.name != "learner")

# %%
from lwlr_teach.views import SurfaceView

SurfaceView("ravine", ["SGD"], lr=[0.01, 0.1], steps=9)
"""


@pytest.fixture
def exercise(tmp_path, monkeypatch):
    """The source of a small lesson with a note, a prediction and an exercise."""
    return _source(tmp_path, monkeypatch, EXERCISE)


def _printed(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return "\n".join(cells.printed(cell) for _, cell in cells.code_cells(notebook))


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    """The learner's notebook of that lesson and the teacher's, with the guide beside it."""
    folder = tmp_path_factory.mktemp("versions")
    with pytest.MonkeyPatch.context() as monkeypatch:
        source = _source(folder, monkeypatch, EXERCISE)
        build.build(source)
        assert build.differences(source) == []
        build.build_teachers([source], folder / "pack")
    return folder / "small.ipynb", folder / "pack" / "small.ipynb"


@pytest.mark.slow
def test_the_teachers_pack_has_a_source_for_nbgrader(versions):
    path = versions[1].parent / "source" / "small" / "small.ipynb"
    assert "BEGIN HIDDEN TESTS" in path.read_text("utf-8")
    assert "Bring a ball" not in path.read_text("utf-8")


@pytest.mark.slow
def test_the_learner_gets_a_stub_and_the_teacher_the_solution(versions):
    learners, teachers = versions
    assert cells.MISSING in _printed(learners)
    assert cells.RIGHT in _printed(teachers)
    for word, place in [("lr * g", teachers), ("Bring a ball", teachers), ("your code here", learners)]:
        assert {path for path in versions if word in path.read_text("utf-8")} == {place}
    assert not any("### " in path.read_text("utf-8") for path in versions)


@pytest.mark.slow
def test_the_guide_says_what_a_teacher_needs(versions):
    text = (versions[1].parent / "guide.md").read_text("utf-8")
    for line in [
        "| small | 40 minutes |",
        "| 0–40 | Title | 12 words, guess, picture, exercise `01-step` |",
        "*Title*: Bring a ball.",
        "1. **How many?**",
        "   - Measured: 2.",
        "   - answers: `[1, 2, 3]`",
        "   - Expect: Many say 3.",
        "| It took 2 steps \\| or so. | `steps < 5 or steps \\| 1` |",
        "| It took 4 steps \\| or so. | `steps < 5 or steps \\| 1` |",
        "    return p - lr * g",
        "- This goes uphill: the step is along the gradient. Downhill is minus.",
    ]:
        assert line in text.splitlines()
    assert text.count("Many say 3.") == text.count("Bring a ball.") == 1


@pytest.mark.parametrize("source", build.sources(), ids=lambda source: source.stem)
def test_the_plan_gives_each_section_its_minutes_and_keeps_the_time_of_the_card(source):
    notebook = build.read(source, teacher=True)
    rows = re.findall(r"^\| (\d+)–(\d+) \| (.+?) \| \d+ words", plan.plan(notebook), re.MULTILINE)
    begins, ends = ([int(row[column]) for row in rows] for column in (0, 1))
    assert begins == [0, *ends[:-1]]
    assert all(begin < end for begin, end in zip(begins, ends, strict=True))
    assert cells.card(notebook)["Time"].startswith(f"{ends[-1]} minutes")
    assert [row[2] for row in rows] == [text for _, level, text in cells.headings(notebook) if level <= 2]


@pytest.mark.slow
def test_a_wrong_solution_is_no_solution(exercise, tmp_path):
    exercise.write_text(EXERCISE.replace("p - lr * g", "p + lr * g"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"small\.py: the solution of 01-step is not right: ✘ not yet"):
        build.build_teachers([exercise], tmp_path / "pack")


def test_a_bad_mark_is_named_with_its_cell(exercise):
    exercise.write_text(EXERCISE.replace("    ### END SOLUTION\n", ""), encoding="utf-8")
    with pytest.raises(ValueError, match=r"small\.py, cell 6: '### BEGIN SOLUTION' has no partner"):
        build.read(exercise)


@pytest.mark.slow
def test_two_builds_give_the_same_bytes_whatever_progress_their_builder_has(
    versions, exercise, tmp_path, monkeypatch
):
    guess = '"small-steps": {"guess": [0], "confidence": 90}'
    record = f'{{"version": 1, "predictions": {{{guess}}}, "exercises": {{"01-step": {{"passed": true}}}}}}'
    (tmp_path / "learner").mkdir()
    files = [tmp_path / "lwlr-progress.json", tmp_path / "learner" / "progress.json"]
    for file in files:
        file.write_text(record, encoding="utf-8")
    monkeypatch.setenv("LWLR_PROGRESS", str(files[1]))
    build.build(exercise)
    assert build.notebook_of(exercise).read_bytes() == versions[0].read_bytes()
    assert "0 True" in _printed(build.notebook_of(exercise))
    assert [file.read_text("utf-8") for file in files] == [record, record]


LAST_DIGIT = """\
# %%
import torch

square = torch.rand(9, 9, generator=torch.Generator().manual_seed(0))
print(square[0].tolist())

# %%
print((square @ square)[0].tolist())
"""


@pytest.mark.slow
def test_nbval_begins_with_an_empty_record_and_finds_what_another_processor_denies(
    versions, tmp_path, monkeypatch
):
    """As ``make test`` checks the notebooks of a folder."""
    build.build(_source(tmp_path, monkeypatch, LAST_DIGIT))
    shutil.copy(versions[0], tmp_path / "exercise.ipynb")
    shutil.copy(CONFTEST, tmp_path)
    learners = tmp_path / "learner.json"
    record = '{"version": 1, "exercises": {"01-step": {"tries": 3, "passed": true, "hints": 0}}}'
    learners.write_text(record, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", ".", "--nbval", "."]
    result = subprocess.run(
        [*command, "--nbval-current-env", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env=os.environ | {"LWLR_PROGRESS": str(learners)},
        capture_output=True,
        text=True,
    )
    assert re.findall(r"^FAILED (\S+::Cell \d+)", result.stdout, re.MULTILINE) == ["small.ipynb::Cell 1"]
    assert "1 failed, 7 passed" in result.stdout
    assert learners.read_text("utf-8") == record


@pytest.mark.slow
def test_the_command_writes_the_teachers_pack(lesson, tmp_path, monkeypatch):
    build.notebook_of(lesson).unlink()
    default, named = tmp_path / "build" / "teacher", tmp_path / "named"
    monkeypatch.setattr(build, "TEACHERS", default)
    for arguments, folder in [([], default), ([str(named)], named)]:
        monkeypatch.setattr("sys.argv", ["build.py", "--teacher", *arguments])
        assert build.main() == 0
        assert sorted(path.name for path in folder.iterdir()) == ["guide.md", "small.ipynb", "source"]
    assert not build.notebook_of(lesson).exists()
    monkeypatch.setattr("sys.argv", ["build.py", "--teacher", "small"])
    with pytest.raises(SystemExit):
        build.main()


# --- nbgrader's sources -------------------------------------------------------------------------------------

HIDDEN = re.compile(r"### BEGIN HIDDEN TESTS.*?### END HIDDEN TESTS", re.DOTALL)


def _assignment(source):
    notebook = grading.assignment(build._marked(source))
    nbformat.validate(notebook)
    return notebook


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.stem)
def test_nbgrader_finds_what_it_grades_and_no_notes(source):
    """The metadata are those of nbgrader's schema, version 3."""
    notebook = _assignment(source)
    assert not any(cells.is_teachers(cell) for cell in notebook.cells)
    marked = [cell for cell in notebook.cells if "nbgrader" in cell.metadata]
    names = [cell.metadata.nbgrader.grade_id for cell in marked]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[\w-]+", name) for name in names)
    graded = [cell for cell in marked if cell.metadata.nbgrader.grade]
    checked = [n for _, cell in cells.code_cells(build.read(source)) for n in guide._checked(cell)]
    assert [cell.metadata.nbgrader.grade_id for cell in graded] == checked
    for cell in graded:
        assert cell.metadata.nbgrader == {
            "schema_version": 3,
            "grade_id": cell.metadata.nbgrader.grade_id,
            "grade": True,
            "solution": False,
            "locked": True,
            "task": False,
            "points": 1,
        }
    for _, cell in cells.code_cells(
        notebook
    ):  # what nbgrader cuts out must stand in a cell that it may change
        answers = cell.metadata.get("nbgrader", {}).get("solution", False)
        assert cells.has_solution(cell.source) == answers
        assert not (answers and cells.calls(cell.source, "check"))


@pytest.mark.parametrize(
    ("written", "fails"),
    [
        ("return p - lr * g", None),
        ("return p + lr * g", AssertionError),
        ("raise NotImplementedError()", AssertionError),
        ("return None", AssertionError),
        ("import sys; sys.exit()", AssertionError),
    ],
)
def test_a_wrong_answer_fails_the_cell_where_it_is_graded_and_only_there(
    exercise, tmp_path, monkeypatch, capsys, written, fails
):
    monkeypatch.setenv("LWLR_PROGRESS", str(tmp_path / "progress.json"))
    notebook = _assignment(exercise)
    answer, graded = (cell for _, cell in cells.code_cells(notebook) if "nbgrader" in cell.metadata)
    room = {"check": check}
    exec(answer.source.replace("return p - lr * g", written), room)
    exec(HIDDEN.sub("", graded.source), room)  # as the student has it
    with pytest.raises(fails) if fails else contextlib.nullcontext():
        exec(graded.source, room)
    assert (cells.RIGHT in capsys.readouterr().out) == (fails is None)


def test_an_answer_that_is_not_there_fails_the_cell(exercise):
    marked = [cell for _, cell in cells.code_cells(_assignment(exercise)) if "nbgrader" in cell.metadata]
    graded = marked[-1]
    assert graded.metadata.nbgrader.grade_id == "01-step"
    with pytest.raises(NameError):
        exec(graded.source, {"check": check})
