"""DoG and L-DoG against the paper's loop, written out by hand, and what the paper says of them."""

import math
import re

import pytest
import torch

from lwlr_teach.clipping import by_global_norm
from lwlr_teach.optim import DoG, LDoG, polynomial_average
from lwlr_teach.schedules import Cosine, drive
from tests.optim.runs import assert_identical, fresh, gradient, train, values

SHAPES = [(4,), (2, 3), ()]


def by_hand(params, steps, *, reps_rel=1e-6, lr=1.0, weight_decay=0.0, eps=1e-8):
    """Ivgi et al. 2023, algorithm 1, on one long vector. Returns the parameters, r̄, G and η."""
    params = [p.detach().clone() for p in params]
    start = torch.cat([p.flatten() for p in params])
    rbar, G, eta = reps_rel * (1 + start.norm()), 0.0, 0.0
    for t in range(1, steps + 1):
        grads = [gradient(p, t) + weight_decay * p for p in params]
        rbar = torch.maximum(rbar, (torch.cat([p.flatten() for p in params]) - start).norm())
        G = G + sum((g * g).sum() for g in grads)
        eta = rbar / (G + eps).sqrt()
        params = [p - lr * eta * g for p, g in zip(params, grads, strict=True)]
    return params, rbar, G, eta


def assert_same(got, expected):
    for g, e in zip(got, expected, strict=True):
        torch.testing.assert_close(torch.as_tensor(g, dtype=e.dtype), e, rtol=1e-12, atol=1e-12)


CHOICES = [{}, {"reps_rel": 0.1}, {"reps_rel": 0.1, "lr": 0.5, "weight_decay": 0.1, "eps": 0.3}]


@pytest.mark.parametrize("choices", CHOICES, ids=str)
@pytest.mark.parametrize("steps", [1, 2, 20])
def test_dog_is_the_papers_algorithm(steps, choices):
    params = fresh(*SHAPES)
    expected, *numbers = by_hand(params, steps, **choices)
    optimizer = DoG(params, **choices)
    train(optimizer, steps)
    assert_same(values(optimizer), expected)
    group = optimizer.param_groups[0]
    assert_same([group["rbar"], group["G"], group["eta"]], numbers)
    assert all(type(group[name]) is float for name in ("rbar", "G", "eta"))


@pytest.mark.parametrize("choices", CHOICES, ids=str)
def test_ldog_is_dog_on_each_tensor_alone(choices):
    params = fresh(*SHAPES)
    expected = [by_hand([p], 20, **choices) for p in params]
    optimizer = LDoG(params, **choices)
    train(optimizer, 20)
    for p, ([value], rbar, G, _) in zip(params, expected, strict=True):
        assert_same([p.detach(), optimizer.state[p]["rbar"], optimizer.state[p]["G"]], [value, rbar, G])


def test_each_group_of_dog_finds_its_own_rate():
    first, second = fresh((4,), (2, 3))
    expected = [by_hand([first], 10), by_hand([second], 10, reps_rel=0.1, lr=0.5)]
    optimizer = DoG([{"params": [first]}, {"params": [second], "reps_rel": 0.1, "lr": 0.5}])
    train(optimizer, 10)
    for group, ([value], rbar, *_) in zip(optimizer.param_groups, expected, strict=True):
        assert_same([group["params"][0].detach(), group["rbar"]], [value, rbar])


@pytest.mark.parametrize("cls", [DoG, LDoG])
def test_each_model_of_a_batch_finds_its_own_rate(cls):
    together = fresh(*[(3, *shape) for shape in SHAPES])
    reps = torch.tensor([1e-6, 1e-3, 0.1], dtype=torch.float64)
    alone = [cls([p[i].detach().clone() for p in together], reps_rel=r.item()) for i, r in enumerate(reps)]
    optimizer = cls(together, reps_rel=reps)
    train(optimizer, 12)
    for i, one in enumerate(alone):
        train(one, 12)
        assert_same([p[i].detach() for p in together], values(one))
        if cls is DoG:
            assert optimizer.param_groups[0]["eta"][i].item() == pytest.approx(one.param_groups[0]["eta"])


def test_a_clip_comes_before_the_norm():
    """Of gradients that are clipped to length 1, G counts the steps."""
    optimizer = DoG(fresh(*SHAPES), clip=by_global_norm(1.0), weight_decay=0.0)
    for t in range(1, 8):
        for p in optimizer.param_groups[0]["params"]:
            p.grad = 100 * gradient(p, t)
        optimizer.step()
    assert optimizer.param_groups[0]["G"] == pytest.approx(7.0)


def test_what_has_no_gradient_now_still_counts_for_the_distance_and_the_gradients():
    steady, seldom = fresh((3,), (3,))
    optimizer = DoG([steady, seldom], reps_rel=0.1)
    train(optimizer, 5)
    seldom.grad = None
    before = dict(optimizer.param_groups[0])
    steady.grad = gradient(steady, 6)
    optimizer.step()
    after = optimizer.param_groups[0]
    assert after["G"] == pytest.approx(before["G"] + steady.grad.square().sum().item())
    assert after["rbar"] >= before["rbar"]


