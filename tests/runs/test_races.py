"""A race is single runs, fairly compared."""

import io
import itertools
import math
import re
import statistics
from dataclasses import replace

import pytest
import torch

import lwlr_teach.runs.races as module
from lwlr_teach.clipping import by_global_norm, centralize
from lwlr_teach.core import progress
from lwlr_teach.layerwise import opposite_norms
from lwlr_teach.optim import (
    METHODS,
    SGD,
    SGDHD,
    AdamWScheduleFree,
    DoG,
    LDoG,
    Method,
    Prodigy,
    SGDScheduleFree,
)
from lwlr_teach.problems.data import Digits, digits
from lwlr_teach.problems.models import mlp
from lwlr_teach.problems.tasks import digits_task
from lwlr_teach.runs.costs import operations
from lwlr_teach.runs.fleet import Fleet, cross_entropy
from lwlr_teach.runs.races import VALIDATION, Contestant, Race, race
from lwlr_teach.schedules import Constant, Cosine, drive

RATES = [0.003, 0.03, 0.3]


def small(contestants=("SGD", "Adam"), **options):
    return race(
        contestants,
        **{"lr": RATES, "seeds": 1, "choosers": 1, "steps": 12, "checkpoints": 3, "progress": False}
        | options,
    )


@pytest.mark.slow
def test_rates_that_find_themselves_race_with_the_others():
    """With rates of their own: a factor near 1."""
    own = {"DoG": DoG, "L-DoG": LDoG, "Prodigy": Prodigy}
    averaged = {"Schedule-Free SGD": SGDScheduleFree, "Schedule-Free AdamW": AdamWScheduleFree}
    done = small(
        [
            *("SGD", *(Method(name, cls) for name, cls in averaged.items())),
            *(Contestant(Method(name, cls), lr=[0.5, 1.0, 2.0]) for name, cls in own.items()),
        ]
    )
    assert done.names == ("SGD", *averaged, *own)
    assert done.valid_loss[3:].isfinite().all()
    assert (done.operations_per_step > 0).all()


# --- what is measured


def in_double(seeds=2, steps=12):
    """The race's task in double precision, so that runs can be compared closely."""
    task = digits_task(seeds=seeds, steps=steps, valid=VALIDATION)
    data = task.data._replace(x_train=task.data.x_train.double(), x_test=task.data.x_test.double())
    x, y = task.valid
    return task._replace(data=data, first=[p.double() for p in task.first], valid=(x.double(), y))


def alone(optimizer_class, task, seed, lr, marks, *, schedule=None, max_norm=None, **settings):
    """One network trained by a plain loop: validation loss and accuracy, and test accuracy, at the marks."""
    d = digits()
    x, y = d.x_train[:-VALIDATION].double(), d.y_train[:-VALIDATION]
    params = [p[seed].clone().requires_grad_() for p in task.first]
    optimizer = optimizer_class(params, lr=lr, **settings)
    found = []
    for step, batch in enumerate(task.batches[:, seed], start=1):
        if schedule is not None:
            drive(optimizer, schedule, step - 1)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(mlp(params, x[batch]), y[batch]).backward()
        if max_norm is not None:
            torch.nn.utils.clip_grad_norm_(params, max_norm)
        optimizer.step()
        if step in marks:
            with torch.no_grad():
                logits = mlp(params, d.x_train[-VALIDATION:].double())
                right = d.y_train[-VALIDATION:]
                loss = torch.nn.functional.cross_entropy(logits, right).item()
                valid = (logits.argmax(-1) == right).double().mean().item()
                test = (mlp(params, d.x_test.double()).argmax(-1) == d.y_test).double().mean().item()
            found.append((loss, valid, test))
    return torch.tensor(found, dtype=torch.float64).T


def same(result, i, rate, seed, expected):
    measured = (result.valid_loss, result.valid_accuracy, result.test_accuracy)
    for ours, theirs in zip(measured, expected, strict=True):
        torch.testing.assert_close(ours[i, rate, seed].double(), theirs, rtol=1e-5, atol=0)


PLAIN = {
    "SGD": (torch.optim.SGD, {}),
    "Momentum": (torch.optim.SGD, {"momentum": 0.9}),
    "Adagrad": (torch.optim.Adagrad, {}),
    "RMSprop": (torch.optim.RMSprop, {}),
    "Adam": (torch.optim.Adam, {}),
    "AdamW": (torch.optim.AdamW, {}),
}


@pytest.mark.slow
def test_a_race_is_its_runs_alone():
    """Every contestant at every rate from every seed is a plain loop with torch.optim on the same batches."""
    task = in_double()
    result = race(PLAIN, lr=RATES, task=task, choosers=1, checkpoints=3, progress=False)
    assert result.names == tuple(PLAIN)
    assert result.checkpoints.tolist() == [4, 8, 12]
    for i, name in enumerate(PLAIN):
        optimizer_class, settings = PLAIN[name]
        for rate in range(3):
            for seed in range(2):
                lr = result.lr[i, rate].item()
                expected = alone(optimizer_class, task, seed, lr, (4, 8, 12), **settings)
                same(result, i, rate, seed, expected)


