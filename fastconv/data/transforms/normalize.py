"""Mean and standard deviation of the channels."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from ...errors import InvalidArgumentError
from .base import Rng, as_image

__all__ = ["Normalize"]


@dataclasses.dataclass
class Normalize:
    """(image - mean) / std, channel by channel.

    Parameters
    ----------
    mean, std : float or sequence of float
        Of each channel, or one for all; std above 0.

    Raises
    ------
    InvalidArgumentError
        If a value is not finite or std not above 0, or an image has another number of channels.

    Examples
    --------
    >>> Normalize(mean=[0.5, 0.5], std=[0.25, 0.5])(np.ones((2, 1, 1))).ravel()
    array([2., 1.])
    """

    mean: float | Sequence[float]
    std: float | Sequence[float]

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            values = np.asarray(getattr(self, name), np.float64)
            if values.ndim > 1 or not values.size or not np.isfinite(values).all() or (name == "std" and values.min() <= 0):
                raise InvalidArgumentError(
                    f"{name}: got {getattr(self, name)!r}, expected a finite number{' above 0' if name == 'std' else ''}, "
                    "or one for each channel"
                )

    def __call__(self, image: np.ndarray, rng: Rng = None) -> np.ndarray:
        image = as_image(image)
        mean, std = (self._of(name, image) for name in ("mean", "std"))
        y = np.subtract(image, mean, order="C")
        y /= std
        return y

    def _of(self, name, image):
        values = np.asarray(getattr(self, name), image.dtype)
        if values.ndim and len(values) != len(image):
            raise InvalidArgumentError(f"{name}: got {len(values)} values, expected {len(image)}, one for each channel")
        return values.reshape(-1, 1, 1)
