"""Published results, reproduced by our optimizers.

Each test names its source. The numbers that our code must meet were found independently of it.
"""

import math

import pytest
import torch

from lwlr_teach.clipping import by_global_norm
from lwlr_teach.optim import (
    LAMB,
    LARS,
    SGD,
    SGDHD,
    Adadelta,
    Adagrad,
    Adam,
    AdamW,
    Lion,
    Lookahead,
    Muon,
    NovoGrad,
    RAdam,
    RMSprop,
)
from lwlr_teach.optim.muon import orthogonalise
from tests.optim.runs import exact_muon

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.slow]


def double(*values):
    return torch.tensor(values, dtype=torch.float64)


def run(optimizer, gradient, steps, rate=None):
    """Take steps with the single parameter of an optimizer, and return it."""
    (param,) = optimizer.param_groups[0]["params"]
    for step in range(1, steps + 1):
        if rate is not None:
            optimizer.param_groups[0]["lr"] = rate(step)
        param.grad = gradient(param.detach(), step)
        optimizer.step()
    return param


def step_sizes(optimizer, gradient, steps):
    """How far the parameter moved in each step, against a gradient that is the same in each."""
    (param,) = optimizer.param_groups[0]["params"]
    sizes = []
    for _ in range(steps):
        before = param.detach().clone()
        param.grad = gradient.clone()
        optimizer.step()
        sizes.append(before - param.detach())
    return torch.stack(sizes)


# --- quadratics: how fast, and up to which rate ----------------------------------------------------------


@pytest.mark.parametrize(("kappa", "rate"), [(10, 0.818182), (100, 0.980198), (1000, 0.998002)])
def test_gradient_descent_at_its_best_rate_contracts_by_kappa_minus_1_over_kappa_plus_1(kappa, rate):
    """Polyak 1964; Goh 2017."""
    curvature = torch.linspace(1, kappa, 20, dtype=torch.float64)
    optimizer = SGD([torch.ones_like(curvature)], lr=2 / (1 + kappa))
    early = run(optimizer, lambda x, _: curvature * x, 300).norm()
    late = run(optimizer, lambda x, _: curvature * x, 1).norm()
    assert (late / early).item() == pytest.approx((kappa - 1) / (kappa + 1), rel=1e-6)
    assert (late / early).item() == pytest.approx(rate, abs=5e-7)


def spectral_radius(make, curvature, **settings):
    """By how much a method multiplies each direction of a quadratic per step, in the long run.

    With momentum a direction obeys x_{t+1} = a x_t − b x_{t−1}; a and b follow from four of our optimizer's
    iterates.
    """
    x = torch.ones_like(curvature)
    optimizer = make([x], **settings)
    iterates = [x.clone()]
    iterates += [run(optimizer, lambda x, _: curvature * x, 1).clone() for _ in range(3)]
    x0, x1, x2, x3 = iterates
    if not settings.get("momentum"):
        return (x1 / x0).abs()
    det = x1 * x1 - x0 * x2
    a, b = (x1 * x2 - x0 * x3) / det, (x2 * x2 - x1 * x3) / det
    root = torch.sqrt((a * a - 4 * b).to(torch.complex128))
    return torch.maximum((a + root).abs(), (a - root).abs()).div(2)


@pytest.mark.parametrize(("kappa", "rate"), [(10, 0.519494), (100, 0.818182), (1000, 0.938693)])
def test_the_heavy_ball_at_its_best_contracts_by_the_roots(kappa, rate):
    """Polyak 1964; Goh 2017: (√κ − 1) / (√κ + 1)."""
    root = math.sqrt(kappa)
    best = dict(lr=(2 / (1 + root)) ** 2, momentum=((root - 1) / (root + 1)) ** 2)
    # The two ends, where the roots are double, only to the root of the precision.
    radius = spectral_radius(SGD, torch.linspace(1.01, kappa - 0.01, 50, dtype=torch.float64), **best)
    assert radius.tolist() == pytest.approx([(root - 1) / (root + 1)] * 50, rel=1e-5)
    assert radius.max().item() == pytest.approx(rate, rel=1e-5)


