import copy
import functools
import math
import random
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from lwlr_teach.core import progress
from lwlr_teach.optim import METHODS, SGDHD, Adam
from lwlr_teach.problems.data import digits
from lwlr_teach.runs.range_tests import RangeTest, exponential_rates, range_test, smooth
from lwlr_teach.runs.search import Search, search_rate
from lwlr_teach.runs.training import Minibatches, fit

CROSS_ENTROPY = nn.functional.cross_entropy


def _network(*, seed=0, extras=()):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(64, 32), *extras, nn.ReLU(), nn.Linear(32, 10))


@pytest.fixture(scope="module")
def batches():
    data = digits()
    return list(zip(data.x_train[:1280].split(64), data.y_train[:1280].split(64), strict=True))


# --- rates and smoothing ----------------------------------------------------------------------------------


def test_the_rates_are_those_of_torchs_scheduler():
    rates = exponential_rates(1e-5, 10, 61)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1e-5)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=(10 / 1e-5) ** (1 / 60))
    for rate in rates:
        assert math.isclose(rate.item(), optimizer.param_groups[0]["lr"], rel_tol=1e-9)
        optimizer.step()
        scheduler.step()
    for low, high in [(1e-5, 10), (3e-5, 7), (0.0123, 0.77)]:
        rates = exponential_rates(low, high, 7)
        assert (rates[0].item(), rates[-1].item()) == (low, high)


def test_smoothing_is_adams_corrected_mean():
    """Adam's first moment, divided by 1 − β₁^t."""
    losses = torch.rand(50, dtype=torch.float64)
    p = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    adam = torch.optim.Adam([p], betas=(0.9, 0.999))
    for t, (loss, mean) in enumerate(zip(losses, smooth(losses.tolist(), 0.9), strict=True), start=1):
        p.grad = loss.reshape(1)
        adam.step()
        assert math.isclose(adam.state[p]["exp_avg"].item() / (1 - 0.9**t), mean, rel_tol=1e-12)


def test_without_smoothing_the_losses_are_themselves():
    assert list(smooth([3.0, -1.0, 2.0], 0)) == [3.0, -1.0, 2.0]


# --- the range test: what it is ---------------------------------------------------------------------------


