"""Adafactor beyond torch's numbers: what it promises of memory and rates, and what only ours can do."""

import math

import pytest
import torch

from lwlr_teach.optim import Adafactor
from tests.optim.runs import fresh, gradient, train


def steps_of(p, count=1, **settings):
    """How far each step goes from the same place, against a gradient of ones."""
    optimizer, sizes = Adafactor([p], **settings), []
    for _ in range(count):
        before = p.detach().clone()
        p.grad = torch.ones_like(p)
        optimizer.step()
        sizes.append((before - p.detach()).abs().max().item())
        p.copy_(before)
    return sizes


def test_the_rate_is_a_share_of_the_layers_size():
    """A matrix of RMS 2 moves .02, and one of zeros ε₂ of the rate, from which it can grow."""
    assert steps_of(torch.full((4, 3), 2.0).double()) == pytest.approx([0.02])
    assert steps_of(torch.zeros(4).double()) == pytest.approx([1e-5])
    assert steps_of(torch.zeros(4).double(), eps=(None, 0.5)) == pytest.approx([0.005])


def test_the_rate_is_capped_by_the_root_of_time():
    """min(lr, 1/√t) of an RMS of 1. At lr 0.5 the cap begins after step 4."""
    sizes = steps_of(torch.ones(1).double(), 100, lr=0.5)
    assert sizes == pytest.approx([min(0.5, t**-0.5) for t in range(1, 101)])
    assert steps_of(torch.ones(3), 3, lr=0.0) == [0, 0, 0]


def test_a_matrix_keeps_sizes_of_rows_and_columns_only():
    matrix, filters, bias = fresh((40, 30), (6, 5, 3, 2), (40,))
    optimizer = Adafactor([matrix, filters, bias])
    train(optimizer, 1)
    kept = [
        {n: tuple(v.shape) for n, v in optimizer.state[p].items() if n != "step"}
        for p in (matrix, filters, bias)
    ]
    assert kept == [
        {"row_var": (40, 1), "col_var": (1, 30)},
        {"row_var": (6, 5, 3, 1), "col_var": (6, 5, 1, 2)},
        {"variance": (40,)},
    ]


def test_squares_of_rank_one_are_kept_without_loss():
    """Then every entry is divided by its own size, and all move alike."""
    rows, columns = torch.tensor([1.0, 10, 100]).double(), torch.tensor([1.0, 3, 5, 7]).double()
    p = torch.ones(3, 4, dtype=torch.float64)
    p.grad = torch.outer(rows, columns)
    Adafactor([p], lr=0.1).step()
    torch.testing.assert_close(p, torch.full_like(p, 0.9), rtol=1e-12, atol=0)


def test_a_spike_is_clipped_to_d():
    """β₂ is near 1 after many steps: unclipped, a gradient 100 times as large would step 11 times as far."""
    for d in (1.0, 2.0):
        p = torch.zeros(4, dtype=torch.float64)
        optimizer = Adafactor([p], lr=1e-3, d=d, eps=(None, 1.0))
        for step in range(400):
            p.grad = torch.full_like(p, 100.0 if step == 399 else 1.0)
            before = p.clone()
            optimizer.step()
        assert (before - p).abs().max().item() == pytest.approx(1e-3 * d)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_neither_overflows_nor_drowns(dtype):
    """300² is inf in float16, in which the sizes of rows are not kept; ε₁ is far below 1e-2."""
    for size in (1e-2, 300.0):
        p = torch.ones(8, 4, dtype=dtype)
        optimizer = Adafactor([p], lr=0.1)
        p.grad = torch.full_like(p, size)
        optimizer.step()
        assert {v.dtype for n, v in optimizer.state[p].items() if n != "step"} == {torch.float32}
        torch.testing.assert_close(p.double(), torch.full(p.shape, 0.9).double(), rtol=0.01, atol=0)


def test_a_batch_of_matrices_has_rates_of_its_own():
    together = fresh((3, 4, 5), (3, 4))
    alone = [[p[i].detach().clone() for p in together] for i in range(3)]
    rates = torch.tensor([0.01, 0.1, 0.8], dtype=torch.float64)  # the last is capped, the first is not
    decays = torch.tensor([-0.8, -0.5, -1.0], dtype=torch.float64)
    limits = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    train(Adafactor(together, lr=rates, beta2_decay=decays, d=limits), 6)
    for i in range(3):
        given = dict(lr=rates[i].item(), beta2_decay=decays[i].item(), d=limits[i].item())
        train(Adafactor(alone[i], **given), 6)
        for p, expected in zip(together, alone[i], strict=True):
            torch.testing.assert_close(p[i].detach(), expected, rtol=1e-11, atol=1e-11)


def test_it_does_not_need_torchs_own(monkeypatch):
    monkeypatch.delattr(torch.optim, "Adafactor")
    (p,) = fresh((2, 3))
    p.grad = gradient(p, 1)
    Adafactor([p]).step()


@pytest.mark.parametrize("eps", [1e-3, (1e-3,), (None, 1e-3, 1.0), None, math.nan])
def test_eps_that_is_no_pair_is_refused(eps):
    with pytest.raises(TypeError, match="eps must be a pair of numbers, got"):
        Adafactor(fresh(), eps=eps)
