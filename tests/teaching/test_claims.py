import pytest
import torch

from lwlr_teach.teaching import claim


def test_a_true_claim_prints_its_sentence(capsys):
    claim("Two is more than one.", 2 > 1)
    assert capsys.readouterr().out == "Two is more than one.\n"


@pytest.mark.parametrize("condition", [False, torch.tensor(False), 0])
def test_a_false_claim_fails_with_its_sentence_and_prints_nothing(capsys, condition):
    with pytest.raises(AssertionError, match="One is more than two"):
        claim("One is more than two.", condition)
    assert capsys.readouterr().out == ""