def test_the_heavy_ball_reaches_that_rate_in_a_long_run():
    root = math.sqrt(1000)
    x = torch.ones(2, dtype=torch.float64)
    optimizer = SGD([x], lr=(2 / (1 + root)) ** 2, momentum=((root - 1) / (root + 1)) ** 2)
    early = run(optimizer, lambda x, _: double(1, 1000) * x, 4000).norm().item()
    late = run(optimizer, lambda x, _: double(1, 1000) * x, 1).norm().item()
    assert late / early == pytest.approx(0.9389, abs=1e-4)


@pytest.mark.parametrize("curvature", [1.0, 25.0])
@pytest.mark.parametrize(
    ("limit", "settings"),
    [
        (2.0, dict()),
        (3.0, dict(momentum=0.5)),
        (3.8, dict(momentum=0.9)),
        (1.5, dict(momentum=0.5, nesterov=True)),
        (1.357143, dict(momentum=0.9, nesterov=True)),
    ],
    ids=["plain", "heavy ball 0.5", "heavy ball 0.9", "Nesterov 0.5", "Nesterov 0.9"],
)
def test_the_largest_stable_rate(limit, settings, curvature):
    """2/λ; (2 + 2μ)/λ for the heavy ball; (2 + 2μ)/((1 + 2μ)λ) for Nesterov. Here to one in a million."""
    rates = double(1 - 1e-6, 1 + 1e-6)[:, None] * limit / curvature
    direction = torch.full((2, 1), curvature, dtype=torch.float64)
    below, above = spectral_radius(SGD, direction, lr=rates, **settings)
    assert below < 1 < above


def steps_to(tolerance, rates, curvature, limit):
    """How many steps gradient descent needs until no coordinate is larger than the tolerance."""
    x = torch.ones(len(rates), len(curvature), dtype=torch.float64)
    optimizer = SGD([x], lr=double(*rates))
    needed = torch.zeros(len(rates), dtype=torch.int64)
    for step in range(1, limit + 1):
        x.grad = curvature * x
        optimizer.step()
        arrived = x.abs().amax(-1) <= tolerance
        needed = torch.where(arrived & (needed == 0), step, needed)
    return needed.tolist(), x.abs().amax(-1).tolist()


def test_the_steps_needed_are_u_shaped_in_the_rate():
    """κ = 100: fewest near 2/101, none at 0.02, divergence beyond."""
    rates = [0.01, 0.0198, 0.01999, 0.02, 0.0201]
    needed, left = steps_to(1e-6, rates, double(1, 100), limit=13900)
    assert needed == [1375, 691, 13809, 0, 0]
    assert left[3] == pytest.approx(1, abs=1e-9)
    assert not left[4] < 1e6


def test_a_rate_a_hundred_times_too_small_needs_a_hundred_times_as_many_steps():
    x = torch.ones(2, dtype=torch.float64)
    optimizer = SGD([x], lr=1e-4)
    assert run(optimizer, lambda x, _: double(1, 100) * x, 138_148).max() > 1e-6
    assert run(optimizer, lambda x, _: double(1, 100) * x, 1).max() <= 1e-6


# --- noise -----------------------------------------------------------------------------------------------


def test_the_noise_floor_of_sgd():
    """Variance η σ² / (λ (2 − η λ)), with λ = σ = 1."""
    rates, generator = double(0.1, 0.4, 0.72), torch.Generator().manual_seed(0)
    x = torch.zeros(3, 200_000, dtype=torch.float64)
    run(SGD([x], lr=rates), lambda x, _: x + torch.randn(x.shape, generator=generator), 60)
    assert x.var(1).tolist() == pytest.approx([0.05263, 0.25, 0.5625], rel=0.01)


