"""Images and labels mixed in pairs."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

import numpy as np

from ...errors import InvalidArgumentError, InvalidTypeError
from .base import Rng

__all__ = ["Mixup"]


@dataclasses.dataclass
class Mixup:
    """Each image of a batch mixed with another, and their one-hot labels in the same proportion.

    Parameters
    ----------
    alpha : float
        The proportion of a batch is drawn from Beta(alpha, alpha); above 0.
    num_classes : int, optional
        Length of the one-hot rows that class numbers become; needed for these.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If alpha is not above 0, or a batch is not of floating images (n, ...) and class numbers (n,) or rows (n, classes).

    Notes
    -----
    H. Zhang, M. Cisse, Y. N. Dauphin, D. Lopez-Paz, mixup: Beyond Empirical Risk Minimization, ICLR 2018. Works on batches: in
    a `Compose` or a list it comes last. The labels it returns are rows of the images' dtype that add up to 1, for a loss that
    takes probabilities.

    Examples
    --------
    >>> images, labels = np.array([0.0, 1.0]).reshape(2, 1, 1, 1), np.array([0, 1])
    >>> x, y = Mixup(0.4, num_classes=2)(images, labels, rng=3)
    >>> bool((x[:, 0, 0, 0] == y[:, 1]).all())
    True
    """

    alpha: float
    num_classes: int | None = None
    batch_level: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.alpha < math.inf:
            raise InvalidArgumentError(f"alpha: got {self.alpha!r}, expected a finite number above 0")

    def __call__(self, images: np.ndarray, labels: np.ndarray, rng: Rng = None) -> tuple[np.ndarray, np.ndarray]:
        if images.dtype.kind != "f":
            raise InvalidTypeError(f"images: got dtype {images.dtype}, expected float32 or float64")
        if len(labels) != len(images):
            raise InvalidArgumentError(f"labels: got {len(labels)}, expected {len(images)}, one for each image")
        rows = self._one_hot(labels, images.dtype)
        rng = np.random.default_rng(rng)
        share = images.dtype.type(rng.beta(self.alpha, self.alpha))
        partner = rng.permutation(len(images))
        return tuple(share * a + (1 - share) * a[partner] for a in (images, rows))

    def _one_hot(self, labels, dtype):
        if labels.ndim == 2:
            return labels.astype(dtype, copy=False)
        if labels.ndim != 1 or labels.dtype.kind not in "iu":
            raise InvalidTypeError(
                f"labels: got {labels.dtype} of shape {labels.shape}, expected (n,) integers or (n, classes)"
            )
        if self.num_classes is None:
            raise InvalidArgumentError("num_classes: got None, expected it with class numbers: Mixup(0.2, num_classes=10)")
        if labels.size and not 0 <= labels.min() <= labels.max() < self.num_classes:
            raise InvalidArgumentError(f"labels: got {labels.min()} to {labels.max()}, expected 0 to {self.num_classes - 1}")
        rows = np.zeros((len(labels), self.num_classes), dtype)
        rows[np.arange(len(labels)), labels] = 1
        return rows
