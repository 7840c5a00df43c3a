"""Brightness, contrast, saturation and hue, of images with values in [0, 1].

The adjustments are those common since the Python Imaging Library: an image is blended with black, with its mean grey, with its
own greys, or turned about the axis of hues. Results are cut to [0, 1].
"""

from __future__ import annotations

import dataclasses

import numpy as np

from ...errors import InvalidArgumentError
from .base import Rng, as_image, as_range
from .hsv import hsv_to_rgb, rgb_to_hsv

__all__ = [
    "ColorJitter",
    "RandomBrightness",
    "RandomContrast",
    "adjust_brightness",
    "adjust_contrast",
    "adjust_hue",
    "adjust_saturation",
]

# Weights of red, green and blue in the luminance (ITU-R BT.601).
_LUMINANCE = (0.299, 0.587, 0.114)


def adjust_brightness(image: np.ndarray, factor: float) -> np.ndarray:
    """`image` blended with black: factor times the image, cut to [0, 1].

    Parameters
    ----------
    image : ndarray, shape (c, h, w), float32 or float64 in [0, 1]
    factor : float
        0 gives black, 1 the image, more a brighter one.

    Examples
    --------
    >>> adjust_brightness(np.array([[[0.25, 0.75]]]), 2)
    array([[[0.5, 1. ]]])
    """
    return _blend(as_image(image), image.dtype.type(0), factor)


def adjust_contrast(image: np.ndarray, factor: float) -> np.ndarray:
    """`image` blended with the mean of its luminance, cut to [0, 1].

    Parameters
    ----------
    image : ndarray, shape (c, h, w), float32 or float64 in [0, 1]
        Three channels are red, green and blue; of any other number the mean of all values is taken.
    factor : float
        0 gives grey, 1 the image, more a stronger contrast.

    Examples
    --------
    >>> adjust_contrast(np.array([[[0.25, 0.75]]]), 0.5)
    array([[[0.375, 0.625]]])
    """
    image = as_image(image)
    grey = _luminance(image) if len(image) == 3 else image
    return _blend(image, grey.mean(dtype=np.float64).astype(image.dtype), factor)


def adjust_saturation(image: np.ndarray, factor: float) -> np.ndarray:
    """`image` blended with its own luminance, cut to [0, 1]; an image of one channel is left as it is.

    Parameters
    ----------
    image : ndarray, shape (3, h, w) or (1, h, w), float32 or float64 in [0, 1]
    factor : float
        0 gives greys, 1 the image, more stronger colours.

    Examples
    --------
    >>> adjust_saturation(np.array([[[1.0]], [[0.0]], [[0.0]]]), 0).ravel()
    array([0.299, 0.299, 0.299])
    """
    return _blend(image, _luminance(image), factor) if _is_rgb(image) else np.ascontiguousarray(image)


def adjust_hue(image: np.ndarray, turn: float) -> np.ndarray:
    """The colours of `image` turned about the axis of hues; an image of one channel is left as it is.

    Parameters
    ----------
    image : ndarray, shape (3, h, w) or (1, h, w), float32 or float64 in [0, 1]
    turn : float
        In full circles: 1/3 makes red green.

    Examples
    --------
    >>> adjust_hue(np.array([[[1.0]], [[0.0]], [[0.0]]]), 1 / 3).round(6).ravel()
    array([0., 1., 0.])
    """
    if not _is_rgb(image):
        return np.ascontiguousarray(image)
    h, s, v = rgb_to_hsv(np.clip(image, 0, 1))
    return hsv_to_rgb((h + image.dtype.type(turn)) % 1, s, v)


def _blend(image, other, factor):
    f = image.dtype.type(factor)
    y = image * f
    y += (1 - f) * other
    return np.ascontiguousarray(np.clip(y, 0, 1, out=y))


def _luminance(image):
    r, g, b = (image.dtype.type(weight) for weight in _LUMINANCE)
    return r * image[0] + g * image[1] + b * image[2]