@pytest.mark.slow
def test_schedules_clips_and_own_rates():
    task = in_double()
    entrants = [
        Contestant("SGD", schedule=Cosine(12)),
        Contestant("SGD", clip=by_global_norm(0.5)),
        Contestant("SGD", lr=[0.01, 0.1, 1.0], name="own rates"),
    ]
    result = race(entrants, lr=RATES, task=task, choosers=1, checkpoints=2, progress=False)
    assert result.names == ("SGD + Cosine", "SGD + by global norm", "own rates")
    torch.testing.assert_close(result.lr, torch.tensor([RATES, RATES, [0.01, 0.1, 1.0]]))
    for rate in range(3):
        lr = result.lr[:, rate].tolist()
        same(result, 0, rate, 1, alone(torch.optim.SGD, task, 1, lr[0], (6, 12), schedule=Cosine(12)))
        same(result, 1, rate, 1, alone(torch.optim.SGD, task, 1, lr[1], (6, 12), max_norm=0.5))
        same(result, 2, rate, 1, alone(torch.optim.SGD, task, 1, lr[2], (6, 12)))


def test_contestants_share_the_seeds_and_seeds_differ():
    result = small([Contestant("SGD", name="one"), Contestant("SGD", name="two")])
    assert torch.equal(result.valid_loss[0], result.valid_loss[1])
    assert not torch.equal(result.valid_loss[:, :, 0], result.valid_loss[:, :, 1])
    again = small([Contestant("SGD", name="one"), Contestant("SGD", name="two")])
    assert torch.equal(result.valid_loss, again.valid_loss)
    assert torch.equal(result.test_accuracy, again.test_accuracy)


def test_validation_images_are_never_trained_on():
    """Other validation images change what is measured on them, and nothing about the networks."""
    d = digits()
    x = d.x_train.clone()
    x[-VALIDATION:] = torch.rand_like(x[-VALIDATION:])
    first, second = small(), small(data=d._replace(x_train=x))
    assert torch.equal(first.test_accuracy, second.test_accuracy)
    assert not torch.equal(first.valid_loss, second.valid_loss)


def test_the_images_before_them_are_trained_on():
    d = digits()
    x = d.x_train.clone()
    x[:-VALIDATION] = torch.rand_like(x[:-VALIDATION])
    assert not torch.equal(small().valid_loss, small(data=d._replace(x_train=x)).valid_loss)


def test_test_images_never_choose():
    d = digits()
    wrong = d._replace(y_test=(d.y_test + 1) % 10)
    first, second = small(), small(data=wrong)
    assert not torch.equal(first.test_accuracy, second.test_accuracy)
    assert torch.equal(first.best, second.best)
    assert torch.equal(first.good, second.good)


def test_divergence_is_a_result():
    result = small(["SGD"], lr=[0.1, 1e30], steps=6)
    assert not result.valid_loss[0, 1].isfinite().any()
    assert result.table()["SGD"].lr == pytest.approx(0.1)


# --- stopping


def interrupted(monkeypatch, *after):
    """Let the race be interrupted in place of a contestant's step, after so many steps of all together."""
    train, calls = Fleet.train, []

    def stopping(fleet, steps, bar=None):
        calls.append(steps)
        if len(calls) - 1 in after:
            raise KeyboardInterrupt
        train(fleet, steps, bar)

    monkeypatch.setattr(Fleet, "train", stopping)


SCORES = ("valid_loss", "valid_accuracy", "test_accuracy")


@pytest.mark.parametrize(
    ("after", "kept"),
    [
        (1, [1]),  # the first contestant has taken a step, and the second has not
        (6, [3]),  # before the first checkpoint
        (8, [4]),  # just after it
        (17, [4, 8, 9]),
        (23, [4, 8, 12]),
    ],
)
def test_a_stopped_race_keeps_what_is_done(monkeypatch, after, kept, capsys):
    whole = small(checkpoints=12)
    assert capsys.readouterr().out == ""
    interrupted(monkeypatch, after)
    stopped = small()
    assert capsys.readouterr().out == (
        f"Interrupted: judged after {kept[-1]} of 12 steps. What is done is kept.\n"
    )
    assert stopped.checkpoints.tolist() == kept
    assert stopped.planned == 12
    for name in SCORES:
        found, steps = getattr(stopped, name), torch.tensor(kept) - 1
        assert found.shape == (2, 3, 2, len(kept))
        assert torch.equal(found, getattr(whole, name)[..., steps])
    assert stopped.table().places == whole.table(kept[-1]).places


def test_a_race_that_is_stopped_while_it_is_judged_is_judged_again(monkeypatch):
    whole, score, calls = small(), Fleet.score, []

    def stopping(fleet, x, y):
        calls.append(fleet)
        if len(calls) == 7:  # four for each checkpoint
            raise KeyboardInterrupt
        return score(fleet, x, y)

    monkeypatch.setattr(Fleet, "score", stopping)
    stopped = small()
    assert stopped.checkpoints.tolist() == [4, 8]
    for name in SCORES:
        assert torch.equal(getattr(stopped, name), getattr(whole, name)[..., :2])


def test_a_second_interruption_leaves_a_race_at_its_last_checkpoint(monkeypatch):
    interrupted(monkeypatch, 11, 12)
    assert small().checkpoints.tolist() == [4]


@pytest.mark.parametrize("after", [(0,), (3, 4)])
def test_where_nothing_is_done_there_is_nothing_to_keep(monkeypatch, after):
    interrupted(monkeypatch, *after)
    with pytest.raises(KeyboardInterrupt):
        small()


