"""Slices, paths on them, and the largest curvature, against torch's whole Hessian, scipy, scikit-learn."""

import re
from itertools import pairwise

import pytest
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from sklearn.decomposition import PCA
from torch import nn
from torch.autograd.functional import hessian
from torch.func import functional_call, grad, vmap
from torch.nn.functional import cross_entropy

from lwlr_teach.problems import (
    init_mlp,
    loss_slice,
    mlp,
    principal_directions,
    project,
    random_directions,
    sharpness,
)

SIZES = [5, 7, 3]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def net():
    params = init_mlp(SIZES, generator(), torch.float64)
    return [p + 0.1 * torch.randn(p.shape, generator=generator(1), dtype=p.dtype) for p in params]


X = torch.randn(20, SIZES[0], generator=generator(2), dtype=torch.float64)


def loss(params):
    return cross_entropy(mlp(params, X), torch.arange(20) % SIZES[-1])


def whole_hessian(params):
    shapes = [p.shape for p in params]
    counts = [p.numel() for p in params]

    def of_row(row):
        return loss([part.reshape(s) for part, s in zip(row.split(counts), shapes, strict=True)])

    return hessian(of_row, torch.cat([p.flatten() for p in params]))


# --- sharpness ------------------------------------------------------------------------------------------


def test_sharpness_is_the_largest_eigenvalue(net):
    values = torch.linalg.eigvalsh(whole_hessian(net))
    torch.testing.assert_close(sharpness(loss, net, steps=40), values[-1], rtol=1e-9, atol=0)
    # More steps than there are entries change nothing.
    torch.testing.assert_close(sharpness(loss, net, steps=500), values[-1], rtol=1e-9, atol=0)


def test_sharpness_is_scipys(net):
    counts = [p.numel() for p in net]

    def curved(row):
        way = [
            part.reshape(p.shape)
            for part, p in zip(torch.tensor(row).flatten().split(counts), net, strict=True)
        ]
        found = grad(lambda p: sum((a * b).sum() for a, b in zip(grad(loss)(p), way, strict=True)))(net)
        return torch.cat([t.flatten() for t in found]).numpy()

    operator = LinearOperator((sum(counts),) * 2, matvec=curved, dtype="float64")
    (largest,) = eigsh(operator, k=1, which="LA", return_eigenvectors=False)
    assert sharpness(loss, net, steps=40).item() == pytest.approx(largest, rel=1e-8)


def test_sharpness_is_signed_where_the_most_curved_direction_is_a_hill():
    """Power iteration would find −9."""
    found = sharpness(lambda p: (torch.tensor([2.0, -9.0, 1.0]) * p[0] ** 2).sum() / 2, [torch.zeros(3)])
    assert found.item() == pytest.approx(2, rel=1e-5)


def test_sharpness_where_few_directions_are_curved():
    """Then nothing is left to find after a few steps; in either precision."""
    for dtype in (torch.float32, torch.float64):
        ways = torch.randn(3, 50, generator=generator(), dtype=dtype)
        down = torch.tensor([-1.0, -2.0, -3.0], dtype=dtype)
        for heights in (-down, down):
            oracle = torch.linalg.eigvalsh(ways.T @ (heights[:, None] * ways))[-1]
            found = sharpness(
                lambda p, h=heights, w=ways: (h * (w @ p[0]) ** 2).sum() / 2, [torch.ones(50, dtype=dtype)]
            )
            assert abs(found - oracle) < 1e-4


def test_sharpness_of_many_networks(net):
    many = [torch.stack([p, 2 * p]) for p in net]
    each = [sharpness(loss, [p[i] for p in many]) for i in range(2)]
    torch.testing.assert_close(vmap(lambda p: sharpness(loss, p))(many), torch.stack(each))


# --- slices ---------------------------------------------------------------------------------------------