def test_a_step_without_any_gradient_changes_nothing():
    optimizer = DoG(fresh((3,)))
    train(optimizer, 3)
    before = {k: v for k, v in optimizer.param_groups[0].items() if k != "params"}
    optimizer.param_groups[0]["params"][0].grad = None
    optimizer.step()
    assert {k: v for k, v in optimizer.param_groups[0].items() if k != "params"} == before


def test_the_state_of_another_method_is_a_new_beginning():
    """Which knows where it has come to, but not from where."""
    from lwlr_teach.optim import SGD

    other, own = SGD(fresh(*SHAPES), lr=0.1, momentum=0.9), DoG(fresh(*SHAPES), reps_rel=0.1)
    train(other, 3)
    state = other.state_dict()
    state["param_groups"] = own.state_dict()["param_groups"]
    own.load_state_dict(state)
    expected, *_ = by_hand(fresh(*SHAPES), 5, reps_rel=0.1)
    train(own, 5)
    assert_same(values(own), expected)


@pytest.mark.slow
@pytest.mark.parametrize("distance", [0.1, 1.0, 10.0, 100.0])
def test_on_a_slope_the_rate_is_the_best_constant_one(distance):
    """|x − D| from 0: the best constant rate for T steps is D / √T; measured: 1.04 to 1.09 of it."""
    x, steps = torch.zeros(1, dtype=torch.float64, requires_grad=True), 2000
    optimizer = DoG([x])
    for _ in range(steps):
        x.grad = (x.detach() - distance).sign()
        optimizer.step()
    assert x.item() == pytest.approx(distance, rel=0.025)
    assert 1.0 < optimizer.param_groups[0]["eta"] / (distance / math.sqrt(steps)) < 1.1


def test_one_rate_for_all_leaves_the_flat_direction_and_one_for_each_does_not():
    """½ x₁² + 50 x₂² from (1, 1), 150 steps."""
    done = {}
    for cls in (DoG, LDoG):
        points = [torch.ones(1, dtype=torch.float64, requires_grad=True) for _ in range(2)]
        optimizer = cls(points)
        for _ in range(150):
            for x, curvature in zip(points, (1, 100), strict=True):
                x.grad = curvature * x.detach()
            optimizer.step()
        done[cls] = optimizer, [x.item() for x in points]
    optimizer, (flat, steep) = done[DoG]
    assert optimizer.param_groups[0]["eta"] == pytest.approx(0.00127, rel=0.01)
    assert flat == pytest.approx(0.904, abs=0.001)
    assert abs(steep) < 1e-4
    optimizer, (flat, steep) = done[LDoG]
    states = [optimizer.state[x] for x in optimizer.param_groups[0]["params"]]
    rates = [(s["rbar"] / s["G"].sqrt()).item() for s in states]
    assert rates == pytest.approx([0.125, 0.00125], rel=0.01)
    assert flat == pytest.approx(steep, rel=1e-3)
    assert abs(flat) < 1e-4


@pytest.mark.parametrize("cls", [DoG, LDoG])
def test_the_factor_may_follow_a_schedule(cls):
    scheduled, by_factor = cls(fresh(*SHAPES)), cls(fresh(*SHAPES))
    schedule = Cosine(10)
    for t in range(8):
        drive(scheduled, schedule, t)
        by_factor.param_groups[0]["lr"] = schedule(t)
        train(scheduled, 1, first=t)
        train(by_factor, 1, first=t)
    assert_identical(values(scheduled), values(by_factor))


@pytest.mark.parametrize("gamma", [0.0, 8.0])
def test_the_average_is_that_of_shamir_and_zhang(gamma):
    model = torch.nn.Linear(3, 2, dtype=torch.float64)
    averaged = torch.optim.swa_utils.AveragedModel(model, avg_fn=polynomial_average(gamma))
    points, expected = [], None
    for t in range(1, 9):
        torch.nn.init.normal_(model.weight, generator=torch.Generator().manual_seed(t))
        averaged.update_parameters(model)
        share = (1 + gamma) / (t + gamma)
        points.append(model.weight.detach().clone())
        expected = points[-1] if expected is None else (1 - share) * expected + share * points[-1]
    torch.testing.assert_close(averaged.module.weight.detach(), expected)
    if gamma == 0:
        torch.testing.assert_close(expected, torch.stack(points).mean(0))


@pytest.mark.parametrize("cls", [DoG, LDoG])
@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (dict(reps_rel=0.0), "reps_rel must be a finite number > 0, got 0"),
        (dict(reps_rel=math.inf), "reps_rel must be a finite number > 0, got inf"),
        (dict(lr=-1.0), "lr must be a finite number ≥ 0, got -1"),
        (dict(eps=-1.0), "eps must be a finite number ≥ 0, got -1"),
        (dict(weight_decay=-1), "weight_decay must be a finite number ≥ 0, got -1"),
    ],
    ids=str,
)
def test_a_bad_value_is_refused_by_name_value_and_range(cls, kwargs, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        cls(fresh(), **kwargs)


def test_a_gamma_below_0_is_refused():
    with pytest.raises(ValueError, match="gamma must be a finite number ≥ 0, got -1"):
        polynomial_average(-1)
