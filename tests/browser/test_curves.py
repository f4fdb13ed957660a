"""The curves and the gallery: what the browser says and draws is what Python has."""

IMPORTS = "from lwlr_teach.views import CurvesView, GalleryView"
CURVES = """
view = CurvesView({"a": [4, 2, 1], "b": [1, 2, 4]}, y="loss", title="Two", at=0)
view
"""
GALLERY = """
tiles = GalleryView({"a": [0, 1, 0], "b": [1, float("nan"), 0.5]}, y="factor", notes={"b": "a gap"})
tiles
"""


def test_the_slider_reads_the_curves(show):
    bare = show(IMPORTS, CURVES)
    view = bare.view()
    for position in range(3):
        assert view.sentence() == bare.ask("print(view.describe())")
        assert view.readout("a") == ["4", "2", "1"][position]
        view.press("step", "ArrowRight")
    assert bare.ask("print(view.step_index)") == "2"


def test_a_gallery_has_a_picture_for_each_curve_and_lists_their_numbers(show):
    page = show(IMPORTS, GALLERY).page
    pictures = page.locator("canvas.lwlr-tile")
    assert [pictures.nth(i).get_attribute("aria-label") for i in range(2)] == ["a", "b: a gap"]
    assert page.locator("figcaption").all_inner_texts() == ["a", "b"]
    drawn = (
        "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v, i) => i % 4 == 3 && v)"
    )
    assert all(pictures.nth(i).evaluate(drawn) for i in range(2))
    page.locator("[data-name=numbers]").click()
    assert page.locator(".lwlr-table").count() == 2


def test_in_a_narrow_page_the_pictures_stand_below_one_another(show):
    page = show(IMPORTS, GALLERY, width=200).page
    boxes = [page.locator("figure").nth(i).bounding_box() for i in range(2)]
    assert boxes[1]["y"] >= boxes[0]["y"] + boxes[0]["height"]
    assert all(box["x"] + box["width"] <= 210 for box in boxes)