def test_the_rate_one_over_t_gives_the_mean_of_what_was_seen():
    """Robbins & Monro 1951: with curvature 1 the iterate is the sample mean."""
    seen = torch.randn(100, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    x = run(SGD([double(9, 9, 9, 9, 9)]), lambda x, t: x - seen[t - 1], 100, rate=lambda t: 1 / t)
    torch.testing.assert_close(x, seen.mean(0), rtol=1e-13, atol=1e-14)


# --- where Adam goes wrong -------------------------------------------------------------------------------


def on_the_interval(cls, gradient, steps, rate, runs=1, **settings):
    """Steps that are put back into [−1, 1] each time."""
    x = torch.zeros(runs, dtype=torch.float64)
    optimizer = cls([x], **settings)
    for step in range(1, steps + 1):
        optimizer.param_groups[0]["lr"] = rate(step)
        x.grad = torch.full_like(x, gradient(step))
        optimizer.step()
        x.clamp_(-1, 1)
    return x.tolist()


def test_adam_goes_to_the_wrong_end_and_amsgrad_to_the_right_one():
    """Reddi, Kale & Kumar 2018, theorem 1 with C = 3; −1 is best, for the gradients' sum is positive."""

    def end(**settings):
        betas = (0.0, 1 / (1 + 3**2))
        return on_the_interval(
            Adam, lambda t: 3 if t % 3 == 1 else -1, 3000, lambda t: 0.5 / t**0.5, betas=betas, **settings
        )[0]

    assert end() > 0.99
    assert end(amsgrad=True) < -0.99


def test_adam_with_its_usual_memory_does_not_fail_there():
    (end,) = on_the_interval(Adam, lambda t: 3 if t % 3 == 1 else -1, 3000, lambda t: 0.5 / t**0.5)
    assert end < -0.9


def test_adam_and_amsgrad_on_reddis_online_example():
    """The paper's figure 1, cut short: a constant rate 0.001 and 0.5/√t, side by side."""

    def ends(**settings):
        return on_the_interval(
            Adam,
            lambda t: 1010 if t % 101 == 1 else -10,
            12_000,
            lambda t: double(1e-3, 0.5 / t**0.5),
            runs=2,
            betas=(0.9, 0.99),
            **settings,
        )

    slow, fast = ends()
    assert slow > 0.2
    assert fast > 0.98
    slow, fast = ends(amsgrad=True)
    assert slow < -0.009
    assert fast < -0.85


def wilson(n, generator, first=0):
    """Features (y, 1, 1, a private block of one column if y = 1 and of five if y = −1), and labels."""
    y = torch.where(torch.rand(n, generator=generator) < 0.7, 1.0, -1.0).double()
    x = torch.zeros(n, 3 + 5 * (first + n), dtype=torch.float64)
    x[:, 0], x[:, 1:3] = y, 1
    for i in range(n):
        start = 3 + 5 * (first + i)
        x[i, start : start + (1 if y[i] > 0 else 5)] = 1
    return x, y


@pytest.mark.parametrize(
    ("optimizer", "settings", "adaptive"),
    [
        (SGD, dict(lr=0.3), False),
        (SGD, dict(lr=0.1, momentum=0.9), False),
        (Adagrad, dict(lr=0.05), True),
        (RMSprop, dict(lr=0.01), True),
        (Adam, dict(lr=0.02), True),
    ],
    ids=["GD", "heavy ball", "Adagrad", "RMSprop", "Adam"],
)
def test_adaptive_methods_can_learn_the_wrong_thing(optimizer, settings, adaptive):
    """Wilson et al. 2017: all fit the training set; adaptive ones call every new example positive.

    The rates of RMSprop and Adam decay: at a constant one they circle the solution, at a distance that hangs
    on the last digit. Adagrad's decays by itself.
    """
    generator = torch.Generator().manual_seed(3)
    x, y = wilson(60, generator)
    new, labels = wilson(200, generator, first=60)  # private blocks that training has not seen
    weights = torch.zeros(x.shape[1], dtype=torch.float64)
    run(
        optimizer([weights], **settings),
        lambda w, _: x.T @ (x @ w - y) / len(y),
        1500,
        rate=lambda t: settings["lr"] * (0.99**t if optimizer in (RMSprop, Adam) else 1),
    )
    assert (x @ weights - y).square().mean() < 1e-12
    wrong = (new[:, :3] @ weights[:3]).sign() != labels
    if adaptive:
        towards = torch.cosine_similarity(weights, (x.T @ y).sign(), dim=0).item()
        assert towards == pytest.approx(1, abs=1e-6)
        assert torch.equal(wrong, labels < 0)
        assert wrong.any()
    else:
        assert not wrong.any()


# --- weight decay ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cls", "left"),
    [(AdamW, [0.2221] * 4), (Adam, [0.001, 0.241, 0.8595, 0.9836])],
    ids=["AdamW", "Adam"],
)
def test_adams_decay_depends_on_the_size_of_the_gradient_and_adamws_does_not(cls, left):
    """Loshchilov & Hutter 2019. Noise of size s as gradient: AdamW leaves e^{−1.5}, Adam near e^{−1.5/s}."""
    sizes, generator = double(0.1, 1, 10, 100)[:, None], torch.Generator().manual_seed(0)
    x = torch.ones(4, 1000, dtype=torch.float64)
    noise = lambda x, _: sizes * torch.randn(x.shape, generator=generator)  # noqa: E731
    run(cls([x], lr=1e-3, weight_decay=0.5), noise, 3000)
    assert x.mean(1).tolist() == pytest.approx(left, abs=0.012)


