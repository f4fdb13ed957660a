"""The landscape view: where its points lie, what it says, and what it refuses."""

import json
import math
import re

import numpy as np
import pytest
import torch

from lwlr_teach.problems import principal_directions, random_directions
from lwlr_teach.studies import cut, few_digits, walks
from lwlr_teach.views import LandscapeView
from lwlr_teach.views.kit.base import VIEWS
from tests.javascript import run_node


@pytest.fixture(scope="module")
def slices():
    net = few_digits(20, 4)
    ways = walks(net, {"SGD": 0.05, "Adam": 0.03}, steps=12)
    end = [p[-1] for p in ways["SGD"]]
    directions = {
        "random": random_directions(end, torch.Generator().manual_seed(0)),
        "principal": principal_directions(ways["Adam"])[0],
    }
    return {name: cut(net, ways, two, points=9) for name, two in directions.items()}


def test_heights_are_logarithmic_and_paths_lie_on_them(slices):
    view = LandscapeView(slices)
    heights = torch.frombuffer(bytearray(view.heights), dtype=torch.float32).reshape(2, 9, 9)
    paths = torch.frombuffer(bytearray(view.paths), dtype=torch.float32).reshape(2, 2, 13, 3)
    for i, one in enumerate(slices.values()):
        logs = one.loss.log()
        assert heights[i].min() == 0
        # The order of the heights is that of the losses, up to the top.
        below = heights[i] < 1
        slope = np.polyfit(logs[below].numpy(), heights[i][below].numpy(), 1)
        np.testing.assert_allclose(np.polyval(slope, logs[below]), heights[i][below], atol=1e-5)
        # All shadows lie on the slice; SGD ends where both directions are 0.
        assert paths[i, ..., :2].abs().max() < 1
        place = [(0 - ax.mean()) / ((ax[-1] - ax[0]) / 2) for ax in (one.along, one.across)]
        torch.testing.assert_close(paths[i, 0, -1, :2], torch.stack(place).float(), rtol=0, atol=1e-5)
        # Its height is that of the corners around it.
        a, b = (((p + 1) / 2 * 8).item() for p in paths[i, 0, -1, :2])
        around = heights[i][math.floor(a) : math.floor(a) + 2, math.floor(b) : math.floor(b) + 2]
        assert around.min() <= paths[i, 0, -1, 2] <= around.max()


def test_its_words_and_its_twin(slices):
    view = LandscapeView(slices, title="Net", slice="principal", yaw=90, tilt=90, at_step=0, shown=["Adam"])
    loss = slices["principal"].path_loss["Adam"][0].item()
    assert view.describe() == (
        f"Net, principal, turned by 90°, seen from 90° above, step 0: Adam loss {loss:.2g}."
    )
    view.shown = []
    assert view.describe().endswith("step 0: no path is shown.")
    figure = view.figure()
    assert figure.get_axes()[0].elev == 90


SCRIPT = f"""
import {{ fromAfar, turned }} from "{(VIEWS / "landscape" / "turn.js").as_uri()}";
const any = turned(37, 25);
console.log(JSON.stringify({{
  above: turned(0, 90)(0.3, -0.5, 0.7), quarter: turned(90, 90)(1, 0, 0),
  ends: [any(1, 0, 0), any(0, 1, 0), any(0, 0, 1)], far: fromAfar(3, 1), near: fromAfar(3, -1),
}}));
"""


def test_turned_is_a_map_from_above_and_a_rotation_elsewhere():
    said = json.loads(run_node("--input-type=module", script=SCRIPT))
    np.testing.assert_allclose(said["above"][:2], [0.3, 0.5], atol=1e-12)
    ends = np.array(said["ends"])
    np.testing.assert_allclose(ends @ ends.T, np.eye(3), atol=1e-12)  # lengths and right angles stay
    np.testing.assert_allclose(said["quarter"], [0, 1, 0], atol=1e-12)
    assert said["far"] == [2, 1, 0]
    assert said["near"] == [0, 1, 2]


def test_bad_input(slices):
    for wrong, message in [
        (dict(slice="main"), "main"),
        (dict(yaw=7), "yaw"),
        (dict(tilt=0), "tilt"),
        (dict(at_step=13), "at_step must be from 0 to 12, got 13"),
        (dict(shown=["Lion"]), "shown"),
    ]:
        with pytest.raises(Exception, match=re.escape(message)):
            LandscapeView(slices, **wrong)
    with pytest.raises(ValueError, match="slices must be at least one"):
        LandscapeView({})
    net = few_digits(20, 4)
    ways = walks(net, {"SGD": 0.05}, steps=12)
    other = cut(net, ways, principal_directions(ways["SGD"])[0], points=9)
    with pytest.raises(ValueError, match="same paths"):
        LandscapeView(slices | {"other": other})
