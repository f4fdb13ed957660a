"""The family view: a card is chosen by a click or a key, and arrows run between the cards."""

CELLS = ["from lwlr_teach.views import FamilyView", "view = FamilyView(chosen='Adam')\nview"]


def test_a_click_and_an_arrow_key_choose_a_card(show):
    bare = show(*CELLS)
    view, page = bare.view(), bare.page
    drawn = view.picture("edges")
    page.locator(".lwlr-option", has_text="Adadelta").click()
    assert view.sentence().startswith("Adadelta comes from RMSprop")
    assert view.picture("edges") != drawn
    strong = page.locator(".lwlr-descent > span").all_inner_texts()
    assert strong == ["SGD", "Adagrad", "RMSprop", "Adadelta"]
    said = set()
    for _ in range(7):
        page.keyboard.press("ArrowRight")
        said.add(view.sentence())
        assert view.sentence() == bare.ask("print(view.describe())")
    assert len(said) == 7
    assert page.locator("input:not([data-lm-suppress-shortcuts])").count() == 0


def test_the_cards_do_not_overlap_in_a_narrow_page(show):
    page = show(*CELLS, width=340).page
    boxes = [page.locator(".lwlr-option").nth(i).bounding_box() for i in range(7)]
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            apart_x = a["x"] >= b["x"] + b["width"] or b["x"] >= a["x"] + a["width"]
            assert apart_x or a["y"] >= b["y"] + b["height"] + 12
        assert a["x"] + a["width"] <= 350
