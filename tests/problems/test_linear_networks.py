"""Linear networks: the recursions against matrices, the closed forms against sympy and chance."""

import math
from functools import cache

import pytest
import sympy
import torch

from lwlr_teach.problems.linear_networks import (
    DYNAMICS,
    _haar,
    closed_form,
    descend,
    eigenvalue_losses,
    first_loss,
    gaussian,
    gram_losses,
    linear_network,
    loss_after,
    losses,
    orthogonal,
    product_limit,
    surrogate_error,
    unit,
)


def double(*values):
    return torch.tensor(values, dtype=torch.float64)


def split(budget, share, *, layers=2, width=1000):
    """η₁ and η₂ of a budget in units."""
    rate = budget * unit(width, layers)
    return share * rate, (1 - share) * rate


# --- the recursions, network by network -------------------------------------------------------------------


def own_recursion(network, x, y, *, steps, exact):
    """What the recursion says of this very network, from its own eigenvalues or its own c."""
    w1, w2 = network.weights
    width = len(w1)
    if network.output.shape[1] == 1:
        c = ((w1 @ w2 @ network.output).mT @ network.target)[0]
        return gram_losses(c, x, y, steps=steps, width=width, exact=exact)[:, 0]
    v = torch.linalg.eigvals(math.sqrt(width) * network.target @ (w1 @ w2).mT)
    weights = torch.full((width,), 1 / width, dtype=torch.float64)
    return eigenvalue_losses(v, weights, x, y, steps=steps, width=width, exact=exact)


