"""The view of rates by hand."""

import pytest

SETUP = "from lwlr_teach.studies import train_layer_rates\nfrom lwlr_teach.views import LayerRatesView"
VIEW = """
rates = (0.001, 0.02, 0.5, 10)
view = LayerRatesView(train_layer_rates(hidden=(6, 6), rates=rates, seeds=2, steps=20, progress=False))
view
"""
OTHER = """
rates = (0.01, 0.1, 1, 1e38)
runs = train_layer_rates(hidden=(6,), scales=None, rates=rates, seeds=2, steps=20, progress=False)
other = LayerRatesView(runs)
other
"""
CELLS = [SETUP, VIEW, OTHER]


@pytest.fixture
def bare(show):
    return show(*CELLS)


def test_lars_is_hidden_until_asked_for_and_after_a_reset(bare):
    view = bare.view()
    before = [view.picture(name) for name in ("strip-0", "scores", "curves")]
    assert "LARS" not in view.sentence()
    assert not view.root.locator(".lwlr-note").is_visible()
    view.button("reveal").click()
    after = [view.picture(name) for name in ("strip-0", "scores", "curves")]
    assert all(a != b for a, b in zip(after, before, strict=True))
    assert "LARS chose" in view.sentence()
    assert view.root.locator(".lwlr-note").inner_text().startswith("Green: the rates that LARS gave")
    assert bare.ask("print(view.revealed)") == "True"
    view.drag("layer-1", 0.9)
    view.button("reset").click()
    assert [view.picture(name) for name in ("strip-0", "scores", "curves")] == before
    assert bare.ask("print(view.revealed, view.positions == view.plan['start']['positions'])") == "False True"


LINE = """(c, x) => {
  // It rises above the strip's frame, where nothing else is drawn.
  const row = c.getContext('2d').getImageData(0, 4, c.width, 1).data;
  return [...Array(c.width).keys()].filter(i => row[4 * i + 3] > 60).map(i => i + 0.5 - x);
}"""


def test_the_kernel_moves_the_sliders_and_the_knob_stands_above_its_mark(bare):
    view = bare.view()
    bare.ask("view.positions = [3, 0, 2]")
    view.settle()
    assert [view.position(f"layer-{k}") for k in range(3)] == [3, 0, 2]
    for k, position in enumerate([3, 0, 2]):
        knob = view.slider(f"layer-{k}").bounding_box()
        strip = view.canvas(f"strip-{k}").bounding_box()
        x = knob["x"] + 8 + position / 3 * (knob["width"] - 16) - strip["x"]
        off = view.canvas(f"strip-{k}").evaluate(LINE, x)
        assert off
        assert max(map(abs, off)) <= 2


def test_keys_move_a_slider(bare):
    view = bare.view()
    view.press("layer-2", "Home")
    view.press("layer-2", "ArrowRight", 2)
    assert view.position("layer-2") == 2
    view.button("reveal").focus()
    bare.page.keyboard.press("Enter")
    view.settle()
    assert "LARS chose" in view.sentence()
    assert bare.ask("print(view.positions[2], view.revealed)") == "2 True"


def test_a_strip_is_read_clicked_and_listed(bare):
    view = bare.view()
    strip = view.canvas("strip-1")
    width = strip.evaluate("c => c.clientWidth - 50")
    strip.hover(position={"x": 34 + 2 / 3 * width, "y": 60})
    view.settle()
    read = view.root.locator(".lwlr-tip").inner_text()
    assert read.startswith("final loss: rate of hidden 2 0.5, ")
    strip.click(position={"x": 34 + 2 / 3 * width, "y": 100})
    view.settle()
    assert view.position("layer-1") == 2
    assert bare.ask("print(view.positions[1])") == "2"
    assert read.endswith(f", {bare.ask('from lwlr_teach.core.text import short; print(short(view.loss))')}")
    view.button("numbers").click()
    rows = view.root.locator(".lwlr-table").nth(1).locator("tbody tr").all_inner_texts()
    assert [row.split()[0] for row in rows] == ["0.001", "0.02", "0.5", "10"]
