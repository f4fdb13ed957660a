import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import traitlets

from lwlr_teach.clipping import by_global_norm, by_value
from lwlr_teach.core.text import short
from lwlr_teach.optim import METHODS
from lwlr_teach.problems.surfaces import SURFACES, noisy, ravine
from lwlr_teach.runs.sweeps import sweep
from lwlr_teach.schedules import Cosine, OneCycle, Plateau
from lwlr_teach.views import SIX, SurfaceView
from lwlr_teach.views.kit.base import module

LR = torch.logspace(-3, 0, 13, dtype=torch.float64)
MOMENTUM = [0.0, 0.5, 0.9]


@pytest.fixture(scope="module")
def view():
    return SurfaceView("ravine", SIX, lr=LR, momentum=MOMENTUM, steps=30)


@pytest.mark.slow
def test_one_view_sends_little():
    view = SurfaceView("rosenbrock", steps=300)
    code = len(view._esm) - len(module("surface/view.js"))
    assert code + len(json.dumps(view.plan)) + len(view.relief) + len(view.draws) < 60_000
    assert (view.paths, view.losses, view.diverged) == (b"", b"", b"")


def test_the_start_can_be_moved(view):
    before = view.describe()
    view.start = [1.5, 1]
    assert view.sweep.paths[:, 0, 0, 0, 0].tolist() == [[1.5, 1]] * 6
    assert view.describe().startswith("Ravine, from (1.5, 1), learning rate ")
    view.figure()
    for wrong in ([99, 0], [0], [0, float("nan")]):
        with pytest.raises(ValueError, match="starts must "):
            view.start = wrong
    view.start = view.plan["start"]["start"]
    assert view.describe() == before


def test_a_second_start_has_runs_of_its_own(view):
    before = view.describe()
    view.second = [2, 1.5]
    both = view.describe()
    assert both.startswith(before)
    alone = SurfaceView("ravine", SIX, lr=LR, momentum=MOMENTUM, steps=30, start=(2, 1.5), at_step=view.step)
    alone.lr_index, alone.momentum_index = view.lr_index, view.momentum_index
    reached = alone.describe().split(f"step {view.step}: ")[1]
    assert both == f"{before} From (2, 1.5): {reached}"
    assert (
        len(view.figure().axes[0].lines) == len(alone.figure().axes[0].lines) + 13
    )  # paths, heads, the start
    with pytest.raises(ValueError, match="starts must lie on the map of ravine"):
        view.second = [99, 0]
    view.second = []
    assert view.describe() == before


def test_a_part_of_the_map_is_shown(view):
    view.zoom = [-1, 1, -0.5, 0.5]
    assert view.figure().axes[0].get_xlim() == (-1, 1)
    for wrong in ([-9, 1, -0.5, 0.5], [1, -1, -0.5, 0.5], [0, 1], [0, 1, 0, float("nan")]):
        with pytest.raises(ValueError, match=r"zoom must be a part \[x_min, x_max, y_min, y_max\] of"):
            view.zoom = wrong
    view.zoom = []
    assert view.figure().axes[0].get_xlim() == (-3, 3)


def test_any_hyperparameter_can_have_a_slider():
    lists = {"beta2": [0.9, 0.999], "eps": [1e-8, 1e-2], "weight_decay": [0.0, 0.1]}
    view = SurfaceView("ravine", ["SGD", "Adam"], noise=[0, 0.5], steps=20, **lists)
    assert view.more == {"beta2": 1, "eps": 0, "weight_decay": 0, "noise": 0}  # their own values
    assert ", momentum 0.9, β₂ 0.999, ε 1e-08, step 20: " in view.describe()
    view.more = {"beta2": 0, "noise": 1, "weight_decay": 1}
    assert view.more == {"beta2": 0, "eps": 0, "weight_decay": 1, "noise": 1}
    assert ", β₂ 0.9, ε 1e-08, weight decay 0.1, noise 0.5, " in view.describe()
    chosen = dict(lr=[view.lr], momentum=[view.momentum], beta2=[0.9], eps=[1e-8], weight_decay=[0.1])
    runs = sweep(noisy("ravine", 0.5), ["SGD", "Adam"], steps=20, **chosen)
    assert torch.equal(view.sweep.paths, runs.paths)
    with pytest.raises(ValueError, match="more 'beta3' is not known; did you mean"):
        view.more = {"beta3": 0}
    with pytest.raises(ValueError, match=r"more\['eps'\] must be from 0 to 1, got 2"):
        view.more = {"eps": 2}


