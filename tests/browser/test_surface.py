"""The surface view: what a learner does with it, and what goes wrong around it."""

import json
import math
import re
from pathlib import Path

import pytest

from authoring.lab import Notebook, write_notebook

ADAM = [0xD5, 0x5E, 0x00]
IMPORTS = "from lwlr_teach.views import SurfaceView"
LISTS = "lr=[10 ** (k / 20 - 3) for k in range(61)], momentum=[0, .3, .5, .6, .7, .8, .85, .9, .95, .98, .99]"
MAKE = f"{{name}} = SurfaceView('ravine', {LISTS}, at_lr=0.02, at_step=40, steps=60)\n{{name}}"
CELLS = [IMPORTS, MAKE.format(name="view"), MAKE.format(name="other")]


@pytest.fixture(scope="module")
def two_views(root: Path) -> str:
    write_notebook(root / "two.ipynb", *CELLS)
    return "two.ipynb"


@pytest.fixture
def bare(show):
    return show(*CELLS[:2])


@pytest.fixture
def notebook(run_again, two_views):
    yield from run_again(two_views)


def test_the_mouse_drags_a_slider(bare):
    view = bare.view()
    before = view.picture("map"), view.picture("curves")
    view.drag("lr", 0.9)
    assert view.picture("map") != before[0]
    assert view.picture("curves") != before[1]
    assert 50 <= view.position("lr") <= 57
    assert bare.ask("print(view.lr_index)") == str(view.position("lr"))
    assert view.sentence() == bare.ask("print(view.describe())")


def test_the_keyboard_moves_a_slider_and_nothing_else(notebook):
    view = notebook.view()
    before = view.position("lr")
    view.press("lr", "ArrowRight", times=3)
    cell = notebook.active_cell()
    assert view.position("lr") == before + 3
    view.press("lr", "ArrowLeft")
    assert view.position("lr") == before + 2
    view.press("momentum", "Home")
    assert view.position("momentum") == 0
    view.press("step", "End")
    assert view.position("step") == 60
    assert notebook.active_cell() == cell
    assert view.sentence() == notebook.ask("print(view.describe())")
    assert view.slider("lr").get_attribute("aria-valuetext") == notebook.ask("print(f'{view.lr:.3g}')")


def place(view, name, margins, x, y):
    """The colour of a canvas where the share x of its frame's width and y of its height meet, from below."""
    left, top, right, bottom = margins
    script = """(c, [left, top, right, bottom, x, y]) => {
      const [w, h] = [c.clientWidth - left - right, c.clientHeight - top - bottom];
      return [...c.getContext('2d').getImageData(left + x * w, top + (1 - y) * h, 1, 1).data.slice(0, 3)];
    }"""
    return view.canvas(name).evaluate(script, [left, top, right, bottom, x, y])


def test_what_lies_on_the_star_does_not_hide_it(bare):
    """The ring of a start that is put down there is drawn over the star; its outline is above the ring."""
    view = bare.view()
    bare.ask("view.step = 0; view.shown = []")
    view.settle()
    x, y = view.canvas("map").evaluate(
        "c => [34 + (3 / 6) * (c.clientWidth - 44), 8 + 0.5 * (c.clientHeight - 32)]"
    )

    bare.ask("view.start = [0.0, 0.0]")
    view.settle()
    # An inner corner of the star is 5 pixels from its middle, the ring's edge 7.
    assert tuple(view.colour("map", x, y)) == (255, 255, 255)
    seen = {tuple(view.colour("map", x + 2.9 + dx, y - 4 + dy)) for dx in (-1, 0) for dy in (0, 1)}
    assert min(map(sum, seen)) < 500, seen


def test_the_heads_are_drawn_where_the_kernel_says(bare):
    """Adam's colour lies at its last point on the map, and at its last loss in the curves."""
    view = bare.view()
    bare.ask("view.shown = ['Adam']; import math")
    inside = 0
    for lr, momentum, step in [(40, 7, 60), (30, 5, 25), (45, 2, 40), (20, 9, 50), (50, 0, 7)]:
        bare.ask(f"view.lr_index, view.momentum_index, view.step = {lr}, {momentum}, {step}")
        view.settle()
        x, y, loss = map(
            float,
            bare.ask(
                f"print(*view.sweep.paths[5, 0, 0, 0, {step}].tolist(),"
                f" view.sweep.losses[5, 0, 0, 0, {step}].item())"
            ).split(),
        )
        low, high = map(float, bare.ask("print(*view.plan['surfaces']['ravine']['losses'])").split())
        height = math.log(loss / low) / math.log(high / low)
        assert place(view, "map", (34, 8, 10, 24), (x + 3) / 6, (y + 2) / 4) == ADAM
        assert place(view, "curves", (42, 24, 14, 38), step / 60, height) == ADAM
        inside += abs(x) < 2.9
    assert inside == 5


