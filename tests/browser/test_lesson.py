"""The lessons in JupyterLab, as a learner opens them."""

import shutil

import pytest

from authoring import build

SOURCES = build.sources()


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.stem)
def test_a_lesson_runs_and_its_pictures_answer(source, root, open_notebook):
    shutil.copy(build.notebook_of(source), root)
    notebook = open_notebook(f"{source.stem}.ipynb")
    assert notebook.page.locator(".lwlr-view").count() == 0
    assert notebook.page.locator(".jp-OutputArea img[src^='data:image/png']").count() > 0  # before it is run

    notebook.run_all()
    assert notebook.cell_errors() == []
    views = notebook.page.locator(".lwlr-view")
    pictures = 0
    for number in range(views.count()):
        view = notebook.view(number)
        # A race shows the slider of a shared rate only to whoever asks for one.
        names = ("lr", "limit", "shots", "step", "layer-0")
        sliders = (n for n in names if view.slider(n).count() and view.slider(n).is_visible())
        slider = next(sliders, None)
        if slider is None:
            continue  # a prediction, a question: tests/browser/test_teaching.py
        pictures += 1
        first = view.root.locator("canvas[role=img]").first
        before, said = first.evaluate("c => c.toDataURL()"), view.sentence()
        # To another place than it stands at, whatever its length.
        view.press(slider, "Home" if view.position(slider) else "End")
        assert first.evaluate("c => c.toDataURL()") != before
        assert view.sentence() != said
        kernel = notebook.ask("print([v.describe() for v in Out.values() if hasattr(v, 'describe')])")
        assert view.sentence() in kernel
    assert pictures > 0
    assert notebook.page_errors == []
