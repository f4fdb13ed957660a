"""A sweep gives the numbers of separate runs, and reads the right things off them."""

import itertools
import math
import re

import pytest
import torch

import lwlr_teach.runs.sweeps
from lwlr_teach.clipping import by_global_norm, by_layer_norm, by_value
from lwlr_teach.optim import METHODS, SGD, Adam, Lookahead, Method
from lwlr_teach.problems.surfaces import Surface, find_surface, noisy, quadratic
from lwlr_teach.runs.sweeps import NEVER, sweep
from lwlr_teach.schedules import Plateau
from lwlr_teach.views import SurfaceView


def run(*args, **kwargs):
    return sweep(*args, progress=False, **kwargs)


# How torch spells each method of the catalogue; a new method that torch has needs one line.
TORCH = {
    "SGD": lambda p, lr, momentum: torch.optim.SGD(p, lr),
    "Momentum": lambda p, lr, momentum: torch.optim.SGD(p, lr, momentum),
    "Nesterov": lambda p, lr, momentum: torch.optim.SGD(p, lr, momentum, nesterov=momentum > 0),
    "Adagrad": lambda p, lr, momentum: torch.optim.Adagrad(p, lr),
    "RMSprop": lambda p, lr, momentum: torch.optim.RMSprop(p, lr),
    "Adam": lambda p, lr, momentum: torch.optim.Adam(p, lr, (momentum, 0.999)),
    "AMSGrad": lambda p, lr, momentum: torch.optim.Adam(p, lr, (momentum, 0.999), amsgrad=True),
}


def plain_loop(surface, make, start, noise):
    """One run of a torch optimizer; ``noise`` is (steps, 2)."""
    point = start.clone().requires_grad_()
    optimizer = make([point])
    path = [start]
    for extra in noise:
        optimizer.zero_grad()
        surface.loss(point).backward()
        point.grad += extra
        optimizer.step()
        path.append(point.detach().clone())
    return torch.stack(path)


def noise_of(surface, seed, steps, n):
    generator = torch.Generator().manual_seed(seed)
    draws = [torch.randn(n, 2, generator=generator, dtype=torch.float64) for _ in range(steps)]
    return surface.noise * torch.stack(draws)


# --- the paths -------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", TORCH)
@pytest.mark.parametrize(
    "surface", [noisy("quadratic", 0.5), find_surface("himmelblau")], ids=lambda s: s.name
)
def test_every_path_is_that_of_a_plain_loop_with_torch(surface, name):
    generator = torch.Generator().manual_seed(len(name))
    rates = 1e-3 * 10 ** torch.rand(3, generator=generator, dtype=torch.float64)
    momenta = torch.tensor([0.0, 0.5, torch.rand(1, generator=generator).item()], dtype=torch.float64)
    starts = torch.rand(2, 2, generator=generator, dtype=torch.float64) * 2 - 1
    steps, seed = 30, 5
    # Beside another method, because a method alone may not read every axis.
    result = run(surface, [name, "Adam"], lr=rates, momentum=momenta, starts=starts, steps=steps, seed=seed)
    noise = noise_of(surface, seed, steps, len(starts))
    for (i, lr), (j, mu), k in itertools.product(
        enumerate(rates.tolist()), enumerate(momenta.tolist()), range(2)
    ):
        expected = plain_loop(surface, lambda p, lr=lr, mu=mu: TORCH[name](p, lr, mu), starts[k], noise[:, k])
        torch.testing.assert_close(result.paths[0, i, j, k], expected, rtol=1e-12, atol=1e-12)


def test_further_hyperparameters_are_swept_too():
    eps, beta2 = [1e-8, 1e-2], [0.9, 0.99, 0.999]
    surface = find_surface("ravine")
    result = run(surface, "Adam", lr=[0.1], beta2=beta2, eps=eps, steps=20)
    start = torch.tensor(surface.start, dtype=torch.float64)
    for (i, b), (j, e) in itertools.product(enumerate(beta2), enumerate(eps)):
        expected = plain_loop(
            surface, lambda p, b=b, e=e: torch.optim.Adam(p, 0.1, (0.9, b), eps=e), start, torch.zeros(20, 2)
        )
        torch.testing.assert_close(result.paths[0, 0, i, j, 0], expected, rtol=1e-12, atol=1e-12)


