"""Ascent instead of descent."""

from __future__ import annotations

import numpy as np

from .transformation import Transformation

__all__ = ["Negate"]


class Negate(Transformation):
    """Turns the gradient's sign, so that the objective is maximized; what an optimizer's ``maximize=True`` puts first."""

    def apply(self, update, data, state, coefficients, out, work):
        return np.negative(update, out=out)
