"""Activations and their gradients, sums of two arrays, and the gradients of biases: each one pass over memory."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..algorithms.base import ACTIVATIONS, LEAKY_RELU_SLOPE, Activation
from ..errors import InvalidArgumentError, InvalidTypeError
from ..kernels import cpu
from ..threads import team
from ..typing import ActivationLike, Array
from . import channels

__all__ = ["FUNCTIONS", "SAVED", "activate", "activation_bias_grad", "activation_grad", "add", "bias_grad"]


# The order is that of the codes in kernels/activation.h and, behind them, in kernels/functions.h.
FUNCTIONS = (*ACTIVATIONS, "tanh", "gelu", "gelu_tanh", "softplus")

#: What `activation_grad` needs of each activation: its "output" or its "input".
SAVED = {
    None: "output",
    "relu": "output",
    "relu6": "output",
    "leaky_relu": "output",
    "sigmoid": "output",
    "tanh": "output",
    "silu": "input",
    "gelu": "input",
    "gelu_tanh": "input",
    "softplus": "input",
}


class _Function(NamedTuple):
    name: str | None
    slope: float
    code: int


_NAMED: dict[Any, _Function] = {
    name: _Function(name, LEAKY_RELU_SLOPE if name == "leaky_relu" else 0.0, code) for code, name in enumerate(FUNCTIONS)
}


def activate(x: Array, activation: ActivationLike, *, out: Array | None = None) -> Array:
    """An activation of every element.

    Parameters
    ----------
    x : ndarray of float32 or float64
        Of any shape.
    activation : {None, "relu", "relu6", "leaky_relu", "sigmoid", "silu", "tanh", "gelu", "gelu_tanh", "softplus"} \