def heavy_ball(grad, state, step, *, momentum=0.9):
    buffer = momentum * state["buffer"] + grad
    return buffer, {"buffer": buffer}


def test_a_rule_of_ones_own_runs_beside_ours_and_has_the_slider():
    view = SurfaceView("ravine", ["Momentum", heavy_ball], at_lr=0.01, at_momentum=0.8)
    assert view.names == ["Momentum", "heavy_ball"]
    assert view.plan["free"]["given"][1] == ["lr", "momentum"]
    ours, theirs = view.sweep.paths
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_a_rule_that_cannot_run_is_named_with_its_line():
    def asks(grad, state, step):
        return (grad if grad.sum() > 0 else 2 * grad), {}

    with pytest.raises(
        ValueError, match=r"asks cannot run .* `return \(grad if grad.sum\(\) > 0 else 2"
    ) as said:
        SurfaceView("ravine", [asks], lr=[0.01], steps=5)
    assert "torch.where(" in str(said.value)


@pytest.mark.slow
def test_eight_methods_with_a_memory_can_be_seen_at_once():
    eight = [m for m in METHODS.values() if m.memory][:8]
    SurfaceView("ravine", eight)
    SurfaceView("ravine", eight, schedule=Plateau(0.5, patience=99))


@pytest.mark.parametrize(
    "f",
    [
        lambda x, y: torch.where(x > 2, torch.nan, x * x + y * y),
        lambda x, y: torch.where(y > 1, 1e300, x * x + y * y),
        lambda x, y: torch.where(x < 0, torch.nan, x * x + y * y),  # at the start, too
        lambda x, y: 0 * x,
    ],
    ids=["no number", "enormous", "no number at the start", "a plain"],
)
def test_a_strange_surface_is_drawn(f):
    view = SurfaceView(replace(ravine(), f=f), ["SGD"], lr=[0.01, 10.0], steps=9)
    for view.lr_index in (0, 1):
        assert "$" not in view.describe()
        view.figure().canvas.draw()
    assert np.isfinite(view.plan["surfaces"]["ravine"]["losses"]).all()


def test_a_surface_that_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match=r"must have losses below 1e\+30 on its map, got none for ravine"):
        SurfaceView(replace(ravine(), f=lambda x, y: x * torch.nan))
    with pytest.raises(ValueError, match="name must say what the surface is called"):
        replace(ravine(), name="")


def test_the_noise_is_that_of_the_sweep():
    surface = noisy("ravine", 0.5)
    view = SurfaceView(surface, ["SGD"], steps=9, seed=4)
    generator = torch.Generator().manual_seed(4)
    point = torch.tensor([surface.start], dtype=torch.float64)
    drawn = [surface.sample_grad(point, generator) - surface.grad(point) for _ in range(9)]
    sent = np.frombuffer(view.draws, "<f8").reshape(9, 1, 2) * surface.noise
    np.testing.assert_allclose(sent, torch.stack(drawn).numpy(), atol=1e-13)


# --- what cannot run in a browser ---------------------------------------------------------------------------


def stubborn(x, y):
    return x * x + y * y if (x * x).sum() < 1e9 else x * x  # a question that no browser can ask


@pytest.fixture(scope="module")
def beforehand():
    """A view whose paths Python has computed, and the whole sweep."""
    surface = replace(ravine(), f=stubborn, df=lambda x, y: (2 * x, 2 * y))
    lists = dict(lr=LR, momentum=MOMENTUM)
    return SurfaceView(surface, SIX, steps=30, **lists), sweep(surface, SIX, steps=30, **lists)


def unpack(view, name):
    plan = view.plan
    m = plan["runs"][[m["name"] for m in plan["methods"]].index(name)]
    second = m["momenta"] * m["limits"]  # in these tests one of the two is 1
    runs = len(plan["labels"]["lr"]) * second
    shape = (len(plan["labels"]["lr"]), second, plan["steps"] + 1)
    take = slice(m["first"], m["first"] + runs)
    paths = np.frombuffer(view.paths, "<u2").reshape(-1, plan["steps"] + 1, 2)[take].reshape(*shape, 2)
    losses = np.frombuffer(view.losses, "<f4").reshape(-1, plan["steps"] + 1)[take].reshape(shape)
    diverged = np.frombuffer(view.diverged, "<i4")[take].reshape(shape[:2])
    return paths, losses, diverged


