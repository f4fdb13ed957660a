"""MNIST-1D: samples that the package mnist1d 0.0.2.post1 made, and what many samples have in common."""

import numpy as np
import pytest
import torch

from lwlr_teach.problems import signals
from lwlr_teach.problems.mnist_1d import transformed

# Every third number of ``mnist1d.transform.transform`` for the labels 3, 1 and 4, after np.random.seed(7).
THEIRS = """
-0.114955355 0.316790841 -0.044029273 0.391773255 -0.072012074 0.015804077 -0.165162926
-0.142648109 0.122889693 0.147709308 0.046097163 0.189802051 0.255932481 0.026069325
-0.293172547 -0.2500467 -0.200103405 0.062213466 0.079198697 -0.012432813 -0.28613767
0.032943134 0.051125468 0.009439734 0.012009879 0.053095049 -0.008211861 0.042527383
-0.07226003 0.177029018 0.0141042 -0.028495359 0.079072605 0.012157677 -0.375829416
-0.035354768 -0.005221419 -0.088446178 -0.058397052 -0.119451824 -0.052390031 0.028294399
"""


def test_samples_are_those_of_the_package():
    stream = np.random.RandomState(7)
    drawn = [
        (
            36 + int(stream.rand() * 25),
            stream.rand(),
            stream.choice(48),
            stream.randn(72),
            stream.randn(72),
            stream.rand(),
        )
        for _ in range(3)
    ]
    columns = (torch.as_tensor(np.array(column)) for column in zip(*drawn, strict=True))
    ours = transformed(torch.tensor([3, 1, 4]), *columns)
    theirs = torch.tensor([float(number) for number in THEIRS.split()], dtype=torch.float64)
    torch.testing.assert_close(ours[:, ::3], theirs.reshape(3, 14), atol=1e-6, rtol=0)


def test_labels_have_the_same_shares_and_the_numbers_mean_0_and_size_1():
    data = signals(train=3000, test=1000)
    assert [tuple(part.shape) for part in data] == [(3000, 40), (3000,), (1000, 40), (1000,)]
    together = torch.cat([data.x_train, data.x_test])
    assert together.mean().item() == pytest.approx(0, abs=1e-4)
    assert together.std().item() == pytest.approx(1, abs=1e-4)
    assert torch.cat([data.y_train, data.y_test]).bincount().tolist() == [400] * 10
    # 4,000 samples of the package, with its own seed, have 4.42.
    assert together.pow(4).mean().item() == pytest.approx(4.4, abs=0.15)


def test_a_seed_is_a_set():
    first, again, other = (signals(train=20, test=10, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.x_train, again.x_train)
    assert not torch.equal(first.x_train, other.x_train)


@pytest.mark.parametrize("name", ["train", "test"])
def test_bad_input(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        signals(**{name: 0})
