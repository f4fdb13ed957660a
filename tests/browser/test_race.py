"""The race view, and a race that is stopped."""

import math

import pytest

from authoring.lab import write_notebook

SETUP = """
import torch
from lwlr_teach.runs.races import Contestant, race
from lwlr_teach.views import RaceView
METHODS = ['SGD', 'Momentum', 'Adam', 'RMSprop', 'Adagrad']
result = race(METHODS, lr=torch.logspace(-3, 1, 9), seeds=3, steps=40, checkpoints=8)
# Round numbers: the dearest step costs twice the cheapest one.
result.operations_per_step[:] = torch.linspace(100, 200, 5)
"""
VIEW = "view = RaceView(result, at_budget=15)\nview"
OTHER = """
own = [Contestant('SGD', lr=[0.1, 1.0]), Contestant('Adam', lr=[0.01, 0.1])]
other = RaceView(race(own, lr=[0.1, 1.0], seeds=2, steps=10, checkpoints=1))
other"""
CELLS = [SETUP, VIEW, OTHER]


@pytest.fixture
def bare(show):
    return show(*CELLS)


def unit(view, name):
    return view.root.locator(f'input[type=radio][data-name="per"][value="{name}"]')


def shared(view):
    return view.root.locator('input[type=checkbox][data-name="shared"]')


def test_the_mouse_drags_the_budget(bare):
    view = bare.view()
    assert view.position("budget") == 2
    before = view.picture("results"), view.picture("byrate")
    view.drag("budget", 1.0)
    assert view.position("budget") == 7
    assert view.picture("results") != before[0]
    assert view.picture("byrate") != before[1]
    assert bare.ask("print(view.budget)") == "40.0"
    assert view.sentence() == bare.ask("print(view.describe())")
    view.button("reset").click()
    assert (view.picture("results"), view.picture("byrate")) == before


def test_the_keyboard_reaches_everything(bare):
    view = bare.view()
    view.press("budget", "ArrowRight", times=2)
    assert view.position("budget") == 4
    shared(view).focus()
    bare.page.keyboard.press("Space")
    assert shared(view).is_checked()
    view.press("lr", "Home")
    assert view.position("lr") == 0
    unit(view, "steps").focus()
    bare.page.keyboard.press("ArrowRight")
    assert unit(view, "operations").is_checked()
    assert bare.ask("print(view.per, view.shared, view.lr_index)") == "operations True 0"
    assert view.sentence() == bare.ask("print(view.describe())")


def test_equal_work_stays_where_the_fastest_has_taken_as_many_steps(bare):
    view = bare.view()
    view.press("budget", "End")
    assert view.slider("budget").get_attribute("aria-valuetext") == "40 steps"
    unit(view, "operations").click()
    view.settle()
    assert view.slider("budget").get_attribute("aria-valuetext") == "4000 operations"
    assert bare.ask("print({p.name: p.steps for p in view.table.places}['SGD'])") == "40"
    view.press("budget", "Home")
    assert bare.ask("print({p.name: p.steps for p in view.table.places}['SGD'])") == "10"
    unit(view, "steps").click()
    assert bare.ask("print(view.budget)") == "10.0"


def test_moving_the_rate_gives_it_to_all(bare):
    view = bare.view()
    before = view.sentence()
    assert not shared(view).is_checked()
    view.drag("lr", 0.1)
    assert shared(view).is_checked()
    assert ", all at rate 0.00316: " in view.sentence()
    assert view.sentence() == bare.ask("print(view.describe())")
    shared(view).click()
    assert view.sentence() == before == bare.ask("print(view.describe())")


def test_a_budget_is_typed_and_a_click_on_the_winners_goes_to_theirs(bare):
    view = bare.view()
    typed = view.root.locator('[data-value="budget"]')
    typed.fill("29 steps")
    typed.press("Tab")
    assert bare.ask("print(view.budget)") == "30.0"
    unit(view, "operations").click()
    typed.fill("1990")
    typed.press("Tab")
    assert bare.ask("print(view.per, view.budget)") == "operations 2000.0"
    unit(view, "steps").click()
    width = view.canvas("ribbon").bounding_box()["width"]
    view.canvas("ribbon").click(position={"x": 8 + (width - 16) * 6 / 7, "y": 5})
    view.settle()
    assert typed.input_value() == "35 steps"
    assert bare.ask("print(view.budget)") == "35.0"
    assert view.sentence() == bare.ask("print(view.describe())")