def test_shapes_names_and_grid():
    result = run(
        "beale",
        ["SGD", "Adam"],
        lr=[0.001, 0.002, 0.003],
        momentum=[0.5, 0.9],
        starts=[(1, 1), (0, 1), (2, 0), (1, 2)],
        steps=5,
    )
    assert result.paths.shape == (2, 3, 2, 4, 6, 2)
    assert result.losses.shape == (2, 3, 2, 4, 6)
    assert result.diverged_at.shape == result.reached_at.shape == (2, 3, 2, 4)
    assert (result.steps, result.names) == (5, ("SGD", "Adam"))
    assert list(result.grid) == ["lr", "momentum"]
    assert result.grid["momentum"].tolist() == [0.5, 0.9]
    assert result.starts.tolist() == [[1, 1], [0, 1], [2, 0], [1, 2]]
    assert torch.equal(result.paths[:, :, :, :, 0], result.starts.expand(2, 3, 2, 4, 2))
    torch.testing.assert_close(result.losses, result.surface.loss(result.paths), rtol=1e-12, atol=1e-12)


def test_axes_stand_in_the_order_of_the_call():
    result = run("quadratic", "Adam", lr=[0.1], beta2=[0.9, 0.99, 0.999], momentum=[0.5, 0.9], steps=2)
    assert list(result.grid) == ["lr", "beta2", "momentum"]
    assert result.paths.shape[:4] == (1, 1, 3, 2)


def test_a_method_without_a_hyperparameter_repeats_along_its_axis():
    result = run("ravine", ["SGD", "Momentum"], lr=[0.01, 0.02], momentum=[0.0, 0.5, 0.9], steps=10)
    sgd, momentum = result.paths
    assert torch.equal(sgd, sgd[:, :1].expand_as(sgd))
    torch.testing.assert_close(momentum[:, 0], sgd[:, 0], rtol=1e-12, atol=0)
    assert not torch.equal(momentum[:, 1], sgd[:, 1])


def test_the_start_of_the_surface_is_the_default():
    result = run("himmelblau", "SGD", lr=[0.01], steps=1)
    assert result.paths[0, 0, 0, 0].tolist() == list(find_surface("himmelblau").start)


def test_one_method_may_stand_alone_and_be_a_learners_own():
    mine = Method("mine", SGD, {"momentum": 0.7})
    assert run("quadratic", "SGD", lr=[0.1], steps=2).names == ("SGD",)
    assert run("quadratic", mine, lr=[0.1], steps=2).names == ("mine",)


def test_float32_gives_the_numbers_of_float64_as_far_as_it_goes():
    settings = dict(lr=[0.01, 0.05], momentum=[0.5], steps=50)
    single = run("noisy quadratic", ["SGD", "Adam"], dtype=torch.float32, **settings)
    double = run("noisy quadratic", ["SGD", "Adam"], **settings)
    assert single.paths.dtype == single.losses.dtype == single.starts.dtype == torch.float32
    torch.testing.assert_close(single.paths.double(), double.paths, rtol=1e-4, atol=1e-4)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_the_same_numbers():
    settings = dict(lr=[0.01, 0.05], momentum=[0.5, 0.9], steps=50)
    there, here = (run("noisy quadratic", METHODS, device=d, **settings) for d in ("cuda", "cpu"))
    assert there.paths.device.type == "cuda"
    torch.testing.assert_close(there.paths.cpu(), here.paths, rtol=1e-9, atol=1e-9)
    assert torch.equal(there.reached_at.cpu(), here.reached_at)


def test_an_interrupted_sweep_keeps_the_optimizers_that_are_done(monkeypatch, capsys):
    whole = run("quadratic", ["SGD", "Adam"], lr=[0.1, 0.2], steps=5)
    calls, sample_grad = [], Surface.sample_grad

    def stopping(self, points, generator):
        calls.append(points)
        if len(calls) == after + 1:
            raise KeyboardInterrupt
        return sample_grad(self, points, generator)

    monkeypatch.setattr(Surface, "sample_grad", stopping)
    after = 7
    part = run("quadratic", ["SGD", "Adam"], lr=[0.1, 0.2], steps=5)
    assert capsys.readouterr().out == "Interrupted: 1 of 2 optimizers are done, and are kept.\n"
    assert part.names == ("SGD",)
    for name in ("paths", "losses", "diverged_at", "reached_at"):
        assert torch.equal(getattr(part, name), getattr(whole, name)[:1])
    calls.clear()
    never = Plateau(0.5, patience=99)  # so that the view has a whole sweep to compute
    view = SurfaceView("quadratic", ["SGD", "Adam"], lr=[0.1, 0.2], steps=5, schedule=never)
    assert "Adam" not in view.describe()
    calls.clear()
    after = 3
    with pytest.raises(KeyboardInterrupt):  # nothing to keep
        run("quadratic", ["SGD", "Adam"], lr=[0.1, 0.2], steps=5)


