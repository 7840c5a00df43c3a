"""The oracle: convolution and its gradients as plain loops over kernel positions, in wider arithmetic.

Never optimised. float32 operands are computed in float64, float64 operands in long double (80 bits on x86, no wider than
float64 on some platforms), so that what is left of a difference is the error of the algorithm under test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .typing import ActivationLike

if TYPE_CHECKING:
    from .problem import ConvProblem

__all__ = ["activate", "compute", "forward", "input_grad", "scale", "weight_grad"]


def forward(
    problem: ConvProblem, x: np.ndarray, w: np.ndarray, bias: np.ndarray | None = None, activation: ActivationLike = None
) -> np.ndarray:
    """The convolution of `x` with `w`.

    Parameters
    ----------
    problem : ConvProblem
        Its direction and memory format do not matter here.
    x : ndarray, shape ``problem.x_shape``
    w : ndarray, shape ``problem.w_shape``
    bias : ndarray, shape (out_channels,), optional
    activation : str or (str, float), optional
        As in `activate`.

    Returns
    -------
    ndarray, shape ``problem.y_shape``
        C-contiguous; float64 for float32 operands, long double for float64 ones.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.problem import ConvProblem
    >>> p = ConvProblem.parse("1x1x3x3,1x2x2")
    >>> forward(p, np.arange(9.0).reshape(p.x_shape), np.ones(p.w_shape)).astype(int).tolist()
    [[[[8, 12], [20, 24]]]]
    """
    padded, w = _pad(problem, _widen(x)), _split_filters(problem, _widen(w))
    y = np.zeros(problem.y_shape, padded.dtype)
    grouped = _split_channels(problem, y)
    with np.errstate(invalid="ignore", over="ignore"):
        for i, j, window in _windows(problem, padded):
            grouped += np.einsum("ngchw,gkc->ngkhw", window, w[..., i, j])
        if bias is not None:
            y += _widen(bias)[:, None, None]
        return activate(y, activation)


def input_grad(problem: ConvProblem, gy: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The gradient with respect to x of ``sum(gy * forward(x, w))``, of shape ``problem.x_shape``.

    The transpose of `forward`: every window of the padded input receives what it gave.
    """
    gy, w = _split_channels(problem, _widen(gy)), _split_filters(problem, _widen(w))
    (top, bottom), (left, right) = problem.padding
    n, c, height, width = problem.x_shape
    padded = np.zeros((n, c, top + height + bottom, left + width + right), gy.dtype)
    with np.errstate(invalid="ignore", over="ignore"):
        for i, j, window in _windows(problem, padded):
            window += np.einsum("ngkhw,gkc->ngchw", gy, w[..., i, j])
    return np.ascontiguousarray(padded[:, :, top : top + height, left : left + width])


def weight_grad(problem: ConvProblem, gy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The gradient with respect to w of ``sum(gy * forward(x, w))``, of shape ``problem.w_shape``."""
    padded, gy = _pad(problem, _widen(x)), _split_channels(problem, _widen(gy))
    dw = np.zeros(problem.w_shape, padded.dtype)
    grouped = _split_filters(problem, dw)
    with np.errstate(invalid="ignore", over="ignore"):
        for i, j, window in _windows(problem, padded):
            grouped[..., i, j] = np.einsum("ngkhw,ngchw->gkc", gy, window)
    return dw


def compute(
    problem: ConvProblem,
    *,
    x: np.ndarray | Any = None,
    w: np.ndarray | Any = None,
    gy: np.ndarray | Any = None,
    bias: np.ndarray | None = None,
    activation: ActivationLike = None,
) -> np.ndarray:
    """The result of ``problem.direction``, from the two operands that it needs."""
    if problem.direction == "forward":
        return forward(problem, x, w, bias, activation)
    return input_grad(problem, gy, w) if problem.direction == "input_grad" else weight_grad(problem, gy, x)


def scale(
    problem: ConvProblem,
    *,
    x: np.ndarray | Any = None,
    w: np.ndarray | Any = None,
    gy: np.ndarray | Any = None,
    bias: np.ndarray | None = None,
) -> np.ndarray:
    """``|x| conv |w|`` of ``problem.direction``: the sum of the magnitudes of the terms of every element of the result.

    A published error constant c promises ``|y - y_ref| <= c * eps * scale``. The magnitude of the bias counts as a term.
    """
    operands = {"x": x, "w": w, "gy": gy, "bias": bias}
    return compute(problem, **{name: np.abs(a) for name, a in operands.items() if a is not None})


def activate(y: np.ndarray, activation: ActivationLike) -> np.ndarray:
    """An activation, by its name, ``("leaky_relu", slope)`` or None, applied to every element; a NaN stays a NaN."""
    name, slope = activation if isinstance(activation, tuple) else (activation, 0.01)
    with np.errstate(invalid="ignore", over="ignore"):
        match name:
            case None:
                return y
            case "relu":
                return np.where(y < 0, 0, y)
            case "relu6":
                return np.where(y < 0, 0, np.where(y > 6, 6, y))
            case "leaky_relu":
                return np.where(y < 0, slope * y, y)
            case "sigmoid":
                return 1 / (1 + np.exp(-y))
            case "silu":
                return y / (1 + np.exp(-y))
    raise ValueError(f"activation: no reference for {activation!r}")


def _widen(a):
    return np.asarray(a, dtype=np.float64 if np.asarray(a).dtype.itemsize <= 4 else np.longdouble)


def _pad(problem, x):
    return np.pad(x, ((0, 0), (0, 0), *problem.padding))


def _split_channels(problem, a):
    """(n, channels, h, w) as a view (n, groups, channels / groups, h, w)."""
    n, channels, h, w = a.shape
    return a.reshape(n, problem.groups, channels // problem.groups, h, w)


def _split_filters(problem, w):
    """(k, c, kh, kw) as a view (groups, k / groups, c, kh, kw)."""
    k, *rest = w.shape
    return w.reshape(problem.groups, k // problem.groups, *rest)


def _windows(problem, padded):
    """For every kernel position (i, j), the view of the pixels it meets, one for each output pixel."""
    grouped = _split_channels(problem, padded)
    for i in range(problem.kernel_height):
        for j in range(problem.kernel_width):
            rows = _meets(i * problem.dilation[0], problem.stride[0], problem.out_height)
            columns = _meets(j * problem.dilation[1], problem.stride[1], problem.out_width)
            yield i, j, grouped[..., rows, columns]


def _meets(first, step, count):
    return slice(first, first + (count - 1) * step + 1, step)
