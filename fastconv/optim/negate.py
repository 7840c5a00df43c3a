"""Ascent instead of descent."""

from __future__ import annotations

from .compiled import CompiledTransformation

__all__ = ["Negate"]


class Negate(CompiledTransformation):
    """Turns the gradient's sign, so that the objective is maximized; what an optimizer's ``maximize=True`` puts first."""

    operation = "scale"

    def coefficients(self, step: int) -> tuple[float, ...]:
        return (-1.0,)
