"""Schedules against torch's and optax's, step for step; their known numbers; and what they drive."""

import copy
import io
import math
import pickle
import warnings

import numpy as np
import optax
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from lwlr_teach.clipping import by_global_norm
from lwlr_teach.layerwise import groups_by_depth, layer_schedule
from lwlr_teach.optim import METHODS, SGD, SGDHD, Adam, AdamW
from lwlr_teach.problems.tasks import digits_task
from lwlr_teach.runs.ensemble import train_ensemble
from lwlr_teach.runs.fleet import Fleet
from lwlr_teach.runs.sweeps import sweep
from lwlr_teach.runs.training import fit
from lwlr_teach.schedules import (
    WSD,
    Chained,
    Constant,
    Cosine,
    Drawn,
    Exponential,
    InverseSqrt,
    InverseTime,
    MultiStep,
    OneCycle,
    Piecewise,
    Plateau,
    Polynomial,
    ScheduleLR,
    StepDecay,
    WarmRestarts,
    Warmup,
    drive,
    factor_at,
    in_order,
)
from lwlr_teach.studies.scheduled import _factors

# Two groups, so that a schedule is seen to multiply each group's own rate.
LRS = (0.3, 0.05)
CLOSE = 1e-12


def two_groups(cls=torch.optim.SGD, **kwargs):
    kwargs = kwargs or {"momentum": 0.9}
    groups = [{"params": [torch.zeros(2)], "lr": lr} for lr in LRS]
    return cls(groups, **({} if "betas" in kwargs else kwargs))


def momentum_of(group):
    return group["betas"][0] if "betas" in group else group["momentum"]


def seen_with_torch(make, steps, optimizer=None):
    """The rates (step, group) and the momentum (step) under torch's scheduler."""
    optimizer = optimizer or two_groups()
    scheduler = make(optimizer)
    rates, momenta = [], []
    for step in range(steps):
        rates.append([group["lr"] for group in optimizer.param_groups])
        momenta.append(momentum_of(optimizer.param_groups[0]))
        optimizer.step()
        if step < steps - 1:
            scheduler.step()
    return torch.tensor(rates, dtype=torch.float64), momenta


def seen_when_driven(schedule, steps, optimizer=None):
    """The same under :func:`drive`."""
    optimizer = optimizer or two_groups()
    rates, momenta = [], []
    for step in range(steps):
        drive(optimizer, schedule, step)
        rates.append([group["lr"] for group in optimizer.param_groups])
        momenta.append(momentum_of(optimizer.param_groups[0]))
        optimizer.step()
    return torch.tensor(rates, dtype=torch.float64), momenta


def assert_torchs(schedule, make, steps):
    ours, our_momenta = seen_when_driven(schedule, steps)
    theirs, their_momenta = seen_with_torch(make, steps)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=CLOSE)
    assert our_momenta == pytest.approx(their_momenta, abs=CLOSE)


def factors(schedule, steps):
    return [schedule(step) for step in range(steps)]


# --- against torch ---------------------------------------------------------------------------------------

many = settings(max_examples=20, deadline=None)
gammas = st.floats(0.01, 1.0)
lengths = st.integers(1, 90)


@many
@given(st.integers(1, 40), gammas)
def test_step_decay_is_torchs(step_size, gamma):
    assert_torchs(StepDecay(step_size, gamma), lambda o: lr_scheduler.StepLR(o, step_size, gamma), 100)


@many
@given(st.lists(st.integers(1, 95), min_size=1, max_size=5, unique=True).map(sorted), gammas)
def test_multi_step_is_torchs(milestones, gamma):
    assert_torchs(MultiStep(milestones, gamma), lambda o: lr_scheduler.MultiStepLR(o, milestones, gamma), 100)


@many
@given(st.floats(0.8, 1.0))
def test_exponential_is_torchs(gamma):
    assert_torchs(Exponential(gamma), lambda o: lr_scheduler.ExponentialLR(o, gamma), 100)


@many
@given(lengths, st.floats(0.5, 4.0))
def test_polynomial_is_torchs(total, power):
    """torch's multiplies the last rate by a ratio, and its error grows where that is nearly 0."""
    assert_torchs(Polynomial(total, power), lambda o: lr_scheduler.PolynomialLR(o, total, power), 100)


@many
@given(lengths, st.floats(0.01, 1.0))
def test_warmup_is_torchs_linear(total, start):
    def make(optimizer):
        return lr_scheduler.LinearLR(optimizer, start_factor=start, total_iters=total)

    assert_torchs(Warmup(total, start), make, 100)


@many
@given(lengths, st.floats(0.0, 1.0))
def test_cosine_is_torchs_until_it_ends(t_max, share):
    """torch's floor is one rate for all groups; ours is a share of each. So one group is compared."""

    def make(optimizer):
        return lr_scheduler.CosineAnnealingLR(optimizer, t_max, eta_min=share * LRS[0])

    ours, _ = seen_when_driven(Cosine(t_max, share), t_max + 1)
    theirs, _ = seen_with_torch(make, t_max + 1)
    torch.testing.assert_close(ours[:, 0], theirs[:, 0], rtol=0, atol=CLOSE)


@pytest.mark.slow
@many
@given(st.integers(1, 20), st.integers(1, 3), st.floats(0.0, 1.0))
def test_warm_restarts_are_torchs(first, growth, share):
    def make(optimizer):
        return lr_scheduler.CosineAnnealingWarmRestarts(optimizer, first, growth, eta_min=share * LRS[0])

    ours, _ = seen_when_driven(WarmRestarts(first, growth, share), 200)
    theirs, _ = seen_with_torch(make, 200)
    torch.testing.assert_close(ours[:, 0], theirs[:, 0], rtol=0, atol=CLOSE)


@many
@given(
    st.integers(12, 100),
    st.floats(0.1, 0.45),
    st.sampled_from(["cos", "linear"]),
    st.floats(1, 50),
    st.floats(1, 1e5),
    st.booleans(),
    st.sampled_from([(0.85, 0.95), (0.5, 0.9)]),
)
def test_one_cycle_is_torchs_with_its_momentum(total, pct, anneal, div, final, three_phase, momenta):
    own = dict(
        pct_start=pct,
        anneal_strategy=anneal,
        div_factor=div,
        final_div_factor=final,
        three_phase=three_phase,
        base_momentum=momenta[0],
        max_momentum=momenta[1],
    )

    def make(optimizer):
        return lr_scheduler.OneCycleLR(optimizer, max_lr=list(LRS), total_steps=total, **own)

    assert_torchs(OneCycle(total, **own), make, total)


@pytest.mark.parametrize("cycles", [True, False])
def test_one_cycle_moves_the_first_beta_of_adam(cycles):
    def fresh():
        return two_groups(torch.optim.Adam, betas=(0.9, 0.999))

    def make(optimizer):
        return lr_scheduler.OneCycleLR(optimizer, list(LRS), total_steps=50, cycle_momentum=cycles)

    ours = seen_when_driven(OneCycle(50, cycle_momentum=cycles), 50, optimizer := fresh())
    theirs = seen_with_torch(make, 50, fresh())
    torch.testing.assert_close(ours[0], theirs[0], rtol=0, atol=CLOSE)
    assert ours[1] == pytest.approx(theirs[1], abs=CLOSE)
    assert (set(ours[1]) == {0.9}) is not cycles
    assert {group["betas"][1] for group in optimizer.param_groups} == {0.999}


OTHER = {"min": "max", "max": "min"}


@many
@given(
    st.lists(st.floats(-2, 2) | st.sampled_from([math.nan, math.inf, 1.0]), min_size=1, max_size=80),
    st.floats(0.1, 0.9),
    st.integers(0, 5),
    st.sampled_from([0.0, 1e-4, 0.1, 1.5]),
    st.integers(0, 4),
    st.sampled_from([0.0, 0.05]),
    st.sampled_from(["min", "max"]),
)
def test_plateau_is_torchs(losses, factor, patience, threshold, cooldown, least, mode):
    """Also where losses overflow or are no numbers. ``eps=0``: ours has none.

    Below 0 torch's margin is on the wrong side; but to minimise −x is to maximise x, where it is right.
    """
    if any(loss < 0 for loss in losses):  # the least of them may be no number
        threshold = 0.0
    if mode == "min" and threshold > 1:
        threshold = 0.1  # for torch nothing is then better than the infinity that it starts from
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    theirs = lr_scheduler.ReduceLROnPlateau(
        optimizer,
        mode=mode,
        factor=factor,
        patience=patience,
        threshold=threshold,
        cooldown=cooldown,
        min_lr=least,
        eps=0,
    )
    ours = Plateau(factor, patience, threshold, cooldown, least, mode=mode)
    mirrored = Plateau(factor, patience, threshold, cooldown, least, mode=OTHER[mode])
    upside_down = [-loss for loss in losses]
    for step, loss in enumerate(losses, start=1):
        theirs.step(loss)
        assert ours(step, losses) == pytest.approx(optimizer.param_groups[0]["lr"], rel=CLOSE)
        assert mirrored(step, upside_down) == ours(step, losses)


