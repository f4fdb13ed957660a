"""The layer inspector: it says what the kernel computed, and draws it where it belongs."""

import pytest

LAYERS = 12
GREY, YELLOW, PURPLE = [0x8C, 0x8C, 0x8C], [253, 231, 37], [68, 1, 84]  # 0, and the ends of the colours

# Random numbers. Layer 3 stands still, layers 5 and 9 explode, layer 0 has no cosine; the second run
# is shorter. In the relative update, layer 0 is the slowest, and layer 11 the fastest but where 9 explodes.
MAKE = f"""
import torch
from lwlr_teach.runs.recorder import QUANTITIES, Recording
from lwlr_teach.views import InspectorView
layers, names = tuple(f"block{{i}}.linear" for i in range({LAYERS})), list(QUANTITIES)
def recording(seed, steps):
    generator = torch.Generator().manual_seed(seed)
    values = 10 ** torch.empty(10, {LAYERS}, steps).uniform_(-3, -1, generator=generator)
    put = lambda name, layer, value: values[names.index(name), layer].copy_(torch.as_tensor(value))
    put("relative_update", 0, 1e-4), put("relative_update", {LAYERS - 1}, 0.9)
    values[names.index("relative_update"), 9, 26:30] = 1.02
    put("update_norm", 3, 0.0), put("relative_update", 3, 0.0)
    values[names.index("grad_norm"), 5, 40:] = torch.nan
    values[names.index("relative_update"), 5, 40:] = torch.nan
    values[names.index("cosine")] = values[names.index("cosine")] * 20 - 1
    put("cosine", 0, torch.nan)
    return Recording(layers, torch.arange(steps) * 10, values)
a, b = recording(0, 60), recording(1, 50)
"""
ONE = "view = InspectorView(a, at_step=100, title='Net')\nview"
TWO = "other = InspectorView([a, b], names=['SGD', 'LARS'], at_step=200)\nother"
CELLS = [MAKE, ONE, TWO]


@pytest.fixture
def bare(show):
    return show(*CELLS)


def put(view, step):
    view.slider("step").evaluate(
        "(input, value) => { input.value = value;"
        " for (const kind of ['input', 'change']) input.dispatchEvent(new Event(kind)); }",
        step,
    )


def pick(view, quantity):
    view.root.locator("select[data-name=quantity]").select_option(quantity)
    view.settle()


def cells(view, run=0):
    """Where the cells of a heat map lie: the frame's left, top, width and height in CSS pixels."""
    box = view.canvas(f"map-{run}").bounding_box()
    script = """(c) => {
      const ctx = c.getContext('2d'), r = devicePixelRatio, x = Math.round(c.width / 2);
      ctx.font = '11px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
      return Math.max(30, ...ARGS.map((n) => ctx.measureText(n).width));
    }""".replace("ARGS", str([f"block{i}.linear" for i in range(LAYERS)]))
    left = min(view.canvas(f"map-{run}").evaluate(script) + 10, max(60, 0.36 * box["width"]))
    return left, 52, box["width"] - left - 74, box["height"] - 56


def colour(view, layer, step, steps=60, run=0):
    left, top, width, height = cells(view, run)
    x, y = left + (step + 0.5) / steps * width, top + (layer + 0.5) / LAYERS * height
    return view.colour(f"map-{run}", x, y)


def test_the_colours_lie_where_the_layers_and_steps_are(bare):
    view = bare.view()
    pick(view, "relative_update")
    put(view, 20)
    view.settle()
    for step in (3, 30, 57):
        assert colour(view, 0, step) == PURPLE
        assert colour(view, LAYERS - 1, step) == YELLOW
        assert colour(view, 3, step) == GREY
    before = colour(view, 5, 39)
    assert before not in (PURPLE, GREY)
    assert colour(view, 5, 45) != before
    view.box("block0.linear").click()  # a row less
    view.settle()
    view.box("block0.linear").click()
    view.settle()
    assert colour(view, 0, 30) == PURPLE


def test_two_runs_have_one_scale_and_an_end(bare):
    view = bare.view(1)
    put(view, 20)
    view.settle()
    assert colour(view, LAYERS - 1, 30, run=0) == colour(view, LAYERS - 1, 30, run=1) == YELLOW
    hatched = {tuple(colour(view, LAYERS - 1, step, run=1)) for step in range(51, 60)}
    assert tuple(YELLOW) not in hatched
    assert view.readout("block3.linear") == "0 | 0"
    assert "LARS: fastest is block11.linear at 0.9" in view.sentence()
    labels = view.root.locator("canvas[role=img]").evaluate_all(
        "all => all.map(c => c.getAttribute('aria-label'))"
    )
    assert len(labels) == 4
    assert labels[2].startswith("LARS: fastest is block11")


def test_the_mouse_drags_the_slider_and_the_map(bare):
    view = bare.view()
    before = view.picture("map-0"), view.picture("lines-0")
    view.drag("step", 0.9)
    assert view.picture("map-0") != before[0]
    assert view.picture("lines-0") != before[1]
    assert bare.ask("print(view.step_index)") == str(view.position("step"))
    left, top, width, height = cells(view)
    view.canvas("map-0").click(position={"x": left + 12.5 / 60 * width, "y": top + 0.5 / LAYERS * height})
    view.settle()
    assert view.position("step") == 12
    assert bare.ask("print(view.step)") == "120"
    assert view.sentence() == bare.ask("print(view.describe())")