# --- sizes of steps --------------------------------------------------------------------------------------

GRADIENTS = double(1e-3, 1, 1e3)


@pytest.mark.parametrize(
    ("optimizer", "sizes"),
    [
        (lambda p: Adam(p, lr=0.01), [0.01, 0.01, 0.01]),
        (lambda p: AdamW(p, lr=0.01), [0.01, 0.01, 0.01]),
        (lambda p: RMSprop(p, lr=0.01), [0.1, 0.1, 0.1]),
        (lambda p: RMSprop(p, lr=0.01, alpha=0.9), [0.0316228, 0.0316228, 0.0316228]),
        (lambda p: Adagrad(p, lr=0.01), [0.01, 0.01, 0.01]),
        (lambda p: RAdam(p, lr=0.01), [1e-5, 0.01, 10]),
        (lambda p: SGD(p, lr=0.01), [1e-5, 0.01, 10]),
    ],
    ids=["Adam", "AdamW", "RMSprop", "RMSprop 0.9", "Adagrad", "RAdam", "SGD"],
)
def test_the_first_step_against_a_small_a_middling_and_a_large_gradient(optimizer, sizes):
    first = step_sizes(optimizer([torch.zeros(3, dtype=torch.float64)]), GRADIENTS, 1)[0]
    assert first.tolist() == pytest.approx(sizes, rel=2e-4)


def test_rmsprops_step_shrinks_to_the_rate():
    last = step_sizes(RMSprop([torch.zeros(3, dtype=torch.float64)], lr=0.01), GRADIENTS, 1000)[-1]
    assert last.tolist() == pytest.approx([0.01] * 3, rel=2e-4)


def test_adagrads_steps_shrink_with_the_root_of_time():
    sizes = step_sizes(Adagrad([torch.zeros(3, dtype=torch.float64)], lr=0.01), GRADIENTS, 10_000) / 0.01
    torch.testing.assert_close(sizes[:, 1], torch.arange(1, 10_001).double().rsqrt())
    assert sizes[:100].sum(0).tolist() == pytest.approx([18.5896] * 3, rel=1e-5)
    assert sizes.sum(0).tolist() == pytest.approx([198.545] * 3, rel=1e-5)


def test_adadeltas_first_step_is_made_of_epsilon():
    """Zeiler 2012: √ε / √(1 − ρ) for all but small gradients; 1000 steps later they have grown a little."""
    sizes = step_sizes(Adadelta([torch.zeros(3, dtype=torch.float64)]), double(0.1, 1, 1000), 1000)
    assert sizes[0].tolist() == pytest.approx([3.16e-3] * 3, rel=2e-3)
    assert sizes[-1, 1:].tolist() == pytest.approx([0.0106] * 2, abs=5e-5)


def test_radam_waits_five_steps_and_then_divides_by_a_growing_root():
    """Liu et al. 2020, at β₂ = 0.999: ρ₅ = 4.996 is too few; r at steps 6, 10, 100, 1000 and 10 000."""
    sizes = step_sizes(RAdam([torch.zeros(1, dtype=torch.float64)], lr=1.0), double(7), 10_000)[:, 0]
    assert sizes[:5].tolist() == pytest.approx([7] * 5)
    found = [sizes[t - 1].item() for t in (6, 10, 100, 1000, 10_000)]
    assert found == pytest.approx([0.02582, 0.0490, 0.2153, 0.6453, 0.9998], abs=5e-5)


