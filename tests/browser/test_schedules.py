"""The schedule view: the sliders, the pad, and how the drawn schedule joins the race."""

import json
import re
from itertools import pairwise

import pytest

from authoring.lab import View, write_notebook

COLUMNS = 60
LONG = 60_000  # milliseconds; the machine may be busy
IMPORTS = "from lwlr_teach.studies import train_schedules\nfrom lwlr_teach.views import ScheduleView"
MAKE = (
    "runs = train_schedules(['constant', 'cosine', 'WSD'], lr=[0.02, 0.05, 0.1, 0.2, 0.5], seeds=3, steps=40,"
    " progress=False)\n{name} = ScheduleView(runs)\n{name}"
)
CELLS = [IMPORTS, MAKE.format(name="view"), MAKE.format(name="other")]


@pytest.fixture(scope="module")
def two_views(root) -> str:
    write_notebook(root / "schedules.ipynb", *CELLS)
    return "schedules.ipynb"


@pytest.fixture
def bare(show):
    return show(*CELLS[:2])


@pytest.fixture
def notebook(run_again, two_views):
    yield from run_again(two_views)


def status(view: View) -> str:
    view.settle()
    return view.root.locator(".lwlr-status").inner_text()


def wait_until_raced(view: View, before: str = "") -> None:
    """Wait until the kernel has trained what was drawn, and the words differ from those before."""
    view.page.wait_for_function(
        "([root, before]) => { const said = root.querySelector('.lwlr-status').textContent;"
        " return said.startsWith('Yours is') && root.querySelector('canvas').ariaLabel !== before; }",
        arg=[view.root.element_handle(), before],
        timeout=LONG,
    )
    view.settle()


def frame_of(view: View) -> tuple[float, float, float, float]:
    box = view.canvas("factors").bounding_box()
    return box["x"] + 48, box["y"] + 26, box["width"] - 62, box["height"] - 66


def draw(view: View, *points: tuple[float, float]) -> None:
    """Draw with the mouse through these places, shares of the width and of the height from below."""
    left, top, width, height = frame_of(view)
    places = [(left + x * width, top + (1 - y) * height) for x, y in points]
    mouse = view.page.mouse
    mouse.move(*places[0])
    mouse.down()
    for place in places[1:]:
        mouse.move(*place, steps=4)
    mouse.up()


def set_slider(view: View, name: str, value: int) -> None:
    view.slider(name).evaluate(
        "(input, value) => { input.value = value;"
        " for (const kind of ['input', 'change']) input.dispatchEvent(new Event(kind)); }",
        value,
    )


def pictures(view: View) -> list[str]:
    return [view.picture(name) for name in ("factors", "curves", "ranks")]


def test_the_keys_move_the_sliders_and_these_the_pictures(bare):
    view = bare.view()
    before = pictures(view)
    view.press("lr", "ArrowLeft")
    after = pictures(view)
    assert all(a != b for a, b in zip(before, after, strict=True))
    view.press("cosine", "End")
    assert all(a != b for a, b in zip(after, pictures(view), strict=True))
    assert bare.ask("print(view.lr_index, view.positions)") == "1 {'cosine': 4, 'WSD': 2}"
    assert view.slider("cosine").get_attribute("aria-label") == "cosine, ends at"
    assert view.slider("cosine").get_attribute("aria-valuetext") == "0.6"
    view.button("reset").click()
    assert pictures(view) == before
    assert bare.ask("print(view.lr_index, view.positions)") == "2 {'cosine': 0, 'WSD': 2}"


OVERLAP = (
    "first = [view.outcome(name) for name in view.leaders()]\n"
    "print(any(o.low <= first[0].high < o.loss for o in first))"
)


def test_each_at_its_own_best_and_back(bare):
    view = bare.view()
    before = pictures(view)
    assert "all at peak rate 0.1," in view.sentence()
    view.button("own").focus()
    bare.page.keyboard.press("Enter")
    assert all(a != b for a, b in zip(before, pictures(view), strict=True))
    assert "each at its own best peak rate" in view.sentence()
    assert view.button("own").get_attribute("aria-pressed") == "true"
    assert bare.ask("print(view.own_best)") == "True"
    view.press("lr", "ArrowRight")  # a rate for all again
    assert "all at peak rate 0.2," in view.sentence()
    assert view.button("own").get_attribute("aria-pressed") == "false"
    assert bare.ask("print(view.own_best)") == "False"


