"""Binary cross-entropy of logits."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import InvalidArgumentError
from .loss import ElementwiseLoss, as_weight

__all__ = ["BCEWithLogitsLoss"]


class BCEWithLogitsLoss(ElementwiseLoss):
    """-[pos_weight t log s(z) + (1 - t) log(1 - s(z))] of logits z and targets t in [0, 1], where s is the sigmoid.

    Computed from ``log(1 + exp(-|z|))``, so it neither overflows nor takes the logarithm of zero.

    Parameters
    ----------
    weight : array_like, optional
        Multiplies each element's loss; broadcasts to the predictions' shape.
    pos_weight : array_like, optional
        Weight of the positive targets' term; broadcasts to the predictions' shape.
    reduction : {"mean", "sum", "none"}
        Over all elements.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        The message names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.nn import BCEWithLogitsLoss
    >>> loss = BCEWithLogitsLoss(reduction="sum")
    >>> loss.forward(np.array([0.0, 10000.0]), np.array([1.0, 0.0]))
    10000.69314718056
    >>> loss.backward()
    array([-0.5,  1. ])
    """

    def __init__(self, weight: Any = None, pos_weight: Any = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.weight = as_weight("weight", weight)
        self.pos_weight = as_weight("pos_weight", pos_weight)

    def _elements(self, predictions, targets):
        weight = self._broadcast("weight", self.weight, predictions)
        pos_weight = self._broadcast("pos_weight", self.pos_weight, predictions)
        small = np.exp(-np.abs(predictions))
        # log(1 + exp(-z)), and the sigmoid of -z.
        softplus = np.log1p(small) + np.maximum(-predictions, 0)
        complement = np.where(predictions >= 0, small, 1) / (1 + small)
        factor = 1 if pos_weight is None else 1 + (pos_weight - 1) * targets
        losses = (1 - targets) * predictions + factor * softplus
        slopes = (1 - targets) - factor * complement
        if weight is not None:
            losses, slopes = losses * weight, slopes * weight
        return losses, slopes

    @staticmethod
    def _broadcast(name, weight, predictions):
        if weight is None:
            return None
        try:
            return np.broadcast_to(weight.astype(predictions.dtype), predictions.shape)
        except ValueError:
            raise InvalidArgumentError(
                f"{name}: shape is {weight.shape}, expected one that broadcasts to the predictions' {predictions.shape}"
            ) from None
