"""Softmax and its logarithm over one axis, with their gradients."""

from __future__ import annotations

import numpy as np

from ..arrays import require_shape
from ..errors import InvalidArgumentError, InvalidTypeError
from ..problem import as_integer
from . import channels
from .channels import Array

__all__ = ["log_softmax", "log_softmax_grad", "softmax", "softmax_grad"]


def softmax(x: Array, axis: int = -1) -> Array:
    """``exp(x) / sum(exp(x))`` over an axis; the largest element is subtracted first, so that nothing overflows.

    Parameters
    ----------
    x : ndarray of float32 or float64
    axis : int

    Returns
    -------
    ndarray, shape of x

    Raises
    ------
    InvalidArgumentError, InvalidTypeError

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> F.softmax(np.array([1000.0, 1000.0]))
    array([0.5, 0.5])
    """
    x, axis = _operand("x", x, axis)
    if not x.size:
        return np.empty_like(x)
    y = _shifted(x, axis)
    np.exp(y, out=y)
    y /= y.sum(axis, keepdims=True)
    return y


def softmax_grad(gy: Array, y: Array, axis: int = -1) -> Array:
    """Gradient of `softmax` with respect to x: ``y * (gy - sum(gy * y))``.

    Parameters
    ----------
    gy : ndarray, shape of y
        Gradient with respect to y.
    y : ndarray
        The result of `softmax`.
    axis : int
        As given to it.

    Returns
    -------
    ndarray, shape of y

    Raises
    ------
    InvalidArgumentError, InvalidTypeError

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> F.softmax_grad(np.array([1.0, 0.0]), np.array([0.5, 0.5]))
    array([ 0.25, -0.25])
    """
    gy, y, axis = _operands(gy, y, axis)
    return y * (gy - (gy * y).sum(axis, keepdims=True))


def log_softmax(x: Array, axis: int = -1) -> Array:
    """The logarithm of `softmax`, without its underflow.

    Parameters
    ----------
    x : ndarray of float32 or float64
    axis : int

    Returns
    -------
    ndarray, shape of x

    Raises
    ------
    InvalidArgumentError, InvalidTypeError

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> F.log_softmax(np.array([0.0, 1000.0]))
    array([-1000.,     0.])
    """
    x, axis = _operand("x", x, axis)
    if not x.size:
        return np.empty_like(x)
    y = _shifted(x, axis)
    y -= np.log(np.exp(y).sum(axis, keepdims=True))
    return y


def log_softmax_grad(gy: Array, y: Array, axis: int = -1) -> Array:
    """Gradient of `log_softmax` with respect to x: ``gy - exp(y) * sum(gy)``.

    Parameters
    ----------
    gy : ndarray, shape of y
        Gradient with respect to y.
    y : ndarray
        The result of `log_softmax`.
    axis : int
        As given to it.

    Returns
    -------
    ndarray, shape of y

    Raises
    ------
    InvalidArgumentError, InvalidTypeError

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> F.log_softmax_grad(np.array([1.0, 0.0]), np.log(np.array([0.5, 0.5])))
    array([ 0.5, -0.5])
    """
    gy, y, axis = _operands(gy, y, axis)
    return gy - np.exp(y) * gy.sum(axis, keepdims=True)


def _shifted(x, axis):
    """x minus its largest element. Where that is infinite the limit is not determined, and the result NaN."""
    with np.errstate(invalid="ignore", over="ignore"):
        return x - x.max(axis, keepdims=True)


def _operand(name, x, axis):
    x, axis = channels.as_float(name, x), as_integer("axis", axis)
    if not -x.ndim <= axis < x.ndim:
        raise InvalidArgumentError(f"axis: got {axis}, expected one of the {x.ndim} axes of {name}")
    return x, axis


def _operands(gy, y, axis):
    y, axis = _operand("y", y, axis)
    gy = channels.as_float("gy", gy)
    require_shape("gy", gy, y.shape, "the shape of y")
    if gy.dtype != y.dtype:
        raise InvalidTypeError(f"gy: dtype {gy.dtype} differs from y's {y.dtype}; convert one of them")
    return gy, y, axis