@pytest.mark.parametrize("progress", [False, True])
def test_a_short_sweep_prints_nothing(progress, capsys):
    sweep("quadratic", lr=[0.1], steps=2, progress=progress)
    assert capsys.readouterr() == ("", "")


# --- clip and schedule -----------------------------------------------------------------------------------


CLIPS = {"by value": by_value, "by norm": by_global_norm, "by layer": by_layer_norm}
SHRINK = {
    "by value": lambda g, limit: g.clamp_(-limit, limit),
    "by norm": lambda g, limit: g.mul_(min(1.0, limit / g.norm().item())),
    "by layer": lambda g, limit: g.mul_(min(1.0, limit / g.norm().item())),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TORCH)
@pytest.mark.parametrize("clip", [None, *CLIPS])
def test_clipped_and_scheduled_paths_are_those_of_a_plain_loop_with_torch(name, clip):
    """Each run is clipped by itself, whatever the others in the batch do."""
    surface, limit, steps, seed = noisy("quadratic", 0.5), 1.3, 25, 4
    rates, momenta = torch.tensor([0.003, 0.03, 0.1], dtype=torch.float64), [0.0, 0.8]
    starts = torch.tensor([[1.0, 1.5], [-2.5, 0.1]], dtype=torch.float64)
    result = run(
        surface,
        [name, "Adam"],
        lr=rates,
        momentum=momenta,
        starts=starts,
        steps=steps,
        seed=seed,
        clip=None if clip is None else CLIPS[clip](limit),
        schedule=lambda t: 1 / (1 + t / 5),
    )
    noise = noise_of(surface, seed, steps, len(starts))
    for (i, lr), (j, mu), k in itertools.product(enumerate(rates.tolist()), enumerate(momenta), range(2)):
        point = starts[k].clone().requires_grad_()
        optimizer = TORCH[name]([point], lr, mu)
        path = [starts[k]]
        for t in range(steps):
            optimizer.zero_grad()
            surface.loss(point).backward()
            point.grad += noise[t, k]
            if clip is not None:
                SHRINK[clip](point.grad, limit)
            optimizer.param_groups[0]["lr"] = lr / (1 + t / 5)
            optimizer.step()
            path.append(point.detach().clone())
        torch.testing.assert_close(result.paths[0, i, j, k], torch.stack(path), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("clip", CLIPS)
def test_a_limit_of_the_grid_is_the_clip_at_that_limit(clip):
    """Beside it a method without a clip, which is the same at every limit."""
    limits = [0.05, 0.5, 1e9]
    settings = dict(lr=[0.01, 0.05], momentum=[0.5, 0.9], steps=12)
    both = ["Momentum", METHODS["Momentum"].clipped(CLIPS[clip])]
    result = run("ravine", both, **settings, limit=limits)
    assert list(result.grid) == ["lr", "momentum", "limit"]
    for i, limit in enumerate(limits):
        alone = run("ravine", "Momentum", clip=CLIPS[clip](limit), **settings)
        torch.testing.assert_close(result.paths[1, :, :, i], alone.paths[0])
    free = run("ravine", "Momentum", **settings)
    torch.testing.assert_close(result.paths[0], free.paths[0].unsqueeze(2).expand_as(result.paths[0]))
    assert torch.equal(result.paths[1, :, :, -1], result.paths[0, :, :, -1])
    assert not torch.equal(result.paths[1, :, :, 0], result.paths[0, :, :, 0])


def test_a_limit_needs_a_clip_and_a_clip_a_limit_of_at_least_0():
    with pytest.raises(ValueError, match="limit is a hyperparameter of none of SGD"):
        run("ravine", "SGD", lr=[0.1], limit=[1.0])
    with pytest.raises(ValueError, match=r"limit of SGD \+ by value: clip_value must be .* ≥ 0, got -1"):
        run("ravine", METHODS["SGD"].clipped(by_value), lr=[0.1], limit=[1.0, -1.0])


@pytest.mark.parametrize("name", METHODS)
def test_a_schedule_of_one_and_a_clip_that_never_bites_change_nothing(name):
    settings = dict(lr=[0.001, 0.005], steps=10)
    schedule = None if name == "Hypergradient" else lambda t: 1.0  # refused, see the next test
    plain = run("ravine", name, **settings)
    same = run("ravine", name, clip=by_global_norm(1e9), schedule=schedule, **settings)
    torch.testing.assert_close(same.paths, plain.paths, rtol=1e-13, atol=0)


def test_a_method_that_finds_its_rate_takes_no_schedule():
    with pytest.raises(ValueError, match="schedule cannot drive Hypergradient, which finds its rate itself"):
        sweep("ravine", ["SGD", "Hypergradient"], lr=[0.001], steps=2, schedule=lambda t: 1.0)


def test_the_schedule_is_asked_once_for_each_step_from_zero_on_and_a_rate_of_zero_stands_still():
    asked = []
    result = run("ravine", "SGD", lr=[0.01], steps=6, schedule=lambda t: asked.append(t) or float(t >= 2))
    assert asked == [0, 1, 2, 3, 4, 5]
    path = result.paths[0, 0, 0]
    assert torch.equal(path[0], path[2])
    assert not torch.equal(path[2], path[3])


def test_the_view_hands_clip_and_schedule_to_its_sweep():
    options = dict(lr=[0.1], steps=8, clip=by_value(0.2), schedule=lambda t: 1 / (t + 1))
    view = SurfaceView("ravine", ["SGD"], **options)
    assert torch.equal(view.sweep.paths, run("ravine", ["SGD"], **options).paths)
    assert not torch.equal(view.sweep.paths, run("ravine", ["SGD"], lr=[0.1], steps=8).paths)


@pytest.mark.parametrize(
    ("clip", "error"), [("by norm", TypeError), (1.0, TypeError)], ids=["a name", "a number"]
)
def test_a_clip_that_is_no_function_is_refused(clip, error):
    with pytest.raises(error, match="clip must be a function"):
        run("ravine", "SGD", lr=[0.1], steps=2, clip=clip)


# --- divergence ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_on_the_quadratic_divergence_begins_at_two_over_the_curvature():
    edge = 2 / 10
    rates = [edge * (1 - 1e-3), edge, edge * (1 + 1e-3)]
    result = run(quadratic(10), "SGD", lr=rates, starts=[(1, 1)], steps=3000)
    left = math.ceil(
        math.log(20) / math.log(10 * rates[-1] - 1)
    )  # the map ends at |y| = 2, ten times that is 20
    assert result.diverged_at.flatten().tolist() == [NEVER, NEVER, left]


def test_diverged_at_is_the_first_step_outside_ten_times_the_map():
    result = run(quadratic(10), "SGD", lr=[0.25], starts=[(0, 1)], steps=30)  # y ← −1.5 y
    assert 1.5**7 < 20 < 1.5**8
    assert result.diverged_at.item() == 8


def test_a_run_that_ends_on_the_edge_has_not_left():
    result = run(quadratic(10), "SGD", lr=[0.3], starts=[(0, 1.25)], steps=4)  # y = 1.25 · (−2)ⁿ, at last 20
    assert result.paths[..., -1, 1].item() == pytest.approx(20)
    assert result.diverged_at.item() == NEVER


def test_an_overflow_is_a_divergence_and_no_error():
    result = run("rosenbrock", ["SGD", "Momentum"], lr=[1.0, 1e3], steps=50)
    assert not result.losses[..., -1].isfinite().any()
    assert (result.diverged_at > 0).all()
    assert (result.reached_at == NEVER).all()


def hopping(*stops):
    """A surface on which SGD with rate 1 visits these values of x in turn, then stays. The map is ±2."""

    def df(x, y):
        slope = torch.zeros_like(x)
        for here, there in itertools.pairwise(stops):
            slope = torch.where((x - here).abs() < 0.25, here - there, slope)
        return slope, torch.zeros_like(y)

    bounds = ((-2, 2), (-2, 2))
    return Surface(
        "hops", "", f=lambda x, y: x * x, df=df, bounds=bounds, start=(stops[0], 0), minima=((0, 0),)
    )


@pytest.mark.parametrize(
    ("stops", "expected"),
    [
        ((1, 100, 0), NEVER),
        ((1, 100, 200, -100, 1.5), NEVER),
        ((1, 100), 1),
        ((1, 100, 0, -100), 3),
        ((1, -100, 0, -50, 100, 1e9), 3),
        ((1, 19.5, -19.5, 0), NEVER),
        ((1, 19.5, -20.5), 2),
    ],
)
def test_a_run_that_comes_back_has_not_diverged(stops, expected):
    result = run(hopping(*stops), "SGD", lr=[1.0], steps=8)
    visited = result.paths[0, 0, 0, :, 0].tolist()
    assert visited[: len(stops)] == list(stops)
    assert result.diverged_at.item() == expected


def test_leaving_along_either_axis_counts_and_the_middle_of_the_map_is_where_it_is():
    def slide(direction, bounds):
        return Surface(
            "slide",
            "",
            f=lambda x, y: x + y,
            df=lambda x, y: tuple(torch.full_like(v, -d) for v, d in zip((x, y), direction, strict=True)),
            bounds=bounds,
            start=(4, 0),
            minima=((4, 0),),
        )

    # The middle is (5, 0), so ten times the map is −5 … 15 by −20 … 20; from (4, 0) in steps of one.
    bounds = ((4, 6), (-2, 2))
    at = {
        d: run(slide(d, bounds), "SGD", lr=[1.0], steps=30).diverged_at.item()
        for d in [(1, 0), (-1, 0), (0, 1), (0, -1)]
    }
    assert at == {(1, 0): 12, (-1, 0): 10, (0, 1): 21, (0, -1): 21}


def brute_force(surface, path, losses, target):
    """What ``diverged_at`` and ``reached_at`` should say, a step at a time."""
    outside = []
    for point in path.tolist():
        away = [abs(v - (a + b) / 2) / ((b - a) / 2) for v, (a, b) in zip(point, surface.bounds, strict=True)]
        outside.append(not all(a <= 10 for a in away))
    diverged = next((s for s in range(len(outside)) if all(outside[s:])), NEVER)
    reached = next((s for s, loss in enumerate(losses.tolist()) if loss <= target), NEVER)
    return diverged, reached


@pytest.mark.parametrize("name", ["rosenbrock", "sharp-and-flat", "noisy quadratic", "saddle"])
def test_diverged_at_and_reached_at_agree_with_a_loop(name):
    rates = torch.logspace(-3, 1, 15)
    result = run(
        name,
        ["SGD", "Momentum", "Adam"],
        lr=rates,
        momentum=[0.5, 0.95],
        steps=60,
        starts=[(-1.5, 1), (1, -0.9)],
    )
    assert len(result.diverged_at.unique()) > 3
    assert len(result.reached_at.unique()) > 3
    runs = zip(
        result.paths.flatten(0, -3),
        result.losses.flatten(0, -2),
        result.diverged_at.flatten(),
        result.reached_at.flatten(),
        strict=True,
    )
    for path, losses, diverged, reached in runs:
        assert (diverged, reached) == brute_force(result.surface, path, losses, result.target)


# --- the target ------------------------------------------------------------------------------------------


def test_reached_at_is_the_first_step_at_or_below_the_target():
    # x ← x / 2 from 2, loss ½ x²: 2, ½, ⅛, …
    result = run(quadratic(1), "SGD", lr=[0.5], starts=[(2, 0)], steps=5, target=0.5)
    assert result.target == 0.5
    assert result.reached_at.item() == 1
    assert run(quadratic(1), "SGD", lr=[0.5], starts=[(2, 0)], steps=5, target=2).reached_at.item() == 0
    assert (
        run(quadratic(1), "SGD", lr=[0.5], starts=[(2, 0)], steps=5, target=1e-9).reached_at.item() == NEVER
    )


@pytest.mark.parametrize("name", ["rosenbrock", "styblinski-tang"])
def test_the_default_target_leaves_a_thousandth_of_the_way_from_the_first_start(name):
    surface = find_surface(name)
    result = run(surface, ["SGD", "Adam"], lr=[1e-4, 1e-3], starts=[(0.5, -0.5), (1, 1.5)], steps=2)
    begin = surface.loss(torch.tensor([0.5, -0.5], dtype=torch.float64)).item()
    assert result.target == pytest.approx(surface.lowest + (begin - surface.lowest) / 1000, rel=1e-12)


# --- noise -----------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_paths_and_another_seed_others():
    settings = dict(optimizers=["SGD", "Adam"], lr=[0.01, 0.1], steps=10)
    first, again, other = (run("noisy quadratic", seed=s, **settings) for s in (1, 1, 2))
    assert torch.equal(first.paths, again.paths)
    assert not torch.isclose(first.paths[..., 1:, :], other.paths[..., 1:, :]).any(-1).all()
    assert torch.equal(run("ravine", seed=1, **settings).paths, run("ravine", seed=2, **settings).paths)


def test_all_settings_meet_the_same_noise_and_each_start_its_own():
    surface = noisy(quadratic(1), 1.0)
    starts = [(1, 1), (1, 1), (-2, 0.5)]
    rates = torch.tensor([0.05, 0.1, 0.2], dtype=torch.float64)
    result = run(surface, ["SGD", "Momentum"], lr=rates, momentum=[0.0, 0.9], starts=starts, steps=20, seed=3)
    before, after = result.paths[0, :, :, :, :-1], result.paths[0, :, :, :, 1:]
    met = (before - after) / rates.reshape(-1, 1, 1, 1, 1) - before  # SGD's gradient less the exact one
    expected = noise_of(surface, 3, 20, 3).movedim(0, 1).expand_as(met)
    torch.testing.assert_close(met, expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(result.paths[1, :, 0], result.paths[0, :, 0], rtol=1e-12, atol=1e-12)
    assert not torch.isclose(met[0, 0, 0], met[0, 0, 1]).any()


def test_the_global_random_state_is_left_alone():
    before = torch.get_rng_state()
    run("noisy quadratic", "SGD", lr=[0.1], steps=3)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_noise_floor_is_what_theory_says():
    """Stationary variance of SGD: η σ² / (λ (2 − η λ)); 0.05263, 0.25 and 0.5625 at λ = σ = 1."""
    rates = torch.tensor([0.1, 0.4, 0.72], dtype=torch.float64)
    starts = torch.zeros(4000, 2)
    for curvature, size in [(1.0, 1.0), (2.0, 3.0)]:
        result = run(noisy(quadratic(curvature), size), "SGD", lr=rates, starts=starts, steps=100, seed=1)
        variance = result.paths[0, :, :, 40::4].square().mean((1, 2))  # (rate, coordinate)
        for axis, lam in enumerate([1.0, curvature]):
            expected = rates * size**2 / (lam * (2 - rates * lam))
            torch.testing.assert_close(variance[:, axis], expected, rtol=0.02, atol=0)
    assert (rates / (2 - rates)).tolist() == pytest.approx([0.05263, 0.25, 0.5625], abs=1e-5)


# --- known results ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("condition", "expected"), [(10, 0.818182), (100, 0.980198), (1000, 0.998002)])
def test_the_best_fixed_rate_on_a_quadratic_contracts_by_the_known_factor(condition, expected):
    result = run(quadratic(condition), "SGD", lr=[2 / (1 + condition)], starts=[(1, 1)], steps=50)
    distance = result.paths[0, 0, 0].norm(dim=-1)
    ratio = distance[1:] / distance[:-1]
    torch.testing.assert_close(ratio, torch.full_like(ratio, (condition - 1) / (condition + 1)))
    assert ratio[0].item() == pytest.approx(expected, abs=1e-6)
    beside = run(
        quadratic(condition),
        "SGD",
        lr=[r / (1 + condition) for r in (1.99, 2, 2.01)],
        starts=[(1, 1)],
        steps=1,
    )
    slowest = beside.paths[0, :, 0, 1].abs().amax(-1)  # of the two directions
    assert slowest.argmin() == 1


@pytest.mark.parametrize(("condition", "expected"), [(10, 0.519494), (100, 0.818182)])
def test_the_best_momentum_on_a_quadratic_contracts_by_the_known_factor(condition, expected):
    root = math.sqrt(condition)
    rate, beta = (2 / (root + 1)) ** 2, ((root - 1) / (root + 1)) ** 2
    result = run(quadratic(condition), "Momentum", lr=[rate], momentum=[beta], starts=[(1, 1)], steps=400)
    distance = result.paths[0, 0, 0, 0].norm(dim=-1)
    # Both roots coincide, so n steps contract like n · ρⁿ.
    a, b = (20, 40) if condition == 10 else (200, 400)
    measured = ((distance[b] / b) / (distance[a] / a)) ** (1 / (b - a))
    assert measured.item() == pytest.approx(expected, rel=0.01)


def stable(method, momentum, rates, curvature=10.0):
    """Whether the late part of each run shrinks."""
    result = run(quadratic(curvature), method, lr=rates, momentum=[momentum], starts=[(0, 1)], steps=1000)
    size = result.paths[0, :, 0, 0, :, 1].abs()
    return (size[:, 900:].amax(-1) < size[:, 500:600].amax(-1)).tolist()


@pytest.mark.slow
@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("curvature", [1.0, 10.0])
def test_stability_ends_at_the_known_rates(beta, curvature):
    limits = {
        "SGD": 2 / curvature,
        "Momentum": (2 + 2 * beta) / curvature,
        "Nesterov": (2 + 2 * beta) / ((1 + 2 * beta) * curvature),
    }
    if beta == 0.9:
        assert (limits["Momentum"] * curvature, limits["Nesterov"] * curvature) == pytest.approx(
            (3.8, 1.357143)
        )
    for method, limit in limits.items():
        both = [method, "Adam"]  # Adam, so that momentum is an axis also where SGD does not read it
        assert stable(both, beta, [limit * (1 - 1e-6), limit * (1 + 1e-6)], curvature) == [True, False]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "start", "method", "rate", "expected"),
    [
        ("rosenbrock", (-1.5, 2), "SGD", 1e-3, 15681),
        ("rosenbrock", (-1.5, 2), "Adam", 0.01, 3344),
        ("beale", (1, 1), "Adagrad", 0.5, 337),
        ("beale", (1, 1), "Adam", 0.01, 1844),
        ("styblinski-tang", (-1, -1), "SGD", 1e-3, 313),
        ("styblinski-tang", (-1, -1), "Adam", 0.01, 362),
        ("styblinski-tang", (-1, -1), "Adagrad", 0.5, 19),
    ],
)
def test_known_number_of_steps_to_within_a_millionth_of_the_minimum(name, start, method, rate, expected):
    target = find_surface(name).lowest + 1e-6
    result = run(name, method, lr=[rate], starts=[start], steps=expected + 1, target=target)
    assert result.reached_at.item() == expected


