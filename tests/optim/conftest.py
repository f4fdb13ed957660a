"""Fixtures of the optimizers' tests."""

import pytest
import torch


@pytest.fixture
def one_thread():
    """Two threads on a busy machine take a thousand times as long for a tiny matrix product in bfloat16."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