def test_a_schedule_drawn_with_the_keys_joins_the_race(bare):
    view = bare.view()
    assert status(view).startswith("Draw a schedule of your own")
    assert view.readout("yours") == "not drawn yet"
    view.canvas("factors").focus()
    press = bare.page.keyboard.press
    for _ in range(10):
        press("ArrowUp")
    for _ in range(20):
        press("ArrowRight")
    for _ in range(20):
        press("ArrowDown")
    for _ in range(50):  # further than the end
        press("ArrowRight")
    bare.answer()
    drawn = json.loads(bare.ask("print(view.drawn)"))
    assert drawn[:20] == pytest.approx([0.8] * 20)
    assert drawn[20:] == pytest.approx([0.2] * 40)
    assert "yours" in view.sentence()
    assert view.sentence() == bare.ask("print(view.describe())")
    assert re.fullmatch(
        r"Yours is (number|one of) [1-4] (of 4|that are about equal)\. Draw again to change it\.",
        status(view),
    )
    press("Tab")
    bare.page.wait_for_timeout(600)  # a key that draws nothing sends nothing
    assert bare.ask("print(view.raced == view.drawn)") == "True"


def test_a_schedule_drawn_with_the_mouse_joins_the_race(notebook):
    view = notebook.view()
    before = pictures(view)
    draw(view, (0, 1), (0.5, 0.5), (1, 0))
    wait_until_raced(view)
    drawn = json.loads(notebook.ask("print(view.drawn)"))
    assert len(drawn) == COLUMNS
    assert max(abs(d - (1 - i / 59)) for i, d in enumerate(drawn)) < 0.03
    assert all(a != b for a, b in zip(before, pictures(view), strict=True))
    assert black(view, "factors", 0.25, 0.75)
    assert not black(view, "factors", 0.25, 0.45)
    first = view.sentence()
    view.button("own").click()
    draw(view, (0.5, 0.2), (1, 0.2))  # mends it, and each keeps its own best peak
    wait_until_raced(view, before=first)
    mended = json.loads(notebook.ask("print(view.drawn)"))
    assert mended[:29] == drawn[:29]
    assert mended[31:] == pytest.approx([0.2] * 29, abs=0.01)
    assert notebook.ask("print(view.own_best)") == "True"
    assert "each at its own best peak rate" in view.sentence()
    assert view.sentence() == notebook.ask("print(view.describe())")
    assert notebook.ask("print(view.outcome('yours') == view.outcome('yours', lr='best'))") == "True"
    view.box("yours").click()
    assert status(view) == "Yours is in the race, and hidden."
    assert "yours" not in view.sentence()
    draw(view, (0.1, 0.9), (0.2, 0.9))  # who draws wants to see it
    wait_until_raced(view)
    assert view.box("yours").is_checked()
    view.button("reset").click()
    assert pictures(view)[1:] == before[1:]
    assert notebook.ask("print(view.drawn, view.raced)") == "[] []"


def black(view: View, name: str, x: float, y: float) -> bool:
    """Whether the line of the drawn schedule passes there."""
    script = """(c, [x, y]) => {
      const [w, h] = [c.clientWidth - 62, c.clientHeight - 66];
      const data = c.getContext('2d').getImageData(48 + x * w - 1, 26 + (1 - y) * h - 3, 3, 7).data;
      let dark = 0;
      for (let i = 0; i < data.length; i += 4) {
        dark += data[i + 3] > 200 && Math.max(...data.slice(i, i + 3)) < 60;
      }
      return dark > 4;
    }"""
    return view.canvas(name).evaluate(script, [x, y])


