"""The pages of a small site, from a server of files and without a kernel."""

import functools
import http.server
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, Page, ViewportSize

from authoring import lab
from authoring.axe import violations
from authoring.sliders import PLACES, move
from lwlr_teach.command.site import Pages
from lwlr_teach.views import SplitView, SurfaceView
from lwlr_teach.views.prediction.view import COLUMNS, PredictionView
from tests.browser.small_site import NAME

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
LESSON = f"lessons/{NAME}.html"
MOST = 1_500_000
WIDE: ViewportSize = {"width": 1280, "height": 900}
NARROW: ViewportSize = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("small")
    command = [sys.executable, "-m", "tests.browser.small_site", str(folder)]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    handler = functools.partial(Pages, directory=str(folder / "site"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@contextmanager
def opened(browser: Browser, site: str, path: str, **context: object) -> Iterator[Page]:
    """A page of the site for somebody who was never there. In the end nothing has gone wrong on it, and it
    has asked no other host for anything."""
    own = browser.new_context(**({"viewport": WIDE} | context))
    page = own.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: said.type in ("error", "warning") and wrong.append(said.text))
    page.on(
        "request", lambda asked: asked.url.startswith((site, "blob:", "data:")) or wrong.append(asked.url)
    )
    page.goto(site + path)
    yield page
    own.close()
    assert wrong == []


def walk(page: Page) -> None:
    """Scroll through the page, so that every view comes to life."""
    page.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    for place in page.locator(".lwlr-live").all():
        if place.is_visible():
            place.scroll_into_view_if_needed()
            place.locator(".lwlr-view").first.wait_for()


def view(page: Page, name: str, number: int = 0):
    place = page.locator(f'.lwlr-live[data-view="{name}"]').nth(number)
    place.scroll_into_view_if_needed()
    place.locator(".lwlr-view").wait_for()
    return place


def sentence(place) -> str:
    return place.locator("canvas[role=img]").first.get_attribute("aria-label")


@pytest.mark.parametrize("path", ["index.html", LESSON, "api/optim.html", "agreement.html", "search.html"])
def test_a_page_has_a_language_a_title_one_heading_and_words_for_its_pictures(browser, site, path):
    with opened(browser, site, path) as page:
        walk(page)
        assert page.locator("html").get_attribute("lang") == "en"
        assert page.title()
        assert page.locator("h1:visible").count() == 1
        assert page.locator("img:not([alt])").count() == 0
        assert page.evaluate("[...document.images].every((image) => image.alt.length > 20)")


@pytest.mark.parametrize(
    "path", ["index.html", LESSON, "api/optim.html", "speed.html", "search.html?q=evenly"]
)
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_on_a_page(browser, site, path, viewport, theme):
    with opened(browser, site, path, viewport=viewport, color_scheme=theme) as page:
        walk(page)
        page.evaluate("scrollTo(0, 0)")  # what has slid under the bar of the page has no room there
        assert not (found := violations(page.locator("html"))), "\n".join(found)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.parametrize("path", ["index.html", LESSON])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_every_view_lives_and_nothing_is_wider_than_the_page(browser, site, path, viewport):
    with opened(browser, site, path, viewport=viewport) as page:
        walk(page)
        for place in page.locator(".lwlr-alive").all():
            assert not place.locator("> img").is_visible()
        assert page.locator(".lwlr-alive").count() == page.locator(".lwlr-live").count()
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.parametrize("path", ["index.html", LESSON])
def test_every_slider_at_its_ends_and_in_the_middle_gives_a_picture_with_words(browser, site, path):
    with opened(browser, site, path) as page:
        walk(page)
        shown = [
            one for one in page.locator(".lwlr-view:has(input[type=range]:enabled)").all() if one.is_visible()
        ]
        assert len(shown) > (path == LESSON)
        for one, share in product(shown, PLACES):
            assert move(one, share) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_picture_is_drawn_on_paper_of_the_page(browser, site, theme):
    with opened(browser, site, "index.html", color_scheme=theme) as page:
        playground = view(page, "surface")
        page.wait_for_timeout(200)
        inks, paper = playground.locator("canvas.lwlr-curves").evaluate("""(canvas) => {
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            const inks = new Set();
            for (let i = 0; i < data.length; i += 4) {
                if (data[i + 3] === 255) inks.add(data.slice(i, i + 3).join());
            }
            return [inks.size, getComputedStyle(document.body).backgroundColor];
        }""")
        assert inks > 20
        assert (sum(map(int, re.findall(r"\d+", paper)[:3])) < 200) == (theme == "dark")
        assert page.evaluate("document.body.dataset.jpThemeLight") == str(theme == "light").lower()


def test_the_slider_moves_the_picture_and_its_words_are_those_of_python(browser, site):
    mine = SurfaceView("quadratic", ["SGD", "Adam"], at_lr=0.05)
    with opened(browser, site, LESSON) as page:
        shown = view(page, "surface")
        assert sentence(shown) == mine.describe()
        before = shown.locator("canvas").first.evaluate("(canvas) => canvas.toDataURL()")
        shown.locator('input[data-name="lr"]').press("ArrowRight")
        mine.lr_index += 1
        page.wait_for_function(
            "(words) => document.querySelector('canvas[role=img]').ariaLabel === words", arg=mine.describe()
        )
        assert shown.locator("canvas").first.evaluate("(canvas) => canvas.toDataURL()") != before


def asked(kind: str) -> PredictionView:
    """The questions of the lesson, as Python asks them, with the truth."""
    if kind == "number":
        rates = torch.linspace(0.005, 0.25, 50, dtype=torch.float64).tolist()
        made = PredictionView(
            kind, "What is the edge?", values=torch.linspace(0.005, 0.25, 50).double().tolist(), within=0.02
        )
        made.truth, made.why = [0.2], "It is two over ten."
        assert len(rates) == 50
    elif kind == "choice":
        made = PredictionView(kind, "Do all arrive?", options=["yes", "no"])
        made.truth, made.why = [1.0], "One does not."
    else:
        axes = {"x": {"range": [0, 10], "title": "step"}, "y": {"range": [0, 1]}}
        made = PredictionView(kind, "How does it fall?", within=0.15, **axes)
        made.truth, made.why = [1 - i / (COLUMNS - 1) for i in range(COLUMNS)], "It falls evenly."
    return made


def guess(place, kind: str) -> None:
    if kind == "number":
        place.locator('input[data-name="guess"]').press("ArrowRight")
    elif kind == "choice":
        place.locator('input[data-option="0"]').check()
    else:
        place.locator("canvas").scroll_into_view_if_needed()
        box = place.locator("canvas").bounding_box()
        mouse = place.page.mouse
        mouse.move(box["x"] + 60, box["y"] + 60)
        mouse.down()
        mouse.move(box["x"] + box["width"] - 40, box["y"] + 60, steps=20)
        mouse.up()


def words(place) -> str:
    return place.locator(".lwlr-status").inner_text()


@pytest.mark.parametrize(("kind", "number"), [("number", 0), ("choice", 1), ("curve", 2)])
def test_a_guess_is_locked_judged_and_still_there_when_the_page_is_opened_again(browser, site, kind, number):
    with opened(browser, site, LESSON) as page:
        question = view(page, "prediction", 2 * number)
        fold = page.locator("details.lwlr-answer").nth(number)
        assert fold.locator(".lwlr-said").count() == (kind == "number")
        fold.locator("summary").first.click()
        asks = view(page, "prediction", 2 * number + 1)
        assert not fold.locator(".lwlr-said").first.is_visible() if kind == "number" else True
        assert "easured" not in asks.inner_text()  # it asks, as the question does
        guess(question, kind)
        question.locator('button[data-name="lock"]').click()
        kept = page.evaluate("JSON.parse(localStorage['lwlr-teach']).predictions")
        ((name, entry),) = kept.items()
        mine = asked(kind)
        assert name == f"{NAME}: {mine.question}"
        mine.guess, mine.locked = entry["guess"], True
        said = mine.describe().removeprefix(mine.question).strip()
        assert entry["right"] == mine.right
        for place in (question, asks):
            assert words(place) == said
        if kind == "number":
            assert fold.locator(".lwlr-said").inner_text().strip() == "The edge is <0.2>."
        page.reload()
        for place in (view(page, "prediction", 2 * number), view(page, "prediction", 2 * number + 1)):
            assert words(place) == said
        assert question.locator("input").first.is_disabled()


@pytest.mark.parametrize(("before", "told"), [(3, False), (4, True)])
def test_with_every_fifth_guess_it_is_told_how_well_one_knows_what_one_knows(browser, site, before, told):
    with opened(browser, site, LESSON) as page:
        judged = {f"other: {i}": {"guess": [0], "confidence": 50, "right": True} for i in range(before)}
        page.evaluate("all => localStorage['lwlr-teach'] = JSON.stringify({ predictions: all })", judged)
        page.reload()
        question = view(page, "prediction", 2)
        guess(question, "choice")
        page.locator("details.lwlr-answer").nth(1).locator("summary").first.click()
        question.locator('button[data-name="lock"]').click()
        assert words(question)[0] in "✔✘"
        assert (f"So far, {before + 1} predictions" in words(question)) == told


def test_who_does_not_guess_sees_the_answer_and_it_does_not_count_later(browser, site):
    with opened(browser, site, LESSON) as page:
        fold = page.locator("details.lwlr-answer").first
        fold.locator("summary").first.click()
        fold.locator(".lwlr-first button").click()
        mine = asked("number")
        assert words(view(page, "prediction", 1)) == mine.describe().removeprefix(mine.question).strip()
        assert fold.locator(".lwlr-said").is_visible()
        page.reload()
        question = view(page, "prediction", 0)
        guess(question, "number")
        question.locator('button[data-name="lock"]').click()
        page.locator("details.lwlr-answer summary").first.click()
        lab.View(question).settle()  # a fold tells that it was opened a little later
        assert words(question).startswith("✔") or words(question).startswith("✘")
        (entry,) = page.evaluate("Object.values(JSON.parse(localStorage['lwlr-teach']).predictions)")
        assert "right" not in entry


def test_recall_and_own_words_are_kept_and_the_map_counts_them(browser, site):
    with opened(browser, site, LESSON) as page:
        asks = view(page, "recall")
        asks.locator('input[data-option="0"]').first.check()
        asks.locator('button[data-name="answer-0"]').click()
        reason = asks.locator(".lwlr-reason").first.inner_text()
        assert reason
        hints = view(page, "help")
        hints.locator('button[data-name="hint"]').click()
        own = view(page, "explain")
        own.locator("textarea").fill("It flies away.")
        own.locator('button[data-name="keep"]').click()
        question = view(page, "prediction", 2)
        guess(question, "choice")
        question.locator('button[data-name="lock"]').click()
        page.reload()
        assert view(page, "recall").locator(".lwlr-reason").first.inner_text() == reason
        assert view(page, "help").locator("li").count() == 1
        assert view(page, "explain").locator("textarea").input_value() == "It flies away."
        here = view(page, "course").locator("li", has_text="How big a step?")
        assert "45 min, 1 prediction" in here.inner_text()
        assert here.locator(".lwlr-mark").get_attribute("aria-label") == "begun"
        assert here.locator("a").get_attribute("href") == f"./{NAME}.html"


def test_a_browser_that_keeps_nothing_is_told(browser, site):
    with opened(browser, site, LESSON) as page:
        walk(page)
        page.evaluate(
            "() => { Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError') } }"
        )
        question = view(page, "prediction", 2)
        guess(question, "choice")
        assert question.locator(".lwlr-fault").inner_text() == ""
        question.locator('button[data-name="lock"]').click()
        assert "is gone when you leave it" in question.locator(".lwlr-fault").inner_text()


def test_a_page_has_the_splits_of_every_network(browser, site):
    with opened(browser, site, LESSON) as page:
        shown = view(page, "splits")
        shown.locator('input[data-name="layers"][value="3"]').check()
        shown.locator('input[data-name="dynamics"][value="surrogate"]').check()
        shown.locator('select[data-name="width"]').select_option("64")
        mine = SplitView(3, dynamics="surrogate", width=64, at_step=2)
        page.wait_for_function(
            "(words) => document.querySelector('.lwlr-splits canvas').ariaLabel === words",
            arg=mine.describe(),
        )


def test_a_schedule_that_would_wait_for_python_cannot_be_drawn_and_the_page_says_where_it_can(browser, site):
    with opened(browser, site, LESSON) as page:
        shown = view(page, "schedules")
        said = page.locator("p", has_text="To let one of your own join").last
        assert said.locator("a").count() == 2
        assert said.bounding_box()["y"] < shown.bounding_box()["y"]
        assert "yours" not in shown.inner_text()
        assert shown.locator(".lwlr-pad").count() == 0


def test_without_scripts_the_pictures_and_their_words_stay(browser, site):
    with opened(browser, site, LESSON, java_script_enabled=False) as page:
        still = page.locator('.lwlr-live[data-view="surface"] > img')
        still.scroll_into_view_if_needed()
        assert still.is_visible()
        assert still.get_attribute("alt").startswith("Quadratic")


def test_a_page_is_printed_on_light_paper_with_all_its_pictures(browser, site):
    with opened(browser, site, LESSON, color_scheme="dark") as page:
        seen = view(page, "surface")
        page.wait_for_function(
            "[...document.querySelectorAll('.lwlr-live > img')].every(({ naturalWidth }) => naturalWidth > 0)"
        )
        page.emulate_media(media="print")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.locator("html").get_attribute("data-theme") == "light"
        assert seen.locator("> img").is_visible()
        assert not seen.locator("canvas").first.is_visible()
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.locator("html").get_attribute("data-theme") == "dark"


def test_a_view_that_cannot_be_loaded_stays_a_picture(browser, site):
    own = browser.new_context(viewport=WIDE)
    page = own.new_page()
    page.route("**/*.bin", lambda route: route.abort())
    page.goto(site + LESSON)
    page.wait_for_timeout(1000)
    still = page.locator('.lwlr-live[data-view="surface"] > img')
    assert still.is_visible()
    page.wait_for_function("(image) => image.naturalWidth > 0", arg=still.element_handle())
    page.locator("details.lwlr-answer summary").first.click()
    assert page.locator("details.lwlr-answer .lwlr-said").first.is_visible()
    own.close()


@pytest.mark.parametrize("path", ["index.html", LESSON])
def test_a_page_with_its_views_is_light(browser, site, path):
    weights = {}
    with opened(browser, site, path) as page:
        page.on(
            "requestfinished", lambda asked: weights.update({asked.url: asked.sizes()["responseBodySize"]})
        )
        page.reload()
        walk(page)
        page.wait_for_timeout(300)
    assert len(weights) > 20
    assert sum(weights.values()) < MOST, sorted(weights.items(), key=lambda each: -each[1])[:8]


def test_a_formula_that_is_too_wide_is_scrolled_with_the_keyboard(browser, site):
    with opened(browser, site, "api/optim.html", viewport=NARROW) as page:
        wide = page.locator("div.math").evaluate_all(
            "all => all.map(one => [one.scrollWidth > one.clientWidth, one.tabIndex === 0])"
        )
        assert [True, True] in wide
        assert all(is_wide == is_reached for is_wide, is_reached in wide)
        page.locator("div.math[tabindex='0']").first.press("ArrowRight")
        page.wait_for_function("document.querySelector('div.math[tabindex=\\'0\\']').scrollLeft > 0")


def test_formulas_are_set_and_the_search_finds_a_lesson(browser, site):
    with opened(browser, site, LESSON) as page:
        assert page.locator(".katex").count() >= 2
        assert (
            page.locator(".katex")
            .first.evaluate("(each) => getComputedStyle(each).fontFamily")
            .startswith("KaTeX")
        )
    with opened(browser, site, "search.html?q=evenly") as page:
        page.locator("#search-results li").first.wait_for()
        assert "A small lesson" in page.locator("#search-results").inner_text()