@pytest.mark.parametrize(
    ("mode", "values", "factor"),
    [
        ("min", [-1.0, -0.95], 0.5),
        ("min", [-1.0, -1.05], 0.5),
        ("min", [-1.0, -1.2], 1),
        ("min", [0.05, -0.05], 1),
        ("min", [0.0, 0.0], 0.5),
        ("max", [-1.0, -1.05], 0.5),
        ("max", [-1.0, -0.95], 0.5),
        ("max", [-1.0, -0.8], 1),
        ("max", [0.5, 0.6], 1),
        ("max", [0.5, 0.4], 0.5),
    ],
)
def test_the_threshold_is_a_share_of_the_size_whatever_its_sign(mode, values, factor):
    assert Plateau(0.5, patience=0, threshold=0.1, mode=mode)(2, values) == factor


def test_a_threshold_above_all_of_the_loss_leaves_the_first_loss_the_best():
    plateau = Plateau(0.5, patience=0, threshold=1.5)
    assert [plateau(t, [1.0, 0.5, -1.0]) for t in (1, 2, 3)] == [1, 0.5, 0.5]


def test_the_product_is_torchs_chained_scheduler():
    def make(optimizer):
        parts = [
            lr_scheduler.LinearLR(optimizer, 0.1, total_iters=7),
            lr_scheduler.ExponentialLR(optimizer, 0.9),
        ]
        return lr_scheduler.ChainedScheduler(parts, optimizer)

    assert_torchs(Chained([Warmup(7, 0.1), Exponential(0.9)]), make, 60)


@many
@given(st.lists(st.integers(1, 60), min_size=2, max_size=2, unique=True).map(sorted))
def test_one_after_another_is_torchs_sequential(milestones):
    def make(optimizer):
        parts = [
            lr_scheduler.LinearLR(optimizer, 0.1, total_iters=9),
            lr_scheduler.StepLR(optimizer, 4, 0.5),
            lr_scheduler.PolynomialLR(optimizer, 30, 2.0),
        ]
        return lr_scheduler.SequentialLR(optimizer, parts, milestones)

    assert_torchs(Piecewise([Warmup(9, 0.1), StepDecay(4, 0.5), Polynomial(30, 2.0)], milestones), make, 80)


@pytest.mark.parametrize("schedule", [InverseTime(0.1), WSD(40), Drawn([1, 0.2, 0.7], 40)])
def test_torchs_lambda_scheduler_takes_a_schedule(schedule):
    assert_torchs(schedule, lambda o: lr_scheduler.LambdaLR(o, schedule), 50)


# --- against optax, whose numbers are in single precision ------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Cosine(40), optax.cosine_decay_schedule(1.0, 40)),
        (Cosine(40, 0.1), optax.cosine_decay_schedule(1.0, 40, alpha=0.1)),
        (Polynomial(40), optax.linear_schedule(1.0, 0.0, 40)),
        (Polynomial(40, 2.0), optax.polynomial_schedule(1.0, 0.0, 2.0, 40)),
        (Exponential(0.9), optax.exponential_decay(1.0, 1, 0.9)),
        (StepDecay(15, 0.3), optax.exponential_decay(1.0, 15, 0.3, staircase=True)),
        (MultiStep([10, 30], 0.5), optax.piecewise_constant_schedule(1.0, {10: 0.5, 30: 0.5})),
        (Warmup(10, 0.2), optax.linear_schedule(0.2, 1.0, 10)),
        (
            Piecewise([Warmup(10, 0.0), Cosine(30)], [10]),
            optax.warmup_cosine_decay_schedule(0.0, 1.0, 10, 40),
        ),
        (
            Piecewise([StepDecay(5, 0.5), Cosine(20), Constant()], [15, 35]),
            optax.join_schedules(
                [
                    optax.exponential_decay(1.0, 5, 0.5, staircase=True),
                    optax.cosine_decay_schedule(1.0, 20),
                    optax.constant_schedule(1.0),
                ],
                [15, 35],
            ),
        ),
    ],
    ids=lambda s: "optax" if type(s).__name__ == "function" else repr(s),
)
def test_optax_agrees_also_after_the_end(ours, theirs):
    assert factors(ours, 100) == pytest.approx([float(theirs(step)) for step in range(100)], abs=2e-6)


# --- how they end ----------------------------------------------------------------------------------------


def test_our_cosine_stays_where_torchs_climbs_back():
    torchs, _ = seen_with_torch(lambda o: lr_scheduler.CosineAnnealingLR(o, 10), 21)
    assert torchs[20, 0].item() == pytest.approx(LRS[0])
    assert torchs[15, 0].item() == pytest.approx(LRS[0] / 2)
    assert factors(Cosine(10), 21)[10:] == [0.0] * 11
    assert Cosine(10, 0.25)(1000) == 0.25


@pytest.mark.parametrize(
    ("schedule", "last"),
    [
        (Constant(), 1),
        (StepDecay(10, 0.5), 0.5**10),
        (MultiStep([3, 9], 0.5), 0.25),
        (Polynomial(20, 2.0), 0),
        (Warmup(20), 1),
        (Warmup(20, 0.0, "cosine"), 1),
        (Cosine(20, 0.2), 0.2),
        (OneCycle(20), 1 / 25e4),
        (OneCycle(20, three_phase=True), 1 / 25e4),
        (WSD(20), 0),
        (WSD(20, decay=0), 1),
        (Drawn([0.5, 1, 0.25], 20), 0.25),
        (Piecewise([Warmup(5), Cosine(10)], [5]), 0),
        (Chained([Warmup(5), Cosine(10)]), 0),
    ],
    ids=repr,
)
def test_after_its_end_a_schedule_stays(schedule, last):
    assert schedule(100) == pytest.approx(last, abs=1e-15)
    if not isinstance(schedule, StepDecay):
        assert schedule(10**6) == schedule(100)


def test_none_of_them_leaves_zero_to_one():
    """A factor above 1 would be a rate above the one that was asked for."""
    for schedule in EVERY:
        losses = torch.rand(200, generator=torch.Generator().manual_seed(0)).tolist()
        seen = [factor_at(schedule, step, losses) for step in range(150)]
        assert min(seen) >= 0
        assert max(seen) <= 1


# --- known numbers ---------------------------------------------------------------------------------------


def test_known_numbers():
    assert factors(Polynomial(10, 2.0), 11) == pytest.approx([(1 - t / 10) ** 2 for t in range(11)])
    assert factors(Polynomial(10, 2.0), 3) == pytest.approx([1, 0.81, 0.64])
    assert factors(Warmup(5), 7) == pytest.approx([1 / 3, 0.4667, 0.6, 0.7333, 0.8667, 1, 1], abs=5e-5)
    assert [Warmup(20, 0.0, "cosine")(t) for t in (0, 5, 10, 20)] == pytest.approx(
        [0, 0.1464, 0.5, 1], abs=5e-5
    )
    assert [Warmup(20, 0.2, "sqrt")(t) for t in (0, 5, 20)] == pytest.approx([0.2, 0.6, 1])
    assert factors(StepDecay(2), 5) == pytest.approx([1, 1, 0.1, 0.1, 0.01])
    assert factors(MultiStep([2, 3]), 5) == pytest.approx([1, 1, 0.1, 0.01, 0.01])
    assert [Cosine(100)(t) for t in (0, 50, 100)] == pytest.approx([1, 0.5, 0])
    assert [Cosine(100, 0.2)(t) for t in (0, 50, 100)] == pytest.approx([1, 0.6, 0.2])
    assert [InverseTime(0.1)(t) for t in (0, 10, 90)] == pytest.approx([1, 0.5, 0.1])
    assert [InverseSqrt(4)(t) for t in (0, 3, 15)] == pytest.approx([1, 1, 0.5])
    assert [InverseSqrt()(t) for t in (0, 3, 99)] == pytest.approx([1, 0.5, 0.1])


