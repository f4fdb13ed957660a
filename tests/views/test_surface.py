import numpy as np
import pytest
import torch
import traitlets

from lwlr_teach.clipping import by_global_norm, by_value
from lwlr_teach.optim import METHODS
from lwlr_teach.problems.surfaces import SURFACES
from lwlr_teach.views import SIX, SurfaceView


@pytest.fixture(scope="module")
def view():
    return SurfaceView("ravine", SIX, lr=torch.logspace(-3, 0, 13), momentum=[0.0, 0.5, 0.9], steps=30)


def unpack(view, name):
    plan = view.plan
    m = next(m for m in plan["methods"] if m["name"] == name)
    second = m["momenta"] * m["limits"]  # in these tests one of the two is 1
    runs = len(plan["rates"]) * second
    shape = (len(plan["rates"]), second, plan["steps"] + 1)
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


@pytest.mark.slow
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


@pytest.fixture(scope="module")
def clipped():
    sgd = METHODS["SGD"]
    methods = ["SGD", sgd.clipped(by_value), sgd.clipped(by_global_norm), "Momentum"]
    return SurfaceView("cliff", methods, lr=[0.003, 0.01, 0.03], limits=[0.1, 1, 10, 1000], steps=40)


def test_each_position_of_the_limit_slider_is_sent(clipped):
    assert clipped.plan["limits"] == ["0.1", "1", "10", "1000"]
    assert clipped.plan["momenta"] == ["0.9"]
    for i, (name, limits) in enumerate(
        {"SGD": 1, "SGD + by value": 4, "SGD + by global norm": 4, "Momentum": 1}.items()
    ):
        _, losses, diverged = unpack(clipped, name)
        exact = clipped.sweep.losses[i, :, 0, :limits, 0].float().numpy()
        np.testing.assert_array_equal(losses, exact)
        np.testing.assert_array_equal(diverged, clipped.sweep.diverged_at[i, :, 0, :limits, 0].numpy())


def test_the_sentence_follows_the_limit(clipped):
    clipped.lr_index, clipped.step, clipped.shown = 1, 40, ["SGD + by global norm"]
    clipped.limit_index = 2
    reached = clipped.sweep.losses[2, 1, 0, 2, 0, 40].item()
    said = clipped.describe()
    assert said.startswith("Cliff, learning rate 0.01, limit 10, step 40: SGD + by global norm reaches ")
    assert float(said.split("reaches ")[1].rstrip(".")) == pytest.approx(reached, rel=0.06)
    assert clipped.limit == 10
    clipped.limit_index = 3
    assert clipped.describe() != said.replace("limit 10", "limit 1000")
    clipped.figure()


def test_momentum_and_limit_can_have_a_slider_each():
    view = SurfaceView(
        "ravine",
        [METHODS["Momentum"].clipped(by_value), "SGD"],
        lr=[0.01, 0.02],
        momentum=[0.5, 0.9],
        limits=[0.1, 10.0],
        steps=5,
    )
    view.lr_index, view.momentum_index, view.limit_index = 1, 0, 1
    assert ", momentum 0.5, limit 10, " in view.describe()
    first = view.plan["methods"][0]
    run = first["first"] + (1 * first["momenta"] + 0) * first["limits"] + 1
    sent = np.frombuffer(view.losses, "<f4").reshape(-1, 6)[run]
    np.testing.assert_array_equal(sent, view.sweep.losses[0, 1, 0, 1, 0].float().numpy())
    assert view.plan["methods"][1] | {"style": 0} == dict(name="SGD", style=0, first=8, momenta=1, limits=1)


def test_without_limits_there_is_no_limit_slider(view):
    assert len(view.plan["limits"]) == 1
    assert "limit" not in view.describe()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(surface="quadratik"), "surface 'quadratik' is not known; did you mean"),
        (dict(optimizers=["Adam", "SDG"]), "optimizer 'SDG' is not known; did you mean SGD"),
        (dict(optimizers=[]), "optimizers must name at least one"),
        (dict(lr=[0.1, -1.0]), "lr must be a finite number ≥ 0, got -1"),
        (dict(lr=[float("nan")]), "lr must be a finite number ≥ 0, got nan"),
        (dict(momentum=[1.0], optimizers=["Adam"]), "got 1"),
        (dict(limits=[1.0]), "limit is a hyperparameter of none of SGD, Momentum"),
        (dict(steps=0), "steps must be at least 1, got 0"),
        (dict(start=(99, 0)), "starts must lie on the map of quadratic"),
        (dict(at_step=500), "at_step must be from 0 to 100, got 500"),
        (dict(shown=["Adam", "Bdam"]), "shown 'Bdam' is not known"),
    ],
)
def test_bad_input(wrong, message):
    with pytest.raises(ValueError, match=message):
        SurfaceView(**wrong)


@pytest.mark.parametrize(
    ("trait", "value"), [("lr_index", 13), ("momentum_index", -1), ("limit_index", 1), ("step", 31)]
)
def test_a_position_off_the_slider_is_refused(view, trait, value):
    with pytest.raises((ValueError, traitlets.TraitError), match=f"{trait} must be from 0 to"):
        setattr(view, trait, value)
