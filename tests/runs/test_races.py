"""A race is single runs, fairly compared."""

import io
import re

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
from lwlr_teach.runs.fleet import Fleet
from lwlr_teach.runs.races import VALIDATION, Contestant, Race, race
from lwlr_teach.schedules import Constant, Cosine, drive

RATES = [0.003, 0.03, 0.3]


def small(contestants=("SGD", "Adam"), **options):
    return race(
        contestants, **{"lr": RATES, "seeds": 2, "steps": 12, "checkpoints": 3, "progress": False} | options
    )


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
    assert (done.seconds_per_step > 0).all()


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
    result = race(PLAIN, lr=RATES, task=task, checkpoints=3, progress=False)
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
    result = race(entrants, lr=RATES, task=task, checkpoints=2, progress=False)
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
    test, *, loss=None, valid=None, lr=None, checkpoints=(10,), seconds=None, planned=None, contestants=None
):
    """A race with these results: lists (contestant, rate, seed, checkpoint), the last axis optional."""

    def results(values):
        tensor = torch.tensor(values, dtype=torch.float32)
        return tensor if tensor.ndim == 4 else tensor[..., None]

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
        seconds_per_step=torch.tensor(seconds or [1.0] * n, dtype=torch.float64),
        planned=planned or checkpoints[-1],
    )


def test_the_best_rate_has_the_lowest_median_validation_loss():
    """Neither the mean nor the best seed nor a test image chooses."""
    result = made(
        [[[0.99, 0.99, 0.99], [0.5, 0.5, 0.5], [0.9, 0.9, 0.9]]],
        loss=[[[2.0, 2.0, 2.0], [1.0, 1.0, 90.0], [1.5, 1.5, 0.1]]],
    )
    place = result.table()["A"]
    assert (place.lr, place.best, place.accuracy) == (10, 10, 0.5)
    assert not place.at_end


@pytest.mark.parametrize("overflow", [float("nan"), float("inf")])
def test_a_rate_that_overflowed_is_not_the_best(overflow):
    loss = [[[overflow, overflow, 0.1], [5.0, 5.0, 5.0], [overflow] * 3]]
    assert made([[[0.1] * 3] * 3], loss=loss).table()["A"].best == 10
    # From most seeds it did not.
    loss = [[[overflow, 0.1, 0.1], [5.0, 5.0, 5.0], [overflow] * 3]]
    assert made([[[0.1] * 3] * 3], loss=loss).table()["A"].best == 1


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


def test_the_good_rates_are_medians_over_the_seeds():
    loss = [[[1.0] * 3, [3.0] * 3, [3.0] * 3]]
    valid = [[[0.9, 0.9, 0.9], [0.9, 0.9, 0.1], [0.9, 0.1, 0.1]]]
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
        loss=[[[1.0, 2.0, 30.0, 30.0], [2.5, 2.5, 2.5, 2.5]]],
    )
    place = result.table()["A"]
    assert place.best == 1
    assert place.accuracy == pytest.approx(0.4)


def test_one_seed():
    table = made([[[0.5]], [[0.6]]]).table()
    assert table.leaders == ("B",)
    assert table["A"].lowest == table["A"].highest == table["A"].accuracy


# --- budgets