def test_the_numbers_of_one_cycle():
    seen = factors(OneCycle(100), 100)
    assert seen[0] == pytest.approx(0.04)
    assert seen.index(max(seen)) == 29
    assert seen[29] == 1
    assert seen[99] == pytest.approx(4e-6)
    momenta = [OneCycle(100).momentum(t) for t in range(100)]
    assert (momenta[0], momenta[29], momenta[99]) == pytest.approx((0.95, 0.85, 0.95))
    assert momenta.index(min(momenta)) == 29


def test_warm_restarts_with_growing_periods_restart_at_10_30_70_and_150():
    seen = factors(WarmRestarts(10, 2), 300)
    assert [t for t in range(1, 300) if seen[t] > seen[t - 1]] == [10, 30, 70, 150]
    assert {seen[t] for t in (0, 10, 30, 70, 150)} == {1.0}
    assert factors(WarmRestarts(10), 30) == factors(WarmRestarts(10), 10) * 3


def test_a_restart_far_away_is_found_at_once():
    assert WarmRestarts(3)(3 * 10**12) == 1
    assert WarmRestarts(1, 2)(2**40 - 1) == 1


def test_plateau_fires_at_the_eleventh_step_without_progress():
    """torch's default patience of 10. The first loss is the best so far; ten more may be no better."""
    flat = [1.0] * 40
    assert [Plateau()(t, flat) for t in (0, 1, 11, 12, 22, 23)] == pytest.approx([1, 1, 1, 0.1, 0.1, 0.01])
    falling = [0.9**t for t in range(40)]
    assert Plateau()(40, falling) == 1
    slight, clear = [10.0, 9.5], [10.0, 8.9]  # the threshold is a share
    assert Plateau(0.5, patience=0, threshold=0.1)(2, slight) == 0.5
    assert Plateau(0.5, patience=0, threshold=0.1)(2, clear) == 1