# --- bad input -------------------------------------------------------------------------------------------


GOOD = dict(surface="quadratic", optimizers=["SGD", "Momentum", "Adam"], lr=[0.1], steps=3)
BAD = [
    (dict(lr=[0.1, -0.1]), "lr must be a finite number ≥ 0, got -0.1"),
    (dict(lr=[math.nan]), "lr must be a finite number ≥ 0, got nan"),
    (dict(lr=[math.inf]), "lr must be a finite number ≥ 0, got inf"),
    (dict(lr=[]), "lr must be a list of at least one number, got []"),
    (dict(lr=0.1), "lr must be a list of at least one number, got 0.1"),
    (dict(lr=[[0.1]]), "lr must be a list of at least one number, got [[0.1]]"),
    (dict(lr=["fast"]), "lr must be a list of at least one number, got ['fast']"),
    (dict(lr=None), "lr must be a list of at least one number, got None"),
    (dict(lr=[[1], [1, 2]]), "lr must be a list of at least one number, got [[1], [1, 2]]"),
    (dict(momentum=[]), "momentum must be a list of at least one number, got []"),
    (dict(momentum=0.9), "momentum must be a list of at least one number, got 0.9"),
    (dict(momentum=[0.9, -1]), "momentum must be a finite number ≥ 0, got -1"),
    (dict(momentum=[0.9, 1.0]), "momentum", "≥ 0 and < 1, got 1", "Adam"),
    (dict(beta1=[1.0]), "beta1", "≥ 0 and < 1, got 1"),
    (dict(beta2=[0.9, 2]), "beta2", "≥ 0 and < 1, got 2"),
    (dict(eps=[-1e-8]), "eps must be a finite number ≥ 0, got -1e-08"),
    (dict(weight_decay=[math.nan]), "weight_decay must be a finite number ≥ 0, got nan"),
    (dict(momentun=[0.9]), "momentun is a hyperparameter of none of SGD, Momentum, Adam"),
    (dict(optimizers=["SGD"], momentum=[0.9]), "momentum is a hyperparameter of none of SGD"),
    (dict(betas=[0.9, 0.99]), "betas"),
    (dict(amsgrad=[0, 1]), "amsgrad"),
    (dict(optimizers=["Nesterov"], nesterov=[0, 1]), "nesterov"),
    (dict(momentum=[0.5], beta1=[0.1, 0.2]), "momentum", "beta1", "Adam"),
    (dict(optimizers=[]), "optimizers must name at least one of SGD, Momentum, Nesterov"),
    (dict(optimizers=["Adm"]), "optimizer 'Adm' is not known; did you mean Adam"),
    (dict(optimizers=["SGD", "Momentun"]), "optimizer 'Momentun' is not known; did you mean Momentum?"),
    (dict(surface="quadratik"), "surface 'quadratik' is not known; did you mean quadratic"),
    (dict(surface="zzz"), "surface 'zzz' is not known; choose from quadratic, ravine"),
    (
        dict(starts=[(0, 0), (9, 0)]),
        "starts must lie on the map of quadratic, x in [-3, 3] and y in [-2, 2], got (9, 0)",
    ),
    (dict(starts=[(0, -2.01)]), "x in [-3, 3] and y in [-2, 2], got (0, -2.01)"),
    (dict(starts=[(math.nan, 0)]), "starts must lie on the map of quadratic", "got (nan, 0)"),
    (dict(starts=[]), "starts must be a list of points (x, y)"),
    (dict(starts=(1, 1)), "starts must be a list of points (x, y)"),
    (dict(starts=[(1, 1, 1)]), "starts must be a list of points (x, y)"),
    (dict(starts=[(1, 1), (1,)]), "starts must be a list of points (x, y)"),
    (dict(steps=0), "steps must be at least 1, got 0"),
    (dict(steps=-5), "steps must be at least 1, got -5"),
    (dict(steps=2.5), "steps must be a whole number, got 2.5"),
    (dict(target=math.nan), "target must be a finite number, got nan"),
    (dict(target="low"), "target must be a number", "'low'"),
    (dict(device="cuda:99"), "device 'cuda:99' is not available; this machine has cpu"),
    (dict(device="gpu"), "device 'gpu' is not available; this machine has cpu"),
    (dict(seed=1.5), "seed must be a whole number, got 1.5"),
    (dict(dtype=torch.int64), "dtype", "torch.int64"),
    (dict(memory_limit=math.nan), "memory_limit", "nan"),
]