def test_a_slice_is_the_loss_at_each_of_its_places(net, monkeypatch):
    monkeypatch.setattr("lwlr_teach.problems.landscapes._AT_ONCE", 3 * sum(p.numel() for p in net))
    first, second = torch.linspace(-1, 1, 5), [0.0, 0.5, 2.0]
    directions = random_directions(net, generator(3))
    found = loss_slice(loss, net, directions, first, second)
    assert found.shape == (5, 3)
    for i, a in enumerate(first.tolist()):
        for j, b in enumerate(second):
            there = [p + a * d[0] + b * d[1] for p, d in zip(net, directions, strict=True)]
            torch.testing.assert_close(found[i, j], loss(there))
    one = [d[:1] for d in directions]
    torch.testing.assert_close(loss_slice(loss, net, one, first), found[:, 0])


def test_a_module_of_torch():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
    names = [name for name, _ in model.named_parameters()]
    x = torch.randn(6, 1, 4, 4, generator=generator())

    def of_module(params):
        return functional_call(model, dict(zip(names, params, strict=True)), (x,)).square().mean()

    params = [p.detach() for p in model.parameters()]
    directions = random_directions(params, generator(), count=1, units=0)
    for p, d in zip(params, directions, strict=True):
        wanted = p.flatten(1).norm(dim=1) if p.dim() > 1 else torch.zeros(len(p))
        torch.testing.assert_close(d[0].reshape(len(p), -1).norm(dim=1), wanted)
    found = loss_slice(of_module, params, directions, [0.0, 1.0])
    torch.testing.assert_close(found[0], of_module(params))
    assert found[1] != found[0]


# --- directions -----------------------------------------------------------------------------------------


def test_each_unit_of_a_direction_is_as_long_as_the_unit(net):
    directions = random_directions(net, generator(), count=3)
    for p, d in zip(net[::2], directions[::2], strict=True):
        torch.testing.assert_close(d.norm(dim=1), p.norm(dim=0).expand(3, -1))
    for d in directions[1::2]:
        assert not d.any()  # biases stay
    whole = random_directions(net, generator(), normalise="network")
    length = sum(p.square().sum() for p in net)
    torch.testing.assert_close(sum(d.flatten(1).square().sum(1) for d in whole), length.expand(2))


def test_a_rescaled_network_has_the_same_slice_only_with_filters(net):
    """Layer 1 times 10, layer 2 by 10: ReLU makes the same function of it (Dinh et al. 2017)."""
    w1, b1, w2, b2 = net
    other, along = [10 * w1, 10 * b1, w2 / 10, b2], torch.linspace(-1, 1, 5)
    same = [
        loss_slice(loss, p, random_directions(p, generator(), count=1, normalise="filter"), along)
        for p in (net, other)
    ]
    torch.testing.assert_close(*same)
    differ = [
        loss_slice(loss, p, random_directions(p, generator(), count=1, normalise="network"), along)
        for p in (net, other)
    ]
    assert (differ[1] / differ[0])[[0, -1]].min() > 2
    assert sharpness(loss, other) > 10 * sharpness(loss, net)


# --- paths ----------------------------------------------------------------------------------------------


@pytest.fixture
def path(net):
    return [p + torch.randn(12, *p.shape, generator=generator(4), dtype=p.dtype).cumsum(0) for p in net]


def test_principal_directions_are_scikit_learns(path):
    rows = torch.cat([p.flatten(1) for p in path], 1)
    oracle = PCA(2).fit(rows.numpy())
    directions, shares = principal_directions(path)
    torch.testing.assert_close(shares, torch.tensor(oracle.explained_variance_ratio_))
    found = torch.cat([d.flatten(1) for d in directions], 1)
    torch.testing.assert_close((found @ torch.tensor(oracle.components_).T).abs(), torch.eye(2).double())


def test_a_path_on_the_slice_is_found_again(net):
    """Also where the directions are not at right angles."""
    directions = random_directions(net, generator(5))
    directions = [torch.stack([d[0], d[0] + 0.3 * d[1]]) for d in directions]
    places = torch.tensor([[0.0, 0.0], [1.0, -2.0], [0.3, 0.4]], dtype=torch.float64)
    path = [p + torch.tensordot(places, d, 1) for p, d in zip(net, directions, strict=True)]
    torch.testing.assert_close(project(path, net, directions), places)


