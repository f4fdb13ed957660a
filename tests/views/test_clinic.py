import pytest

from lwlr_teach.studies import ILLNESSES, patients
from lwlr_teach.views import ClinicView
from lwlr_teach.views.clinic.view import PRICES, WRONG


@pytest.fixture
def view():
    return ClinicView(patients(), first=14)


def test_a_bill_has_each_test_once_and_each_wrong_name(view):
    assert view.bill == 0
    view.bought = ["weight_norm", "one batch"]
    view.quantity = "weight_norm"
    assert view.bill == PRICES["weight_norm"] + PRICES["one batch"]
    view.named = ["healthy", "left out"]
    assert view.bill == PRICES["weight_norm"] + PRICES["one batch"] + WRONG


def test_it_keeps_the_cause_to_itself_until_it_is_named(view):
    left_out = ILLNESSES["left out"]
    assert view.patients[view.patient].illness == left_out
    view.bought = list(PRICES)
    assert left_out.cause not in view.describe()
    view.named = ["wrong sign"]
    assert f"Not so: {ILLNESSES['wrong sign'].cause}." in view.describe()
    assert not view.solved
    view.named = ["left out", "wrong sign"]
    assert view.solved
    assert f"Right, {left_out.cause}. {left_out.shows}" in view.describe()


def test_what_the_optimizer_holds_tells_who_was_left_out(view):
    view.bought = ["held"]
    assert "count the tensors that the optimizer holds: 6 of 8." in view.describe()
    view.patient = 0
    assert "8 of 8" in view.describe()


def test_every_patient_is_drawn_with_and_without_its_code(view):
    for i in range(0, len(view.patients), 2):
        view.patient, view.named = i, []
        small = view.figure().get_size_inches()[1]
        view.named, view.bought = list(ILLNESSES), list(PRICES)
        assert view.figure().get_size_inches()[1] > small


def test_it_needs_a_patient():
    with pytest.raises(ValueError, match="patients must be at least one, got none"):
        ClinicView([])


def test_it_is_small_enough_for_a_slow_line(view):
    assert len(view.numbers) < 300_000
