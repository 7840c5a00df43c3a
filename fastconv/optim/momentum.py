"""Momentum, classical and Nesterov's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import InvalidArgumentError
from .arguments import between, between_or_one
from .transformation import Transformation

__all__ = ["Momentum"]


class Momentum(Transformation):
    """A decaying sum of the updates: b = momentum b + (1 - dampening) u, at the first step b = u.

    Parameters
    ----------
    momentum : float
        What is kept of the sum from step to step, in [0, 1).
    dampening : float
        In [0, 1].
    nesterov : bool
        Looks ahead: the result is u + momentum b (Sutskever et al., 2013). Needs a momentum, and no dampening.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        The message names the argument.

    Examples
    --------
    >>> from fastconv import optim
    >>> optim.Chain(optim.ClipByValue(1.0), optim.Momentum(0.9, nesterov=True), lr=0.1)
    Chain(ClipByValue, Momentum; lr=0.1)
    """

    slots = ("momentum",)

    def __init__(self, momentum: float, dampening: float = 0.0, nesterov: bool = False) -> None:
        self.momentum = between("momentum", momentum)
        self.dampening = between_or_one("dampening", dampening)
        self.nesterov = bool(nesterov)
        if self.nesterov and (self.momentum == 0 or self.dampening != 0):
            raise InvalidArgumentError(
                f"nesterov: got momentum {momentum!r} and dampening {dampening!r}, expected a momentum above 0 and no dampening"
            )

    def coefficients(self, step: int) -> bool:
        return step == 1

    def apply(
        self,
        update: np.ndarray,
        data: np.ndarray,
        state: Sequence[np.ndarray],
        coefficients: Any,
        out: np.ndarray,
        work: np.ndarray,
    ) -> np.ndarray:
        (buffer,) = state
        if coefficients:
            np.copyto(buffer, update)
        else:
            np.multiply(buffer, self.momentum, out=buffer)
            if self.dampening:
                np.add(buffer, np.multiply(update, 1 - self.dampening, out=work), out=buffer)
            else:
                np.add(buffer, update, out=buffer)
        if not self.nesterov:
            return buffer
        np.multiply(buffer, self.momentum, out=work)
        return np.add(update, work, out=out)
