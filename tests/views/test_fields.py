from dataclasses import replace

import numpy as np
import pytest
import torch

from lwlr_teach.studies.four_fields import FieldRuns
from lwlr_teach.views import FieldsView
from tests.views.sent import marks, numbers


def field_runs(name="vision", seed=0):
    """Of two methods at three rates from four seeds; one overflowed."""
    valid = torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(seed)) * 2
    valid[1, 2] = torch.inf
    lr = torch.tensor([0.001, 0.01, 0.1])
    return FieldRuns(name, "loss", False, ("SGD", "Adam"), lr, 9, 2.0, 1.0, valid * 10, valid, valid)


@pytest.fixture
def runs():
    return {"vision": field_runs(), "control": field_runs("control", 1)}


def test_what_is_sent_is_the_part_of_the_way(runs):
    view = FieldsView(runs)
    panels = view.main.panels
    assert [panel.y.title for panel in panels] == ["vision", "control"]
    for panel, own in zip(panels, runs.values(), strict=True):
        way = ((own.valid - 2.0) / (1.0 - 2.0)).clamp(min=-9)
        np.testing.assert_allclose(panel.marks[1].y.values, way.sort(-1).values[..., 1])
        np.testing.assert_allclose(panel.marks[0].high.values, way.amax(-1))
        np.testing.assert_allclose(panel.marks[3].x.values, own.best_lr)
    assert numbers(view, marks(view)[1], "y").shape == (2, 3)


def test_the_sentence_follows_the_slider(runs):
    view = FieldsView(runs, at_lr=0.01)
    way = 2 - runs["control"].valid[0, 1].sort().values[2].item()
    assert view.describe().startswith(
        "Four fields, part of the way to the target at a learning rate of 0.01: SGD vision "
    )
    assert f"control {way:.0%}" in view.describe()
    view.lr_index = 2
    assert "Adam vision <0%, control <0%" in view.describe()
    assert view.lr == pytest.approx(0.1)
    view.shown = ["SGD"]
    assert "Adam" not in view.describe()
    view._repr_mimebundle_()


def test_bad_input(runs):
    with pytest.raises(ValueError, match="runs must be at least one, got none"):
        FieldsView({})
    other = replace(runs["control"], lr=torch.tensor([0.1, 0.2, 0.3]))
    with pytest.raises(ValueError, match="the same methods and rates, and those of control differ"):
        FieldsView({"vision": runs["vision"], "control": other})