def test_where_epsilon_stands_matters_for_small_gradients():
    """A steady gradient of 1e-4 and ε = 1e-8: 0.9999 of the rate outside the root, 0.7071 inside."""
    for eps_in_root, share in [(False, 0.9999), (True, 0.7071)]:
        settings = dict(lr=1.0, alpha=0.5, eps=1e-8, eps_in_root=eps_in_root)
        last = step_sizes(RMSprop([torch.zeros(1, dtype=torch.float64)], **settings), double(1e-4), 60)[-1]
        assert last.item() == pytest.approx(share, abs=5e-5)


def test_adams_first_step_against_a_gradient_as_small_as_epsilon():
    """Half of the rate: ε is added after the correction. Keras adds it before: 0.031 of the rate."""
    first = step_sizes(Adam([torch.zeros(1, dtype=torch.float64)], lr=1.0), double(1e-8), 1)
    assert first.item() == pytest.approx(0.5)


def test_adagrad_as_in_keras_takes_a_first_step_three_times_smaller():
    settings = dict(lr=1.0, initial_accumulator_value=0.1, eps=1e-7, eps_in_root=True)
    first = step_sizes(Adagrad([torch.zeros(1, dtype=torch.float64)], **settings), double(0.1), 1)
    assert 1 / first.item() == pytest.approx(3.3, abs=0.05)


def test_amsgrad_forgets_a_first_large_gradient_because_it_corrects_after_the_maximum():
    """After 10, 1, 1, … the denominator at step 1000 is 1.03 as in torch, not optax's 10."""
    x = torch.zeros(1, dtype=torch.float64)
    optimizer = Adam([x], lr=1.0, amsgrad=True)
    before = run(optimizer, lambda x, t: torch.full_like(x, 10 if t == 1 else 1), 999).clone()
    after = run(optimizer, lambda x, _: torch.ones_like(x), 1)
    assert 1 / (before - after).item() == pytest.approx(1.03, abs=0.005)


def test_momentum_amplifies_ten_times_and_a_damped_buffer_does_not():
    for dampening, gain in [(0, 9.9997), (0.9, 1)]:
        x = torch.zeros(1, dtype=torch.float64)
        last = step_sizes(SGD([x], lr=1.0, momentum=0.9, dampening=dampening), double(1), 100)[-1]
        assert last.item() == pytest.approx(gain, abs=5e-5)


def test_lion_steps_by_the_rate_and_asks_another_average_than_it_keeps():
    """Chen et al. 2023, by hand: a large gradient is remembered against a small one, a small one is not."""
    x = double(3, -2, 0)
    optimizer = Lion([x], lr=0.5)
    first, second = double(100, -1e-6, 0), double(-1, 1e-6, 0)
    assert run(optimizer, lambda *_: first, 1).tolist() == [2.5, -1.5, 0]
    (m,) = [state["exp_avg"] for state in optimizer.state.values()]
    assert m.tolist() == pytest.approx([1, -1e-8, 0])
    # c = 0.9 · 1 − 0.1 · 1 is on the old side, 0.9 · (−1e-8) + 0.1 · 1e-6 on the new one.
    assert run(optimizer, lambda *_: second, 1).tolist() == [2.0, -2.0, 0]
    (m,) = [state["exp_avg"] for state in optimizer.state.values()]
    assert m.tolist() == pytest.approx([0.99 - 0.01, 1e-10, 0], rel=1e-5)


def test_lions_decay_does_not_pass_through_the_sign():
    x = double(4, -4)
    assert run(Lion([x], lr=0.5, weight_decay=0.1), lambda *_: double(1, 0), 1).tolist() == [3.3, -3.8]


def test_novograd_amplifies_twentyfold_unless_it_averages():
    for averaging, gain in [(False, 20), (True, 1)]:
        optimizer = NovoGrad([torch.zeros(3, dtype=torch.float64)], lr=1.0, grad_averaging=averaging)
        last = step_sizes(optimizer, double(3, 0, 4), 500)[-1]
        assert last.norm().item() == pytest.approx(gain, rel=1e-6)