def test_the_number_of_threads_is_put_back_after_an_interruption(monkeypatch):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        interrupted(monkeypatch, 3)
        small()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_the_bar_counts_steps_and_is_gone_in_the_end(monkeypatch):
    bars = []

    class Bar(progress.Bar):
        def __init__(self, *args, **options):
            bars.append((self, options))
            super().__init__(*args, **options | {"disable": False, "delay": 0, "file": io.StringIO()})

    monkeypatch.setattr(progress, "Bar", Bar)
    small()
    ((bar, options),) = bars
    assert bar.n == bar.total == 24
    assert options["leave"] is False
    assert options["disable"] is True  # as asked by progress=False
    assert "■" in options["desc"]


# --- who wins, and how wide is the band


def made(
    test,
    *,
    loss=None,
    valid=None,
    lr=None,
    checkpoints=(10,),
    operations=None,
    planned=None,
    contestants=None,
    choosers=None,
):
    """A race with these results: lists (contestant, rate, seed, checkpoint), the last axis optional.

    Without ``choosers`` the seeds that choose are as many again, with the same results.
    """

    def results(values):
        tensor = torch.as_tensor(values, dtype=torch.float32)
        tensor = tensor if tensor.ndim == 4 else tensor[..., None]
        return tensor if choosers else torch.cat([tensor, tensor], 2)

    test = results(test)
    n, rates = test.shape[:2]
    names = contestants or [Contestant("SGD", name=chr(ord("A") + i)) for i in range(n)]
    return Race(
        contestants=tuple(names),
        lr=torch.tensor(lr or [[10.0**j for j in range(rates)]] * n),
        checkpoints=torch.tensor(checkpoints),
        valid_loss=1 - test if loss is None else results(loss),
        valid_accuracy=test if valid is None else results(valid),
        test_accuracy=test,
        operations_per_step=torch.tensor(operations or [1.0] * n, dtype=torch.float64),
        choosers=choosers or test.shape[2] // 2,
        planned=planned or checkpoints[-1],
    )


def test_the_best_rate_has_the_lowest_mean_validation_loss():
    """Neither the median nor the best seed nor a test image chooses."""
    result = made(
        [[[0.99, 0.99, 0.99], [0.5, 0.5, 0.5], [0.9, 0.9, 0.9]]],
        loss=[[[1.0, 1.0, 90.0], [1.5, 1.6, 1.5], [0.1, 2.5, 2.5]]],
    )
    place = result.table()["A"]
    assert (place.lr, place.best, place.accuracy) == (10, 10, 0.5)
    assert not place.at_end


@pytest.mark.parametrize("overflow", [float("nan"), float("inf")])
def test_a_rate_that_overflowed_is_not_the_best(overflow):
    """From one seed is enough: it would be so from many that judge."""
    loss = [[[overflow, 0.1, 0.1], [5.0, 5.0, 5.0], [overflow] * 3]]
    assert made([[[0.1] * 3] * 3], loss=loss).table()["A"].best == 10


def test_where_everything_overflowed_the_first_rate_is_taken():
    place = made([[[0.1], [0.1]]], loss=[[[torch.nan], [torch.inf]]]).table()["A"]
    assert place.best == 1
    assert place.at_end


def test_of_equal_losses_the_smallest_rate_is_best():
    assert made([[[0.5], [0.5], [0.5]]], loss=[[[2.0], [1.0], [1.0]]]).table()["A"].best == 10


@pytest.mark.parametrize(("best", "at_end"), [(0, True), (1, False), (2, True)])
def test_a_best_rate_at_the_end_of_the_grid_is_marked(best, at_end):
    loss = [[[3.0], [3.0], [3.0]]]
    loss[0][best] = [1.0]
    table = made([[[0.5]] * 3], loss=loss).table()
    assert table["A"].at_end is at_end
    assert ("(end of the grid)" in str(table)) is at_end


def test_a_single_rate_has_no_end_of_the_grid():
    table = made([[[0.5]]]).table()
    assert not table["A"].at_end
    assert "end of the grid" not in str(table)
    assert made([[[0.5], [0.5]]]).table()["A"].at_end


@pytest.mark.parametrize(
    ("valid", "good"),
    [
        ([0.8, 0.9, 0.9, 0.9, 0.8], (10, 1000)),
        ([0.8, 0.881, 0.9, 0.879, 0.9], (10, 100)),  # an island further away does not count
        ([0.9, 0.8, 0.9, 0.8, 0.9], (100, 100)),
        ([0.95, 0.92, 0.9, 0.9, 0.9], (1, 10000)),  # more than the best rate's is good, too
        ([0.1, 0.1, 0.9, 0.9, 0.9], (100, 10000)),
    ],
)
def test_the_good_rates_are_the_unbroken_stretch_around_the_best(valid, good):
    loss = [[[3.0], [3.0], [1.0], [3.0], [3.0]]]
    place = made([[[0.5]] * 5], loss=loss, valid=[[[v] for v in valid]]).table()["A"]
    assert place.good == good
    assert place.width == good[1] / good[0]


def test_the_good_rates_are_means_over_the_seeds():
    loss = [[[1.0] * 3, [3.0] * 3, [3.0] * 3]]
    valid = [[[0.9, 0.9, 0.9], [0.92, 0.91, 0.82], [0.9, 0.9, 0.1]]]
    assert made([[[0.5] * 3] * 3], loss=loss, valid=valid).table()["A"].good == (1, 10)


