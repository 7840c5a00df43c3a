"""Parts of images."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from ...errors import InvalidArgumentError
from ...problem import as_pair
from .base import Rng, as_image, as_range
from .bilinear import resample

__all__ = ["CenterCrop", "RandomCrop", "RandomResizedCrop"]

# How often a crop of random area and proportions is drawn before the largest central one is taken.
_ATTEMPTS = 10


@dataclasses.dataclass
class RandomCrop:
    """A part at a random place, of the image with a margin added.

    Parameters
    ----------
    size : int or (int, int)
        (height, width), or a square's side.
    padding : int or (int, int)
        Margin at top and bottom, left and right.
    fill : float
        What the margin holds.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If a size is below 1, a padding below 0, or an image with its margin smaller than the part.

    Examples
    --------
    >>> image = np.arange(16.0).reshape(1, 4, 4)
    >>> RandomCrop(2)(image, rng=0)
    array([[[ 9., 10.],
            [13., 14.]]])
    """

    size: int | tuple[int, int]
    padding: int | tuple[int, int] = 0
    fill: float = 0.0

    def __post_init__(self) -> None:
        as_pair("size", self.size, 1)
        as_pair("padding", self.padding, 0)

    def __call__(self, image: np.ndarray, rng: Rng = None) -> np.ndarray:
        image = as_image(image)
        ph, pw = as_pair("padding", self.padding, 0)
        if ph or pw:
            c, h, w = image.shape
            padded = np.full((c, h + 2 * ph, w + 2 * pw), self.fill, image.dtype)
            padded[:, ph : ph + h, pw : pw + w] = image
            image = padded
        height, width = _within(image, as_pair("size", self.size, 1))
        rng = np.random.default_rng(rng)
        top = rng.integers(image.shape[1] - height + 1)
        left = rng.integers(image.shape[2] - width + 1)
        return _part(image, top, left, height, width)


@dataclasses.dataclass
class CenterCrop:
    """The part in the middle.

    Parameters
    ----------
    size : int or (int, int)
        (height, width), or a square's side.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If a size is below 1, or an image smaller than the part.

    Examples
    --------
    >>> CenterCrop(2)(np.arange(16.0).reshape(1, 4, 4))
    array([[[ 5.,  6.],
            [ 9., 10.]]])
    """

    size: int | tuple[int, int]

    def __post_init__(self) -> None:
        as_pair("size", self.size, 1)

    def __call__(self, image: np.ndarray, rng: Rng = None) -> np.ndarray:
        image = as_image(image)
        height, width = _within(image, as_pair("size", self.size, 1))
        return _part(image, (image.shape[1] - height) // 2, (image.shape[2] - width) // 2, height, width)


@dataclasses.dataclass
class RandomResizedCrop:
    """A part of random area and proportions at a random place, brought to one size.

    Parameters
    ----------
    size : int or (int, int)
        (height, width) of the result, or a square's side.
    scale : (float, float)
        The least and largest share of the image's area.
    ratio : (float, float)
        The least and largest width / height; its logarithm is uniform.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If a size is below 1, or a range is none or not positive.

    Notes
    -----
    C. Szegedy et al., Going Deeper with Convolutions, CVPR 2015, section 6. If ten draws do not fit into the image, the largest
    central part of proportions within `ratio` is taken. Sampling is bilinear and not antialiased, as at `Resize`.

    Examples
    --------
    >>> RandomResizedCrop(224)(np.zeros((3, 375, 500), np.float32), rng=0).shape
    (3, 224, 224)
    """

    size: int | tuple[int, int]
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)

    def __post_init__(self) -> None:
        as_pair("size", self.size, 1)
        for name, ends, highest in (("scale", self.scale, 1), ("ratio", self.ratio, math.inf)):
            if not isinstance(ends, (tuple, list)) or as_range(name, tuple(ends), 0, 0, highest)[0] == 0:
                raise InvalidArgumentError(f"{name}: got {ends!r}, expected a pair (lowest, highest) of positive numbers")

    def __call__(self, image: np.ndarray, rng: Rng = None) -> np.ndarray:
        image = as_image(image)
        h, w = image.shape[1:]
        part = _part(image, *self._place(h, w, np.random.default_rng(rng)))
        return np.ascontiguousarray(resample(part, *as_pair("size", self.size, 1)))

    def _place(self, h, w, rng):
        """(top, left, height, width) of the part."""
        for _ in range(_ATTEMPTS):
            area = h * w * rng.uniform(*self.scale)
            ratio = math.exp(rng.uniform(*map(math.log, self.ratio)))
            height, width = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
            if 0 < height <= h and 0 < width <= w:
                return rng.integers(h - height + 1), rng.integers(w - width + 1), height, width
        lowest, highest = self.ratio
        height, width = min(h, max(1, round(w / lowest))), min(w, max(1, round(h * highest)))
        return (h - height) // 2, (w - width) // 2, height, width


def _within(image, size):
    if size[0] > image.shape[1] or size[1] > image.shape[2]:
        raise InvalidArgumentError(
            f"size: got {size[0]}x{size[1]}, more than the image's {image.shape[1]}x{image.shape[2]} (padding included)"
        )
    return size


def _part(image, top, left, height, width):
    return np.ascontiguousarray(image[:, top : top + height, left : left + width])
