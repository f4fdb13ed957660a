"""Predictions, recall, the map and the playground: as a learner meets them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from authoring.lab import Notebook, View, write_notebook
from lwlr_teach.command.desk import without_outputs as handed_out
from lwlr_teach.teaching import predictions
from lwlr_teach.teaching.course import COURSE

COLUMNS = 60
IMPORTS = """
import os
from lwlr_teach.teaching import *
"""
# A record of one's own, in a kernel that has not shown any truth yet.
RECORD = """
import os
from lwlr_teach.teaching import predictions
predictions._shown.clear()
os.environ['LWLR_PROGRESS'] = {file!r}
"""
NUMBER = (
    "n = predict_number('01-n', 'Which rate is best?', [0.001 * i for i in range(1, 42)], within=0.01)\nn"
)
CHOICE = "c = predict_choice('01-c', 'Who is first?', ['SGD', 'Adam', 'neither'])\nc"
CURVE = (
    "k = predict_curve('01-k', 'Draw the loss.', x={'range': [0, 30], 'title': 'step'},"
    " y={'range': [1e-6, 100], 'title': 'loss', 'log': True})\nk"
)
SHOWN = ["n.reveal(0.03)", "c.reveal('Adam')", "k.reveal([10 ** (2 - i / 5) for i in range(31)])"]


RECALL = "r = recall('02-momentum', 2)\nr"
ASKED = [IMPORTS, NUMBER, CHOICE, CURVE, RECALL]


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch) -> Path:
    """The record of progress, of bare views too."""
    monkeypatch.setenv("LWLR_PROGRESS", str(tmp_path / "lwlr-progress.json"))
    monkeypatch.setattr(predictions, "_shown", set())
    return tmp_path / "lwlr-progress.json"


@pytest.fixture(scope="module")
def asked(root) -> str:
    write_notebook(root / "asked.ipynb", *ASKED, SHOWN[0])
    return "asked.ipynb"


@pytest.fixture
def notebook(run_again, asked, file) -> Iterator[Notebook]:
    """Has a number, a choice, a curve and two questions, and a cell that shows the number."""
    yield from run_again(asked, cells=range(len(ASKED)), before=RECORD.format(file=str(file)))


@pytest.fixture
def open_cells(root, file, open_notebook):
    """Opens a notebook with these cells and runs them."""

    def open_one(*cells: str) -> Notebook:
        write_notebook(root / "teaching.ipynb", RECORD.format(file=str(file)) + IMPORTS, *cells)
        opened.append(open_notebook("teaching.ipynb"))
        opened[-1].run_all()
        return opened[-1]

    opened: list[Notebook] = []
    yield open_one
    for notebook in opened:
        assert notebook.page_errors == []
        assert notebook.cell_errors() == []


def kept(file: Path):
    return json.loads(file.read_text(encoding="utf-8"))


def status(view: View) -> str:
    return view.root.locator(".lwlr-status").inner_text()


def option(view: View, number: int):
    return view.root.locator(f'input[type=radio][data-option="{number}"]')


def controls(view: View) -> list[bool]:
    """Which inputs are disabled, but for the values beside sliders, which go with them."""
    return view.root.locator("input:not(.lwlr-value)").evaluate_all(
        "inputs => inputs.map(input => input.disabled)"
    )


def has(view: View, name: str, colour: tuple[int, int, int]) -> int:
    """How many pixels of the canvas have this colour."""
    return view.canvas(name).evaluate(
        "(c, [r, g, b]) => {"
        " const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0;"
        " for (let i = 0; i < d.length; i += 4)"
        "   n += Math.abs(d[i] - r) + Math.abs(d[i + 1] - g) + Math.abs(d[i + 2] - b) < 12 && d[i + 3] > 200;"
        " return n; }",
        list(colour),
    )


ORANGE, BLUE, LIGHT_BLUE = (0xE6, 0x9F, 0x00), (0x00, 0x72, 0xB2), (0x56, 0xB4, 0xE9)


# --- a number -----------------------------------------------------------------------------------------------


def test_a_per_cent_is_typed_with_its_sign_or_without(show):
    bare = show(
        "from lwlr_teach.teaching import predict_number\n"
        "values = [0.1, 1.0, 10.0, 100.0]\n"
        "n = predict_number('01-share', 'Which share?', values, within=2, log=True, unit='%')\nn"
    )
    view = bare.view()
    for name, typed, shown in [
        ("guess", "0.11", "0.1%"),
        ("guess", "10%", "10%"),
        ("confidence", "80", "80%"),
        ("confidence", "100%", "100%"),
    ]:
        field = view.root.locator(f'[data-value="{name}"]')
        field.fill(typed)
        field.press("Enter")
        assert field.input_value() == shown, typed


def test_a_number_is_guessed_with_the_mouse_locked_and_compared(notebook, file):
    view = notebook.view()
    assert view.button("lock").is_disabled()
    assert status(view) == "move the slider first"
    view.drag("guess", 0.5)
    assert view.position("guess") == 20
    assert status(view) == ""
    view.drag("confidence", 1.0)
    assert has(view, "number", ORANGE) > 20
    assert has(view, "number", BLUE) == 0
    assert not file.exists()
    view.button("lock").click()
    assert notebook.ask("print(n.locked, n.guess, n.confidence)") == "True [20] 100"
    assert kept(file)["predictions"] == {"01-n": {"guess": [20], "confidence": 100}}
    view.settle()
    assert controls(view) == [True, True]
    assert view.button("lock").is_hidden()
    assert status(view) == "Locked: 0.021, 100% sure."
    before = view.picture("number")
    notebook.run_cell(len(ASKED))
    notebook.ask("")
    view.settle()
    assert view.picture("number") != before
    assert has(view, "number", ORANGE) > 20
    assert has(view, "number", BLUE) > 20
    assert status(view) == "✔ You said 0.021, 100% sure; it is 0.03 (0.01 off counts as right)."
    assert view.sentence() == notebook.ask("print(n.describe())") == "Which rate is best? " + status(view)
    assert kept(file)["predictions"]["01-n"]["right"] is True
    again = notebook.view(4)  # the same view once more, below the cell that shows the truth
    assert again.sentence() == view.sentence()
    assert again.picture("number") == view.picture("number")


def test_a_number_is_guessed_with_the_keyboard(notebook, file):
    view = notebook.view()
    view.press("guess", "Tab")
    cell = notebook.active_cell()
    assert status(view) == "move the slider first"
    view.press("guess", "Enter")  # the middle, where it stands
    assert notebook.ask("print(n.guess)") == "[20]"
    view.slider("guess").focus()
    keyboard = notebook.page.keyboard
    for key in ("End", "ArrowLeft", "ArrowLeft"):
        keyboard.press(key)
    keyboard.press("Tab")
    for _ in range(3):
        keyboard.press("ArrowRight")
    keyboard.press("Tab")
    keyboard.press("Enter")
    view.root.locator(".lwlr-status", has_text="Locked: ").wait_for()  # the kernel has answered
    assert notebook.ask("print(n.locked, n.guess, n.confidence)") == "True [38] 85"
    assert kept(file)["predictions"]["01-n"] == {"guess": [38], "confidence": 85}
    assert notebook.active_cell() == cell
    keyboard.press("Shift+Enter")  # the button is gone, and the notebook still hears the keys
    assert notebook.active_cell() == cell + 1


def test_what_follows_is_a_screen_away_until_the_guess_is_locked(show):
    bare = show(IMPORTS, NUMBER, EXPLAIN)
    below = [bare.page.locator(".lwlr-gap").nth(i) for i in range(2)]
    screen = bare.page.viewport_size["height"]
    assert all(gap.bounding_box()["height"] > 0.8 * screen for gap in below)
    view = bare.view()
    view.press("guess", "End")
    view.button("lock").click()
    assert below[0].is_hidden()
    bare.page.locator("textarea").fill("Halve it.")
    bare.page.locator("[data-name=keep]").click()
    assert below[1].is_hidden()


PICTURE = (
    "from lwlr_teach.views import SurfaceView\nSurfaceView('quadratic', ['SGD'], lr=[0.1, 0.2], steps=9)"
)


@pytest.mark.parametrize(("cell", "part"), [(NUMBER, ".lwlr-question"), (PICTURE, ".lwlr-map")])
def test_what_a_cell_shows_stays_in_view_when_the_next_one_is_chosen(open_notebook, root, cell, part):
    """In a learner's copy the next cell is a screen away, and JupyterLab goes there at once."""
    long = "\n" * 30 + "0"
    write_notebook(root / "question.ipynb", IMPORTS + long, cell, long, *["2"] * 20)
    (root / "question.ipynb").write_bytes(handed_out((root / "question.ipynb").read_bytes()))
    notebook = open_notebook("question.ipynb")
    notebook.run_cell(0)
    page = notebook.page
    page.evaluate(
        "() => { const { content } = jupyterapp.shell.currentWidget;"
        " content.activeCellIndex = 1; content.node.focus(); }"
    )
    page.keyboard.press("Shift+Enter")
    shown = page.locator(part).first
    shown.wait_for()
    page.wait_for_timeout(1000)
    assert notebook.active_cell() == 2
    assert 50 < shown.bounding_box()["y"] < page.viewport_size["height"] - 100


