"""The scaling of Adagrad."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .arguments import at_least
from .transformation import Transformation

__all__ = ["AdagradScaling"]


class AdagradScaling(Transformation):
    """Divides the update by the root of the sum of all its squares so far (Duchi, Hazan and Singer, 2011).

    Parameters
    ----------
    lr_decay : float
        At step t the result is divided by 1 + (t - 1) lr_decay; at least 0.
    initial_accumulator_value : float
        What the sum starts from; at least 0.
    eps : float
        Added to the root; at least 0.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        The message names the argument.

    Examples
    --------
    >>> from fastconv import optim
    >>> optim.Chain(optim.AdagradScaling(), lr=0.01)
    Chain(AdagradScaling; lr=0.01)
    """

    slots = ("sum",)

    def __init__(self, lr_decay: float = 0.0, initial_accumulator_value: float = 0.0, eps: float = 1e-10) -> None:
        self.lr_decay = at_least("lr_decay", lr_decay)
        self.initial_accumulator_value = at_least("initial_accumulator_value", initial_accumulator_value)
        self.eps = at_least("eps", eps)

    def initial(self, slot: str) -> float:
        return self.initial_accumulator_value

    def coefficients(self, step: int) -> float:
        return 1 + (step - 1) * self.lr_decay

    def apply(
        self,
        update: np.ndarray,
        data: np.ndarray,
        state: Sequence[np.ndarray],
        coefficients: Any,
        out: np.ndarray,
        work: np.ndarray,
    ) -> np.ndarray:
        (total,) = state
        np.multiply(update, update, out=work)
        np.add(total, work, out=total)
        np.sqrt(total, out=work)
        np.add(work, self.eps, out=work)
        if coefficients != 1:
            np.multiply(work, coefficients, out=work)
        return np.divide(update, work, out=out)