def over_time(seconds=(1.0, 2.0), **options):
    """Two contestants at three checkpoints: the slow one needs twice as long, and learns more in a step."""
    return made(
        [[[[0.1, 0.2, 0.3, 0.4]]], [[[0.15, 0.25, 0.35, 0.45]]]],
        checkpoints=(10, 20, 30, 40),
        seconds=list(seconds),
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


def test_equal_time_gives_the_slow_one_fewer_steps():
    result = over_time()
    # The slow one reaches its first checkpoint after 20 seconds, the fast one its last after 40.
    assert result.budgets("seconds").tolist() == [20, 30, 40]
    table = result.table(per="seconds")
    assert (table["A"].steps, table["B"].steps) == (40, 20)
    assert table.leaders == ("A",)
    table = result.table(20, per="seconds")
    assert (table["A"].steps, table["B"].steps) == (20, 10)
    assert table.budget == 20
    assert table.per == "seconds"


def test_a_checkpoint_that_is_just_paid_for_counts_in_spite_of_rounding():
    seconds = torch.rand(200, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) / 1000
    for second in seconds.tolist():
        result = over_time((second, second * 1.5))
        budgets = result.budgets("seconds").tolist()
        steps = [result.table(budget, per="seconds")["A"].steps for budget in budgets]
        assert steps == [20, 30, 40]


def test_no_budget_in_seconds_where_the_slowest_is_too_slow():
    assert over_time((1.0, 4.0)).budgets("seconds").tolist() == [40]
    with pytest.raises(ValueError, match="per must be 'steps': the slowest contestant's first checkpoint"):
        over_time((1.0, 4.1)).budgets("seconds")


@pytest.mark.parametrize(
    "scheduled", [Contestant("SGD", schedule=Constant()), Contestant("SGD", layers=[1, Cosine(9)])]
)
def test_a_schedule_has_one_budget(scheduled):
    result = over_time(contestants=[scheduled, Contestant("Adam")])
    assert result.budgets().tolist() == [40]
    with pytest.raises(ValueError, match="per must be 'steps': the schedule of SGD"):
        result.table(per="seconds")
    with pytest.raises(ValueError, match=r"budget must be .*≥ 40 and ≤ 40, got 30"):
        result.table(30)


def test_seconds_are_measured(monkeypatch):
    """Medians over the rounds, without the first two, in which the state is made."""
    clock = iter(
        [
            t
            for i in range(15)
            for d in ((1.0, 3.0) if i != 7 else (90.0, 90.0))
            for t in (0.0, d if i > 1 else 50.0)
        ]
    )
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(clock))
    task = digits_task(seeds=1, steps=1)
    entrants = (Contestant("SGD"), Contestant("Adam"))
    assert module._seconds_per_step(entrants, [torch.tensor([0.1])] * 2, task) == [1.0, 3.0]


def test_the_clock_waits_for_the_device(monkeypatch):
    waited = []
    monkeypatch.setattr(torch.accelerator, "synchronize", waited.append)
    module._now(torch.device("cpu"))
    assert not waited
    module._now(torch.device("cuda", 1))
    assert waited == [torch.device("cuda", 1)]
    asked = []
    monkeypatch.setattr(module, "_now", lambda device: asked.append(device) or float(len(asked)))
    task = digits_task(seeds=1, steps=1)
    assert module._seconds_per_step((Contestant("SGD"),), [torch.tensor([0.1])], task) == [1.0]
    assert asked == [torch.device("cpu")] * 30  # before and after each of 15 steps


def test_a_rule_for_layers_is_timed_with_the_step(monkeypatch):
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
    module._seconds_per_step(entrants, [torch.tensor([0.1])] * 3, task, rounds=4)
    assert [len(r) for r in rates] == [1, 3, 3] * 4
    first = [torch.cat([p[0].flatten() for p in task.first[i : i + 2]]).norm() for i in (0, 2, 4)]
    torch.testing.assert_close(asked[0], torch.stack(first)[:, None, None])
    assert rates[2] == pytest.approx((0.1 * opposite_norms(torch.stack(first))).tolist())
    assert len(asked) == 4


def test_a_step_of_a_real_race_takes_a_real_time():
    seconds = small().seconds_per_step
    assert seconds.shape == (2,)
    assert ((seconds > 0) & seconds.isfinite()).all()


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
        "                   best rate               good rates    test accuracy",
        "SGD                0.12 (end of the grid)  0.12 to 0.12  91.2% (90.6% to 95.0%)  leads",
        "Adam + centralize  0.01 (end of the grid)  0.01 to 0.01  87.0% (80.0% to 90.0%)",
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
        assert race("SGD", lr=RATES, seeds=1, steps=steps, progress=False).checkpoints.tolist() == [*marks]


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
        (dict(budget=5, per="seconds"), "budget must be a finite number ≥ 20 and ≤ 40, got 5"),
        (dict(per="second"), "per 'second' is not known; did you mean seconds"),
        (dict(lr=0.5), "lr must be a finite number ≥ 1 and ≤ 1, got 0.5"),
    ],
)
def test_a_bad_budget(wrong, message):
    with pytest.raises(ValueError, match=message):
        over_time().table(**wrong)


def test_a_name_that_is_not_in_the_table():
    with pytest.raises(ValueError, match=re.escape("contestant 'a' is not known; did you mean A?")):
        over_time().table()["a"]
