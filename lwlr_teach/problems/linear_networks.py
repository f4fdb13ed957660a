"""Linear networks whose every step of gradient descent is known exactly, with a rate for each layer.

The setting of Pang et al. 2026 (arXiv 2606.00340). All sizes are h, the *width*; the data are white.

- *two layers*: f(x) = xᵀ W₁ W₂ / h, to learn y = xᵀ M; M is an orthogonal matrix over √h.
- *three layers*: f(x) = xᵀ W₁ W₂ a / √h, to learn y = xᵀ β; ‖a‖ = ‖β‖ = 1, and a is not trained.

W₁ and W₂ begin as random orthogonal matrices. Each gradient is that of half of the loss, both layers move at
once, η₁ and η₂ stand still. The *loss* is the expected squared error, ‖f − target‖²: 1 + 1/h at first.

**Two layers, exactly.** With V = √h M (W₁ W₂)ᵀ at the start, descent never leaves W₁ = A W₁(0) and
W₂ = W₁(0)ᵀ B W₁(0) W₂(0), where A and B are functions of V. On an eigenvalue v of V, |v| = 1, they are two
complex numbers a and b that begin at 1. With x = η₁ / h^(3/2), y = η₂ / h^(3/2), δ = 1/√h and e = v − δ a b

    a ← a + x e b*        b ← b + y e a*        loss = mean over v of |e|².

**Three layers, exactly.** W₁ = W₁(0) + U K Vᵀ and W₂ = W₂(0) + V m aᵀ with U = [u, β], u = W₁(0) W₂(0) a and
V = W₁(0)ᵀ U. With the Gram matrix G = UᵀU = [[1, c], [c, 1]], n = (1, 0) + m, ε = (n + K G n)/√h − (0, 1),

    K ← K − (η₁/√h) ε nᵀ        m ← m − (η₂/√h) (I + Kᵀ G) ε        loss = εᵀ G ε.

The *surrogate* of the study leaves the network's own output out of the gradient: e = v in the rules of a and
b, ε = −(0, 1) in those of K and m. Its first two losses have closed forms.

Rates are numbers or tensors that broadcast. Results have their precision: double, unless all are single.
"""

from __future__ import annotations

import math
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lwlr_teach.core.checks import Number, check_choice, check_count, check_number

EXACT, SURROGATE = "exact", "surrogate"
DYNAMICS = (EXACT, SURROGATE)


def loss_after(
    steps: int, eta1: Number, eta2: Number, *, width: int, layers: int = 2, dynamics: str = EXACT
) -> Tensor:
    """The expected loss after so many steps; the rates' broadcast shape.

    The mean over all first weights: exact for two layers; for three the mean over c = ±1/√h, which is what c²
    is on average. Infinite where descent overflows.
    """
    return losses(steps, eta1, eta2, width=width, layers=layers, dynamics=dynamics)[-1]


def losses(
    steps: int, eta1: Number, eta2: Number, *, width: int, layers: int = 2, dynamics: str = EXACT
) -> Tensor:
    """As :func:`loss_after`, before the first step and after each: (steps + 1, …)."""
    x, y = _rates(eta1, eta2, width, layers)
    check_count("steps", steps, low=0)
    exact = _is_exact(dynamics)
    if layers == 2:
        return eigenvalue_losses(*_haar(width), x, y, steps=steps, width=width, exact=exact)
    c = torch.tensor([1.0, -1.0], dtype=x.dtype) / math.sqrt(width)
    return gram_losses(c, x, y, steps=steps, width=width, exact=exact).mean(1)


def eigenvalue_losses(
    v: Tensor, weights: Tensor, x: Tensor, y: Tensor, *, steps: int, width: int, exact: bool = True
) -> Tensor:
    """The recursion of two layers, for eigenvalues ``v`` (eigenvalue,) that count by ``weights``.

    For one network v are the eigenvalues of its V, each with the weight 1/h. ``x`` and ``y`` are η₁ and η₂
    over :func:`unit`. Returns (steps + 1, …).
    """
    delta = 1 / math.sqrt(width)
    shape = (-1, *[1] * torch.broadcast_tensors(x, y)[0].ndim)
    kind = x.dtype.to_complex()
    v, weights = v.to(kind).reshape(shape), weights.to(x.dtype).reshape(shape)
    a = b = torch.ones_like(x + y) * torch.ones_like(v)
    found = []
    for _ in range(steps + 1):
        e = v - delta * a * b
        found.append((weights * (e.real**2 + e.imag**2)).sum(0))
        move = e if exact else v
        a, b = a + x * move * b.conj(), b + y * move * a.conj()
    return _overflowed(torch.stack(found))