def test_what_is_needed_to_think_stays_above_the_question(open_notebook, root):
    long = "\n" * 30 + "0"
    write_notebook(root / "above.ipynb", IMPORTS + long, "print('needed to think')", NUMBER, *["2"] * 20)
    notebook = open_notebook("above.ipynb")
    notebook.run_cell(0)
    page = notebook.page
    page.evaluate(
        "() => { const { content } = jupyterapp.shell.currentWidget;"
        " content.activeCellIndex = 1; content.node.focus(); }"
    )
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Shift+Enter")
    lock = page.locator("[data-name=lock]")
    lock.wait_for()
    page.wait_for_timeout(1000)
    screen = page.viewport_size["height"]
    assert lock.bounding_box()["y"] > 0.8 * screen
    assert 50 < page.get_by_text("needed to think").last.bounding_box()["y"] < screen


@pytest.mark.parametrize(
    ("cell", "control"),
    [(PICTURE, "[data-name=play]"), (PICTURE, "[data-name=lr]"), (RECALL, "[data-option='1']")],
    ids=["a button", "a slider", "an option"],
)
def test_a_control_hands_on_what_runs_a_cell(open_notebook, root, cell, control):
    write_notebook(root / "control.ipynb", IMPORTS, cell, "3 + 4", "5 + 6")
    notebook = open_notebook("control.ipynb")
    for i in (0, 1):
        notebook.run_cell(i)
    page = notebook.page
    page.locator(control).first.click()
    for _ in range(2):  # the picture's cell, and the next
        page.keyboard.press("Shift+Enter")
    page.locator(".jp-OutputArea-output pre", has_text="7").wait_for()
    page.locator(control).first.wait_for()
    page.locator(control).first.focus()
    page.keyboard.press("Escape")
    assert page.evaluate("!document.activeElement.closest('.lwlr-view')")
    before = notebook.active_cell()
    page.keyboard.press("ArrowDown")
    assert notebook.active_cell() == before + 1


