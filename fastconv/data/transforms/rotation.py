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
    """`image` sampled at its own pixels' centres turned back: `scipy.ndimage.rotate`, three times as fast on small images."""
    # Unlike those of math, exact at multiples of 90 degrees.
    from scipy.special import cosdg, sindg

    c, h, w = image.shape
    # One pixel of fill all around: at the edge values are mixed with it, and everything further out is it.
    framed = np.full((c, h + 2, w + 2), fill, image.dtype)
    framed[:, 1:-1, 1:-1] = image
    i, j = np.arange(h)[:, None] - (h - 1) / 2, np.arange(w) - (w - 1) / 2
    cos, sin = cosdg(degrees), sindg(degrees)
    at_i = np.clip(cos * i + sin * j + (h + 1) / 2, 0, h + 1).ravel()
    at_j = np.clip(cos * j - sin * i + (w + 1) / 2, 0, w + 1).ravel()
    top, left = np.minimum(at_i.astype(np.intp), h), np.minimum(at_j.astype(np.intp), w)
    down, right = (at_i - top).astype(image.dtype), (at_j - left).astype(image.dtype)
    pixels, corner = framed.reshape(c, -1), top * (w + 2) + left

    def between_columns(at):
        y = pixels.take(at, axis=1)
        y += right * (pixels.take(at + 1, axis=1) - y)
        return y

    y = between_columns(corner)
    y += down * (between_columns(corner + w + 2) - y)
    return y.reshape(image.shape)
