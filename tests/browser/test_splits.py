"""The split view: it says what the kernel computed, and draws it where it belongs."""

import pytest

YOURS, WHITE = [0xD5, 0x5E, 0x00], [0xFF, 0xFF, 0xFF]
GIVEN = """
from lwlr_teach.studies.split_training import trained_splits
alone = SplitView(trained_splits('four layers', [0.5, 0.9], steps=4, seeds=3), title='Four layers', at_step=2)
alone
"""
CELLS = [
    "from lwlr_teach.views import SplitView",
    "view = SplitView()\nview",
    "other = SplitView()\nother",
    GIVEN,
]


@pytest.fixture
def bare(show):
    return show(*CELLS[:2])


def radio(view, value):
    return view.root.locator(f'input[type=radio][value="{value}"]')


def width(view):
    return view.root.locator('select[data-name="width"]')


def put(view, name, value):
    script = (
        "(input, value) => { input.value = value;"
        " for (const kind of ['input', 'change']) input.dispatchEvent(new Event(kind)); }"
    )
    view.slider(name).evaluate(script, value)


def test_the_best_splits_are_shown_to_whoever_asks(show):
    view = show(CELLS[0], "SplitView(at_step=1, at_share=0.3, revealed=False)").view()
    pictures = [view.picture(name) for name in ("map", "curve")]
    assert "Best are" not in view.sentence()
    view.button("reveal").click()
    assert "Best are 0% and 100%" in view.sentence()
    assert all(view.picture(name) != before for name, before in zip(("map", "curve"), pictures, strict=True))
    view.button("reveal").click()
    assert [view.picture(name) for name in ("map", "curve")] == pictures


def test_keys_move_the_sliders_and_the_choices(bare):
    view = bare.view()
    first = view.sentence()
    view.press("step", "ArrowRight", times=2)
    view.press("budget", "Home")
    view.press("share", "End")
    assert [view.position(name) for name in ("budget", "step", "share")] == [0, 2, 40]
    radio(view, "2").focus()
    bare.page.keyboard.press("ArrowRight")
    bare.answer()
    view.settle()
    assert "Three layers" in view.sentence()
    assert view.sentence() == bare.ask("print(view.describe())")
    assert "budget 2.5, after step 3: 100% of the budget" in view.sentence()
    pictures = [view.picture(name) for name in ("map", "curve")]
    view.button("reset").click()
    assert all(view.picture(name) != before for name, before in zip(("map", "curve"), pictures, strict=True))
    assert view.sentence() == first
    assert view.sentence() == bare.ask("print(view.describe())")


def test_the_mouse_picks_a_step_and_a_share(bare):
    view = bare.view()
    mouse = bare.page.mouse
    box = view.canvas("map").bounding_box()
    bare.ask("import math")

    def at(step, share):
        low, high = map(
            float, bare.ask("print(*(math.log2(view.plan['edges'][i]) for i in (0, -1)))").split()
        )
        across = (float(bare.ask(f"print(math.log2({step}))")) - low) / (high - low)
        up = (share + 0.0125) / 1.025
        width, height = box["width"] - 58, box["height"] - 66 - 42
        return box["x"] + 44 + across * width, box["y"] + 66 + (1 - up) * height

    mouse.move(*at(64, 0.9))
    assert view.position("step") == 0  # nothing is pressed yet
    mouse.down()
    mouse.move(*at(8, 0.75), steps=5)
    mouse.up()
    view.settle()
    assert "after step 8: 75% of the budget" in view.sentence()
    assert view.sentence() == bare.ask("print(view.describe())")
    mouse.move(*at(2, 0.1))
    view.settle()
    assert "after step 8: 75%" in view.sentence()
    tip = view.root.locator(".lwlr-tip")
    loss = bare.ask("print(f'{view.splits.losses[9, 1, 4]:.5f}')")
    assert tip.inner_text() == f"step 2: 10% gives the loss {loss}"
    mouse.move(*at(128, 0.1))
    assert tip.count() == 0  # nobody was there yet
    box = view.canvas("curve").bounding_box()
    mouse.click(box["x"] + 62 + 0.2 * (box["width"] - 84), box["y"] + 150)
    view.settle()
    assert "after step 8: 20% of the budget" in view.sentence()


def test_a_typed_budget_is_one_of_the_present_network(bare):
    view = bare.view()
    for layers, typed, budget in [("2", "40000", "40,000"), ("3", "40", "40"), ("2", "7,500", "8,000")]:
        radio(view, layers).check()
        bare.ask("")
        value = view.root.locator('[data-value="budget"]')
        value.fill(typed)
        value.press("Tab")
        assert value.input_value() == budget
        assert f"budget {budget}, " in view.sentence()
        assert view.sentence() == bare.ask("print(view.describe())")


def test_the_map_fills_as_one_walks(bare):
    view = bare.view()
    inside = view.canvas("map").evaluate("c => [c.clientWidth - 40, c.clientHeight - 120]")
    paper = view.colour("map", *inside)
    first = view.picture("map")
    view.press("step", "End")
    assert view.colour("map", *inside) != paper
    view.press("step", "Home")
    assert view.colour("map", *inside) != paper
    assert view.picture("map") != first
    view.button("reset").click()
    assert view.picture("map") == first


