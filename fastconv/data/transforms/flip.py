"""Mirroring."""

from __future__ import annotations

import dataclasses

import numpy as np

from ...errors import InvalidArgumentError
from .base import Rng, as_image

__all__ = ["RandomHorizontalFlip"]


@dataclasses.dataclass
class RandomHorizontalFlip:
    """Left and right exchanged, with probability p.

    Parameters
    ----------
    p : float
        0 to 1.

    Raises
    ------
    InvalidArgumentError
        If p is no probability.

    Examples
    --------
    >>> image = np.array([[[1.0, 2.0, 3.0]]])
    >>> RandomHorizontalFlip(p=1)(image)
    array([[[3., 2., 1.]]])
    """

    p: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.p <= 1:
            raise InvalidArgumentError(f"p: got {self.p!r}, expected a probability")

    def __call__(self, image: np.ndarray, rng: Rng = None) -> np.ndarray:
        image = as_image(image)
        flip = np.random.default_rng(rng).random() < self.p
        return np.ascontiguousarray(image[:, :, ::-1] if flip else image)
