"""The microscope: stepping, drawing gradients, and what is read in a panel."""

import pytest

from authoring.lab import write_notebook

CELLS = [
    "from lwlr_teach.views import Microscope",
    "view = Microscope(['Adam', 'Momentum'], gradients='spike', steps=20, at_step=7)\nview",
]


@pytest.fixture
def bare(show):
    return show(*CELLS)


def choose(view, value: str) -> None:
    view.root.locator("select").select_option(value)
    view.settle()


def pictures(view) -> list[str]:
    return [view.picture(name) for name in ("rule-0", "rule-1", "changes")]


def test_the_keys_step_forward_and_back(bare):
    view = bare.view()
    before = pictures(view)
    assert view.sentence().startswith("Step 7 of 20 of a gradient with a spike, gradient 10. ")
    view.press("step", "ArrowRight")
    assert view.sentence().startswith("Step 8 of 20 of a gradient with a spike, gradient 1. ")
    assert all(a != b for a, b in zip(before, pictures(view), strict=True))
    assert view.sentence() == bare.ask("print(view.describe())")
    view.press("step", "ArrowLeft")
    assert pictures(view) == before


def test_a_click_and_a_drag_go_to_a_step(bare):
    view = bare.view()
    box = view.canvas("gradients:not(.lwlr-pad)").bounding_box()
    mouse = bare.page.mouse
    mouse.move(box["x"] + 62, box["y"] + 60)
    mouse.down()
    assert view.sentence().startswith("Step 1 of 20")
    mouse.move(box["x"] + box["width"] - 12, box["y"] + 60, steps=5)
    mouse.up()
    assert view.sentence().startswith("Step 20 of 20")
    changes = view.canvas("changes").bounding_box()
    mouse.click(changes["x"] + 60 + (changes["width"] - 70) / 2, changes["y"] + 60)
    assert view.sentence().startswith("Step 10 of 20")
    assert bare.ask("print(view.step)") == "10"


def test_gradients_drawn_with_mouse_and_keys(bare):
    view = bare.view()
    choose(view, "drawn")
    assert view.canvas("gradients:not(.lwlr-pad)").is_hidden()
    assert (
        "of gradients drawn by hand, gradient 0. Adam at learning rate 0.001: grad 0, m 0, "
        in view.sentence()
    )
    box = view.canvas("pad").bounding_box()
    left, top, width, height = box["x"] + 60, box["y"] + 22, box["width"] - 70, box["height"] - 62
    mouse = bare.page.mouse
    mouse.move(left, top + 2)
    mouse.down()
    mouse.move(left + width, top + height - 2, steps=30)
    mouse.up()
    drawn = eval(bare.ask("print(view.drawn)"))
    assert len(drawn) == 20
    assert 1.8 < drawn[0] <= 2
    assert -2 <= drawn[-1] < -1.8
    assert drawn == sorted(drawn, reverse=True)
    assert view.sentence() == bare.ask("print(view.describe())")
    view.canvas("pad").focus()
    for _ in range(4):
        bare.page.keyboard.press("ArrowUp")
    assert eval(bare.ask("print(view.drawn)"))[-1] == pytest.approx(drawn[-1] + 4 * 0.03 * 4, abs=0.01)
    choose(view, "constant")
    assert view.canvas("pad").is_hidden()
    choose(view, "drawn")
    assert eval(bare.ask("print(view.drawn)"))[0] == drawn[0]


def test_the_pointer_reads_a_value_with_its_line(bare):
    view = bare.view()
    box = view.canvas("rule-1").bounding_box()
    bare.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 26 + 2.5 * 39)
    tip = view.root.locator(".lwlr-tip")
    assert tip.inner_text() == 'buffer = 14.2 buffer = add_times(fresh, momentum, state["momentum_buffer"])'
    view.button("numbers").click()
    table = view.root.locator("table", has_text="Momentum at learning rate 0.001").first
    assert "fresh\t10" in table.inner_text()


def test_what_is_no_number_is_called_so_in_the_picture_too(show):
    bare = show(CELLS[0], "Microscope('Adagrad', gradients='sparse', eps=0.0)")
    view = bare.view()
    box = view.canvas("rule-0").bounding_box()
    bare.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 26 + 3.5 * 39)
    assert view.root.locator(".lwlr-tip").inner_text() == "Δp = no number the parameter is at no number"


def test_each_rule_has_its_own_sliders(bare):
    view = bare.view()
    momentum = view.slider("Momentum lr")
    assert momentum.get_attribute("aria-label") == "Momentum, learning rate"
    adam, other, _ = pictures(view)
    momentum.focus()
    bare.page.keyboard.press("End")
    view.settle()
    assert "Adam at learning rate 0.001: " in view.sentence()
    assert "Momentum at learning rate 1: " in view.sentence()
    assert view.picture("rule-1") != other
    assert view.sentence() == bare.ask("print(view.describe())")
    view.button("reset").click()
    assert pictures(view)[:2] == [adam, other]


def test_in_jupyterlab_its_keys_are_its_own_and_the_kernel_knows(run_again, root):
    rule = (
        "def heavy_ball(grad, state, step, *, momentum=0.9):\n"
        "    buffer = momentum * state['buffer'] + grad\n"
        "    return buffer, {'buffer': buffer}"
    )
    made = "view = Microscope(['Momentum', heavy_ball], gradients='spike', steps=20, at_step=7)\nview"
    write_notebook(root / "microscope.ipynb", CELLS[0], rule, made)
    for notebook in run_again("microscope.ipynb"):
        view = notebook.view()
        view.press("step", "ArrowRight", times=3)
        cell = notebook.active_cell()
        view.press("step", "ArrowDown")
        assert notebook.active_cell() == cell
        assert notebook.ask("print(view.step)") == "9"
        assert view.sentence() == notebook.ask("print(view.describe())")
        assert "heavy_ball at learning rate " in view.sentence()
        assert notebook.ask("print(view.values['heavy_ball']['buffer'])") == notebook.ask(
            "print(view.values['Momentum']['buffer'])"
        )