def inside(view, name, margins, x, y):
    """Where the mouse meets the share x of a picture's frame's width and y of its height, from below."""
    left, top, right, bottom = margins
    box = view.canvas(name).bounding_box()
    width, height = box["width"] - left - right, box["height"] - top - bottom
    return box["x"] + left + x * width, box["y"] + top + (1 - y) * height


MAP = (34, 8, 10, 24)


def test_the_start_is_dragged_clicked_and_moved_by_keys(bare):
    view, mouse = bare.view(), bare.page.mouse
    before = view.picture("map"), view.picture("curves")
    mouse.move(*inside(view, "map", MAP, (-2.5 + 3) / 6, (-0.8 + 2) / 4))
    mouse.down()
    mouse.move(*inside(view, "map", MAP, 0.6, 0.5))
    mouse.move(*inside(view, "map", MAP, 0.75, 0.7))
    assert view.sentence().startswith("Ravine, from (1.5, 0.8), ")  # at once
    mouse.up()
    assert (view.picture("map") != before[0], view.picture("curves") != before[1]) == (True, True)
    assert bare.ask("print(view.start)") == "[1.5, 0.8]"
    assert view.sentence() == bare.ask("print(view.describe())")
    view.canvas("map").focus()
    for key in ("ArrowLeft", "Shift+ArrowDown"):
        bare.page.keyboard.press(key)
    assert bare.ask("print(view.start)") == "[1.44, 0.4]"
    mouse.click(*inside(view, "map", MAP, 0.1, 0.9))
    assert bare.ask("print(view.start)") == "[-2.4, 1.6]"
    view.button("reset").click()
    assert bare.ask("print(view.start)") == "[-2.5, -0.8]"
    view.settle()
    assert view.picture("map") == before[0]


def test_the_loss_at_every_rate_follows_the_start(bare):
    view, mouse = bare.view(), bare.page.mouse
    assert not view.canvas("rates").is_visible()
    view.root.get_by_text("loss at every rate").click()
    assert bare.ask("print(view.every_rate)") == "True"
    before = view.picture("rates")
    mouse.click(*inside(view, "map", MAP, 0.75, 0.7))
    view.settle()
    assert view.picture("rates") != before
    curves = "c => c.plots[0].curves.map((c) => Array.from({ length: c.n }, (_, k) => [c.x(k), c.y(k)]))"
    adam = view.canvas("rates").evaluate(curves)[-1]
    bare.ask(f"view.lr_index = {[rate for rate, _ in adam].index(0.1) * 2}")  # every second of 61
    ended = float(bare.ask("print(view.sweep.losses[5, 0, 0, 0, 40].item())"))  # where the step slider is
    assert dict(adam)[0.1] == pytest.approx(ended, rel=1e-9)
    mouse.click(*inside(view, "rates", (42, 24, 14, 38), 2 / 3, 0.9))
    assert view.position("lr") == 40
    assert bare.ask("view.figure().canvas.draw(); print(1)") != ""


def test_a_click_on_a_path_goes_to_that_step_and_leaves_the_start(bare):
    view = bare.view()
    bare.ask("view.shown = ['Adam']")
    x, y = map(float, bare.ask("print(*view.sweep.paths[5, 0, 0, 0, 21].tolist())").split())
    bare.page.mouse.click(*inside(view, "map", MAP, (x + 3) / 6, (y + 2) / 4))
    assert bare.ask("print(view.step, view.start)") == "21 [-2.5, -0.8]"


def test_a_finger_drags_the_start(bare):
    view = bare.view()
    touch = bare.page.context.new_cdp_session(bare.page)
    touch.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    places = [(0.3, 0.3), (0.4, 0.5), (0.75, 0.7)]
    for kind, place in [("touchStart", places[0]), *(("touchMove", place) for place in places)]:
        x, y = inside(view, "map", MAP, *place)
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    view.settle()
    assert view.sentence().startswith("Ravine, from (1.5, 0.8), ")
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert bare.ask("print(view.start)") == "[1.5, 0.8]"


