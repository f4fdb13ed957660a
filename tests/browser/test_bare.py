"""Views in an empty page, without JupyterLab: at every position, in a narrow column, with names like HTML."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import product
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from traitlets import Bool, List, TraitError

from lwlr_teach.optim import SGD, Method
from lwlr_teach.teaching import predict_choice, predict_number
from lwlr_teach.teaching.items import Question
from lwlr_teach.teaching.questions import Recall
from lwlr_teach.views import InspectorView, Microscope, SurfaceView
from lwlr_teach.views.kit.base import View
from lwlr_teach.views.kit.traits import OneOf, Position, Positions, Shown
from tests.browser.bare import mount, sent
from tests.browser.small import MAKERS, OTHERS, one, recording, small

RESIZE = """(width) => new Promise((done) => {
  document.querySelector("main").style.width = `${width}px`;
  requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(done)));
})"""


HOSTILE = "<img src=x onerror='window.hacked = 1'><script>window.hacked = 1</script>"
STRANGE: dict[str, Callable[[], View]] = {
    "inspector": lambda: InspectorView(recording(HOSTILE), title=HOSTILE),
    "number": lambda: predict_number("x", HOSTILE, [1, 2], within=1, unit=HOSTILE),
    "choice": lambda: predict_choice("x", HOSTILE, [HOSTILE, "no"]),
    "recall": lambda: Recall([Question("x", "01-learning-rate", HOSTILE, (HOSTILE, "no"), 0, HOSTILE)]),
    "surface": lambda: SurfaceView("quadratic", [Method(HOSTILE, SGD)], lr=[0.05, 0.1], steps=5),
}


@pytest.fixture
def page(browser: Browser, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Page]:
    """An empty page, and a record of progress of its own."""
    monkeypatch.setenv("LWLR_PROGRESS", str(tmp_path / "progress.json"))
    page = browser.new_page()
    yield page
    page.close()


@pytest.mark.parametrize("name", [*MAKERS, *OTHERS])
def test_a_view_is_drawn_at_every_width(page: Page, name: str) -> None:
    mount(page, one(name))
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    for width in (600, 150, 90, 60, 45, 20, 1, 400):
        page.evaluate(RESIZE, width)
        assert errors == [], width


# The right edges of what sticks out of the page; a table of numbers may be scrolled.
STICK_OUT = """() => [...document.querySelectorAll("main *")].filter((e) => {
  const [box, page] = [e, document.querySelector("main")].map((one) => one.getBoundingClientRect());
  return box.width && box.right > page.right + 1 && !e.closest(".lwlr-table");
}).map((e) => `${e.tagName}.${e.className}`)"""


@pytest.mark.parametrize("name", [*MAKERS, *OTHERS])
def test_on_a_telephone_nothing_sticks_out(page: Page, name: str) -> None:
    """JupyterLab leaves 274 of its 390 pixels to an output; test_access.py has fewer."""
    mount(page, one(name), width=274)
    page.evaluate(RESIZE, 274)
    assert page.evaluate(STICK_OUT) == []


@pytest.mark.parametrize("make", STRANGE.values(), ids=STRANGE)
def test_what_looks_like_html_is_text(page: Page, make: Callable[[], View]) -> None:
    mount(page, make())
    page.evaluate(RESIZE, 500)
    assert page.locator("main img, main script").count() == 0
    assert page.evaluate("window.hacked") is None
    assert HOSTILE in (page.locator("main").text_content() or "")


WITHOUT_KEYS = ("course",)  # it has links alone
CONTROLS = "main :is(input, button, select, textarea, [tabindex='0'])"


@pytest.mark.parametrize("name", [*MAKERS, *(name for name in OTHERS if name not in WITHOUT_KEYS)])
def test_every_control_keeps_its_keys(page: Page, name: str) -> None:
    """From what lacks the mark JupyterLab takes the arrow keys, Enter and Space: test_surface.py tries it."""
    mount(page, one(name))
    for numbers in page.locator("main button[data-name=numbers]:visible").all():
        numbers.click()
    assert page.locator(CONTROLS).count() > 1
    assert page.locator(f"{CONTROLS}:not([data-lm-suppress-shortcuts])").count() == 0


def positions(view: View, count: int) -> Iterator[dict[str, Any]]:
    """Puts a view at ``count`` random positions of its controls, and tells each."""
    draw = random.Random(0)
    names = set(view.plan["start"])
    for _ in range(count):
        for name, trait in view.traits().items():
            if isinstance(trait, Position):
                setattr(view, name, draw.randrange(len(attrgetter(trait.along)(view))))
            elif isinstance(trait, OneOf):
                setattr(view, name, draw.choice(list(attrgetter(trait.among)(view))))
            elif isinstance(trait, Shown):
                setattr(view, name, [one for one in attrgetter(trait.among)(view) if draw.random() < 0.6])
            elif isinstance(trait, List) and name == "positions":  # a slider for each layer
                setattr(view, name, [draw.randrange(len(view.runs.rates)) for _ in view.positions])
            elif isinstance(trait, Positions):
                lists = attrgetter(trait.along)(view)
                setattr(view, name, {one: draw.randrange(len(values)) for one, values in lists.items()})
            elif isinstance(trait, List) and name == "drawn" and isinstance(view, Microscope):
                view.drawn = [round(draw.uniform(-2, 2), 3) for _ in view._steps]
            elif name in ("start", "second") and view.plan.get("why") == "":  # the browser computes the paths
                place = [round(draw.uniform(*ends), 2) for ends in view.surfaces[view.surface].bounds]
                setattr(view, name, place if name == "start" or draw.random() < 0.5 else [])
            elif isinstance(trait, Bool) and name in names:
                setattr(view, name, draw.random() < 0.5)
        yield sent(view, names)


def test_no_view_of_the_package_is_left_out(page: Page) -> None:
    def leaves(kind: type[View]) -> set[str]:
        below = [sub for sub in kind.__subclasses__() if sub.__module__.startswith("lwlr_teach.")]
        return set[str]().union(*map(leaves, below)) if below else {kind.__name__}

    assert leaves(View) - {type(one(name)).__name__ for name in [*MAKERS, *OTHERS]} == set()


@pytest.mark.parametrize("name", [*MAKERS, *OTHERS])
def test_what_python_has_to_say_stands_below_every_view(page: Page, name: str) -> None:
    mount(page, one(name))
    fault = page.locator("main .lwlr-view > .lwlr-fault")
    assert not fault.is_visible()
    page.evaluate("tell({ fault: 'Your progress cannot be written.' })")
    assert fault.inner_text() == "Your progress cannot be written."


WRONG: list[Any] = [float("nan"), -1, 10**9, 0.5, "nobody", "", None, [], [-1], ["nobody"], {}, {"x": 9}]


@pytest.mark.parametrize("name", [*MAKERS, "curves", "family"])
def test_of_nonsense_python_lets_through_what_can_be_drawn_and_says_what_is_wrong(
    page: Page, name: str
) -> None:
    """What is wrong changes nothing."""
    view = one(name)
    begin, said = sent(view, set(view.plan["start"])), view.describe()
    mount(page, view)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    for trait, wrong in product(begin, WRONG):
        try:
            view.set_state({trait: wrong})
        except (TraitError, ValueError, TypeError, LookupError):
            assert view.fault, (trait, wrong)
        else:
            page.evaluate("changes => tell(changes)", sent(view, set(begin)))
            assert errors == [], (trait, wrong)
            assert view.describe() in page.evaluate("sentence()"), (trait, wrong)
            view.set_state(begin)
            assert view.fault == "", (trait, wrong)
        assert sent(view, set(begin)) == begin, (trait, wrong)
        assert view.describe() == said, (trait, wrong)


@pytest.mark.parametrize("name", MAKERS)
def test_at_every_position_the_browser_says_what_python_says(page: Page, name: str) -> None:
    view = small(name)
    begin = sent(view, set(view.plan["start"]))
    mount(page, view)
    first = page.evaluate("sentence()")
    assert view.describe() in first
    said = set()
    for state in positions(view, 60):
        page.evaluate("changes => tell(changes)", state)
        found = page.evaluate("sentence()")
        assert view.describe() in found
        said.add(found)
    assert len(said) > 10
    page.locator("button[data-name=reset]").click()
    assert page.evaluate("sentence()") == first
    assert {key: page.evaluate("key => state[key]", key) for key in begin} == begin
    view.set_state(begin)
