"""Prodigy against the authors' loop, written out by hand on one long vector."""

import math
import re

import pytest
import torch

from lwlr_teach.clipping import by_global_norm
from lwlr_teach.optim import Method, Prodigy
from lwlr_teach.runs.sweeps import sweep
from lwlr_teach.schedules import Cosine, drive
from tests.optim.runs import assert_identical, fresh, train, values

SHAPES = [(4,), (2, 3), ()]
STEPS = 30


def slope(p):
    """Of a valley that is far away, so that d has to grow."""
    return (p.detach() - 5) * torch.linspace(0.5, 2, p.numel(), dtype=p.dtype).reshape(p.shape)


def go(optimizer, steps):
    for _ in range(steps):
        for group in optimizer.param_groups:
            for p in group["params"]:
                p.grad = slope(p)
        optimizer.step()


def by_hand(
    params, steps, *, lr=1.0, betas=(0.9, 0.999), beta3=None, eps=1e-8, weight_decay=0.0,
    use_bias_correction=False, safeguard_warmup=False, d0=1e-6, d_coef=1.0, growth_rate=math.inf,
):  # fmt: skip
    """Mishchenko & Defazio 2023, algorithm 4, with the authors' options. Returns the end and d."""
    beta1, beta2 = betas
    beta3 = math.sqrt(beta2) if beta3 is None else beta3
    params = [p.detach().clone() for p in params]
    sizes = [p.numel() for p in params]

    def slopes(x):
        parts = zip(x.split(sizes), params, strict=True)
        return torch.cat([slope(part.reshape(p.shape)).flatten() for part, p in parts])

    x = start = torch.cat([p.flatten() for p in params])
    m, v, s = (torch.zeros_like(x) for _ in range(3))
    d = largest = d0
    q = 0.0
    for k in range(1, steps + 1):
        g = slopes(x)
        b = math.sqrt(1 - beta2**k) / (1 - beta1**k) if use_bias_correction else 1.0
        rate = d * lr * b
        q = beta3 * q + d / d0 * rate * torch.dot(g, start - x).item()
        m = beta1 * m + (1 - beta1) * d * g
        v = beta2 * v + (1 - beta2) * d * d * g * g
        s = beta3 * s + d / d0 * (d if safeguard_warmup else rate) * g
        estimate = d_coef * q / s.abs().sum().item()
        if d == d0:
            d = max(d, estimate)
        largest = max(largest, estimate)
        d = min(largest, d * growth_rate)
        x = x - rate * (m / (v.sqrt() + d * eps) + weight_decay * x)
    return [part.reshape(p.shape) for part, p in zip(x.split(sizes), params, strict=True)], d


def assert_same(got, expected):
    for g, e in zip(got, expected, strict=True):
        torch.testing.assert_close(g, e, rtol=1e-10, atol=1e-12)


CHOICES = [
    {},
    {"use_bias_correction": True},
    {"lr": 0.5, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1, "d0": 1e-3, "d_coef": 2.0},
    {"growth_rate": 1.5, "d0": 1e-4},
    {"safeguard_warmup": True, "lr": 0.4, "beta3": 0.9},
]


@pytest.mark.parametrize("choices", CHOICES, ids=str)
@pytest.mark.parametrize("steps", [1, 2, STEPS])
def test_it_is_the_authors_algorithm(steps, choices):
    params = fresh(*SHAPES)
    expected, d = by_hand(params, steps, **choices)
    optimizer = Prodigy(params, **choices)
    go(optimizer, steps)
    assert_same(values(optimizer), expected)
    found = optimizer.param_groups[0]["d"]
    assert type(found) is float
    assert found == pytest.approx(d, rel=1e-10)
    assert steps < STEPS or found > 100 * choices.get("d0", 1e-6)  # so that the comparison can tell


@pytest.mark.slow
@pytest.mark.parametrize(("distance", "share"), [(0.1, 0.659), (1.0, 0.436), (10.0, 0.741), (100.0, 0.490)])
def test_on_a_slope_the_estimate_stays_below_the_distance(distance, share):
    x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = Prodigy([x])
    for _ in range(2000):
        x.grad = (x.detach() - distance).sign()
        optimizer.step()
    assert optimizer.param_groups[0]["d"] / distance == pytest.approx(share, abs=0.001)


