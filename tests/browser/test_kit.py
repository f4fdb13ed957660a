"""What all views can do, on one of them: keys, typed values, errors of Python, the picture as a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from authoring.lab import Notebook, View, write_notebook

CELL = """
import torch
from lwlr_teach.runs import train_ensemble
from lwlr_teach.views import RatesView

rates = torch.logspace(-3, 1, 21)
v = RatesView(train_ensemble(["SGD", "Adam"], lr=rates, steps=20, progress=False), at_lr=0.1)
v
"""


@pytest.fixture(scope="module")
def rates_view(root: Path) -> str:
    write_notebook(root / "kit.ipynb", CELL, "1 + 1")
    return "kit.ipynb"


@pytest.fixture
def bare(show):
    return show(CELL)


@pytest.fixture
def notebook(run_again, rates_view) -> Iterator[Notebook]:
    yield from run_again(rates_view)


def value(view: View, name: str = "lr"):
    return view.root.locator(f'[data-value="{name}"]')


def test_a_value_is_typed_and_the_nearest_is_taken(notebook):
    view = notebook.view()
    field = value(view)
    for typed, index, shown in [
        ("2.5e-3", 2, "0.00251"),
        ("0,4", 13, "0.398"),
        ("99", 20, "10"),
        ("x", 20, "10"),
    ]:
        field.click()
        notebook.page.keyboard.type(typed)
        notebook.page.keyboard.press("Enter")
        view.settle()
        assert notebook.ask("print(v.lr_index)") == str(index)
        assert field.input_value() == shown
    view.slider("lr").focus()
    notebook.page.keyboard.type("0.2")  # while the slider has the keyboard
    notebook.page.keyboard.press("Enter")
    notebook.page.keyboard.press("ArrowLeft")
    assert notebook.ask("print(v.lr_index)") == "11"
    field.click()
    notebook.page.keyboard.type("dd")  # JupyterLab would delete the cell
    notebook.page.keyboard.press("Escape")
    assert field.input_value() == "0.158"
    assert notebook.page.locator(".jp-CodeCell").count() == 2


def test_shift_makes_ten_steps_and_escape_gives_the_keyboard_back(notebook):
    view = notebook.view()
    view.press("lr", "Shift+ArrowLeft")
    assert notebook.ask("print(v.lr_index)") == "0"
    view.press("lr", "ArrowRight")
    view.press("lr", "Shift+ArrowRight")
    assert notebook.ask("print(v.lr_index)") == "11"
    notebook.page.keyboard.press("Escape")
    notebook.page.keyboard.press("ArrowDown")
    assert notebook.active_cell() == 1


def test_an_error_of_python_stands_under_the_picture_until_it_is_mended(notebook):
    view = notebook.view()
    notebook.ask("def bad(change): raise RuntimeError('no such thing')\nv.observe(bad, 'lr_index')")
    view.press("lr", "ArrowRight")
    fault = view.root.locator(".lwlr-fault")
    notebook.page.wait_for_function(
        "f => f.textContent === 'RuntimeError: no such thing'", arg=fault.element_handle()
    )
    notebook.ask("v.unobserve(bad, 'lr_index')")
    view.press("lr", "ArrowRight")
    fault.wait_for(state="hidden")


def test_a_click_goes_there_a_name_alone_is_shown_alone_and_numbers_are_listed(bare, tmp_path):
    view = bare.view()
    box = view.canvas("strips").bounding_box()
    bare.page.mouse.click(box["x"] + 42, box["y"] + 80)  # the left end of the first strip
    view.settle()
    assert bare.ask("print(v.lr_index)") == "0"
    view.button("alone-Adam").click()
    assert bare.ask("print(v.shown)") == "['Adam']"
    view.button("numbers").click()
    tables = view.root.locator(".lwlr-table")
    assert tables.first.locator("th").all_inner_texts() == ["learning rate", "Adam"]
    assert tables.first.locator("tbody tr").count() == 21
    lowest = float(bare.ask("print(v.ensemble.train_loss[1].median(-1).values[0].item())"))
    assert float(tables.first.locator("td").nth(1).inner_text()) == pytest.approx(lowest, rel=1e-3)
    view.button("alone-Adam").click()
    assert bare.ask("print(v.shown)") == "['SGD', 'Adam']"
    with bare.page.expect_download() as download:
        view.button("png").click()
    download.value.save_as(tmp_path / "picture.png")
    with Image.open(tmp_path / "picture.png") as picture:
        assert picture.width >= 2 * view.root.bounding_box()["width"] - 2


def test_the_pointer_reads_the_nearest_point(bare):
    view = bare.view()
    canvas = view.canvas("side-1")
    box = canvas.bounding_box()
    seen = set()
    for share in (0.3, 0.5, 0.7):
        for height in range(30, round(box["height"]) - 40, 12):
            bare.page.mouse.move(box["x"] + share * box["width"], box["y"] + height)
            seen |= set(view.root.locator(".lwlr-tip").all_inner_texts())
    assert any(text.startswith("Adam: step ") for text in seen)
    bare.page.mouse.move(box["x"], box["y"] - 60)
    assert view.root.locator(".lwlr-tip").count() == 0
