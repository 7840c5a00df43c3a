"""Products of matrices for fully connected layers: y = x W + b and its gradients."""

from __future__ import annotations

import numpy as np

from ..algorithms.base import as_activation
from ..arrays import as_plain
from ..errors import InvalidArgumentError, InvalidTypeError
from ..kernels import cpu
from ..memory import aligned_empty
from ..threads import get_num_threads
from ..typing import Activation, Array
from . import unit_products
from .activation import activate

__all__ = ["linear", "linear_input_grad", "linear_weight_grad"]

# Multiply-adds from which on a second thread pays.
_THREADED = 2**20
_NO_ACTIVATION = as_activation(None)


def linear(x: Array, w: Array, b: Array | None = None, activation: Activation = None) -> Array:
    """x W + b.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (n, in_features)
    w : ndarray, shape (in_features, out_features)
    b : ndarray, shape (out_features,), optional
    activation : as in `fastconv.conv2d`

    Returns
    -------
    ndarray, shape (n, out_features)

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> fc.functional.linear(np.ones((1, 3), np.float32), np.ones((3, 2), np.float32))
    array([[3., 3.]], dtype=float32)
    """
    x, w = _matrix("x", x), _matrix("w", w)
    _require_same(x.dtype, w=w, b=b)
    if x.shape[1] != w.shape[0] or (b is not None and b.shape != (w.shape[1],)):
        raise InvalidArgumentError(
            f"x, w, b: got shapes {x.shape}, {w.shape}, {None if b is None else b.shape}; expected (n, in), (in, out), (out,)"
        )
    fused = _NO_ACTIVATION if activation is None else as_activation(activation)
    y = unit_products.product(x, w)
    if y is not None:
        if b is not None:
            y += b
        return y if activation is None else activate(y, activation, out=y)
    y = _empty(x.shape[0], w.shape[1], x.dtype)
    bias = None if b is None else np.ascontiguousarray(b)
    _product(x, False, w, y, bias, fused)
    return y


def linear_weight_grad(gy: Array, x: Array) -> Array:
    """Gradient of `linear` with respect to its weights.

    Parameters
    ----------
    gy : ndarray, shape (n, out_features)
    x : ndarray, shape (n, in_features)

    Returns
    -------
    ndarray, shape (in_features, out_features)
    """
    gy, x = _matrix("gy", gy), _matrix("x", x)
    _require_same(x.dtype, gy=gy)
    if gy.shape[0] != x.shape[0]:
        raise InvalidArgumentError(f"gy, x: got shapes {gy.shape}, {x.shape}; expected as many rows")
    dw = unit_products.weight_grad(gy, x)
    if dw is not None:
        return dw
    dw = _empty(x.shape[1], gy.shape[1], x.dtype)
    _product(x, True, gy, dw)
    return dw


def linear_input_grad(gy: Array, w: Array) -> Array:
    """Gradient of `linear` with respect to its input.

    Parameters
    ----------
    gy : ndarray, shape (n, out_features)
    w : ndarray, shape (in_features, out_features)

    Returns
    -------
    ndarray, shape (n, in_features)
    """
    gy, w = _matrix("gy", gy), _matrix("w", w)
    _require_same(w.dtype, gy=gy)
    if gy.shape[1] != w.shape[1]:
        raise InvalidArgumentError(f"gy, w: got shapes {gy.shape}, {w.shape}; expected as many columns")
    dx = unit_products.input_grad(gy, w)
    if dx is not None:
        return dx
    # Its transpose is W gy^T, in which the large matrix comes first: that one is packed tile by tile.
    transposed = _empty(w.shape[0], gy.shape[0], w.dtype)
    _product(w, False, _transposed(gy), transposed)
    return _transposed(transposed)


def _product(a, transposed, b, out, bias=None, activation=_NO_ACTIVATION):
    """out = a b, or a^T b."""
    if not b.shape[0]:  # an empty sum: one zero
        a, b = np.zeros(out.shape[0], out.dtype), np.zeros((1, out.shape[1]), out.dtype)
    threads = get_num_threads() if out.size * b.shape[0] >= _THREADED else 1
    a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
    cpu.kernels().linear(a, transposed, b, out, bias, activation.code, activation.slope, threads)


def _transposed(a):
    out = _empty(a.shape[1], a.shape[0], a.dtype)
    cpu.kernels().swap_axes(np.ascontiguousarray(a), out, 1, *a.shape, 1)
    return out


def _matrix(name, a):
    a = as_plain(name, a)
    if a.ndim != 2:
        raise InvalidArgumentError(f"{name}: got shape {a.shape}, expected a matrix")
    if a.dtype not in (np.float32, np.float64):
        raise InvalidTypeError(f"{name}: dtype {a.dtype}, expected float32 or float64")
    return a


def _require_same(dtype, **arrays):
    for name, a in arrays.items():
        if a is not None and a.dtype != dtype:
            raise InvalidTypeError(f"{name}: dtype {a.dtype} differs from {dtype}; convert one of them")


def _empty(rows, columns, dtype):
    return aligned_empty(rows * columns, dtype).reshape(rows, columns)
