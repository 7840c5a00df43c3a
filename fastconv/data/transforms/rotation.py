"""Rotation."""

from __future__ import annotations

import dataclasses

import numpy as np

from .base import Rng, as_image, as_range

__all__ = ["RandomRotation"]


@dataclasses.dataclass
class RandomRotation:
    """Rotated about the centre by a random angle, bilinearly, at the same size.

    Parameters
    ----------
    degrees : float or (float, float)
        The angle is uniform in [-degrees, degrees], or between the pair; counter-clockwise.
    fill : float
        What lies outside the image.

    Raises
    ------
    InvalidArgumentError
        If `degrees` is negative, or no range.

    Examples
    --------
    >>> image = np.array([[[1.0, 2.0], [3.0, 4.0]]])
    >>> RandomRotation((90, 90))(image)
    array([[[2., 4.],
            [1., 3.]]])
    """

    degrees: float | tuple[float, float]
    fill: float = 0.0

    def __post_init__(self) -> None:
        as_range("degrees", self.degrees, 0)

    def __call__(self, image: np.ndarray, rng: Rng = None) -> np.ndarray:
        image = as_image(image)
        angle = np.random.default_rng(rng).uniform(*as_range("degrees", self.degrees, 0))
        return _rotated(image, angle, self.fill) if angle else np.ascontiguousarray(image)


def _rotated(image, degrees, fill):
    from scipy import ndimage  # takes a while to import

    return ndimage.rotate(image, degrees, axes=(1, 2), reshape=False, order=1, mode="grid-constant", cval=fill)