def test_the_pointer_reads_seeds_rates_and_winners_and_all_are_listed(bare):
    view = bare.view()
    tip = view.root.locator(".lwlr-tip")
    right, edge, first, behind = bare.ask(
        "i = METHODS.index('Adam'); k = view.budget_index; rate = result.best[i, k];"
        "right = result.judged[i, rate, :, k];"
        "first = view.table.places[0]; j = METHODS.index(first.name);"
        "top = result.judged[j, result.best[j, k], 2, k].item();"
        "print(right[2].item(), view.plan['fewest_wrong'], first.name, top - right[2].item())"
    ).split()
    share = math.log(1 - float(right)) / math.log(float(edge))
    width = view.canvas("results").bounding_box()["width"]
    at = 24 + 2 * 38 + 19 + (2.5 / 3 - 0.5) * 26
    view.canvas("results").hover(position={"x": 14 + share * (width - 28), "y": at})
    points = 100 * float(behind)
    than = f", {abs(points):.1f} points {'ahead of' if points < 0 else 'behind'} {first}"
    assert tip.inner_text() == f"Adam, seed 3: {100 * float(right):.1f}%{than if first != 'Adam' else ''}"
    valid = bare.ask("print(format(result.valid[2, 4, view.budget_index].item(), '.1%'))")
    width = view.canvas("byrate").bounding_box()["width"]
    view.canvas("byrate").hover(
        position={"x": width / 2, "y": 24 + 3 * 38 - 4 - float(valid[:-1]) / 100 * 30}
    )
    assert tip.inner_text() == f"Adam: learning rate 0.1, {valid}"
    width = view.canvas("ribbon").bounding_box()["width"]
    view.canvas("ribbon").hover(position={"x": 8 + (width - 16) * 2 / 7, "y": 5})
    assert tip.inner_text().startswith((f"15 steps: {first} leads", "15 steps: nobody wins"))
    view.button("numbers").click()
    listed = view.root.locator(".lwlr-table")
    assert listed.first.locator("th").all_inner_texts() == [
        "contestant",
        "rate",
        "seed 1",
        "seed 2",
        "seed 3",
        "points behind the best",
        "default rate",
        "median there",
    ]
    cells = listed.first.locator("tbody tr").nth(2).locator("td").all_inner_texts()
    assert cells[0] == "Adam"
    assert float(cells[4]) == pytest.approx(float(right), abs=1e-4)
    ends, default, there = bare.ask(
        "place = view.table['Adam']; print(*(f'{100 * d:.1f}' for d in place.behind), sep=' to ');"
        "print(place.default_lr); print(place.at_default)"
    ).splitlines()
    assert cells[5] == ("" if first == "Adam" else ends.replace("-", "−"))
    assert cells[6] == default
    assert float(cells[7]) == pytest.approx(float(there), abs=1e-4)
    assert listed.nth(1).locator("tbody tr").count() == 5 * 9
    view.press("budget", "End")
    assert "after 40 steps" in listed.first.locator("caption").inner_text()


def test_a_name_alone_and_a_drag_over_the_rates(bare):
    view = bare.view()
    view.button("alone-Adam").click()
    assert bare.ask("print(view.shown)") == "['Adam']"
    view.button("alone-Adam").click()
    assert bare.ask("print(len(view.shown))") == "5"
    box = view.canvas("byrate").bounding_box()
    mouse, width = bare.page.mouse, box["width"] - 32
    mouse.move(box["x"] + 16 + width / 2, box["y"] + 60)
    mouse.down()
    mouse.move(box["x"] + 16 + width * 7 / 8, box["y"] + 62, steps=5)
    mouse.up()
    assert bare.ask("print(view.shared, view.lr_index)") == "True 7"
    assert view.sentence() == bare.ask("print(view.describe())")


