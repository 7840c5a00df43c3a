"""Hue, saturation and value of colours (A. R. Smith, Color Gamut Transform Pairs, 1978), all in [0, 1]."""

from __future__ import annotations

import numpy as np

__all__ = ["hsv_to_rgb", "rgb_to_hsv"]


def rgb_to_hsv(image: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(hue, saturation, value), each of shape (h, w), of an image of shape (3, h, w).

    Examples
    --------
    >>> rgb_to_hsv(np.array([[[0.0]], [[0.5]], [[0.0]]]))
    (array([[0.33333333]]), array([[1.]]), array([[0.5]]))
    """
    r, g, b = image
    value = np.maximum(np.maximum(r, g), b)
    spread = value - np.minimum(np.minimum(r, g), b)
    # Where there is no spread the numerators are 0, and hue and saturation come out as 0.
    divisor = np.where(spread == 0, 1, spread)
    sextant = np.where(value == r, (g - b) / divisor, np.where(value == g, 2 + (b - r) / divisor, 4 + (r - g) / divisor))
    saturation = spread / np.where(value == 0, 1, value)
    return (sextant / 6) % 1, saturation, value


def hsv_to_rgb(hue: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> np.ndarray:
    """The image of shape (3, h, w) of `rgb_to_hsv`'s three, in their dtype.

    Examples
    --------
    >>> hsv_to_rgb(np.array([[2 / 3]]), np.array([[1.0]]), np.array([[1.0]])).round(6).ravel()
    array([0., 0., 1.])
    """
    # A channel falls from `value` by saturation * value over the sextants around its opposite: a trapezium in the hue.
    # Red is opposite to hue 3/6, green to 5/6 and blue to 1/6.
    image = np.empty((3, *hue.shape), hue.dtype)
    for channel, offset in zip(image, (5, 3, 1), strict=True):
        k = (offset + hue * 6) % 6
        np.subtract(value, value * saturation * np.clip(np.minimum(k, 4 - k), 0, 1), out=channel)
    return image
