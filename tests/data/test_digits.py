import sys

import numpy as np
import pytest

from fastconv.data import digits
from fastconv.errors import MissingExtraError


def test_the_digits_are_scaled_to_the_unit_interval():
    dataset = digits()
    assert dataset.images.shape == (1797, 1, 8, 8) and dataset.images.dtype == np.float32
    assert dataset.images.min() == 0 and dataset.images.max() == 1
    assert dataset.classes == tuple("0123456789")
    assert np.bincount(dataset.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingExtraError, match=r"fastconv\[sklearn\]"):
        digits()
