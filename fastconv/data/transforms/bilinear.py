"""Bilinear sampling of an image at another size."""

from __future__ import annotations

import numpy as np

from ...functional import upsample2d

__all__ = ["resample"]


def resample(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """`image` at another size, pixel centres aligned at half pixels, without antialiasing.

    Parameters
    ----------
    image : ndarray, shape (c, h, w), float32 or float64
    height, width : int

    Returns
    -------
    ndarray, shape (c, height, width)

    Notes
    -----
    Output i samples at (i + 1/2) h / height - 1/2, held within the image, between its two neighbours: what PyTorch's
    ``interpolate(mode="bilinear", align_corners=False)`` computes. Much reduced images alias: scale files down as they are
    read (`image_folder`), where it is done with antialiasing.

    Examples
    --------
    >>> resample(np.array([[[0.0, 1.0]]]), 1, 4)
    array([[[0.  , 0.25, 0.75, 1.  ]]])
    """
    return upsample2d(image[None], size=(height, width), mode="bilinear")[0]