def test_a_click_on_the_pictures_of_the_rates_gives_that_rate_to_all(bare):
    view = bare.view()
    canvas = view.canvas("byrate")
    box = canvas.bounding_box()
    # The frame has margins of 16; rate number 6 of 9.
    canvas.click(position={"x": 16 + (box["width"] - 32) * 6 / 8 + 3, "y": 60})
    assert view.position("lr") == 6
    assert shared(view).is_checked()
    assert bare.ask("print(view.shared, view.lr_index)") == "True 6"


def test_dots_are_drawn_where_the_kernel_says(bare):
    """Adam's colour lies at each of its seeds, and the band of its row ends where its good rates do."""
    view = bare.view()
    view.press("budget", "End")
    wrong, edge = bare.ask(
        "i = METHODS.index('Adam'); rate = result.best[i, -1]\n"
        "print((1 - result.judged[i, rate, :, -1]).tolist(), view.plan['fewest_wrong'], sep=';')"
    ).split(";")
    script = """(c, [wrong, edge, seed]) => {
      const x = 14 + (Math.log10(wrong) / Math.log10(edge)) * (c.clientWidth - 28);
      const y = 24 + 2 * 38 + 19 + ((seed + 0.5) / 3 - 0.5) * 26;
      const around = c.getContext('2d').getImageData(Math.round(x) - 1, Math.round(y) - 1, 2, 2).data;
      return [around[0], around[1], around[2]];
    }"""
    near = 0
    for seed, value in enumerate(map(float, wrong.strip("[]").split(","))):
        red, green, blue = view.canvas("results").evaluate(script, [value, float(edge), seed])
        near += red > 200 and green < 160 and blue < 120
    assert near >= 2  # the middle one is under the marker or beside it


def test_a_box_takes_a_contestant_out_of_the_race(bare):
    view = bare.view()
    before = view.picture("results")
    winner = bare.ask("print(view.table.places[0].name)")
    assert f": {winner} leads with" in view.sentence()
    view.box(winner).click()
    assert f": {winner} leads with" not in view.sentence()
    assert view.readout(winner) == ""
    assert view.picture("results") != before
    assert view.sentence() == bare.ask("print(view.describe())")


def test_the_readout_is_the_tables(bare):
    view = bare.view()
    for name in ("SGD", "Adam"):
        assert view.readout(name) == bare.ask(f"print(format(view.table['{name}'].accuracy, '.1%'))")


def test_a_control_that_makes_no_sense_is_not_there(bare):
    other = bare.view(1)
    assert not other.slider("budget").is_visible()  # one budget
    assert not other.slider("lr").is_visible()  # own rates
    assert not shared(other).is_visible()
    assert other.sentence() == bare.ask("print(other.describe())")


def test_a_narrow_window_keeps_names_results_and_rates_in_a_row(show):
    view = show(*CELLS, width=509).view()
    left, right = (view.canvas(name).bounding_box() for name in ("results", "byrate"))
    row = view.box("SGD").bounding_box()
    assert row["x"] < left["x"] < left["x"] + left["width"] <= right["x"] + 1
    assert left["width"] > 100
    assert right["width"] > 60
    # The names stand beside their rows.
    assert left["y"] + 24 < row["y"] < left["y"] + 24 + 38


NAMED = """
names = ['SGD + by global norm', 'Adam + by global norm', 'Momentum + Cosine', 'RMSprop']
named = [Contestant(m, name=n) for m, n in zip(['SGD', 'Adam', 'Momentum', 'RMSprop'], names)]
long = race(named, lr=torch.logspace(-3, 1, 9), seeds=3, steps=20, checkpoints=2)
"""


