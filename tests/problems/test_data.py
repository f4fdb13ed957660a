import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from lwlr_teach.problems.data import _load_digits, digits


def test_digits_are_split_without_overlap_and_scaled():
    d = digits()
    assert d.x_train.shape == (1297, 64)
    assert d.x_test.shape == (500, 64)
    assert d.x_train.min() == 0
    assert d.x_train.max() == 1
    assert set(d.y_train.tolist()) == set(d.y_test.tolist()) == set(range(10))
    images = torch.cat([d.x_train, d.x_test])
    assert len(images.unique(dim=0)) == 1797


def test_the_images_are_scikit_learns():
    images, labels = load_digits(return_X_y=True)
    ours, our_labels = _load_digits()
    np.testing.assert_array_equal(ours, images)
    np.testing.assert_array_equal(our_labels, labels)


def test_each_label_stays_with_its_image():
    # The mean image of a class is nearest to the test images of that class far more often than by chance.
    d = digits()
    means = torch.stack([d.x_train[d.y_train == k].mean(0) for k in range(10)])
    guess = torch.cdist(d.x_test, means).argmin(1)
    assert (guess == d.y_test).float().mean() > 0.85


def test_the_split_depends_on_the_seed_only():
    assert torch.equal(digits(seed=3).x_test, digits(seed=3).x_test)
    assert not torch.equal(digits(seed=3).x_test, digits(seed=4).x_test)


@pytest.mark.parametrize("test", [0, 1797])
def test_a_split_without_images_on_both_sides_is_refused(test):
    with pytest.raises(ValueError, match=f"test must be .* 1 .* 1796, got {test}"):
        digits(test=test)
