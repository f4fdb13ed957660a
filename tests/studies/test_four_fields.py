"""Four fields: steps to a target against the plain loop, who chooses and who judges, and profiles."""

import math
from dataclasses import replace

import pytest
import torch

from lwlr_teach.problems import FIELDS, generation
from lwlr_teach.schedules import Polynomial
from lwlr_teach.studies import four_fields
from lwlr_teach.studies.four_fields import (
    CHOOSERS,
    RACERS,
    RATES,
    SEEDS,
    FieldRuns,
    first_below,
    least_way,
    profile,
    profile_area,
    raced,
    steps_to_targets,
    train_field,
)

INF = math.inf


def runs(arrived, valid=None, *, higher=False):
    """Of two methods at two rates with three choosers and one judge."""
    arrived = torch.tensor(arrived)
    valid = torch.zeros_like(arrived) if valid is None else torch.tensor(valid)
    return FieldRuns(
        "f", "loss", higher, ("SGD", "Adam"), torch.tensor([0.001, 0.1]), 9, 2.0, 1.0, arrived, valid, valid
    )


@pytest.mark.slow
def test_runs_are_those_of_a_plain_loop():
    field = generation(seeds=2, steps=40)
    found = train_field(field, ["Adam", "Momentum"], [0.003, 0.01], seeds=2, target=42.0, progress=False)
    for seed in range(2):
        params = [p[seed].clone()[None, None].requires_grad_() for p in field.first]
        optimizer = torch.optim.Adam(params, lr=0.01)
        arrived = INF
        for step in range(40):
            optimizer.zero_grad()
            field.loss([p.expand(1, 2, *p.shape[2:]) for p in params], step)[0, seed].backward()
            optimizer.step()
            if arrived == INF and field.valid(params).item() <= 42:
                arrived = step + 1
        assert found.arrived[0, 1, seed].item() == pytest.approx(arrived, abs=1.5)
        assert found.valid[0, 1, seed].item() == pytest.approx(field.valid(params).item(), rel=1e-3)
        assert found.test[0, 1, seed].item() == pytest.approx(field.test(params).item(), rel=1e-3)
    assert found.way.shape == (2, 2, 2)
    assert ((found.way >= 1) == (found.valid <= 42)).all()


def test_the_target_is_what_tuned_momentum_has_reached_after_two_thirds():
    field = generation(seeds=1, steps=20)
    found = train_field(field, ["Momentum"], [1e-4, 1e-3], seeds=1, progress=False)
    assert found.arrived.min().item() == pytest.approx(13, abs=0.5)
    assert found.target < found.first


def test_a_schedule_moves_the_rate():
    field = generation(seeds=1, steps=20)
    how = dict(seeds=1, target=30.0, progress=False)
    constant = train_field(field, ["SGD"], [1e-3], **how)
    falling = train_field(field, ["SGD"], [1e-3], schedule=Polynomial(20), **how)
    assert falling.valid.item() > constant.valid.item() + 0.5


def test_what_overflows_has_the_worst_score_and_never_arrives():
    field = generation(seeds=1, steps=20)
    found = train_field(field, ["SGD"], [1e-4, 1e3], seeds=1, target=55.0, progress=False)
    assert found.valid[0, 1].item() == found.test[0, 1].item() == found.arrived[0, 1].item() == INF


def test_the_first_crossing_counts_and_lies_on_a_line():
    curves = torch.tensor([[9.0, 7, 3, 8, 2], [9, 9, 9, 9, 9], [4, 9, 9, 9, 9], [INF, 9, 2, 9, 9]])
    curves = torch.cat([curves, torch.tensor([[9.0, INF, 2, 2, 2]])])[..., None, None]
    steps = torch.tensor([0.0, 10, 20, 30, 40])
    assert first_below(curves, 5.0, steps).flatten().tolist() == pytest.approx(
        [15, INF, 0, 10 + 10 * 4 / 7, 20]
    )


def test_some_seeds_choose_and_others_judge():
    found = runs([[[5.0, 5, 5, 70], [6, 6, 6, 1]], [[INF, INF, 3, 3], [4, 4, INF, INF]]])
    assert found.chosen.tolist() == [0, 1]
    assert found.best_steps.tolist() == [70, INF]
    assert found.judged(found.arrived, torch.tensor([1, 0])).tolist() == [[1], [3]]
    assert found.at("Adam") == 1
    assert found.default.tolist() == [0, 0]