def _is_rgb(image):
    if len(as_image(image)) not in (1, 3):
        raise InvalidArgumentError(f"image: got {len(image)} channels, expected 3 (red, green, blue) or 1")
    return len(image) == 3


@dataclasses.dataclass
class RandomBrightness:
    """`adjust_brightness` by a random factor.

    Parameters
    ----------
    strength : float or (float, float)
        The factor is uniform in [max(0, 1 - strength), 1 + strength], or between the pair.

    Raises
    ------
    InvalidArgumentError
        If it is negative, or no range.

    Examples
    --------
    >>> RandomBrightness((0.5, 0.5))(np.array([[[0.25, 0.75]]]))
    array([[[0.125, 0.375]]])
    """

    strength: float | tuple[float, float]

    def __post_init__(self) -> None:
        as_range("strength", self.strength, 1, 0)

    def __call__(self, image: np.ndarray, rng: Rng = None) -> np.ndarray:
        return _adjusted(adjust_brightness, image, as_range("strength", self.strength, 1, 0), 1, rng)


@dataclasses.dataclass
class RandomContrast:
    """`adjust_contrast` by a random factor; parameters and errors are those of `RandomBrightness`.

    Examples
    --------
    >>> RandomContrast((0, 0))(np.array([[[0.25, 0.75]]]))
    array([[[0.5, 0.5]]])
    """

    strength: float | tuple[float, float]

    def __post_init__(self) -> None:
        as_range("strength", self.strength, 1, 0)

    def __call__(self, image: np.ndarray, rng: Rng = None) -> np.ndarray:
        return _adjusted(adjust_contrast, image, as_range("strength", self.strength, 1, 0), 1, rng)


@dataclasses.dataclass
class ColorJitter:
    """Brightness, contrast, saturation and hue changed by random factors, in random order.

    Parameters
    ----------
    brightness, contrast, saturation : float or (float, float)
        Each factor is uniform in [max(0, 1 - value), 1 + value], or between the pair.
    hue : float or (float, float)
        The turn is uniform in [-hue, hue], or between the pair; at most half a circle either way.

    Raises
    ------
    InvalidArgumentError
        If a value is negative, no range, or a hue of more than 0.5.

    Notes
    -----
    Images have three channels, or one, which has neither saturation nor hue. With all strengths 0 the image comes back as it
    is.
    A. G. Howard, Some Improvements on Deep Convolutional Neural Network Based Image Classification, 2013.

    Examples
    --------
    >>> image = np.random.default_rng(0).random((3, 8, 8), dtype=np.float32)
    >>> ColorJitter(0.4, 0.4, 0.4, hue=0.1)(image, rng=1).shape
    (3, 8, 8)
    """

    brightness: float | tuple[float, float] = 0.0
    contrast: float | tuple[float, float] = 0.0
    saturation: float | tuple[float, float] = 0.0
    hue: float | tuple[float, float] = 0.0

    def __post_init__(self) -> None:
        self._ranges()

    def _ranges(self):
        """(adjustment, range of its factor, the factor that changes nothing) of each."""
        factors = {name: as_range(name, getattr(self, name), 1, 0) for name in ("brightness", "contrast", "saturation")}
        return (
            (adjust_brightness, factors["brightness"], 1),
            (adjust_contrast, factors["contrast"], 1),
            (adjust_saturation, factors["saturation"], 1),
            (adjust_hue, as_range("hue", self.hue, 0, -0.5, 0.5), 0),
        )

    def __call__(self, image: np.ndarray, rng: Rng = None) -> np.ndarray:
        rng = np.random.default_rng(rng)
        adjustments = self._ranges()
        for i in rng.permutation(len(adjustments)):
            adjust, ends, neutral = adjustments[i]
            image = _adjusted(adjust, image, ends, neutral, rng)
        return image


def _adjusted(adjust, image, ends, neutral, rng):
    """`adjust` by a factor between the ends; where only the neutral one is, nothing is done and so nothing cut."""
    if ends == (neutral, neutral):
        return np.ascontiguousarray(as_image(image))
    return adjust(image, np.random.default_rng(rng).uniform(*ends))
