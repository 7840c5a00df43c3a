"""A dataset in two parts, one to train on and one to test with."""

from __future__ import annotations

import math

import numpy as np

from ..errors import InvalidArgumentError, InvalidTypeError
from .dataset import Dataset

__all__ = ["train_test_split"]


def train_test_split(
    dataset: Dataset,
    test_size: float | int = 0.25,
    stratify: bool = True,
    rng: int | np.random.Generator | None = None,
) -> tuple[Dataset, Dataset]:
    """Two random parts of a dataset that have no sample in common.

    Parameters
    ----------
    dataset : Dataset
    test_size : float or int
        The share of the samples, rounded up, or the number of samples that go to the second part.
    stratify : bool
        Each class keeps its share: its number of test samples is its exact share rounded down or up, so that the numbers add up
        (largest remainders), and at least one sample of each class is left to train on.
    rng : int or numpy.random.Generator, optional

    Returns
    -------
    (train, test) : pair of Dataset
        Both in random order.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If a part would be empty, or stratified training would lack a class.

    Examples
    --------
    >>> import numpy as np
    >>> dataset = Dataset(np.zeros((40, 1, 2, 2), np.uint8), np.arange(40) % 4)
    >>> train, test = train_test_split(dataset, test_size=0.25, rng=0)
    >>> len(train), np.bincount(test.labels)
    (30, array([3, 3, 2, 2]))
    """
    if not isinstance(dataset, Dataset):
        raise InvalidTypeError(f"dataset: got {type(dataset).__name__}, expected a Dataset")
    n = len(dataset)
    n_test = _test_samples(test_size, n)
    order = np.random.default_rng(rng).permutation(n)
    is_test = np.zeros(n, bool)
    if stratify:
        labels = dataset.labels[order]
        present, sizes = np.unique(labels, return_counts=True)
        if n - n_test < len(present):
            raise InvalidArgumentError(
                f"test_size: {test_size} leaves {n - n_test} samples to train on, fewer than the {len(present)} classes; "
                "take a smaller one or stratify=False"
            )
        for label, count in zip(present, _shares(sizes, n_test), strict=True):
            is_test[np.flatnonzero(labels == label)[:count]] = True
    else:
        is_test[:n_test] = True
    return dataset.subset(order[~is_test]), dataset.subset(order[is_test])


def _test_samples(test_size, n):
    if isinstance(test_size, (bool, np.bool_)) or not isinstance(test_size, (int, float, np.integer, np.floating)):
        raise InvalidTypeError(f"test_size: got {test_size!r}, expected a share between 0 and 1 or a number of samples")
    if isinstance(test_size, (float, np.floating)):
        if not 0 < test_size < 1:
            raise InvalidArgumentError(f"test_size: got {test_size}, expected a share between 0 and 1 or a number of samples")
        n_test = math.ceil(test_size * n)
    else:
        n_test = int(test_size)
    if not 0 < n_test < n:
        raise InvalidArgumentError(f"test_size: {test_size} gives {n_test} of {n} samples, expected some for either part")
    return n_test


def _shares(sizes, n_test):
    """Test samples of each class: shares rounded down, then one more each in the order of the remainders, up to the number."""
    exact = sizes * (n_test / sizes.sum())
    limits = sizes - 1
    counts = np.minimum(exact.astype(np.int64), limits)
    by_remainder = np.argsort(counts - exact, kind="stable")
    while (missing := n_test - counts.sum()) > 0:
        open_classes = by_remainder[counts[by_remainder] < limits[by_remainder]]
        counts[open_classes[:missing]] += 1
    return counts
