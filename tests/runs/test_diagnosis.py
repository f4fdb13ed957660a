"""``diagnose``, on runs that its rules were not made on. All of them are in docs/diagnosis.md."""

import pytest
import torch

from lwlr_teach.runs import QUANTITIES, Recording, diagnose
from lwlr_teach.runs.diagnosis import EXPLAINED_BY, RULES, TESTS
from lwlr_teach.studies.illnesses import ILLNESSES
from tests.runs.diagnosis import FILE, KINDS, first_finding, patients

pytestmark = pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler")
SICK = [name for name in ILLNESSES if name != "healthy"]


@pytest.mark.slow
def test_patients_that_the_rules_have_not_seen():
    """Single seeds come out differently on other machines, so no illness must be found from each of them."""
    found = patients(range(31, 34))
    right = {name: found[name, name] for name in ILLNESSES}
    assert min(right.values()) >= 1, found
    assert sum(right.values()) >= 31, found  # of 39
    assert right["healthy"] >= 2, found


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["SGD with momentum, cosine", "a frozen first layer", "LARS"])
def test_it_is_silent_on_healthy_runs(kind):
    assert first_finding(KINDS[kind](30)) == "healthy"


def test_each_illness_has_a_rule_and_a_test():
    assert set(SICK) == set(RULES) == set(TESTS)
    assert all(by <= set(RULES) for by in (set(EXPLAINED_BY), *EXPLAINED_BY.values()))


def recording(steps=40, layers=("a", "b", "c"), **quantities):
    """Of a run in which nothing happens, but for these quantities."""
    values = torch.ones(len(QUANTITIES), len(layers), steps)
    usual = {"relative_update": 0.01, "update_norm": 0.01, "cosine": 0.5}
    noise = 1 + torch.rand(steps, generator=torch.Generator().manual_seed(0))
    for name, value in ({"clipped_norm": noise} | usual | quantities).items():
        values[list(QUANTITIES).index(name)] = value
    return Recording(layers, torch.arange(steps), values)


def test_it_needs_no_losses_and_no_kinds():
    assert diagnose(recording()) == []
    still = torch.tensor([0.01, 0.0, 0.01])[:, None]
    (found,) = diagnose(recording(update_norm=still, relative_update=still))
    assert found.illness == "left out"
    assert "b never moved" in found.evidence
    assert "holds" in str(found)


def test_what_was_frozen_on_purpose_has_no_gradient_and_is_no_finding():
    still = torch.tensor([0.01, 0.0, 0.01])[:, None]
    gradients = torch.rand(3, 40) * (still > 0)
    assert diagnose(recording(update_norm=still, relative_update=still, clipped_norm=gradients)) == []


def test_two_illnesses_are_both_found():
    still = torch.tensor([0.01, 0.0, 0.01])[:, None]
    found = diagnose(recording(update_norm=still, relative_update=still, clipped_norm=1.0))
    assert [finding.illness for finding in found] == ["left out", "always clipped"]


def test_too_short_a_recording_is_not_judged():
    assert diagnose(recording(steps=10, update_norm=torch.nan)) == []


def test_the_file_has_a_row_for_each_illness():
    rows = FILE.read_text(encoding="utf-8")
    assert all(f"\n| {name} |" in rows for name in ILLNESSES)
