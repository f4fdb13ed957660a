"""What a chart sends to the browser, read back."""

import numpy as np


def marks(chart, panel=0):
    """The plans of the marks of a panel, counted from the main one."""
    panels = [panel for picture in [chart.plan["main"], *chart.plan["side"]] for panel in picture["panels"]]
    return panels[panel]["marks"]


def numbers(chart, mark, name):
    """The numbers of that name of a mark, with their named axes and one for the points."""
    table = mark[name]
    shape = (*table["sizes"], table["points"])
    values = np.frombuffer(chart.numbers, "<f4")[table["from"] :]
    return values[: np.prod(shape, dtype=int)].reshape(shape)