def test_it_is_a_plain_run_of_torch_with_a_growing_rate(batches):
    model = _network()
    found = range_test(model, CROSS_ENTROPY, batches, torch.optim.Adam, low=1e-5, high=0.1, steps=30)

    rates = exponential_rates(1e-5, 0.1, 30)
    model = _network()
    optimizer = torch.optim.Adam(model.parameters(), lr=1.0)
    losses = []
    for i, rate in enumerate(rates.tolist()):  # the 20 batches are gone through again
        x, y = batches[i % len(batches)]
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        loss = CROSS_ENTROPY(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert found.losses.tolist() == losses
    assert found.lr.tolist() == rates.tolist()
    assert not found.stopped
    assert found.smoothed.tolist() == list(smooth(losses, 0.98))


@pytest.mark.parametrize("name", ["SGD", "Momentum", "Adam", "Adagrad"])
def test_it_takes_our_methods_as_torchs(name, batches):
    torchs = {
        "SGD": torch.optim.SGD,
        "Momentum": lambda p: torch.optim.SGD(p, momentum=0.9),
        "Adam": torch.optim.Adam,
        "Adagrad": torch.optim.Adagrad,
    }
    settings = dict(low=1e-4, high=0.1, steps=20)
    ours = range_test(_network(), CROSS_ENTROPY, batches, METHODS[name], **settings)
    theirs = range_test(_network(), CROSS_ENTROPY, batches, torchs[name], **settings)
    torch.testing.assert_close(ours.losses, theirs.losses, rtol=1e-5, atol=1e-6)


def test_it_stops_when_the_loss_explodes(batches):
    found = range_test(_network(), nn.MSELoss(), _targets(batches), torch.optim.SGD, low=1e-3, high=1e3)
    assert found.stopped
    assert len(found.lr) == len(found.losses) == len(found.smoothed) < 100
    assert not (found.smoothed[-1] <= 4 * found.smoothed.min())  # or it is no number
    assert (found.smoothed[:-1] <= 4 * found.smoothed[:-1].cummin(0).values).all()
    on = range_test(
        _network(), nn.MSELoss(), _targets(batches), torch.optim.SGD, low=1e-3, high=1e3, stop=1e30
    )
    assert len(on.lr) > len(found.lr)
    assert on.stopped  # it ends at the latest where the loss is no number
    assert not on.losses[-1].isfinite() or on.smoothed[-1] > 1e30


def _targets(batches):
    return [(x, nn.functional.one_hot(y, 10).float()) for x, y in batches]


def test_a_loss_below_zero_does_not_stop_it_at_once():
    flat = RangeTest(torch.ones(9), -torch.arange(1.0, 10), torch.ones(9), 0.9, 9)
    assert len(flat.with_smoothing(0.5).lr) == 9
    up = RangeTest(torch.ones(9), torch.tensor([-2.0, -2, -2, 3.9, 4.1, 0, 0, 0, 0]), torch.ones(9), 0.9, 9)
    assert len(up.with_smoothing(0).lr) == 5  # more than 3 · |−2| above the lowest


def test_a_loss_that_is_no_number_ends_it():
    for broken in (math.nan, math.inf):
        seen = RangeTest(torch.ones(4), torch.tensor([1.0, 1.0, broken, 1.0]), torch.ones(4), 0.9, 4)
        assert len(seen.with_smoothing(0.9).lr) == 3


def test_another_smoothing_is_the_run_with_that_smoothing(batches):
    settings = dict(low=1e-4, high=100, steps=60)
    rough = range_test(_network(), CROSS_ENTROPY, batches, METHODS["Adam"], smoothing=0, **settings)
    late = range_test(_network(), CROSS_ENTROPY, batches, METHODS["Adam"], stop=1e30, **settings)
    again = late.with_smoothing(0)
    assert len(rough.lr) < len(late.lr)
    for part in ("lr", "losses", "smoothed"):
        assert getattr(rough, part).tolist() == getattr(again, part).tolist()
    assert rough.suggestions == again.suggestions


# --- the suggestions --------------------------------------------------------------------------------------


def _curve(smoothed, steps=None):
    smoothed = torch.as_tensor(smoothed, dtype=torch.float64)
    lr = exponential_rates(1e-4, 1, len(smoothed))
    return RangeTest(lr, smoothed, smoothed, 0.98, steps or len(smoothed))


def test_steepest_is_where_the_loss_falls_fastest_per_factor_of_rate():
    at = torch.arange(80)
    curve = _curve(-torch.atan((at - 40.4) / 4))  # falls fastest from step 40 to step 41
    assert curve.steepest == curve.lr[40].item()


def test_the_minimum_is_divided_by_ten():
    curve = _curve(((torch.arange(80) - 50.0) / 10) ** 2)
    assert curve.minimum_over_10 == pytest.approx(curve.lr[50].item() / 10)
    assert list(curve.suggestions) == ["steepest", "minimum / 10"]
    assert curve.suggestions["minimum / 10"] == curve.minimum_over_10


def test_the_first_tenth_and_the_last_five_steps_are_left_out():
    losses = torch.linspace(2, 1, 80)
    losses[3:], losses[76:] = losses[3:] - 50, -1000  # steep and low, but there
    curve = _curve(losses)
    assert curve.minimum_over_10 == pytest.approx(curve.lr[74].item() / 10)
    assert 8 <= (curve.lr - curve.steepest).abs().argmin() < 75


def test_too_few_steps_and_a_loss_that_never_falls_suggest_nothing():
    assert math.isnan(_curve(torch.linspace(1, 2, 40)).steepest)
    short = _curve(torch.linspace(2, 1, 12), steps=100)
    assert all(math.isnan(value) for value in short.suggestions.values())


# --- the range test leaves no trace -----------------------------------------------------------------------


def _everything(model, optimizer):
    """All that must not change, as bytes or numbers."""
    tensors = [*model.state_dict().values(), *(p.grad for p in model.parameters() if p.grad is not None)]
    groups = [{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups]
    states = [t for state in optimizer.state.values() for t in state.values()]
    tensors += [t for t in states if isinstance(t, torch.Tensor)]
    return (
        [t.detach().numpy().tobytes() for t in tensors],
        copy.deepcopy(groups),
        model.training,
        torch.get_rng_state().numpy().tobytes(),
        random.getstate(),
        np.random.get_state()[1].tobytes(),  # noqa: NPY002
    )


@pytest.mark.slow
@pytest.mark.parametrize("make", [torch.optim.Adam, Adam], ids=["torchs", "ours"])
@pytest.mark.parametrize("training", [True, False])
def test_model_optimizer_and_random_numbers_stay_as_they_were(make, training, batches):
    model = _network(extras=[nn.BatchNorm1d(32), nn.Dropout(0.3)])
    optimizer = make([{"params": model[0].parameters(), "lr": 0.01}, {"params": model[-1].parameters()}])
    for x, y in batches[:3]:
        optimizer.zero_grad()
        CROSS_ENTROPY(model(x), y).backward()
        optimizer.step()
    model.train(training)
    before = _everything(model, optimizer)
    first = range_test(model, CROSS_ENTROPY, _jittered(batches), optimizer, low=1e-3, high=1, steps=20)
    assert _everything(model, optimizer) == before
    again = range_test(model, CROSS_ENTROPY, _jittered(batches), optimizer, low=1e-3, high=1, steps=20)
    assert first.losses.tolist() == again.losses.tolist()  # dropout and noise are the same

    # The optimizer works on, on its own model.
    optimizer.step()
    assert _everything(model, optimizer) != before


class _jittered:
    """Batches with noise from all three sources of random numbers."""

    def __init__(self, batches):
        self.batches = batches

    def __iter__(self):
        for x, y in self.batches:
            shift = random.random() + np.random.rand()  # noqa: NPY002
            yield x + 0.01 * torch.randn_like(x) + shift, y


def test_with_a_class_of_optimizers_the_model_stays_as_it_was_too(batches):
    model = _network(extras=[nn.BatchNorm1d(32), nn.Dropout(0.5)])
    before = {name: value.clone() for name, value in model.state_dict().items()}
    settings = dict(low=1e-3, high=0.1, steps=10)
    first = range_test(model, CROSS_ENTROPY, batches, torch.optim.SGD, **settings)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    # In evaluation mode it is tested all the same as it would train.
    again = range_test(model.eval(), CROSS_ENTROPY, batches, torch.optim.SGD, **settings)
    assert not model.training
    assert again.losses.tolist() == first.losses.tolist()


def test_random_numbers_are_given_back_after_an_error(batches):
    before = _everything(_network(), torch.optim.SGD(_network().parameters()))
    with pytest.raises(ValueError, match="they ended after 20"):
        range_test(_network(), CROSS_ENTROPY, iter(batches), torch.optim.SGD)
    assert _everything(_network(), torch.optim.SGD(_network().parameters())) == before


def test_a_state_goes_along_and_a_loader_gives_its_random_numbers_back(batches):
    model, (x, y) = _network(), batches[0]
    momentum = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(5):
        momentum.zero_grad()
        CROSS_ENTROPY(model(x), y).backward()
        momentum.step()
    settings = dict(low=1e-3, high=0.1, steps=10)
    warm = range_test(model, CROSS_ENTROPY, batches, momentum, **settings)
    cold = range_test(model, CROSS_ENTROPY, batches, METHODS["Momentum"], **settings)
    assert warm.losses[0] == cold.losses[0]
    assert warm.losses[1] < cold.losses[1]

    generator = torch.Generator().manual_seed(3)
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(x, y), batch_size=16, shuffle=True, generator=generator
    )
    state = generator.get_state()
    twice = [range_test(model, CROSS_ENTROPY, loader, momentum, **settings) for _ in range(2)]
    assert torch.equal(generator.get_state(), state)
    assert twice[0].losses.tolist() == twice[1].losses.tolist()


class _Seeded(torch.utils.data.Sampler):
    """An order that follows from the count of passes, as in samplers for several processes."""

    def __init__(self, rows):
        self.rows, self.epoch = rows, 0

    def __iter__(self):
        order = torch.randperm(self.rows, generator=torch.Generator().manual_seed(self.epoch))
        try:
            yield from order.tolist()
        finally:
            self.epoch += 1

    def __len__(self):
        return self.rows


class _Noisy(torch.utils.data.Dataset):
    """Noise from a generator that only a slot, a closure or a partial holds."""

    __slots__ = ("rows", "shift")

    def __init__(self, rows, shift):
        self.rows, self.shift = rows, shift

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        x, y = self.rows[i]
        return x + self.shift(), y


def _with_default(generator):
    def shift(generator=generator):
        return torch.rand((), generator=generator)

    return shift


def _loaders(rows):
    """Batches of every kind that holds random numbers of its own, by name."""
    data = torch.utils.data
    seeded = torch.Generator().manual_seed
    random_sampler = data.RandomSampler(rows, generator=seeded(1))
    weighted = data.WeightedRandomSampler(torch.rand(len(rows)), len(rows), generator=seeded(2))
    batched = data.BatchSampler(data.RandomSampler(rows, replacement=True, generator=seeded(3)), 16, True)
    numpys, numpys_old, pythons = np.random.default_rng(4), np.random.RandomState(5), random.Random(6)
    shifts = {
        "closure": lambda: numpys.random(dtype=np.float32),
        "method": pythons.random,
        "partial": functools.partial(torch.rand, (), generator=seeded(7)),
        "default": _with_default(seeded(8)),
        "numpy's old": lambda: float(numpys_old.randn()),
    }
    return {
        "minibatches": Minibatches(*map(torch.stack, zip(*rows, strict=True)), size=16, seed=9),
        "random": data.DataLoader(rows, 16, sampler=random_sampler),
        "weighted": data.DataLoader(rows, 16, sampler=weighted),
        "batch sampler": data.DataLoader(rows, batch_sampler=batched),
        "count of passes": data.DataLoader(rows, 16, sampler=_Seeded(len(rows))),
        **{f"in a {name}": data.DataLoader(_Noisy(rows, shift), 16) for name, shift in shifts.items()},
    }


def _rows():
    data = digits()
    return list(zip(data.x_train[:96], data.y_train[:96], strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", _loaders(_rows()))
def test_training_afterwards_is_that_without_a_test_bit_for_bit(name):
    def trained(*, tested):
        torch.manual_seed(3)
        loader, model = _loaders(_rows())[name], _network()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        fit(model, optimizer, loader, epochs=1, progress=False)  # nothing is at its beginning
        if tested:
            found = range_test(model, CROSS_ENTROPY, loader, optimizer, low=0.01, high=0.1, steps=15)
            assert len(found.lr) == 15
        return fit(model, optimizer, loader, epochs=2, progress=False).losses.tolist()

    assert trained(tested=True) == trained(tested=False)


def test_an_iterator_and_what_it_draws_from_have_moved_on(batches):
    sampler = torch.utils.data.RandomSampler(_rows(), generator=torch.Generator().manual_seed(1))
    stream = iter(torch.utils.data.DataLoader(_rows(), 16, sampler=sampler))
    range_test(_network(), CROSS_ENTROPY, stream, torch.optim.SGD, steps=4)
    assert len(list(stream)) == 2
    loop = [batches[0]]
    loop += [loop, loop]  # a list in itself
    with pytest.raises(ValueError, match="batches must be pairs"):
        range_test(_network(), CROSS_ENTROPY, loop, torch.optim.SGD, steps=4)


def test_an_interrupted_test_keeps_its_steps(batches, capsys):
    def until(count):
        yield from batches[:count]
        raise KeyboardInterrupt

    whole = range_test(_network(), CROSS_ENTROPY, batches, torch.optim.SGD, low=1e-3, high=1e3, steps=60)
    assert not whole.interrupted
    assert capsys.readouterr().out == ""
    before = _everything(_network(), torch.optim.SGD(_network().parameters()))
    part = range_test(_network(), CROSS_ENTROPY, until(12), torch.optim.SGD, low=1e-3, high=1e3, steps=60)
    assert _everything(_network(), torch.optim.SGD(_network().parameters())) == before
    assert capsys.readouterr().out == "Interrupted after 12 of 60 steps. What is done is kept.\n"
    assert part.interrupted
    assert not part.stopped  # the loss has not exploded
    for name in ("lr", "losses", "smoothed"):
        assert getattr(part, name).tolist() == getattr(whole, name)[:12].tolist()
    again = part.with_smoothing(0.5)
    assert again.interrupted
    assert len(again.lr) == 12
    assert not part.with_smoothing(0, stop=1.0).interrupted  # that one stops it before
    assert part.with_smoothing(0, stop=1.0).stopped
    with pytest.raises(KeyboardInterrupt):  # nothing to keep
        range_test(_network(), CROSS_ENTROPY, until(0), torch.optim.SGD)


def test_a_loss_may_be_a_module_with_weights(batches):
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, output, target):
            return CROSS_ENTROPY(output * self.scale, target)

    model, loss = _network(), Scaled()
    groups = [
        {"params": model.parameters(), "lr": 4.0},
        {"params": loss.parameters(), "lr": torch.tensor(5.0)},
    ]
    optimizer = torch.optim.SGD(groups, lr=1.0)
    found = range_test(model, loss, batches, optimizer, low=0.05, high=0.5, steps=60)
    assert found.losses[-1] < 0.95 * found.losses[0]
    assert loss.scale.item() == 1.0
    assert optimizer.param_groups[1]["lr"].item() == 5.0


_SEEN: list[list[float]] = []  # by copies, too


class _Spied(torch.optim.SGD):
    """Notes its rates."""

    def step(self, closure=None):
        _SEEN.append([float(group["lr"]) for group in self.param_groups])
        return super().step(closure)


@pytest.mark.parametrize(
    ("rates", "shares"),
    [
        ([0.1], [1]),
        ([1e-3, 4e-3, 2e-3], [0.25, 1, 0.5]),
        ([torch.tensor(1e-3), 2e-3], [0.5, 1]),
        ([0.0, 0.5], [0, 1]),  # frozen by its rate
        ([0.0, 0.0], [1, 1]),  # at the first step of a warm-up
    ],
    ids=str,
)
def test_groups_keep_the_ratios_of_their_rates(rates, shares, batches):
    model = _network()
    parts = [list(model.parameters())[i :: len(rates)] for i in range(len(rates))]
    optimizer = _Spied([{"params": part, "lr": lr} for part, lr in zip(parts, rates, strict=True)])
    _SEEN.clear()
    found = range_test(model, CROSS_ENTROPY, batches, optimizer, low=1e-3, high=0.1, steps=9)
    wanted = found.lr[:, None] * torch.tensor(shares, dtype=torch.float64)
    torch.testing.assert_close(
        torch.tensor(_SEEN, dtype=torch.float64), wanted[: len(_SEEN)], rtol=1e-6, atol=0
    )
    assert len(_SEEN) == 9
    assert [float(group["lr"]) for group in optimizer.param_groups] == [float(lr) for lr in rates]


def test_it_says_what_it_has_found_in_a_line(batches):
    settings = dict(low=1e-4, high=0.1, steps=60)
    found = range_test(_network(), CROSS_ENTROPY, batches, METHODS["Adam"], **settings)
    assert repr(found) == (
        f"RangeTest(60 steps, from 0.0001 to 0.1: steepest {found.steepest:.3g}, "
        f"minimum / 10 {found.minimum_over_10:.3g})"
    )
    high = range_test(_network(), nn.MSELoss(), _targets(batches), torch.optim.SGD, low=1e-3, high=1e3)
    assert re.match(r"RangeTest\(100 steps, stopped after \d\d, from 0.001 to [\d.]+: steepest", repr(high))
    short = RangeTest(torch.ones(4), torch.ones(4), torch.ones(4), 0.9, 9, interrupted=True)
    assert "interrupted after 4, from 1 to 1: steepest nan" in repr(short)


def test_a_bar_counts_the_steps_and_is_complete_where_the_test_stops(batches, monkeypatch):
    bars = []

    class Kept(progress.Bar):
        def __init__(self, **options):
            super().__init__(**options)
            bars.append(self)

    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.setattr(progress, "Bar", Kept)
    whole = range_test(_network(), CROSS_ENTROPY, batches, torch.optim.SGD, low=1e-3, high=0.01, steps=7)
    exploded = range_test(_network(), nn.MSELoss(), _targets(batches), torch.optim.SGD, low=1e-3, high=1e3)
    range_test(_network(), CROSS_ENTROPY, batches, torch.optim.SGD, steps=3, progress=False)
    assert exploded.stopped
    assert (bars[0].n, bars[0].total) == (len(whole.lr), 7)
    assert bars[1].n == bars[1].total == len(exploded.lr) < 100
    assert [bars[0].leave, bars[2].n] == [False, 0]  # one that is not shown counts nothing


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (dict(model=3), TypeError, "model must be a torch.nn.Module, got 3"),
        (dict(loss=0.5), TypeError, "loss must be a function, for example torch.nn.functional.cross_entropy"),
        (dict(optimizer="Adam"), TypeError, "optimizer must be a function, for example torch.optim.SGD"),
        (dict(optimizer=lambda p: 3), TypeError, "optimizer must make a torch.optim.Optimizer, got 3"),
        (
            dict(optimizer=torch.optim.LBFGS),
            ValueError,
            "optimizer must take its step from one gradient, and",
        ),
        (dict(optimizer=SGDHD), ValueError, "SGDHD, which finds its rate itself"),
        (dict(low=0), ValueError, "low must be"),
        (dict(low=20), ValueError, "low must be a finite number ≥ .* and < 10, got 20"),
        (dict(high=math.inf), ValueError, "high must be a finite number"),
        (dict(steps=1), ValueError, "steps must be at least 2, got 1"),
        (dict(smoothing=1), ValueError, "smoothing must be a finite number ≥ 0 and < 1, got 1"),
        (dict(stop=0.5), ValueError, "stop must be a finite number ≥ 1, got 0.5"),
        (dict(batches=[]), ValueError, "batches must last for 100 steps or be a list; they ended after 0"),
        (dict(batches=[torch.zeros(3)]), ValueError, r"batches must be pairs \(input, target\), got Tensor"),
    ],
)
def test_what_it_cannot_run_is_named(change, error, says, batches):
    settings = dict(model=_network(), loss=CROSS_ENTROPY, batches=batches, optimizer=torch.optim.SGD)
    with pytest.raises(error, match=says):
        range_test(**(settings | change))


