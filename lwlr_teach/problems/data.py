"""Small real data that needs no download."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Digits(NamedTuple):
    """Handwritten digits: images (n, 64) with values in [0, 1], labels (n,) from 0 to 9."""

    x_train: Tensor
    y_train: Tensor
    x_test: Tensor
    y_test: Tensor


def digits(*, test: int = 500, seed: int = 0, dtype: torch.dtype = torch.float32) -> Digits:
    """The 1,797 8×8 images of scikit-learn's bundled digits (Alpaydin & Kaynak 1998), shuffled and split.

    ``test`` images are held out, chosen by ``seed``.
    """
    images, labels = _load_digits()
    if not 0 < test < len(images):
        raise ValueError(f"test must be between 1 and {len(images) - 1}, got {test}")
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    x = torch.as_tensor(images, dtype=dtype)[order] / 16
    y = torch.as_tensor(labels, dtype=torch.int64)[order]
    return Digits(x[:-test], y[:-test], x[-test:], y[-test:])


def _load_digits() -> tuple[np.ndarray, np.ndarray]:
    """What ``sklearn.datasets.load_digits`` returns, read from its file: importing scikit-learn for it would
    take a second and 75 MB in every kernel."""
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("digits() needs scikit-learn, whose package holds the images")
    rows = np.loadtxt(Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz", delimiter=",")
    return rows[:, :-1], rows[:, -1].astype(int)
