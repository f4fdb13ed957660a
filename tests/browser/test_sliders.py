"""What moves the sliders of a lesson finds what is wrong; in a view without a kernel there is nothing."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from authoring.sliders import PLACES, move
from tests.browser.bare import mount
from tests.browser.small import MAKERS, small

# A view with a slider from 0 to 4, which draws itself anew whenever that is moved.
PAGE = """<div class="lwlr-view">
<canvas class="lwlr-map" role="img" aria-label="a map" width=90 height=40></canvas>
<input type="range" data-name="lr" max="4"><div class="lwlr-fault"></div>
<div class="lwlr-question">Does it end at NaN?</div><div class="lwlr-status">not yet</div></div>
<script>
const [canvas, slider, fault, , status] = document.querySelector(".lwlr-view").children;
const ctx = canvas.getContext("2d");
const text = (words) => ctx.fillText(words, 4, 20);
const clear = () => ctx.clearRect(0, 0, 90, 40);
const draw = () => {
  clear();
  text("0.1");
  const at = Number(slider.value);
  BREAK
};
slider.addEventListener("input", draw);
draw();
</script>"""
BROKEN = {
    "": [],
    "if (at === 4) clear()": ["lr at 4 of 4: lwlr-map is empty"],
    "if (at === 2) text(String(undefined))": ["lr at 2 of 4: undefined"],
    "canvas.ariaLabel = `a loss of ${at / at}`": ["lr at 0 of 4: a loss of NaN"],
    "status.textContent = `${at / (4 - at)} steps`": ["lr at 4 of 4: Infinity steps"],
    "canvas.ariaLabel = at === 4 ? '' : 'a map'": ["lr at 4 of 4: lwlr-map has no words"],
    "fault.textContent = at === 2 ? 'KeyError: 2' : ''": ["lr at 2 of 4: KeyError: 2"],
}


@pytest.mark.parametrize("broken", BROKEN)
def test_what_is_wrong_at_a_place_is_found_there(browser: Browser, broken: str) -> None:
    page = browser.new_page()
    page.set_content(PAGE.replace("BREAK", broken))
    found = [what for share in PLACES for what in move(page.locator(".lwlr-view"), share)]
    page.close()
    assert found == BROKEN[broken]


@pytest.mark.parametrize("name", MAKERS)
def test_without_a_kernel_every_slider_of_every_view_goes_on(browser: Browser, name: str) -> None:
    page = browser.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(error.stack or str(error)))
    mount(page, small(name))
    page.evaluate("window.gone = true")
    for share in PLACES:
        wrong += move(page.locator(".lwlr-view"), share)
    page.close()
    assert wrong == []