def test_the_pointer_reads_a_cell(bare):
    view = bare.view()
    plain = view.picture("lines-0")
    left, top, width, height = cells(view)
    view.canvas("map-0").hover(position={"x": left + 33.5 / 60 * width, "y": top + 3.5 / LAYERS * height})
    view.settle()
    read = view.root.locator(".lwlr-tip")
    assert read.inner_text() == "block3.linear: step 330, 0"
    assert view.position("step") == 10  # pointing moves nothing
    view.canvas("map-0").hover(position={"x": left + 50.5 / 60 * width, "y": top + 5.5 / LAYERS * height})
    view.settle()
    assert read.inner_text() == "block5.linear: step 500, no number"
    pointed = view.picture("lines-0")
    assert pointed != plain  # its line stands out
    view.root.locator(".lwlr-method").nth(8).hover()
    assert view.picture("lines-0") not in (plain, pointed)
    view.slider("step").hover()
    assert view.picture("lines-0") == plain
    assert read.count() == 0


def test_the_lines_are_read_and_clicked_as_well(bare):
    view = bare.view()
    pick(view, "relative_update")
    left, _, width, _ = cells(view)
    lines = view.canvas("lines-0")
    lines.hover(position={"x": left + 40.5 / 60 * width, "y": 20})  # 0.9 is near the upper edge
    view.settle()
    assert view.root.locator(".lwlr-tip").inner_text() == f"block{LAYERS - 1}.linear: step 400, 0.9"
    lines.click(position={"x": left + 40.5 / 60 * width, "y": 100})
    view.settle()
    assert view.position("step") == 40
    assert bare.ask("print(view.step)") == "400"
    view.button("alone-block2.linear").click()
    assert bare.ask("print(view.shown)") == "['block2.linear']"
    assert view.sentence() == bare.ask("print(view.describe())")
    view.button("numbers").click()
    head = view.root.locator(".lwlr-table th").all_inner_texts()
    assert head == ["step", "block2.linear"]


def test_the_keyboard_reaches_everything(bare):
    view = bare.view()
    view.press("step", "ArrowRight", times=3)
    assert view.position("step") == 13
    view.press("step", "End")
    assert view.position("step") == 59
    view.press("step", "Home")
    assert bare.ask("print(view.step)") == "0"
    before = view.picture("map-0")
    view.root.locator("select").focus()
    bare.page.keyboard.press("ArrowDown")
    view.settle()
    assert bare.ask("print(view.quantity)") == "update_norm"
    assert view.picture("map-0") != before
    view.box("block2.linear").focus()
    bare.page.keyboard.press("Space")
    view.settle()
    assert "block2.linear" not in bare.ask("print(view.shown)")
    view.button("none").focus()
    bare.page.keyboard.press("Enter")
    view.settle()
    assert bare.ask("print(view.shown)") == "[]"
    assert view.sentence().endswith("no layer is shown.")
    view.button("all").focus()
    bare.page.keyboard.press("Enter")
    view.settle()
    assert bare.ask("print(len(view.shown))") == str(LAYERS)


def test_play_walks_to_the_end_and_reset_goes_back(bare):
    view = bare.view()
    before = view.picture("map-0")
    put(view, 50)
    view.button("play").click()
    bare.page.wait_for_function(
        "input => input.value === '59'", arg=view.slider("step").element_handle(), timeout=15000
    )
    view.settle()
    assert bare.ask("print(view.step_index)") == "59"
    view.button("play").click()  # from the end it begins again
    bare.page.wait_for_timeout(300)
    view.button("play").click()  # pause
    assert view.position("step") < 40
    pick(view, "rate")
    view.button("reset").click()
    view.slider("step").hover()
    assert view.position("step") == 10
    assert view.picture("map-0") == before
    assert bare.ask("print(view.step_index, view.quantity)") == "10 relative_update"


def test_a_narrow_window_stacks_the_runs(show):
    view = show(*CELLS, width=559).view(1)
    first, second = (view.canvas(f"map-{run}").bounding_box() for run in range(2))
    assert first["y"] + first["height"] < second["y"]
    assert second["width"] > 250


MANY = """
kinds = ("weights", "norms") * 15 + ("weights",)
values = torch.ones(10, 31, 4)
values[list(QUANTITIES).index("relative_update")] = 0.01
net = Recording(tuple(f"part{i}" for i in range(31)), torch.arange(4), values, kinds)
many = InspectorView(net)
many"""


def test_layers_are_chosen_by_kind_from_a_list_that_is_not_cut_off(show):
    bare = show(MAKE, MANY)
    view = bare.view()
    rows = view.root.locator(".lwlr-method")
    assert rows.count() == 31
    legend = view.root.locator(".lwlr-legend")
    assert legend.evaluate("list => list.scrollHeight - list.clientHeight") <= 1
    before = view.picture("map-0")
    view.button("norms").click()
    view.settle()
    assert bare.ask("print(many.shown == many.plan['kinds']['norms'], len(many.shown))") == "True 15"
    assert view.picture("map-0") != before
    assert view.sentence() == bare.ask("print(many.describe())")
    view.button("weights").click()
    view.settle()
    assert bare.ask("print(many.shown[0], many.shown[-1], len(many.shown))") == "part0 part30 16"
    assert view.canvas("map-0").bounding_box()["height"] == 56 + 16 * 15
    view.button("all").click()
    view.settle()
    assert view.canvas("map-0").bounding_box()["height"] == 56 + 400


def test_without_kinds_there_is_nothing_to_choose(bare):
    assert bare.view().root.locator("button[data-name=weights], button[data-name=norms]").count() == 0