def test_a_second_start_is_put_down_dragged_and_moved_by_keys(bare):
    view, mouse = bare.view(), bare.page.mouse
    before = view.picture("map"), view.picture("curves")
    view.root.get_by_text("second start").click()
    view.settle()
    assert bare.ask("print(view.second)") == "[2.5, 0.8]"  # across the map
    assert (view.picture("map") != before[0], view.picture("curves") != before[1]) == (True, True)
    assert " From (2.5, 0.8): SGD reaches " in view.sentence()
    assert view.sentence() == bare.ask("print(view.describe())")
    assert view.readout("Adam") == " · ".join(
        bare.ask(f"print(view.outcome(5, view.{start}))") for start in ("start", "second")
    )
    mouse.move(*inside(view, "map", MAP, (2.5 + 3) / 6, (0.8 + 2) / 4))  # the ring that is nearer
    mouse.down()
    mouse.move(*inside(view, "map", MAP, 0.75, 0.2))
    mouse.up()
    assert bare.ask("print(view.second, view.start)") == "[1.5, -1.2] [-2.5, -0.8]"
    view.canvas("map").focus()
    bare.page.keyboard.press("Shift+ArrowRight")
    assert bare.ask("print(view.second, view.start)") == "[1.5, -1.2] [-1.9, -0.8]"
    bare.page.keyboard.press("Space")
    bare.page.keyboard.press("Shift+ArrowUp")
    assert bare.ask("print(view.second, view.start)") == "[1.5, -0.8] [-1.9, -0.8]"
    view.button("reset").click()
    view.settle()
    assert view.picture("map") == before[0]


def test_the_map_is_zoomed_to_the_lowest_loss_and_back(bare):
    view = bare.view()
    bare.ask("view.shown = ['Adam', 'Momentum']")
    before = view.picture("map")
    assert view.button("wider").is_disabled()
    view.button("closer").click()
    view.canvas("map").focus()
    bare.page.keyboard.press("+")
    x, y = map(float, bare.ask("print(*view.sweep.paths[1, 0, 0, 0, 40].tolist())").split())
    low, high, bottom, top = map(float, bare.ask("print(*view.zoom)").split())
    assert (high - low, top - bottom) == pytest.approx((6 / 9, 4 / 9))
    assert ((low + high) / 2, (bottom + top) / 2) == pytest.approx((x, y))
    assert view.picture("map") != before
    bare.page.mouse.click(*inside(view, "map", (64, 8, 10, 24), 0.5, 0.75))  # a start in that part
    start = [float(v) for v in bare.ask("print(*view.start)").split()]
    assert start == pytest.approx([(low + high) / 2, bottom + 0.75 * (top - bottom)], abs=0.005)
    for _ in range(2):
        view.button("wider").click()
    assert bare.ask("print(view.zoom)") == "[]"
    view.button("reset").click()
    bare.ask("view.shown = ['Adam', 'Momentum']")
    assert view.picture("map") == before


def test_further_sliders_move_what_reads_them(show):
    lists = "beta2=[0.5, 0.9, 0.999], weight_decay=[0, 0.1, 1], noise=[0, 1, 2]"
    bare = show(
        IMPORTS, f"view = SurfaceView('ravine', ['SGD', 'Adam'], steps=30, at_lr=0.02, {lists})\nview"
    )
    view = bare.view()
    for name, key in [("beta2", "Home"), ("weight_decay", "End"), ("noise", "ArrowRight")]:
        before = view.readout("SGD"), view.picture("map")
        view.press(name, key)
        assert (view.readout("SGD") == before[0]) is (name == "beta2")
        assert view.picture("map") != before[1]
    assert bare.ask("print(view.more)") == "{'beta2': 0, 'weight_decay': 2, 'noise': 1}"
    assert view.sentence() == bare.ask("print(view.describe())")
    view.box("Adam").click()
    view.settle()
    assert [view.slider(name).is_visible() for name in ("beta2", "weight_decay", "noise")] == [
        False,
        True,
        True,
    ]


def test_a_start_that_the_kernel_sets_is_drawn(bare):
    view = bare.view()
    bare.ask("view.start = [0, 1.5]")
    assert view.sentence() == bare.ask("print(view.describe())")
    bare.page.mouse.move(*inside(view, "map", MAP, 0.5, 0.875))
    assert ": step 0, (0, 1.5), " in view.root.locator(".lwlr-tip").inner_text()