or ("leaky_relu", slope)
        ``"gelu"`` is the exact one, x Phi(x); ``"gelu_tanh"`` its approximation by tanh (Hendrycks and Gimpel 2016). An
        `Activation`, as convolution algorithms are given it, serves as well.
    out : ndarray, optional
        Receives the result. It may be `x` itself.

    Returns
    -------
    ndarray
        In x's memory format. A NaN stays one.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> F.activate(np.array([-1.0, 2.0]), "relu")
    array([0., 2.])
    >>> F.activate(np.array([-1.0, 2.0]), ("leaky_relu", 0.5))
    array([-0.5,  2. ])
    """
    function = as_function(activation)
    x = _contiguous("x", x)
    y, result = channels.result_for(x, out, x=x)
    cpu.kernels().apply(x, function.code, function.slope, y, team(x.size))
    channels.deliver(y, result)
    return result


def activation_grad(gy: Array, saved: Array, activation: ActivationLike, *, out: Array | None = None) -> Array:
    """Gradient of `activate` with respect to its input.

    Parameters
    ----------
    gy : ndarray of float32 or float64
        Gradient with respect to the output.
    saved : ndarray, shape of gy
        The output or the input of `activate`: what `SAVED` says of the activation.
    activation : str or ("leaky_relu", slope)
        As given to `activate`; a slope must not be negative, because the sign of the input would not follow from the output's.
    out : ndarray, optional
        Receives the result. It may be `gy` or `saved` itself.

    Returns
    -------
    ndarray
        In saved's memory format.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> y = F.activate(np.array([-1.0, 2.0]), "relu")
    >>> F.activation_grad(np.array([10.0, 10.0]), y, "relu")
    array([ 0., 10.])
    """
    function = _differentiable(activation)
    saved = _contiguous("saved", saved)
    gy = channels.like("gy", gy, saved, "saved")
    g, result = channels.result_for(saved, out, gy=gy, saved=saved)
    cpu.kernels().apply_grad(gy, saved, function.code, function.slope, g, team(gy.size))
    channels.deliver(g, result)
    return result


def activation_bias_grad(gy: Array, y: Array, activation: ActivationLike, *, out: Array | None = None) -> tuple[Array, Array]:
    """Gradients of ``y = activate(z + bias)`` with respect to z and the bias, in one pass.

    Parameters
    ----------
    gy : ndarray of float32 or float64, shape (n, c, h, w) or (n, c)
        Gradient with respect to y.
    y : ndarray, shape of gy
    activation : {None, "relu", "relu6", "leaky_relu", "sigmoid", "tanh"} or ("leaky_relu", slope)
        One whose gradient follows from its output.
    out : ndarray, optional
        Receives g. It may be `gy` or `y` itself.

    Returns
    -------
    g : ndarray
        The gradient with respect to z, in y's memory format; gy itself where the activation is None and no `out` is given.
    db : ndarray, shape (c,)
        Its sum over each channel.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> y = F.activate(np.array([[-1.0, 2.0], [3.0, 4.0]]), "relu")
    >>> F.activation_bias_grad(np.ones((2, 2)), y, "relu")
    (array([[0., 1.],
           [1., 1.]]), array([1., 2.]))
    """
    function = _differentiable(activation)
    if SAVED[function.name] != "output":
        names = ", ".join(str(name) for name, saved in SAVED.items() if saved == "output")
        raise InvalidArgumentError(
            f"activation: got {function.name!r}, whose gradient needs the input; expected one of {names}, or activation_grad "
            "and bias_grad"
        )
    if function.name is None and out is None:
        return gy, bias_grad(gy)
    y = channels.as_channels("y", y)
    gy = channels.like("gy", gy, y, "y")
    g, result = channels.result_for(y, out, gy=gy, y=y)
    db = _sum(gy, y, function, g)
    channels.deliver(g, result)
    return result, db


def bias_grad(gy: Array) -> Array:
    """The sum over each channel: the gradient of a bias.

    Parameters
    ----------
    gy : ndarray of float32 or float64, shape (n, c, h, w) or (n, c)

    Returns
    -------
    ndarray, shape (c,)

    Raises
    ------
    InvalidArgumentError, InvalidTypeError

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> F.bias_grad(np.ones((2, 3, 4, 4), np.float32))
    array([32., 32., 32.], dtype=float32)
    """
    return _sum(channels.as_channels("gy", gy), None, _NAMED[None], None)


def add(a: Array, b: Array, activation: ActivationLike = None, *, out: Array | None = None) -> Array:
    """``activate(a + b)`` in one pass; its gradient with respect to a, and to b, is `activation_grad`'s.

    Parameters
    ----------
    a, b : ndarray of float32 or float64, of one shape
    activation
        As in `activate`.
    out : ndarray, optional
        Receives the result. It may be `a` or `b` itself.

    Returns
    -------
    ndarray
        In a's memory format.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> F.add(np.array([1.0, 2.0]), np.array([-3.0, 3.0]), "relu")
    array([0., 5.])
    """
    function = as_function(activation)
    a = _contiguous("a", a)
    b = channels.like("b", b, a, "a")
    y, result = channels.result_for(a, out, a=a, b=b)
    cpu.kernels().add(a, b, function.code, function.slope, y, team(a.size))
    channels.deliver(y, result)
    return result


def as_function(activation: ActivationLike) -> _Function:
    """The function meant by a name, ``("leaky_relu", slope)``, None or an `Activation`."""
    if isinstance(activation, Activation):
        return _Function(activation.name, activation.slope, activation.code)
    if isinstance(activation, tuple) and len(activation) == 2 and activation[0] == "leaky_relu":
        try:
            return _NAMED["leaky_relu"]._replace(slope=float(activation[1]))
        except (TypeError, ValueError):
            raise InvalidTypeError(f"activation: the slope {activation[1]!r} is not a number") from None
    try:
        return _NAMED[activation]
    except (KeyError, TypeError):
        names = ", ".join(str(name) for name in FUNCTIONS)
        raise InvalidArgumentError(
            f"activation: got {activation!r}, expected one of {names} or ('leaky_relu', slope)"
        ) from None


def _differentiable(activation):
    function = as_function(activation)
    if not function.slope >= 0:
        raise InvalidArgumentError(f"activation: got the slope {function.slope}; its gradient needs one that is not negative")
    return function


def _contiguous(name, a):
    return channels.contiguous(channels.as_float(name, a))


def _sum(gy, y, function, g):
    layout, kernels = channels.layout_of(gy), cpu.kernels()
    db = np.zeros(layout[1], gy.dtype)
    if gy.size:
        threads = team(gy.size)
        mask = kernels.MASK_NONE if function.name is None else kernels.MASK_OUTPUT
        with channels.scratch(layout, gy, threads) as w:
            kernels.bias_grad(layout, gy, y, mask, function.code, function.slope, g, db, w, threads)
    return db