def test_one_d_for_all_groups_which_may_decay_each_in_its_own_way():
    params = fresh(*SHAPES)
    one = Prodigy([p.detach().clone() for p in params])
    groups = [{"params": params[:1]}, {"params": params[1:]}]
    several = Prodigy(groups)
    go(one, STEPS)
    go(several, STEPS)
    assert_same(values(several), values(one))
    assert several.param_groups[0]["d"] == several.param_groups[1]["d"]
    decayed = Prodigy([{"params": fresh((3,)), "weight_decay": 0.3}, {"params": fresh((2,))}])
    go(decayed, 5)
    assert decayed.param_groups[0]["d"] == decayed.param_groups[1]["d"]


def test_groups_at_different_rates_are_refused():
    message = re.escape(
        "lr must be the same in all groups, or 0, because Prodigy finds one d for all of them"
    )
    first, second = fresh((3,), (2,))
    with pytest.raises(ValueError, match=message + r", got 1\.0 and 0\.5"):
        Prodigy([{"params": [first]}, {"params": [second], "lr": 0.5}])
    optimizer = Prodigy([first])
    with pytest.raises(ValueError, match=message):
        optimizer.add_param_group({"params": [second], "lr": 0.5})
    assert len(optimizer.param_groups) == 1
    optimizer.add_param_group({"params": [second]})
    optimizer.param_groups[1]["lr"] = 0.5
    before = values(optimizer)
    with pytest.raises(ValueError, match=message):
        go(optimizer, 1)
    assert_identical(values(optimizer), before)
    rates = torch.tensor([1.0, 0.5])
    with pytest.raises(ValueError, match=message):
        Prodigy([{"params": fresh((2, 3))}, {"params": fresh((2, 2)), "lr": rates}])


def test_a_group_at_rate_0_rests_and_has_no_part_in_d():
    for safeguard in (False, True):
        moving, resting = fresh((3,), (2,))
        alone = Prodigy([moving.detach().clone()], safeguard_warmup=safeguard)
        start = resting.detach().clone()
        groups = [{"params": [moving]}, {"params": [resting], "lr": 0.0, "weight_decay": 0.1}]
        optimizer = Prodigy(groups, safeguard_warmup=safeguard)
        go(optimizer, STEPS)
        go(alone, STEPS)
        assert torch.equal(resting, start)
        assert_same([moving.detach()], values(alone))
        assert optimizer.param_groups[0]["d"] == pytest.approx(alone.param_groups[0]["d"], rel=1e-10)


@pytest.mark.parametrize("growth_rate", [math.inf, 1.5])
def test_each_model_of_a_batch_finds_its_own_d(growth_rate):
    together = fresh(*[(3, *shape) for shape in SHAPES])
    rates, firsts = [1.0, 0.5, 0.0], [1e-6, 1e-4, 1e-3]

    def double(numbers):
        return torch.tensor(numbers, dtype=torch.float64)

    def gradients(optimizer, shared):
        for p in optimizer.param_groups[0]["params"]:
            p.grad = torch.stack([slope(row) for row in p]) if shared else slope(p)
        optimizer.step()

    alone = [
        Prodigy([p[i].detach().clone() for p in together], lr=rates[i], d0=firsts[i], growth_rate=growth_rate)
        for i in range(3)
    ]
    optimizer = Prodigy(together, lr=double(rates), d0=double(firsts), growth_rate=growth_rate)
    for _ in range(STEPS):
        gradients(optimizer, shared=True)
    for i, one in enumerate(alone):
        for _ in range(STEPS):
            gradients(one, shared=False)
        assert_same([p[i].detach() for p in together], values(one))
        assert optimizer.param_groups[0]["d"][i].item() == pytest.approx(one.param_groups[0]["d"], rel=1e-10)


