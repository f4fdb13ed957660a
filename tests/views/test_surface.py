import numpy as np
import pytest
import torch
import traitlets

from lwlr_teach.surfaces import SURFACES
from lwlr_teach.views import SIX, SurfaceView


@pytest.fixture(scope="module")
def view():
    return SurfaceView("ravine", SIX, lr=torch.logspace(-3, 0, 13), momentum=[0.0, 0.5, 0.9], steps=30)


def unpack(view, name):
    plan = view.plan
    m = next(m for m in plan["methods"] if m["name"] == name)
    runs = len(plan["rates"]) * m["momenta"]
    shape = (len(plan["rates"]), m["momenta"], plan["steps"] + 1)
    take = slice(m["first"], m["first"] + runs)
    paths = np.frombuffer(view.paths, "<u2").reshape(-1, plan["steps"] + 1, 2)[take].reshape(*shape, 2)
    losses = np.frombuffer(view.losses, "<f4").reshape(-1, plan["steps"] + 1)[take].reshape(shape)
    diverged = np.frombuffer(view.diverged, "<i4")[take].reshape(shape[:2])
    return paths, losses, diverged


def test_what_is_sent_is_what_was_computed(view):
    window = np.array(view.plan["map"]["window"])
    for i, name in enumerate(SIX):
        paths, losses, diverged = unpack(view, name)
        momenta = losses.shape[1]
        points = window[:, 0] + paths / 65535 * (window[:, 1] - window[:, 0])
        true = view.sweep.paths[i, :, :momenta, 0].numpy()
        inside = ((true > window[:, 0]) & (true < window[:, 1])).all(-1)
        assert inside.mean() > 0.5
        step = (window[:, 1] - window[:, 0]) / 65535
        assert (np.abs(points - true)[inside] <= step).all()
        exact = (view.sweep.losses[i, :, :momenta, 0] - view.sweep.surface.lowest).float().numpy()
        np.testing.assert_array_equal(losses, exact)
        np.testing.assert_array_equal(diverged, view.sweep.diverged_at[i, :, :momenta, 0].numpy())


def test_a_method_without_memory_is_sent_once(view):
    momenta = {m["name"]: m["momenta"] for m in view.plan["methods"]}
    assert momenta == {"SGD": 1, "Momentum": 3, "Nesterov": 3, "Adagrad": 1, "RMSprop": 1, "Adam": 3}


def test_the_default_view_is_small_enough_for_binder():
    view = SurfaceView("quadratic")
    sent = sum(len(b) for b in (view.paths, view.losses, view.diverged, view.relief))
    assert sent < 2_500_000


@pytest.mark.parametrize("name", SURFACES)
def test_every_surface_has_a_view(name):
    view = SurfaceView(name, ["SGD", "Adam"], lr=[0.001, 0.1, 1.0], momentum=[0.9], steps=10, at_lr=1.0)
    assert view.describe().lower().startswith(name)
    view._repr_mimebundle_()


def test_the_sentence_follows_the_controls(view):
    view.lr_index, view.momentum_index, view.step, view.shown = 6, 2, 30, ["SGD", "Momentum"]
    gap = view.sweep.losses[0, 6, 0, 0, 30].item() - view.sweep.surface.lowest
    assert view.describe().startswith("Ravine, learning rate 0.0316, momentum 0.9, step 30: SGD reaches ")
    assert float(view.describe().split("SGD reaches ")[1].split(";")[0]) == pytest.approx(gap, rel=0.06)
    assert "Adam" not in view.describe()
    view.shown = []
    assert view.describe().endswith("no method is shown.")


def test_divergence_is_said_from_the_step_on_at_which_it_happens(view):
    view.lr_index, view.shown = 12, ["SGD"]
    at = int(view.sweep.diverged_at[0, 12, 0, 0])
    assert 0 < at < 30
    view.step = at
    assert f"SGD diverges at step {at}" in view.describe()
    view.step = at - 1
    assert "diverges" not in view.describe()
    view.step = 30
    view.figure()


def test_values_of_the_controls(view):
    view.lr_index, view.momentum_index = 12, 1
    assert view.lr == 1.0
    assert view.momentum == 0.5


def test_without_a_memory_there_is_no_momentum_slider():
    view = SurfaceView("quadratic", ["SGD", "Adagrad"], lr=[0.1], steps=3)
    assert len(view.plan["momenta"]) == 1
    assert "momentum" not in view.describe()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(surface="quadratik"), "surface 'quadratik' is not known; did you mean"),
        (dict(optimizers=["Adam", "SDG"]), "optimizer 'SDG' is not known; did you mean SGD"),
        (dict(optimizers=[]), "optimizers must name at least one"),
        (dict(lr=[0.1, -1.0]), "lr must be a finite number ≥ 0, got -1"),
        (dict(lr=[float("nan")]), "lr must be a finite number ≥ 0, got nan"),
        (dict(momentum=[1.0], optimizers=["Adam"]), "got 1"),
        (dict(steps=0), "steps must be at least 1, got 0"),
        (dict(start=(99, 0)), "starts must lie on the map of quadratic"),
        (dict(at_step=500), "at_step must be from 0 to 100, got 500"),
        (dict(shown=["Adam", "Bdam"]), "shown 'Bdam' is not known"),
    ],
)
def test_bad_input(wrong, message):
    with pytest.raises(ValueError, match=message):
        SurfaceView(**wrong)


@pytest.mark.parametrize(("trait", "value"), [("lr_index", 13), ("momentum_index", -1), ("step", 31)])
def test_a_position_off_the_slider_is_refused(view, trait, value):
    with pytest.raises((ValueError, traitlets.TraitError), match=f"{trait} must be from 0 to"):
        setattr(view, trait, value)
