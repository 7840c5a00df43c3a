"""Group, instance and layer normalisation: statistics of each image on its own, and their gradients.

Statistics and the sums across blocks of elements are float64. Wu and He, "Group Normalization", 2018; Ulyanov et al., "Instance
Normalization", 2016; Ba et al., "Layer Normalization", 2016.
"""

from __future__ import annotations

import math

import numpy as np

from .. import workspace
from ..arrays import conform, require_shape
from ..errors import InvalidArgumentError
from ..kernels import cpu
from ..problem import as_integer, require_at_least
from ..threads import team
from ..typing import ActivationLike, Array
from . import channels
from .normalization import as_fused, checked_eps, mask_of

__all__ = ["group_norm", "group_norm_grad", "instance_norm", "instance_norm_grad", "layer_norm", "layer_norm_grad"]


def group_norm(
    x: Array,
    groups: int,
    gamma: Array | None,
    beta: Array | None,
    *,
    eps: float = 1e-5,
    activation: ActivationLike = None,
    out: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Normalise each group of neighbouring channels of each image: ``activation(gamma * (x - mean) * inv_std + beta)``.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (n, c, h, w) or (n, c)
    groups : int
        Divides c. 1: all of an image together; c: instance normalisation.
    gamma, beta : ndarray, shape (c,), or None
        Scale and shift of each channel, of x's dtype; None stands for ones and zeros.
    eps : float
        Added to the variance.
    activation : {None, "relu", "relu6", "leaky_relu"} or ("leaky_relu", slope)
        With a slope that is not negative.
    out : ndarray, optional
        Receives y. It may be `x` itself.

    Returns
    -------
    y : ndarray
        In x's memory format.
    mean, inv_std : ndarray of float64, shape (n, groups)
        Which `group_norm_grad` takes.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> y, mean, _ = F.group_norm(np.array([[0.0, 2.0, 10.0, 30.0]]), 2, None, None, eps=0)
    >>> y, mean
    (array([[-1.,  1., -1.,  1.]]), array([[ 1., 20.]]))
    """
    x, layout, groups, gamma, beta = _operands(x, groups, gamma, beta)
    fused, eps = as_fused(activation), checked_eps(eps)
    y, result = channels.result_for(x, out, x=x, gamma=gamma, beta=beta)
    mean, inv_std = np.empty((x.shape[0], groups)), np.empty((x.shape[0], groups))
    if x.size:
        threads = team(x.size)
        with channels.scratch(layout, x, threads) as w:
            cpu.kernels().group_norm(layout, groups, x, gamma, beta, eps, fused.code, fused.slope, y, mean, inv_std, w, threads)
    channels.deliver(y, result)
    return result, mean, inv_std


def group_norm_grad(
    gy: Array,
    x: Array,
    groups: int,
    mean: Array,
    inv_std: Array,
    gamma: Array | None,
    beta: Array | None,
    *,
    activation: ActivationLike = None,
    out: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Gradients of `group_norm`.

    Parameters
    ----------
    gy : ndarray, shape of x
        Gradient with respect to y.
    x, groups, gamma, beta, activation
        As given to `group_norm`.
    mean, inv_std : ndarray of float64, shape (n, groups)
        As it returned them.
    out : ndarray, optional
        Receives dx. It may be `gy` or `x` itself.

    Returns
    -------
    dx : ndarray
        In x's memory format.
    dgamma, dbeta : ndarray, shape (c,)

    Raises
    ------
    InvalidArgumentError, InvalidTypeError

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> x = np.array([[0.0, 2.0, 10.0, 30.0]])
    >>> y, mean, inv_std = F.group_norm(x, 2, None, None)
    >>> F.group_norm_grad(np.ones_like(x), x, 2, mean, inv_std, None, None)[2]
    array([1., 1., 1., 1.])
    """
    x, layout, groups, gamma, beta = _operands(x, groups, gamma, beta)
    fused = as_fused(activation)
    gy = channels.like("gy", gy, x)
    shape = x.shape[0], groups
    mean, inv_std = _statistics("mean", mean, shape), _statistics("inv_std", inv_std, shape)
    dx, result = channels.result_for(x, out, gy=gy, x=x, gamma=gamma, beta=beta)
    dgamma, dbeta = np.zeros(x.shape[1], x.dtype), np.zeros(x.shape[1], x.dtype)
    if x.size:
        threads, kernels = team(x.size), cpu.kernels()
        with channels.scratch(layout, x, threads) as w:
            kernels.group_norm_grad(
                layout, groups, gy, x, gamma, beta, mean, inv_std, getattr(kernels, mask_of(fused)), fused.code,
                fused.slope, dx, dgamma, dbeta, w, threads,
            )  # fmt: skip
    channels.deliver(dx, result)
    return result, dgamma, dbeta


def instance_norm(
    x: Array,
    gamma: Array | None,
    beta: Array | None,
    *,
    eps: float = 1e-5,
    activation: ActivationLike = None,
    out: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Normalise each channel of each image: `group_norm` with one channel per group.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> y, mean, _ = F.instance_norm(np.array([[[[0.0, 4.0]], [[1.0, 1.0]]]]), None, None)
    >>> mean, y.round(3).ravel()
    (array([[2., 1.]]), array([-1.,  1.,  0.,  0.]))
    """
    x = channels.as_channels("x", x)
    return group_norm(x, x.shape[1], gamma, beta, eps=eps, activation=activation, out=out)


def instance_norm_grad(
    gy: Array,
    x: Array,
    mean: Array,
    inv_std: Array,
    gamma: Array | None,
    beta: Array | None,
    *,
    activation: ActivationLike = None,
    out: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Gradients of `instance_norm`, as `group_norm_grad` returns them."""
    x = channels.as_channels("x", x)
    return group_norm_grad(gy, x, x.shape[1], mean, inv_std, gamma, beta, activation=activation, out=out)


def layer_norm(
    x: Array,
    normalized_shape: int | tuple[int, ...],
    gamma: Array | None,
    beta: Array | None,
    *,
    eps: float = 1e-5,
    out: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Normalise over the last dimensions: ``gamma * (x - mean) * inv_std + beta`` with gamma and beta of their shape.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape ``(..., *normalized_shape)``
    normalized_shape : int or tuple of int
        The last dimensions of x, as PyTorch has it.
    gamma, beta : ndarray, shape `normalized_shape`, or None
        Of x's dtype; None stands for ones and zeros.
    eps : float
        Added to the variance.
    out : ndarray, optional
        Receives y. It may be `x` itself.

    Returns
    -------
    y : ndarray
        C-contiguous unless `out` is not: images that are channels-last are converted.
    mean, inv_std : ndarray of float64
        Of the shape of the other dimensions; `layer_norm_grad` takes them.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> y, mean, inv_std = F.layer_norm(np.array([[0.0, 2.0], [10.0, 30.0]]), 2, None, None, eps=0)
    >>> y, mean
    (array([[-1.,  1.],
           [-1.,  1.]]), array([ 1., 20.]))
    """
    x, shape, gamma, beta = _rows(x, normalized_shape, gamma, beta)
    eps = checked_eps(eps)
    y, result = channels.result_for(x, out, x=x, gamma=gamma, beta=beta)
    mean, inv_std = np.empty(x.shape[: x.ndim - len(shape)]), np.empty(x.shape[: x.ndim - len(shape)])
    if x.size:
        cpu.kernels().layer_norm(mean.size, math.prod(shape), x, gamma, beta, eps, y, mean, inv_std, team(x.size))
    channels.deliver(y, result)
    return result, mean, inv_std


def layer_norm_grad(
    gy: Array,
    x: Array,
    normalized_shape: int | tuple[int, ...],
    mean: Array,
    inv_std: Array,
    gamma: Array | None,
    *,
    out: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Gradients of `layer_norm`.

    Parameters
    ----------
    gy : ndarray, shape of x
        Gradient with respect to y.
    x, normalized_shape, gamma
        As given to `layer_norm`.
    mean, inv_std : ndarray of float64
        As it returned them.
    out : ndarray, optional
        Receives dx. It may be `gy` or `x` itself.

    Returns
    -------
    dx : ndarray
        C-contiguous unless `out` is not.
    dgamma, dbeta : ndarray, shape `normalized_shape`

    Raises
    ------
    InvalidArgumentError, InvalidTypeError

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> x = np.array([[0.0, 2.0], [10.0, 30.0]])
    >>> y, mean, inv_std = F.layer_norm(x, 2, None, None)
    >>> F.layer_norm_grad(np.ones_like(x), x, 2, mean, inv_std, None)[2]
    array([2., 2.])
    """
    x, shape, gamma, _ = _rows(x, normalized_shape, gamma, None)
    gy = channels.as_float("gy", gy)
    require_shape("gy", gy, x.shape, "the shape of x")
    gy = conform(gy, x.dtype)
    outer = x.shape[: x.ndim - len(shape)]
    mean, inv_std = _statistics("mean", mean, outer), _statistics("inv_std", inv_std, outer)
    dx, result = channels.result_for(x, out, gy=gy, x=x, gamma=gamma)
    dgamma, dbeta = np.zeros(shape, x.dtype), np.zeros(shape, x.dtype)
    if x.size:
        threads, d = team(x.size), math.prod(shape)
        # Of each thread two sums in float64 and two in x's dtype, for whole vectors of at most a cache line.
        w = workspace.take(2 * threads * (d + 16) * (8 + x.itemsize))
        try:
            cpu.kernels().layer_norm_grad(mean.size, d, gy, x, gamma, mean, inv_std, dx, dgamma, dbeta, w, threads)
        finally:
            workspace.give_back(w)
    channels.deliver(dx, result)
    return result, dgamma, dbeta


def _operands(x, groups, gamma, beta):
    x = channels.as_channels("x", x)
    groups, c = as_integer("groups", groups), x.shape[1]
    if c == 0:
        raise InvalidArgumentError(f"x: got shape {x.shape}, without channels")
    require_at_least("groups", groups, 1)
    if c % groups:
        raise InvalidArgumentError(f"groups: got {groups}, expected a divisor of the {c} channels")
    if math.prod(x.shape[2:]) * (c // groups) < 2:
        raise InvalidArgumentError(f"x: got shape {x.shape}, one value per group; its statistics need at least 2")
    layout = channels.layout_of(x)
    return x, layout, groups, channels.as_parameter("gamma", gamma, x, (c,)), channels.as_parameter("beta", beta, x, (c,))


def _rows(x, normalized_shape, gamma, beta):
    x = channels.as_float("x", x)
    given = normalized_shape if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
    shape = tuple(as_integer("normalized_shape", v) for v in given)
    if not shape or x.shape[x.ndim - len(shape) :] != shape or len(shape) > x.ndim:
        raise InvalidArgumentError(f"normalized_shape: got {normalized_shape!r}, expected the last dimensions of {x.shape}")
    if math.prod(shape) == 0:
        raise InvalidArgumentError(f"normalized_shape: got {normalized_shape!r}, without elements")
    why = "normalized_shape"
    gamma, beta = channels.as_parameter("gamma", gamma, x, shape, why), channels.as_parameter("beta", beta, x, shape, why)
    return channels.conform(x, x.dtype), shape, gamma, beta


def _statistics(name, a, shape):
    a = channels.as_float(name, a)
    require_shape(name, a, shape, "as the forward direction returned it")
    return np.ascontiguousarray(a, np.float64)