def test_leaders_are_those_that_the_winner_does_not_beat_from_every_seed():
    result = made(
        [
            [[0.90, 0.91, 0.92]],
            [[0.80, 0.80, 0.93]],  # better from one seed
            [[0.89, 0.90, 0.91]],  # worse from every seed
            [[0.70, 0.91, 0.70]],  # level from one seed
        ]
    )
    table = result.table()
    assert [p.name for p in table.places] == ["A", "C", "B", "D"]
    assert table.leaders == ("A", "B", "D")
    assert [p.leads for p in table.places] == [True, False, True, True]
    a = table["A"]
    assert (a.accuracy, a.lowest, a.highest) == pytest.approx((0.91, 0.90, 0.92))


def test_of_equal_medians_the_higher_mean_wins_then_who_was_named_first():
    result = made([[[0.5, 0.9, 0.9]], [[0.8, 0.9, 0.9]], [[0.8, 0.9, 0.9]], [[0.9, 0.8, 0.9]]])
    table = result.table()
    assert [p.name for p in table.places] == ["B", "C", "D", "A"]
    assert table.leaders == ("B", "C", "D", "A")


def test_the_median_of_an_even_number_is_the_lower_of_the_middle_two():
    result = made(
        [[[0.1, 0.4, 0.6, 0.9], [0.3, 0.3, 0.3, 0.3]]],
        loss=[[[1.0] * 4, [2.5] * 4]],
    )
    place = result.table()["A"]
    assert place.best == 1
    assert place.accuracy == pytest.approx(0.4)


def test_one_seed():
    table = made([[[0.5]], [[0.6]]]).table()
    assert table.leaders == ("B",)
    assert table["A"].lowest == table["A"].highest == table["A"].accuracy


# --- who chooses and who judges


def test_the_first_seeds_choose_and_the_others_judge():
    """Those that choose like the second rate, those that judge the third one."""
    result = made(
        [[[0.5] * 5, [0.9, 0.9, 0.6, 0.7, 0.65], [0.8, 0.8, 0.8, 0.9, 0.85]]],
        choosers=2,
    )
    place = result.table()["A"]
    assert (place.best, place.good) == (10, (10, 10))
    assert (place.lowest, place.highest) == pytest.approx((0.6, 0.7))
    assert place.accuracy == pytest.approx(0.65)
    assert place.flattered == pytest.approx(0.85)
    assert result.judged.shape == (1, 3, 3, 1)
    # The place does not depend on what those that choose get on the test images.
    other = result.test_accuracy.clone()
    other[:, :, :2] = 0.1
    assert replace(result, test_accuracy=other).table().places == result.table().places


def test_a_race_trains_both_kinds_of_seeds():
    result = small(seeds=2, choosers=3)
    assert result.test_accuracy.shape == (2, 3, 5, 3)
    assert result.judged.shape == (2, 3, 2, 3)
    task = digits_task(seeds=5, steps=12, valid=VALIDATION)
    own = small(task=task, choosers=3)  # the first ones of a task choose
    assert torch.equal(own.test_accuracy, result.test_accuracy)
    assert own.table().places == result.table().places


@pytest.mark.slow
def test_the_winners_curse_of_luck_alone():
    """R rates, each with a random loss: the lowest is 1/(R + 1), a random one 1/2. It is luck."""
    rates, races = 4, 4000
    loss = torch.rand(races, rates, 2, generator=torch.Generator().manual_seed(0))
    table = made(1 - loss, choosers=1, contestants=numbered(races)).table()
    expected = 1 / 2 - 1 / (rates + 1)
    assert table.winners_curse == pytest.approx(expected, abs=0.02)
    accuracies = torch.tensor([place.accuracy for place in table.places])
    assert accuracies.mean().item() == pytest.approx(0.5, abs=0.02)


def test_equal_contestants_differ_by_nothing_on_average():
    """Two contestants with the same luck to expect: neither is ahead, although each chose its best rate."""
    generator = torch.Generator().manual_seed(0)
    apart = []
    for _ in range(300):
        places = made(torch.rand(2, 5, 8, generator=generator), choosers=3).table()
        apart.append(places["A"].accuracy - places["B"].accuracy)
    apart = torch.tensor(apart)
    assert apart.mean().abs() < 3 * apart.std() / len(apart) ** 0.5


# --- how far behind


def numbered(count):
    return [Contestant("SGD", name=str(i)) for i in range(count)]


def test_the_differences_are_those_of_the_same_seeds():
    table = made([[[0.90, 0.80, 0.70]], [[0.85, 0.78, 0.69]], [[0.60, 0.70, 0.75]]]).table()
    assert table["A"].behind == (0, 0)
    assert table["B"].behind == pytest.approx((0.01, 0.05))
    assert table["C"].behind == pytest.approx((-0.05, 0.3))
    assert [(p.name, p.leads) for p in table.places] == [("A", True), ("B", False), ("C", True)]
    _, _, b, c, _ = str(table).splitlines()
    assert "  1.0 to 5.0" in b
    assert "not beaten" not in b
    assert "−5.0 to 30.0, not beaten" in c


