import pytest

from lwlr_teach.views import FamilyView


def test_the_sentence_tells_what_a_method_came_of():
    view = FamilyView(chosen="RMSprop")
    assert view.describe() == (
        "RMSprop comes from Adagrad. New: s = α s + (1 − α) g². Kept: d = g / (√s + ε)."
    )
    view.chosen = "SGD"
    assert view.describe() == "SGD begins the family. New: d = g."


def test_a_card_lies_below_all_that_its_method_came_of_and_none_lies_on_another():
    cards = {card["name"]: card for card in FamilyView().plan["cards"]}
    assert len({tuple(card["place"]) for card in cards.values()}) == len(cards)
    for card in cards.values():
        assert all(cards[parent]["place"][0] < card["place"][0] for parent in card["parents"])
    assert set(cards["Adam"]["descent"]) == {"Adam", "Momentum", "SGD", "RMSprop", "Adagrad"}


def test_the_still_picture_has_every_line():
    view = FamilyView(["SGD", "Momentum"])
    said = [text.get_text() for text in view.figure().axes[0].texts]
    assert {"SGD", "Momentum", "+ d = g", "+ b = g + μ b", "+ d = b"} <= set(said)


@pytest.mark.parametrize(
    ("asked", "says"),
    [({"methods": []}, "at least one"), ({"chosen": "Adm"}, "did you mean Adam"), ({"methods": ["x"]}, "x")],
)
def test_what_cannot_be_shown_is_named(asked, says):
    with pytest.raises(ValueError, match=says):
        FamilyView(**asked)