@pytest.mark.parametrize(
    ("change", "messages"),
    [(c, m) for c, *m in BAD],
    ids=[f"{i} {', '.join(c)}" for i, (c, *_) in enumerate(BAD)],
)
def test_bad_input_is_refused_in_plain_words_before_anything_runs(change, messages, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("the sweep was started")

    monkeypatch.setattr(lwlr_teach.runs.sweeps, "_run", never)
    with pytest.raises((ValueError, TypeError)) as caught:
        run(**(GOOD | change))
    for message in messages:
        assert message in str(caught.value)


@pytest.mark.parametrize("values", [[2.0, 5.0], [5.0], [2, 5]])
def test_what_is_one_number_for_all_runs_cannot_be_swept(values):
    with pytest.raises(ValueError, match="k of Ranger cannot be swept, because it takes a single number"):
        sweep("quadratic", ["Ranger"], lr=[0.1], k=values, progress=False)
    mine = Method("Mine", lambda params, lr=0.1, k=3: Lookahead(SGD(params, lr), k=k))
    with pytest.raises(ValueError, match="k of Mine cannot be swept"):
        sweep("quadratic", ["SGD", mine], lr=[0.1], k=values, progress=False)


def test_the_good_input_beside_the_bad_one_runs():
    assert run(**GOOD).steps == 3


@pytest.mark.parametrize("start", [(-3, -2), (3, 2), (0, 2)])
def test_a_start_on_the_border_of_the_map_is_allowed(start):
    assert run("quadratic", "SGD", lr=[0.1], starts=[start], steps=1).steps == 1


def test_a_grid_too_large_for_memory_is_refused_with_its_size(monkeypatch):
    monkeypatch.setattr(lwlr_teach.runs.sweeps, "_run", None)
    monkeypatch.setattr(torch, "empty", None)
    monkeypatch.setattr(lwlr_teach.runs.sweeps, "check_device", lambda name, device: torch.device(device))
    # 2 · 1000 · 100 · 3 · 1001 points of two coordinates and a loss, 8 bytes each
    with pytest.raises(
        ValueError, match=re.escape("13 GiB (2 optimizers × 1000 lr × 100 momentum × 3 starts × 1001 points)")
    ):
        run(
            "quadratic",
            ["SGD", "Adam"],
            lr=torch.linspace(0, 1, 1000),
            momentum=torch.linspace(0, 0.9, 100),
            starts=[(0, 0), (1, 1), (2, 1)],
            steps=1000,
        )


def test_the_memory_limit_is_the_size_of_paths_and_losses():
    settings = dict(lr=[0.1, 0.2], steps=9, starts=[(0, 0), (1, 1), (2, 1)])
    size = 2 * 2 * 3 * 10 * 3 * 4
    result = run("quadratic", ["SGD", "Adam"], memory_limit=size, dtype=torch.float32, **settings)
    assert result.paths.nbytes + result.losses.nbytes == size
    with pytest.raises(ValueError, match="memory_limit"):
        run("quadratic", ["SGD", "Adam"], memory_limit=size - 1, dtype=torch.float32, **settings)


def test_the_hyperparameters_that_are_checked_are_those_of_each_method():
    """A momentum of 1 is allowed for SGD with momentum, but not as Adam's β₁."""
    assert run("quadratic", "Momentum", lr=[0.01], momentum=[1.0], steps=2).steps == 2
    assert METHODS["Adam"].optimizer is Adam
    with pytest.raises(ValueError, match="< 1"):
        run("quadratic", "Adam", lr=[0.01], momentum=[1.0], steps=2)
