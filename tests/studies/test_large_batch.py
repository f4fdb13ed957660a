"""Large batches: steps to a target against the plain loop, the fit, the noise scale, and the quadratic."""

import math
from itertools import islice

import pytest
import torch
from torch.nn.functional import cross_entropy

from lwlr_teach.optim import METHODS
from lwlr_teach.problems import digits_task, mlp, signals
from lwlr_teach.runs import Minibatches, launch
from lwlr_teach.studies.large_batch import (
    BATCHES,
    CONTESTANTS,
    WARM_UP,
    Scaling,
    fit_critical,
    measured,
    noise_on_the_way,
    noise_scale,
    quadratic_steps,
    scaling,
    shared_run,
    train_to_target,
)

DATA = signals(train=512, test=300)


def by_hand(batch_size, lr, target, seed, most, warm_up=0):
    """The first step at which the loss on the test samples is at the target, looked at after every step."""
    task = digits_task(DATA, seeds=seed + 1, steps=most, batch_size=batch_size, hidden=(8,))
    params = [p[seed].clone().requires_grad_() for p in task.first]
    optimizer = torch.optim.SGD(params, lr=lr, momentum=0.9)
    for step, batch in enumerate(task.batches[:, seed], start=1):
        if warm_up:
            optimizer.param_groups[0]["lr"] = lr * min(
                1.0, 1 / warm_up + (1 - 1 / warm_up) * (step - 1) / warm_up
            )
        optimizer.zero_grad()
        cross_entropy(mlp(params, DATA.x_train[batch]), DATA.y_train[batch]).backward()
        optimizer.step()
        with torch.no_grad():
            if cross_entropy(mlp(params, DATA.x_test), DATA.y_test) <= target:
                return step
    return math.inf


@pytest.mark.parametrize("warm_up", [0, 10])
def test_steps_are_those_of_a_plain_loop(warm_up):
    settings = dict(target=1.9, warm_up=warm_up, seeds=2, patience=6, most=200, hidden=(8,), data=DATA)
    found = train_to_target("Momentum", 64, [0.0001, 0.1, 0.2], **settings)
    assert found.shape == (3, 2)
    assert found[0].isinf().all()
    for i, lr in enumerate((0.1, 0.2), start=1):
        for seed in range(2):
            wanted = by_hand(64, lr, 1.9, seed, 200, warm_up)
            assert wanted < 100
            assert found[i, seed].item() == pytest.approx(wanted, rel=0.08, abs=1)


def test_the_runs_end_when_the_best_rate_is_there_and_the_patience_is_over():
    settings = dict(target=1.9, seeds=1, most=200, hidden=(8,), data=DATA)
    impatient = train_to_target("Momentum", 64, [0.1, 0.2], patience=1, **settings)
    patient = train_to_target("Momentum", 64, [0.1, 0.2], patience=9, **settings)
    assert impatient[1] == patient[1]
    assert impatient[0].isinf()
    assert patient[0].isfinite()


def test_a_grid_for_each_batch_stands_in_one_table():
    rates = {16: [0.03, 0.06], 64: [0.06, 0.12]}
    run = scaling("Momentum", rates, target=2.0, seeds=1, data=DATA, progress=False)
    assert run.batches == (16, 64)
    assert run.lr.tolist() == pytest.approx([0.03, 0.06, 0.12])
    assert run.steps.isnan().tolist() == [[False, False, True], [True, False, False]]


def test_best_rates_and_rules():
    inf, nan = math.inf, math.nan
    steps = torch.tensor([[80.0, 90.0, inf, nan], [nan, 40.0, 30.0, inf], [nan, inf, 20.0, 10.0]])
    run = Scaling("SGD", 0, (16, 64, 256), torch.tensor([0.1, 0.2, 0.4, 0.8]), steps)
    assert run.best_steps.tolist() == [80, 30, 10]
    assert run.best_lr.tolist() == pytest.approx([0.1, 0.4, 0.8])
    assert run.by_rule(0.5).tolist() == [80, 40, 20]
    assert run.by_rule(1)[:2].tolist() == [80, 30]
    assert run.by_rule(1)[2].isnan()  # 1.6 was not tried


def test_the_fit_finds_the_two_numbers():
    batches = torch.tensor([1.0, 10, 100, 1000])
    least, critical = fit_critical(batches, 70 * (1 + 300 / batches))
    assert least == pytest.approx(70, rel=0.01)
    assert critical == pytest.approx(300, rel=0.01)


