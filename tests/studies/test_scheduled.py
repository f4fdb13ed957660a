"""Networks under many schedules: each run is that of its schedule alone."""

import math
import pickle

import numpy as np
import pytest
import torch

from lwlr_teach.runs.ensemble import train_ensemble
from lwlr_teach.schedules import Constant, Cosine, Drawn, Plateau
from lwlr_teach.studies import FAMILIES, Family, train_schedules

STEPS, SEEDS, LR = 45, 3, [0.02, 0.1, 0.5]


def train(families=("constant", "cosine", "WSD"), **options):
    return train_schedules(
        families, **{"lr": LR, "seeds": SEEDS, "steps": STEPS, "progress": False} | options
    )


@pytest.fixture(scope="module")
def runs():
    return train()


def alone(schedule):
    """The same network trained under one schedule."""
    return train_ensemble(
        ["Momentum"], lr=LR, seeds=SEEDS, steps=STEPS, batch_size=16, schedule=schedule, progress=False
    )


def assert_trained_alone(own, schedule, i=0):
    wanted = alone(schedule)
    torch.testing.assert_close(own.train_loss[i], wanted.train_loss[0], rtol=1e-4, atol=0)
    torch.testing.assert_close(own.test_accuracy[i], wanted.test_accuracy[0], rtol=0, atol=1e-3)


def test_each_schedule_reaches_what_it_reaches_alone(runs):
    assert list(runs.families) == ["constant", "cosine", "WSD"]
    assert [len(own.values) for own in runs.families.values()] == [1, 5, 5]
    for name, i, schedule in [
        ("constant", 0, Constant()),
        ("cosine", 0, Cosine(STEPS, 0)),
        ("cosine", 4, Cosine(STEPS, 0.6)),
    ]:
        own = runs.families[name]
        assert_trained_alone(own, schedule, i)
        wanted = [schedule(step) for step in range(STEPS)]
        np.testing.assert_allclose(own.factors[i], [wanted] * len(LR), rtol=1e-6)


def test_the_losses_along_the_run_end_near_the_final_ones(runs):
    assert runs.at_steps == (0, 10, 20, 30, 40, 45)
    own = runs.families["cosine"]
    assert own.sample_losses.shape == (5, len(LR), 6, SEEDS)
    first = own.sample_losses[:, :, 0]
    torch.testing.assert_close(first, first[:1, :1].expand_as(first))  # all start from the same weights
    ends = own.train_loss
    assert (ends < 1.5).sum() > 20
    apart = (own.sample_losses[:, :, -1] / ends - 1).abs()  # a part of the images
    assert apart[ends < 1.5].max() < 0.3


def test_a_plateau_s_factors_are_those_that_it_was_driven_with():
    schedule = Plateau(0.3, 1, min_factor=0.027, every=2)
    own = train(["constant", Family("plateau", lambda _, steps: schedule)]).families["plateau"]
    assert_trained_alone(own, schedule)
    batches = alone(schedule).batch_losses[0, :, 0].T
    wanted = torch.stack([schedule(step, batches) for step in range(STEPS)], -1)
    assert len({tuple(row) for row in wanted.tolist()}) == 3  # it looks at the losses, and these differ
    np.testing.assert_allclose(own.factors[0], wanted, atol=1e-6)


@pytest.mark.parametrize("given", [Drawn([1, 0.5, 0.1], STEPS), "polynomial"])
def test_one_more_can_be_trained(runs, given):
    own = runs.train(given)
    if given == "polynomial":
        assert own.labels == tuple(FAMILIES["polynomial"].labels)
        given = FAMILIES["polynomial"].make(0.5, STEPS)
    assert_trained_alone(own, given)


def test_what_is_one_of_them_once_more_is_the_same(runs):
    again, own = runs.train("cosine"), runs.families["cosine"]
    for name in ("factors", "sample_losses", "train_loss", "test_accuracy"):
        torch.testing.assert_close(getattr(again, name), getattr(own, name), rtol=1e-4, atol=1e-3)


def test_an_outcome_is_at_the_nearest_rate_and_value(runs):
    own = runs.families["cosine"]
    low, middle, high = own.train_loss[4, 0].sort().values.tolist()
    accuracy = own.test_accuracy[4, 0].median().item()
    assert runs.outcome("cosine", lr=0.03, value=0.7) == pytest.approx((0.02, middle, low, high, accuracy))
    assert runs.outcome("cosine", lr=0.1) == runs.outcome("cosine", lr=0.1, value=FAMILIES["cosine"].typical)
    medians = own.train_loss[0].median(-1).values
    assert runs.outcome("cosine").lr == pytest.approx(LR[medians.argmin()])
    assert runs.outcome("cosine").loss == medians.min()


