"""Where gradient descent goes: its numbers by hand, the edge, and what a warm-up and small batches change."""

import re

import pytest
import torch

from lwlr_teach.problems import principal_directions, random_directions, sharpness
from lwlr_teach.studies import cut, few_digits, rescale, train_on_landscape, walks

NET = few_digits(30, 12)
SMALL = dict(net=NET, progress=False)


def by_hand(rates, seed, gain=1.0):
    """Losses, sharpnesses and the last network of plain gradient descent, a rate for each step."""
    params, told = [p.requires_grad_() for p in NET.first(seed, gain)], []
    for lr in [*rates, None]:
        w1, b1, w2, b2 = params
        out = torch.relu(NET.x @ w1 + b1) @ w2 + b2
        loss = ((out - NET.y) ** 2).sum() / len(NET.x)
        told.append([loss.item(), sharpness(NET.loss, params, steps=200).item()])
        if lr is not None:
            grads = torch.autograd.grad(loss, params)
            params = [(p - lr * g).detach().requires_grad_() for p, g in zip(params, grads, strict=True)]
    return torch.tensor(told, dtype=torch.float64).T, params


@pytest.mark.slow
@pytest.mark.parametrize("warm_up", [0, 2])
def test_a_run_is_the_run_by_hand(warm_up):
    runs = train_on_landscape([0.01, 0.05], seeds=2, steps=3, every=1, warm_up=warm_up, gain=0.7, **SMALL)
    assert runs.loss.shape == runs.sharpness.shape == runs.product.shape == (2, 2, 4)
    for r, lr in enumerate((0.01, 0.05)):
        rates = [lr * min(1, (t + 1) / max(warm_up, 1)) for t in range(4)]
        for seed in range(2):
            (loss, sharp), params = by_hand(rates[:3], seed, 0.7)
            torch.testing.assert_close(runs.loss[r, seed], loss)
            torch.testing.assert_close(runs.sharpness[r, seed], sharp, rtol=1e-3, atol=0)
            torch.testing.assert_close(runs.product[r, seed], torch.tensor(rates) * runs.sharpness[r, seed])
            torch.testing.assert_close(runs.highest[r, seed], loss.max())
            for p, q in zip(runs.params, params, strict=True):
                torch.testing.assert_close(p[r, seed], q)


def test_a_batch_of_all_images_is_no_batch():
    whole, batched = (
        train_on_landscape([0.05], seeds=2, steps=5, batch_size=n, **SMALL) for n in (None, len(NET.x))
    )
    torch.testing.assert_close(whole.loss, batched.loss)
    assert not torch.allclose(
        train_on_landscape([0.05], seeds=2, steps=5, batch_size=3, **SMALL).loss, whole.loss
    )


@pytest.mark.slow
def test_the_edge_of_stability():
    runs = train_on_landscape([0.02, 0.2], seeds=3, steps=400, gain=0.5, **SMALL)
    slow, fast = runs.product.median(1).values
    assert slow[-1] < 1.5
    assert slow[-1] > 1.2 * slow[0]  # it sharpens
    assert 1.7 < fast[20:].mean() < 2.5


@pytest.mark.slow
def test_a_warm_up_goes_where_it_is_flatter_first():
    none, slow = (train_on_landscape([0.5], seeds=3, steps=200, warm_up=w, **SMALL) for w in (0, 80))
    assert slow.highest.median() < none.highest.median()
    assert slow.loss[..., -1].median() < 0.8 * none.loss[..., -1].median()


def test_rescaling_changes_the_sharpness_and_not_the_function():
    params = NET.first(0)
    other = rescale(params, 100)
    torch.testing.assert_close(NET.accuracy(other), NET.accuracy(params))
    torch.testing.assert_close(NET.loss(other), NET.loss(params))
    assert NET.sharpness(other) > 5 * NET.sharpness(params)


@pytest.mark.slow
def test_walks_are_those_of_the_optimizers():
    ways = walks(NET, {"SGD": 0.05, "Adam": 0.01}, steps=3, gain=0.7)
    assert [p.shape[0] for p in ways["SGD"]] == [4] * 4
    _, params = by_hand([0.05] * 3, 0, 0.7)
    params_adam = [p.requires_grad_() for p in NET.first(0, 0.7)]
    adam = torch.optim.Adam(params_adam, lr=0.01)
    for _ in range(3):
        adam.zero_grad()
        NET.loss(params_adam).backward()
        adam.step()
    for name, end in (("SGD", params), ("Adam", params_adam)):
        for way, p in zip(ways[name], end, strict=True):
            torch.testing.assert_close(way[-1], p.detach())


def test_a_cut_holds_the_shadows_of_all_paths():
    ways = walks(NET, {"SGD": 0.05, "Adam": 0.01}, steps=20)
    together = [torch.cat(same) for same in zip(*ways.values(), strict=True)]
    directions, shares = principal_directions(together)
    own = cut(NET, ways, directions, points=5)
    assert own.share == pytest.approx(shares.sum().item())
    for name, path in own.paths.items():
        assert path.shape == (21, 2)
        for axis, places in enumerate((own.along, own.across)):
            assert places[0] < path[:, axis].min() < path[:, axis].max() < places[-1]
        torch.testing.assert_close(own.path_loss[name][5], NET.loss([p[5] for p in ways[name]]))
    end = [p[-1] for p in ways["SGD"]]
    corner = [p + own.along[0] * d[0] + own.across[-1] * d[1] for p, d in zip(end, directions, strict=True)]
    torch.testing.assert_close(own.loss[0, -1], NET.loss(corner))
    other = cut(NET, ways, random_directions(end, torch.Generator().manual_seed(0)), points=3, reach=1)
    assert other.share < 0.2 * own.share
    assert other.along[0] <= -1
    assert other.across[-1] >= 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(lr=[0.1, 0.1]), "lr must be positive and rise, got 0.1, 0.1"),
        (dict(seeds=0), "seeds must be at least 1, got 0"),
        (dict(every=0), "every must be at least 1, got 0"),
        (dict(batch_size=31), "batch_size must be from 1 to 30, got 31"),
        (dict(warm_up=-1), "warm_up must be at least 0, got -1"),
    ],
)
def test_bad_input(wrong, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        train_on_landscape(**{"lr": [0.1], **SMALL, **wrong})
    with pytest.raises(ValueError, match="times must be a finite number > 0, got 0"):
        rescale(NET.first(0), 0)
