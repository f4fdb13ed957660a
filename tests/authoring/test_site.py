"""What the pages of the site are made of; tests/browser/test_site.py opens them."""

import base64
import gzip
import json
import re

import numpy as np
import pytest
import torch
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from authoring.build import ROOT, WIDGET_VIEW
from authoring.site import docstrings, executed, frame, pages, places, views
from lwlr_teach.teaching import recall
from lwlr_teach.teaching.course import COURSE
from lwlr_teach.views import Microscope, SurfaceView
from lwlr_teach.views.kit.base import VIEWS, pack_float32, pack_uint16
from lwlr_teach.views.prediction.view import PredictionView
from tests.javascript import run_node

PNG = base64.b64encode((ROOT / "docs" / "surface-view.png").read_bytes()).decode()


def unpacked(file):
    return gzip.decompress(file.read_bytes())


@pytest.fixture
def folders(tmp_path):
    views.copy_modules(tmp_path / "code")
    (tmp_path / "01").mkdir()
    return tmp_path / "01", tmp_path / "code"


@pytest.mark.parametrize("kind", ["surface", "microscope"])
def test_a_view_with_programs_has_a_module_with_them_beside_that_without(kind, folders):
    view = SurfaceView("quadratic", ["SGD"]) if kind == "surface" else Microscope(["Adam"])
    written = views.write(views.kept(view), *folders)
    text = (folders[1] / "lwlr_teach" / "views" / written.module).read_text("utf-8")
    source = (VIEWS / written.view / "view.js").read_text("utf-8")
    assert written.module.startswith(f"{written.view}/")
    assert text != source
    assert text.count("\n") >= source.count("\n")
    imports = re.findall(r'from "(.*?)"', text)
    assert imports
    for place in imports:
        assert (folders[1] / "lwlr_teach" / "views" / written.view / place).is_file()
    program = str(view._esm)[len(views._modules()[written.view][0]) :][:200]
    assert program in text


def test_a_view_without_programs_has_the_module_of_all(folders):
    written = views.write(views.kept(PredictionView("choice", "Which?", options=["a", "b"])), *folders)
    assert (written.view, written.module) == ("prediction", "")
    state = json.loads(unpacked(folders[0] / written.state))
    assert state["traits"]["plan"]["question"] == "Which?"
    assert not [name for name in state["traits"] if name.startswith("_")]


def test_a_widget_of_others_is_refused():
    state = {"a": {"model_name": "FloatSliderModel", "state": {"value": 1.0}}}
    notebook = new_notebook(metadata={"widgets": {views.STATE: {"state": state}}})
    with pytest.raises(ValueError, match="our own views only, not FloatSliderModel"):
        views.states(notebook)


SMOOTH = np.linspace(0, 3, 5000)


@pytest.mark.parametrize(
    ("data", "way"),
    [
        (b"abc" * 40 + b"d", 1),
        (pack_uint16(torch.from_numpy(SMOOTH), 0, 4), 2),
        (pack_float32(torch.from_numpy(np.sin(1e3 * SMOOTH) + 2)), 4),
        (b"", 1),
    ],
)
def test_bytes_are_sent_as_they_pack_best_and_the_page_has_them_back(data, way, tmp_path):
    coded, used = views._smallest(data)
    assert used == way
    assert len(coded) == len(data)
    host = (views.HERE / "host.js").read_text("utf-8")
    (unfolded,) = re.findall(r"^function unfolded.*?^}", host, re.MULTILINE | re.DOTALL)
    script = f"""{unfolded}
const all = unfolded(Uint8Array.from(Buffer.from("{base64.b64encode(coded).decode()}", "base64")), {used});
console.log(Buffer.from(all.buffer).toString("base64"));"""
    assert base64.b64decode(run_node("--input-type=module", "-", script=script)) == data


def test_views_of_the_same_data_share_a_file(folders):
    def kept(title):
        return {"view": "chart", "programs": None, "state": {"t": title}, "bytes": {"numbers": "AAEC"}}

    files = [json.loads(unpacked(folders[0] / views.write(kept(t), *folders).state))["file"] for t in "ab"]
    assert files[0] == files[1]
    assert unpacked(folders[0] / files[0]) == b"\0\1\2"


