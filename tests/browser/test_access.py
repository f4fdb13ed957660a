"""Every view, for everybody: who hears it, who has no mouse, who needs contrast, large letters or no motion.

The rules are those of WCAG 2.2 AA. axe-core tries what it can; what it cannot see, as the words in a picture
or whether a slider can be moved, is tried here. A new view is here once it stands in ``small.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page

from authoring.axe import violations
from authoring.lab import View as Shown
from tests.browser.bare import Bare, dress, mount
from tests.browser.small import MAKERS, OTHERS, one

ALL = [*MAKERS, *OTHERS]
LIVE = [*MAKERS, "curves", "family"]
"""Those with a sentence that follows what is moved."""

READABLE = 4.5
"""The least contrast of words."""

NARROW = 244
"""Of the 360 pixels of a small telephone, JupyterLab leaves these to an output."""


@pytest.fixture(scope="module")
def tab(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """One page for all tests of this file, and a record of progress. The page may not have had an error."""
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(error.stack or str(error)))
    page.add_init_script(path=Path(__file__).with_name("access.js"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LWLR_PROGRESS", str(tmp_path_factory.mktemp("access") / "progress.json"))
        yield page
    page.close()
    assert errors == []


@pytest.fixture
def page(tab: Page) -> Page:
    """The page, with nothing of an earlier test."""
    empty(tab)
    return tab


def empty(tab: Page) -> None:
    """Another document: in one that is only written anew, Chromium drags no slider a second time."""
    tab.emulate_media(forced_colors="none", reduced_motion="no-preference")
    tab.goto("about:blank")


# --- what can be seen ---------------------------------------------------------------------------------------


def unfold(page: Page) -> None:
    """Let the view show all it has: numbers, a pressed button, a method that is off, a fault, a readout."""
    for name in ("numbers", "csv"):
        for button in page.locator(f"main button[data-name={name}]:visible").all():
            button.click()
    for button in page.locator("main [aria-pressed=false]").all():
        button.click()
    boxes = page.locator("main .lwlr-method input:checked")
    if boxes.count() > 1:
        boxes.first.click()
    page.evaluate("tell({ fault: 'ValueError: no such thing' })")
    for canvas in page.locator("main canvas[role=img]:visible").all()[:2]:
        for across, down in product((0.3, 0.5, 0.7), (0.4, 0.6)):
            if not page.locator(".lwlr-tip").count():
                move(page, canvas, across, down)
    page.evaluate("access.rest()")


def move(page: Page, canvas: Locator, across: float, down: float) -> None:
    """The pointer to these shares of a canvas' width and height."""
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])


@pytest.fixture(scope="module", params=list(product(ALL, ["light", "dark", "forced"])), ids="-".join)
def theme(request: pytest.FixtureRequest, tab: Page) -> str:
    """How the page is dressed that shows all of a view; in the dark it is narrow."""
    name, theme = request.param
    empty(tab)
    tab.emulate_media(forced_colors="active" if theme == "forced" else "none")
    mount(tab, one(name), width=NARROW if theme == "dark" else 800)
    dress(tab, "light" if theme == "forced" else theme)
    unfold(tab)
    return theme


def test_axe_finds_nothing(tab: Page, theme: str) -> None:
    if theme != "forced":  # there the colours are the system's
        assert not (found := violations(tab.locator("main"))), "\n".join(found)


def test_words_in_pictures_can_be_read(tab: Page, theme: str) -> None:
    words = tab.evaluate("access.words()")
    assert {(word["text"], word["contrast"]) for word in words if word["contrast"] < READABLE} == set()
    assert {word["text"] for word in words if word["cut"]} == set()
    assert tab.evaluate("access.cut()") == []


def test_no_picture_is_empty(tab: Page, theme: str) -> None:
    assert tab.evaluate("access.empty()") == []


# --- the keyboard -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_tab_reaches_every_control_and_one_sees_where_it_is(page: Page, name: str) -> None:
    mount(page, one(name), width=800)
    dress(page, "light")
    for button in page.locator("main button[data-name=numbers]:visible").all():
        button.click()
    page.evaluate("access.enclose()")
    stops = page.evaluate("access.stops()")
    reached, wrong = [], {}
    for _ in range(len(stops) + 1):
        page.keyboard.press("Tab")
        here = page.evaluate("access.focused()")
        reached.append(here["name"])
        if here["wrong"]:
            wrong[here["name"]] = here["wrong"]
    assert reached == [*stops, "behind"]
    assert wrong == {}
    for _ in stops:
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("access.focused()")["name"] == "before"


KEYS = {
    "range": ["End", "Home", *["PageUp"] * 5],
    "checkbox": ["Space"],
    "radio": ["Space"],
    "select-one": ["ArrowDown", "ArrowDown", "ArrowUp", "ArrowUp"],
    "button": ["Enter"],
    "textarea": ["a"],
    "canvas": ["ArrowRight", "ArrowUp", "Space", "ArrowLeft", "ArrowDown", "ArrowUp", "Space"],
}


