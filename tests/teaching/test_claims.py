import pytest
import torch

import lwlr_teach
from lwlr_teach.teaching import begin, claim
from lwlr_teach.teaching.progress import read_progress


@pytest.fixture(autouse=True)
def learner(monkeypatch):
    monkeypatch.delenv("LWLR_CLAIMS", raising=False)
    begin("12-lars")


@pytest.fixture
def strict(monkeypatch):
    monkeypatch.setenv("LWLR_CLAIMS", "strict")


@pytest.mark.parametrize("condition", [True, torch.tensor(True), 1])
def test_a_true_claim_prints_its_sentence(capsys, condition):
    claim("Two is more than one.", condition)
    assert capsys.readouterr() == ("Two is more than one.\n", "")
    assert read_progress()["claims"] == {}


@pytest.mark.parametrize("condition", [False, torch.tensor(False), 0])
def test_where_it_is_strict_a_false_claim_is_an_error(strict, capsys, condition):
    with pytest.raises(AssertionError, match=r"'One is more than two\.' does not hold"):
        claim("One is more than two.", condition)
    assert capsys.readouterr() == ("", "")


def test_a_false_claim_says_what_was_measured(strict):
    worst, best = 0.0873, torch.tensor([0.0898, 0.5])
    finals = {"Adam": 0.25, "SGD": 1 / 3}
    with pytest.raises(AssertionError) as error:
        claim("Best is half of worst.", best.min() < 0.5 * worst and finals["SGD"] < 1)
    said = str(error.value)
    assert "not so: best.min() < 0.5 * worst and finals['SGD'] < 1; " in said
    for number in ("best.min() = 0.0898", "0.5 * worst = 0.04365", "worst = 0.0873", "'SGD': 0.333333"):
        assert number in said


def test_what_lives_in_the_condition_alone_is_left_out(strict):
    losses = [1.0, 3.0]
    with pytest.raises(
        AssertionError, match=r"not so: all\(\(x < 2 for x in losses\)\); losses = \[1, 3\]\)"
    ):
        claim("All are below two.", all(x < 2 for x in losses))


def test_a_condition_by_name_and_one_without_a_source(strict):
    worst = 1
    with pytest.raises(AssertionError, match="not so: worst < 0"):
        claim("Below zero.", holds=worst < 0)
    with pytest.raises(AssertionError, match="the condition is false"):
        exec("claim('Never.', False)", {"claim": claim})


def test_a_learner_goes_on(capsys):
    worst = 0.09
    claim("At most 0.05.", worst < 0.05)
    claim("One is one.", 1 == 1)
    said, warned = capsys.readouterr()
    assert said == "One is one.\n"
    assert warned.splitlines()[:3] == [
        "✘ This machine measured something else.",
        "The lesson says: At most 0.05.",
        "Measured here:   not so: worst < 0.05; worst = 0.09",
    ]
    report = warned.splitlines()[-1]
    for part in (
        f"lwlr-teach {lwlr_teach.__version__},",
        "lesson 12-lars",
        f"torch {torch.__version__}",
        ", 1 thread: 'At most 0.05.'",  # as `begin` has set it
        "worst = 0.09",
    ):
        assert part in report
    assert "/issues (nothing is sent by itself)" in warned


def test_the_map_remembers_until_the_lesson_is_run_again():
    claim("At most 0.05.", 0.09 < 0.05)
    claim("At most 0.04.", 0.09 < 0.04)
    assert set(read_progress()["claims"]["12-lars"]) == {"At most 0.05.", "At most 0.04."}
    claim("At most 0.05.", True)  # the cell is run again
    assert set(read_progress()["claims"]["12-lars"]) == {"At most 0.04."}
    begin("11-rates-by-depth")
    assert "12-lars" in read_progress()["claims"]
    begin("12-lars")
    assert "12-lars" not in read_progress()["claims"]
