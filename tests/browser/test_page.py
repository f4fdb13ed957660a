"""A lesson as a web page, without a network: what nbconvert would leave blank is seen."""

import nbformat
from ipywidgets.embed import embed_data

from lwlr_teach.command.page import PageExporter
from lwlr_teach.views import SurfaceView


def saved(view):
    """A notebook that shows this view and keeps the state of it, as a front end saves both."""
    data, metadata = view._repr_mimebundle_()
    output = nbformat.v4.new_output("display_data", data, metadata=metadata)
    state = embed_data(views=[view])["manager_state"]
    return nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("view", outputs=[output])],
        metadata={"widgets": {"application/vnd.jupyter.widget-state+json": state}},
    )


def test_the_picture_is_seen_until_the_live_view_comes(browser, tmp_path):
    view = SurfaceView("ravine", ["SGD"])
    page_file = tmp_path / "page.html"
    page_file.write_text(PageExporter().from_notebook_node(saved(view))[0], "utf-8")
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.route("**/*", lambda route: route.continue_() if "file:" in route.request.url else route.abort())
    page.goto(page_file.as_uri())
    picture = page.get_by_role("img", name=view.describe())
    assert picture.is_visible()
    assert picture.evaluate("img => img.naturalWidth") == 900
    box = picture.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= 390
    # As the widget manager does: a box before the script, and in time the view in it.
    page.evaluate(
        """() => {
          const script = document.querySelector("script[type$='widget-view+json']");
          const box = document.createElement("div");
          script.before(box);
          window.arrive = () => (box.innerHTML = "<div class='lwlr-view'>here</div>");
        }"""
    )
    assert picture.is_visible()
    page.evaluate("arrive()")
    assert not picture.is_visible()
    page.close()
