"""The scaling of RMSprop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .arguments import at_least, between
from .transformation import Transformation

__all__ = ["RMSScaling"]


class RMSScaling(Transformation):
    """Divides the update by the root of its running mean square (Tieleman and Hinton, 2012).

    Parameters
    ----------
    alpha : float
        What the running averages keep from step to step, in [0, 1).
    eps : float
        Added to the root; at least 0.
    centered : bool
        Divides by the running standard deviation instead (Graves, 2013).

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        The message names the argument.

    Examples
    --------
    >>> from fastconv import optim
    >>> optim.Chain(optim.RMSScaling(alpha=0.9), optim.Momentum(0.9), lr=1e-3)
    Chain(RMSScaling, Momentum; lr=0.001)
    """

    def __init__(self, alpha: float = 0.99, eps: float = 1e-8, centered: bool = False) -> None:
        self.alpha = between("alpha", alpha)
        self.eps = at_least("eps", eps)
        self.centered = bool(centered)
        self.slots = ("square", "mean") if self.centered else ("square",)

    def apply(
        self,
        update: np.ndarray,
        data: np.ndarray,
        state: Sequence[np.ndarray],
        coefficients: Any,
        out: np.ndarray,
        work: np.ndarray,
    ) -> np.ndarray:
        square = state[0]
        np.multiply(square, self.alpha, out=square)
        np.multiply(update, update, out=work)
        np.multiply(work, 1 - self.alpha, out=work)
        np.add(square, work, out=square)
        if self.centered:
            mean = state[1]
            np.multiply(mean, self.alpha, out=mean)
            np.multiply(update, 1 - self.alpha, out=work)
            np.add(mean, work, out=mean)
            np.multiply(mean, mean, out=work)
            np.subtract(square, work, out=work)
            # Of a constant gradient rounding may leave a variance below zero.
            np.maximum(work, 0, out=work)
            np.sqrt(work, out=work)
        else:
            np.sqrt(square, out=work)
        np.add(work, self.eps, out=work)
        return np.divide(update, work, out=out)
