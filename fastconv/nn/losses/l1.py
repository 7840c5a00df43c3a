"""Mean absolute error."""

from __future__ import annotations

import numpy as np

from .loss import ElementwiseLoss

__all__ = ["L1Loss"]


class L1Loss(ElementwiseLoss):
    """abs(prediction - target); the derivative where they are equal is 0.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        Over all elements.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.nn import L1Loss
    >>> loss = L1Loss(reduction="sum")
    >>> loss.forward(np.array([1.0, 3.0, 5.0]), np.array([2.0, 3.0, 1.0])), loss.backward()
    (5.0, array([-1.,  0.,  1.]))
    """

    def _elements(self, predictions, targets):
        difference = predictions - targets
        return np.abs(difference), np.sign(difference)