def test_an_optimizer_of_another_model_is_refused(batches):
    other = torch.optim.SGD(_network().parameters())
    with pytest.raises(ValueError, match="optimizer must move the parameters of model, and holds none"):
        range_test(_network(), CROSS_ENTROPY, batches, other)


# --- searches ---------------------------------------------------------------------------------------------


def _valley(rate):
    """A training in nine rungs that ends at the distance of its rate from 0.1, in powers of ten."""
    distance = abs(math.log10(rate) + 1)
    for rung in range(9):
        yield distance + 0.5**rung


SEARCH = dict(low=1e-4, high=10.0)


@pytest.mark.parametrize("sampler", ["random", "tpe"])
@pytest.mark.parametrize("pruner", [None, "halving"])
def test_a_search_finds_the_rate_and_can_be_repeated(sampler, pruner):
    settings = dict(SEARCH, trials=40, sampler=sampler, pruner=pruner)
    found = search_rate(_valley, seed=1, **settings)
    assert abs(math.log10(found.best_lr) + 1) < 0.25
    assert found.losses.shape == (40, 9)
    assert found.cost == found.rungs.sum() <= 40 * 9
    same, other = search_rate(_valley, seed=1, **settings), search_rate(_valley, seed=2, **settings)
    assert same.lr.tolist() == found.lr.tolist()
    assert same.losses.nan_to_num().tolist() == found.losses.nan_to_num().tolist()
    assert other.lr.tolist() != found.lr.tolist()
    assert ((found.lr >= 1e-4) & (found.lr <= 10)).all()


