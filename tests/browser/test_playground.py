"""The playground: everything can be chosen, and taken away."""

import json
from urllib.parse import quote

import pytest

from authoring.lab import Notebook, write_notebook

CELLS = ["from lwlr_teach.views import Playground", "view = Playground('ravine', ['SGD', 'Adam'])\nview"]


@pytest.fixture
def bare(show):
    return show(*CELLS)


def choose(view, name, value):
    view.root.locator(f"select[data-name={name}]").select_option(value)
    view.settle()


def test_without_a_kernel_every_choice_acts_at_once(bare):
    view = bare.view()
    seen = {view.sentence(): view.picture("map")}

    def changed():
        view.settle()
        said = view.sentence()
        new = said not in seen and view.picture("map") not in seen.values()
        seen[said] = view.picture("map")
        return new

    choose(view, "schedule", "cosine")
    assert changed()
    choose(view, "clip", "by norm")
    assert changed()
    view.press("limit", "ArrowLeft", times=30)
    assert changed()
    view.press("noise", "ArrowRight", times=20)
    assert changed()
    view.box("Momentum").click()
    assert changed()
    choose(view, "surface", "beale")
    assert changed()
    assert view.sentence().startswith("Beale, cosine rate, clipped by norm, learning rate 0.015, ")
    assert view.sentence() == bare.ask("print(view.describe())")  # only now the kernel hears of it


def test_a_control_is_there_only_while_it_does_something(bare):
    view = bare.view()
    assert not view.slider("limit").is_visible()
    choose(view, "clip", "by value")
    assert view.slider("limit").is_visible()
    assert view.slider("momentum").is_visible()
    view.box("Adam").click()
    view.settle()
    assert not view.slider("momentum").is_visible()  # of SGD alone


def test_the_copied_code_makes_the_same_picture(bare):
    view = bare.view()
    for name, value in [("surface", "rosenbrock"), ("schedule", "one-cycle"), ("clip", "by value")]:
        choose(view, name, value)
    for name, times in [("lr", 9), ("limit", 5), ("noise", 4), ("weight_decay", 3)]:
        view.press(name, "ArrowLeft" if name == "lr" else "ArrowRight", times=times)
    view.root.get_by_text("second start").click()
    view.button("code").click()
    code = view.root.locator("textarea").first.input_value()
    names: dict[str, object] = {}
    head, call = code.split("\n\nSurfaceView(")
    exec(head, names)
    made = eval(f"SurfaceView({call}", names)
    reached = view.sentence().split(", step ")[1]
    assert made.describe().split(", step ")[1] == reached
    assert "From (" in reached
    view.press("lr", "ArrowLeft", times=50)
    assert view.root.locator("textarea").first.input_value() != code  # the text follows


def test_a_link_brings_the_picture_back(bare, show):
    view = bare.view()
    choose(view, "surface", "beale")
    choose(view, "schedule", "linear")
    view.press("lr", "ArrowRight", times=40)
    view.box("Adam").click()
    view.button("link").click()
    said, link = view.sentence(), view.root.locator("textarea").nth(1).input_value()
    again = show(*CELLS, address=link).view()
    assert again.sentence() == said
    again.button("reset").click()
    assert again.sentence().startswith("Ravine, learning rate 0.015, ")


def test_a_link_brings_it_back_in_jupyterlab_which_takes_the_mark_away(browser, address, root):
    write_notebook(root / "play.ipynb", "\n".join(CELLS))
    page = browser.new_page()
    page.goto(f"{address}/lab/tree/play.ipynb#lwlr={quote(json.dumps({'surface': 'rosenbrock'}))}")
    page.wait_for_function("window.jupyterapp?.shell?.currentWidget")
    notebook = Notebook(page, address, "play.ipynb")
    notebook.run_all()
    assert notebook.view().sentence().startswith("Rosenbrock, ")
    assert notebook.ask("print(view.surface)") == "rosenbrock"
    notebook.close()
    page.close()


@pytest.mark.parametrize(
    "told",
    [
        "no JSON",
        "%",
        "[]",
        "null",
        '{"surface": "moon", "lr_index": 9999, "step": -1, "start": [99, 0], "shown": ["SDG"], "more": {}}',
        '{"surface": 1, "lr_index": "3", "start": "here", "second": [1], "every_rate": 2, "more": null}',
    ],
)
def test_a_link_that_somebody_has_spoilt_changes_nothing(show, bare, told):
    assert show(*CELLS, address=f"about:blank#lwlr={told}").view().sentence() == bare.view().sentence()
