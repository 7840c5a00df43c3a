"""Batch normalisation and its gradients, with the addition and the activation that follow it in the same passes over memory.

    batch_norm                  1 pass for the statistics, 1 for the result
    batch_norm_inference        1 pass
    batch_norm_grad             1 pass for the sums (and the gradient of the residual), 1 for the gradient of the input
    batch_norm_inference_grad   1 pass

Sums are kept in float64 from block to block, and statistics in float64. Ioffe and Szegedy, "Batch Normalization", 2015.
"""

from __future__ import annotations

import numpy as np

from ..algorithms.base import Activation, as_activation
from ..errors import InvalidArgumentError
from ..kernels import cpu
from ..threads import team
from ..typing import ActivationLike, Array
from . import channels

__all__ = ["batch_norm", "batch_norm_grad", "batch_norm_inference", "batch_norm_inference_grad", "batch_variance"]

# Their gradient follows from the sign of their result, which is that of their argument.
_FUSED = (None, "relu", "relu6", "leaky_relu")


def batch_norm(
    x: Array,
    gamma: Array | None,
    beta: Array | None,
    *,
    eps: float = 1e-5,
    activation: ActivationLike = None,
    residual: Array | None = None,
    out: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Normalise each channel by its own mean and variance: ``activation(gamma * (x - mean) * inv_std + beta + residual)``.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (n, c, h, w) or (n, c)
    gamma, beta : ndarray, shape (c,), or None
        Scale and shift, of x's dtype; None stands for ones and zeros.
    eps : float
        Added to the variance.
    activation : {None, "relu", "relu6", "leaky_relu"} or ("leaky_relu", slope)
        With a slope that is not negative.
    residual : ndarray, shape of x, optional
        Added before the activation.
    out : ndarray, optional
        Receives y. It may be `x` or `residual` itself.

    Returns
    -------
    y : ndarray
        In x's memory format.
    mean, inv_std : ndarray of float64, shape (c,)
        The batch's mean and ``1 / sqrt(variance + eps)``, which `batch_norm_grad` takes. The variance is the biased one, the
        mean square deviation, for running statistics too (`batch_variance`); PyTorch's running variance is the unbiased one.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        Among others, for less than two values per channel, whose variance says nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> x = np.arange(8, dtype=np.float32).reshape(4, 2)
    >>> y, mean, inv_std = F.batch_norm(x, np.ones(2, np.float32), np.zeros(2, np.float32), activation="relu")
    >>> mean, y[:, 0].round(3)
    (array([3., 4.]), array([0.   , 0.   , 0.447, 1.342], dtype=float32))
    """
    x, layout, gamma, beta = as_batch(x, gamma, beta)
    fused, eps, c = as_fused(activation), checked_eps(eps), layout[1]
    residual = None if residual is None else channels.like("residual", residual, x)
    y, result = channels.result_for(x, out, x=x, gamma=gamma, beta=beta, residual=residual)
    mean, inv_std = np.empty(c), np.empty(c)
    threads = team(x.size)
    with channels.scratch(layout, x, threads) as w:
        cpu.kernels().batch_norm(layout, x, gamma, beta, residual, eps, fused.code, fused.slope, y, mean, inv_std, w, threads)
    channels.deliver(y, result)
    return result, mean, inv_std


def batch_variance(inv_std: Array, eps: float = 1e-5) -> Array:
    """The biased variance of each channel, from what `batch_norm` returns.

    Parameters
    ----------
    inv_std : ndarray of float64, shape (c,)
    eps : float
        As given to `batch_norm`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> _, _, inv_std = F.batch_norm(np.array([[1.0], [3.0]]), None, None)
    >>> F.batch_variance(inv_std).round(9)
    array([1.])
    """
    # Rounding must not make it negative.
    # Of an infinite variance inv_std is 0; it comes back without a warning, as all that overflows.
    with np.errstate(divide="ignore"):
        return np.maximum(1 / np.square(inv_std) - eps, 0)


def batch_norm_inference(
    x: Array,
    gamma: Array | None,
    beta: Array | None,
    mean: Array,
    var: Array,
    *,
    eps: float = 1e-5,
    activation: ActivationLike = None,
    residual: Array | None = None,
    out: Array | None = None,
) -> Array:
    """Normalise each channel by a given mean and variance; one pass over memory.

    Parameters
    ----------
    x, gamma, beta, eps, residual, out
        As in `batch_norm`.
    mean, var : ndarray, shape (c,)
        Of any floating dtype: running statistics.
    activation : {None, "relu", "relu6", "leaky_relu", "sigmoid", "silu"} or ("leaky_relu", slope)

    Returns
    -------
    ndarray
        In x's memory format.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> F.batch_norm_inference(np.array([[5.0, 5.0]]), None, None, np.array([1.0, 2.0]), np.array([4.0, 1.0]), eps=0)
    array([[2., 3.]])
    """
    x, layout, gamma, beta = _operands(x, gamma, beta)
    fused = as_activation(activation)
    mean, inv_std = _statistics(mean, var, layout[1], checked_eps(eps))
    residual = None if residual is None else channels.like("residual", residual, x)
    y, result = channels.result_for(x, out, x=x, gamma=gamma, beta=beta, residual=residual)
    if x.size:
        threads = team(x.size)
        with channels.scratch(layout, x, threads) as w:
            cpu.kernels().scale_shift(layout, x, gamma, beta, residual, mean, inv_std, fused.code, fused.slope, y, w, threads)
    channels.deliver(y, result)
    return result


def batch_norm_grad(
    gy: Array,
    x: Array,
    mean: Array,
    inv_std: Array,
    gamma: Array | None,
    beta: Array | None,
    *,
    activation: ActivationLike = None,
    y: Array | None = None,
    residual: bool = False,
    out: Array | None = None,
) -> tuple[Array, Array, Array, Array | None]:
    """Gradients of `batch_norm`.

    Parameters
    ----------
    gy : ndarray, shape of x
        Gradient with respect to y.
    x, gamma, beta, activation
        As given to `batch_norm`.
    mean, inv_std : ndarray of float64, shape (c,)
        As it returned them.
    y : ndarray, optional
        Its result; needed where a residual was added before an activation.
    residual : bool
        Whether a residual was added.
    out : ndarray, optional
        Receives dx. It may be `gy`, `x` or `y` itself.

    Returns
    -------
    dx : ndarray
        In x's memory format.
    dgamma, dbeta : ndarray, shape (c,)
    g_residual : ndarray or None
        The gradient of the residual: gy masked by the activation; gy itself without one.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> x, gamma, beta = np.array([[1.0], [2.0], [6.0]]), np.ones(1), np.zeros(1)
    >>> y, mean, inv_std = F.batch_norm(x, gamma, beta)
    >>> dx, dgamma, dbeta, _ = F.batch_norm_grad(y, x, mean, inv_std, gamma, beta)
    >>> bool(abs(dx).max() < 1e-5), dgamma.round(3), dbeta.round(3)
    (True, array([3.]), array([0.]))
    """
    if mean is None or inv_std is None:
        raise InvalidArgumentError("mean, inv_std: got None, expected what batch_norm returned")
    return _grad(gy, x, mean, inv_std, gamma, beta, activation, y, residual, out, constant=False)


def batch_norm_inference_grad(
    gy: Array,
    x: Array,
    gamma: Array | None,
    beta: Array | None,
    mean: Array,
    var: Array,
    *,
    eps: float = 1e-5,
    activation: ActivationLike = None,
    y: Array | None = None,
    residual: bool = False,
    out: Array | None = None,
) -> tuple[Array, Array, Array, Array | None]:
    """Gradients of `batch_norm_inference`, whose mean and variance are constants: of layers that are frozen.

    Parameters
    ----------
    gy, y, residual, out
        As in `batch_norm_grad`.
    x, gamma, beta, mean, var, eps, activation
        As given to `batch_norm_inference`; the activation must be one of `batch_norm`'s.

    Returns
    -------
    dx, dgamma, dbeta, g_residual
        As from `batch_norm_grad`.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> x, one = np.array([[1.0], [2.0]]), np.ones(1)
    >>> dx, dgamma, dbeta, _ = F.batch_norm_inference_grad(np.ones_like(x), x, 3 * one, 0 * one, 0 * one, one, eps=0)
    >>> dx[:, 0], dgamma, dbeta
    (array([3., 3.]), array([3.]), array([2.]))
    """
    x = channels.as_channels("x", x)
    mean, inv_std = _statistics(mean, var, x.shape[1], checked_eps(eps))
    return _grad(gy, x, mean, inv_std, gamma, beta, activation, y, residual, out, constant=True)


def _grad(gy, x, mean, inv_std, gamma, beta, activation, y, residual, out, *, constant):
    x, layout, gamma, beta = _operands(x, gamma, beta)
    activation, c = as_fused(activation), layout[1]
    gy = channels.like("gy", gy, x)
    mean, inv_std = channels.as_double("mean", mean, c), channels.as_double("inv_std", inv_std, c)
    mask, g = mask_of(activation, residual), None
    if mask == "MASK_OUTPUT":
        if y is None:
            raise InvalidArgumentError("y: got None; where a residual came before the activation, its result is needed")
        y = channels.like("y", y, x)
        g = channels.result_for(x, None)[0]
    if residual and g is None and out is not None and np.may_share_memory(out, gy):
        raise InvalidArgumentError("out: shares memory with gy, which is the gradient of the residual as well")
    dx, result = channels.result_for(x, out, gy=gy, x=x, y=y, gamma=gamma, beta=beta)
    dgamma, dbeta = np.zeros(c, x.dtype), np.zeros(c, x.dtype)
    if x.size:
        threads, kernels = team(x.size), cpu.kernels()
        with channels.scratch(layout, x, threads) as w:
            kernels.batch_norm_grad(
                layout, gy, x, y, gamma, beta, mean, inv_std, constant, getattr(kernels, mask), activation.code,
                activation.slope, dx, dgamma, dbeta, g, w, threads,
            )  # fmt: skip
    channels.deliver(dx, result)
    return result, dgamma, dbeta, (gy if g is None else g) if residual else None


def mask_of(activation: Activation, residual: bool = False) -> str:
    """What the kernels recognise the activation's linear parts by."""
    if activation.name is None:
        return "MASK_NONE"
    return "MASK_OUTPUT" if residual else "MASK_ARGUMENT"


def as_batch(x, gamma, beta):
    """(x, its layout, gamma, beta) for the statistics of a batch."""
    x, layout, gamma, beta = _operands(x, gamma, beta)
    n, _, plane, _ = layout
    if n * plane < 2:
        raise InvalidArgumentError(
            f"x: got shape {x.shape}, {n * plane} value(s) per channel; the statistics of a batch need at least 2"
        )
    return x, layout, gamma, beta


def _operands(x, gamma, beta):
    x = channels.as_channels("x", x)
    layout = channels.layout_of(x)
    c = layout[1]
    if c == 0:
        raise InvalidArgumentError(f"x: got shape {x.shape}, without channels")
    return x, layout, channels.as_parameter("gamma", gamma, x, (c,)), channels.as_parameter("beta", beta, x, (c,))


def as_fused(activation: ActivationLike) -> Activation:
    """An activation that can be fused in training."""
    fused = as_activation(activation)
    if fused.name not in _FUSED:
        names = ", ".join(str(name) for name in _FUSED)
        raise InvalidArgumentError(
            f"activation: got {fused.name!r}, whose gradient needs more than its sign; expected one of {names}"
        )
    if not fused.slope >= 0:
        raise InvalidArgumentError(f"activation: got the slope {fused.slope}, expected one that is not negative")
    return fused


def checked_eps(eps):
    """`eps` as a float."""
    try:
        value = float(eps)
    except (TypeError, ValueError):
        value = -1.0
    if not value >= 0:
        raise InvalidArgumentError(f"eps: got {eps!r}, expected a number that is not negative")
    return value


def _statistics(mean, var, c, eps):
    var = channels.as_double("var", var, c)
    if (var + eps < 0).any():
        raise InvalidArgumentError("var: got a negative variance")
    with np.errstate(divide="ignore"):
        return channels.as_double("mean", mean, c), 1 / np.sqrt(var + eps)
