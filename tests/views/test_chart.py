"""A chart that is declared once, on one about made-up numbers."""

import inspect
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from lwlr_teach.core.text import percent
from lwlr_teach.views import RatesView, WidthView
from lwlr_teach.views.chart.declare import Axis, Band, Foot, Line, Marker, Over, Panel, Strips
from lwlr_teach.views.chart.view import Chart
from lwlr_teach.views.kit.traits import OneOf, Position
from tests.views.sent import marks, numbers

EPOCHS = torch.tensor([1.0, 2, 4, 8])
# (data, method, epoch)
ACCURACY = torch.arange(2 * 3 * 4).reshape(2, 3, 4) / 40
X = Axis(title="epoch", log=True, trait="epoch_index")
Y = Axis(title="accuracy on {data}", range=(0, 1), percent=True)
HERE = Marker(Over(EPOCHS, "epoch_index"), Over(ACCURACY, "data", "method", "epoch_index"))


class Accuracies(Chart):
    """With a slider and a choice."""

    epoch_index = Position("epochs")
    data = OneOf("sets")

    def __init__(self, *marks, main=None, side=(), **changes):
        self.names, self.epochs, self.sets = ["SGD", "Momentum", "Adam"], EPOCHS, ["digits", "letters"]
        line = Line(EPOCHS, Over(ACCURACY, "data", "method"))
        declared = dict(
            says="{title}, {data}, epoch {epoch}",
            each="{name} gets {right} right",
            readout=("accuracy", "{right}"),
            words={
                "title": "Made up",
                "right": Over(ACCURACY, "data", "method", "epoch_index", text=percent),
            },
            shown=None,
            epoch_index=2,
            data="letters",
        )
        super().__init__(main or Panel(X, Y, [line, HERE, *marks]), side, **(declared | changes))


def test_the_sentence_and_the_titles_are_filled_with_the_words_of_the_state():
    chart = Accuracies(shown=["SGD", "Adam"])
    assert chart.describe() == "Made up, letters, epoch 4: SGD gets 35% right; Adam gets 55% right."
    chart.data, chart.epoch_index, chart.shown = "digits", 0, ["Momentum"]
    assert chart.describe() == "Made up, digits, epoch 1: Momentum gets 10% right."
    assert chart.figure().axes[0].get_title("left") == "accuracy on digits"
    chart.shown = []
    assert chart.describe() == "Made up, digits, epoch 1: no method is shown."


def test_a_title_with_braces_is_no_text_with_words():
    words = {"title": "{name} {lr}", "right": "all"}
    assert Accuracies(words=words, shown=["SGD"]).describe() == (
        "{name} {lr}, letters, epoch 4: SGD gets all right."
    )


def test_the_numbers_are_sent_once_with_the_axes_that_choose_among_them():
    chart = Accuracies()
    line, here = marks(chart)
    np.testing.assert_array_equal(numbers(chart, line, "x"), EPOCHS)
    np.testing.assert_array_equal(numbers(chart, line, "y"), ACCURACY)
    np.testing.assert_array_equal(numbers(chart, here, "y")[..., 0], ACCURACY)
    assert (line["y"]["over"], line["y"]["points"]) == (("data", "method"), 4)
    assert len(chart.numbers) == 4 * (4 + 24 + 4 + 24)
    assert chart.plan["main"]["panels"][0]["x"]["range"] == (1, 8)


def test_the_drawing_shows_the_state():
    chart = Accuracies(shown=["Momentum"])
    (ax,) = chart.figure().axes
    line, here, rule = ax.lines
    np.testing.assert_array_equal(line.get_ydata(), ACCURACY[1, 1])
    assert to_hex(line.get_color()) == chart.styles[1]["colour"]
    assert [*here.get_xdata(), *here.get_ydata()] == [4, ACCURACY[1, 1, 2]]
    assert rule.get_xdata() == [4, 4]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["Momentum"]
    assert (ax.get_xscale(), ax.get_xlim()) == ("log", (1, 8))


def test_what_lies_beyond_the_axis_is_drawn_at_its_edge():
    high = Line(EPOCHS, Over(torch.tensor([0.5, 9, torch.inf, -3])))
    line = Accuracies(high, shown=[]).figure().axes[0].lines[0]
    np.testing.assert_array_equal(line.get_ydata(), [0.5, 1, 1, 0])


def test_the_lines_beside_the_chosen_one_are_thin_and_named():
    both = Line(EPOCHS, Over(ACCURACY[:, 0], "data"), beside="data")
    ax = Accuracies(both, shown=[]).figure().axes[0]
    assert [line.get_linewidth() for line in ax.lines[:2]] == [1.5, 2.5]
    assert [text.get_text() for text in ax.texts] == ["digits"]


