import pytest

from lwlr_teach.optim import METHODS, SGD, Method
from lwlr_teach.views.style import MATPLOTLIB_MARKERS, label, short, styles


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.0349, "0.035"),
        (0.1, "0.1"),
        (12.4, "12"),
        (99.6, "100"),
        (12345.0, "12000"),
        (123456.0, "1.2e5"),
        (0.00012, "0.00012"),
        (0.000012, "1.2e−5"),
        (1e-30, "1.0e−30"),
        (-78.33, "−78"),
        (float("inf"), "∞"),
        (float("nan"), "∞"),
    ],
)
def test_short(value, text):
    assert short(value) == text


def test_a_method_looks_the_same_in_every_picture():
    alone = styles([METHODS["Adam"]])
    among = styles([METHODS["SGD"], METHODS["RMSprop"], METHODS["Adam"]])
    assert alone[0] == among[2]


def test_all_differ_in_colour_and_in_a_second_cue():
    eight = styles([*list(METHODS.values())[:7], Method("mine", SGD)])
    assert len({s["colour"] for s in eight}) == 8
    assert len({(s["marker"], tuple(s["dash"])) for s in eight}) == 8
    assert all(s["marker"] in MATPLOTLIB_MARKERS for s in eight)


def test_beyond_eight_a_colour_returns_with_another_marker_and_other_dashes():
    sixteen = styles([Method(f"m{i}", SGD) for i in range(16)], most=16)
    assert sixteen[:8] == styles([Method(f"m{i}", SGD) for i in range(8)])
    assert [s["colour"] for s in sixteen[8:]] == [s["colour"] for s in sixteen[:8]]
    assert all(a["marker"] != b["marker"] for a, b in zip(sixteen[:8], sixteen[8:], strict=True))
    assert len({(s["marker"], tuple(s["dash"])) for s in sixteen}) == 16
    assert all(len(s["dash"]) % 2 == 0 and s["marker"] in MATPLOTLIB_MARKERS for s in sixteen)
    with pytest.raises(ValueError, match="at most 9 optimizers, got 10"):
        styles([Method(f"m{i}", SGD) for i in range(10)], most=9)


def test_nine_are_too_many():
    nine = [Method(f"m{i}", SGD) for i in range(9)]
    with pytest.raises(ValueError, match="at most 8 optimizers, got 9"):
        styles(nine)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.01259, "0.0126"),
        (1e-5, "1e-05"),
        (0, "0"),
        (999.4, "999"),
        (999.6, "1000"),
        (12345, "12300"),
        (1e6, "1e+06"),
    ],
)
def test_a_sliders_label_has_three_significant_digits(value, text):
    assert label(value) == text