def test_random_rates_are_even_on_the_logarithmic_scale():
    lr = search_rate(_valley, trials=400, **SEARCH).lr.log10()
    shares = torch.histc(lr, bins=5, min=-4, max=1) / 400
    assert ((shares - 0.2).abs() < 0.06).all()


def test_tpe_looks_near_the_good_ones():
    def distances(sampler):
        return (search_rate(_valley, trials=60, sampler=sampler, **SEARCH).lr[20:].log10() + 1).abs().median()

    assert distances("tpe") < 0.5 * distances("random")


def test_halving_spends_less_and_stops_the_bad_ones():
    full = search_rate(_valley, trials=60, **SEARCH)
    halved = search_rate(_valley, trials=60, pruner="halving", **SEARCH)
    assert full.cost == 60 * 9
    assert halved.cost < 0.5 * full.cost
    assert set(halved.rungs.tolist()) == {1, 3, 9}  # rungs 1, r, r²
    to_the_end, stopped = halved.rungs == 9, halved.rungs == 1
    distance = (halved.lr.log10() + 1).abs()
    assert distance[to_the_end].median() < 0.5 * distance[stopped].median()
    assert halved.rungs[halved.best] == 9
    mild = search_rate(_valley, trials=60, pruner="halving", reduction=2, **SEARCH)
    assert set(mild.rungs.tolist()) == {1, 2, 4, 8, 9}