# --- what is refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net, d: random_directions(net, generator(), count=0), "count must be at least 1, got 0"),
        (lambda net, d: random_directions(net, generator(), normalise="filters"), "filter"),
        (lambda net, d: principal_directions([p[None] for p in net]), "count must be from 1 to 0, got 2"),
        (
            lambda net, d: loss_slice(loss, net, d, [0.0]),
            "along must be a list for each of 2 directions, got 1",
        ),
        (
            lambda net, d: loss_slice(loss, net, d, [0.0], [torch.inf]),
            "along must be a finite number, got inf",
        ),
        (lambda net, d: loss_slice(loss, net, d[:3], [0.0], [0.0]), "directions must have shapes (n, …)"),
        (lambda net, d: project([p[None] for p in net[:2]], net, d), "path must have shapes (n, …)"),
        (lambda net, d: sharpness(loss, net, steps=0), "steps must be at least 1, got 0"),
    ],
)
def test_bad_input(net, call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call(net, random_directions(net, generator()))


# --- known results ----------------------------------------------------------------------------------------


def descend(loss, params, lr, steps):
    """Gradient descent: the losses before each step, and the last place."""
    losses = []
    for _ in range(steps):
        params = [p.detach().requires_grad_() for p in params]
        value = loss(params)
        losses.append(value.item())
        params = [p - lr * g for p, g in zip(params, torch.autograd.grad(value, params), strict=True)]
    return losses, [p.detach() for p in params]


@pytest.mark.parametrize(("share", "spike"), [(1.9, 1.0), (2.5, 20.0), (3.0, 50.0)])
def test_a_catapult_lands_where_it_is_flat_enough(share, spike):
    """Two layers of width 1,000 and one number to learn (Lewkowycz et al. 2020): rate = share / sharpness."""
    n, draw = 1000, generator(3)
    params = [torch.randn(n, generator=draw, dtype=torch.float64) for _ in range(2)]

    def loss(params):
        return (params[0] @ params[1]).square() / n / 2

    def kernel(params):
        return sum(p.square().sum() for p in params) / n

    lr = share / kernel(params)
    losses, there = descend(loss, params, lr, 400)
    assert losses[-1] < 1e-6
    assert (max(losses) > spike * losses[0]) == (share > 2)
    flat = sharpness(loss, there)
    torch.testing.assert_close(
        flat, kernel(there), rtol=1e-3, atol=0
    )  # where the loss is 0 both are the same
    assert lr * flat < 2
    assert share < 2 or flat < 0.8 * kernel(params)


def test_beyond_twice_the_edge_a_catapult_is_lost():
    n, draw = 1000, generator(3)
    params = [torch.randn(n, generator=draw, dtype=torch.float64) for _ in range(2)]
    lr = 4.3 * n / sum(p.square().sum() for p in params)
    losses, _ = descend(lambda params: (params[0] @ params[1]).square() / n / 2, params, lr, 100)
    assert not losses[-1] < 1e6


@pytest.mark.slow
def test_descent_on_a_polynomial_comes_to_the_edge_of_stability():
    """20 points of the polynomial T₄, a network 1-40-40-1 with tanh (a task of Cohen et al. 2021)."""
    x = torch.linspace(-1, 1, 20, dtype=torch.float64)[:, None]
    y, draw = 8 * x**4 - 8 * x**2 + 1, generator()
    params = []
    for width, to in ((1, 40), (40, 40), (40, 1)):
        params += [torch.randn(width, to, generator=draw, dtype=torch.float64) / width**0.5]
        params += [torch.zeros(1, to, dtype=torch.float64)]

    def loss(params):
        h = torch.tanh(torch.tanh(x @ params[0] + params[1]) @ params[2] + params[3])
        return (h @ params[4] + params[5] - y).square().mean()

    lr, found = 0.1, []
    losses, params = descend(loss, params, lr, 600)
    for _ in range(5):
        more, params = descend(loss, params, lr, 40)
        losses += more
        found.append(lr * sharpness(loss, params).item() / 2)
    assert all(0.95 < share < 1.05 for share in found), found
    assert losses[-1] < losses[0] / 4
    assert any(later > sooner for sooner, later in pairwise(losses))  # and the loss rises now and then
