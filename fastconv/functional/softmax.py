"""Softmax and its logarithm, stable for any finite input."""

from __future__ import annotations

import numpy as np

from ..errors import InvalidArgumentError

__all__ = ["log_softmax", "log_softmax_grad", "softmax", "softmax_grad"]


def softmax(x: np.ndarray, axis: int = 1, temperature: float = 1.0) -> np.ndarray:
    """exp(x / temperature) / sum exp(x / temperature) along an axis.

    Parameters
    ----------
    x : ndarray of float32 or float64
    axis : int
        Of the classes.
    temperature : float
        Above 0. Larger ones soften the distribution (Hinton, Vinyals and Dean, 2015).

    Returns
    -------
    ndarray
        Of x's shape and dtype.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional
    >>> functional.softmax(np.array([[1000.0, 1000.0, -1000.0]]))
    array([[0.5, 0.5, 0. ]])
    """
    exponentials = np.exp(_shifted(x, axis, temperature))
    exponentials /= exponentials.sum(axis=axis, keepdims=True)
    return exponentials


def log_softmax(x: np.ndarray, axis: int = 1, temperature: float = 1.0) -> np.ndarray:
    """The logarithm of `softmax`, computed without it: x / temperature - log sum exp(x / temperature).

    With a temperature it makes what `KLDivLoss` compares in distillation.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional
    >>> from fastconv.nn import losses
    >>> student, teacher = np.array([[1.0, 2.0, 4.0]]), np.array([[1.0, 3.0, 4.0]])
    >>> loss = losses.KLDivLoss(reduction="batchmean", log_target=True)
    >>> log_probabilities = functional.log_softmax(student, temperature=2.0)
    >>> value = loss(log_probabilities, functional.log_softmax(teacher, temperature=2.0))
    >>> gradient = functional.log_softmax_grad(loss.backward(), log_probabilities, temperature=2.0)
    >>> round(value, 4), gradient.round(4)
    (0.026, array([[ 0.0091, -0.0501,  0.041 ]]))
    """
    shifted = _shifted(x, axis, temperature)
    # Where all but one are -inf, the sum is 1 and its logarithm exact.
    shifted -= np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    return shifted


def log_softmax_grad(
    gradient: np.ndarray, log_probabilities: np.ndarray, axis: int = 1, temperature: float = 1.0
) -> np.ndarray:
    """The gradient with respect to the input of `log_softmax`, from that with respect to its result."""
    total = gradient.sum(axis=axis, keepdims=True)
    result = gradient - np.exp(log_probabilities) * total
    result /= temperature
    return result


def softmax_grad(gradient: np.ndarray, probabilities: np.ndarray, axis: int = 1, temperature: float = 1.0) -> np.ndarray:
    """The gradient with respect to the input of `softmax`, from that with respect to its result."""
    result = gradient - (gradient * probabilities).sum(axis=axis, keepdims=True)
    result *= probabilities
    result /= temperature
    return result


def _shifted(x, axis, temperature):
    """x / temperature minus its maximum along the axis, so that no exponential overflows."""
    if not temperature > 0:
        raise InvalidArgumentError(f"temperature: got {temperature!r}, expected a number above 0")
    with np.errstate(all="ignore"):
        shifted = x - x.max(axis=axis, keepdims=True, initial=-np.inf)
        if temperature != 1:
            shifted /= temperature
    return shifted