def test_what_is_sent_is_what_was_computed(beforehand):
    view, runs = beforehand
    window = np.array(view.plan["window"])
    for i, name in enumerate(SIX):
        paths, losses, diverged = unpack(view, name)
        momenta = losses.shape[1]
        points = window[:, 0] + paths / 65535 * (window[:, 1] - window[:, 0])
        true = runs.paths[i, :, :momenta, 0].numpy()
        inside = ((true > window[:, 0]) & (true < window[:, 1])).all(-1)
        assert inside.mean() > 0.5
        step = (window[:, 1] - window[:, 0]) / 65535
        assert (np.abs(points - true)[inside] <= step).all()
        exact = (runs.losses[i, :, :momenta, 0] - runs.surface.lowest).float().numpy()
        np.testing.assert_array_equal(losses, exact)
        np.testing.assert_array_equal(diverged, runs.diverged_at[i, :, :momenta, 0].numpy())


def test_a_method_without_memory_is_sent_once(beforehand):
    view, _ = beforehand
    momenta = {name: own["momenta"] for name, own in zip(view.names, view.plan["runs"], strict=True)}
    assert momenta == {"SGD": 1, "Momentum": 3, "Nesterov": 3, "Adagrad": 1, "RMSprop": 1, "Adam": 3}


def test_it_says_why_and_its_start_stays(beforehand):
    view, _ = beforehand
    said = view.plan["why"]
    assert said.startswith("Computed beforehand, so that the start stays where it is: the surface ravine ")
    assert "in stubborn, `return x * x + y * y if (x * x).sum() < 1e9 else x * x" in said
    with pytest.raises(ValueError, match=r"start stays \[-2.5, -0.8\] in this view, got \[1.0, 1.0\]"):
        view.start = [1, 1]


@pytest.mark.slow
def test_each_position_of_the_limit_slider_is_sent(clipped):
    methods, limits = clipped.methods, [0.1, 1, 10, 1000]
    lists = dict(lr=[0.003, 0.01, 0.03], momentum=[0.9])
    never = Plateau(0.5, patience=99)
    view = SurfaceView("cliff", methods, **lists, limits=limits, steps=40, schedule=never)
    runs = sweep("cliff", methods, **lists, limit=limits, steps=40, schedule=never)
    assert clipped.plan["labels"]["limit"] == view.plan["labels"]["limit"] == ["0.1", "1", "10", "1000"]
    assert clipped.plan["labels"]["momentum"] == ["0.9"]
    for i, (name, own) in enumerate(
        {"SGD": 1, "SGD + by value": 4, "SGD + by global norm": 4, "Momentum": 1}.items()
    ):
        _, losses, diverged = unpack(view, name)
        np.testing.assert_array_equal(losses, runs.losses[i, :, 0, :own, 0].float().numpy())
        np.testing.assert_array_equal(diverged, runs.diverged_at[i, :, 0, :own, 0].numpy())


@pytest.mark.slow
@pytest.mark.parametrize("name", SURFACES)
def test_every_surface_has_a_view(name):
    view = SurfaceView(name, ["SGD", "Adam"], lr=[0.001, 0.1, 1.0], momentum=[0.9], steps=10, at_lr=1.0)
    assert view.describe().lower().startswith(name)
    view._repr_mimebundle_()


def test_the_sentence_follows_the_controls(view):
    view.lr_index, view.momentum_index, view.step, view.shown = 6, 2, 30, ["SGD", "Momentum"]
    gap = view.sweep.losses[0, 0, 0, 0, 30].item() - view.sweep.surface.lowest
    assert view.describe().startswith("Ravine, learning rate 0.0316, momentum 0.9, step 30: SGD reaches ")
    assert float(view.describe().split("SGD reaches ")[1].split(";")[0]) == pytest.approx(gap, rel=0.06)
    assert "Adam" not in view.describe()
    view.shown = []
    assert view.describe().endswith("no method is shown.")


def test_divergence_is_said_from_the_step_on_at_which_it_happens(view):
    view.lr_index, view.shown = 12, ["SGD"]
    at = int(view.sweep.diverged_at[0, 0, 0, 0])
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
    assert "momentum" not in view.plan["labels"]
    assert "momentum" not in view.describe()


@pytest.fixture(scope="module")
def clipped():
    sgd = METHODS["SGD"]
    methods = ["SGD", sgd.clipped(by_value), sgd.clipped(by_global_norm), "Momentum"]
    return SurfaceView("cliff", methods, lr=[0.003, 0.01, 0.03], limits=[0.1, 1, 10, 1000], steps=40)