@pytest.mark.parametrize("dynamics", DYNAMICS)
@pytest.mark.parametrize("layers", [2, 3])
@pytest.mark.parametrize("width", [5, 16, 64])
def test_the_recursion_is_gradient_descent(width, layers, dynamics):
    network = linear_network(width, layers, seed=width)
    x, y = double(0.1, 0.5, 1.2, 0.0), double(0.9, 0.5, 0.2, 0.7)
    one = unit(width, layers)
    slow = descend(network, x * one, y * one, steps=8, dynamics=dynamics)
    fast = own_recursion(network, x, y, steps=8, exact=dynamics == "exact")
    assert slow.shape == (9, 4)
    torch.testing.assert_close(fast, slow, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("data", ["orthogonal", "gaussian"])
@pytest.mark.parametrize("layers", [2, 3, 4, 8])
def test_gradients_are_those_of_half_the_training_loss(layers, data):
    network = linear_network(6, layers, init="gaussian", data=data, seed=3)
    weights = [w.clone().requires_grad_() for w in network.weights]
    product = network.output
    for w in reversed(weights):
        product = w @ product
    error = product / network.scale - network.target
    (0.5 * (error.mT @ network.covariance @ error).trace()).backward()
    for found, w in zip(network.gradients(), weights, strict=True):
        torch.testing.assert_close(found, w.grad, rtol=1e-12, atol=1e-14)


def test_the_gradient_is_self_interaction_less_signal():
    network = linear_network(12, seed=1)
    (w1, w2), m, h = network.weights, network.target, 12
    signal = [m @ w2.mT / h, w1.mT @ m / h]
    own = [w1 @ w2 @ w2.mT / h**2, w1.mT @ w1 @ w2 / h**2]
    for found, surrogate, a, b in zip(
        network.gradients(), network.gradients(exact=False), signal, own, strict=True
    ):
        torch.testing.assert_close(found, b - a)
        torch.testing.assert_close(surrogate, -a)
        # Proposition 5.1 of the study: the surrogate leaves out little.
        assert (found - surrogate).norm() <= found.norm() / (math.sqrt(h) - 1)


def test_the_loss_is_the_error_on_new_data():
    network = linear_network(8, 3, init="gaussian", seed=2)
    x = torch.randn(400_000, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    errors = (x @ network.error).square().sum(1)
    assert abs(errors.mean() - network.loss) < 4 * errors.std() / math.sqrt(len(x))


# --- the mean over all networks ---------------------------------------------------------------------------


@pytest.mark.parametrize("width", [2, 3, 8, 1000])
def test_moments_of_random_orthogonal_matrices(width):
    """E tr Vᵏ is h, 0, 1, 0, 1, …"""
    v, weights = _haar(width)
    for k in range(12):
        wanted = width if k == 0 else (k + 1) % 2
        assert (weights * v**k).sum().real.item() == pytest.approx(wanted / width, abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("width", [4, 5])
def test_the_mean_over_random_networks(width):
    """Also where the eigenvalues are few and repel each other."""
    generator = torch.Generator().manual_seed(0)
    draws = torch.stack([orthogonal(width, generator) for _ in range(20_000)])
    torch.testing.assert_close(draws @ draws.mT, torch.eye(width, dtype=torch.float64).expand_as(draws))
    v = torch.linalg.eigvals(draws)
    for sharp in (lambda v: (v + 1).abs() < 0.3, lambda v: v.real > 0.5, lambda v: (v.real - v.imag).exp()):
        each = sharp(v).double().mean(1)
        nodes, weights = _haar(width)
        both = (sharp(nodes).double() + sharp(nodes.conj()).double()) / 2
        error = each.std() / math.sqrt(len(each))
        # A step between two nodes of the quadrature is off by as much as a node weighs.
        assert abs(each.mean() - (weights * both).sum()) < 4 * error + 0.03


@pytest.mark.slow
@pytest.mark.parametrize(("layers", "width"), [(2, 8), (2, 32), (3, 64)])
@pytest.mark.parametrize("steps", [1, 2])
def test_closed_forms_against_chance(layers, width, steps):
    eta = split(1.2, 0.3, layers=layers, width=width)
    found = torch.stack(
        [
            descend(linear_network(width, layers, seed=s), *eta, steps=steps, dynamics="surrogate")[-1]
            for s in range(400)
        ]
    )
    wanted = closed_form(steps, *eta, width=width, layers=layers)
    assert abs(found.mean() - wanted) < 4 * found.std() / 20


@pytest.mark.parametrize("layers", [2, 3])
@pytest.mark.parametrize("steps", [1, 2])
def test_closed_forms_are_the_recursion(layers, steps):
    x, y = torch.rand(2, 50, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2
    for width in (4, 100, 1000):
        one = unit(width, layers)
        found = loss_after(steps, x * one, y * one, width=width, layers=layers, dynamics="surrogate")
        wanted = closed_form(steps, x * one, y * one, width=width, layers=layers)
        torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-13)


# --- sympy ------------------------------------------------------------------------------------------------

X, Y, H, V, C = sympy.symbols("x y h v c", positive=True)
DELTA = 1 / sympy.sqrt(H)


def expected(expression, conjugate=1 / V):
    """The mean over V of a Laurent polynomial in v."""
    terms = sympy.collect(sympy.expand(expression), V, evaluate=False)
    moment = {power: sympy.degree(power * V**40, V) - 40 for power in terms}
    return sum(
        factor * (1 if moment[power] == 0 else 1 / H if moment[power] % 2 == 0 else 0)
        for power, factor in terms.items()
    )


@cache
def symbolic(steps, exact):
    """The expected loss of two layers; on the unit circle the conjugate of v is 1/v."""
    a = b = sympy.Integer(1)

    def conjugate(z):
        return z.subs(V, 1 / V)

    for _ in range(steps):
        e = V - DELTA * a * b if exact else V
        a, b = a + X * e * conjugate(b), b + Y * e * conjugate(a)
        a, b = sympy.expand(a), sympy.expand(b)
    e = V - DELTA * a * b
    return expected(e * conjugate(e))


@pytest.mark.parametrize("steps", [1, 2])
def test_the_closed_form_of_two_layers_is_an_identity(steps):
    written = closed_form_in_symbols(steps)
    assert sympy.simplify(sympy.expand(symbolic(steps, exact=False) - written)) == 0


def closed_form_in_symbols(steps):
    """The formula as the study writes it, in p and q."""
    p, q = (X + Y) * H ** sympy.Rational(3, 2), X * Y * H**3
    if steps == 1:
        return (p / H**2 - 1) ** 2 + 1 / H + q**2 / H**7 + 2 * q / H**5
    g = q + H**3
    return (
        (2 * p * g / H**5 - 1) ** 2 + (g / H**3) ** 4 / H + 16 * q**2 / H**7 + 8 * q * (g / H**3) ** 2 / H**5
    )


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 2])
def test_the_functions_are_the_formulas(steps):
    for x, y, h in ((0.3, 0.9, 50), (1.4, 0.2, 1000)):
        values = {X: x, Y: y, H: h}
        one = unit(h)
        found = closed_form(steps, x * one, y * one, width=h).item()
        assert found == pytest.approx(float(closed_form_in_symbols(steps).subs(values)), rel=1e-12)
        found = loss_after(steps, x * one, y * one, width=h).item()
        assert found == pytest.approx(float(symbolic(steps, exact=True).subs(values)), rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 2])
