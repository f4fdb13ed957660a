"""A site of one small lesson: python -m tests.browser.small_site FOLDER.

Its kernel needs a process without Playwright, whose event loop goes on running.
"""

from __future__ import annotations

import sys
from pathlib import Path

from authoring import build
from authoring.site import executed
from authoring.site.__main__ import make

NAME = "01-learning-rate"
LESSON = """
# %% [markdown]
# # 1 · A small lesson
#
# | | |
# |---|---|
# | **Time** | a minute |
#
# A step with the rate $\\eta$ leads to
#
# $$ y \\leftarrow (1 - \\eta\\lambda)\\, y . $$

# %%
import torch

from lwlr_teach.teaching import (
    ask, begin, check, claim, course_map, explain, predict_choice, predict_curve, predict_number,
)
from lwlr_teach.studies import train_schedules
from lwlr_teach.views import Microscope, ScheduleView, SplitView, SurfaceView

begin("01-learning-rate")

# %%
SurfaceView("quadratic", ["SGD", "Adam"], at_lr=0.05)

# %%
number = predict_number("01-number", "What is the edge?", torch.linspace(0.005, 0.25, 50), within=0.02)
number

# %%
claim("The edge is <0.2>.", True)
number.reveal(0.2, "It is two over ten.")

# %%
choice = predict_choice("01-choice", "Do all arrive?", ["yes", "no"])
choice

# %%
choice.reveal("no", "One does not.")

# %%
axes = {"x": {"range": [0, 10], "title": "step"}, "y": {"range": [0, 1]}}
curve = predict_curve("01-curve", "How does it fall?", **axes)
curve

# %%
curve.reveal([1 - i / 10 for i in range(11)], "It falls evenly.")

# %%
ask("01-spike", "01-edge-formula")

# %%
Microscope(["Adam"])

# %%
SplitView(at_step=2)

# %%
ScheduleView(train_schedules(["constant", "cosine"], lr=[0.05, 0.1], seeds=2, steps=20, progress=False))

# %%
def step(p, g, lr):
    ### BEGIN SOLUTION
    return p - lr * g
    ### END SOLUTION

check("01-step", step)

# %%
explain("01-explain")

# %%
course_map()
"""


def main(folder: Path) -> None:
    """Run the lesson, and make the site in ``folder / "site"``."""
    source = folder / f"{NAME}.py"
    source.write_text(LESSON.lstrip(), encoding="utf-8")
    notebook = build.read(source)
    executed.run(notebook, NAME)
    make({NAME: notebook}, folder / "site")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
