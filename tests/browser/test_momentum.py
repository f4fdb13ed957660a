"""The momentum view: it says what the kernel computed, and draws it where it belongs."""

import pytest

BALL, AHEAD = [0xE6, 0x9F, 0x00], [0x56, 0xB4, 0xE9]  # the colours of the heavy ball and of Nesterov
SETUP = """
from lwlr_teach.studies import sweep_momentum
from lwlr_teach.views import MomentumView
runs = sweep_momentum()
"""
MAKE = "{name} = MomentumView(runs, at_lr=1.5, at_momentum=0.5)\n{name}"
CELLS = [SETUP, MAKE.format(name="view"), MAKE.format(name="other")]


@pytest.fixture
def bare(show):
    return show(*CELLS[:2])


def choice(view, name):
    return view.root.locator(f'input[type=radio][value="{name}"]')


def put(view, name, value):
    script = (
        "(input, value) => { input.value = value;"
        " for (const kind of ['input', 'change']) input.dispatchEvent(new Event(kind)); }"
    )
    view.slider(name).evaluate(script, value)


def test_the_keyboard_moves_a_slider(bare):
    view = bare.view()
    first = view.sentence()
    view.press("lr", "ArrowRight", times=2)
    view.press("momentum", "End")
    view.press("condition", "Home")
    assert [view.position(name) for name in ("lr", "momentum", "condition")] == [16, 39, 0]
    choice(view, "heavy ball").focus()
    bare.page.keyboard.press("ArrowRight")
    view.settle()
    assert choice(view, "Nesterov").is_checked()
    assert view.sentence().startswith("Nesterov, condition number 10, rate 1.7, momentum 0.975: ")
    assert view.sentence() == bare.ask("print(view.describe())")
    pictures = [view.picture(name) for name in ("map", "cut", "run")]
    view.button("reset").click()
    assert all(
        view.picture(name) != before for name, before in zip(("map", "cut", "run"), pictures, strict=True)
    )
    assert view.sentence() == first
    assert view.sentence() == bare.ask("print(view.describe())")


def test_the_mouse_moves_both_sliders_on_the_map(bare):
    view = bare.view()
    box = view.canvas("map").bounding_box()
    mouse = bare.page.mouse

    def at(rate, momentum):
        width, height = box["width"] - 50, box["height"] - 64 - 42
        return box["x"] + 38 + (rate - 0.05) / 4.1 * width, box["y"] + 64 + (0.9875 - momentum) / 1 * height

    mouse.move(*at(1.0, 0.2))
    assert view.position("lr") == 14  # nothing is pressed yet
    mouse.down()
    mouse.move(*at(3.3, 0.675), steps=5)
    mouse.up()
    view.settle()
    assert "rate 3.3, momentum 0.675:" in view.sentence()
    assert view.sentence() == bare.ask("print(view.describe())")
    mouse.move(*at(2.0, 0.4))
    view.settle()
    assert "rate 3.3" in view.sentence()


def test_the_map_is_read_and_the_cut_is_clicked(bare):
    view = bare.view()
    width, height = view.canvas("map").evaluate("c => [c.clientWidth - 50, c.clientHeight - 64 - 42]")
    view.canvas("map").hover(
        position={"x": 38 + (2.0 - 0.05) / 4.1 * width, "y": 64 + (0.9875 - 0.4) * height}
    )
    view.settle()
    factor = bare.ask("print(f'{view.runs.factors[0, 1, 16, 19]:.4f}')")
    read = view.root.locator(".lwlr-tip").inner_text()
    assert read.startswith(f"rate 2, momentum 0.4: × {factor} a step, ten times closer every ")
    assert view.position("lr") == 14  # reading moves nothing
    width = view.canvas("cut").evaluate("c => c.clientWidth - 56")
    view.canvas("cut").click(position={"x": 42 + (0.6 - 0.05) / 4.1 * width, "y": 60})
    view.settle()
    assert view.sentence() == bare.ask("print(view.describe())")
    assert "rate 0.6, momentum 0.5:" in view.sentence()


def test_the_cells_and_the_marker_are_where_they_belong(bare):
    view = bare.view()
    width, height = view.canvas("map").evaluate("c => [c.clientWidth, c.clientHeight]")
    cell = (width - 50) / 41, (height - 64 - 42) / 40

    def place(r, m):
        return 38 + (r + 0.5) * cell[0], 64 + (39 - m + 0.5) * cell[1]

    bare.ask("import numpy as np; codes = np.frombuffer(view.codes, 'u1').reshape(2, 3, 40, 41)")
    for nesterov in (False, True):
        bare.ask(f"view.nesterov = {nesterov}; view.lr_index, view.momentum_index = 34, 5")
        view.settle()
        seen = 0
        for r, m in [(0, 2), (5, 10), (9, 33), (12, 20), (17, 1), (11, 37)]:
            code = int(bare.ask(f"print(codes[{int(nesterov)}, 1, {m}, {r}])"))
            wanted = bare.ask(f"print(view.plan['colours'][{min(code, 63)}])")
            if code < 64:
                assert view.colour("map", *place(r, m)) == [int(wanted[i : i + 2], 16) for i in (1, 3, 5)]
                seen += 1
        assert seen >= 4
        assert view.colour("map", *place(34, 5)) == (AHEAD if nesterov else BALL)


def test_the_run_is_drawn_at_its_last_measured_distance(bare):
    """The dots lie on what was sent: a run at rate 2 without momentum stays at the distance 1."""
    view = bare.view()
    bare.ask("view.lr_index, view.momentum_index, view.nesterov = 19, 0, False")
    view.settle()
    width, height = view.canvas("run").evaluate("c => [c.clientWidth, c.clientHeight]")
    y = 24 + (height - 62) / 7  # the axis goes from 10 to 1e-6, so that 1 is a seventh below its top
    dots = [view.colour("run", 42 + (width - 56) * step / 200, y) for step in range(0, 200, 2)]
    assert sum(dot == BALL for dot in dots) > 15


def test_a_button_goes_to_the_setting_that_was_measured_fastest(bare):
    view = bare.view()
    for condition in range(3):
        view.press("condition", "Home")
        view.press("condition", "ArrowRight", times=condition)
        view.button("best").click()
        best = "int(view.runs.factors[int(view.nesterov), view.condition_index].min() * 1e9)"
        here = (
            "int(view.runs.factors[int(view.nesterov), view.condition_index, view.momentum_index,"
            " view.lr_index] * 1e9)"
        )
        assert bare.ask(f"print({best})") == bare.ask(f"print({here})")
        assert bare.ask("print(view.condition_index)") == str(condition)
        assert "diverges" not in view.sentence()
