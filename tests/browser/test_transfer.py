"""The transfer view."""

import pytest

SETUP = """
from lwlr_teach.studies.transfer import compare, pretrain
from lwlr_teach.views import TransferView
known = pretrain(seeds=3, steps=60, hidden=(16, 16))
how = dict(lr=[0.003, 0.01], steps=12, names=['smaller early', 'smaller late'], progress=False)
made = [compare(known, t, shots=n, **how) for t in ('new digits', 'mirrored') for n in (1, 2, 5)]
"""
VIEW = "view = TransferView(made, at_shots=2)\nview"
ALONE = "alone = TransferView(made[0])\nalone"
CELLS = [SETUP, VIEW, ALONE]


@pytest.fixture
def bare(show):
    return show(*CELLS)


def radio(view, value):
    return view.root.locator(f'input[type=radio][value="{value}"]')


def test_the_dots_lie_where_the_kernel_says(bare):
    """Each seed's dot has the colour of its row; the median's lies under the line."""
    view = bare.view()
    bare.ask("view.shown = ['smaller early']")
    for measure in ("gain", "test loss"):
        radio(view, measure).click()
        view.settle()
        places = eval(
            bare.ask(
                "t, s, m = view._position; low, high = view._ranges[m];"
                "row = view._values[t, s, m, 1];"
                "print([(float(v) - low) / (high - low) if v != row.median() else None for v in row])"
            )
        )
        alphas = view.canvas("gains").evaluate(
            """(c, places) => places.map((share, seed) => {
              if (share === null) return 255;
              const x = 14 + share * (c.clientWidth - 28);
              const y = 24 + 38 + 19 + ((seed + 0.5) / places.length - 0.5) * 26;
              const [r, g, b, a] = c.getContext('2d').getImageData(Math.round(x), Math.round(y), 1, 1).data;
              return r > 200 && b < 90 ? a : [r, g, b, a];
            })""",
            places,
        )
        assert all(isinstance(alpha, int) and alpha > 120 for alpha in alphas), alphas


def test_the_pointer_reads_seeds_and_layers_and_all_are_listed(bare):
    view = bare.view()
    tip = view.root.locator(".lwlr-tip")
    radio(view, "test accuracy").click()
    value, share = bare.ask(
        "t, s, m = view._position; low, high = view._ranges[m]; value = view._values[t, s, m, 1, 0].item();"
        "print(round(value), (value - low) / (high - low))"
    ).split()
    width = view.canvas("gains").bounding_box()["width"]
    place = {"x": 14 + float(share) * (width - 28), "y": 24 + 38 + 19 + (0.5 / 3 - 0.5) * 26}
    view.canvas("gains").hover(position=place)
    assert tip.inner_text() == f"smaller early, seed 1: {value}%"
    view.canvas("depths").hover(position={"x": 6, "y": 24 + 2 * 38 - 8})
    assert tip.inner_text() == "smaller early, layer 1 of 3: 15% of the rate at step 0"
    view.button("numbers").click()
    heads = [table.locator("th").all_inner_texts() for table in view.root.locator(".lwlr-table").all()]
    assert [head[:2] for head in heads] == [["arrangement", "layer"], ["arrangement", "seed 1"]]
    view.button("alone-smaller late").click()
    assert bare.ask("print(view.shown)") == "['smaller late']"


def test_keys_move_the_slider_and_the_choices(bare):
    view = bare.view()
    view.press("shots", "Home")
    before = view.picture("gains")
    view.press("shots", "ArrowRight", 2)
    assert view.position("shots") == 2
    assert view.picture("gains") != before
    radio(view, "new digits").focus()
    bare.page.keyboard.press("ArrowRight")
    radio(view, "gain").focus()
    bare.page.keyboard.press("ArrowRight")
    view.settle()
    assert bare.ask("print(view.shots, view.transfer, view.measure)") == "5 mirrored test accuracy"


def test_one_comparison_has_only_its_measures_and_needs_no_kernel(bare):
    view = bare.view(1)
    assert view.root.locator("input[type=radio]").count() == 4
    assert view.slider("shots").count() == 0
    before = view.sentence()
    radio(view, "test loss").click()
    assert view.sentence() != before
