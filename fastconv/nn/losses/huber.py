"""Huber's loss."""

from __future__ import annotations

import numpy as np

from ...errors import InvalidArgumentError
from .loss import ElementwiseLoss

__all__ = ["HuberLoss"]


class HuberLoss(ElementwiseLoss):
    """d^2 / 2 where abs(d) <= delta, else delta (abs(d) - delta / 2), of d = prediction - target (Huber, 1964).

    Parameters
    ----------
    delta : float
        Above 0.
    reduction : {"mean", "sum", "none"}
        Over all elements.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.nn import HuberLoss
    >>> loss = HuberLoss(delta=1.0, reduction="sum")
    >>> loss.forward(np.array([0.5, 3.0]), np.zeros(2)), loss.backward()
    (2.625, array([0.5, 1. ]))
    """

    def __init__(self, delta: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        if not delta > 0:
            raise InvalidArgumentError(f"delta: got {delta!r}, expected a number above 0")
        self.delta = float(delta)

    def _elements(self, predictions, targets):
        difference = predictions - targets
        slopes = np.clip(difference, -self.delta, self.delta)
        # With s the clipped difference both branches are s (d - s / 2).
        return slopes * (difference - slopes / 2), slopes
