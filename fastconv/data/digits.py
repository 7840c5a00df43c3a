"""The handwritten digits that come with scikit-learn."""

from __future__ import annotations

import numpy as np

from ..extras import require
from .dataset import Dataset

__all__ = ["digits"]

# Each pixel counts the black points, 0 to 16, in a 4x4 block of the original bitmap.
_FULL = 16


def digits() -> Dataset:
    """scikit-learn's 1797 handwritten digits of 8x8 pixels.

    Returns
    -------
    Dataset
        Images of shape (1797, 1, 8, 8), float32 in [0, 1]; classes "0" to "9".

    Raises
    ------
    MissingExtraError
        Without scikit-learn (the extra ``sklearn``).

    Notes
    -----
    The test set of E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998.

    Examples
    --------
    >>> digits()
    Dataset(1797 images of 1x8x8, float32, 10 classes)
    """
    bunch = require("sklearn.datasets", extra="sklearn").load_digits()
    images = (bunch.images / _FULL).astype(np.float32)[:, None]
    return Dataset(images, bunch.target, [str(name) for name in bunch.target_names])