@pytest.mark.parametrize("power", [1, 4])
@pytest.mark.parametrize("n", [3, 5, 8])
def test_the_differences_hold_their_median_as_often_as_is_said(n, power):
    """1 − 2^(1 − n), whatever they are like: normal, or skewed; and whoever wins."""
    pairs = 3000
    draws = torch.randn(pairs, n, generator=torch.Generator().manual_seed(0))
    differences = (0.5 + draws).exp() ** power  # the median is exp(0.5 · power)
    level = torch.rand(pairs, n, generator=torch.Generator().manual_seed(1))
    right = torch.stack([level, level - differences + math.exp(0.5 * power)], 1)  # differ by 0 in the median
    result = made(right.flatten(end_dim=1)[:, None], contestants=numbered(2 * pairs))
    last = torch.zeros(2 * pairs, dtype=torch.long)
    covered = 0
    for first in range(0, 2 * pairs, 2):
        _, (_, (least, most)) = result.standing(last, last, [first, first + 1])
        covered += least <= 0 <= most
    assert covered / pairs == pytest.approx(1 - 2.0 ** (1 - n), abs=0.025)


# --- default rates


@pytest.mark.parametrize(
    ("lr", "rate"),
    [
        ([0.001, 0.01, 0.1], 0),
        ([0.0010000002, 0.01, 0.1], 0),  # a little more, by the rounding of single precision
        ([0.0001, 0.0004, 0.1], 1),  # nearest in proportion
        ([0.0001, 0.00012, 0.001], 2),
        ([0.0011, 0.01, 0.1], None),
        ([0.0001, 0.0002, 0.0009], None),
    ],
)
def test_the_rate_of_the_grid_that_is_nearest_to_the_default(lr, rate):
    test = [[[0.5, 0.6, 0.7], [0.1, 0.2, 0.3], [0.7, 0.8, 0.9]]]
    result = made(test, lr=[lr], contestants=[Contestant("Adam")])
    assert result.defaults == ((0.001, rate),)
    place = result.table()["Adam"]
    assert place.default_lr == 0.001
    assert place.at_default == (None if rate is None else pytest.approx([0.6, 0.2, 0.8][rate]))
    assert ("0.001: not tried" in str(result.table())) is (rate is None)


def test_a_method_without_a_default_rate():
    class Own(torch.optim.SGD):
        def __init__(self, params, lr):
            super().__init__(params, lr)

    result = made([[[0.5]]], contestants=[Contestant(Method("own", Own))])
    assert result.defaults == ((None, None),)
    place = result.table()["own"]
    assert (place.default_lr, place.at_default) == (None, None)


# --- steps to a target


def falling(names, speeds, rates=(1.0, 2.0), steps=40):
    """Losses that fall by rate × speed in each step, as on a straight slope, the same from every seed."""
    step = torch.arange(1, steps + 1)
    loss = torch.stack(
        [torch.stack([100 - rate * speed * step for rate in rates]) for speed in speeds]
    )  # (contestant, rate, step)
    loss = loss[:, :, None].expand(-1, -1, 2, -1)
    contestants = [Contestant("SGD", name=name) for name in names]
    return made(
        1 - loss / 200, loss=loss, checkpoints=tuple(step.tolist()), contestants=contestants, choosers=1
    )


def test_twice_the_rate_needs_half_the_steps():
    result = falling("AB", [1.0, 2.0], rates=(1.0,))
    assert result.steps_to(80).tolist() == [20, 10]
    assert result.steps_to(81).tolist() == [19, 10]  # whole steps
    assert result.steps_to(60.0).tolist() == [40, 20]  # just reached at the end
    assert result.steps_to(59.9).tolist() == [torch.inf, 21]
    assert result.steps_to(1).tolist() == [torch.inf] * 2


def test_each_goes_at_the_rate_that_is_there_soonest():
    assert falling("AB", [1.0, 2.0]).steps_to(80).tolist() == [10, 5]


def test_twice_the_rate_of_a_network_needs_half_the_steps():
    """Gradient flow: at tiny rates a loss depends on rate × steps."""
    pair = [Contestant("SGD", lr=[lr], name=str(lr)) for lr in (0.001, 0.002)]
    task = digits_task(seeds=2, steps=40, batch_size=997, valid=VALIDATION)
    result = race(pair, lr=[1.0], task=task, choosers=1, checkpoints=40, progress=False)
    target = result.valid_loss[0, 0, 1, 30].item() + 1e-6
    assert result.steps_to(target).tolist() == pytest.approx([31, 15.5], abs=0.5)


def test_the_seeds_that_choose_choose_the_rate_and_those_that_judge_count():
    """(rate, seed, checkpoint): to a choosing seed the first rate is sooner, to the judges the second."""
    loss = [[[[5, 1, 1], [5, 5, 5], [5, 5, 1]], [[5, 5, 1], [1, 1, 1], [1, 1, 1]]]]
    result = made(torch.zeros(1, 2, 3, 3), loss=loss, checkpoints=(10, 20, 30), choosers=1)
    assert result.steps_to(1).tolist() == [30]  # the lower of the two in the middle, 30 and never
    assert result.steps_to(0.5).tolist() == [torch.inf]


def test_of_rates_that_are_equally_soon_the_one_that_ends_lowest():
    loss = [[[[1, 1], [1, 1]], [[1, torch.nan], [5, 5]], [[1, 0.5], [5, 1]]]]
    result = made(torch.zeros(1, 3, 2, 2), loss=loss, checkpoints=(10, 20), choosers=1)
    assert result.steps_to(1).tolist() == [20]
    # Where no rate gets there, too.
    assert result.steps_to(0.4).tolist() == [torch.inf]