@pytest.mark.parametrize("name", ALL)
def test_every_control_does_what_python_says_and_the_mouse_does_no_more(page: Page, name: str) -> None:
    """Each slider goes to its ends and its middle, and everything else is used once, with the keyboard. After
    each, no picture is empty and the sentence is Python's. Then the mouse is used all over the pictures.
    """
    view = one(name)
    page.emulate_media(reduced_motion="reduce")  # what plays ends at once
    bare = Bare(page, {"view": view}, [view], 800)
    begins = {key: getattr(view, key) for key in getattr(view, "plan", {}).get("start", {})}
    page.evaluate("access.begin()")
    by_keys = set()
    for control in page.evaluate("access.controls()"):
        place = page.locator(f"main [data-number='{control['number']}']")
        kind = "canvas" if control["tag"] == "CANVAS" else control["is"]
        if kind not in KEYS or not place.is_visible() or not place.is_enabled():
            continue
        place.focus()
        for key in KEYS[kind]:
            page.keyboard.press(key)
            by_keys |= set(page.evaluate("access.changed()"))
        said = bare.ask("print(view.describe())")
        if name in LIVE:
            assert said in page.evaluate("sentence()"), control
        assert view.fault == "", control
        assert page.evaluate("access.empty()") == [], control
    assert by_keys or name not in LIVE
    view.set_state(begins)
    page.evaluate("changes => tell(changes)", begins)
    by_mouse = set()
    for canvas in page.locator("main canvas:visible:not(.lwlr-swatch)").all():
        canvas.scroll_into_view_if_needed()
        for across, down in product((0.2, 0.5, 0.8), repeat=2):
            move(page, canvas, across, down)
            page.mouse.down()
            if across == down:
                move(page, canvas, across + 0.1, down - 0.1)
            page.mouse.up()
            by_mouse |= set(page.evaluate("access.changed()"))
        said = bare.ask("print(view.describe())")
        if name in LIVE:
            assert said in page.evaluate("sentence()")
    assert by_mouse - by_keys == set()
    view.set_state(begins)


# --- the ear, and a page that is alone ----------------------------------------------------------------------


@pytest.mark.parametrize("name", LIVE)
def test_without_a_kernel_a_change_is_seen_and_told_once_and_politely(page: Page, name: str) -> None:
    mount(page, one(name), width=800)
    page.evaluate("window.gone = true")
    page.evaluate(
        "() => { window.told = []; const region = document.querySelector('main [role=status]');"
        " new MutationObserver(() => told.push(region.textContent)).observe(region, { childList: true }); }"
    )
    assert page.locator("main :is([role=status], [aria-live])").count() == 1
    before = page.evaluate("sentence()")
    slider = page.locator("main input[type=range]:visible:enabled").first
    if slider.count():
        named = slider.get_attribute("data-name") or ""
        shown = Shown(page.locator(".lwlr-view"))
        shown.drag(named, 0.1 if 2 * shown.position(named) > int(slider.get_attribute("max") or 0) else 0.9)
    else:
        page.locator("main input:visible:not(:checked)").first.check()
    assert page.evaluate("sentence()") != before
    page.wait_for_function("told.length")
    told = page.evaluate("told")
    assert told[-1] in page.evaluate("sentence()")
    assert len(told) < 3  # the drag has twelve steps


@pytest.mark.parametrize("name", OTHERS)
def test_a_view_has_at_most_one_voice(page: Page, name: str) -> None:
    mount(page, one(name))
    assert page.locator("main :is([role=status], [aria-live])").count() <= 1


# --- large letters, and no motion ---------------------------------------------------------------------------

# WCAG 1.4.12: as far as a reader may pull letters, words and lines apart.
APART = (
    "main * { line-height: 1.5 !important; letter-spacing: 0.12em !important;"
    " word-spacing: 0.16em !important }"
)


def read(page: Page) -> list[str]:
    """What the pointer reads at some places of each picture."""
    found = []
    for canvas in page.locator("main canvas[role=img]:visible").all():
        canvas.scroll_into_view_if_needed()
        for across, down in product((0.3, 0.5, 0.7), (0.4, 0.6)):
            move(page, canvas, across, down)
            found += page.locator(".lwlr-tip").all_inner_texts()
    return found


@pytest.mark.parametrize("name", ALL)
def test_twice_as_large_and_with_letters_apart_nothing_is_cut_off(page: Page, name: str) -> None:
    mount(page, one(name), width=480)
    page.evaluate("access.rest()")
    before = read(page)
    page.evaluate("document.body.style.zoom = 2")
    assert {word["text"] for word in page.evaluate("access.words()") if word["cut"]} == set()
    assert page.evaluate("access.cut()") == []
    assert read(page) == before
    page.add_style_tag(content=APART)
    page.evaluate("access.rest()")
    assert page.evaluate("access.cut()") == []


@pytest.mark.parametrize("name", MAKERS)
def test_who_wants_no_motion_sees_the_end_at_once(page: Page, name: str) -> None:
    page.emulate_media(reduced_motion="reduce")
    mount(page, one(name), width=800)
    moving = "document.getAnimations().length"
    play = page.locator("main button[data-name=play]")
    if play.count() and play.is_visible():
        page.locator("main button[data-name=reset]").first.click()
        play.click()
        page.evaluate("access.rest()")
        there = page.evaluate("sentence()")
        page.wait_for_timeout(100)
        assert page.evaluate("sentence()") == there
        assert "play" in play.inner_text()
    assert page.evaluate(moving) == 0