def test_the_best_trial_is_among_those_that_went_furthest():
    nan = math.nan
    losses = torch.tensor([[0.1, nan, nan], [0.9, 0.5, 0.3], [0.5, 0.4, 0.35], [0.2, 0.1, nan], [nan] * 3])
    found = Search(torch.tensor([1.0, 2, 3, 4, 5]), losses)
    assert found.rungs.tolist() == [1, 3, 3, 2, 0]
    assert (found.best, found.best_lr, found.cost) == (1, 2.0, 9)


def test_where_every_trial_diverged_there_is_no_best_rate():
    nan, inf = math.nan, math.inf

    def search(*losses):
        return Search(torch.arange(1.0, 1 + len(losses)), torch.tensor(losses))

    for found in (search([0.5, inf, inf], [inf, inf, inf]), search([inf, nan, nan]), search([nan, nan])):
        assert found.best is None
        assert math.isnan(found.best_lr)
    # One that was stopped early is better than one that went on and diverged.
    assert search([0.5, 0.4, inf], [0.9, nan, nan], [0.8, nan, nan], [0.7, inf, nan]).best_lr == 3.0
    assert search([0.5, inf, 0.4], [0.9, 0.8, 0.6]).best_lr == 1.0  # it came back


@pytest.mark.parametrize("pruner", [None, "halving"])
def test_a_budget_is_never_exceeded(pruner):
    for budget in (1, 9, 50):
        found = search_rate(_valley, trials=1000, budget=budget, pruner=pruner, **SEARCH)
        assert found.cost == budget
        assert found.rungs[found.best] == found.rungs.max()