def test_after_the_truth_was_shown_there_is_nothing_to_lock(show, file):
    bare = show(IMPORTS, NUMBER)
    bare.ask(SHOWN[0])
    view = bare.view()
    assert view.button("lock").is_hidden()
    assert controls(view) == [True, True]
    assert status(view) == "No guess was locked; it is 0.03."
    assert has(view, "number", BLUE) > 20
    assert not file.exists()


def test_a_guess_is_locked_when_the_lesson_is_opened_again(show):
    bare = show(IMPORTS, NUMBER)
    view = bare.view()
    view.press("guess", "Home")
    view.press("guess", "ArrowRight", times=4)
    view.button("lock").click()
    assert bare.ask("print(n.locked)") == "True"
    bare = show(IMPORTS, NUMBER)
    view = bare.view()
    assert bare.ask("print(n.locked, n.guess)") == "True [4]"
    assert status(view) == "Locked: 0.005, 70% sure."
    assert controls(view) == [True, True]


# --- a choice -----------------------------------------------------------------------------------------------


def test_a_choice_is_made_with_the_mouse_and_compared(show, file):
    bare = show(IMPORTS, CHOICE)
    view = bare.view()
    assert view.button("lock").is_disabled()
    view.root.get_by_text("neither").click()
    view.button("lock").click()
    assert bare.ask("print(c.locked, c.guess)") == "True [2]"
    assert kept(file)["predictions"]["01-c"] == {"guess": [2], "confidence": 70}
    bare.ask(SHOWN[1])
    verdicts = view.root.locator(".lwlr-verdict").all_inner_texts()
    assert verdicts == ["", "★ measured", "▼ your guess"]
    assert [option(view, i).is_checked() for i in range(3)] == [False, False, True]
    assert controls(view) == [True] * 4
    assert status(view) == "✘ You said “neither”, 70% sure; measured: “Adam”."
    assert kept(file)["predictions"]["01-c"]["right"] is False


