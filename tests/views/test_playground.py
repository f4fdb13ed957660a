import pytest
import torch

from lwlr_teach.clipping import by_global_norm, by_value
from lwlr_teach.optim import METHODS
from lwlr_teach.problems.surfaces import SURFACES, find_surface, noisy
from lwlr_teach.runs.sweeps import sweep
from lwlr_teach.schedules import Plateau, factor_at
from lwlr_teach.views import SIX
from lwlr_teach.views.surface.playground import CLIPS, SCHEDULES, STEPS, Playground


@pytest.fixture
def playground():
    """One method, so that a choice takes no time."""
    return Playground(optimizers=["SGD"], at_lr=0.05)


def expected(playground, surface="quadratic", optimizers=("SGD",), **options):
    return sweep(surface, optimizers, lr=[playground.view.lr], steps=STEPS, progress=False, **options).paths


def test_at_first_it_shows_six_methods_on_the_surface_that_was_asked_for():
    made = Playground("rosenbrock", at_lr=0.001)
    assert made.view.sweep.names == SIX
    assert made.view.sweep.surface.name == "rosenbrock"
    assert made.view.lr == pytest.approx(0.001)
    assert repr(made).startswith(
        "Playground, constant rate, clip none, noise 0. Rosenbrock, learning rate 0.001, "
    )
    with pytest.raises(ValueError, match="surface 'rosenbrok' is not known; did you mean rosenbrock"):
        Playground("rosenbrok")
    with pytest.raises(ValueError, match="optimizer 'SDG' is not known; did you mean SGD"):
        Playground(optimizers=["SDG"])


@pytest.mark.parametrize("name", SURFACES)
def test_every_surface_can_be_chosen(playground, name):
    playground.surface.value = name
    assert playground.view.sweep.surface.name == name


@pytest.mark.parametrize("name", METHODS)
def test_every_method_can_be_chosen(playground, name):
    playground.optimizers.value = [name]
    assert playground.view.sweep.names == (name,)


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_schedule_reaches_the_runs(playground, name):
    playground.view.lr_index = 500  # 0.316, too large for the curvature 10: a plateau sees no progress
    playground.schedule.value = name
    assert torch.equal(playground.view.sweep.paths, expected(playground, schedule=SCHEDULES[name]))
    constant = torch.equal(playground.view.sweep.paths, expected(playground))
    assert constant is (name == "constant")

    point = torch.tensor(find_surface("quadratic").start, dtype=torch.float64)
    lr, factors, losses = playground.view.lr, [], []
    for step in range(STEPS):
        factors.append(1.0 if name == "constant" else factor_at(SCHEDULES[name], step, losses))
        losses.append(find_surface("quadratic").loss(point).item())
        point = point - lr * factors[-1] * find_surface("quadratic").grad(point)
    torch.testing.assert_close(playground.view.sweep.paths[0, 0, 0, -1], point)
    assert max(factors) == 1
    assert min(factors) > 0


@pytest.mark.parametrize(
    ("name", "clip"), [("none", None), ("by value", by_value), ("by norm", by_global_norm)]
)
def test_the_clip_and_its_limit_reach_the_runs(playground, name, clip):
    assert set(CLIPS) == {"none", "by value", "by norm"}
    playground.limit.value = 10**-0.5
    playground.clip.value = name
    path = expected(playground, clip=None if clip is None else clip(10**-0.5))
    assert torch.equal(playground.view.sweep.paths, path)
    moved = (path.diff(dim=-2) / playground.view.lr).abs()
    moved = moved.norm(dim=-1) if name == "by norm" else moved
    if clip is not None:
        assert moved.max().item() == pytest.approx(10**-0.5)
    else:
        assert moved.max() > 1


def test_noise_reaches_the_runs(playground):
    playground.noise.value = 1.5
    assert torch.equal(playground.view.sweep.paths, expected(playground, noisy("quadratic", 1.5)))
    assert "noise 1.5. " in repr(playground)
    playground.noise.value = 0
    assert torch.equal(playground.view.sweep.paths, expected(playground))


def test_a_choice_makes_a_new_view_and_closes_the_old(playground):
    old = playground.view
    playground.surface.value = "ravine"
    assert old.comm is None
    assert playground.view.comm is not None
    assert playground.children[-1].children == (playground.view,)


def test_the_sliders_and_boxes_stay_as_they_are():
    made = Playground(optimizers=["SGD", "Momentum", "Adam"])
    made.view.lr_index, made.view.momentum_index, made.view.step = 30, 4, 17
    made.view.shown = ["SGD", "Adam"]
    made.surface.value = "beale"
    assert (made.view.lr_index, made.view.momentum_index, made.view.step) == (30, 4, 17)
    assert made.view.shown == ["SGD", "Adam"]
    momentum = made.view.momentum
    made.optimizers.value = ["SGD"]  # has no momentum
    made.optimizers.value = ["SGD", "Momentum", "AdamW"]
    assert made.view.momentum == momentum
    assert made.view.shown == ["SGD", "Momentum", "AdamW"]
    assert (made.view.lr_index, made.view.step) == (30, 17)


@pytest.mark.parametrize("count", [0, 9])
def test_too_few_or_too_many_methods_are_told_and_the_picture_stays(playground, count):
    before = playground.view
    playground.optimizers.value = list(METHODS)[:count]
    assert playground.said.value == (
        f"Choose from one to 8 optimizers (hold Ctrl or Cmd); {count} are chosen."
    )
    assert playground.view is before
    assert before.comm is not None
    playground.optimizers.value = ["Adam"]
    assert playground.said.value == ""
    assert playground.view.sweep.names == ("Adam",)


def test_eight_methods_with_a_memory_are_few_enough_to_send(playground):
    eight = [name for name in METHODS if METHODS[name].memory][:8]
    assert len(eight) == 8
    playground.optimizers.value = eight
    assert playground.view.sweep.names == tuple(eight)
    assert playground.view.momentum == 0.9
    playground.schedule.value = "plateau"  # each position is sent
    assert playground.view.momentum == 0.9
    assert len(playground.view.plan["momenta"]) == 6


def test_the_bundle_has_the_choices_the_picture_and_the_sentence(playground):
    playground.schedule.value, playground.clip.value = "cosine", "by norm"
    data, metadata = playground._repr_mimebundle_()
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == playground.model_id
    assert data["image/png"]
    assert data["text/plain"] == metadata["image/png"]["alt"] == repr(playground) == playground.describe()
    assert repr(playground) == (
        f"Playground, cosine rate, clip by norm 1, noise 0. {playground.view.describe()}"
    )


def test_closing_it_closes_its_picture(playground):
    playground.close()
    assert playground.view.comm is None
    assert playground.comm is None


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
    assert [warm[0], warm[9], warm[19], warm[99]] == pytest.approx([0.05, 0.5, 1, 1])
    assert [cycle[0], cycle[29]] == pytest.approx([0.04, 1])
    assert wsd[5:81] == [1.0] * 76
    assert isinstance(SCHEDULES["plateau"], Plateau)
    assert SCHEDULES["exponential"](STEPS) == pytest.approx(0.01)


def test_choices_that_do_not_go_together_say_so_and_keep_the_picture(playground):
    playground.optimizers.value = ("SGD", "Hypergradient")
    kept = playground.view
    playground.schedule.value = "cosine"
    assert "schedule cannot drive Hypergradient" in playground.said.value
    assert playground.view is kept
    playground.schedule.value = "constant"
    assert playground.said.value == ""