@pytest.mark.slow
def test_the_sentence_follows_the_limit(clipped):
    clipped.lr_index, clipped.step, clipped.shown = 1, 40, ["SGD + by global norm"]
    clipped.limit_index = 2
    reached = clipped.sweep.losses[2, 0, 0, 0, 0, 40].item()
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
    assert {name: values.tolist() for name, values in view.sweep.grid.items()} == {
        "lr": [0.02],
        "momentum": [0.5],
        "limit": [10],
    }
    assert view.plan["free"]["given"] == [["lr", "momentum", "limit"], ["lr"]]


def test_without_limits_there_is_no_limit_slider(view):
    assert "limit" not in view.plan["labels"]
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
        (dict(beta3=[0.9]), "beta3 is a hyperparameter of none of SGD, Momentum"),
        (dict(noise=[-1.0]), r"noise must be a list of numbers of at least 0, got \[-1.0\]"),
        (dict(noise=0.5), "noise must be a list of numbers"),
        (dict(noise=[0.5], schedule=Plateau(0.5)), "noise is not possible here: .*a plateau"),
        (dict(beta2=[0.5], schedule=Plateau(0.5)), "beta2 is not possible here: .*a plateau"),
        (dict(second=(1, 1), schedule=Plateau(0.5)), "a second start is not possible here: .*a plateau"),
        (dict(second=(99, 0)), "starts must lie on the map of quadratic"),
        (dict(steps=0), "steps must be at least 1, got 0"),
        (dict(start=(99, 0)), "starts must lie on the map of quadratic"),
        (dict(at_step=500), "at_step must be from 0 to 100, got 500"),
        (dict(shown=["Adam", "Bdam"]), "shown 'Bdam' is not known"),
        (dict(optimizers=["Hypergradient"], schedule=Cosine(9)), "schedule cannot drive Hypergradient"),
        (dict(optimizers=["Adagrad"], schedule=OneCycle(100)), "this optimizer has none"),
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


# --- walkers ------------------------------------------------------------------------------------------------


def test_beside_the_walker_on_the_map_stands_the_mean_of_all():
    windy = noisy("quadratic", 1.0)
    view = SurfaceView(windy, ["SGD"], lr=[0.01, 0.1], steps=40, at_lr=0.1, walkers=7, seed=3)
    runs = sweep(windy, ["SGD"], lr=[0.1], steps=40, starts=[windy.start] * 7, seed=3)
    mean, own = runs.losses[0, 0].mean(0)[-1].item(), runs.losses[0, 0, :, -1].tolist()
    assert view.describe().endswith(f"SGD reaches {short(own[0])} (mean of 7: {short(mean)}).")
    view.wind = 4
    assert view.describe().endswith(f"SGD reaches {short(own[4])} (mean of 7: {short(mean)}).")
    assert view.run(0, view.start)[0].equal(runs.paths[0, 0, 4])
    with pytest.raises(ValueError, match="wind must be from 0 to 6, got 7"):
        view.wind = 7


def test_the_mean_is_lost_with_the_first_walker():
    windy = noisy("quadratic", 1.0)
    view = SurfaceView(windy, ["SGD"], lr=[0.25], steps=60, at_lr=0.25, walkers=3)
    first = min(int(view._runs(0, view.start)[2][k]) for k in range(3))
    mean = view.mean_loss(0, view.start)
    assert mean[:first].isfinite().all()
    assert mean[first:].isinf().all()


def test_the_loss_at_every_rate_is_the_mean_of_all_walkers():
    windy = noisy("quadratic", 1.0)
    view = SurfaceView(windy, ["SGD"], lr=[0.01, 0.1], steps=40, at_lr=0.1, walkers=7, seed=3)
    assert view.losses_at(view._rates)[0, 1] == pytest.approx(view.mean_loss(0, view.start)[40].item())
    assert view.losses_at(view._rates)[0, 1] != pytest.approx(view.run(0, view.start)[1][40].item(), rel=0.01)


def test_walkers_are_counted_and_need_a_rule_that_runs_in_the_browser():
    with pytest.raises(ValueError, match="walkers must be"):
        SurfaceView("quadratic", ["SGD"], walkers=0)
    with pytest.raises(ValueError, match="a choice of walkers is not possible here"):
        SurfaceView("quadratic", ["SGD"], walkers=2, schedule=Plateau(0.1, patience=2))