def test_a_new_rate_acts_at_once_because_it_stands_outside_the_buffer():
    """50 steps at 0.05, then a tenth of it. With the rate inside (Keras) the first step would be 0.4527."""
    optimizer = SGD([torch.zeros(1, dtype=torch.float64)], lr=0.05, momentum=0.9)
    assert step_sizes(optimizer, double(1), 50)[-1].item() == pytest.approx(0.4974, abs=5e-5)
    optimizer.param_groups[0]["lr"] = 0.005
    assert step_sizes(optimizer, double(1), 1).item() == pytest.approx(0.0498, abs=5e-5)


@pytest.mark.parametrize(
    ("make", "share"),
    [
        (lambda p: LAMB(p, lr=0.02), 0.02),
        (lambda p: LAMB(p, lr=0.02, weight_decay=0.3), 0.02),
        (lambda p: LARS(p, lr=2.0, momentum=0, trust_coefficient=0.01), 0.02),
    ],
    ids=["LAMB", "LAMB with decay", "LARS"],
)
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_a_step_changes_each_layer_by_the_same_share_whatever_its_gradient(make, share, scale):
    """You et al. 2017 and 2020: ‖Δp‖ / ‖p‖ = η, times τ for LARS."""
    generator = torch.Generator().manual_seed(0)
    params = [10.0**i * torch.randn(4, 3, generator=generator, dtype=torch.float64) for i in range(-2, 3)]
    optimizer = make(params)
    for step in range(1, 6):
        before = [p.clone() for p in params]
        for p in params:
            p.grad = scale * torch.randn(4, 3, generator=generator, dtype=torch.float64)
        optimizer.step()
        shares = [((p - b).norm() / b.norm()).item() for p, b in zip(params, before, strict=True)]
        assert shares == pytest.approx([share] * 5, rel=1e-9), step


# --- what a factor on the loss does ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "invariant"),
    [
        (lambda p: Adam(p, lr=0.01), True),
        (lambda p: Adagrad(p, lr=0.1), True),
        (lambda p: RMSprop(p, lr=0.01), True),
        (lambda p: Adadelta(p), True),
        (lambda p: LAMB(p, lr=0.01), True),
        (lambda p: LARS(p, lr=1.0), True),
        (lambda p: NovoGrad(p, lr=0.01), True),
        (lambda p: SGD(p, lr=0.01), False),
        (lambda p: SGD(p, lr=0.01, momentum=0.9), False),
    ],
    ids=["Adam", "Adagrad", "RMSprop", "Adadelta", "LAMB", "LARS", "NovoGrad", "SGD", "momentum"],
)
def test_a_loss_fifteen_times_as_large_means_nothing_to_those_who_divide(make, invariant):
    ends = []
    for factor in (1, 15):
        x = double(3, -2, 0.5)
        run(make([x]), lambda x, t, factor=factor: factor * (20 + 5 * torch.sin(x + t)), 50)
        ends.append(x)
    same = torch.allclose(*ends, rtol=1e-6, atol=0)
    assert same is invariant


# --- Lookahead, hypergradient, Muon, clipping ------------------------------------------------------------


def test_lookahead_starts_its_slow_weights_where_the_fast_ones_start():
    """Zhang et al. 2019. Descent on x²/2 at rate 0.1: .7952 after five steps, where timm has .5905."""
    x = double(1)
    optimizer = Lookahead(SGD([x], lr=0.1), k=5, alpha=0.5)
    assert run(optimizer, lambda x, _: x, 4).item() == pytest.approx(0.9**4)
    assert run(optimizer, lambda x, _: x, 1).item() == pytest.approx(0.7952, abs=5e-5)
    assert run(optimizer, lambda x, _: x, 5).item() == pytest.approx(0.795245**2)


def test_the_rate_finds_itself():
    """Baydin et al. 2018, κ = 10 from (1, 1), β = 0.001: from a rate of 0.001 to 0.105 in 300 steps."""
    curvature = double(1, 10)
    x = torch.ones(2, 2, dtype=torch.float64)
    optimizer = SGDHD([x], lr=1e-3, hypergrad_lr=double(0, 1e-3))  # one without, one with
    run(optimizer, lambda x, _: curvature * x, 300)
    fixed, learned = (curvature * x * x).sum(1).div(2).tolist()
    assert fixed == pytest.approx(0.286, abs=5e-4)
    assert learned < 1.1e-29
    assert optimizer.param_groups[0]["lr"].tolist() == pytest.approx([0.001, 0.105], abs=5e-4)