def test_rates_along_one_axis_of_a_batch_of_two():
    """As a fleet has them: (run, 1) beside (run, seed, …)."""
    together = fresh((2, 3, 4))
    optimizer = Prodigy(together, lr=torch.tensor([[1.0], [0.5]], dtype=torch.float64))
    alone = {}
    for run, lr in enumerate((1.0, 0.5)):
        for seed in range(3):
            alone[run, seed] = Prodigy([together[0][run, seed].detach().clone()], lr=lr)
    for _ in range(STEPS):
        together[0].grad = torch.stack([slope(p) for p in together[0].flatten(0, 1)]).unflatten(0, (2, 3))
        optimizer.step()
    for (run, seed), one in alone.items():
        go(one, STEPS)
        assert_same([together[0][run, seed].detach()], values(one))
    assert optimizer.param_groups[0]["d"].shape == (2, 3)


def test_a_clip_comes_before_the_estimate():
    """Adam does not mind how long a gradient is, and d does not either: clipped to a length, all the same."""
    ends = []
    for factor in (1.0, 1000.0):
        optimizer = Prodigy(fresh(*SHAPES), clip=by_global_norm(1e-3), eps=0)
        for _ in range(STEPS):
            for p in optimizer.param_groups[0]["params"]:
                p.grad = factor * slope(p)
            optimizer.step()
        ends.append((values(optimizer), optimizer.param_groups[0]["d"]))
    assert_same(ends[0][0], ends[1][0])
    assert ends[0][1] == pytest.approx(ends[1][1], rel=1e-10)


def test_gradients_of_zero_leave_d_where_it_is():
    (p,) = fresh((3,))
    optimizer = Prodigy([p])
    for _ in range(3):
        p.grad = torch.zeros_like(p)
        optimizer.step()
    assert optimizer.param_groups[0]["d"] == 1e-6


def test_the_factor_may_follow_a_schedule():
    scheduled, by_factor = Prodigy(fresh(*SHAPES)), Prodigy(fresh(*SHAPES))
    schedule = Cosine(STEPS)
    for t in range(STEPS):
        drive(scheduled, schedule, t)
        by_factor.param_groups[0]["lr"] = schedule(t)
        go(scheduled, 1)
        go(by_factor, 1)
    assert_identical(values(scheduled), values(by_factor))


def test_it_runs_in_a_sweep():
    done = sweep("ravine", ["SGD", Method("Prodigy", Prodigy)], lr=[0.5, 1.0], steps=40, progress=False)
    assert done.losses[1, ..., -1].isfinite().all()
    assert (done.losses[1, ..., -1] < done.losses[1, ..., 0]).all()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (dict(lr=-1.0), "lr must be a finite number ≥ 0, got -1"),
        (dict(d0=0.0), "d0 must be a finite number > 0, got 0"),
        (dict(d_coef=0.0), "d_coef must be a finite number > 0, got 0"),
        (dict(growth_rate=0.9), "growth_rate must be a finite number ≥ 1, got 0.9"),
        (dict(beta3=1.0), "beta3 must be a finite number ≥ 0 and < 1, got 1"),
        (dict(betas=(0.9, 1.0)), "betas[1] must be a finite number ≥ 0 and < 1, got 1"),
        (dict(eps=-1.0), "eps must be a finite number ≥ 0, got -1"),
        (dict(weight_decay=-1), "weight_decay must be a finite number ≥ 0, got -1"),
    ],
    ids=str,
)
def test_a_bad_value_is_refused_by_name_value_and_range(kwargs, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Prodigy(fresh(), **kwargs)


def test_a_resumed_run_goes_on_with_its_d():
    straight, first = Prodigy(fresh(*SHAPES)), Prodigy(fresh(*SHAPES))
    go(straight, STEPS)
    go(first, STEPS // 2)
    second = Prodigy([p.requires_grad_() for p in values(first)], lr=0.5, d0=0.5)
    second.load_state_dict(first.state_dict())
    go(second, STEPS - STEPS // 2)
    assert_identical(values(second), values(straight))
    assert second.param_groups[0]["d"] == straight.param_groups[0]["d"]
    train(second, 1)