def test_a_plateau_counts_means_of_several_losses():
    noisy = [1.0, 3.0] * 30
    assert Plateau(0.5, patience=2)(60, noisy) < 1  # single losses: 1 is the best for ever
    means = [(a + b) / 2 for a, b in zip(noisy[::2], noisy[1::2], strict=True)]
    for step in range(61):
        assert Plateau(0.5, 2, every=2)(step, noisy) == Plateau(0.5, 2)(step // 2, means)


def test_a_plateau_of_runs_side_by_side_is_each_run_alone():
    losses = torch.rand(30, 4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    plateau = Plateau(0.5, patience=3, cooldown=2, every=2)
    together = plateau(30, losses)
    assert together.shape == (4, 3)
    assert together.unique().numel() > 1
    for i in range(4):
        for j in range(3):
            assert together[i, j].item() == plateau(30, losses[:, i, j].tolist())


def test_a_plateau_before_the_first_loss_is_1_for_each_run():
    assert Plateau()(0, []) == 1.0
    assert Plateau()(0, torch.empty(0, 4, 3)).tolist() == torch.ones(4, 3).tolist()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_plateau_counts_exactly_whatever_the_default_type(dtype):
    """bfloat16 counts to 256 and float16 to 2048."""
    patience = 300 if dtype == torch.bfloat16 else 2100
    torch.set_default_dtype(dtype)
    try:
        losses = torch.ones(patience + 2, 2, dtype=torch.float32)
        plateau = Plateau(0.5, patience)
        assert plateau(patience + 1, losses[:, 0]) == 1
        assert plateau(patience + 2, losses[:, 0].tolist()) == 0.5
        assert plateau(patience + 2, losses).tolist() == [0.5, 0.5]
        slight = torch.tensor([[1.0, -1.0], [0.99995, -1.00005]], dtype=torch.float32)  # half a threshold
        assert Plateau(0.9, patience=0)(2, slight).tolist() == [0.9, 0.9]
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("step", [7447, 7448, 20_000, 10**9])
def test_a_factor_that_no_number_can_hold_is_infinite(step):
    """As torch's rate, which is multiplied again and again. 1.1^7447 is the last power that is a number."""
    large = math.inf if step > 7447 else pytest.approx(math.exp(step * math.log(1.1)), rel=1e-9)
    for schedule in (Exponential(1.1), StepDecay(1, 1.1), Chained([Exponential(1.1)])):
        assert schedule(step) == large
    assert MultiStep([1, 2, 3], 1e200)(3) == math.inf
    assert Exponential(np.float64(2))(step) == Exponential(2)(np.int64(step)) == math.inf
    assert Exponential(0.9)(10**9) == 0
    assert Chained([Exponential(1.1), Cosine(100)])(step) == 0


def test_wsd_warms_up_holds_and_ends_above_zero():
    seen = factors(WSD(100, warmup=0.1, decay=0.2, shape="linear"), 101)
    assert seen[:10] == pytest.approx([0.1 * (t + 1) for t in range(10)])
    assert set(seen[9:81]) == {1.0}
    assert seen[81:] == pytest.approx([1 - k / 20 for k in range(1, 21)])
    assert seen[99] > 0
    assert seen[100] == 0
    sqrt = WSD(100, warmup=0, decay=0.2)
    assert [sqrt(80 + k) for k in range(21)] == pytest.approx([1 - math.sqrt(k / 20) for k in range(21)])


def test_warm_up_and_inverse_root_are_the_transformers_schedule():
    """Vaswani et al. 2017, equation 3, as a share of its peak; their steps count from 1."""
    w = 40
    ours = Chained([Warmup(w - 1, 1 / w), InverseSqrt(w)])
    theirs = [min(t**-0.5, t * w**-1.5) / w**-0.5 for t in range(1, 200)]
    assert factors(ours, 199) == pytest.approx(theirs)


def test_a_drawn_curve_goes_through_its_points():
    drawn = Drawn([0.0, 1.0, 0.5], 101)
    assert [drawn(t) for t in (0, 25, 50, 75, 100, 1000)] == pytest.approx([0, 0.5, 1, 0.75, 0.5, 0.5])
    assert factors(Drawn([0.7], 10), 20) == [0.7] * 20
    assert Drawn([0.2, 0.9], 1)(0) == 0.2
    assert factors(Drawn([0.1, 0.8, 0.3, 1.0], 4), 4) == pytest.approx([0.1, 0.8, 0.3, 1.0])


def test_inverse_time_averages_what_was_seen():
    """Robbins & Monro 1951: k = 1 and a rate of 1/λ give the mean of the targets, to the last digit."""
    seen = torch.randn(200, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    curvature = 4.0
    x = torch.full((5,), 9.0, dtype=torch.float64)
    optimizer = SGD([x], lr=1 / curvature)
    for step, target in enumerate(seen):
        drive(optimizer, InverseTime(1.0), step)
        x.grad = curvature * (x - target)
        optimizer.step()
    assert (x - seen.mean(0)).abs().max() < 1e-15


# --- which schedule is best where the answer is known ----------------------------------------------------

CURVATURES = torch.tensor([1, 0.1, 0.01], dtype=torch.float64)
STEPS, START = 2000, 3.0
GRID = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
RIVALS = {
    "constant": Constant(),
    "linear": Polynomial(STEPS),
    "cosine": Cosine(STEPS),
    "wsd": WSD(STEPS, warmup=0, decay=0.2, shape="linear"),
}


def expected_loss(schedule, rates):
    """½ Σ λ E[x²] after the last step with gradient noise of variance 1, exactly, for each rate.

    E[x²] ← (1 − ηλ)² E[x²] + η².
    """
    rates = torch.tensor(rates, dtype=torch.float64)
    square = torch.full((len(rates), 3), START**2, dtype=torch.float64)
    for step in range(STEPS):
        eta = (rates * schedule(step))[:, None]
        square = (1 - eta * CURVATURES) ** 2 * square + eta**2
    return (0.5 * CURVATURES * square).sum(-1)


def test_decay_beats_a_constant_rate_and_linear_decay_beats_all():
    """After Defazio et al. 2023 and Schaipp et al. 2025: the loss of the last step, each at its best rate."""
    losses = {name: expected_loss(schedule, GRID) for name, schedule in RIVALS.items()}
    best = {name: (loss.min().item(), GRID[loss.argmin()]) for name, loss in losses.items()}
    assert {name: rate for name, (_, rate) in best.items()} == {
        "constant": 0.03,
        "linear": 0.1,
        "cosine": 0.1,
        "wsd": 0.03,
    }
    measured = {"constant": 0.0336, "linear": 0.0240, "cosine": 0.0253, "wsd": 0.0270}  # 4000 runs each
    assert {name: loss for name, (loss, _) in best.items()} == pytest.approx(measured, rel=0.02)
    assert sorted(best, key=lambda name: best[name]) == ["linear", "cosine", "wsd", "constant"]
    assert losses["constant"][0] > 5 * losses["constant"].min()  # a small rate is not the safe choice


@pytest.mark.slow
@pytest.mark.parametrize("name", RIVALS)
def test_driven_sgd_has_that_expected_loss(name):
    rate = {"constant": 0.03, "wsd": 0.03}.get(name, 0.1)
    generator = torch.Generator().manual_seed(0)
    x = torch.full((1500, 3), START, dtype=torch.float64)
    optimizer = SGD([x], lr=rate)
    for step in range(STEPS):
        drive(optimizer, RIVALS[name], step)
        x.grad = CURVATURES * x + torch.randn(x.shape, generator=generator, dtype=torch.float64)
        optimizer.step()
    losses = 0.5 * (CURVATURES * x * x).sum(-1)
    error = losses.std() / math.sqrt(len(losses))
    assert error < 0.04 * losses.mean()
    assert abs(losses.mean() - expected_loss(RIVALS[name], [rate])[0]) < 4 * error


# --- a function of the step, and nothing else ------------------------------------------------------------

EVERY = [
    Constant(),
    StepDecay(7, 0.5),
    MultiStep([5, 50], 0.5),
    Exponential(0.97),
    InverseTime(0.1),
    InverseSqrt(5),
    Polynomial(60, 1.5),
    Warmup(20, 0.1, "sqrt"),
    Cosine(60, 0.1),
    WarmRestarts(9, 2, 0.05),
    OneCycle(80),
    OneCycle(80, three_phase=True, anneal_strategy="linear"),
    WSD(80),
    Chained([Warmup(10), Cosine(80)]),
    Piecewise([Warmup(10), Cosine(80)], [10]),
    Drawn([0.1, 1.0, 0.4], 80),
    Plateau(0.5, patience=2, every=3),
]


@pytest.mark.parametrize("schedule", EVERY, ids=repr)
def test_it_can_be_asked_in_any_order_as_often_as_one_likes(schedule):
    losses = torch.rand(200, generator=torch.Generator().manual_seed(3)).tolist()
    forward = [factor_at(schedule, step, losses) for step in range(100)]
    backward = [factor_at(schedule, step, losses) for step in reversed(range(100))]
    assert forward == backward[::-1]
    assert all(type(factor) is float for factor in forward)
    for same in (copy.deepcopy(schedule), pickle.loads(pickle.dumps(schedule))):
        assert same == schedule
        assert hash(same) == hash(schedule)
        assert [factor_at(same, step, losses) for step in range(100)] == forward
    assert {schedule: "a key"}[schedule] == "a key"


def test_schedules_with_other_settings_are_others():
    assert len(set(EVERY)) == len(EVERY)
    assert Cosine(10) != Cosine(11)
    assert MultiStep([1, 2]) == MultiStep((1, 2))


def test_a_plateau_looks_only_at_the_losses_before_its_step():
    losses = [1.0] * 30
    before = Plateau(patience=2)(10, losses)
    assert Plateau(patience=2)(10, losses[:10] + [0.0] * 20) == before
    assert Plateau(patience=2)(10, losses[:10]) == before


class Counted(list):
    """A list that counts how many of its entries were handed out."""

    looked_at = 0

    def __getitem__(self, index):
        found = super().__getitem__(index)
        self.looked_at += len(found) if isinstance(index, slice) else 1
        return found

    def __iter__(self):
        raise AssertionError("all of history was gone through")


@many
@given(
    st.lists(st.sampled_from([0.0, 0.5, 1.0, -1.0, 2.0, math.nan, math.inf]), min_size=1, max_size=60),
    st.integers(1, 4),
    st.integers(0, 2),
    st.sampled_from(["min", "max"]),
)
@example(losses=[1.0] * 60, every=1, patience=0, mode="min")
def test_in_order_is_the_plateau_and_looks_at_each_loss_once(losses, every, patience, mode):
    plateau = Plateau(0.5, patience, every=every, mode=mode)
    watched, ordered = Counted(losses), in_order(plateau)
    for step in range(len(losses) + 1):
        assert ordered(step, watched) == plateau(step, losses)
    assert watched.looked_at == len(losses)
    assert ordered(len(losses), watched) == plateau(len(losses), losses)  # once more costs nothing
    assert watched.looked_at == len(losses)
    middle = len(losses) // 2
    assert ordered(middle, losses) == plateau(middle, losses)  # back: from the start again
    assert ordered(len(losses), losses) == plateau(len(losses), losses)


def test_in_order_leaves_other_schedules_alone_and_still_wants_every_loss():
    assert in_order(EVERY[0]) is EVERY[0]
    ordered = in_order(Plateau())
    assert ordered(2, [1.0, 2.0]) == 1
    with pytest.raises(ValueError, match="losses must hold a loss for each of the 5 steps so far, got 2"):
        ordered(5, [1.0, 2.0])


@pytest.fixture
def losses_gone_through(monkeypatch):
    """How often a plateau has taken in a loss."""
    calls = []

    def counted(self, known, loss, after=Plateau.after):
        calls.append(loss)
        return after(self, known, loss)

    monkeypatch.setattr(Plateau, "after", counted)
    return calls


def test_whoever_runs_a_plateau_shows_it_each_loss_once(losses_gone_through, task):
    """No time that grows with the square of the steps."""
    n, plateau = 24, Plateau(0.5, patience=1, every=2)

    def once(least, most):
        assert least <= len(losses_gone_through) <= most
        losses_gone_through.clear()

    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    scheduler = ScheduleLR(optimizer, plateau)
    for _ in range(n):
        optimizer.step()
        scheduler.step(1.0)
    once(n, n)
    assert len(scheduler.state_dict()["seen"]) == len(ScheduleLR(optimizer, plateau).state_dict()["seen"])

    model = torch.nn.Linear(2, 3)
    batches = [(torch.ones(4, 2), torch.zeros(4, dtype=torch.long))]
    for schedule in (plateau, ScheduleLR(SGD(model.parameters(), lr=0.1), plateau)):
        optimizer = getattr(schedule, "optimizer", SGD(model.parameters(), lr=0.1))
        fit(model, optimizer, batches, steps=n, schedule=schedule, progress=False)
        once(n - 1, n)

    Fleet(METHODS["SGD"], torch.tensor([0.1, 0.2]), task, schedules=plateau).train(n)
    once(n - 1, n)
    layers = len(set(task.layers))
    Fleet(METHODS["SGD"], torch.tensor([0.1]), task, layers=[plateau] * layers).train(n)
    once(layers * (n - 1), layers * n)
    sweep("ravine", ["SGD", "Adam"], lr=[0.01, 0.1], steps=n, schedule=plateau, progress=False)
    once(2 * (n - 1), 2 * n)
    _factors(plateau, torch.ones(n, 3))
    once(n - 1, n)


# --- what they drive -------------------------------------------------------------------------------------


def train(optimizer, before, steps):
    """The parameter after some steps on a bowl; ``before(step)`` is called before each."""
    (param,) = optimizer.param_groups[0]["params"]
    for step in range(steps):
        before(step)
        param.grad = torch.tensor([1.0, 3.0], dtype=torch.float64) * param.detach()
        optimizer.step()
    return param.detach().clone()


def bowl(cls, **kwargs):
    return cls([torch.tensor([1.0, -2.0], dtype=torch.float64)], **kwargs)


@pytest.mark.parametrize(
    ("ours", "torchs", "kwargs"),
    [
        (SGD, torch.optim.SGD, dict(lr=0.1, momentum=0.9)),
        (AdamW, torch.optim.AdamW, dict(lr=0.05, betas=(0.9, 0.99))),
    ],
)
@pytest.mark.parametrize("schedule", [OneCycle(30), Chained([Warmup(5), Cosine(30)])], ids=repr)
def test_our_optimizers_and_torchs_take_the_same_way(ours, torchs, kwargs, schedule):
    paths = []
    for cls in (ours, torchs):
        optimizer = bowl(cls, **kwargs)
        paths.append(train(optimizer, lambda step, o=optimizer: drive(o, schedule, step), 30))
    torch.testing.assert_close(*paths, rtol=1e-12, atol=1e-14)
    constant = train(bowl(ours, **kwargs), lambda step: None, 30)
    assert (paths[0] - constant).abs().max() > 1e-3


def test_a_tensor_of_rates_is_multiplied_entry_by_entry():
    rates = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)
    optimizer = SGD([torch.zeros(3, dtype=torch.float64)], lr=rates)
    for step in (3, 1, 9):
        drive(optimizer, Cosine(10), step)
        torch.testing.assert_close(optimizer.param_groups[0]["lr"], rates * Cosine(10)(step))
    assert rates.tolist() == pytest.approx([0.1, 0.2, 0.3])


@pytest.mark.parametrize("cls", [SGD, torch.optim.SGD], ids=["ours", "torchs"])
def test_a_rate_that_is_one_tensor_stays_that_tensor(cls):
    """A compiled or captured step holds it."""
    rate = torch.tensor(0.5)
    optimizer = cls([torch.zeros(2)], lr=rate)
    for step in range(4):
        drive(optimizer, Exponential(0.5), step)
        assert optimizer.param_groups[0]["lr"] is rate
        assert rate.item() == 0.5 * 0.5**step


@pytest.mark.parametrize("cls", [SGD, torch.optim.SGD], ids=["ours", "torchs"])
def test_groups_that_share_one_tensor_share_its_first_rate(cls):
    rate = torch.tensor(0.1, dtype=torch.float64)
    optimizer = cls([{"params": [torch.zeros(2)]}, {"params": [torch.zeros(2)]}], lr=rate)
    for step in range(3):
        if step == 2:  # a layer that is thawed later takes the very tensor, too
            optimizer.add_param_group({"params": [torch.zeros(2)]})
        drive(optimizer, Warmup(3), step)
        for group in optimizer.param_groups:
            assert group["lr"] is rate
            assert group["lr"].item() == pytest.approx(0.1 * Warmup(3)(step))
            assert group["initial_lr"].item() == 0.1
    assert len({id(group["initial_lr"]) for group in optimizer.param_groups}) == 3


def test_groups_with_tensors_of_their_own_keep_their_ratio():
    rates = [torch.tensor(0.1), torch.tensor(0.2), 0.4]
    optimizer = torch.optim.SGD([{"params": [torch.zeros(2)], "lr": lr} for lr in rates])
    for step in (0, 1, 2):
        drive(optimizer, Warmup(3), step)
    assert [float(group["lr"]) for group in optimizer.param_groups] == pytest.approx(
        [float(first) * Warmup(3)(2) for first in (0.1, 0.2, 0.4)]
    )


def test_a_plateau_with_losses_side_by_side_drives_each_run():
    losses = torch.stack([torch.ones(20), 0.5 ** torch.arange(20.0)], 1)  # one stands still, one falls
    optimizer = SGD([torch.zeros(2, 1, dtype=torch.float64)], lr=torch.tensor([0.1, 0.2])[:, None])
    drive(optimizer, Plateau(0.5, patience=3), 20, losses[:, :, None])
    assert optimizer.param_groups[0]["lr"].flatten().tolist() == pytest.approx([0.1 / 16, 0.2])


def test_who_finds_the_rate_himself_is_refused():
    optimizer = SGDHD([torch.zeros(2)], lr=0.1)
    with pytest.raises(ValueError, match="schedule cannot drive SGDHD, which finds its rate itself"):
        drive(optimizer, Cosine(10), 0)
    with pytest.raises(ValueError, match="schedule cannot drive SGDHD"):
        ScheduleLR(optimizer, Cosine(10))
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_a_momentum_that_is_not_there_cannot_be_cycled():
    optimizer = torch.optim.Adagrad([torch.zeros(2)], lr=0.1)
    with pytest.raises(ValueError, match="this optimizer has none; pass cycle_momentum=False"):
        drive(optimizer, OneCycle(10), 0)
    assert optimizer.param_groups[0]["lr"] == 0.1
    drive(optimizer, OneCycle(10, cycle_momentum=False), 0)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1 / 25)


def test_schedules_need_no_tensors_of_the_default_device():
    """Under ``torch.device("meta")`` there are no numbers in new tensors, and models are made there.

    ``set_default_device`` is the same for good (and torch 2.9 does not quite come back from it).
    """
    with torch.device("meta"):
        for factors in EVERY:
            assert type(factor_at(copy.deepcopy(factors), 3, [1.0] * 3)) is float
        side_by_side = torch.ones(5, 2, device="cpu")
        assert Plateau(0.5, patience=1)(5, side_by_side).tolist() == [0.25, 0.25]
        model = torch.nn.Linear(2, 2)
        optimizer = Adam(groups_by_depth(model, 0.1, 0.5), clip=by_global_norm(1.0))
        drive(optimizer, Plateau(0.5, patience=1), 3, [1.0] * 3)
        assert optimizer.param_groups[0]["lr"] == 0.05
        scheduler = ScheduleLR(Adam(model.parameters(), lr=0.1), Plateau(0.5, patience=0))
        scheduler.optimizer.step()
        for _ in range(2):
            scheduler.step(1.0)
        scheduler.load_state_dict(scheduler.state_dict())
        assert scheduler.get_last_lr() == [0.05]
        with pytest.raises(ValueError, match="T_max must be at least 1"):
            Cosine(0)
        with pytest.raises(ValueError, match=r"factor must be .* got nan"):
            Plateau(math.nan)


# --- as a torch scheduler --------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [SGD, torch.optim.SGD], ids=["ours", "torchs"])
@pytest.mark.parametrize("schedule", EVERY[:-1], ids=repr)
def test_a_scheduler_gives_the_rates_of_drive(schedule, cls):
    stepped, driven = two_groups(cls), two_groups(cls)
    scheduler = ScheduleLR(stepped, schedule)
    for step in range(60):
        drive(driven, schedule, step)
        for one, other in zip(stepped.param_groups, driven.param_groups, strict=True):
            assert one["lr"] == other["lr"]
            assert one["momentum"] == other["momentum"]
        assert scheduler.get_last_lr() == [group["lr"] for group in stepped.param_groups]
        stepped.step()
        scheduler.step()
    assert scheduler.last_epoch == 60


def test_a_scheduler_with_a_plateau_takes_the_loss():
    losses = torch.rand(40, generator=torch.Generator().manual_seed(0)).tolist()
    optimizer = two_groups()
    scheduler = ScheduleLR(optimizer, Plateau(0.5, patience=2))
    for step, loss in enumerate(losses):
        factor = Plateau(0.5, patience=2)(step, losses)
        assert scheduler.get_last_lr() == pytest.approx([lr * factor for lr in LRS])
        optimizer.step()
        scheduler.step(torch.tensor(loss, dtype=torch.float64) if step % 2 else loss)
    assert factor < 1
    with pytest.raises(
        ValueError, match=r"a Plateau needs the loss of the step just taken: scheduler\.step\(loss\)"
    ):
        scheduler.step()


@pytest.mark.parametrize("order", ["optimizer first", "scheduler first"])
@pytest.mark.parametrize("schedule", [OneCycle(40), Plateau(0.5, patience=2)], ids=repr)
@pytest.mark.parametrize("cls", [SGD, torch.optim.SGD], ids=["ours", "torchs"])
def test_a_run_taken_up_goes_on_equal(cls, schedule, order, tmp_path):
    losses = torch.rand(40, generator=torch.Generator().manual_seed(0)).tolist()

    def go_on(optimizer, scheduler, steps):
        (param,) = optimizer.param_groups[0]["params"]
        for step in steps:
            param.grad = 2 * param.detach() + step
            optimizer.step()
            scheduler.step(*([losses[step]] if isinstance(schedule, Plateau) else []))
        return param

    whole = bowl(cls, lr=0.05, momentum=0.5)
    expected = go_on(whole, ScheduleLR(whole, schedule), range(40))

    first = bowl(cls, lr=0.05, momentum=0.5)
    scheduler = ScheduleLR(first, schedule)
    middle = go_on(first, scheduler, range(17))
    torch.save([middle, first.state_dict(), scheduler.state_dict()], tmp_path / "run.pt")
    place, *states = torch.load(tmp_path / "run.pt", weights_only=True)
    rates = [group["lr"] for group in first.param_groups]
    go_on(first, scheduler, range(17, 20))  # what is saved no longer changes

    second = cls([place.clone()], lr=9.0, momentum=0.1)
    taken_up = ScheduleLR(second, schedule)
    loading = [second.load_state_dict, taken_up.load_state_dict]
    for load, state in list(zip(loading, states, strict=True))[:: 1 if order == "optimizer first" else -1]:
        load(state)
    assert [group["lr"] for group in second.param_groups] == rates == taken_up.get_last_lr()
    torch.testing.assert_close(go_on(second, taken_up, range(17, 40)), expected, rtol=0, atol=0)


def test_a_scheduler_can_be_copied_and_pickled_with_its_optimizer():
    optimizer = bowl(SGD, lr=0.1)
    scheduler = ScheduleLR(optimizer, Cosine(10))
    optimizer.step()
    scheduler.step()
    for other in (copy.deepcopy(scheduler), pickle.loads(pickle.dumps(scheduler))):
        assert other.optimizer is not optimizer
        other.optimizer.step()
        other.step()
        assert other.get_last_lr() == [0.1 * Cosine(10)(2)]
    assert scheduler.get_last_lr() == [0.1 * Cosine(10)(1)]


def test_a_scheduler_multiplies_a_tensor_of_rates():
    rates = torch.tensor([0.1, 0.2])
    optimizer = SGD([torch.zeros(2)], lr=rates)
    scheduler = ScheduleLR(optimizer, Exponential(0.5))
    optimizer.step()
    scheduler.step()
    assert scheduler.get_last_lr()[0].tolist() == pytest.approx([0.05, 0.1])
    assert rates.tolist() == pytest.approx([0.1, 0.2])


def test_what_a_scheduler_hands_out_is_its_own():
    rate = torch.tensor(0.5)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=rate)
    scheduler = ScheduleLR(optimizer, Plateau(0.5, patience=0))
    (seen,), state = scheduler.get_last_lr(), scheduler.state_dict()
    for _ in range(3):
        optimizer.step()
        scheduler.step(torch.tensor(1.0))
    assert rate.item() == 0.125
    assert seen.item() == 0.5
    assert state["seen"][0] == 0
    assert {type(part) for part in scheduler.state_dict()["seen"]} == {int, float}