def test_muons_iteration_brings_singular_values_near_to_one_but_not_to_one():
    """Jordan et al. 2024: from [0.01, 1] into [0.682, 1.134]; 0.001 only to 0.47.

    So the polynomial says, and we in float64. bfloat16 has two to three digits, and five rounds lose of them.
    """

    def found(*singular_values):
        matrix = orthogonalise(
            torch.diag(double(*singular_values)), (3.4445, -4.775, 2.0315), steps=5, eps=1e-7
        )
        return torch.linalg.svdvals(matrix.double())

    def results():
        smaller = torch.logspace(-2, -0.16, 200, dtype=torch.float64)  # up to 0.69, where they change places
        ends = torch.cat([found(math.sqrt(1 - s * s), s) for s in smaller.tolist()])
        return [ends.min().item(), ends.max().item(), found(1, 0.001)[1].item()]

    with exact_muon():
        assert results() == pytest.approx([0.682, 1.134, 0.4705], abs=5e-4)
    assert results() == pytest.approx([0.682, 1.134, 0.4705], abs=0.05)


@pytest.mark.parametrize("shape", [(8, 2), (3, 3), (2, 8)])
def test_muons_ratio_can_keep_the_step_of_the_outputs(shape):
    """Bernstein 2025: the spectral norm of the step is near to rate · √(rows / columns)."""
    grad = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    orthogonal = orthogonalise(grad, (3.4445, -4.775, 2.0315), steps=5, eps=1e-7).double()
    moved = torch.zeros(shape, dtype=torch.float64)
    optimizer = Muon([moved], lr=0.1, momentum=0, weight_decay=0, adjust_lr_fn="spectral_unclamped")
    run(optimizer, lambda _, __: grad, 1)
    length = 0.1 * math.sqrt(shape[0] / shape[1])
    torch.testing.assert_close(moved, -length * orthogonal)
    assert torch.linalg.matrix_norm(moved, 2).item() == pytest.approx(length, rel=0.33)


def cliff(weight, bias):
    """Loss of a recurrent network of one unit after 50 steps."""
    x = torch.full_like(weight, 0.5)
    for _ in range(50):
        x = weight * torch.sigmoid(x) + bias
    return (x - 0.7).square()


def slopes(weight, bias):
    weight, bias = weight.clone().requires_grad_(), bias.clone().requires_grad_()
    grads = torch.autograd.grad(cliff(weight, bias).sum(), (weight, bias))
    return torch.stack(grads).norm(dim=0)


def test_clipping_stops_the_leap_from_the_cliff():
    """Pascanu, Mikolov & Bengio 2013, figure 6: one unit, weight in [4, 7], bias in [−4, −1]."""
    lines = [torch.linspace(0, 3, n, dtype=torch.float64) for n in (31, 61)]
    coarse, fine = (slopes(*torch.meshgrid(4 + line, line - 4, indexing="ij")) for line in lines)
    assert coarse.median().item() == pytest.approx(9.7, abs=0.05)
    assert fine.max().item() == pytest.approx(864, abs=1)

    def leap(clip):
        weight, bias = (double(v).requires_grad_() for v in (4.9, -2.55))
        optimizer = SGD([weight, bias], lr=0.01, clip=clip)
        loss = cliff(weight, bias)
        assert loss.item() == pytest.approx(0.0079, abs=5e-5)
        loss.backward()
        optimizer.step()
        moved = math.hypot(weight.item() - 4.9, bias.item() + 2.55)
        return cliff(weight, bias).item(), bias.item(), moved

    loss, bias, _ = leap(None)
    assert loss == pytest.approx(112, abs=0.5)
    assert bias == pytest.approx(-9.9, abs=0.05)
    loss, _, moved = leap(by_global_norm(1.0))
    assert moved == pytest.approx(0.01)
    assert loss == pytest.approx(7.0, abs=0.05)