def test_the_error_of_the_surrogate_is_the_leading_term(steps):
    difference = symbolic(steps, exact=True) - symbolic(steps, exact=False)
    leading = sympy.limit(sympy.expand(difference) * H, H, sympy.oo)
    for x, y in ((0.3, 0.9), (1.4, 0.2)):
        found = surrogate_error(steps, x * unit(100), y * unit(100), width=100).item()
        assert found == pytest.approx(float(leading.subs({X: x, Y: y})) / 100, rel=1e-12)


@pytest.mark.parametrize(("x", "wanted", "measured"), [(0.5, 9.06, 8.97), (1.0, 64, 62.1)])
def test_how_far_the_surrogate_is_off(x, wanted, measured):
    width = 2**18
    eta = x * unit(width)
    exact = loss_after(2, eta, eta, width=width) - closed_form(2, eta, eta, width=width)
    assert (surrogate_error(2, eta, eta, width=width) * width).item() == pytest.approx(wanted, abs=0.005)
    assert (exact * width).item() == pytest.approx(measured, rel=0.002)


def test_the_first_loss_is_exact():
    x, y = torch.rand(2, 50, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 3
    for width in (4, 1000):
        eta = x * unit(width), y * unit(width)
        torch.testing.assert_close(first_loss(*eta, width=width), loss_after(1, *eta, width=width))


def test_one_layer_alone_arrives_in_one_step():
    """And the surrogate sees 1/h there."""
    for width in (10, 300):
        assert first_loss(width**2, 0.0, width=width).item() == pytest.approx(0, abs=1e-25)
        assert descend(linear_network(width), width**2, 0.0, steps=1)[1].item() < 1e-25
        assert closed_form(1, width**2, 0.0, width=width).item() == pytest.approx(1 / width)


# --- the numbers of the study and of the reference file ---------------------------------------------------

TABLE = [
    (2, 27000, 0.05, 0.94773, 0.94781, 0.89255, 0.89458, 0.76658),
    (2, 27000, 0.5, 0.94776, 0.94842, 0.87888, 0.88423, 0.63104),
    (2, 40000, 0.05, 0.92261, 0.92282, 0.83668, 0.84139, 0.61367),
    (2, 40000, 0.5, 0.92276, 0.92422, 0.79495, 0.80803, 0.34774),
    (3, 60, 0.05, 0.88460, 0.88481, 0.74008, 0.75047, 0.31967),
    (3, 60, 0.5, 0.88460, 0.88618, 0.59964, 0.62650, 0.02231),
    (3, 80, 0.5, 0.84741, 0.85020, 0.34798, 0.40013, 0.09747),
]


@pytest.mark.parametrize(("layers", "p", "share", "closed1", "exact1", "closed2", "exact2", "exact4"), TABLE)
def test_the_numbers_at_width_1000(layers, p, share, closed1, exact1, closed2, exact2, exact4):
    """The exact values were taken with evenly spaced eigenvalues: near the mean, not at it."""
    eta = share * p, (1 - share) * p
    for steps, wanted in ((1, closed1), (2, closed2)):
        found = closed_form(steps, *eta, width=1000, layers=layers).item()
        assert found == pytest.approx(wanted, abs=6e-6)
    exact = losses(4, *eta, width=1000, layers=layers)
    for steps, wanted, within in ((1, exact1, 6e-6), (2, exact2, 2e-5), (4, exact4, 2e-4)):
        assert exact[steps].item() == pytest.approx(wanted, abs=within)


def equal_is_local_minimum(loss, p):
    """Whether small shifts from the equal split make the loss larger, on average over the two ways."""
    left, middle, right = (loss(s * p, (1 - s) * p).item() for s in (0.49, 0.5, 0.51))
    return left + right > 2 * middle


@pytest.mark.parametrize("alpha", [0.8, 1.0, 1.2, 1.5])
def test_corollary_a_equal_rates_are_never_best_at_the_first_step(alpha):
    p = 2 * 1000**alpha
    for loss in (lambda *eta: closed_form(1, *eta, width=1000), lambda *eta: loss_after(1, *eta, width=1000)):
        assert not equal_is_local_minimum(loss, p)
        shares = torch.linspace(0, 1, 101, dtype=torch.float64)
        assert loss(shares * p, (1 - shares) * p).argmax() == 50


@pytest.mark.parametrize(
    ("alpha", "closed", "exact"),
    [(0.9, False, False), (1.1, True, False), (1.3, True, True), (1.5, True, True)],
)
def test_corollary_b_equal_rates_at_the_second_step(alpha, closed, exact):
    """True of the surrogate from α > 1 on; of descent itself only from η₁ + η₂ ≈ 6 h on."""
    p = 2 * 1000**alpha
    assert equal_is_local_minimum(lambda *eta: closed_form(2, *eta, width=1000), p) == closed
    assert equal_is_local_minimum(lambda *eta: loss_after(2, *eta, width=1000), p) == exact


@pytest.mark.parametrize(
    ("layers", "width", "steps", "threshold"),
    [
        (2, 256, 2, 6.60),
        (2, 1000, 2, 6.13),
        (2, 16384, 2, 6.008),
        (2, 1000, 4, 2.0),
        (2, 1000, 8, 0.87),
        (3, 1000, 2, 3.0),
        (3, 16384, 2, 3.0),
        (3, 1000, 4, 1.0),
        (3, 1000, 8, 0.43),
    ],
)
def test_the_budget_from_which_equal_is_a_local_minimum(layers, width, steps, threshold):
    p = threshold * (width if layers == 2 else 1)
    options = {"width": width, "layers": layers}
    assert not equal_is_local_minimum(lambda *eta: loss_after(steps, *eta, **options), 0.97 * p)
    assert equal_is_local_minimum(lambda *eta: loss_after(steps, *eta, **options), 1.03 * p)


@pytest.mark.parametrize(
    ("layers", "p", "steps", "best"),
    [
        (2, 63000, 1, 0.0),
        (2, 63000, 2, 0.5),
        (2, 63000, 3, 0.36),
        (2, 63000, 4, 0.21),
        (2, 63000, 6, 0.105),
        (2, 40000, 4, 0.5),
        (2, 40000, 5, 0.29),
        (2, 40000, 6, 0.24),
        (2, 10000, 12, 0.5),
        (2, 10000, 16, 0.395),
        (3, 60, 3, 0.5),
        (3, 60, 4, 0.25),
        (3, 100, 3, 0.12),
    ],
)
def test_equal_rates_stop_being_best(layers, p, steps, best):
    shares = torch.linspace(0, 0.5, 201, dtype=torch.float64)
    found = loss_after(steps, shares * p, (1 - shares) * p, width=1000, layers=layers)
    assert shares[found.argmin()].item() == pytest.approx(best, abs=0.011)


@pytest.mark.parametrize(("share", "ends"), [(0.5, "above"), (0.4, "above"), (0.3, "solution")])
def test_the_product_decides_at_the_end(share, ends):
    """x + y = 2.05: 2√(xy) is 2.05, 2.01 and 1.88."""
    eta = split(2.05, share)
    assert (eta[0] * eta[1] < product_limit(1000)) == (ends == "solution")
    late = loss_after(1500, *eta, width=1000).item()
    assert (late < 1e-15) if ends == "solution" else (late > 1e-4)


def test_the_product_decides_with_three_layers():
    for p, arrives in ((63.0, True), (64.0, False)):
        assert (p * p / 4 < product_limit(1000, 3)) == arrives
        assert (loss_after(2000, p / 2, p / 2, width=1000, layers=3).item() < 1e-9) == arrives


def test_equal_rates_never_reverse_a_direction():
    """With x = y the two numbers stay equal, and the square of a real number is never −1/δ."""
    v, weight = torch.tensor([-1.0 + 0j], dtype=torch.complex128), double(1.0)
    equal = eigenvalue_losses(v, weight, double(0.3), double(0.3), steps=400, width=100)
    unequal = eigenvalue_losses(v, weight, double(0.35), double(0.25), steps=400, width=100)
    assert equal[-1].item() == pytest.approx(1.0)
    assert unequal[-1].item() < 1e-20


def test_a_signed_start_makes_equal_rates_best_at_once():
    """v = 1 is a scalar net that points the right way: there the product helps from the first step."""
    v, weight = torch.tensor([1.0 + 0j], dtype=torch.complex128), double(1.0)
    shares = torch.linspace(0, 1, 21, dtype=torch.float64)
    first = eigenvalue_losses(v, weight, shares, 1 - shares, steps=1, width=100)[1]
    assert first.argmin() == 10


# --- use --------------------------------------------------------------------------------------------------


def test_rates_broadcast_and_keep_their_precision():
    eta1, eta2 = torch.rand(3, 1) * 1e4, torch.rand(4) * 1e4
    for layers in (2, 3):
        found = losses(5, eta1, eta2, width=1000, layers=layers)
        assert found.shape == (6, 3, 4)
        assert found.dtype == torch.float32
        one = loss_after(5, eta1[2, 0].item(), eta2[1].item(), width=1000, layers=layers)
        assert one.dtype == torch.float64
        assert one.shape == ()
        if layers == 2:
            assert found[-1, 2, 1].item() == pytest.approx(one.item(), rel=1e-4)
    assert loss_after(1, eta1.double(), eta2, width=1000).dtype == torch.float64


@pytest.mark.parametrize("layers", [2, 3])
def test_no_step_and_too_large_steps(layers):
    assert loss_after(0, 1.0, 1.0, width=100, layers=layers).item() == pytest.approx(1.01)
    one = 9 * unit(100, layers)
    assert loss_after(60, one, one, width=100, layers=layers).item() == math.inf
    assert descend(linear_network(5, layers), 1e3, 1e3, steps=60)[-1].item() == math.inf


def test_gaussian_first_weights_have_the_same_size():
    generator = torch.Generator().manual_seed(0)
    assert gaussian(200, generator).square().sum().item() == pytest.approx(200, rel=0.03)
    network = linear_network(200, init="gaussian", data="gaussian")
    assert network.target.square().sum().item() == pytest.approx(1, rel=0.03)
    assert network.covariance.diagonal().mean().item() == pytest.approx(1, rel=0.03)
    assert network.loss.item() == pytest.approx(1 + 1 / 200, rel=0.1)


def test_seeds_differ_and_repeat():
    one, again, other = (linear_network(6, 3, seed=s).weights[0] for s in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: loss_after(-1, 1.0, 1.0, width=10), "steps must be at least 0, got -1"),
        (lambda: loss_after(1, -1.0, 1.0, width=10), "eta1 must be a finite number ≥ 0, got -1"),
        (lambda: loss_after(1, 1.0, math.nan, width=10), "eta2 must be a finite number ≥ 0, got nan"),
        (lambda: loss_after(1, 1.0, 1.0, width=1), "width must be at least 2, got 1"),
        (lambda: loss_after(1, 1.0, 1.0, width=10, layers=4), "layers must be from 2 to 3, got 4"),
        (lambda: loss_after(1, 1.0, 1.0, width=10, dynamics="exakt"), "did you mean exact?"),
        (lambda: closed_form(3, 1.0, 1.0, width=10), "steps must be from 1 to 2, got 3"),
        (lambda: surrogate_error(0, 1.0, 1.0, width=10), "steps must be from 1 to 2, got 0"),
        (lambda: linear_network(10, 1), "layers must be at least 2, got 1"),
        (lambda: linear_network(10, init="gauss"), "did you mean gaussian?"),
        (
            lambda: descend(linear_network(4), 1.0, steps=1),
            "eta must be one for each of the 2 weights, got 1",
        ),
        (lambda: descend(linear_network(4), 1.0, -2.0, steps=1), "eta2 must be a finite number ≥ 0, got -2"),
    ],
)
def test_what_cannot_be_computed(call, error):
    with pytest.raises(ValueError, match=error.replace("?", r"\?")):
        call()