def test_a_scheduler_made_after_its_optimizer_was_loaded_is_right_from_its_next_step_on():
    """As with torch's ``LambdaLR``. Loading sets no rate, for another scheduler may be in charge."""
    first = bowl(SGD, lr=0.1)
    scheduler = ScheduleLR(first, Exponential(0.5))
    for _ in range(3):
        first.step()
        scheduler.step()
    second = bowl(SGD, lr=9.0)
    second.load_state_dict(first.state_dict())
    late = ScheduleLR(second, Exponential(0.5))  # sets the rate of step 0
    late.load_state_dict(scheduler.state_dict())
    assert second.param_groups[0]["lr"] == 0.1
    second.step()
    late.step()
    assert second.param_groups[0]["lr"] == 0.1 / 16


def through_a_file(state):
    """What torch's default, ``weights_only=True``, gives back: plain data."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return torch.load(buffer)


INSIDE = {
    "ours": lambda o: lr_scheduler.SequentialLR(o, [ScheduleLR(o, Warmup(3)), ScheduleLR(o, Cosine(6))], [3]),
    "torchs second": lambda o: lr_scheduler.SequentialLR(
        o, [ScheduleLR(o, Warmup(3)), lr_scheduler.CosineAnnealingLR(o, 6)], [3]
    ),
    "torchs first": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.LinearLR(o, 0.1, total_iters=3), ScheduleLR(o, Exponential(0.9))], [3]
    ),
    "the first rates alike": lambda o: lr_scheduler.SequentialLR(
        o,
        [ScheduleLR(o, Warmup(4, 0.1)), ScheduleLR(o, StepDecay(2, 0.1)), ScheduleLR(o, Constant())],
        [4, 8],
    ),
    "chained": lambda o: lr_scheduler.ChainedScheduler(
        [ScheduleLR(o, Warmup(3)), lr_scheduler.ExponentialLR(o, 0.9)]
    ),
    "chained, ours last": lambda o: lr_scheduler.ChainedScheduler(
        [lr_scheduler.ExponentialLR(o, 0.9), ScheduleLR(o, OneCycle(8))]
    ),
    "one in the other": lambda o: lr_scheduler.ChainedScheduler(
        [
            lr_scheduler.SequentialLR(o, [ScheduleLR(o, Warmup(3)), lr_scheduler.PolynomialLR(o, 9)], [3]),
            lr_scheduler.ConstantLR(o, 0.5, 5),
        ]
    ),
}


@pytest.mark.parametrize("order", ["optimizer first", "scheduler first"])
@pytest.mark.parametrize(
    ("name", "tensors"),
    [(name, False) for name in INSIDE]
    # In torch 2.9 the others' own schedulers lose the first rate if it is a tensor.
    + [(name, True) for name in INSIDE if name not in ("torchs second", "one in the other")],
)
def test_inside_torchs_schedulers_a_run_is_taken_up_exactly_at_every_cut(name, tensors, order):
    def fresh():
        groups = [
            {"params": [torch.zeros(2)], "lr": torch.tensor(lr, dtype=torch.float64) if tensors else lr}
            for lr in LRS
        ]
        optimizer = torch.optim.SGD(groups, momentum=0.9)
        return optimizer, INSIDE[name](optimizer)

    def settings_of(optimizer):
        return [(float(group["lr"]), group["momentum"]) for group in optimizer.param_groups]

    def go_on(optimizer, scheduler, steps):
        seen = [settings_of(optimizer)]
        for _ in range(steps):
            optimizer.step()
            scheduler.step()
            seen.append(settings_of(optimizer))
        return seen

    expected = go_on(*fresh(), 12)
    for cut in range(13):
        first, scheduler = fresh()
        go_on(first, scheduler, cut)
        states = through_a_file([first.state_dict(), scheduler.state_dict()])
        second, taken_up = fresh()
        loads = zip([second, taken_up], states, strict=True)
        for owner, state in list(loads)[:: 1 if order == "optimizer first" else -1]:
            owner.load_state_dict(state)
        assert go_on(second, taken_up, 12 - cut) == expected[cut:]


@pytest.mark.parametrize("schedule", EVERY[:-1], ids=repr)
def test_torchs_lambda_scheduler_saves_nothing_of_a_schedule_and_loads_nothing_into_it(schedule):
    """Its settings are no state, and may be objects that a file of weights cannot hold."""
    optimizer = torch.optim.SGD([{"params": [torch.zeros(1)], "name": name} for name in "ab"], lr=0.1)
    for scheduler in (lr_scheduler.LambdaLR(optimizer, schedule), layer_schedule(optimizer, {"a": schedule})):
        state = through_a_file(scheduler.state_dict())
        before = repr(schedule)
        state["lr_lambdas"] = [{"T_max": 1, "gamma": 0.5, "schedules": ()}, None]
        scheduler.load_state_dict(state)
        assert repr(schedule) == before
    nested = Chained([schedule, Piecewise([Warmup(3), schedule], [3])])
    assert through_a_file(lr_scheduler.LambdaLR(optimizer, nested).state_dict())["lr_lambdas"] == [{}, {}]


@pytest.mark.parametrize(
    "schedule", [Polynomial(9, np.float64(2)), lambda step: np.cos(step / 9)], ids=["ours", "own"]
)
def test_numbers_of_numpy_become_plain_ones(schedule):
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    scheduler = ScheduleLR(optimizer, schedule)
    optimizer.step()
    scheduler.step()
    assert type(optimizer.param_groups[0]["lr"]) is float
    through_a_file([optimizer.state_dict(), scheduler.state_dict()])


NUMPYS = Plateau(np.float64(0.5), np.int64(1), np.float64(1e-4), np.int64(1), np.float64(0.01), np.int64(3))


@pytest.mark.parametrize("plateau", [Plateau(0.5, patience=1, cooldown=1, every=3), NUMPYS], ids=repr)
def test_a_plateau_takes_up_what_it_saw_bit_for_bit(plateau):
    losses = torch.rand(30, generator=torch.Generator().manual_seed(2)).tolist()

    def go_on(scheduler, losses):
        seen = []
        for loss in losses:
            scheduler.optimizer.step()
            scheduler.step(loss)
            seen += scheduler.get_last_lr()
        return seen

    whole = go_on(ScheduleLR(torch.optim.SGD([torch.zeros(1)], lr=0.1), plateau), losses)
    assert len(set(whole)) > 2
    for cut in range(30):
        first, second = (ScheduleLR(torch.optim.SGD([torch.zeros(1)], lr=0.1), plateau) for _ in range(2))
        go_on(first, losses[:cut])
        second.load_state_dict(through_a_file(first.state_dict()))
        assert go_on(second, losses[cut:]) == whole[cut:]


def test_a_scheduler_counts_on_from_one_of_torchs():
    optimizer = two_groups()
    theirs = lr_scheduler.CosineAnnealingLR(optimizer, 10)
    for _ in range(4):
        optimizer.step()
        theirs.step()
    ours = ScheduleLR(optimizer, Cosine(10))
    ours.load_state_dict(theirs.state_dict())
    assert ours.last_epoch == 4
    assert set(ours.state_dict()) == set(ScheduleLR(two_groups(), Cosine(10)).state_dict())
    optimizer.step()
    ours.step()
    assert ours.get_last_lr() == [lr * Cosine(10)(5) for lr in LRS]


@pytest.mark.parametrize(
    ("schedule", "make"),
    [
        (Plateau(), lambda o: lr_scheduler.ReduceLROnPlateau(o)),
        (Plateau(), lambda o: ScheduleLR(o, Cosine(5))),
        (Cosine(5), lambda o: lr_scheduler.ChainedScheduler([lr_scheduler.ExponentialLR(o, 0.9)])),
    ],
    ids=["torchs plateau", "no plateau", "no count"],
)
def test_the_state_of_another_scheduler_is_refused_before_anything_changes(schedule, make):
    scheduler = ScheduleLR(two_groups(), schedule)
    before = scheduler.state_dict()
    name = type(schedule).__name__
    with pytest.raises(ValueError, match=f"state_dict must be that of a ScheduleLR with a {name}, got one"):
        scheduler.load_state_dict(make(two_groups()).state_dict())
    assert scheduler.state_dict() == before


def test_only_a_plateau_takes_the_loss():
    scheduler = ScheduleLR(two_groups(), Cosine(10))
    scheduler.optimizer.step()
    for argument in (5.5, 0, torch.tensor(2.0)):
        with pytest.raises(ValueError, match=r"only a Plateau takes the loss, got .*: scheduler\.step\(\)"):
            scheduler.step(argument)
    assert scheduler.last_epoch == 0
    with pytest.raises(ValueError, match=r"last_epoch must be -1 for a Plateau.* got 5; use load"):
        ScheduleLR(two_groups(), Plateau(), last_epoch=5)


# --- in fit ----------------------------------------------------------------------------------------------


class OnMetric(lr_scheduler.LRScheduler):
    """A scheduler of somebody's own that wants a number."""

    def __init__(self, optimizer):
        self.seen = []
        super().__init__(optimizer)

    def _initial_step(self):
        self._last_lr = []

    def step(self, metric):
        self.seen.append(metric)


