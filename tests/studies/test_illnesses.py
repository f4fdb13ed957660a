import pytest
import torch

from lwlr_teach.studies.illnesses import ILLNESSES, RECORDS, RERUNS, STEPS, patients, run_patient

pytestmark = pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler")


def test_there_are_twelve_illnesses_and_a_healthy_run():
    assert len(ILLNESSES) == 13
    assert len({illness.cause for illness in ILLNESSES.values()}) == 13


@pytest.mark.parametrize("name", [name for name in ILLNESSES if name != "healthy"])
def test_the_code_that_is_shown_says_what_should_stand_there(name):
    source = ILLNESSES[name].source
    compile(source, name, "exec")
    assert source.startswith(f"rate = {ILLNESSES[name].rate}")
    assert "# should" in source
    assert ("# should" in source.splitlines()[0]) == (name in ("rate too high", "rate too low"))
    assert "should" not in ILLNESSES["healthy"].source


@pytest.mark.slow
def test_a_run_is_the_same_again_and_another_with_another_seed():
    first, again, other = (run_patient("healthy", seed).losses for seed in (0, 0, 3))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert len(first) == STEPS


@pytest.mark.slow
def test_warm_up_lowers_the_first_rates_and_gives_them_back():
    plain, warm = (run_patient("healthy", 0, warm_up=on).recording["rate"][0] for on in (False, True))
    torch.testing.assert_close(warm[0], plain[0] / 50)
    torch.testing.assert_close(warm[50:], plain[50:])


@pytest.mark.slow
def test_one_batch_is_learned_by_heart():
    assert run_patient("healthy", 0, one_batch=True).losses[-1] < 0.02


@pytest.mark.slow
def test_a_warm_up_tells_a_rate_that_is_too_high_from_a_missing_warm_up():
    """Each stored patient, and seeds whose record looks like the other's: without a warm-up all are lost."""
    for patient in patients():
        if patient.illness.name == "no warm-up":
            assert patient.losses[-5:].mean() < 0.85 * patient.losses[0]
            assert patient.reruns["warm-up"][-5:].mean() < 0.4
        if patient.illness.name == "rate too high":
            assert patient.reruns["warm-up"][-5:].mean() > 2
    for seed in (10, 24, 33):
        ends = [
            run_patient(name, seed, warm_up=True).losses[-20:].mean()
            for name in ("no warm-up", "rate too high")
        ]
        assert ends[0] < 0.5 < 1.5 < ends[1]


@pytest.mark.slow
def test_without_its_cuts_the_run_goes_on_learning():
    for patient in patients():
        if patient.illness.name == "cut too early":
            cut = patient.losses[-20:].mean()
            # The same code as far as the rate is concerned, but for what stands in its middle.
            free = run_patient("state lost", patient.seed).losses[-20:].mean()
            assert free < cut / 2


@pytest.mark.slow
def test_stored_patients_are_those_of_the_code_as_it_is():
    stored = patients()
    assert {patient.illness.name for patient in stored} == set(ILLNESSES)
    for name in ("healthy", "left out", "wrong sign"):
        patient = next(p for p in stored if p.illness.name == name)
        fresh = run_patient(name, patient.seed)
        torch.testing.assert_close(patient.losses[:10], fresh.losses[:10], rtol=0.02, atol=0.005)
        for record in RECORDS:
            first = fresh.recording[record][:, :5]
            torch.testing.assert_close(patient.records[record][:, :5], first, rtol=0.05, atol=1e-6)
    assert all(set(p.reruns) == set(RERUNS) for p in stored)
