"""A notebook as a web page: every picture has its words."""

import re
import tomllib
from html.parser import HTMLParser

import nbformat
import pytest
from nbconvert.exporters import HTMLExporter, get_exporter

from lwlr_teach.command.page import PageExporter
from tests.repository import ROOT

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"


class Pictures(HTMLParser):
    """The alt texts of a page's pictures, in their order; None where there is none."""

    def __init__(self, page):
        super().__init__()
        self.alts = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.alts.append(dict(attrs).get("alt"))


def page_of(notebook, exporter=PageExporter):
    return exporter().from_notebook_node(notebook)[0]


def words_of(notebook):
    return [
        output.metadata["image/png"]["alt"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]


def kept(model_id, alt):
    """A notebook with one view, whose widget ``known`` it keeps."""
    data = {VIEW: {"model_id": model_id, "version_major": 2, "version_minor": 0}, "image/png": "iVBO"}
    output = nbformat.v4.new_output("display_data", data, metadata={"image/png": {"alt": alt}})
    state = {"known": {"model_name": "AnyModel", "model_module": "anywidget", "state": {}}}
    return nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("view", outputs=[output])],
        metadata={"widgets": {STATE: {"state": state, "version_major": 2, "version_minor": 0}}},
    )


@pytest.mark.parametrize("name", ["01-learning-rate", "18-clinic"])
def test_every_picture_of_a_lesson_has_its_sentence(name):
    lesson = nbformat.read(ROOT / "lessons" / f"{name}.ipynb", as_version=4)
    words = words_of(lesson)
    assert len(words) > 3
    assert all(words)
    assert Pictures(page_of(lesson)).alts == words


def test_words_that_look_like_html_stay_words():
    alt = '"><script>window.hacked = 1</script>'
    for model_id in ("known", "unknown"):
        page = page_of(kept(model_id, alt))
        assert Pictures(page).alts == [alt]
        assert "<script>window.hacked" not in page


def test_a_picture_stands_beside_a_view_whose_state_is_kept():
    page = page_of(kept("known", "A valley."))
    assert len(re.findall(f'<script type="{re.escape(VIEW)}">', page)) == 1
    assert Pictures(page).alts == ["A valley."]
    assert Pictures(page_of(kept("known", "A valley."), HTMLExporter)).alts == []  # else ours is not needed


def test_a_view_without_a_picture_is_left_as_it_is():
    notebook = kept("known", "")
    del notebook.cells[0].outputs[0].data["image/png"]
    assert Pictures(page_of(notebook)).alts == []


def test_a_picture_of_others_is_given_no_words_of_ours():
    notebook = kept("unknown", "")
    notebook.cells[0].outputs[0].metadata = {}
    assert Pictures(page_of(notebook)).alts == Pictures(page_of(notebook, HTMLExporter)).alts


def test_nbconvert_and_the_menu_of_jupyterlab_find_it_by_its_name():
    """By the entry point, which an installed package has: here the name and the class are compared."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (place,) = project["entry-points"]["nbconvert.exporters"].values()
    assert get_exporter(place.replace(":", ".")) is PageExporter
    assert PageExporter.export_from_notebook
