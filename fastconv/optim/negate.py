"""Ascent instead of descent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .transformation import Transformation

__all__ = ["Negate"]


class Negate(Transformation):
    """Turns the gradient's sign, so that the objective is maximized; what an optimizer's ``maximize=True`` puts first."""

    def apply(
        self,
        update: np.ndarray,
        data: np.ndarray,
        state: Sequence[np.ndarray],
        coefficients: Any,
        out: np.ndarray,
        work: np.ndarray,
    ) -> np.ndarray:
        return np.negative(update, out=out)
