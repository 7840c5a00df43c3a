"""Mean squared error."""

from __future__ import annotations

from .loss import ElementwiseLoss

__all__ = ["MSELoss"]


class MSELoss(ElementwiseLoss):
    """(prediction - target)^2.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        Over all elements.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.nn import MSELoss
    >>> loss = MSELoss()
    >>> loss.forward(np.array([1.0, 3.0]), np.array([1.0, 1.0])), loss.backward()
    (2.0, array([0., 2.]))
    """

    def _elements(self, predictions, targets):
        difference = predictions - targets
        return difference * difference, 2 * difference