def page_of(folders, *cells):
    view = views.kept(PredictionView("choice", "Which?", options=["a", "b"]))
    notebook = new_notebook(cells=list(cells), metadata={"widgets": {"m": view}})
    return pages.page("01-learning-rate", notebook, *folders)


def shown(words, **data):
    return new_output("execute_result", {"text/plain": words} | data, metadata={})


def test_a_page_has_texts_code_and_outputs_in_their_order_and_says_where_the_code_can_be_run(folders):
    said = new_output("stream", name="stdout", text="3 < 4 & more")
    text = page_of(
        folders,
        new_markdown_cell("# 1 · Title"),
        new_code_cell("begin('01')\nimport torch"),
        new_code_cell("print(x)", outputs=[said]),
        new_code_cell("SomeView()", outputs=[shown("Words & a <sign>.", **{"image/png": PNG})]),
    )
    order = ["# 1 · Title", places.binder("01-learning-rate"), "import torch", "print(x)"]
    order += ["3 &lt; 4 &amp; more", "SomeView()", 'alt="Words &amp; a &lt;sign&gt;."']
    assert [text.index(part) for part in order] == sorted(text.index(part) for part in order)
    assert places.colab("01-learning-rate") in text
    assert (folders[0] / "1.png").read_bytes() == base64.b64decode(PNG)


def test_what_answers_is_folded_with_its_code_and_the_picture_of_a_view_stays(folders):
    live = {WIDGET_VIEW: {"model_id": "m"}, "image/png": PNG}
    answers = new_code_cell("guess.reveal('a')", metadata={"jupyter": {"source_hidden": True}})
    answers.outputs = [new_output("stream", name="stdout", text="It is a."), shown("Which? a.", **live)]
    text = page_of(
        folders, new_markdown_cell("# T"), new_code_cell("guess", outputs=[shown("Which?", **live)]), answers
    )
    asked, _, folded = text.partition('<details class="lwlr-answer">')
    assert 'data-view="prediction"' in asked
    assert "It is a." not in asked
    for part in ("It is a.", "<img ", 'data-view="prediction"', "guess.reveal('a')"):
        assert part in folded
    assert len(set(re.findall(r'data-state="(.*?)"', text))) == 1  # both places show one view
    assert folded.count("<details") + 1 == folded.count("</details>")


def test_a_question_that_stands_behind_an_answer_is_not_folded_with_it(folders):
    live = {WIDGET_VIEW: {"model_id": "m"}, "image/png": PNG}
    source = "claim('It is a.', True)\nguess = predict_choice('01-b', 'Which?', ['a', 'b'])\nguess"
    cell = new_code_cell(source, metadata={"jupyter": {"source_hidden": True}})
    cell.outputs = [new_output("stream", name="stdout", text="It is a."), shown("Which?", **live)]
    folded, _, behind = page_of(folders, new_markdown_cell("# T"), cell).rpartition("</details>")
    assert "It is a." in folded
    assert "lwlr-live" not in folded
    assert 'data-view="prediction"' in behind


@pytest.mark.parametrize(("text", "is_table"), [("Adam  0.1\nSGD   0.3", True), ("Adam ends at 0.1.", False)])
def test_a_printed_table_keeps_its_lines(text, is_table, folders):
    said = new_output("stream", name="stdout", text=text)
    page = page_of(folders, new_markdown_cell("# T"), new_code_cell("print(x)", outputs=[said]))
    assert ("lwlr-columns" in page) == is_table


@pytest.mark.parametrize(
    ("name", "asked"), [("05-adagrad", "04-finding-a-rate"), ("02-momentum", "01-learning-rate")]
)
def test_a_page_asks_about_the_lesson_before_it(name, asked, tmp_path, monkeypatch):
    (tmp_path / "progress.json").write_text(json.dumps(executed.record_before(name)), "utf-8")
    monkeypatch.setenv("LWLR_PROGRESS", str(tmp_path / "progress.json"))
    assert {question.lesson for question in recall(name).questions} == {asked}


def test_an_exercise_says_where_it_is_checked_and_an_example_does_not(folders):
    cells = [new_code_cell("check('01-step', lambda p: p)"), new_code_cell("check('01-step', step)")]
    before, _, after = page_of(folders, new_markdown_cell("# T"), *cells).partition("check('01-step', step)")
    assert "have it checked" not in before
    assert "have it checked" in after


