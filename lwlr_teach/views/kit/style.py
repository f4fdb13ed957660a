"""How methods are drawn and numbers are written, the same in the browser and in matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NotRequired, TypedDict

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke


class Style(TypedDict):
    """Colour (Okabe–Ito; empty for the colour of the text), and marker and dashes as a second cue.

    ``dark`` is another colour for dark paper.
    """

    colour: str
    dark: NotRequired[str]
    marker: str
    dash: list[int]


_STYLES: list[Style] = [
    {"colour": "", "marker": "circle", "dash": []},
    {"colour": "#e69f00", "marker": "square", "dash": [8, 3]},
    {"colour": "#56b4e9", "marker": "triangle-up", "dash": [3, 3]},
    {"colour": "#009e73", "marker": "diamond", "dash": [10, 3, 2, 3]},
    {"colour": "#cc79a7", "marker": "triangle-down", "dash": [6, 2]},
    {"colour": "#d55e00", "marker": "plus", "dash": []},
    {"colour": "#0072b2", "marker": "star", "dash": [2, 2]},
    {"colour": "#f0e442", "marker": "circle", "dash": [5, 5]},
]
MOST = len(_STYLES)
# Of the palette, yellow alone cannot be seen on white, and a darker one is a colour-blind person's orange: it
# keeps its colour and has dark edges. As in kit/canvas.js.
EDGED, EDGE = "#f0e442", "#5c5500"
# How far away the style is that lends its marker to a colour that returns.
_SHIFT = 3

# A method looks the same in every lesson.
_OWN = {
    name: i for i, name in enumerate(["SGD", "Momentum", "Nesterov", "Adagrad", "RMSprop", "Adam", "AMSGrad"])
}
# And so does a schedule; "yours" is the one that the learner draws.
_OWN |= {
    name: i
    for i, name in enumerate(["yours", "step", "inverse time", "cosine", "one-cycle", "WSD", "constant"])
}
# And an arrangement of rates by depth.
_OWN |= {
    name: i
    for i, name in enumerate(
        [
            "equal rates",
            "smaller early",
            "smaller late",
            "last layer only",
            "first layer only",
            "unfrozen from the top",
            "not pretrained",
        ]
    )
}

# The same markers in matplotlib's names.
MATPLOTLIB_MARKERS = {
    "circle": "o",
    "square": "s",
    "triangle-up": "^",
    "triangle-down": "v",
    "diamond": "D",
    "plus": "P",
    "star": "*",
}


def styles(names: Sequence[str], most: int = MOST) -> list[Style]:
    """A style for each name: its own if it has one and none before it has the same, else the next free one.

    Raises ValueError for more methods than ``most``, which can be up to twice the number of colours: from the
    ninth on the colours return, each with another marker and other dashes.
    """
    if len(names) > most:
        raise ValueError(f"a picture shows at most {most} optimizers, got {len(names)}: {', '.join(names)}")
    taken = {_OWN[name]: name for name in reversed(names) if name in _OWN}  # of two, the first has it
    free = iter(i for i in range(2 * MOST) if i not in taken)
    owns = [taken.get(_OWN.get(name, -1)) == name for name in names]
    return [_style(_OWN[name] if own else next(free)) for name, own in zip(names, owns, strict=True)]


def _style(number: int) -> Style:
    if number < MOST:
        return _STYLES[number]
    other = _STYLES[(number + _SHIFT) % MOST]
    return {
        "colour": _STYLES[number - MOST]["colour"],
        "marker": other["marker"],
        "dash": [1, 3, *other["dash"]],
    }


def edge_what_is_pale(figure: Figure) -> None:
    """Dark edges for the lines and markers in yellow."""
    for line in figure.findobj(Line2D):
        if to_hex(line.get_color()) == EDGED:
            line.set_markeredgecolor(EDGE)
            if line.get_linestyle() != "None":
                line.set_path_effects([withStroke(linewidth=line.get_linewidth() + 1.6, foreground=EDGE)])


def palette(count: int) -> list[str]:
    """Colours of a heat map from low to high: viridis, whose order the colour-blind see as well."""
    return [to_hex(colour) for colour in colormaps["viridis"](np.linspace(0, 1, count))]


def linestyle(style: Style) -> str | tuple[int, list[float]]:
    """The style's dashes in matplotlib's form; there they are measured in line widths."""
    return (0, [length / 1.5 for length in style["dash"]]) if style["dash"] else "-"


_TITLES = {"lr": "learning rate", "beta1": "β₁", "beta2": "β₂", "eps": "ε", "alpha": "α", "rho": "ρ"}


def called(hyperparameter: str) -> str:
    """What people call a hyperparameter."""
    return _TITLES.get(hyperparameter, hyperparameter.replace("_", " "))