def test_a_choice_is_made_with_the_keyboard(notebook, file):
    view = notebook.view(1)
    option(view, 0).focus()
    cell = notebook.active_cell()
    for key in ("Space", "ArrowDown", "Tab", "Home", "Tab", "Space"):
        notebook.page.keyboard.press(key)
        view.settle()
    assert notebook.ask("print(c.locked, c.guess, c.confidence)") == "True [1] 50"
    assert notebook.active_cell() == cell


# --- a curve ------------------------------------------------------------------------------------------------


def frame_of(view: View) -> tuple[float, float, float, float]:
    box = view.canvas("curve").bounding_box()
    return box["x"] + 46, box["y"] + 26, box["width"] - 66, box["height"] - 66


def test_a_curve_is_drawn_with_the_mouse(show, file):
    bare = show(IMPORTS, CURVE)
    view = bare.view()
    assert status(view) == "draw a curve first"
    left, top, width, height = frame_of(view)
    mouse = bare.page.mouse
    mouse.move(left, top)
    mouse.down()
    mouse.move(left + width / 2, top + height, steps=4)  # fewer events than columns: no gaps
    mouse.move(left + width, top + height / 2, steps=4)
    mouse.up()
    guess = json.loads(bare.ask("print(k.guess)"))
    assert len(guess) == COLUMNS
    middle = (COLUMNS - 1) / 2
    wanted = [1 - i / middle if i <= middle else (i - middle) / (2 * middle) for i in range(COLUMNS)]
    assert max(abs(g - w) for g, w in zip(guess, wanted, strict=True)) < 0.06
    mouse.move(left + width / 4, top)  # a second stroke mends the first
    mouse.down()
    mouse.move(left + width / 2, top, steps=3)
    mouse.up()
    mended = json.loads(bare.ask("print(k.guess)"))
    assert min(mended[16:29]) > 0.99
    assert mended[:14] == guess[:14]
    assert mended[31:] == guess[31:]
    view.button("lock").click()
    assert bare.ask("print(k.locked)") == "True"
    assert kept(file)["predictions"]["01-k"]["guess"] == mended
    before = view.picture("curve")
    mouse.move(left, top + height)
    mouse.down()
    mouse.move(left + width, top + height, steps=3)
    mouse.up()
    bare.page.keyboard.press("ArrowUp")
    assert json.loads(bare.ask("print(k.guess)")) == mended  # locked is locked
    bare.ask(SHOWN[2])
    view.settle()
    assert view.picture("curve") != before
    assert has(view, "curve", ORANGE) > 50
    assert has(view, "curve", BLUE) > 50
    assert status(view).startswith("✘ You said a curve, 70% sure; the measured curve goes from 100 to ")


def test_a_curve_is_drawn_with_the_keys(notebook, file):
    view = notebook.view(2)
    view.canvas("curve").focus()
    cell = notebook.active_cell()
    press = notebook.page.keyboard.press
    for _ in range(10):
        press("ArrowUp")
    for _ in range(30):
        press("ArrowRight")
    for _ in range(20):
        press("ArrowDown")
    for _ in range(40):  # further than the end
        press("ArrowRight")
    guess = json.loads(notebook.ask("print(k.guess)"))
    assert guess[:30] == pytest.approx([0.8] * 30)
    assert guess[30:] == pytest.approx([0.2] * 30)
    assert notebook.active_cell() == cell
    press("Tab")
    press("Tab")
    press("Enter")
    assert notebook.ask("print(k.locked)") == "True"
    assert kept(file)["predictions"]["01-k"]["guess"] == pytest.approx(guess)


