import json

import pytest
import torch

import lwlr_teach.schedules
from lwlr_teach import clipping
from lwlr_teach.optim import METHODS
from lwlr_teach.problems.surfaces import SURFACES, find_surface, noisy
from lwlr_teach.runs.sweeps import sweep
from lwlr_teach.schedules import factor_at
from lwlr_teach.views import SIX, Playground
from lwlr_teach.views.kit.base import module
from lwlr_teach.views.surface.playground import CLIPS, LEFT_OUT, OFFERED, schedules

STEPS = 100
SCHEDULES = schedules(STEPS)


@pytest.fixture(scope="module")
def one():
    return Playground("quadratic", ["SGD"], at_lr=0.05)


@pytest.fixture
def playground(one):
    """As it was at first."""
    for name, value in one.plan["start"].items():
        setattr(one, name, value)
    return one


def expected(playground, surface="quadratic", optimizers=("SGD",), **options):
    return sweep(surface, optimizers, lr=[playground.lr], steps=STEPS, progress=False, **options).paths


def path(playground, i=0):
    return playground.run(i, playground.start)[0]


@pytest.mark.slow
def test_at_first_it_shows_six_methods_on_the_surface_that_was_asked_for():
    made = Playground("rosenbrock", at_lr=0.001)
    assert made.shown == list(SIX)
    assert made.lr == pytest.approx(0.001)
    assert repr(made).startswith("Rosenbrock, learning rate 0.001, momentum 0.9, step 100: SGD reaches ")
    with pytest.raises(ValueError, match="surface 'rosenbrok' is not known; did you mean rosenbrock"):
        Playground("rosenbrok")
    with pytest.raises(ValueError, match="optimizer 'SDG' is not known; did you mean SGD"):
        Playground(optimizers=["SDG"])
    with pytest.raises(ValueError, match="steps must be at least 2, got 1"):
        Playground(steps=1)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [2, 3, 200])
def test_runs_can_be_short_or_long(steps):
    made = Playground("ravine", ["SGD"], steps=steps)
    for made.schedule in schedules(steps):
        assert len(path(made)) == steps + 1


@pytest.mark.slow
def test_it_opens_where_something_happens():
    """Every method has left the start by a tenth of the map, and most are still on it."""
    made = Playground()
    moved = made.sweep.paths[[made.names.index(name) for name in SIX]].flatten(0, -3)
    assert ((moved - moved[:, :1]).norm(dim=-1).amax(-1) > 0.5).sum() >= 5
    assert "diverges" not in made.describe()


@pytest.mark.slow
def test_all_of_it_is_less_than_a_tenth_of_a_megabyte():
    made = Playground()
    code = len(made._esm) - len(module("surface/view.js"))
    assert code + len(json.dumps(made.plan)) + len(made.draws) < 100_000
    assert made.names == [name for name in METHODS if name not in LEFT_OUT]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(SURFACES) - {"noisy quadratic"}))
def test_every_surface_can_be_chosen(playground, name):
    playground.surface = name
    assert playground.sweep.surface.name == name
    assert playground.start == list(find_surface(name).start)
    assert "from (" not in playground.describe()


def test_a_start_that_lies_on_the_new_surface_stays_if_it_was_chosen(playground):
    playground.start = [1, 1]
    playground.surface = "ravine"
    assert playground.start == [1, 1]
    playground.start, playground.second, playground.zoom = [2.5, -1.5], [2.5, 0], [-1, 1, -1, 1]
    playground.surface = "rosenbrock"  # of which that is no point
    assert (playground.start, playground.second, playground.zoom) == ([-1.5, 2], [], [])


@pytest.mark.slow
@pytest.mark.parametrize("name", OFFERED)
def test_every_method_is_there(playground, name):
    playground.shown = [name]
    at = {"weight_decay": [0.0]} | ({"momentum": [playground.momentum]} if METHODS[name].memory else {})
    assert torch.equal(
        path(playground, playground.names.index(name)),
        expected(playground, optimizers=[name], **at)[0].flatten(0, -3)[0],
    )


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_schedule_reaches_the_runs(playground, name):
    playground.schedule = name
    assert torch.equal(path(playground), expected(playground, schedule=SCHEDULES[name])[0, 0, 0])
    assert torch.equal(path(playground), expected(playground)[0, 0, 0]) is (name == "constant")
    factors = [1.0 if name == "constant" else factor_at(SCHEDULES[name], step) for step in range(STEPS)]
    assert max(factors) == 1
    assert min(factors) > 0
    assert playground.plan["schedules"][name]["factors"] == (None if name == "constant" else factors)
    assert (f", {name} rate, " in playground.describe()) is (name != "constant")
    assert eval(playground.plan["code"]["schedule"][name], vars(lwlr_teach.schedules)) == SCHEDULES[name]


@pytest.mark.parametrize("name", ["none", *CLIPS])
def test_the_clip_and_its_limit_reach_the_runs(playground, name):
    playground.clip = name
    playground.limit_index = 30
    limit = playground.limit
    assert limit == pytest.approx(10**-0.5)
    clip = None if name == "none" else getattr(clipping, playground.plan["code"]["clip"][name])(limit)
    assert torch.equal(path(playground), expected(playground, clip=clip)[0, 0, 0])
    moved = (path(playground).diff(dim=-2) / playground.lr).abs()
    moved = moved.norm(dim=-1) if name == "by norm" else moved
    if clip is not None:
        assert moved.max().item() == pytest.approx(limit)
        assert f", clipped {name}, " in playground.describe()
        assert ", limit 0.316, " in playground.describe()
    else:
        assert moved.max() > 1
        assert "limit" not in playground.describe()


def test_noise_reaches_the_runs(playground):
    playground.more = {"noise": 30}
    assert torch.equal(path(playground), expected(playground, noisy("quadratic", 1.5))[0, 0, 0])
    assert ", noise 1.5, " in playground.describe()
    playground.more = {"noise": 0}
    assert torch.equal(path(playground), expected(playground)[0, 0, 0])


def test_the_schedules_are_what_their_names_say():
    half, falling, linear, cosine, restarts, warm, cycle, wsd = (
        [SCHEDULES[name](t) for t in range(STEPS + 1)]
        for name in (
            "half after half",
            "1 / t",
            "linear",
            "cosine",
            "warm restarts",
            "warm-up, then constant",
            "one-cycle",
            "WSD",
        )
    )
    assert [half[0], half[STEPS // 2 - 1], half[STEPS // 2]] == [1, 1, 0.5]
    assert [falling[0], falling[10], falling[90]] == pytest.approx([1, 0.5, 0.1])
    assert [linear[0], linear[STEPS // 2], linear[STEPS]] == pytest.approx([1, 0.5, 0])
    assert [cosine[0], cosine[STEPS // 2], cosine[STEPS]] == pytest.approx([1, 0.5, 0])
    assert [t for t in range(STEPS) if restarts[t] == 1] == [0, 25, 50, 75]
    assert [warm[0], warm[9], warm[19], warm[99]] == pytest.approx([0.05, 0.4775, 0.9525, 1])
    assert [cycle[0], cycle[29]] == pytest.approx([0.04, 1])
    assert wsd[5:81] == [1.0] * 76
    assert SCHEDULES["exponential"](STEPS) == pytest.approx(0.01, rel=0.01)