@pytest.mark.parametrize("sampler", ["random", "tpe"])
@pytest.mark.parametrize("pruner", [None, "halving"])
def test_a_run_that_explodes_is_nobodys_best(sampler, pruner):
    def objective(rate):
        for loss in _valley(rate):
            yield loss if rate < 0.05 else math.nan if rate < 0.5 else math.inf

    found = search_rate(objective, trials=40, sampler=sampler, pruner=pruner, **SEARCH)
    assert found.best_lr < 0.05
    assert found.losses[found.lr >= 0.05][:, 0].isinf().all()


def test_an_interrupted_search_keeps_what_it_has(capsys):
    asked = []

    def objective(rate):
        asked.append(rate)
        if len(asked) > 5:
            raise KeyboardInterrupt
        yield from _valley(rate)

    found = search_rate(objective, trials=40, **SEARCH)
    assert capsys.readouterr().out == "Interrupted in trial 6 of 40. What is done is kept.\n"
    assert found.lr.tolist() == asked
    assert found.rungs.tolist() == [9] * 5 + [0]
    with pytest.raises(KeyboardInterrupt):
        search_rate(objective, trials=40, **SEARCH)


@pytest.mark.parametrize(
    ("storage", "sampler", "part", "all_of"),
    [("study.log", "tpe", 11, 14), ("study.log", "random", 2, 5), ("sqlite:///study.db", "random", 2, 4)],
)
def test_a_search_goes_on_where_it_was_kept(storage, sampler, part, all_of, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    search = functools.partial(search_rate, _valley, storage=storage, sampler=sampler, **SEARCH)
    first = search(trials=part)
    again = search(trials=part)  # which has nothing to do
    whole = search(trials=all_of)
    at_once = search(trials=all_of, study="another")
    assert len(first.lr) == len(again.lr) == part
    assert torch.equal(first.losses, again.losses)
    assert torch.equal(whole.lr[:part], first.lr)
    assert torch.equal(whole.lr, at_once.lr)  # a rate depends on the seed, the trial and those before it
    assert len(set(whole.lr.tolist())) == all_of
    assert search(trials=2, study="third", seed=1).lr.tolist() != whole.lr[:2].tolist()
    for wrong in (dict(low=1e-3), dict(high=1.0)):
        [(name, value)] = wrong.items()
        with pytest.raises(
            ValueError, match=f"{name} of the study 'rate' in the storage is .*, got {value:g}"
        ):
            search(trials=30, **wrong)
    assert capfd.readouterr() == ("", "")


def test_several_share_the_trials_of_a_study(tmp_path):
    """Two searches, the second begun while the first is in its third trial."""
    storage, found = tmp_path / "study", []

    def objective(rate):
        found.append(rate)
        if len(found) == 3:
            other = search_rate(_valley, trials=6, storage=storage, **SEARCH)
            assert len(other.lr) == 7  # the third is still running
            assert other.losses[2].isnan().all()
        yield from _valley(rate)

    mine = search_rate(objective, trials=6, storage=storage, **SEARCH)
    assert len(found) == 3
    assert mine.losses.shape == (7, 9)
    assert len(set(mine.lr.tolist())) == 7


def test_a_stored_search_that_is_interrupted_keeps_what_is_done(tmp_path, capsys):
    asked = []

    def objective(rate):
        asked.append(rate)
        if len(asked) == 4:
            raise KeyboardInterrupt
        yield from _valley(rate)

    found = search_rate(objective, trials=9, storage=tmp_path / "study", **SEARCH)
    assert capsys.readouterr().out == "Interrupted in trial 4 of 9. What is done is kept.\n"
    assert found.lr.tolist() == asked[:3]
    assert search_rate(objective, trials=9, storage=tmp_path / "study", **SEARCH).cost == 9 * 9


def test_an_error_of_the_objective_is_raised_and_nothing_is_said(capfd):
    def broken(rate):
        raise OSError("no data")
        yield 0.0

    with pytest.raises(OSError, match="no data"):
        search_rate(broken, trials=3, **SEARCH)
    with pytest.raises(ValueError, match="objective must yield at least one loss"):
        search_rate(lambda rate: [], trials=3, **SEARCH)
    search_rate(_valley, trials=3, **SEARCH)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (dict(objective=3), TypeError, "objective must be a function"),
        (dict(low=0.0), ValueError, "low must be"),
        (dict(low=10.0), ValueError, "low must be .* < 10, got 10"),
        (dict(trials=0), ValueError, "trials must be at least 1, got 0"),
        (dict(sampler="randon"), ValueError, "sampler 'randon' is not known; did you mean random"),
        (dict(pruner="median"), ValueError, "pruner 'median' is not known"),
        (dict(reduction=1), ValueError, "reduction must be at least 2, got 1"),
        (dict(budget=0), ValueError, "budget must be at least 1, got 0"),
        (dict(seed=-1), ValueError, "seed must be at least 0, got -1"),
        (dict(storage=3), TypeError, "storage must be a file or the URL of a database, got 3"),
        (dict(study=""), ValueError, "study must be a name, got ''"),
    ],
)
def test_what_cannot_be_searched_is_named(change, error, says):
    with pytest.raises(error, match=says):
        search_rate(**(dict(objective=_valley, trials=3, **SEARCH) | change))


@pytest.mark.slow
def test_optuna_is_imported_only_for_a_search():
    code = "import sys, lwlr_teach.runs; sys.exit(any(m in sys.modules for m in ('optuna', 'matplotlib')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