def test_the_worst_field_counts():
    """From a first score of 2 to a target of 1; one median each of four seeds."""
    one = runs([[[5.0] * 4] * 2] * 2, [[[1.5] * 4, [0.5] * 4], [[2.0] * 4, [1.0] * 4]])
    other = runs([[[7.0] * 4] * 2] * 2, [[[1.0] * 4, [3.0] * 4], [[1.9] * 4, [1.2] * 4]])
    both = {"one": one, "other": other}
    assert least_way(both, "SGD").tolist() == pytest.approx([0.5, -1])
    assert least_way(both, "Adam").tolist() == pytest.approx([0, 0.8])
    assert steps_to_targets(both).tolist() == [[5, 7], [5, 7]]


@pytest.mark.parametrize("higher", [False, True])
def test_where_no_rate_arrives_the_best_score_chooses(higher):
    never = [[[INF] * 4] * 2] * 2
    valid = [[[3.0] * 4, [7.0] * 4], [[7.0] * 4, [3.0] * 4]]
    assert runs(never, valid, higher=higher).chosen.tolist() == ([1, 0] if higher else [0, 1])


def test_a_profile_made_by_hand():
    """Fastest are 10, 20 and 5 steps; nobody arrives in the fourth field."""
    steps = torch.tensor([[10.0, 40, INF, INF], [20, 20, 5, INF], [39, INF, 25, INF]])
    found = profile(steps, [1, 2, 4])
    expected = [[0.25, 0.5, 0.5], [0.5, 0.75, 0.75], [0, 0, 0.25]]
    assert found.tolist() == [pytest.approx(row) for row in expected]
    areas = [(3 + 2) / 3 / 4, (2 + 3 + 3) / 3 / 4, 0.1 / 3 / 4]
    assert profile_area(steps).tolist() == pytest.approx(areas)


def test_the_area_is_that_below_the_profile():
    steps = torch.rand(5, 4, generator=torch.Generator().manual_seed(0)) * 90 + 10
    taus = torch.linspace(1, 4, 30_001)
    torch.testing.assert_close(profile_area(steps), profile(steps, taus).mean(1), atol=1e-3, rtol=0)


def test_what_is_stored_is_complete():
    stored = raced()
    assert list(stored) == list(FIELDS)
    for field, found in stored.items():
        assert found.methods == RACERS
        assert found.lr.tolist() == pytest.approx(RATES)
        assert (
            found.arrived.shape == found.valid.shape == found.test.shape == (len(RACERS), len(RATES), SEEDS)
        )
        assert found.best_steps[found.at("Momentum")] < found.steps
        assert found.steps == FIELDS[field](seeds=1).steps
        assert not found.valid.isnan().any()
        assert (found.target > found.first) == found.higher


def test_what_is_written_is_what_is_read(monkeypatch, tmp_path):
    stored = raced()
    monkeypatch.setattr(four_fields, "_STORED", tmp_path / "again.json")
    monkeypatch.setattr(four_fields, "train_field", stored.get)
    four_fields._store()
    for name, again in raced().items():
        for part in ("arrived", "valid", "test", "lr"):
            assert getattr(again, part).equal(getattr(stored[name], part))
        assert (again.target, again.first, again.higher) == (
            stored[name].target,
            stored[name].first,
            stored[name].higher,
        )


@pytest.mark.slow
def test_what_is_stored_is_what_is_measured():
    stored = raced()["generation"]
    again = train_field("generation", ["Adam"], RATES[3:6], seeds=SEEDS, target=stored.target, progress=False)
    adam = replace(stored, arrived=stored.arrived[[4], 3:6], valid=stored.valid[[4], 3:6], lr=stored.lr[3:6])
    torch.testing.assert_close(again.valid.median(-1).values, adam.valid.median(-1).values, rtol=0.03, atol=0)
    assert again.first == pytest.approx(stored.first, rel=1e-3)
    assert again.best_steps.item() == pytest.approx(adam.best_steps.item(), rel=0.3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(lr=[0.1, 0.01]), "lr must be positive and rise"),
        (dict(seeds=0), "seeds must be at least 1, got 0"),
        (dict(field="sight"), "field 'sight' is not known"),
        (dict(methods=["adam"]), "did you mean Adam"),
        (dict(methods=["Adam"], target=None), "target must be given where Momentum is not among"),
        (dict(target=math.nan), "target must be a finite number, got nan"),
    ],
)
def test_bad_input(wrong, message):
    settings = dict(field="vision", methods=["SGD"], lr=[0.1], seeds=1, target=1.0, progress=False) | wrong
    with pytest.raises(ValueError, match=message):
        train_field(settings.pop("field"), settings.pop("methods"), settings.pop("lr"), **settings)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: profile(torch.ones(1, 1), [0.5]), "within must be a finite number ≥ 1, got 0.5"),
        (lambda: profile_area(torch.ones(1, 1), 1.0), "most must be a finite number > 1, got 1"),
    ],
)
def test_bad_profiles(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()


def test_choosers_are_fewer_than_the_seeds():
    assert 0 < CHOOSERS < SEEDS