def test_the_target_is_where_momentum_ends_or_the_winner():
    loss = falling(["A", "Momentum"], [1.0, 0.5])
    assert loss.target == 60  # at rate 2, after 40 steps
    assert loss.steps_to().tolist() == [20, 40]
    assert loss.steps_to().tolist() == loss.steps_to(60).tolist()
    assert falling("AB", [0.25, 0.5]).target == 60
    nothing = replace(loss, valid_loss=torch.full_like(loss.valid_loss, torch.nan))
    assert nothing.steps_to().tolist() == [torch.inf] * 2
    with pytest.raises(ValueError, match="target must be a finite number"):
        loss.steps_to(torch.inf)


# --- what tuning costs


def test_after_some_tries_as_if_all_draws_were_made():
    generator = torch.Generator().manual_seed(0)
    loss, test = (torch.rand(3, 6, 5, generator=generator) for _ in range(2))
    loss[1, 2:4] = 0.5  # equal ones: the smaller rate
    loss[2, 4] = torch.nan
    result = made(test, loss=loss, choosers=2)
    mean = loss[:, :, :2].nan_to_num(nan=torch.inf).mean(-1)
    right = test[:, :, 2:].median(-1).values
    for tries in range(1, 7):
        expected = [
            statistics.mean(
                right[i, min(drawn, key=lambda j: mean[i, j].item())].item()
                for drawn in itertools.combinations(range(6), tries)
            )
            for i in range(3)
        ]
        assert result.after_tries(tries).tolist() == pytest.approx(expected)
    whole = [result.table()[name].accuracy for name in "ABC"]
    assert result.after_tries(6).tolist() == pytest.approx(whole)


def test_after_some_tries_of_evenly_spread_accuracies():
    """The lowest of k ranks out of 0 … n − 1 is (n − k) / (k + 1) on average."""
    n = 20
    order = torch.randperm(n, generator=torch.Generator().manual_seed(0))
    result = made((1 - order / n)[None, :, None])
    for tries in range(1, n + 1):
        expected = 1 - (n - tries) / (tries + 1) / n
        assert result.after_tries(tries).item() == pytest.approx(expected)


def test_more_tries_than_there_are_rates():
    for wrong in (0, 3):
        with pytest.raises(ValueError, match=f"tries must be from 1 to 2, got {wrong}"):
            made([[[0.5], [0.6]]]).after_tries(wrong)


# --- budgets


def over_time(operations=(1.0, 2.0), **options):
    """Two contestants at four checkpoints: the slow one needs twice the work, and learns more in a step."""
    return made(
        [[[[0.1, 0.2, 0.3, 0.4]]], [[[0.15, 0.25, 0.35, 0.45]]]],
        checkpoints=(10, 20, 30, 40),
        operations=list(operations),
        **options,
    )


def test_a_budget_in_steps_is_rounded_down_to_a_checkpoint():
    result = over_time()
    assert result.budgets().tolist() == [10, 20, 30, 40]
    for budget, steps in [(10, 10), (19.9, 10), (20, 20), (39, 30), (40, 40)]:
        table = result.table(budget)
        assert {p.steps for p in table.places} == {steps}
        assert table.leaders == ("B",)
    assert result.table().budget == 40


def test_equal_work_gives_the_slow_one_fewer_steps():
    result = over_time()
    # The slow one reaches its first checkpoint after 20 operations, the fast one its last after 40.
    assert result.budgets("operations").tolist() == [20, 30, 40]
    table = result.table(per="operations")
    assert (table["A"].steps, table["B"].steps) == (40, 20)
    assert table.leaders == ("A",)
    table = result.table(20, per="operations")
    assert (table["A"].steps, table["B"].steps) == (20, 10)
    assert table.budget == 20
    assert table.per == "operations"


