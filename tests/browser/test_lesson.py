"""The first lesson in JupyterLab, as a learner opens and runs it; `authoring/opened.py` opens all of them."""

import shutil

import nbformat

from authoring import build

LESSON = build.sources()[0]


def test_a_lesson_has_pictures_before_it_is_run_and_views_after(root, open_notebook):
    path = build.notebook_of(LESSON)
    shutil.copy(path, root)
    notebook = open_notebook(path.name)
    assert notebook.page.locator(".lwlr-view").count() == 0
    assert notebook.page.locator(".jp-OutputArea img[src^='data:image/png']").count() > 0
    notebook.run_all()
    assert notebook.cell_errors() == []
    outputs = [o for c in nbformat.read(path, as_version=4).cells for o in c.get("outputs", [])]
    pictures = sum("image/png" in output.get("data", {}) for output in outputs)
    assert notebook.page.locator(".lwlr-view:not(.lwlr-help, .lwlr-explain)").count() == pictures > 0
    assert notebook.page_errors == []
