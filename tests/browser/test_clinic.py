"""The clinic: who comes next, and what a name is answered by."""

import pytest

CELLS = [
    "from lwlr_teach.studies import patients\nfrom lwlr_teach.views import ClinicView",
    "view = ClinicView(patients()[::9])\nview",
]


@pytest.fixture
def bare(show):
    return show(*CELLS)


def name(bare, illness):
    """Press the button of an illness: a name, or the patient's own."""
    place = bare.ask(f"print([*view.plan['causes']].index({illness}))")
    bare.view().button(f"cause-{place}").click()
    bare.answer()


def next_patient(bare):
    bare.view().button("next").click()
    bare.answer()
    return int(bare.ask("print(view.patient)"))


def test_who_was_cured_comes_again_when_all_are_cured(bare):
    own = "view.patients[view.patient].illness.name"
    name(bare, own)
    assert "Cured: 1, at 0 min each" in bare.view().root.inner_text()
    assert next_patient(bare) == 1
    assert next_patient(bare) == 2  # the second was not cured
    name(bare, own)
    assert next_patient(bare) == 1
    name(bare, own)
    assert bare.ask("print(view.cured, view.bills)") == "[0, 2] [0, 0]"
    assert next_patient(bare) == 2  # all were: a new round
    assert bare.ask("print(view.cured, view.bills)") == "[] [0, 0, 0]"


def test_the_answer_is_to_the_name_that_was_given_last(bare):
    wrong = bare.ask(
        "own = view.patients[view.patient].illness.name\n"
        "print([name for name in view.plan['causes'] if name != own][:2])"
    )
    for each in reversed(eval(wrong)):
        name(bare, repr(each))
        said = bare.ask(f"print(view.plan['verdicts'][{each!r}]['not'])")
        assert bare.view().root.locator(".lwlr-reason").inner_text() == f"✘ {said}"
