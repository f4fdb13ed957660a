"""The harness itself: what it reports is what happened, also when something went wrong or is slow."""

import pytest

from authoring.lab import write_notebook

SLIDER = """
import time
from ipywidgets import IntSlider
slider = IntSlider(value=3, min=0, max=9)
slider.observe(lambda change: time.sleep(0.5), "value")
slider
"""


@pytest.fixture
def notebook(open_notebook, root):
    write_notebook(root / "harness.ipynb", SLIDER, "1 / 0", "print('not reached')")
    opened = open_notebook("harness.ipynb")
    opened.run_all()
    return opened


def test_what_is_read_from_a_slow_kernel_is_up_to_date(notebook):
    knob = notebook.page.locator(".noUi-handle")
    knob.focus()
    for _ in range(4):  # the first press goes to the kernel, the others wait in the page until it is done
        notebook.page.keyboard.press("ArrowRight")
    assert knob.get_attribute("aria-valuenow") == "7.0"
    assert notebook.ask("print(slider.value)") == "7"


def test_errors_are_seen(notebook):
    assert notebook.cell_errors() == ["ZeroDivisionError: division by zero"]
    assert "NameError" in notebook.ask("missing")
    assert notebook.page_errors == []
    notebook.page.evaluate("() => void setTimeout(() => { throw new Error('on purpose'); })")
    notebook.page.wait_for_timeout(200)
    assert ["on purpose" in error for error in notebook.page_errors] == [True]
