"""Kullback-Leibler divergence."""

from __future__ import annotations

import numpy as np

from .loss import REDUCTIONS, ElementwiseLoss

__all__ = ["KLDivLoss"]


class KLDivLoss(ElementwiseLoss):
    """t (log t - x) of log-probabilities x and target probabilities t; 0 where t is 0.

    `fastconv.functional.log_softmax` makes log-probabilities of logits, with a temperature for distillation.

    Parameters
    ----------
    reduction : {"mean", "batchmean", "sum", "none"}
        Over all elements; ``"batchmean"``, the sum divided by the number of samples, is the divergence itself.
    log_target : bool
        Targets are log-probabilities as well.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.nn import KLDivLoss
    >>> loss = KLDivLoss(reduction="batchmean")
    >>> round(loss.forward(np.log(np.array([[0.5, 0.5]])), np.array([[1.0, 0.0]])), 6), loss.backward()
    (0.693147, array([[-1., -0.]]))
    """

    reductions = (*REDUCTIONS, "batchmean")

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction)
        self.log_target = bool(log_target)

    def _divisor(self, predictions):
        return predictions.shape[0] if self.reduction == "batchmean" and predictions.ndim else predictions.size

    def _elements(self, predictions, targets):
        probabilities = np.exp(targets) if self.log_target else targets
        logarithms = targets if self.log_target else np.log(targets)
        losses = np.where(probabilities == 0, 0, probabilities * (logarithms - predictions))
        return losses.astype(predictions.dtype, copy=False), -probabilities