def test_the_first_page_lists_the_lessons_that_are_made_and_leads_to_every_page():
    names = ["00-start-here", "03b-warm-up"]
    text = frame.first(names, "PLAYGROUND")
    assert re.findall(r"\(lessons/([\w-]+)\.md\) \|", text) == names
    assert "PLAYGROUND" in text
    trees = re.findall(r"^(?:lessons|api)/[\w-]+$", text, re.MULTILINE)
    assert trees == [*(f"lessons/{name}" for name in names), *(f"api/{room}" for room in frame.ROOMS)]
    whole = frame.first(["00-start-here", *(lesson.name for lesson in COURSE)], "")
    assert all(f"lessons/{lesson.name}\n" in whole for lesson in COURSE)


def test_every_room_that_offers_something_has_a_page_of_it():
    rooms = {path.stem for path in (ROOT / "lwlr_teach").iterdir() if not path.stem.startswith("_")}
    assert set(frame.ROOMS) == rooms - {"core", "command", "py"}  # the words of all, the command, py.typed
    text = frame.reference("optim")
    assert ".. automodule:: lwlr_teach.optim.adam\n   :members: Adam\n" in text
    assert "   :members: METHODS, Method, method\n" in text  # a value, too, stands where it is defined


def test_links_of_the_repository_lead_to_its_pages():
    text = "[a](teaching.md#x) [b](../README.md) [c](https://x.org) [d](#y) [e](../lessons/02-momentum.ipynb)"
    assert frame.linked(text, frame.Path("docs"), {"docs/teaching.md": "teaching"}) == (
        f"[a](teaching.md#x) [b]({places.source('README.md')}) [c](https://x.org) [d](#y) "
        "[e](lessons/02-momentum.md)"
    )


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (
            ["Text.", "", "    m = f()", "", "    d = m", "", "More."],
            ["Text.", "", "::", "", "    m = f()", "", "    d = m", "", "More."],
        ),
        (["|v| = 1, b* and (a, *b, c)"], [r"\|v\| = 1, b\* and (a, \*b, c)"]),
        (["*Deriving Muon*, **so**, ``a | b*``"], ["*Deriving Muon*, **so**, ``a | b*``"]),
        (["``lr`` (η) ≥ 0, ``gain``²/in, ``a``."], [r"``lr`` (η) ≥ 0, ``gain``\ ²/in, ``a``."]),
        (
            ["Ways:", "- one", "  of them", "- two", "End."],
            ["Ways:", "", "- one", "  of them", "- two", "", "End."],
        ),
        (["Args:", "    x: a number."], ["Args:", "    x: a number."]),
        (["As here::", "", "    x = 1"], ["As here::", "", "    x = 1"]),
    ],
)
def test_docstrings_are_read_as_they_were_meant(lines, wanted):
    assert docstrings.restructured(lines) == wanted


@pytest.mark.parametrize(
    ("block", "wanted"),
    [
        (["d = m̂ / (√v̂ + ε) ,   p ← p − d"], r"{l}d = m̂ / (\sqrt{v̂} + ε) ,\quad p ← p − d"),
        (
            ["r ← √[ (ρ_t − 4)(ρ_t − 2) ] · √(u + ε)"],
            r"{l}r ← \sqrt{ (ρ_t − 4)(ρ_t − 2) } \cdot  \sqrt{u + ε}",
        ),
        (
            ["b ← b*", "u ← RMS(b)    over a row"],
            r"{ll}\mathrlap{b ← b^*} \\ u ←\operatorname{RMS}(b) & \text{over a row}",
        ),
        (["‖p‖ or ‖g‖ is 0"], r"{l}\lVert p\rVert \text{ or }\lVert g\rVert \text{ is }0"),
    ],
)
def test_a_formula_of_a_docstring_is_set(block, wanted):
    assert docstrings.restructured([f"    {line}" for line in block]) == [
        ".. math::",
        "   :class: lwlr-rule",
        "",
        rf"   \begin{{array}}{wanted}\end{{array}}",
        "",
    ]