def test_two_curves_do_not_disturb_each_other(show):
    other = CURVE.replace("01-k", "01-other").replace("k =", "other =").replace("\nk", "\nother")
    bare = show(IMPORTS, CURVE, other)
    first, second = bare.view(0), bare.view(1)
    before = second.picture("curve")
    bare.view(0)
    left, top, width, height = frame_of(first)
    bare.page.mouse.move(left, top + height / 2)
    bare.page.mouse.down()
    bare.page.mouse.move(left + width, top, steps=3)
    bare.page.mouse.up()
    first.button("lock").click()
    assert bare.ask("print(k.locked, other.locked, other.guess)") == "True False []"
    assert second.picture("curve") == before
    assert second.button("lock").is_disabled()


# --- both themes, no kernel ---------------------------------------------------------------------------------


def test_light_and_dark(notebook):
    notebook.ask(
        "n.guess, n.locked = [5], True; c.guess, c.locked = [0], True; k.guess, k.locked = [0.5] * 60, True"
    )
    notebook.ask("n.reveal(0.03); c.reveal('Adam'); k.reveal([1.0] * 31)")
    pictures = {name: notebook.view(i).picture(name) for i, name in ((0, "number"), (2, "curve"))}
    for _ in range(3):  # JupyterLab hides the pictures while it changes; none may miss the change
        for theme, colour in (("Dark", LIGHT_BLUE), ("Light", BLUE)):
            notebook.theme(f"JupyterLab {theme}")
            notebook.page.wait_for_timeout(300)
            assert all(has(notebook.view(i), name, colour) > 20 for i, name in ((0, "number"), (2, "curve")))
    notebook.theme("JupyterLab Dark")
    notebook.page.wait_for_timeout(300)
    for i, name in ((0, "number"), (2, "curve")):
        view = notebook.view(i)
        assert view.picture(name) != pictures[name]
        assert has(view, name, ORANGE) > 20
        assert has(view, name, LIGHT_BLUE) > 20
    for view in map(notebook.view, range(3)):
        colour = view.root.evaluate("root => getComputedStyle(root).color")
        assert min(int(c) for c in re.findall(r"\d+", colour)[:3]) > 180
    notebook.theme("JupyterLab Light")
    notebook.page.wait_for_timeout(300)
    for i, name in ((0, "number"), (2, "curve")):
        assert notebook.view(i).picture(name) == pictures[name]


def test_without_a_kernel_the_page_goes_on_and_does_not_pretend(notebook, file):
    notebook.shut_down_kernel()
    view = notebook.view(0)
    view.press("guess", "Home")
    view.button("lock").click()
    assert "Locked" not in status(view)
    view.root.get_by_text("Not stored: the kernel does not answer").wait_for()
    assert controls(view) == [True, True]
    notebook.view(1).root.get_by_text("neither").click()
    notebook.view(1).button("lock").click()
    notebook.view(2).canvas("curve").click()
    notebook.view(2).button("lock").click()
    option(notebook.view(3), 0).first.click()
    notebook.view(3).button("answer-0").click()
    assert not file.exists()


FULL = """
import errno
def full(*args): raise OSError(errno.ENOSPC, "No space left on device")
fsync, os.fsync = os.fsync, full
"""


def test_on_a_full_disk_the_view_says_what_is_not_kept_and_the_next_answer_keeps_all(notebook, file):
    notebook.ask(FULL)
    number, choice = notebook.view(0), notebook.view(1)
    number.press("guess", "Home")
    number.button("lock").click()
    said = number.root.locator(".lwlr-fault")
    said.get_by_text("(No space left on device). It is kept until this kernel ends").wait_for()
    assert "Locked" in status(number)
    assert not file.exists()
    notebook.ask("os.fsync = fsync")
    option(choice, 0).check()
    choice.button("lock").click()
    choice.root.get_by_text("Locked:").wait_for()
    assert set(kept(file)["predictions"]) == {"01-n", "01-c"}


