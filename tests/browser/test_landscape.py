"""The landscape view: it can be turned with the pointer, the keys and a button."""

import pytest

SETUP = """
from tests.browser.small import landscape
"""
CELLS = [SETUP, "view = landscape()\nview"]


@pytest.fixture
def bare(show):
    return show(*CELLS)


def test_a_drag_turns_it_and_tilts_it(bare):
    view = bare.view()
    before = view.picture("relief")
    box = view.canvas("relief").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] - 12
    bare.page.mouse.move(x, y)
    bare.page.mouse.down()
    bare.page.mouse.move(x - 40, y - 40, steps=4)
    bare.page.mouse.up()
    view.settle()
    assert view.picture("relief") != before
    # Half a degree a pixel, in steps of five: 20° to the side and 20° down, towards a view from the side.
    assert bare.ask("print(view.yaw_index, view.tilt_index)") == "10 2"
    view.button("above").click()
    assert "turned by 0°, seen from 90° above" in view.sentence()
    view.button("reset").click()
    view.settle()
    assert view.picture("relief") == before


def test_keys_turn_it_right_round_and_choose_a_slice(bare):
    view = bare.view()
    before = view.picture("relief")
    view.press("yaw", "Home")
    view.press("yaw", "ArrowRight", 3)
    assert bare.ask("print(view.yaw_index)") == "3"
    bare.page.locator('input[type=radio][value="the main directions"]').click()
    view.settle()
    assert view.picture("relief") != before
    assert view.sentence() == bare.ask("print(view.describe())")


def test_a_path_is_read_where_it_is(bare):
    """The end of SGD is the middle of its slices."""
    view = bare.view()
    view.box("Adam").click()
    view.press("step", "Home")
    assert "step 0" in view.sentence()
    assert "Adam" not in view.sentence()
    assert view.sentence() == bare.ask("print(view.describe())")
