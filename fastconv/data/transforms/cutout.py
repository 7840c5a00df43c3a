"""A hole in the image."""

from __future__ import annotations

import dataclasses

import numpy as np

from ...problem import as_pair
from .base import Rng, as_image

__all__ = ["Cutout"]


@dataclasses.dataclass
class Cutout:
    """A rectangle about a random pixel overwritten.

    Parameters
    ----------
    size : int or (int, int)
        (height, width), or a square's side; what lies outside the image is cut off.
    fill : float
        What it is overwritten with.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If a size is below 1.

    Notes
    -----
    T. DeVries, G. W. Taylor, Improved Regularization of Convolutional Neural Networks with Cutout, 2017.

    Examples
    --------
    >>> Cutout(2)(np.ones((1, 3, 3)), rng=0)
    array([[[1., 1., 1.],
            [0., 0., 1.],
            [0., 0., 1.]]])
    """

    size: int | tuple[int, int]
    fill: float = 0.0

    def __post_init__(self) -> None:
        as_pair("size", self.size, 1)

    def __call__(self, image: np.ndarray, rng: Rng = None) -> np.ndarray:
        y = np.array(as_image(image), order="C")
        rng = np.random.default_rng(rng)
        height, width = as_pair("size", self.size, 1)
        top, left = (int(rng.integers(n)) - side // 2 for n, side in zip(y.shape[1:], (height, width), strict=True))
        y[:, max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)] = self.fill
        return y