# --- recall -------------------------------------------------------------------------------------------------


def test_recall_gives_the_reason_at_once_and_keeps_the_answer(notebook, file):
    view = notebook.view(3)
    right, why = notebook.ask("print([q.right for q in r.questions], r.questions[0].why, sep='\\n')").split(
        "\n"
    )
    right = json.loads(right)
    blocks = view.root.locator("fieldset")
    assert blocks.count() == 2
    assert view.root.locator(".lwlr-reason").all_inner_texts() == ["", ""]
    assert view.button("answer-0").is_disabled()
    blocks.nth(0).locator("label").nth(right[0]).click()
    assert not blocks.nth(1).locator("input:checked").count()
    view.button("answer-0").click()
    assert blocks.nth(0).locator(".lwlr-reason").inner_text() == f"✔ Right. {why}"
    assert notebook.ask("print(r.answers)") == f"[{right[0]}, -1]"
    assert [entry["last"] for entry in kept(file)["recall"].values()] == ["right"]
    assert view.button("answer-0").is_hidden()
    assert blocks.nth(0).locator("input:disabled").count() == 3

    cell = notebook.active_cell()
    inputs = blocks.nth(1).locator("input")
    inputs.nth(0).focus()
    notebook.page.keyboard.press("Space")
    wrong = (right[1] + 1) % 3
    for _ in range(wrong):
        notebook.page.keyboard.press("ArrowDown")
    notebook.page.keyboard.press("Tab")
    notebook.page.keyboard.press("Enter")
    assert blocks.nth(1).locator(".lwlr-reason").inner_text().startswith("✘ No: ")
    assert notebook.active_cell() == cell
    assert notebook.ask("print(r.answers)") == str([right[0], wrong])
    assert [entry["last"] for entry in kept(file)["recall"].values()] == ["right", "wrong"]
    label = view.root.get_attribute("aria-label")
    assert label == notebook.ask("print(r.describe())")
    assert label.endswith("1 of 2 answered right.")


# --- exercises ----------------------------------------------------------------------------------------------


def test_check_in_a_kernel(open_cells):
    notebook = open_cells(
        "import lwlr_teach.teaching.exercises as exercises\nexercises.SECONDS = 3\n"
        "def step(p, g, lr):\n    while True: pass",
        "check('01-step', step)",
        "def step(p, g, lr):\n    return p.nope",
    )
    assert notebook.ask("check('01-step', lambda p, g, lr: p - lr * g)").startswith("✔ right\n")
    output = notebook.page.locator(".jp-OutputArea-output").first.inner_text()
    assert output.startswith("✘ not yet\nYour function did not come to an end within 3 seconds.")
    said = notebook.ask("check('01-step', step)")
    assert "'Tensor' object has no attribute 'nope'\nin the line: return p.nope\nThe task: " in said


HELP = "check('01-step', lambda p, g, lr: p + lr * g)"
EXPLAIN = "explain('01-explain')"


def test_hints_come_at_a_button_one_by_one_and_the_solution_at_another(show, file):
    page = show(IMPORTS, HELP)
    hints, solution = page.page.locator("[data-name=hint]"), page.page.locator("[data-name=solution]")
    code = page.page.locator(".lwlr-solution")
    assert code.is_hidden()
    for i in range(1, 4):
        assert hints.inner_text() == f"hint {i} of 3"
        hints.press("Enter")
        assert page.page.locator(".lwlr-hints li").count() == i
    assert hints.is_disabled()
    solution.click()
    assert "return p - lr * g" in code.inner_text()
    page.answer()
    assert kept(file)["exercises"]["01-step"] == {"tries": 1, "passed": False, "hints": 3, "solution": 1}
    solution.click()
    assert code.is_hidden()


