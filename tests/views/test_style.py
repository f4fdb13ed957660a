import itertools
import json
import math
import random

import pytest
import torch
from matplotlib.figure import Figure

from lwlr_teach.core.text import fixed, label, percent, short
from lwlr_teach.optim import METHODS
from lwlr_teach.views.kit.base import module
from lwlr_teach.views.kit.style import _OWN, EDGE, EDGED, MATPLOTLIB_MARKERS, edge_what_is_pale, styles
from tests.javascript import run_node
from tests.views.paper import contrast


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
        (0.125, "0.13"),
        (1.25, "1.3"),
        (12.5, "13"),
        (62.5, "63"),
        (-0.125, "−0.13"),
        (0.995, "0.99"),  # in binary a little less
        (99999.0, "1.0e5"),
        (2.0**-1074, "4.9e−324"),
    ],
)
def test_short(value, text):
    assert short(value) == text


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [(1.015625, 5, "1.01563"), (0.125, 2, "0.13"), (0.5, 0, "1"), (2.5, 0, "3"), (0.00003, 4, "0.0000")],
)
def test_fixed(value, places, text):
    assert fixed(value, places) == text


@pytest.mark.slow
def test_the_browser_writes_every_number_as_python_does():
    draw = random.Random(0)
    ties = [(2 * k + 1) / 2**n for n in range(8) for k in (*range(70), 624, 1249, 4999)]
    ties += [(10 * k + 5) * 10.0**n for k in (*range(10, 100), *range(100, 1000, 7)) for n in range(-9, 17)]
    ties += [0.03125, 1.125, 1.375, 99950.0, 999.5, 0.005, 0.125]
    wild = [draw.uniform(1, 10) * 10 ** draw.randint(-12, 12) for _ in range(3000)]
    single = torch.tensor(wild).float().tolist()
    numbers = [0.0, 5e-324, *ties, *wild, *single]
    numbers += [-number for number in numbers]
    script = f"""{module("kit/text.js")}
        const numbers = {json.dumps(numbers)};
        const write = (v) => [short(v), label(v), percent(v % 10), ...[0, 1, 4, 5].map((n) => v.toFixed(n))];
        console.log(JSON.stringify(numbers.map(write)));
    """
    shares = [math.fmod(v, 10) for v in numbers]
    wanted = [
        [short(v), label(v), percent(share), *(fixed(v, places) for places in (0, 1, 4, 5))]
        for v, share in zip(numbers, shares, strict=True)
    ]
    written = json.loads(run_node("--input-type=module", "-", script=script))
    assert len(written) == len(numbers) > 15_000
    assert [(v, a, b) for v, a, b in zip(numbers, written, wanted, strict=True) if a != b] == []


def test_a_method_looks_the_same_in_every_picture():
    alone = styles(["Adam"])
    among = styles(["SGD", "RMSprop", "Adam"])
    assert alone[0] == among[2]


def test_every_colour_can_be_seen_on_white_and_in_the_dark_or_has_edges_that_can():
    for style in styles([f"m{i}" for i in range(8)])[1:]:
        seen = EDGE if style["colour"] == EDGED else style["colour"]
        assert contrast(seen, "#ffffff") > 2.2  # Okabe and Ito's orange
        assert contrast(style["colour"], "#111111") > 3
    assert contrast(EDGED, "#ffffff") < 1.4
    assert contrast(EDGE, "#ffffff") > 4.5
    assert contrast(EDGE, EDGED) > 4.5


def test_the_browser_has_the_same_edges():
    assert f'const [EDGED, EDGE] = ["{EDGED}", "{EDGE}"];' in module("kit/canvas.js")


def test_yellow_lines_and_markers_of_a_still_picture_have_dark_edges():
    figure = Figure()
    ax = figure.subplots()
    yellow, blue = (ax.plot([0, 1], marker="o", color=colour)[0] for colour in (EDGED, "#0072b2"))
    (dots,) = ax.plot([0, 1], "o", color=EDGED)
    edge_what_is_pale(figure)
    assert [effect._gc["foreground"] for effect in yellow.get_path_effects()] == [EDGE]
    assert yellow.get_markeredgecolor() == dots.get_markeredgecolor() == EDGE
    assert blue.get_path_effects() == dots.get_path_effects() == []
    assert blue.get_markeredgecolor() == "#0072b2"


def test_all_differ_in_colour_and_in_a_second_cue():
    eight = styles([*list(METHODS)[:7], "mine"])
    assert len({s["colour"] for s in eight}) == 8
    assert len({(s["marker"], tuple(s["dash"])) for s in eight}) == 8
    assert all(s["marker"] in MATPLOTLIB_MARKERS for s in eight)


def test_any_two_that_meet_in_a_picture_differ():
    for names in itertools.combinations(_OWN, 2):
        first, second = styles(names)
        assert first == styles([names[0]])[0]
        assert first["colour"] != second["colour"], names
        assert (first["marker"], first["dash"]) != (second["marker"], second["dash"]), names


@pytest.mark.parametrize("seed", range(20))
def test_any_that_meet_in_a_picture_differ(seed):
    draw = random.Random(seed)
    some = draw.sample([*_OWN, *(f"m{i}" for i in range(10))], 12)
    drawn = styles(some, most=12)
    assert len({(style["colour"], style["marker"]) for style in drawn}) == 12
    assert len({style["colour"] for style in styles(some[:8])}) == 8


def test_beyond_eight_a_colour_returns_with_another_marker_and_other_dashes():
    sixteen = styles([f"m{i}" for i in range(16)], most=16)
    assert sixteen[:8] == styles([f"m{i}" for i in range(8)])
    assert [s["colour"] for s in sixteen[8:]] == [s["colour"] for s in sixteen[:8]]
    assert all(a["marker"] != b["marker"] for a, b in zip(sixteen[:8], sixteen[8:], strict=True))
    assert len({(s["marker"], tuple(s["dash"])) for s in sixteen}) == 16
    assert all(len(s["dash"]) % 2 == 0 and s["marker"] in MATPLOTLIB_MARKERS for s in sixteen)
    with pytest.raises(ValueError, match="at most 9 optimizers, got 10"):
        styles([f"m{i}" for i in range(10)], most=9)


def test_nine_are_too_many():
    nine = [f"m{i}" for i in range(9)]
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
        (1024, "1024"),  # a batch, a step: whole numbers are not rounded
        (99999, "99999"),
        (12345.5, "12300"),
        (1e5, "1e+05"),
        (1e6, "1e+06"),
        (0.03125, "0.0312"),  # a tie goes to the even digit
        (998.5, "998"),
        (999.5, "1000"),
        (99950.5, "1e+05"),
        (-12345, "-12345"),
        (-0.0, "0"),
    ],
)
def test_a_sliders_label_has_three_significant_digits(value, text):
    assert label(value) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0%"), (0.005, "1%"), (0.125, "13%"), (0.9949, "99%"), (1, "100%")]
)
def test_percent(share, text):
    assert percent(share) == text