def test_a_run_that_overflowed_is_infinitely_bad():
    runs = train(["constant"], lr=[0.1, 1e30])
    assert runs.outcome("constant", lr=1e30)[1:4] == (math.inf,) * 3
    assert runs.outcome("constant").lr == pytest.approx(0.1)


def test_runs_are_saved_without_the_functions_that_made_the_schedules():
    runs = train([lambda step: 0.9**step, "cosine"], lr=[0.1])
    saved = pickle.loads(pickle.dumps(runs))
    assert saved.outcome("function") == runs.outcome("function")
    schedule = Cosine(STEPS)
    assert saved.train(schedule).outcome() == pytest.approx(runs.train(schedule).outcome(), rel=1e-4)


# --- the families -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family(name):
    family = FAMILIES[name]
    assert family.name == name
    assert len(family.values) in (1, 5)
    assert len(set(family.labels)) == len(family.values)
    if len(family.values) > 1:
        assert family.typical in family.values
    if name != "plateau":
        for steps in (100, 300):
            lines = [[family.make(v, steps)(t) for t in range(steps)] for v in family.values]
            assert len(set(map(tuple, lines))) == len(lines)  # no two positions are the same
            assert all(0 <= factor <= 1 for line in lines for factor in line)
            assert all(max(line) > 0.99 for line in lines)  # it gets to the peak rate


@pytest.mark.parametrize(
    ("name", "value", "step", "factor"),
    [
        ("step", 0.3, 100, 0.3),
        ("step", 0.3, 299, 0.09),
        ("exponential", 0.03, 300, 0.03),
        ("inverse time", 30, 90, 0.5),
        ("inverse square root", 10, 119, 0.5),
        ("polynomial", 1, 150, 0.5),
        ("cosine", 0.1, 300, 0.1),
        ("warm restarts", 3, 100, 1),
        ("warm restarts", 3, 50, 0.5),
        ("warm-up and cosine", 10, 0, 0.01),
        ("warm-up and cosine", 10, 30, 1),
        ("warm-up and cosine", 10, 165, 0.5),
        ("one-cycle", 30, 89, 1),
        ("WSD", 20, 239, 1),
        ("WSD", 20, 255, 0.5),
    ],
)
def test_a_parameter_means_what_its_label_says(name, value, step, factor):
    assert FAMILIES[name].make(value, 300)(step) == pytest.approx(factor, rel=1e-9)


def test_every_family_can_be_trained():
    runs = train(list(FAMILIES), lr=[0.1], steps=20, seeds=2)
    assert all(math.isfinite(runs.outcome(name).loss) for name in FAMILIES)


# --- bad input ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("families", "options", "message"),
    [
        (["cosin"], {}, "families 'cosin' is not known; did you mean cosine"),
        ([], {}, "families must name at least one schedule, got none"),
        (["cosine", "cosine"], {}, "families must have different names, and 'cosine' is taken"),
        ([Family("yours", lambda _, steps: Constant())], {}, "different names, and 'yours' is taken"),
        ([lambda step: -1.0], {}, "the factor of function at step 0 must be a finite number ≥ 0, got -1"),
        ([lambda step: 0 / step if step < 1 else 1.0], {}, "zero"),
        ("cosine", {"steps": 19}, "steps must be at least 20, got 19"),
        ("cosine", {"seeds": 1}, "seeds must be at least 2, got 1"),
        ("cosine", {"lr": [-1.0]}, "lr"),
        ("cosine", {"method": "Momentun"}, "did you mean Momentum"),
    ],
)
def test_bad_input(families, options, message):
    with pytest.raises((ValueError, ZeroDivisionError), match=message):
        train(families, **options)


def test_bad_kinds():
    with pytest.raises(
        TypeError, match=r"families must be a function, for example 'cosine' or Cosine\(300\), got 3"
    ):
        train([3])
    with pytest.raises(TypeError, match="make of odd must be a function"):
        train([Family("odd", lambda _, steps: 3)])
    with pytest.raises(TypeError, match="make of odd must be a function"):
        Family("odd", 3)
    with pytest.raises(ValueError, match="values of odd must hold at least one number, got none"):
        Family("odd", lambda _, steps: Constant(), values=())


def test_bad_questions(runs):
    with pytest.raises(ValueError, match="name 'cosin' is not known; did you mean cosine"):
        runs.outcome("cosin")
    with pytest.raises(ValueError, match="lr must be a finite number ≥ 0, got -1"):
        runs.outcome("cosine", lr=-1)
    with pytest.raises(ValueError, match="value must be a finite number, got nan"):
        runs.outcome("cosine", value=math.nan)
    with pytest.raises(ValueError, match="families 'cosin' is not known"):
        runs.train("cosin")
