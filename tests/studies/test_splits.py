import dataclasses
import re
from functools import partial

import pytest
import torch

from lwlr_teach.problems.linear_networks import descend, linear_network, loss_after, product_limit, unit
from lwlr_teach.runs.costs import operations
from lwlr_teach.studies.splits import LEARNED, SHARES, STEPS, Splits, split_losses


def hand_made(*curves, first=1.0):
    """One budget, one step a curve."""
    losses = torch.tensor([curves], dtype=torch.float64)
    shares = torch.linspace(0, 1, losses.shape[-1], dtype=torch.float64)
    return Splits(8, torch.ones(1), shares, tuple(range(1, len(curves) + 1)), losses, first, None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layers", "width", "dynamics"),
    [(2, 1000, "exact"), (2, 16, "surrogate"), (2, 4000, "exact"), (3, 64, "exact"), (3, 1000, "surrogate")],
)
def test_every_loss_is_that_of_its_budget_share_and_step(layers, width, dynamics):
    splits = split_losses(layers, width, dynamics)
    chosen = torch.Generator().manual_seed(layers + width)
    for _ in range(12):
        b, k, s = (int(torch.randint(n, (), generator=chosen)) for n in splits.losses.shape)
        p, share = splits.budgets[b].item(), splits.shares[s].item()
        wanted = loss_after(
            splits.steps[k], p * share, p * (1 - share), width=width, layers=layers, dynamics=dynamics
        )
        if wanted > torch.finfo(torch.float32).max:
            wanted = torch.tensor(torch.inf, dtype=torch.float64)
        torch.testing.assert_close(splits.losses[b, k, s], wanted, rtol=1e-6, atol=1e-18)
    assert splits.first == pytest.approx(1 + 1 / width)


@pytest.mark.slow
def test_the_numbers_of_the_reference():
    """Section 1.5 of two-step-dynamics.md in the project's references."""
    two, three = split_losses(2), split_losses(3)
    rows = [two.steps.index(k) for k in (1, 2, 4, 8)]
    for splits, budget, share, wanted in [
        (two, 27_000, 2, [0.94781, 0.89458, 0.76658, 0.38109]),
        (two, 40_000, 20, [0.92422, 0.80803, 0.34774, 0.04439]),
        (three, 60, 20, [0.88618, 0.62650, 0.02231, 0.00711]),
    ]:
        found = splits.losses[splits.budgets.tolist().index(budget), rows, share]
        # The reference took equally spaced eigenvalues for the two layers: 1/h beside the true mean.
        torch.testing.assert_close(found, torch.tensor(wanted, dtype=torch.float64), rtol=0, atol=6e-4)


@pytest.mark.parametrize(("layers", "dynamics"), [(2, "exact"), (3, "exact"), (2, "surrogate")])
def test_gaussian_networks_are_descended_one_by_one(layers, dynamics):
    splits = split_losses(layers, 1000, dynamics, "gaussian")
    assert splits.width == 32
    assert splits.steps == tuple(range(1, 17))
    torch.testing.assert_close(splits.shares, SHARES[::2])
    for b, s in [(0, 3), (3, 10), (5, 17)]:
        eta = [(splits.budgets[b] * share).item() for share in (splits.shares[s], 1 - splits.shares[s])]
        each = [
            descend(
                linear_network(32, layers, init="gaussian", data="gaussian", seed=seed),
                *eta,
                steps=16,
                dynamics=dynamics,
            )
            for seed in range(3)
        ]
        wanted = torch.stack(each).mean(0)
        torch.testing.assert_close(splits.losses[b, :, s], wanted[1:], rtol=1e-4, atol=1e-6)
        assert splits.first == pytest.approx(wanted[0].item(), rel=1e-6)
    assert splits.limit is None


@pytest.mark.slow
def test_ends_then_the_middle_then_a_fork():
    splits = split_losses(2, 1000)
    b = splits.budgets.tolist().index(40_000)
    at = {k: splits.shares[splits.is_best[b, splits.steps.index(k)]].tolist() for k in (1, 2, 4, 8)}
    assert at == {1: [0.0, 1.0], 2: [0.5], 4: [0.5], 8: [0.25, 0.75]}
    assert [splits.best[b, splits.steps.index(k)].item() for k in at] == [0.0, 0.5, 0.5, 0.25]


def test_the_smallest_budget_is_told_apart_at_the_first_step():
    """The losses of its splits differ by less than single precision has."""
    splits = split_losses(2, 1000)
    assert splits.shares[splits.is_best[0, 0]].tolist() == [0.0, 1.0]
    assert (splits.losses[0, 0, :21].diff() > 0).all()


