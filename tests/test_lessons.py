"""The notebooks are their sources, run from top to bottom. What their cells print is checked by nbval."""

import shutil

import nbformat
import pytest

from lessons import build

SOURCES = build.sources()
LESSONS = ["01-learning-rate"]


def test_the_lessons_are_these():
    assert [source.stem for source in SOURCES] == LESSONS
    assert sorted(path.stem for path in build.LESSONS.glob("*.ipynb")) == LESSONS


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.stem)
def test_the_notebook_is_its_source(source):
    assert build.differences(source) == []


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
        (output,) = cell.outputs
        assert output.data["image/png"]
        assert output.metadata["image/png"]["alt"] == output.data["text/plain"]
    assert build.notebook_of(source).stat().st_size < 500_000


@pytest.fixture
def lesson(tmp_path, monkeypatch):
    """A small lesson, built in a folder of its own."""
    (tmp_path / "src").mkdir()
    source = tmp_path / "src" / "small.py"
    source.write_text(
        "# %% [markdown]\n# # Title\n\n# %%\nx = 1 + 1\nprint(x)\n\n# %%\nx\n", encoding="utf-8"
    )
    monkeypatch.setattr(build, "LESSONS", tmp_path)
    build.build(source)
    return source


def test_a_built_lesson_has_no_differences(lesson):
    assert build.differences(lesson) == []


def _edit(lesson, change):
    path = build.notebook_of(lesson)
    notebook = nbformat.read(path, as_version=4)
    change(notebook)
    nbformat.write(notebook, path)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (lambda n: n.cells[1].update(source="x = 3\nprint(x)"), "cell 1 of small.ipynb is not its source's"),
        (lambda n: n.cells[0].update(source="# Other"), "cell 0"),
        (lambda n: n.cells[2].metadata.update(tags=["nbval-skip"]), "cell 2"),
        (lambda n: n.cells.pop(), "has 2 cells, its source 3"),
        (lambda n: n.cells[2].update(execution_count=None), "was not run once from top to bottom"),
        (lambda n: n.cells[2].update(execution_count=7), "its cells are numbered [1, 7]"),
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
@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.stem)
def test_two_builds_give_the_same_bytes(source, tmp_path, monkeypatch):
    (tmp_path / "src").mkdir()
    copy = shutil.copy(source, tmp_path / "src")
    monkeypatch.setattr(build, "LESSONS", tmp_path)
    copies = []
    for _ in range(2):
        build.build(tmp_path / "src" / source.name)
        copies.append((tmp_path / f"{source.stem}.ipynb").read_bytes())
    assert copies[0] == copies[1], f"{copy} is not built the same twice"
