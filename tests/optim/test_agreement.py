"""docs/agreement.md is what the tests measure."""

import pytest
import torch

from tests.optim import agreement
from tests.test_repository import constraints


@pytest.mark.slow
def test_the_table_has_exactly_the_rows_that_the_tests_fill():
    written, expected = agreement.written_rows(), agreement.expected_rows()
    if agreement.versions() not in agreement.FILE.read_text("utf-8"):  # another torch tests other settings
        written, expected = written.keys(), expected.keys()
    assert written == expected, "run make agreement"


def test_the_table_was_measured_with_the_tested_versions():
    pinned = agreement.versions(constraints().__getitem__)
    assert pinned in agreement.FILE.read_text("utf-8"), "run make agreement"


def test_a_difference_is_relative_to_each_tensor_and_never_hides_nan():
    small, large = torch.tensor([1e-6, 0.0]), torch.tensor([1e6])
    assert agreement.difference([small * 1.5, large], [small, large]) == pytest.approx(0.5)
    assert agreement.difference([torch.zeros(0)], [torch.zeros(0)]) == 0
    with pytest.raises(AssertionError):
        agreement.difference([torch.tensor([1.0, float("nan")])], [torch.ones(2)])
    with pytest.raises(AssertionError):
        agreement.difference([torch.ones(1)], [torch.ones(2)])


def test_a_figure_without_a_row_and_a_row_without_a_figure_are_refused():
    with pytest.raises(SystemExit, match="no figure"):
        agreement.page({})
