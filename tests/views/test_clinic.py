from itertools import pairwise

import pytest

from lwlr_teach.studies import ILLNESSES, patients
from lwlr_teach.views import ClinicView
from lwlr_teach.views.clinic.view import PRICES, WRONG


@pytest.fixture
def view():
    return ClinicView(patients())


def meet(view, name):
    """Go to the first patient who has this."""
    view.patient = next(i for i, one in enumerate(view.patients) if one.illness.name == name)


def test_a_bill_has_each_test_once_and_each_wrong_name(view):
    meet(view, "left out")
    assert view.bill == 0
    view.bought = ["weight_norm", "one batch"]
    view.quantity = "weight_norm"
    assert view.bill == PRICES["weight_norm"] + PRICES["one batch"]
    view.named = ["healthy", "left out"]
    assert view.bill == PRICES["weight_norm"] + PRICES["one batch"] + WRONG


def test_it_keeps_the_cause_to_itself_until_it_is_named(view):
    left_out = ILLNESSES["left out"]
    meet(view, "left out")
    view.bought = list(PRICES)
    assert left_out.cause not in view.describe()
    view.named = ["wrong sign"]
    sign = ILLNESSES["wrong sign"]
    assert f"Not so: {sign.cause}. You would know it by this: {sign.would}" in view.describe()
    assert not view.solved
    view.named = ["left out", "wrong sign"]
    assert view.solved
    assert f"Right, {left_out.cause}. {left_out.shows}" in view.describe()


def test_a_wrong_name_is_answered_by_what_this_patient_does_not_show(view):
    """What the sentences say that could look so in others: the reruns, and the first steps."""
    for one in view.patients:
        name = one.illness.name
        ends = {test: losses[-5:].mean() for test, losses in {"": one.losses, **one.reruns}.items()}
        leaps = one.records["relative_update"].nanmedian(0).values[:20].nan_to_num().max() > 0.25
        learns = {test: bool(end < 0.4) for test, end in ends.items()}
        high = leaps and learns["a tenth"] and not learns["warm-up"]
        missing = leaps and learns["warm-up"] and not learns[""]
        low = bool(ends[""] > 2) and bool(ends["ten times"] < ends[""] - 0.2)
        rate = one.records["effective_rate"]
        assert (high, missing, low) == tuple(
            name == other for other in ("rate too high", "no warm-up", "rate too low")
        ), (name, one.seed, ends)
        assert (one.held[0] < one.held[1]) == (name == "left out")
        if name in ("schedule too fast", "cut too early"):
            even = (rate[0, 1:20] < rate[0, :19]).all()
            assert even == (name == "schedule too fast")


def test_what_the_optimizer_holds_tells_who_was_left_out(view):
    view.bought = ["held"]
    meet(view, "left out")
    assert "count the tensors that the optimizer holds: 6 of 8." in view.describe()
    meet(view, "healthy")
    assert "8 of 8" in view.describe()


def test_a_number_says_nothing_of_an_illness(view):
    names, stored = ([one.illness.name for one in some] for some in (view.patients, patients()))
    assert sorted(names) == sorted(stored)
    assert sum(a == b for a, b in zip(names, stored, strict=True)) < 5
    assert all(a != b for a, b in pairwise(names))
    assert len({*names[:5]}) == 5
    assert names == [one.illness.name for one in ClinicView(patients()).patients]


def test_a_clip_that_always_acts_shows_in_the_gradient_of_all_layers(view):
    said = {}
    for name in ("healthy", "always clipped"):
        meet(view, name)
        view.quantity = "clipped_norm"
        low, high = view.describe().partition("all layers together: ")[2].split(". Bill")[0].split(" to ")
        said[name] = low, high
    assert said["always clipped"] == ("1.5e−5", "1.5e−5")
    assert float(said["healthy"][1]) > 2 * float(said["healthy"][0])
    view.quantity = "weight_norm"
    assert "together" not in view.describe()


def test_the_axis_does_not_tell_what_a_test_would_say(view):
    meet(view, "rate too high")
    before = view.figure().axes[0].get_ylim()
    view.bought = ["a tenth"]
    assert before == pytest.approx((1.0, 36.0))
    assert view.figure().axes[0].get_ylim()[0] < 0.5


def test_where_numbers_end_it_says_so(view):
    meet(view, "ε too small")
    said = view.describe()
    assert "the loss ends at no number" in said
    assert "training loss: no number from step 1 on." in said
    assert "relative update ‖Δp‖ / ‖p‖: no number from step 0 on." in said
    view.bought = ["one batch"]
    assert "the loss ends at no number, as before." in view.describe()
    meet(view, "healthy")
    assert "no number" not in view.describe()


@pytest.mark.slow
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
