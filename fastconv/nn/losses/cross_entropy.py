"""Cross-entropy of logits."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import InvalidArgumentError, InvalidTypeError
from ...functional import log_softmax
from .loss import Loss, as_predictions, as_weight

__all__ = ["CrossEntropyLoss"]


class CrossEntropyLoss(Loss):
    """-sum_c q_c log softmax(z)_c of logits z, where q is the target distribution; the gradient is softmax(z) - q.

    A label y stands for the distribution that is 1 at y. With label smoothing s, q becomes (1 - s) q + s / classes (Szegedy
    et al., 2016). Class weights multiply the terms; the mean over labels is then weighted by the labels' own weights, the
    mean over distributions is not, as in PyTorch.

    Parameters
    ----------
    weight : array_like, shape (classes,), optional
        Of each class, at least 0.
    ignore_index : int
        Samples of this label count for nothing.
    label_smoothing : float
        In [0, 1].
    reduction : {"mean", "sum", "none"}
        Over samples. The mean of no samples is 0.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        The message names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.nn import CrossEntropyLoss
    >>> loss = CrossEntropyLoss()
    >>> round(loss.forward(np.array([[2.0, 0.0], [0.0, 0.0]]), np.array([0, 1])), 4)
    0.41
    >>> loss.backward().round(4)
    array([[-0.0596,  0.0596],
           [ 0.25  , -0.25  ]])
    """

    def __init__(
        self,
        weight: Any = None,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        self.weight = as_weight("weight", weight)
        if self.weight is not None and self.weight.ndim != 1:
            raise InvalidArgumentError(f"weight: shape is {self.weight.shape}, expected (classes,)")
        if isinstance(ignore_index, bool) or not hasattr(ignore_index, "__index__"):
            raise InvalidTypeError(f"ignore_index: got {ignore_index!r}, expected an integer")
        self.ignore_index = ignore_index.__index__()
        if not 0 <= label_smoothing <= 1:
            raise InvalidArgumentError(f"label_smoothing: got {label_smoothing!r}, expected between 0 and 1")
        self.label_smoothing = float(label_smoothing)

    def forward(self, predictions: np.ndarray, targets: np.ndarray) -> float | np.ndarray:
        """The loss of a batch.

        Parameters
        ----------
        predictions : ndarray of float32 or float64, shape (n, classes, ...), or (classes,)
            Logits.
        targets : ndarray
            Labels: integers, shape (n, ...) or (). Or distributions, one-hot or not, of the predictions' shape.

        Returns
        -------
        float, or ndarray of shape (n, ...) with ``reduction="none"``
        """
        predictions = as_predictions(predictions)
        if predictions.ndim == 0:
            raise InvalidArgumentError("predictions: shape is (), expected (n, classes, ...)")
        axis = 0 if predictions.ndim == 1 else 1
        classes = predictions.shape[axis]
        if classes == 0:
            raise InvalidArgumentError(f"predictions: shape is {predictions.shape}, expected at least one class")
        if self.weight is not None and self.weight.shape != (classes,):
            raise InvalidArgumentError(f"weight: shape is {self.weight.shape}, expected ({classes},) for {classes} classes")
        targets = np.asarray(targets)
        # (n, classes, samples of a plane): the same arithmetic for every number of axes.
        n = predictions.shape[0] if axis else 1
        planes = (n, classes, -1) if predictions.size else (n, classes, int(np.prod(predictions.shape[axis + 1 :])))
        per_sample = (*predictions.shape[:axis], *predictions.shape[axis + 1 :])
        if targets.shape == predictions.shape:
            if targets.dtype.kind not in "fiub":
                raise InvalidTypeError(f"targets: got {targets.dtype}, expected probabilities")
            coefficients, divisor = self._of_distributions(targets.astype(predictions.dtype, copy=False).reshape(planes))
        else:
            if targets.shape != per_sample:
                raise InvalidArgumentError(
                    f"targets: shape is {targets.shape}, expected labels of shape {per_sample} or probabilities of shape "
                    f"{predictions.shape}"
                )
            coefficients, divisor = self._of_labels(targets, classes, predictions.dtype, planes)
        with np.errstate(all="ignore"):
            log_probabilities = log_softmax(predictions.reshape(planes), axis=1)
            # An impossible class costs nothing where its coefficient is zero.
            terms = np.where(coefficients == 0, 0, coefficients * log_probabilities)
            losses = -terms.sum(axis=1)
        self._saved = log_probabilities, coefficients, divisor, predictions.shape, per_sample
        return self._reduced(losses.reshape(per_sample), divisor)

    def backward(self, gradient: float | np.ndarray = 1.0) -> np.ndarray:
        log_probabilities, coefficients, divisor, shape, per_sample = self._last()
        incoming = self._incoming(gradient, per_sample, log_probabilities.dtype, divisor)
        if incoming.ndim:
            incoming = incoming.reshape(log_probabilities.shape[0], 1, log_probabilities.shape[2])
        result = np.exp(log_probabilities)
        result *= coefficients.sum(axis=1, keepdims=True)
        result -= coefficients
        result *= incoming
        return result.reshape(shape)

    def _of_labels(self, labels, classes, dtype, planes):
        """(the coefficient of every -log probability, what the mean divides by)."""
        if labels.dtype.kind not in "iu":
            raise InvalidTypeError(
                f"targets: got {labels.dtype}, expected integer labels or probabilities like the predictions"
            )
        if labels.size and not 0 <= labels.min() <= labels.max() < classes:
            self._refuse(labels, classes)
        labels = labels.reshape(planes[0], 1, planes[2])
        kept = labels != self.ignore_index
        one_hot = (labels == np.arange(classes).reshape(1, classes, 1)) & kept
        if self.weight is None and not self.label_smoothing:
            return one_hot.astype(dtype), float(np.count_nonzero(kept))
        weight = np.ones(classes) if self.weight is None else self.weight
        weight = weight.astype(dtype).reshape(1, classes, 1)
        coefficients = one_hot * ((1 - self.label_smoothing) * weight)
        if self.label_smoothing:
            coefficients += kept * (self.label_smoothing / classes * weight)
        return coefficients, float((one_hot * weight).sum(dtype=np.float64))

    def _refuse(self, labels, classes):
        """Raise if one of the labels is neither a class nor to be ignored."""
        wrong = ((labels < 0) | (labels >= classes)) & (labels != self.ignore_index)
        if wrong.any():
            position = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise InvalidArgumentError(
                f"targets: label {labels[position]} at {position} is out of range, expected 0 to {classes - 1}"
                f" for {classes} classes, or {self.ignore_index} to ignore the sample"
            )

    def _of_distributions(self, targets):
        coefficients = targets
        if self.label_smoothing:
            coefficients = (1 - self.label_smoothing) * coefficients + self.label_smoothing / targets.shape[1]
        if self.weight is not None:
            coefficients = coefficients * self.weight.astype(targets.dtype).reshape(1, -1, 1)
        return coefficients, targets.shape[0] * targets.shape[2]