@pytest.mark.slow
def test_a_checkpoint_that_is_just_paid_for_counts_in_spite_of_rounding():
    costs = 100 * torch.rand(200, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for cost in costs.tolist():
        result = over_time((cost, cost * 1.5))
        budgets = result.budgets("operations").tolist()
        steps = [result.table(budget, per="operations")["A"].steps for budget in budgets]
        assert steps == [20, 30, 40]


def test_no_budget_in_operations_where_the_slowest_is_too_slow():
    assert over_time((1.0, 4.0)).budgets("operations").tolist() == [40]
    with pytest.raises(ValueError, match="per must be 'steps': the slowest contestant's first checkpoint"):
        over_time((1.0, 4.1)).budgets("operations")


@pytest.mark.parametrize(
    "scheduled", [Contestant("SGD", schedule=Constant()), Contestant("SGD", layers=[1, Cosine(9)])]
)
def test_a_schedule_has_one_budget(scheduled):
    result = over_time(contestants=[scheduled, Contestant("Adam")])
    assert result.budgets().tolist() == [40]
    with pytest.raises(ValueError, match="per must be 'steps': the schedule of SGD"):
        result.table(per="operations")
    with pytest.raises(ValueError, match=r"budget must be .*≥ 40 and ≤ 40, got 30"):
        result.table(30)


def test_operations_are_those_of_a_step():
    """Of forward, backward and step. RAdam's first five steps are shorter, and the first makes the state."""
    task = digits_task(seeds=1, steps=1)
    params = [p[0].clone().requires_grad_() for p in task.first]
    optimizer = METHODS["RAdam"](params, lr=0.1)
    x, y = task.data.x_train[task.batches[0, 0]], task.data.y_train[task.batches[0, 0]]

    def step():
        optimizer.zero_grad()
        cross_entropy(task.forward(params, x), y).backward()
        optimizer.step()

    counts = [operations(step) for _ in range(10)]
    assert len(set(counts[6:])) == 1 < len(set(counts))
    entrants = (Contestant("SGD"), Contestant("RAdam"), Contestant("SGD", clip=by_global_norm(1.0)))
    sgd, radam, clipped = module._operations_per_step(entrants, [torch.tensor([0.1])] * 3, task)
    assert radam == counts[-1]
    assert sgd < min(radam, clipped)


def test_a_step_costs_what_its_usual_steps_cost_on_average():
    """Ranger pulls its slow weights along at every sixth step."""
    task = digits_task(seeds=1, steps=1)
    costs = [
        module._operations_per_step((Contestant("Ranger"),), [torch.tensor([0.1])], task, 6 + k, counted)
        for k, counted in [(0, 6), (1, 6), *((k, 1) for k in range(6))]
    ]
    assert costs[0] == costs[1] == [sum(cost for (cost,) in costs[2:]) / 6]
    assert len({cost for (cost,) in costs[2:]}) > 1


def test_no_clock_is_read(monkeypatch):
    """Equal work crowns the same winner on every machine, however busy."""
    result = small()
    assert torch.equal(result.operations_per_step, small().operations_per_step)
    assert not hasattr(module, "time")


def test_a_rule_for_layers_is_counted_with_the_step(monkeypatch):
    rates, step = [], SGD.step
    monkeypatch.setattr(
        SGD, "step", lambda self: rates.append([float(g["lr"]) for g in self.param_groups]) or step(self)
    )
    asked = []

    def rule(norms):
        asked.append(norms)
        return opposite_norms(norms)

    task = digits_task(seeds=2, steps=1, hidden=(8, 8))
    entrants = (Contestant("SGD"), Contestant("SGD", layers=(1.0, 0.5, 2.0)), Contestant("SGD", layers=rule))
    costs = module._operations_per_step(entrants, [torch.tensor([0.1])] * 3, task, 1, 3)
    assert [len(r) for r in rates] == [1] * 4 + [3] * 8
    assert costs[2] > costs[1]
    first = [torch.cat([p[0].flatten() for p in task.first[i : i + 2]]).norm() for i in (0, 2, 4)]
    torch.testing.assert_close(asked[0], torch.stack(first)[:, None, None])
    assert rates[8] == pytest.approx((0.1 * opposite_norms(torch.stack(first))).tolist())
    assert len(asked) == 4


# --- everybody at one rate


def test_one_rate_for_all():
    result = made(
        [[[0.9, 0.9], [0.5, 0.6], [0.1, 0.1]], [[0.2, 0.2], [0.55, 0.55], [0.8, 0.8]]],
    )
    fair, shared = result.table(), result.table(lr=9.0)
    assert [p.name for p in fair.places] == ["A", "B"]
    assert [p.name for p in shared.places] == ["B", "A"]
    assert shared.leaders == ("B", "A")
    assert shared.lr == 10
    assert fair.lr is None
    # The band and the best rate stay each contestant's own.
    assert [(p.lr, p.best, p.accuracy) for p in shared.places] == [
        (10, 100, pytest.approx(0.55)),
        (10, 1, 0.5),
    ]
    assert shared["A"].good == fair["A"].good == (1, 1)
    assert "test accuracy at 10" in str(shared)
    assert "test accuracy at" not in str(fair)


def test_the_nearest_rate_is_nearest_in_proportion():
    result = made([[[0.5], [0.6], [0.7]]])
    for lr, taken in [(1, 1), (3.1, 1), (3.2, 10), (31, 10), (32, 100), (100, 100)]:
        assert result.table(lr=lr).lr == taken


def test_one_rate_for_all_needs_one_grid():
    result = made([[[0.5], [0.6]], [[0.5], [0.6]]], lr=[[1.0, 10.0], [1.0, 11.0]])
    assert not result.same_grid
    with pytest.raises(
        ValueError, match="lr cannot be the same for all: some contestants have rates of their own"
    ):
        result.table(lr=1.0)
    assert made([[[0.5]], [[0.5]]]).same_grid


def test_the_text_table():
    result = made(
        [[[0.5, 0.5, 0.5], [0.912, 0.906, 0.95]], [[0.87, 0.8, 0.9], [0.1, 0.1, 0.1]]],
        lr=[[0.01, 0.1234]] * 2,
        contestants=[Contestant("SGD"), Contestant("Adam", clip=centralize())],
    )
    assert str(result.table()) == repr(result.table())
    assert str(result.table()).splitlines() == [
        "                   best rate               good rates  test accuracy           "
        "points behind the first  at its default",
        "SGD                0.12 (end of the grid)  only 0.12   91.2% (90.6% to 95.0%)  "
        "                         0.001: not tried",
        "Adam + centralize  0.01 (end of the grid)  only 0.01   87.0% (80.0% to 90.0%)  "
        "4.2 to 10.6              0.001: not tried",
        "Had the seeds that judge chosen the rates as well, "
        "the accuracies would be 0.0 points higher on average.",
    ]


# --- names and bad input


@pytest.mark.parametrize(
    ("contestant", "name"),
    [
        (Contestant("SGD"), "SGD"),
        (Contestant(METHODS["Adam"]), "Adam"),
        (Contestant("SGD", name="mine"), "mine"),
        (Contestant("SGD", schedule=Cosine(9)), "SGD + Cosine"),
        (Contestant("SGD", schedule=Cosine(9), clip=by_global_norm(1.0)), "SGD + Cosine + by global norm"),
        (Contestant("SGD", clip=centralize()), "SGD + centralize"),
        (Contestant("SGD", layers=[1, 2]), "SGD + layers"),
        (Contestant("SGD", schedule=lambda step: 1.0), "SGD + schedule"),
        (Contestant("SGD", clip=lambda grads, params: grads), "SGD + clip"),
    ],
)
def test_names(contestant, name):
    assert contestant.name == name


def test_a_single_contestant_needs_no_list():
    assert small("SGD", steps=1, checkpoints=1).names == ("SGD",)
    assert small(METHODS["Adam"], steps=1, checkpoints=1).names == ("Adam",)
    assert small(Contestant("SGD", name="x"), steps=1, checkpoints=1).names == ("x",)


def test_checkpoints_are_spread_evenly_and_end_at_the_end():
    assert small(["SGD"], steps=7, checkpoints=3).checkpoints.tolist() == [2, 5, 7]
    assert small(["SGD"], steps=3, checkpoints=3).checkpoints.tolist() == [1, 2, 3]
    for steps, marks in [(10, range(1, 11)), (40, range(2, 41, 2))]:  # by default
        assert race(
            "SGD", lr=RATES, seeds=1, choosers=1, steps=steps, progress=False
        ).checkpoints.tolist() == [*marks]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(contestants=[]), "contestants must name at least one method, got none"),
        (dict(contestants=["Adm"]), "'Adm' is not known; did you mean Adam"),
        (dict(contestants=["SGD", "SGD"]), "contestants must have different names, and 'SGD' is there twice"),
        (dict(lr=[]), "lr must be a list of at least one number"),
        (dict(lr=0.1), "lr must be a list of at least one number, got 0.1"),
        (dict(lr=[-0.1, 0.1]), "lr must be a finite number ≥ 0, got -0.1"),
        (dict(lr=[0.0, 0.1]), "lr must be positive and rise, got 0, 0.1"),
        (dict(lr=[0.1, 0.1]), "lr must be positive and rise, got 0.1, 0.1"),
        (dict(lr=[0.1, 0.01]), "lr must be positive and rise, got 0.1, 0.01"),
        (dict(lr=[0.1, float("nan")]), "lr must be a finite number ≥ 0, got nan"),
        (
            dict(contestants=[Contestant("SGD", lr=[0.1])], lr=RATES, steps=0),
            "steps must be at least 1, got 0",
        ),
        (dict(contestants=["SGD", Contestant("Adam", lr=[0.1])]), "lr of Adam must have as many .* 3, got 1"),
        (dict(seeds=0), "seeds must be at least 1, got 0"),
        (dict(choosers=0), "choosers must be at least 1, got 0"),
        (
            dict(task=digits_task(seeds=2, steps=12, valid=300), choosers=2),
            "task must have more seeds than the 2 that choose, got 2",
        ),
        (dict(checkpoints=0), "checkpoints must be from 1 to 12, got 0"),
        (dict(checkpoints=13), "checkpoints must be from 1 to 12, got 13"),
        (dict(batch_size=998), "batch_size must be from 1 to 997, got 998"),
        (dict(batch_size=0), "batch_size must be at least 1, got 0"),
        (dict(device="cuda:99"), "device 'cuda:99' is not available"),
        (dict(data=Digits(*(t[:300] for t in digits()))), "valid must be from 0 to 299, got 300"),
        (dict(task=digits_task(seeds=1, steps=12)), "task must hold images back"),
        (
            dict(contestants=[Contestant(Method("own", SGDHD), schedule=Cosine(9))]),
            "schedule cannot drive own",
        ),
    ],
)
def test_bad_input(wrong, message, monkeypatch):
    monkeypatch.setattr(Fleet, "train", lambda *_: pytest.fail("trained before everything was checked"))
    with pytest.raises(ValueError, match=message):
        small(**wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(schedule=3), "schedule.* must be a function, for example .*, got 3"),
        (dict(clip=3), "clip must be a function, for example .*, got 3"),
    ],
)
def test_what_is_no_function(wrong, message):
    with pytest.raises(TypeError, match=message):
        small([Contestant("SGD", **wrong)])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(budget=9), "budget must be a finite number ≥ 10 and ≤ 40, got 9"),
        (dict(budget=41), "budget must be a finite number ≥ 10 and ≤ 40, got 41"),
        (dict(budget=float("nan")), "budget must be .* got nan"),
        (dict(budget=5, per="operations"), "budget must be a finite number ≥ 20 and ≤ 40, got 5"),
        (dict(per="operation"), "per 'operation' is not known; did you mean operations"),
        (dict(lr=0.5), "lr must be a finite number ≥ 1 and ≤ 1, got 0.5"),
    ],
)
def test_a_bad_budget(wrong, message):
    with pytest.raises(ValueError, match=message):
        over_time().table(**wrong)


def test_a_name_that_is_not_in_the_table():
    with pytest.raises(ValueError, match=re.escape("contestant 'a' is not known; did you mean A?")):
        over_time().table()["a"]