def gram_losses(c: Tensor, x: Tensor, y: Tensor, *, steps: int, width: int, exact: bool = True) -> Tensor:
    """The recursion of three layers, for networks with c = uᵀβ: (network,).

    ``x`` and ``y`` are η₁ and η₂ over :func:`unit`. Returns (steps + 1, network, …).
    """
    x, y = torch.broadcast_tensors(x, y)
    c = c.reshape(-1, *[1] * x.ndim).expand(-1, *x.shape)
    one = torch.ones_like(c)
    gram = torch.stack([torch.stack([one, c], -1), torch.stack([c, one], -1)], -2)
    first, second = torch.eye(2, dtype=x.dtype)[:, :, None]
    k, m = torch.zeros_like(gram), torch.zeros_like(gram[..., :1])
    x, y = x[..., None, None], y[..., None, None]
    found = []
    for _ in range(steps + 1):
        n = first + m
        eps = (n + k @ gram @ n) / math.sqrt(width) - second
        found.append((eps.mT @ gram @ eps)[..., 0, 0])
        move = eps if exact else -second.expand_as(eps)
        k, m = k - x * move @ n.mT, m - y * (move + k.mT @ gram @ move)
    return _overflowed(torch.stack(found))


def unit(width: int, layers: int = 2) -> float:
    """The rate that is 1 in the formulas: h^(3/2) for two layers, √h for three."""
    check_count("layers", layers, low=2, high=3)
    check_count("width", width, low=2)
    return width**1.5 if layers == 2 else width**0.5


def product_limit(width: int, layers: int = 2) -> float:
    """The product η₁ η₂ from which on descent can no longer come to rest at the solution: the unit squared.

    Where descent comes to rest, |a|²/x and |b|²/y are nearly equal, and |a b| = 1/δ. So the two layers
    together act like one with the rate 2√(η₁ η₂), in units of which 2 is the edge. Holds while the start is
    far from the solution, that is for small δ; this course's own result.
    """
    return unit(width, layers) ** 2


def closed_form(steps: int, eta1: Number, eta2: Number, *, width: int, layers: int = 2) -> Tensor:
    """The surrogate's expected loss after one or two steps: Theorems 5.3 and 5.5 of the study.

    With p = η₁ + η₂ and q = η₁ η₂: at a fixed p the first loss rises with q, so it is lowest at the two ends,
    where one layer gets everything. In the second one the signal itself, 2 p (1 + q), grows with q.
    """
    x, y = _rates(eta1, eta2, width, layers)
    check_count("steps", steps, high=2)
    h, u = float(width), unit(width, layers)
    p, q = (x + y) * u, x * y * u**2
    if layers == 2 and steps == 1:
        return (p / h**2 - 1) ** 2 + 1 / h + q**2 / h**7 + 2 * q / h**5
    if layers == 2:
        g = 1 + q / h**3
        return (2 * p * g / h**2 - 1) ** 2 + g**4 / h + 16 * q**2 / h**7 + 8 * q * g**2 / h**5
    if steps == 1:
        return (p / h - 1) ** 2 + 1 / h + q**2 / h**4 + 2 * q / h**3
    g = 1 + q / h
    five = 5 + q / h
    return (2 * p * g / h - 1) ** 2 + g**2 / h + q**2 * five**2 / h**4 + 2 * q * g * five / h**3


def first_loss(eta1: Number, eta2: Number, *, width: int) -> Tensor:
    """The exact expected loss of two layers after one step, in one formula.

    With P = x + y, Q = x y and δ² = 1/h, by expanding the recursion above: e = v − δ a b is
    v (1 − δP + 2 δ² Q) − δ (1 − δP + δ² Q) − δ Q v², and E v² = 1/h. With η₂ = 0 and η₁ = h² it is exactly 0:
    one layer alone, fed by orthogonal inputs, has the same curvature in every direction.
    """
    x, y = _rates(eta1, eta2, width, 2)
    delta = 1 / math.sqrt(width)
    p, q = x + y, x * y
    still, signal = 1 - delta * p + delta**2 * q, 1 - delta * p + 2 * delta**2 * q
    return delta**2 * (still**2 + q**2) + signal**2 + 2 * delta**4 * q * still