def test_the_dots_and_the_cells_are_where_they_belong(bare):
    view = bare.view()
    view.press("step", "End")
    view.press("step", "Home")
    across, down = view.canvas("map").evaluate("c => [c.clientWidth - 58, c.clientHeight - 66 - 42]")
    low, high = map(
        float,
        bare.ask("import math; print(*(math.log2(view.plan['edges'][i]) for i in (0, -1)))").split(),
    )

    def place(log2_step, j):
        return 44 + (log2_step - low) / (high - low) * across, 66 + (1 - (j / 40 + 0.0125) / 1.025) * down

    for log2_step, best in [(0, [0, 40]), (1, [20]), (2, [20]), (3, [10, 30])]:
        for j in best:
            assert view.colour("map", *place(log2_step, j)) == WHITE
    assert view.colour("map", *place(0, 12)) == YOURS
    for log2_step, j in [(1, 5), (2, 36), (3, 1), (6, 30), (9, 20)]:
        wanted = bare.ask(
            "import numpy as np; codes = np.frombuffer(view.codes, 'u1').reshape(15, 46, 41);"
            "table = [*view.plan['colours'], '', view.plan['pale']];"
            f"print(table[codes[9, view.splits.steps.index(2 ** {log2_step}), {j}]])"
        )
        x, y = place(log2_step, j)
        off = 3 if j == 20 else 0  # below the dashed line
        assert view.colour("map", x, y + off) == [int(wanted[i : i + 2], 16) for i in (1, 3, 5)]

    # The learner's dot lies on the curve, at the share and the loss that are said.
    f = view.canvas("curve").evaluate("c => [c.clientWidth - 84, c.clientHeight - 66 - 42]")
    loss, least, most = map(
        float, bare.ask("c = view._curve; print(view.loss, c.min().item(), c.max().item())").split()
    )
    room = 0.08 * (most - least)
    up = (loss - least + room) / (most - least + 2 * room)
    assert view.colour("curve", 62 + 0.3 * f[0], 66 + (1 - up) * f[1]) == YOURS


def test_a_map_that_no_mirror_helps(bare):
    """Gaussian networks differ at a share and at its mirror image."""
    view = bare.view()
    bare.ask("view.start = 'gaussian'; view.budget_index = 7; view.step_index = 0")
    view.settle()
    view.press("step", "End")
    view.press("step", "Home")
    across, down = view.canvas("map").evaluate("c => [c.clientWidth - 58, c.clientHeight - 66 - 42]")
    bare.ask(
        "import math, numpy as np; codes = np.frombuffer(view.codes, 'u1').reshape(15, 16, 21);"
        "low, high = (math.log2(view.plan['edges'][i]) for i in (0, 16))"
    )
    low, high = map(float, bare.ask("print(low, high)").split())
    seen = set()
    for log2_step, j in [(1, 3), (1, 17), (2, 2), (2, 19), (3, 5), (3, 14)]:
        code = int(bare.ask(f"print(codes[7, 2 ** {log2_step} - 1, {j}])"))
        assert code < 64
        wanted = bare.ask(f"print(view.plan['colours'][{code}])")
        x = 44 + (log2_step - low) / (high - low) * across
        y = 66 + (1 - (j / 20 + 0.025) / 1.05) * down
        assert view.colour("map", x, y) == [int(wanted[i : i + 2], 16) for i in (1, 3, 5)]
        seen.add(wanted)
    assert len(seen) > 3


def test_play_walks_to_the_last_step_of_the_start(bare):
    view = bare.view()
    radio(view, "gaussian").check()
    bare.answer()
    view.button("play").click()
    bare.page.wait_for_function(
        "input => input.value === '15'", arg=view.slider("step").element_handle(), timeout=15_000
    )
    bare.page.wait_for_function(
        "button => button.textContent.includes('play')", arg=view.button("play").element_handle()
    )
    assert "after step 16:" in view.sentence()
    assert bare.ask("print(view.step)") == "16"
    view.button("play").click()  # again, from the beginning
    view.settle()
    assert view.position("step") < 5
    view.button("play").click()
    assert "play" in view.button("play").inner_text()


def test_a_view_of_given_splits_has_sliders_only(show):
    bare = show(CELLS[0], GIVEN)
    view = bare.view()
    assert view.root.locator("input[type=radio], select").count() == 0
    for step, budget, share in [(0, 0, 3), (3, 1, 20), (2, 1, 7)]:
        for name, at in {"step": step, "budget": budget, "share": share}.items():
            put(view, name, at)
        view.settle()
        assert view.sentence() == bare.ask("print(alone.describe())")
        assert "Alone, the 3 networks are best from" in view.sentence()
    view.button("reset").click()
    view.settle()
    assert view.sentence() == bare.ask("print(alone.describe())")
    assert "Computing" not in view.root.locator(".lwlr-words").inner_text()