def test_paths_that_were_computed_beforehand_say_why_and_their_start_stays(show):
    cells = [IMPORTS, "from lwlr_teach.schedules import Plateau"]
    made = "view = SurfaceView('ravine', ['SGD'], schedule=Plateau(0.5, patience=99), steps=20)\nview"
    bare = show(*cells, made)
    view = bare.view()
    assert "a plateau waits for losses" in view.root.inner_text()
    bare.page.mouse.click(*inside(view, "map", MAP, 0.75, 0.75))
    view.press("lr", "ArrowLeft", times=9)
    assert view.sentence() == bare.ask("print(view.describe())")
    assert "from" not in view.sentence()


def test_a_click_on_the_curves_goes_to_that_step(bare):
    view = bare.view()
    view.button("play").click()
    bare.page.mouse.click(*inside(view, "curves", (42, 24, 14, 38), 21 / 60, 0.9))
    view.settle()
    assert view.position("step") == 21
    assert "play" in view.button("play").inner_text()
    assert view.sentence() == bare.ask("print(view.describe())")
    assert ", step 21: " in view.sentence()


def test_the_pointer_reads_a_path_and_a_curve(bare):
    view = bare.view()
    tip = view.root.locator(".lwlr-tip")
    bare.ask("view.shown = ['Adam']; view.lr_index, view.momentum_index, view.step = 40, 7, 60")
    view.settle()
    x, y, said, loss = bare.ask(
        "from lwlr_teach.core.text import short; point = view.sweep.paths[5, 0, 0, 0, 33].tolist();"
        "loss = view.sweep.losses[5, 0, 0, 0, 33].item();"
        "print(*point, ', '.join(map(short, point)), short(loss), sep='|')"
    ).split("|")
    where = inside(view, "map", (34, 8, 10, 24), (float(x) + 3) / 6, (float(y) + 2) / 4)
    bare.page.mouse.move(*where)
    assert tip.inner_text() == f"Adam: step 33, ({said}), loss {loss}"
    bare.page.mouse.move(*inside(view, "curves", (42, 24, 14, 38), 33 / 60, 0.8))
    assert tip.inner_text() == f"Adam: step 33, {loss}"
    view.press("step", "Home")
    bare.page.mouse.move(where[0] + 1, where[1])
    # That is still to come, and the map is read: its loss and its gradient.
    point, loss, gradient = re.fullmatch(r"(\(.*\)): loss (.*), gradient (\(.*\))", tip.inner_text()).groups()
    near = [float(v.replace("−", "-")) for v in re.findall(r"[^(), ]+", point)]
    assert near == pytest.approx([float(x), float(y)], abs=0.06)
    bare.ask(
        f"import torch; here = torch.tensor({near}, dtype=torch.float64); where = view.surfaces['ravine']"
    )
    true = float(bare.ask("print(where.loss(here).item())"))
    assert float(loss.replace("−", "-")) == pytest.approx(true, rel=0.3, abs=0.1)
    slope = [float(v.replace("−", "-")) for v in re.findall(r"[^(), ]+", gradient)]
    assert slope == pytest.approx(eval(bare.ask("print(where.grad(here).tolist())")), abs=3)


def test_a_box_hides_a_path(bare):
    view = bare.view()
    before = view.picture("map")
    view.box("Adam").focus()
    bare.page.keyboard.press("Space")
    assert not view.box("Adam").is_checked()
    assert view.picture("map") != before
    assert "Adam" not in view.sentence()
    assert "Adam" not in bare.ask("print(view.shown)")
    view.box("Adam").click()
    assert view.picture("map") == before


def test_play_walks_to_the_end_and_reset_goes_back(bare):
    view = bare.view()
    before = view.picture("map")
    view.button("play").click()
    bare.page.wait_for_timeout(400)
    assert 40 < view.position("step") < 60
    bare.page.wait_for_timeout(3000)
    assert view.position("step") == 60
    assert bare.ask("print(view.step)") == "60"
    view.button("play").click()  # from the end it begins again
    bare.page.wait_for_timeout(300)
    view.button("play").click()  # pause
    assert 0 < view.position("step") < 30
    view.drag("lr", 0.2)
    view.button("reset").click()
    assert view.position("step") == 40
    assert view.picture("map") == before
    assert bare.ask("print(view.step)") == "40"


def test_the_kernel_moves_the_view(bare):
    view = bare.view()
    bare.ask("view.lr_index = 5; view.shown = ['SGD', 'Adam']")
    view.settle()
    assert view.position("lr") == 5
    assert not view.box("Momentum").is_checked()
    assert view.sentence() == bare.ask("print(view.describe())")