def fitted(make, steps=12):
    torch.manual_seed(0)
    model = torch.nn.Linear(2, 3)
    optimizer = SGD(model.parameters(), lr=0.5)
    batches = [(torch.ones(4, 2), torch.arange(4) % 3)]
    before = model.weight.detach().clone()
    schedule = make(optimizer)
    try:
        done = fit(model, optimizer, batches, steps=steps, schedule=schedule, every=1, progress=False)
    except Exception:
        assert torch.equal(model.weight, before)
        raise
    return done, schedule


def test_fit_hands_the_loss_to_whoever_wants_it():
    plateau = Plateau(0.5, patience=1, threshold=0.3)
    wanted, _ = fitted(lambda o: plateau)
    theirs, _ = fitted(
        lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=0.5, patience=1, threshold=0.3, eps=0)
    )
    ours, _ = fitted(lambda o: ScheduleLR(o, plateau))
    rates = wanted.recording["rate"]
    assert len(rates.unique()) > 2
    for done in (theirs, ours):
        torch.testing.assert_close(done.recording["rate"], rates)
        torch.testing.assert_close(done.losses, wanted.losses)
    done, own = fitted(OnMetric)
    assert own.seen == pytest.approx(done.losses.tolist())
    fitted(lambda o: ScheduleLR(o, Cosine(12)))  # and to nobody else


