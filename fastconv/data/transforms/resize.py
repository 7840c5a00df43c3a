"""Another size."""

from __future__ import annotations

import dataclasses

import numpy as np

from ...problem import as_pair
from .base import Rng, as_image
from .bilinear import resample

__all__ = ["Resize"]


@dataclasses.dataclass
class Resize:
    """The image at another size, bilinearly and without antialiasing; the formula is at `transforms.bilinear.resample`.

    Parameters
    ----------
    size : int or (int, int)
        An integer becomes the shorter side, and the proportions are kept; a pair is (height, width).

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If a size is no integer of at least 1.

    Examples
    --------
    >>> Resize(32)(np.zeros((3, 64, 96))).shape
    (3, 32, 48)
    >>> Resize((8, 16))(np.zeros((3, 64, 96))).shape
    (3, 8, 16)
    """

    size: int | tuple[int, int]

    def __post_init__(self) -> None:
        as_pair("size", self.size, 1)

    def __call__(self, image: np.ndarray, rng: Rng = None) -> np.ndarray:
        image = as_image(image)
        height, width = as_pair("size", self.size, 1)
        if not isinstance(self.size, (tuple, list)):
            h, w = image.shape[1:]
            # The longer side rounded down, as is usual, in exact integers.
            height, width = (height, height * w // h) if h <= w else (width * h // w, width)
        return np.ascontiguousarray(resample(image, height, width))