def test_strips_have_a_row_of_panels_for_each_visible_method():
    spread = Band(EPOCHS, Over(ACCURACY[0] / 2, "method"), Over(ACCURACY[0], "method"))
    foot = Foot(Over(torch.tensor([1.0, torch.nan, 8]), "method"))
    chart = Accuracies(main=Strips([Panel(X, Y, [spread, foot]), Panel(X, Y, [HERE])], "strip of {name}"))
    drawn = chart.figure().axes
    assert len(drawn) == 6
    titles = [ax.get_title("left") for ax in drawn]
    assert titles[0] == "accuracy on letters\nstrip of SGD"
    assert titles[2::2] == ["strip of Momentum", "strip of Adam"]
    chart.shown = ["Adam"]
    assert [len(ax.lines) for ax in chart.figure().axes] == [2, 2]  # a foot or a marker, and the rule
    chart.shown = ["Momentum"]
    assert [len(ax.lines) for ax in chart.figure().axes] == [1, 2]  # its foot is nowhere
    chart.shown = []
    assert chart.figure().axes == []


def test_other_panels_stand_beside_the_main_one():
    bare = Axis(title="epoch", range=(0, 9), ticks=(0, 4.5))
    joined = Marker(HERE.x, HERE.y, text="{right}", joined=True)
    main, side = Accuracies(side=[Panel(bare, Y, [joined])], shown=["SGD", "Adam"]).figure().axes
    assert main.get_position().x1 < side.get_position().x0
    assert [text.get_text() for text in side.texts] == ["35%", "55%"]
    assert [label.get_text() for label in side.get_xticklabels()] == ["0", "4.5"]
    line = next(line for line in side.lines if line.get_linewidth() == 2.5)
    np.testing.assert_array_equal(line.get_ydata(), ACCURACY[1, [0, 2], 2])


@pytest.mark.parametrize("view", [RatesView, WidthView])
def test_a_plain_chart_is_a_folder_of_less_than_150_lines(view):
    assert issubclass(view, Chart)
    files = [path for path in Path(inspect.getfile(view)).parent.iterdir() if path.is_file()]
    assert [path.name for path in files if path.suffix != ".py"] == []
    assert 0 < sum(len(path.read_text("utf-8").splitlines()) for path in files) < 150


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (dict(says="{tilte}"), "the word in '{tilte}' 'tilte' is not known; did you mean title"),
        (dict(each="{rigth}"), "the word in '{rigth}' 'rigth' is not known; did you mean right"),
        (dict(readout=("", "{x}")), "the word in '{x}' 'x' is not known; choose from "),
        (dict(shown=["SDG"]), "shown 'SDG' is not known; did you mean SGD"),
        (dict(data="leters"), "data 'leters' is not known; did you mean letters"),
        (dict(epoch_index=4), "epoch_index must be from 0 to 3, got 4"),
        (
            dict(words={"title": Over(ACCURACY, "date", "method", "epoch_index")}),
            "an axis of title 'date' is not known; did you mean data",
        ),
        (
            dict(words={"title": Over(ACCURACY, "method", "data", "epoch_index")}),
            r"title must have the axes \(method: 3, data: 2, epoch_index: 4\), got the shape \(2, 3, 4\)",
        ),
        (
            dict(main=Panel(Axis(title="epoch", trait="epoch"), Y, [])),
            "the trait of axis 'epoch' 'epoch' is not known; did you mean epoch_index",
        ),
        (
            dict(main=Panel(X, Axis(title="{acc}", range=(0, 1)), [])),
            "the word in '{acc}' 'acc' is not known",
        ),
        (dict(main=Strips([], "{nam}")), "the word in '{nam}' 'nam' is not known; did you mean name"),
    ],
)
def test_a_slip_of_the_declaration_is_named(change, says):
    with pytest.raises(ValueError, match=says):
        Accuracies(**change)


@pytest.mark.parametrize(
    ("mark", "says"),
    [
        (
            Line(EPOCHS, Over(ACCURACY, "method")),
            r"y of a line must have the axes \(method: 3, points\), got the shape \(2, 3, 4\)",
        ),
        (
            Band(EPOCHS, Over(ACCURACY[0], "methods"), HERE.y),
            "an axis of low of a band 'methods' is not known",
        ),
        (Marker(EPOCHS, HERE.y), r"x of a marker must have the axes \(\), got the shape \(4,\)"),
        (
            Marker(EPOCHS[0], Over(EPOCHS, "epoch_index")),
            "a marker must have numbers over 'method', got none",
        ),
        (
            Marker(HERE.x, HERE.y, text="{ringht}"),
            "the word in '{ringht}' 'ringht' is not known; did you mean",
        ),
        (
            Line(EPOCHS, Over(ACCURACY[:, 0], "data"), beside="date"),
            "beside 'date' is not known; did you mean",
        ),
    ],
)
def test_a_slip_of_a_mark_is_named(mark, says):
    with pytest.raises(ValueError, match=says):
        Accuracies(mark)
