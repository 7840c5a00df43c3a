"""The contract of the pieces that optimizers are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

__all__ = ["Transformation"]


class Transformation:
    """One stage on the way from a gradient to an update: an optimizer subtracts learning rate times the last stage's result.

    Stages are composed by `fastconv.optim.Chain`, as in optax (DeepMind, 2020). They keep no state of their own: the optimizer
    holds an array for every name in `slots`. One derived from this class works on one cache-sized block of one parameter at a
    time; chains of fastconv's own stages alone are one compiled pass.

    Attributes
    ----------
    slots : tuple of str
        Names of the arrays of the parameter's shape and dtype that the stage keeps between steps.
    observes_all : bool
        Whether `observe` wants all gradients before the first update. Such stages come first in a chain.
    """

    slots: tuple[str, ...] = ()
    observes_all = False

    def initial(self, slot: str) -> float:
        """What the array of that name is filled with before the first step."""
        return 0.0

    def observe(self, gradients: Iterable[np.ndarray]) -> None:
        """Sees all gradients of a step, each in one dimension, before the first block; only where `observes_all`."""

    def coefficients(self, step: int) -> Any:
        """Numbers that depend on how many steps the parameter has seen, this one included; handed to `apply`."""
        return None

    def apply(
        self,
        update: np.ndarray,
        data: np.ndarray,
        state: Sequence[np.ndarray],
        coefficients: Any,
        out: np.ndarray,
        work: np.ndarray,
    ) -> np.ndarray:
        """The next stage's `update` of one block; all arrays are one-dimensional, of one length and dtype.

        Parameters
        ----------
        update : ndarray
            The previous stage's result, at first the gradient. Not written, unless it is `out`.
        data : ndarray
            The parameter; only the optimizer writes it.
        state : sequence of ndarray
            In the order of `slots`; updated in place.
        coefficients
            What `coefficients` returned.
        out, work : ndarray
            Scratch. `out` may be the same array as `update`; `work` never is.

        Returns
        -------
        ndarray
            `out`, or `update`, or one of `state`.
        """
        raise NotImplementedError
