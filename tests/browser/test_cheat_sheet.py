"""The sheet of the course in a browser: one page of paper, and the same bytes each time."""

import re

from authoring.cheat_sheet import entries, mark, pdf, sheet


def test_it_is_one_page_and_the_same_each_time(browser):
    found = entries()
    first, second = (pdf(sheet(found), browser, mark(found)) for _ in range(2))
    assert first == second
    assert len(re.findall(rb"/Type /Page\b", first)) == 1
    assert b"D:20000101000000" in first


def test_nothing_stands_beside_the_page(browser):
    page = browser.new_page()
    page.emulate_media(media="print")
    page.set_content(sheet(entries()))
    box = "x => (({ left, top, right, bottom }) => [left, top, right, bottom])(x.getBoundingClientRect())"
    left, top, right, bottom = page.eval_on_selector("body", box)
    places = page.eval_on_selector_all("article, header, svg, p", f"all => all.map({box})")
    page.close()
    assert len(places) > 40
    for a, b, c, d in places:
        assert left <= a < c <= right + 0.5
        assert top <= b < d <= bottom + 0.5