def test_best_of_ties_mirrors_and_overflow():
    inf = float("inf")
    splits = hand_made(
        [0.9, 0.4, 0.5, 0.4, 0.9],
        [0.9, 0.4, 0.5, 0.4 * (1 - 1e-8), 0.9],
        [0.9, 0.4, 0.5, 0.4 * (1 - 1e-5), 0.9],
        [0.9, 0.4, 0.4, 0.6, inf],
        [inf, inf, inf, inf, inf],
        [0.1, LEARNED / 2, LEARNED / 10, 0.2, LEARNED / 3],
    )
    assert splits.is_best[0].int().tolist() == [
        [0, 1, 0, 1, 0],
        [0, 1, 0, 1, 0],
        [0, 0, 0, 1, 0],
        [0, 1, 0, 0, 0],
        [0, 0, 0, 0, 0],
        [0, 1, 1, 0, 1],
    ]
    best = splits.best[0]
    assert best[[0, 1, 2, 3, 5]].tolist() == [0.25, 0.25, 0.75, 0.25, 0.25]
    assert best[4].isnan()


def test_excess_is_measured_from_the_best_to_the_worst_but_not_beyond_the_first_loss():
    inf = float("inf")
    splits = hand_made(
        [0.2, 0.4, 0.6, 0.3, 0.2],
        [0.2, 0.6, 1.0, 1e9, inf],
        [2.0, 11.0, 20.0, 1e9, inf],
        [0.5, 0.5, 0.5, 0.5, 0.5],
        [inf, inf, inf, inf, inf],
    )
    wanted = [
        [0, 0.5, 1, 0.25, 0],
        [0, 0.5, 1, 1, inf],
        [0, 0.5, 1, 1, inf],
        [0, 0, 0, 0, 0],
        [inf] * 5,
    ]
    torch.testing.assert_close(splits.excess[0], torch.tensor(wanted, dtype=torch.float64))


@pytest.mark.slow
def test_budgets_follow_the_width():
    for layers, first, last in [(2, 2000.0, 70_000.0), (3, 2.5, 100.0)]:
        at_1000 = split_losses(layers, 1000).budgets
        assert at_1000[[0, -1]].tolist() == [first, last]
        assert len(at_1000) == 15
        small = split_losses(layers, 64).budgets
        torch.testing.assert_close(small / unit(64, layers), at_1000 / unit(1000, layers), rtol=0.006, atol=0)
        assert [float(f"{p:.3g}") for p in small.tolist()] == small.tolist()


def test_steps_and_shares():
    assert STEPS[:16] == tuple(range(1, 17))
    assert {32, 64, 128, 256, 512} <= set(STEPS)
    assert STEPS[-1] == 512
    assert list(STEPS) == sorted(set(STEPS))
    assert SHARES[[0, 20, 40]].tolist() == [0, 0.5, 1]


@pytest.mark.slow
def test_where_descent_cannot_come_to_rest():
    splits = split_losses(2, 1000)
    assert splits.limit == product_limit(1000)
    assert split_losses(3, 64).limit == product_limit(64, 3)
    assert split_losses(2, 1000, "surrogate").limit is None
    # The largest budget is beyond it when it is split in equal parts, and then it does not.
    p = splits.budgets[-1].item()
    assert (p / 2) ** 2 > splits.limit > p**2 * 0.2 * 0.8
    assert splits.losses[-1, -1, 20].isinf()
    assert splits.losses[-1, -1, 8] < LEARNED


@pytest.mark.slow
def test_it_is_computed_once_and_cannot_be_changed():
    assert split_losses(2, 1000, "exact", "orthogonal") is split_losses(2, 1000, "exact", "orthogonal")
    with pytest.raises(dataclasses.FrozenInstanceError):
        split_losses(2, 1000).width = 3


@pytest.mark.slow
@pytest.mark.parametrize("start", ["orthogonal", "gaussian"])
def test_a_wide_network_costs_no_more_operations_than_a_narrow_one(start):
    """Nor does a budget or a split: all of them move in the same operations, two dozen a step."""
    for width in (100, 1000):
        assert operations(partial(split_losses.__wrapped__, 2, width, "exact", start)) < 25 * STEPS[-1]


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"layers": 4}, "layers must be from 2 to 3, got 4"),
        ({"width": 1}, "width must be at least 2, got 1"),
        ({"dynamics": "exakt"}, "dynamics 'exakt' is not known; did you mean exact?"),
        ({"start": "gauss"}, "start 'gauss' is not known; did you mean gaussian?"),
    ],
)
def test_bad_input(asked, error):
    with pytest.raises(ValueError, match=re.escape(error)):
        split_losses(**asked)