@pytest.mark.parametrize(
    "make",
    [
        lambda o: lr_scheduler.SequentialLR(o, [ScheduleLR(o, Warmup(3)), ScheduleLR(o, Plateau())], [3]),
        lambda o: lr_scheduler.ChainedScheduler([ScheduleLR(o, Plateau()), ScheduleLR(o, Constant())]),
        lambda o: lr_scheduler.ChainedScheduler(
            [lr_scheduler.SequentialLR(o, [ScheduleLR(o, Warmup(3)), ScheduleLR(o, Plateau())], [3])]
        ),
    ],
    ids=["second", "chained", "deeper"],
)
def test_fit_refuses_a_plateau_to_which_nobody_hands_the_loss(make):
    with pytest.raises(ValueError, match=r"must not hold a Plateau inside \w+, which hands no loss on"):
        fitted(make)


def test_our_schedulers_go_into_torchs_sequential():
    def make(optimizer):
        return lr_scheduler.SequentialLR(
            optimizer, [ScheduleLR(optimizer, Warmup(5, 0.1)), ScheduleLR(optimizer, Cosine(20))], [5]
        )

    assert_torchs(Piecewise([Warmup(5, 0.1), Cosine(20)], [5]), make, 40)


def test_the_wrong_order_of_steps_is_still_told():
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    scheduler = ScheduleLR(optimizer, Cosine(10))
    with pytest.warns(UserWarning, match=r"lr_scheduler\.step\(\)` before `optimizer\.step\(\)"):
        scheduler.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = torch.optim.SGD([torch.zeros(1)], lr=0.1)
        scheduler = ScheduleLR(again, Cosine(10))
        again.step()
        scheduler.step()


# --- in a sweep and in a fleet ---------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", [OneCycle(30), Cosine(30), Plateau(0.5, patience=1)], ids=repr)
def test_a_sweep_is_driven_like_a_run_alone(schedule):
    runs = sweep("ravine", ["Momentum"], lr=[0.001, 0.01], steps=30, schedule=schedule, progress=False)
    alone = sweep("ravine", ["Momentum"], lr=[0.01], steps=30, schedule=schedule, progress=False)
    torch.testing.assert_close(runs.paths[:, 1], alone.paths[:, 0], rtol=1e-12, atol=1e-12)

    optimizer = SGD([torch.tensor(runs.starts.tolist(), dtype=torch.float64)], lr=0.01, momentum=0.9)
    (point,) = optimizer.param_groups[0]["params"]
    losses = []
    for step in range(30):
        point.grad = runs.surface.grad(point.detach())
        drive(optimizer, schedule, step, losses)
        losses.append(runs.surface.loss(point.detach()).item())
        optimizer.step()
    torch.testing.assert_close(runs.paths[0, 1, :, -1], point.detach(), rtol=1e-12, atol=1e-12)


def test_a_plateau_in_a_sweep_sees_each_run():
    """Far above the edge the loss only climbs, and the rate is cut until it falls; a small rate never is."""
    plateau = Plateau(0.5, patience=0)
    settings = dict(lr=[0.01, 0.25], steps=60, progress=False)
    plain = sweep("quadratic", ["SGD"], **settings)
    runs = sweep("quadratic", ["SGD"], schedule=plateau, **settings)
    assert torch.equal(runs.paths[0, 0], plain.paths[0, 0])
    assert plain.losses[0, 1, 0, -1] > 1e6
    assert runs.losses[0, 1, 0, -1] < 1e-3


@pytest.fixture(scope="module")
def task():
    return digits_task(seeds=2, steps=24)


OWN = [OneCycle(24), Cosine(24), Plateau(0.2, patience=1, every=2), Constant(), OneCycle(24, pct_start=0.5)]
RATES = torch.tensor([0.05, 0.1, 2.0, 0.1, 0.02])


@pytest.mark.parametrize("name", ["Momentum", "Adam"])
def test_a_run_of_a_fleet_with_its_own_schedule_is_that_run_alone(task, name):
    rates = RATES / (20 if name == "Adam" else 1)
    fleet = Fleet(METHODS[name], rates, task, schedules=OWN)
    fleet.train(24)
    for i, schedule in enumerate(OWN):
        alone = Fleet(METHODS[name], rates[i : i + 1], task, schedules=schedule)
        alone.train(24)
        torch.testing.assert_close(fleet.losses[:, i], alone.losses[:, 0], rtol=1e-3, atol=1e-5)
    constant = Fleet(METHODS[name], rates, task)
    constant.train(24)
    same = [torch.allclose(fleet.losses[:, i], constant.losses[:, i], rtol=1e-3) for i in range(len(OWN))]
    assert same == [isinstance(schedule, Constant) for schedule in OWN]


def test_a_fleet_cycles_the_momentum_of_its_one_cycles_alone(task):
    fleet = Fleet(METHODS["Momentum"], RATES, task, schedules=OWN)
    fleet.train(8)
    group = fleet._optimizer.param_groups[0]
    step = fleet.step - 1
    expected = [OWN[0].momentum(step), 0.9, 0.9, 0.9, OWN[4].momentum(step)]
    assert group["momentum"].flatten().tolist() == pytest.approx(expected)
    cut = [schedule(step) for schedule in (OWN[0], OWN[1], OWN[3], OWN[4])]
    rates = group["lr"][:, 0] / RATES
    assert rates[[0, 1, 3, 4]].tolist() == pytest.approx(cut, rel=1e-5)