def surrogate_error(steps: int, eta1: Number, eta2: Number, *, width: int) -> Tensor:
    """Exact loss less the surrogate's, to leading order in 1/h, for two layers after one or two steps.

    4 Q/h after one step and (2 P² + 20 Q + 6 P² Q + 8 Q² + 4 Q³)/h after two, with P = x + y and Q = x y:
    expand both recursions in δ, of which the odd powers vanish on average. This course's own result.
    """
    x, y = _rates(eta1, eta2, width, 2)
    check_count("steps", steps, high=2)
    p, q = x + y, x * y
    return (4 * q if steps == 1 else 2 * p**2 + 20 * q + 6 * p**2 * q + 8 * q**2 + 4 * q**3) / width


# --- the same with matrices -------------------------------------------------------------------------------


class LinearNetwork(NamedTuple):
    """f(x) = xᵀ W₁ W₂ … W_k a / scale, and what it has to learn."""

    weights: tuple[Tensor, ...]
    """W₁ … W_k, (…, h, h) each: these are trained."""
    output: Tensor
    """a as (h, 1), or the identity (h, h) with two layers."""
    target: Tensor
    """β as (h, 1), or M (h, h)."""
    covariance: Tensor
    """XᵀX/n of the training data, (h, h): the identity if they are orthogonal."""
    scale: float

    @property
    def error(self) -> Tensor:
        """f less the target, as a matrix on x: (…, h, 1 or h)."""
        return self._behind(0) / self.scale - self.target

    @property
    def loss(self) -> Tensor:
        """The expected squared error on new white data: (…)."""
        return self.error.square().sum((-2, -1))

    def gradients(self, *, exact: bool = True) -> list[Tensor]:
        """The gradient of half the training loss for each of the weights: (…, h, h) each.

        It is B − A, where A, the *signal*, comes from the target and B, the *self-interaction*, from the
        network's own output. The surrogate is −A (``exact=False``).
        """
        back = self.covariance @ (self.error if exact else -self.target)
        found = []
        for i, w in enumerate(self.weights):
            found.append(back @ self._behind(i + 1).mT / self.scale)
            back = w.mT @ back
        return found

    def _behind(self, i: int) -> Tensor:
        """The product of the weights from number i on, and of the output."""
        product = self.output
        for w in reversed(self.weights[i:]):
            product = w @ product
        return product


def linear_network(
    width: int,
    layers: int = 2,
    *,
    init: str = "orthogonal",
    data: str = "orthogonal",
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
) -> LinearNetwork:
    """A network of the study with random first weights. More than three layers: as three, with more matrices.

    ``init`` and ``data`` are ``"orthogonal"``, or ``"gaussian"``: independent entries of the same mean
    square. Gaussian data are h examples, and these are all that the network learns from.
    """
    check_count("width", width, low=2)
    check_count("layers", layers, low=2)
    draw = check_choice("init", init, _DRAWS)
    check_choice("data", data, _DRAWS)
    generator = torch.Generator().manual_seed(seed)
    weights = tuple(draw(width, generator).to(dtype) for _ in range(max(2, layers - 1)))
    eye = torch.eye(width, dtype=dtype)
    x = gaussian(width, generator).to(dtype) * math.sqrt(width)
    covariance = eye if data == "orthogonal" else x.mT @ x / width
    if layers == 2:
        target = draw(width, generator).to(dtype) / math.sqrt(width)
        return LinearNetwork(weights, eye, target, covariance, float(width))
    output, target = torch.randn(2, width, 1, generator=generator, dtype=torch.float64).to(dtype)
    return LinearNetwork(
        weights, output / output.norm(), target / target.norm(), covariance, math.sqrt(width)
    )


def orthogonal(width: int, generator: torch.Generator) -> Tensor:
    """A matrix (width, width) drawn evenly from all orthogonal ones.

    The signs make the QR decomposition unique; without them it would not be even (Mezzadri 2007).
    """
    q, r = torch.linalg.qr(torch.randn(width, width, generator=generator, dtype=torch.float64))
    return q * r.diagonal().sign()