def test_two_views_do_not_disturb_each_other(show):
    bare = show(*CELLS)
    first, second = bare.view(0), bare.view(1)
    before = second.picture("map")
    first.drag("lr", 0.8)
    assert second.picture("map") == before
    assert bare.ask("print(other.lr_index)") == str(second.position("lr"))
    second.drag("lr", 0.1)
    assert first.position("lr") > second.position("lr")


def test_a_cell_that_runs_again_replaces_its_view(notebook):
    notebook.ask("import ipywidgets; first, alive = view, ipywidgets.widgets.widget._instances")
    for _ in range(3):
        notebook.run_cell(1)
    assert (
        notebook.ask("print(first.comm, sum(isinstance(w, SurfaceView) for w in alive.values()))") == "None 2"
    )
    view = notebook.view(0)
    assert notebook.page.locator(".lwlr-view").count() == 2
    view.press("lr", "ArrowRight")
    assert view.sentence() == notebook.ask("print(view.describe())")


def test_light_and_dark(notebook):
    view = notebook.view()
    light = view.picture("curves")
    notebook.theme("JupyterLab Dark")
    view.settle()
    dark = view.picture("curves")
    assert dark != light
    colour = view.root.evaluate("root => getComputedStyle(root).color")
    assert min(int(c) for c in re.findall(r"\d+", colour)[:3]) > 180
    # The axis labels are light: somewhere in the picture is a light pixel that is opaque.
    brightest = view.canvas("curves").evaluate(
        "c => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let most = 0;"
        " for (let i = 0; i < d.length; i += 4)"
        "   if (d[i + 3] > 250) most = Math.max(most, Math.min(d[i], d[i + 1], d[i + 2]));"
        " return most; }"
    )
    assert brightest > 200
    notebook.theme("JupyterLab Light")
    view.settle()
    assert view.picture("curves") == light


@pytest.mark.parametrize("end", [Notebook.shut_down_kernel, Notebook.kill_kernel])
def test_the_view_outlives_its_kernel(notebook, end):
    view = notebook.view()
    end(notebook)
    before = view.picture("map")
    view.drag("lr", 0.7)
    assert view.picture("map") != before
    view.press("step", "Home")
    view.button("reset").click()
    assert view.picture("map") == before


def test_pictures_use_the_pixels_of_the_screen(show):
    view = show(*CELLS[:2], pixel_ratio=2).view()
    sizes = view.canvas("map").evaluate("c => [c.width, c.clientWidth, c.height, c.clientHeight]")
    assert sizes[0] == 2 * sizes[1]
    assert sizes[2] == 2 * sizes[3]


def test_a_narrow_window_stacks_the_pictures(show):
    view = show(*CELLS[:2], width=430).view()
    upper, lower = (view.canvas(name).bounding_box() for name in ("map", "curves"))
    assert upper["y"] + upper["height"] <= lower["y"]
    assert lower["width"] > 250


WALKERS = """
from lwlr_teach.problems import noisy
view = SurfaceView(noisy("quadratic", 1.0), ["SGD", "Adam"], lr=[0.03, 0.1, 0.3], steps=50, walkers=5)
view
"""


def test_the_loss_at_every_rate_is_the_mean_of_the_walkers(show):
    bare = show("from lwlr_teach.views import SurfaceView", WALKERS)
    view = bare.view()
    view.root.get_by_text("loss at every rate").click()
    view.settle()
    curves = "c => c.plots[0].curves.map((c) => Array.from({ length: c.n }, (_, k) => c.y(k)))"
    drawn = view.canvas("rates").evaluate(curves)
    means = json.loads(bare.ask("import json; print(json.dumps(view.losses_at(view._rates).tolist()))"))
    for own, wanted in zip(drawn, means, strict=True):
        assert own == pytest.approx(wanted, rel=1e-9)


def test_another_wind_moves_the_walker_and_not_the_mean(show):
    bare = show("from lwlr_teach.views import SurfaceView", WALKERS)
    view = bare.view()
    mean = re.findall(r"mean of 5: [^)]*", view.sentence())
    seen = set()
    for _ in range(5):
        assert view.sentence() == bare.ask("print(view.describe())")
        assert re.findall(r"mean of 5: [^)]*", view.sentence()) == mean
        seen.add(view.sentence())
        view.button("wind").click()
    assert len(seen) == 5
    assert view.sentence() in seen  # they begin again
    view.button("reset").click()
    view.slider("lr").press("ArrowRight")
    assert view.sentence() == bare.ask("print(view.describe())")
    view.root.locator("[data-name=second]").click()
    assert view.sentence() == bare.ask("print(view.describe())")