def test_the_noise_scale_is_that_of_single_samples():
    task = digits_task(DATA, seeds=2, steps=1, batch_size=1, hidden=(3,))
    found = noise_scale(task, task.first)
    for seed in range(2):
        params = [p[seed].clone().requires_grad_() for p in task.first]
        rows = []
        for x, y in zip(DATA.x_train, DATA.y_train, strict=True):
            grads = torch.autograd.grad(cross_entropy(mlp(params, x[None]), y[None]), params)
            rows.append(torch.cat([g.flatten() for g in grads]))
        rows = torch.stack(rows)
        trace = rows.var(0).sum()
        length = rows.mean(0).square().sum() - trace / len(rows)
        assert found[seed].item() == pytest.approx((trace / length).item(), rel=1e-3)


def test_noise_is_looked_at_on_the_way():
    marks, scales = noise_on_the_way(2.2, 1.9, seeds=1, parts=1)
    assert marks.tolist() == pytest.approx([2.2, 1.9])
    assert (scales > 30).all()
    assert (scales < 3000).all()


@pytest.mark.slow
def test_the_quadratic_is_that_of_drawn_noise():
    """A single curvature of 1: the expected square after t steps, at each of a few rates, drawn."""
    exact = quadratic_steps([4], curvatures=[1.0], noise=1.0, target=0.05)[0].item()
    generator, best = torch.Generator().manual_seed(0), math.inf
    for lr in torch.linspace(0.02, 0.5, 25).tolist():
        x = torch.ones(100_000)
        for step in range(1, 200):
            x -= lr * (x + torch.randn(100_000, generator=generator) / 2)
            if x.square().mean() <= 0.05:
                best = min(best, step)
                break
    assert best == pytest.approx(exact, rel=0.06, abs=1)


def test_on_the_quadratic_steps_follow_the_formula():
    batches = [4.0**k for k in range(9)]
    steps = quadratic_steps(batches)
    least, critical = fit_critical(batches, steps)
    formula = least * (1 + critical / torch.tensor(batches))
    assert (steps / formula - 1).abs().max() < 0.05
    assert steps[0] / steps[1] == pytest.approx(4, rel=0.05)
    assert steps[-2] / steps[-1] < 1.05
    louder = fit_critical(batches, quadratic_steps(batches, noise=2.0))
    assert louder[1] == pytest.approx(2 * critical, rel=0.1)


def test_what_is_stored_is_complete():
    runs = measured()
    assert set(runs) == {(m.name, warm_up) for m in CONTESTANTS for warm_up in (0, WARM_UP)}
    for (_, warm_up), run in runs.items():
        assert run.batches == (BATCHES[:-1] if warm_up else BATCHES)
        assert run.best_steps.isfinite().all()


@pytest.mark.slow
def test_what_is_stored_is_what_is_measured():
    run = measured()["Momentum", 0]
    again = scaling("Momentum", {256: [2.0**-4, 2.0**-3, 2.0**-2]}, data=None, progress=False)
    assert again.best_steps[0].item() == pytest.approx(run.best_steps[2].item(), rel=0.35)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lr": [0.1, 0.01]}, "lr must be positive and rise, got 0.1, 0.01"),
        ({"target": -1.0}, "target must be a finite number ≥ 0, got -1"),
        ({"patience": 0.5}, "patience must be"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"optimizer": "lamb"}, "optimizer 'lamb' is not known; did you mean LAMB"),
    ],
)
def test_bad_input(change, said):
    settings = {"optimizer": "SGD", "batch_size": 8, "lr": [0.1], "most": 2, "data": DATA}
    with pytest.raises(ValueError, match=said):
        train_to_target(**settings | change)


def test_momentum_is_the_catalogues():
    assert CONTESTANTS[0] is METHODS["Momentum"]


@pytest.mark.slow
def test_several_processes_see_the_losses_of_plain_torch():
    """A batch of 250 on three processes: parts of 84, 83 and 83 rows."""
    data = signals(train=2000)
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(40, 32),
        torch.nn.ReLU(),
        torch.nn.Linear(32, 32),
        torch.nn.ReLU(),
        torch.nn.Linear(32, 10),
    ).double()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    x, y = data.x_train.double(), data.y_train
    expected = []
    for chosen, labels in islice(Minibatches(x, y, 250), 5):
        loss = cross_entropy(model(chosen), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        expected.append(loss.item())
    first, *others = launch(_five, processes=3)
    torch.testing.assert_close(first.double(), torch.tensor(expected).double(), rtol=1e-6, atol=0)
    for other in others:
        assert other.equal(first)


def _five():
    return shared_run(250, steps=5)