def test_an_explanation_is_kept_and_then_a_good_one_stands_under_it(show, file):
    page = show(IMPORTS, EXPLAIN)
    area, keep = page.page.locator("textarea"), page.page.locator("[data-name=keep]")
    answer = page.page.locator(".lwlr-reason")
    assert keep.is_disabled()
    assert answer.inner_text() == ""
    area.fill("The edge is sharp.\nHalve it.")
    keep.click()
    assert answer.inner_text().startswith("A good answer: The edge is sharp.")
    page.answer()
    assert kept(file)["explanations"] == {"01-explain": {"said": "The edge is sharp.\nHalve it."}}
    area.fill("Halve it.")
    assert keep.inner_text() == "keep the change"
    keep.click()
    page.answer()
    again = show(IMPORTS, EXPLAIN)
    assert again.page.locator("textarea").input_value() == "Halve it."
    assert again.page.locator(".lwlr-reason").inner_text() != ""


def test_what_was_not_drawn_goes_on_level(show):
    bare = show(IMPORTS, CURVE)
    left, top, width, height = frame_of(bare.view())
    mouse = bare.page.mouse
    mouse.move(left + width / 4, top)
    mouse.down()
    mouse.move(left + 3 * width / 4, top + height / 2, steps=6)
    mouse.up()
    guess = json.loads(bare.ask("print(k.guess)"))
    assert guess[:15] == [1] * 15
    assert guess[45:] == [guess[45]] * (COLUMNS - 45)
    assert abs(guess[45] - 0.5) < 0.02
    mouse.move(left, top + height)  # a second stroke, at the left end, leaves the right one as it is
    mouse.down()
    mouse.move(left + width / 8, top + height, steps=3)
    mouse.up()
    mended = json.loads(bare.ask("print(k.guess)"))
    assert mended[:7] == [0] * 7
    assert mended[20:] == guess[20:]


def test_the_knob_stands_over_its_value_on_the_scale(show):
    bare = show(IMPORTS, NUMBER)
    view = bare.view()
    bare.ask(SHOWN[0])  # 0.03, position 29 of 41
    columns = view.canvas("number").evaluate(
        "(c, [r, g, b]) => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        " return [...Array(c.width).keys()].filter((x) => { const i = 4 * (40 * c.width + x);"
        " return Math.abs(d[i] - r) + Math.abs(d[i + 1] - g) + Math.abs(d[i + 2] - b) < 12; }); }",
        list(BLUE),
    )
    knob = view.slider("guess").bounding_box()
    at = knob["x"] + 8 + (knob["width"] - 16) * 29 / 40 - view.canvas("number").bounding_box()["x"]
    assert columns
    assert abs(sum(columns) / len(columns) - at) < 2


# --- the map and the playground -----------------------------------------------------------------------------


def test_a_claim_that_does_not_hold_stops_no_learner_and_stands_on_the_map(open_cells):
    notebook = open_cells(
        "os.environ.pop('LWLR_CLAIMS')\nbegin('01-learning-rate')",
        "worst = 0.09\nclaim('The loss ends below 0.05.', worst < 0.05)",
        "claim('One is less than two.', 1 < 2)\ncourse_map()",
    )
    box = notebook.page.locator("[data-mime-type='application/vnd.jupyter.stderr']")
    assert box.is_visible()
    said = box.inner_text()
    assert "This machine measured something else." in said
    assert "not so: worst < 0.05; worst = 0.09" in said
    assert notebook.page.locator(".lwlr-denied").inner_text() == "✘ 1 measured otherwise here"
    assert "This machine measured something else in 01." in notebook.ask("print(course_map())")


def test_the_map_links_to_what_is_ready(open_cells, root):
    notebook = open_cells("begin('01-learning-rate')\nm = course_map()\nm")
    view = notebook.view()
    links = view.root.locator("a")
    assert view.root.locator("li").count() == len(COURSE)
    assert links.count() == sum(lesson.ready for lesson in COURSE)
    assert links.first.inner_text() == "01 · How big a step?"
    assert view.root.locator(".lwlr-mark").first.get_attribute("aria-label") == "begun"
    assert "No prediction has been compared" in status(view)
    write_notebook(root / "01-learning-rate.ipynb", "'here it is'")
    links.first.click()
    name = "jupyterapp.shell.currentWidget?.context?.path"
    notebook.page.wait_for_function(f"() => {name} === '01-learning-rate.ipynb'")