def gaussian(width: int, generator: torch.Generator) -> Tensor:
    """A matrix (width, width) of independent entries with variance 1/width."""
    return torch.randn(width, width, generator=generator, dtype=torch.float64) / math.sqrt(width)


_DRAWS = {"orthogonal": orthogonal, "gaussian": gaussian}


def descend(network: LinearNetwork, *eta: Number, steps: int, dynamics: str = EXACT) -> Tensor:
    """Gradient descent with the matrices themselves: the slow reference, and the way without a recursion.

    One rate for each of the weights; rates broadcast. Returns the loss before the first step and after each:
    (steps + 1, …).
    """
    if len(eta) != len(network.weights):
        raise ValueError(f"eta must be one for each of the {len(network.weights)} weights, got {len(eta)}")
    for i, rate in enumerate(eta, start=1):
        check_number(f"eta{i}", rate, low=0)
    check_count("steps", steps, low=0)
    exact = _is_exact(dynamics)
    rates = [torch.as_tensor(rate, dtype=network.target.dtype) for rate in eta]
    rates = [rate[..., None, None] for rate in torch.broadcast_tensors(*rates)]
    network = network._replace(weights=tuple(w.expand(*rates[0].shape[:-2], -1, -1) for w in network.weights))
    found = [network.loss]
    for _ in range(steps):
        moves = zip(network.weights, rates, network.gradients(exact=exact), strict=True)
        network = network._replace(weights=tuple(w - rate * g for w, rate, g in moves))
        found.append(network.loss)
    return _overflowed(torch.stack(found))


# --- helpers ----------------------------------------------------------------------------------------------


@cache
def _haar(width: int) -> tuple[Tensor, Tensor]:
    """Eigenvalues and weights with which a sum is the mean over the eigenvalues of all orthogonal matrices.

    On average a random orthogonal matrix has h − 1 eigenvalues spread evenly over the unit circle, half an
    eigenvalue at 1 and half a one at −1: the mean of Weyl's densities for determinants 1 and −1, which makes
    E tr Vᵏ = 1 for even k ≥ 2 and 0 for odd k. Half of the circle is enough, since the other half gives the
    conjugates. Equal rates never reach v = −1 and are slow beside it, so the panels of the quadrature become
    narrower there.
    """
    bounds = [0.0, *(math.pi / 2 * 2.0**-k for k in range(_PANELS, -1, -1)), math.pi * 0.75, math.pi]
    nodes, shares = np.polynomial.legendre.leggauss(_NODES)
    angles, parts = [], []
    for low, high in pairwise(bounds):
        angles.append(math.pi - (low + high) / 2 - (high - low) / 2 * nodes)
        parts.append(shares * (high - low) / (2 * math.pi))
    angle, part = torch.from_numpy(np.concatenate(angles)), torch.from_numpy(np.concatenate(parts))
    v = torch.cat([torch.polar(torch.ones_like(angle), angle), torch.tensor([1, -1], dtype=torch.complex128)])
    return v, torch.cat([part * (1 - 1 / width), torch.full((2,), 0.5 / width, dtype=torch.float64)])


# With these the quadrature was measured to be within 1e-13 of one with 20,000 points up to step 8, at budgets
# below the edge.
_PANELS, _NODES = 10, 10


def _rates(eta1: Number, eta2: Number, width: int, layers: int) -> tuple[Tensor, Tensor]:
    """x and y: the rates in units, as tensors of one precision."""
    one = unit(width, layers)
    check_number("eta1", eta1, low=0)
    check_number("eta2", eta2, low=0)
    tensors = [t for t in (eta1, eta2) if isinstance(t, Tensor)]
    single = bool(tensors) and all(t.dtype == torch.float32 for t in tensors)
    dtype = torch.float32 if single else torch.float64
    return torch.as_tensor(eta1, dtype=dtype) / one, torch.as_tensor(eta2, dtype=dtype) / one


def _is_exact(dynamics: str) -> bool:
    check_choice("dynamics", dynamics, dict.fromkeys(DYNAMICS))
    return dynamics == EXACT


def _overflowed(found: Tensor) -> Tensor:
    return found.nan_to_num(nan=torch.inf, posinf=torch.inf)