@pytest.mark.parametrize("width", [360, 390])
def test_long_names_and_headings_fit_on_a_telephone(show, width):
    bare = show(SETUP, NAMED, "RaceView(long)", width=width)
    view = bare.view()
    rows = view.root.locator(".lwlr-method")
    boxes = [rows.nth(i).bounding_box() for i in range(rows.count())]
    assert len(boxes) == 4
    for i, box in enumerate(boxes):
        name, readout = (rows.nth(i).locator(part).bounding_box() for part in (".lwlr-name", ".lwlr-readout"))
        assert box["y"] <= name["y"]
        assert name["y"] + name["height"] <= box["y"] + box["height"] + 0.5
        assert name["x"] + name["width"] <= readout["x"] + 0.5
        hidden = "e => [e.scrollHeight - e.clientHeight, e.scrollWidth - e.clientWidth]"
        assert max(rows.nth(i).locator(".lwlr-name").evaluate(hidden)) <= 1
    # Every text of the pictures ends within its canvas.
    for canvas in ("results", "byrate"):
        assert view.canvas(canvas).evaluate(TEXTS_FIT), canvas


# Draws again what a canvas shows, and looks where its texts begin and end.
TEXTS_FIT = """canvas => new Promise((done) => {
  const ctx = canvas.getContext("2d"), draw = ctx.fillText.bind(ctx);
  const texts = [];
  ctx.fillText = (text, x, y) => {
    const { actualBoundingBoxLeft: left, actualBoundingBoxRight: right } = ctx.measureText(text);
    texts.push([text, x - left, x + right]);
    draw(text, x, y);
  };
  tell({ budget_index: 0 }).then(() => {
    delete ctx.fillText;
    done(texts.length > 2 && texts.every(([, left, right]) => left >= -1 && right <= canvas.clientWidth + 1));
  });
})"""


def test_the_tick_in_a_row_is_at_the_default_rate_and_says_what_it_gets(bare):
    view = bare.view()
    width = view.canvas("byrate").bounding_box()["width"]
    i, rate = 4, 2  # Adagrad, whose default is 0.01: rate number 2 of 9
    valid, there = bare.ask(
        f"k = view.budget_index; print(result.valid[{i}, {rate}, k].item(),"
        f" result.judged[{i}, {rate}, :, k].median().item())"
    ).split()
    x, y = 16 + (width - 32) * rate / 8, 24 + (i + 1) * 38 - 4 - float(valid) * 30
    dark = """(canvas, [x, y]) => {
      const [r, g, b, opaque] = canvas.getContext("2d").getImageData(x, y, 1, 1).data;
      return opaque > 150 && Math.max(r, g, b) < 90;
    }"""
    near = [view.canvas("byrate").evaluate(dark, [round(x) + dx, round(y) + 6]) for dx in (-1, 0)]
    assert any(near)
    away = [view.canvas("byrate").evaluate(dark, [round(x) + dx, round(y) + 6]) for dx in (-6, 6)]
    assert not any(away)
    view.canvas("byrate").hover(position={"x": x, "y": y})
    said = view.root.locator(".lwlr-tip").inner_text()
    assert said == (
        f"Adagrad: learning rate 0.01, {100 * float(valid):.1f}%; its default, "
        f"with {100 * float(there):.1f}% of the test images right"
    )


def test_a_race_that_is_stopped_keeps_what_it_has_and_no_bar(open_notebook, root):
    run = "stopped = race(['SGD', 'Adam'], lr=torch.logspace(-3, 0, 21), steps=30_000, checkpoints=6_000)"
    write_notebook(root / "stop.ipynb", SETUP, run, "print(int(stopped.checkpoints[-1]), stopped.planned)")
    notebook = open_notebook("stop.ipynb")
    notebook.run_cell(0)
    notebook.run_cell(1, wait=False)
    bar = notebook.page.get_by_text("race (■ or Ctrl+C keeps what is done)")
    bar.wait_for()
    notebook.page.wait_for_timeout(500)
    notebook.interrupt()
    assert notebook.cell_errors() == []
    bar.wait_for(state="hidden")
    done, planned = notebook.ask("print(int(stopped.checkpoints[-1]), stopped.planned)").split()
    assert 0 < int(done) < 30_000
    assert planned == "30000"
    said = notebook.ask("print(RaceView(stopped).describe())")
    assert said.endswith(f"The race was stopped after {done} of 30000 steps.")
