"""Batch normalisation whose result goes straight into max pooling, and its gradients.

Channels-last, the normalised image is never in memory, nor the gradient with respect to it: half the traffic of both operations
by themselves, which is what limits them. In the other memory format they are done one after the other.
"""

from __future__ import annotations

import numpy as np

from ..arrays import empty
from ..kernels import cpu
from ..problem import memory_format_of
from ..threads import team
from ..typing import Array, Pair
from . import channels
from .normalization import as_batch, batch_norm, batch_norm_grad, checked_eps
from .pooling import PoolActivation, Taps, as_pooled_gradient, is_relu, max_pool2d_grad, max_pool2d_with_taps
from .windows import as_images, sliding_windows

__all__ = ["batch_norm_max_pool2d", "batch_norm_max_pool2d_grad"]


def batch_norm_max_pool2d(
    x: Array,
    gamma: Array | None,
    beta: Array | None,
    kernel_size: Pair,
    *,
    eps: float = 1e-5,
    activation: PoolActivation = None,
) -> tuple[Array, Taps, Array, Array]:
    """``max_pool2d_with_taps(batch_norm(x, gamma, beta)[0], kernel_size)``, with windows side by side.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (n, c, h, w)
    gamma, beta, eps
        As in `batch_norm`.
    kernel_size : int or (int, int)
        Height and width of the windows.
    activation : {None, "relu"}
        Before or after the maximum, which is the same.

    Returns
    -------
    y : ndarray, shape (n, c, oh, ow)
        In x's memory format.
    taps : ndarray, shape of y
        As from `max_pool2d_with_taps`.
    mean, inv_std : ndarray of float64, shape (c,)
        As from `batch_norm`.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> x = np.arange(8, dtype=np.float32).reshape(2, 1, 2, 2)
    >>> y, taps, mean, inv_std = F.batch_norm_max_pool2d(x, None, None, 2)
    >>> y[:, 0, 0, 0].round(3), taps[:, 0, 0, 0], mean
    (array([-0.218,  1.528], dtype=float32), array([3, 3], dtype=uint8), array([3.5]))
    """
    x = as_images("x", x)
    relu, windows = is_relu(activation), _side_by_side(x, kernel_size)
    if not _fuses(x, windows):
        y, mean, inv_std = batch_norm(x, gamma, beta, eps=eps)
        return *max_pool2d_with_taps(y, kernel_size, activation=activation), mean, inv_std
    x, layout, gamma, beta = as_batch(x, gamma, beta)
    eps, shape = checked_eps(eps), windows.y_shape(x.shape)
    y, taps = empty(shape, x.dtype, "nhwc"), empty(shape, np.uint8, "nhwc")
    mean, inv_std = np.empty(layout[1]), np.empty(layout[1])
    threads = team(x.size)
    with channels.scratch(layout, x, threads) as w:
        cpu.kernels().batch_norm_max(
            layout, _sizes(x, windows), x, gamma, beta, eps, relu, y, taps, mean, inv_std, w, threads
        )  # fmt: skip
    return y, taps, mean, inv_std


def batch_norm_max_pool2d_grad(
    gy: Array,
    y: Array,
    taps: Taps,
    x: Array,
    mean: Array,
    inv_std: Array,
    gamma: Array | None,
    beta: Array | None,
    kernel_size: Pair,
    *,
    activation: PoolActivation = None,
) -> tuple[Array, Array, Array]:
    """Gradients of `batch_norm_max_pool2d`.

    Parameters
    ----------
    gy : ndarray, shape (n, c, oh, ow)
        Gradient with respect to y.
    y, taps, mean, inv_std
        What `batch_norm_max_pool2d` returned.
    x, gamma, beta, kernel_size, activation
        As given to it.

    Returns
    -------
    dx : ndarray, shape of x
        In x's memory format.
    dgamma, dbeta : ndarray, shape (c,)

    Raises
    ------
    InvalidArgumentError, InvalidTypeError

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> x = np.arange(8, dtype=np.float32).reshape(2, 1, 2, 2)
    >>> y, *kept = F.batch_norm_max_pool2d(x, None, None, 2)
    >>> dx, dgamma, dbeta = F.batch_norm_max_pool2d_grad(np.ones_like(y), y, kept[0], x, *kept[1:], None, None, 2)
    >>> dgamma.round(3), dbeta
    (array([1.309], dtype=float32), array([2.], dtype=float32))
    """
    x = as_images("x", x)
    windows = _side_by_side(x, kernel_size)
    if not _fuses(x, windows):
        g = max_pool2d_grad(
            gy, taps, x.shape, kernel_size, y=y, activation=activation, memory_format=memory_format_of(x)
        )  # fmt: skip
        return batch_norm_grad(g, x, mean, inv_std, gamma, beta)[:3]
    gy, y, taps = as_pooled_gradient(gy, y, taps, x.shape, windows, activation, "nhwc")
    x, layout, gamma, _ = as_batch(x, gamma, beta)
    mean, inv_std = channels.as_double("mean", mean, layout[1]), channels.as_double("inv_std", inv_std, layout[1])
    dx, dgamma, dbeta = empty(x.shape, x.dtype, "nhwc"), np.empty(layout[1], x.dtype), np.empty(layout[1], x.dtype)
    threads = team(x.size)
    with channels.scratch(layout, x, threads) as w:
        cpu.kernels().batch_norm_max_grad(
            layout, _sizes(x, windows), gy, y, taps, x, gamma, mean, inv_std, dx, dgamma, dbeta, w, threads
        )  # fmt: skip
    return dx, dgamma, dbeta


def _side_by_side(x, kernel_size):
    return sliding_windows(x.shape, kernel_size, None, 0, 1, False)


def _fuses(x, windows):
    return memory_format_of(x) == "nhwc" and windows.taps_dtype == np.uint8 and x.shape[0] > 0


def _sizes(x, windows):
    return *x.shape[2:], windows.rows.width, windows.cols.width