def test_a_schedule_drawn_with_a_finger_joins_the_race(bare):
    view = bare.view()
    left, top, width, height = frame_of(view)
    client = bare.page.context.new_cdp_session(bare.page)
    client.send("Emulation.setTouchEmulationEnabled", {"enabled": True})

    def touch(kind, *places):
        points = [{"x": left + x * width, "y": top + (1 - y) * height} for x, y in places]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", (0.02, 0.9))
    for x in (0.2, 0.4, 0.6, 0.8, 0.98):
        touch("touchMove", (x, 0.9 - x / 2))
    touch("touchEnd")
    bare.answer()
    drawn = json.loads(bare.ask("print(view.drawn)"))
    assert drawn[30] == pytest.approx(0.65, abs=0.03)
    assert drawn[-2] == pytest.approx(0.41, abs=0.03)


def test_the_pictures_are_read_and_a_name_is_shown_alone(bare):
    view = bare.view()
    left, top, width, height = frame_of(view)
    view.page.mouse.move(left + width / 2, top + height / 2)
    view.settle()
    read = view.root.locator(".lwlr-tip")
    assert read.inner_text() == "cosine: step 20, 0.05"
    assert bare.ask("print(view.drawn)") == "[]"
    box = view.canvas("ranks").bounding_box()
    view.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    view.settle()
    best = bare.ask("print(view.ranking()[0])")
    assert read.inner_text().startswith(f"{best}: final loss ")
    view.button("alone-cosine").click()
    assert bare.ask("print(view.shown)") == "['cosine']"
    view.button("own").click()
    value = view.root.locator("[data-value=lr]")
    view.settle()
    assert value.input_value() == "own best"
    value.click()
    bare.page.keyboard.type("0.19")
    bare.page.keyboard.press("Enter")  # a typed rate is for all again
    view.settle()
    assert value.input_value() == "0.2"
    assert bare.ask("print(view.own_best, round(view.lr, 3))") == "False 0.2"
    assert view.sentence() == bare.ask("print(view.describe())")


def test_without_a_kernel_the_view_goes_on_and_says_what_is_missing(notebook):
    view = notebook.view()
    notebook.shut_down_kernel()
    before = pictures(view)
    draw(view, (0, 0.5), (1, 0.1))
    assert status(view).startswith("Training")
    assert black(view, "factors", 0.25, 0.4)
    view.page.wait_for_function(
        "root => root.querySelector('.lwlr-status').textContent.endsWith('the kernel is busy or gone.')",
        arg=view.root.element_handle(),
        timeout=LONG,
    )
    assert "yours" not in view.sentence()
    view.press("lr", "Home")
    assert all(a != b for a, b in zip(before, pictures(view), strict=True))
    view.button("reset").click()
    assert status(view).startswith("Draw a schedule")
    assert pictures(view)[1:] == before[1:]


def test_a_busy_kernel_trains_it_later(notebook):
    view = notebook.view()
    notebook._run("panel.sessionContext.session.kernel.requestExecute({code: 'import time; time.sleep(2)'});")
    draw(view, (0, 0.5), (1, 0.1))
    draw(view, (0, 0.9), (1, 0.4))
    assert status(view).startswith("Training")
    view.press("cosine", "End")  # the rest goes on meanwhile
    assert "yours" not in view.sentence()
    wait_until_raced(view)
    assert notebook.ask("print(round(view.drawn[0], 1), view.raced == view.drawn)") == "0.9 True"
    assert view.sentence() == notebook.ask("print(view.describe())")


def test_a_narrow_window_stacks_everything(show):
    bare = show(*CELLS[:2], width=499)
    view = bare.view()
    boxes = [view.canvas(name).bounding_box() for name in ("factors", "curves", "ranks")]
    boxes.append(view.root.locator(".lwlr-legend").bounding_box())
    for upper, lower in pairwise(boxes):
        assert upper["y"] + upper["height"] <= lower["y"]
    overflow = view.root.evaluate("root => root.scrollWidth - root.clientWidth")
    assert overflow <= 0
    draw(view, (0, 0.5), (1, 0.1))
    bare.answer()
    assert status(view).startswith("Yours is")
