import pytest
import torch

from lwlr_teach.views import CurvesView, GalleryView

TWO = {"down": [4.0, 2.0, 1.0], "up": torch.tensor([1.0, 2.0, 4.0])}


def test_the_sentence_has_each_curve_where_the_slider_stands():
    view = CurvesView(TWO, y="loss", first=5, title="Two")
    assert view.describe() == "Two, loss at step 7: down 1; up 4."
    view.step_index = 0
    view.shown = ["down"]
    assert view.describe() == "Two, loss at step 5: down 4."
    assert CurvesView(TWO, y="loss", x="layer", at=1).describe() == "Curves, loss at layer 1: down 2; up 2."


@pytest.mark.parametrize(
    ("curves", "log", "range_"),
    [
        ({"a": [1.0, 3.0]}, False, (0, 3.1)),
        ({"a": [-3.0, -1.0]}, False, (-3.1, 0)),
        ({"a": [-1.0, 1.0]}, False, (-1.1, 1.1)),
        ({"a": [1.0, 100.0]}, True, (1 / 1.2, 120)),
        ({"a": [2.0, 2.0]}, False, (0, 2.1)),
        ({"a": [float("nan"), 1.0, float("inf")]}, False, (0, 2)),
    ],
)
def test_the_axis_follows_the_numbers(curves, log, range_):
    view = CurvesView(curves, y="loss", log=log)
    low, high = view.main.y.range
    assert (low, high) == pytest.approx(range_, rel=0.5 if "nan" in str(curves) else 1e-6, abs=1e-9)
    view.figure()


def test_few_steps_have_a_tick_each_and_nothing_between():
    assert list(CurvesView(TWO, y="loss", x="layer").main.x.ticks) == [0, 1, 2]
    assert list(CurvesView({"a": range(50)}, y="loss").main.x.ticks) == []


def test_other_numbers_than_steps_stand_on_a_logarithmic_axis():
    view = CurvesView(TWO, y="loss", x="decay", over=[0.01, 0.1, 1], at=0.2)
    assert view.describe() == "Curves, loss at decay 0.1: down 2; up 2."
    assert (view.main.x.log, list(view.main.x.ticks)) == (True, [0.01, 0.1, 1])
    view.figure()


@pytest.mark.parametrize(
    ("curves", "options", "says"),
    [
        ({}, {}, "number of curves must be"),
        ({str(i): [0, 1] for i in range(9)}, {}, "number of curves must be"),
        ({"a": [1, 2], "b": [1, 2, 3]}, {}, r"as many in each, got shapes a \(2,\), b \(3,\)"),
        ({"a": [1]}, {}, "at least two numbers"),
        ({"a": [[1, 2]]}, {}, "at least two numbers"),
        ({"a": [float("nan")] * 2}, {}, "must hold a finite number"),
        ({"a": [0.0, 1.0]}, {"log": True}, "curves must be"),
        (TWO, {"at": 3}, "at must be"),
        (TWO, {"over": [1, 2]}, "over must have a number for each of 3, got 2"),
        (TWO, {"over": [0, 1, 2]}, "over must be positive and rise"),
        (TWO, {"over": [1, 2, 3], "at": 4}, "at must be"),
        (TWO, {"shown": ["left"]}, "left"),
    ],
)
def test_what_cannot_be_drawn_is_named(curves, options, says):
    with pytest.raises(ValueError, match=says):
        CurvesView(curves, y="loss", **options)


def test_a_gallery_names_its_pictures():
    view = GalleryView(TWO, y="factor", notes={"up": "it grows"}, title="Two")
    assert view.describe() == "Two, factor in 2 small pictures: down; up (it grows)."
    assert view.plan["tiles"][1] == {"name": "up", "note": "it grows", "values": [1, 2, 4]}
    axes = [ax for ax in view.figure().axes if ax.axison]
    assert [ax.get_title("left") for ax in axes] == ["down", "up"]
    assert all(ax.get_ylim() == tuple(view.plan["range"]) for ax in axes)


@pytest.mark.parametrize(
    ("curves", "notes", "says"),
    [
        ({}, None, "number of curves must be"),
        ({"a": [1]}, None, "curve 'a' must be a list of at least two numbers"),
        ({"a": [float("inf")] * 2}, None, "curve 'a' must hold a finite number"),
        (TWO, {"left": "?"}, "notes must be on curves, got 'left'"),
    ],
)
def test_a_gallery_says_what_it_cannot_show(curves, notes, says):
    with pytest.raises(ValueError, match=says):
        GalleryView(curves, y="factor", notes=notes)