def test_train_ensemble_hands_its_schedule_to_every_run():
    settings = dict(lr=[0.03, 0.3], seeds=2, steps=20, progress=False)
    decayed = train_ensemble(["SGD"], schedule=Exponential(0.0), **settings)
    # 0⁰ = 1: only the first step moves.
    assert torch.equal(decayed.batch_losses[..., 0], train_ensemble(["SGD"], **settings).batch_losses[..., 0])
    one_step = train_ensemble(["SGD"], **settings | {"steps": 1})
    torch.testing.assert_close(decayed.train_loss, one_step.train_loss)


def test_fleets_and_sweeps_refuse_what_cannot_be_driven(task):
    rates = torch.tensor([0.1, 0.2])
    with pytest.raises(ValueError, match="schedules must be one for each of the 2 rates, got 3"):
        Fleet(METHODS["SGD"], rates, task, schedules=[Constant()] * 3)
    with pytest.raises(TypeError, match="schedules must be a function"):
        Fleet(METHODS["SGD"], rates, task, schedules=[0.5, 0.5])
    with pytest.raises(ValueError, match="OneCycle cycles the momentum, and SGD has none"):
        Fleet(METHODS["SGD"], rates, task, schedules=[Constant(), OneCycle(24)])
    Fleet(METHODS["SGD"], rates, task, schedules=OneCycle(24, cycle_momentum=False)).train(1)
    with pytest.raises(ValueError, match="schedule cannot drive Hypergradient"):
        Fleet(METHODS["Hypergradient"], rates, task, schedules=Cosine(24))
    with pytest.raises(ValueError, match="schedule cannot drive Hypergradient"):
        sweep("quadratic", ["Hypergradient"], lr=[0.1], steps=3, schedule=Cosine(3))


# --- bad input -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: StepDecay(0), ValueError, "step_size must be at least 1, got 0"),
        (lambda: StepDecay(2.5), TypeError, "step_size must be a whole number, got 2.5"),
        (lambda: StepDecay(3, -0.1), ValueError, "gamma must be a finite number ≥ 0, got -0.1"),
        (lambda: MultiStep([5, 3]), ValueError, r"milestones must rise, got \[5, 3\]"),
        (lambda: MultiStep([5, 5]), ValueError, r"milestones must rise, got \[5, 5\]"),
        (lambda: MultiStep([0, 5]), ValueError, "milestones must be at least 1, got 0"),
        (lambda: MultiStep([2], math.nan), ValueError, "gamma must be .* got nan"),
        (lambda: Exponential(-1), ValueError, "gamma must be a finite number ≥ 0, got -1"),
        (lambda: InverseTime(-1), ValueError, "k must be a finite number ≥ 0, got -1"),
        (lambda: InverseSqrt(0), ValueError, "timescale must be at least 1, got 0"),
        (lambda: Polynomial(-3), ValueError, "total_iters must be at least 1, got -3"),
        (lambda: Polynomial(5, -1), ValueError, "power must be .* ≥ 0, got -1"),
        (lambda: Warmup(0), ValueError, "total_iters must be at least 1, got 0"),
        (lambda: Warmup(5, 1.5), ValueError, "start_factor must be .* ≤ 1, got 1.5"),
        (lambda: Warmup(5, shape="cosin"), ValueError, "shape 'cosin' is not known; did you mean cosine"),
        (lambda: Cosine(0), ValueError, "T_max must be at least 1, got 0"),
        (lambda: Cosine(5, -0.1), ValueError, "min_factor must be .* got -0.1"),
        (lambda: Cosine(5, 1.1), ValueError, "min_factor must be .* ≤ 1, got 1.1"),
        (lambda: WarmRestarts(0), ValueError, "T_0 must be at least 1, got 0"),
        (lambda: WarmRestarts(5, 0), ValueError, "T_mult must be at least 1, got 0"),
        (lambda: WarmRestarts(5, 1, 2.0), ValueError, "min_factor must be .* ≤ 1, got 2"),
        (lambda: OneCycle(1), ValueError, "total_steps must be at least 2, got 1"),
        (lambda: OneCycle(9, 1.5), ValueError, "pct_start must be .* ≤ 1, got 1.5"),
        (lambda: OneCycle(9, 0.6, three_phase=True), ValueError, "pct_start must be .* ≤ 0.5, got 0.6"),
        (lambda: OneCycle(9, anneal_strategy="cosine"), ValueError, "anneal_strategy 'cosine' .* mean cos"),
        (lambda: OneCycle(9, base_momentum=1.0), ValueError, "base_momentum must be .* < 1, got 1"),
        (lambda: OneCycle(9, max_momentum=-1), ValueError, "max_momentum must be .* got -1"),
        (lambda: OneCycle(9, div_factor=0.5), ValueError, "div_factor must be .* ≥ 1, got 0.5"),
        (lambda: OneCycle(9, final_div_factor=0), ValueError, "final_div_factor must be .* ≥ 1, got 0"),
        (lambda: WSD(0), ValueError, "total_steps must be at least 1, got 0"),
        (lambda: WSD(9, -0.1), ValueError, "warmup must be .* got -0.1"),
        (lambda: WSD(9, 0.1, 2), ValueError, "decay must be .* ≤ 1, got 2"),
        (lambda: WSD(9, 0.5, 0.6), ValueError, r"warmup \+ decay must be ≤ 1, got 0.5 \+ 0.6"),
        (lambda: WSD(9, shape="cube"), ValueError, "shape 'cube' is not known"),
        (lambda: Plateau(1.0), ValueError, "factor must be .* < 1, got 1"),
        (lambda: Plateau(patience=-1), ValueError, "patience must be at least 0, got -1"),
        (lambda: Plateau(threshold=-1), ValueError, "threshold must be .* got -1"),
        (lambda: Plateau(cooldown=-1), ValueError, "cooldown must be at least 0, got -1"),
        (lambda: Plateau(min_factor=1.5), ValueError, "min_factor must be .* ≤ 1, got 1.5"),
        (lambda: Plateau(every=0), ValueError, "every must be at least 1, got 0"),
        (lambda: Plateau(mode="maximum"), ValueError, "mode 'maximum' is not known; did you mean max"),
        (
            lambda: Plateau()(5, [1.0]),
            ValueError,
            "losses must hold a loss for each of the 5 steps .* got 1",
        ),
        (lambda: Chained([]), ValueError, "schedules must hold at least one schedule, got none"),
        (lambda: Chained([0.5]), TypeError, r"schedules must be a function, for example \[Warmup"),
        (lambda: Chained([Plateau()]), ValueError, "schedules cannot hold a Plateau, which needs the losses"),
        (lambda: Chained([in_order(Plateau())]), ValueError, "schedules cannot hold a Plateau, which needs"),
        (lambda: Piecewise([Constant(), Plateau()], [5]), ValueError, "schedules cannot hold a Plateau"),
        (
            lambda: Piecewise([Constant()], [5]),
            ValueError,
            "milestones must be one fewer than the 1 schedules, got 1",
        ),
        (lambda: Piecewise([Constant()] * 3, [5, 2]), ValueError, r"milestones must rise, got \[5, 2\]"),
        (lambda: Drawn([], 5), ValueError, "factors must hold at least one number, got none"),
        (lambda: Drawn([1, -1], 5), ValueError, "factors must be .* got -1"),
        (lambda: Drawn([1], -1), ValueError, "total_steps must be at least 1, got -1"),
        (lambda: drive(two_groups(), Cosine(5), -1), ValueError, "step must be at least 0, got -1"),
        (lambda: drive(two_groups(), 0.5, 0), TypeError, "schedule must be a function, .* got 0.5"),
        (lambda: drive(two_groups(), Cosine, 0), TypeError, r"schedule must be .* as in Cosine\(…\)"),
        (
            lambda: ScheduleLR(two_groups(), Cosine),
            TypeError,
            r"schedule must be .* got Cosine, which only makes",
        ),
        (lambda: Chained([Cosine]), TypeError, r"schedules must be .* as in Cosine\(…\)"),
        (lambda: ScheduleLR(two_groups(), 0.5), TypeError, r"schedule must be a function, .* Cosine\(100\)"),
    ],
)
def test_bad_input(make, error, message):
    with pytest.raises(error, match=message):
        make()
