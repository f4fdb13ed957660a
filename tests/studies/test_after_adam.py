"""What the methods after Adam were made for: the formulas are those of the optimizers' own runs."""

import math

import pytest
import torch

from lwlr_teach.optim import METHODS, SGD, Adam, Lookahead, Muon
from lwlr_teach.problems import worst_factor
from lwlr_teach.runs import exponential_rates
from lwlr_teach.studies import (
    equally_fast,
    first_steps,
    kept,
    lookahead_factor,
    lookahead_floor,
    lookahead_speed,
    noise_floor,
    published,
    rectifier,
    remember,
)


def test_what_is_kept_is_counted_without_the_steps():
    shapes = [(4, 5), (6,)]
    found = {name: kept(METHODS[name], shapes) for name in ("SGD", "Momentum", "NovoGrad", "Adam", "AMSGrad")}
    assert {name: (k.direction, round(26 * k.size)) for name, k in found.items()} == {
        "SGD": (0, 0),
        "Momentum": (1, 0),
        "NovoGrad": (1, 2),
        "Adam": (1, 26),
        "AMSGrad": (1, 52),
    }
    assert kept(lambda params: torch.optim.Adam(params), shapes) == found["Adam"]
    factored = kept(lambda params: torch.optim.Adafactor(params), shapes)
    assert 26 * factored.size == pytest.approx(4 + 5 + 6)  # rows, columns, and a vector as it is
    slow = kept(lambda params: Lookahead(Adam(params), k=1), shapes)
    assert slow.size == 2


def test_the_scale_of_the_first_steps_is_that_of_the_normal_distribution():
    first = first_steps(40, draws=40_000)
    cases = 1 / torch.tensor([1.95996, 0.67449, 0.062707])  # quantiles of |g|
    assert first.scale[:, 0].tolist() == pytest.approx(cases.tolist(), rel=0.05)
    assert (first.scale[2].diff() < 0).all()
    assert first.adam[0] == pytest.approx(1)
    assert first.radam[0] == pytest.approx(1, rel=0.02)  # the gradient itself
    ratio = first.radam[5:] / first.adam[5:]
    assert (ratio - rectifier(40)[5:]).abs().max() < 1e-9


def test_the_rectifier_has_the_papers_numbers():
    """Computed from Liu et al. 2020, section 3.2."""
    r = rectifier(10_000)
    assert r[:5].isnan().all()
    found = r[[5, 9, 99, 999, 9999]].tolist()
    assert found == pytest.approx([0.02582, 0.049, 0.2153, 0.6453, 0.9998], abs=1e-4)


def test_lookaheads_floor_is_that_of_its_walkers():
    for eta, k, alpha in [(0.5, 5, 0.5), (0.2, 3, 0.8)]:
        generator = torch.Generator().manual_seed(0)
        x = torch.zeros(40_000, dtype=torch.float64)
        optimizer = Lookahead(SGD([x], lr=eta), k=k, alpha=alpha)
        for _ in range(30 * k):
            x.grad = x + torch.randn(x.shape, generator=generator, dtype=torch.float64)
            optimizer.step()
        assert x.var().item() == pytest.approx(lookahead_floor(eta, k, alpha).item(), rel=0.03)
    assert noise_floor(0.5).item() == pytest.approx(1 / 3)
    assert (lookahead_floor(0.5) / noise_floor(0.5)).item() == pytest.approx(0.34, abs=0.002)


def test_sgd_as_slow_as_lookahead_is_as_slow():
    for eta in (0.05, 0.5, 0.9):
        x = torch.ones(1, dtype=torch.float64)
        optimizer = SGD([x], lr=equally_fast(eta).item())
        for _ in range(5):
            x.grad = x.clone()
            optimizer.step()
        assert x.item() == pytest.approx(lookahead_speed(eta).item())


def test_the_factor_around_the_heavy_ball_is_that_of_a_run():
    lr, lam, momentum, k, alpha = 0.5, 0.1, 0.9, 4, 0.5
    x = torch.ones(1, dtype=torch.float64)
    optimizer = Lookahead(SGD([x], lr=lr, momentum=momentum), k=k, alpha=alpha)
    places = []
    for _ in range(400):
        x.grad = lam * x
        optimizer.step()
        places.append(abs(x.item()))
    run = (max(places[-40:]) / max(places[100:140])) ** (1 / 260)
    expected = lookahead_factor(torch.tensor([lr]), momentum, torch.tensor([lam]), k, alpha)
    assert expected.shape == (1, 1)
    assert run == pytest.approx(expected.item(), abs=2e-3)


def test_with_alpha_1_it_is_the_heavy_ball():
    rates, lam = torch.tensor([0.1, 1.0]).double(), torch.tensor([0.05, 1.0]).double()
    found = lookahead_factor(rates, 0.9, lam, 5, 1.0).amax(1)
    assert (found - worst_factor(rates, 0.9, 0.05, 1.0)).abs().max() < 1e-6


def test_sgd_learns_each_item_by_its_frequency():
    memory = remember(METHODS["SGD"], torch.tensor([0.1, 0.5]), items=4, power=1.0, steps=20)
    assert memory.frequency.tolist() == pytest.approx([12 / 25, 6 / 25, 4 / 25, 3 / 25])
    rates = 0.5 * (1 - torch.arange(20) / 20)
    left = (1 - rates[:, None] * memory.frequency) ** 2
    expected = torch.cat([torch.ones(1, 4), left.cumprod(0)])
    assert (memory.loss[1] - expected).abs().max() < 1e-6
    assert memory.best == 1
    soon = [(expected[:, i] < 0.1).nonzero().flatten().tolist() for i in range(4)]
    assert memory.learnt().tolist() == [step[0] if step else math.inf for step in soon]
    assert soon[0]
    assert not soon[3]


def test_muon_learns_all_items_alike_however_they_are_turned():
    def muon(params, lr):
        return Muon(params, lr=lr, weight_decay=0)

    for turned in (True, False):
        known = remember(muon, exponential_rates(0.01, 1, 9), turned=turned).learnt()
        assert known.max() < 2 * known.min()
    adam = [
        remember(METHODS["Adam"], exponential_rates(0.01, 1, 9), turned=turned) for turned in (True, False)
    ]
    turned, straight = (memory.loss[memory.best] for memory in adam)
    assert (straight - straight[:, :1]).abs().max() < 1e-3
    assert (turned - turned[:, :1]).abs().max() > 0.1


def test_the_two_methods_of_the_paper_are_one_from_other_seeds():
    rates = torch.tensor([0.01, 0.03])
    paper = published(lr=rates, seeds=4, steps=30)
    assert paper.loss.shape == paper.right.shape == (2, 2, 4)
    assert not paper.loss[0].allclose(paper.loss[1])
    assert paper.judged(1, 0) == pytest.approx(paper.right[1, 0, 3].item())
    assert paper.chosen.tolist() == paper.loss[..., :3].mean(-1).argmin(-1).tolist()


@pytest.mark.parametrize("bad", [dict(steps=0), dict(draws=0)])
def test_bad_counts(bad):
    with pytest.raises(ValueError, match=f"{next(iter(bad))} must be at least 1"):
        first_steps(**bad)


def test_a_rate_beyond_the_edge_has_no_floor():
    with pytest.raises(ValueError, match="step must be"):
        noise_floor(2.0)
