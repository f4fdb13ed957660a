"""How long to remember: against the exact errors of a moving average, and of a fixed rate."""

import math

import pytest
import torch

from lwlr_teach.optim import METHODS, Adadelta, Method, RMSprop
from lwlr_teach.studies import ADADELTA_BY_EPS, CHANGES, best_memory, chase, guess_sizes


@pytest.fixture(scope="module")
def sizes():
    return guess_sizes()


def exact_error(memory, speed):
    """Of ln √s near the truth: ln σ² walks at random, and g² has the relative variance 2."""
    gain = 1 / memory
    lag, tremble = (1 - gain) ** 2 * (2 * speed) ** 2, gain**2 * 2
    return 0.5 * math.sqrt((lag + tremble) / (1 - (1 - gain) ** 2))


@pytest.mark.parametrize("change", ["slow drift", "fast drift"])
def test_the_error_of_a_long_memory_is_the_exact_one(sizes, change):
    i, speed = sizes.names.index(change), CHANGES[change].speed
    near = [(m, e) for m, e in zip(sizes.memories.tolist(), sizes.error[i].tolist(), strict=True) if e < 0.2]
    assert len(near) > 10
    for memory, error in near:
        if memory > 10:
            assert error == pytest.approx(exact_error(memory, speed), rel=0.06)


@pytest.mark.parametrize("change", ["slow drift", "fast drift"])
def test_the_best_memory_is_that_of_the_steady_filter(sizes, change):
    best = sizes.best[sizes.names.index(change)].item()
    assert best == pytest.approx(best_memory(CHANGES[change].speed), rel=0.2)


def test_the_formula_has_the_smallest_exact_error():
    for speed in (0.003, 0.01, 0.04, 0.3):
        best = best_memory(speed)
        assert exact_error(best, speed) < min(exact_error(f * best, speed) for f in (0.98, 1.02))
    assert best_memory(0.001) * 0.001 == pytest.approx(1 / math.sqrt(2), rel=1e-3)
    assert best_memory(0.005) / best_memory(0.02) == pytest.approx(4, rel=0.02)


def test_what_is_shown_is_one_draw():
    few = guess_sizes([1, 10, 100], steps=40, before=30, draws=5, shown=3)
    drift, _, fall = few.size
    assert drift[0] == pytest.approx(1)  # where the measured steps begin
    assert (fall[:20] == 1).all()
    assert fall[20:].tolist() == pytest.approx([0.2] * 20)
    # A memory of one step is the last gradient itself.
    torch.testing.assert_close(few.guessed[:, 0], few.seen)
    # By hand, a step of the average.
    s = 0.9 * few.guessed[:, 1, 9] ** 2 + 0.1 * few.seen[:, 10] ** 2
    torch.testing.assert_close(few.guessed[:, 1, 10], s.sqrt())
    # Nothing is forgotten: the last mean is that of all squares, of which 30 came before.
    before = 31 * few.never_forgets[:, 0] ** 2 - few.seen[:, 0] ** 2
    so_far = (before + (few.seen**2).sum(1)) / 70
    torch.testing.assert_close(few.never_forgets[:, -1], so_far.sqrt())


def test_the_error_is_measured_on_all_draws():
    one, other = (guess_sizes([2, 20], steps=30, draws=10, shown=n) for n in (0, 9))
    assert not torch.equal(one.size[0], other.size[0])
    torch.testing.assert_close(one.error, other.error)
    assert not torch.allclose(one.error, guess_sizes([2, 20], steps=30, draws=10, seed=1).error)


def test_a_fixed_rate_follows_as_theory_says():
    """A noise of variance 1 leaves p with the variance η/(2 − η), and a jump fades by 1 − η a step."""
    lr = 0.1
    followed = chase(["SGD"], lr=[lr], steps=1000, every=500, draws=2000)
    still = followed.distance[0, 0, 200:500].square().mean().item()
    assert still == pytest.approx(lr / (2 - lr), rel=0.03)
    square = followed.distance[0, 0, 500:520].square() - still
    expected = (1 - lr) ** (2 * torch.arange(20, dtype=torch.float64))
    torch.testing.assert_close(square, expected, rtol=0.1, atol=0.02)
    assert followed.tried[0, 0, 0] ** 2 == pytest.approx(followed.distance.square().mean().item(), rel=0.1)


def test_each_method_has_its_own_rate_and_other_draws_judge_it():
    rates = [0.001, 0.05, 0.3, 30.0]
    followed = chase(["SGD", "RMSprop"], lr=rates, falls=(1, 10), steps=300, every=100, fall_at=150, draws=40)
    assert followed.tried.shape == (2, 2, 4)
    assert followed.distance.shape == (2, 2, 300)
    assert followed.best.shape == (2, 2)
    assert followed.tried[0, 0, 3] == torch.inf  # SGD beyond its edge
    assert followed.best[0].tolist() == pytest.approx([0.05, 0.05])
    judged, chose = followed.distance[0, 0].square().mean().sqrt(), followed.tried[0, 0].min()
    assert judged.item() != pytest.approx(chose.item(), rel=1e-6)
    # Until the gradients fall both targets are the same, for the same rate.
    torch.testing.assert_close(followed.distance[0, 1, :100], followed.distance[1, 1, :100])
    assert (followed.distance[0, 1, 160:] != followed.distance[1, 1, 160:]).any()


def test_what_is_divided_by_its_size_does_not_see_a_fall_that_was_there_from_the_start():
    followed = chase([METHODS["RMSprop"]], lr=[0.05], falls=(1, 10), fall_at=0, steps=100, draws=40)
    torch.testing.assert_close(followed.distance[0], followed.distance[1], rtol=1e-4, atol=1e-6)


def test_a_sweep_of_rates_sweeps_the_eps_of_adadelta():
    walkers = torch.tensor([1.0, 1.0]), torch.tensor([1.0]), torch.tensor([1.0])
    eps = torch.tensor([1e-6, 1e-2])
    by_eps = ADADELTA_BY_EPS([walkers[0]], lr=eps)
    alone = [Adadelta([w], eps=e) for w, e in zip(walkers[1:], (1e-6, 1e-2), strict=True)]
    for _ in range(3):
        for w, optimizer in zip(walkers, [by_eps, *alone], strict=True):
            w.grad = w.clone()
            optimizer.step()
    torch.testing.assert_close(walkers[0], torch.cat(walkers[1:]))
    assert ADADELTA_BY_EPS.target("lr") == "lr"


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: guess_sizes([0.5, 2]), "memories must be"),
        (lambda: guess_sizes([5, 2]), "memories must be positive and rise"),
        (lambda: guess_sizes(draws=1), "draws must be"),
        (lambda: guess_sizes(draws=5, shown=5), "shown must be"),
        (lambda: best_memory(0), "speed must be"),
        (lambda: chase(["SGD"], lr=[0.1], falls=[0.0]), "falls must be"),
        (lambda: chase(["SGD"], lr=[]), "lr must be a list"),
        (lambda: chase(["SDG"], lr=[0.1]), "did you mean SGD"),
        (lambda: chase([Method("short", RMSprop, {"alpha": 0.9})], lr=[0.1], draws=3), "draws must be .*3"),
    ],
)
def test_what_cannot_be_run_is_named(call, says):
    with pytest.raises(ValueError, match=says):
        call()
