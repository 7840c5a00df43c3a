"""Initial weights: functions of a shape, a generator of random numbers and a dtype.

Weights of convolutions have shape (filters, in_channels / groups, kh, kw), those of dense layers (in_features, out_features).
``n_in`` and ``n_out`` are the numbers of values that one output depends on, and that depend on one input; see `fans`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import InvalidArgumentError, InvalidTypeError

__all__ = [
    "constant",
    "fans",
    "get",
    "he_normal",
    "he_uniform",
    "lecun_normal",
    "names",
    "ones",
    "orthogonal",
    "xavier_normal",
    "xavier_normal_in",
    "xavier_uniform",
    "zeros",
]

DTYPES = (np.float32, np.float64)

Initializer = Callable[..., np.ndarray]


def fans(shape: Sequence[int], groups: int = 1) -> tuple[int, int]:
    """(n_in, n_out) of weights of that shape.

    Parameters
    ----------
    shape : (in, out), or (filters, in_channels / groups, kh, kw) with any number of kernel axes
    groups : int
        Of the convolution. An input reaches the filters of its own group only.

    Raises
    ------
    InvalidArgumentError
        If there are fewer than two axes, or the groups do not divide the filters.

    Examples
    --------
    >>> from fastconv.nn import initializers
    >>> initializers.fans((64, 3, 7, 7)), initializers.fans((128, 10)), initializers.fans((64, 1, 3, 3), groups=64)
    ((147, 3136), (128, 10), (9, 9))
    """
    shape = tuple(shape)
    if len(shape) < 2:
        raise InvalidArgumentError(f"shape: got {shape}, expected two axes or more, as weights have")
    if groups < 1 or (len(shape) > 2 and shape[0] % groups):
        raise InvalidArgumentError(f"groups: got {groups}, expected a divisor of the {shape[0]} filters")
    if len(shape) == 2:
        return shape
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] // groups * window


def he_normal(shape: Sequence[int], rng: Any = None, dtype: Any = np.float32, *, groups: int = 1) -> np.ndarray:
    """Normal with variance 2 / n_in, for layers followed by ReLU (He et al., 2015).

    Parameters
    ----------
    shape : sequence of int
        As `fans` takes it.
    rng : numpy.random.Generator or seed, optional
        What `numpy.random.default_rng` takes.
    dtype : {float32, float64}
    groups : int
        Of the convolution.

    Returns
    -------
    ndarray

    Raises
    ------
    InvalidArgumentError, InvalidTypeError

    Examples
    --------
    >>> from fastconv.nn import initializers
    >>> w = initializers.he_normal((256, 64, 3, 3), rng=0)
    >>> w.dtype, round(float(w.std()), 3), round((2 / (64 * 9)) ** 0.5, 3)
    (dtype('float32'), 0.059, 0.059)
    """
    return _normal(shape, rng, dtype, 2 / _at_least_one(fans(shape, groups)[0]))


def he_uniform(shape: Sequence[int], rng: Any = None, dtype: Any = np.float32, *, groups: int = 1) -> np.ndarray:
    """Uniform with variance 2 / n_in; otherwise `he_normal`."""
    return _uniform(shape, rng, dtype, 2 / _at_least_one(fans(shape, groups)[0]))


def xavier_normal(shape: Sequence[int], rng: Any = None, dtype: Any = np.float32, *, groups: int = 1) -> np.ndarray:
    """Normal with variance 2 / (n_in + n_out), for symmetric activations (Glorot and Bengio, 2010); otherwise `he_normal`."""
    return _normal(shape, rng, dtype, 2 / _at_least_one(sum(fans(shape, groups))))


def xavier_uniform(shape: Sequence[int], rng: Any = None, dtype: Any = np.float32, *, groups: int = 1) -> np.ndarray:
    """Uniform with variance 2 / (n_in + n_out); otherwise `xavier_normal`."""
    return _uniform(shape, rng, dtype, 2 / _at_least_one(sum(fans(shape, groups))))


def xavier_normal_in(shape: Sequence[int], rng: Any = None, dtype: Any = np.float32, *, groups: int = 1) -> np.ndarray:
    """Normal with variance 1 / n_in, the form of Xavier's that looks at the forward pass alone; otherwise `he_normal`."""
    return _normal(shape, rng, dtype, 1 / _at_least_one(fans(shape, groups)[0]))


def lecun_normal(shape: Sequence[int], rng: Any = None, dtype: Any = np.float32, *, groups: int = 1) -> np.ndarray:
    """Normal with variance 1 / n_in (LeCun et al., 1998): the same as `xavier_normal_in`, under its older name."""
    return xavier_normal_in(shape, rng, dtype, groups=groups)


def orthogonal(
    shape: Sequence[int], rng: Any = None, dtype: Any = np.float32, *, groups: int = 1, gain: float = 1.0
) -> np.ndarray:
    """`gain` times a random matrix with orthonormal rows or columns, whichever are fewer (Saxe et al., 2014).

    A filter is one row, and each group's filters are a matrix of their own. Computed in float64. Other arguments as of
    `he_normal`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.nn import initializers
    >>> w = initializers.orthogonal((8, 4, 3, 3), rng=0, dtype=np.float64).reshape(8, 36)
    >>> bool(np.allclose(w @ w.T, np.eye(8), rtol=0, atol=1e-14))
    True
    """
    n_in, _ = fans(shape, groups)
    dtype, rng = _checked(shape, rng, dtype)
    shape = tuple(shape)
    rows, columns = shape if len(shape) == 2 else (shape[0] // groups, n_in)
    result = np.empty((groups if len(shape) > 2 else 1, rows, columns), dtype)
    for matrix in result:
        q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
        # Without these signs the matrices would not be uniformly distributed (Mezzadri, 2007).
        q *= gain * np.where(np.diagonal(r) < 0, -1.0, 1.0)
        matrix[...] = q if rows >= columns else q.T
    return result.reshape(shape)


def constant(
    shape: Sequence[int], rng: Any = None, dtype: Any = np.float32, *, groups: int = 1, value: float = 0.0
) -> np.ndarray:
    """Every element is `value`, whatever the number of axes; `rng` and `groups` are of no account."""
    dtype, _ = _checked(shape, None, dtype)
    return np.full(tuple(shape), value, dtype)


def zeros(shape: Sequence[int], rng: Any = None, dtype: Any = np.float32, *, groups: int = 1) -> np.ndarray:
    """All zeros; see `constant`."""
    return constant(shape, rng, dtype, value=0.0)


def ones(shape: Sequence[int], rng: Any = None, dtype: Any = np.float32, *, groups: int = 1) -> np.ndarray:
    """All ones; see `constant`."""
    return constant(shape, rng, dtype, value=1.0)


_BY_NAME: dict[str, Initializer] = {
    "constant": constant,
    "glorot_normal": xavier_normal,
    "glorot_uniform": xavier_uniform,
    "he_normal": he_normal,
    "he_uniform": he_uniform,
    "lecun_normal": lecun_normal,
    "ones": ones,
    "orthogonal": orthogonal,
    "xavier_normal": xavier_normal,
    "xavier_normal_in": xavier_normal_in,
    "xavier_uniform": xavier_uniform,
    "zeros": zeros,
}


def names() -> tuple[str, ...]:
    """The names that `get` knows."""
    return tuple(_BY_NAME)


def get(initializer: str | float | Initializer) -> Initializer:
    """The initializer of that name; a callable is returned as it is, and a number becomes the constant.

    Raises
    ------
    InvalidArgumentError
        For an unknown name; the message lists those there are.
    InvalidTypeError

    Examples
    --------
    >>> from fastconv.nn import initializers
    >>> initializers.get("glorot_uniform") is initializers.xavier_uniform
    True
    >>> initializers.get(0.5)((2,))
    array([0.5, 0.5], dtype=float32)
    """
    if isinstance(initializer, str):
        if initializer not in _BY_NAME:
            raise InvalidArgumentError(f"initializer: got {initializer!r}, expected one of {', '.join(_BY_NAME)}")
        return _BY_NAME[initializer]
    if callable(initializer):
        return initializer
    if isinstance(initializer, (int, float, np.floating, np.integer)) and not isinstance(initializer, bool):
        return functools.partial(constant, value=float(initializer))
    raise InvalidTypeError(f"initializer: got {initializer!r}, expected a name, a number or a function")


def _checked(shape, rng, dtype):
    try:
        dtype = np.dtype(dtype)
    except TypeError:
        raise InvalidTypeError(f"dtype: got {dtype!r}, expected float32 or float64") from None
    if dtype not in DTYPES:
        raise InvalidTypeError(f"dtype: got {dtype}, expected float32 or float64")
    if any(isinstance(n, bool) or not hasattr(n, "__index__") or n < 0 for n in shape):
        raise InvalidArgumentError(f"shape: got {tuple(shape)}, expected integers of at least 0")
    return dtype, np.random.default_rng(rng)


def _normal(shape, rng, dtype, variance):
    dtype, rng = _checked(shape, rng, dtype)
    result = rng.standard_normal(tuple(shape), dtype=dtype)
    result *= math.sqrt(variance)
    return result


def _uniform(shape, rng, dtype, variance):
    dtype, rng = _checked(shape, rng, dtype)
    # Over [-a, a) the variance is a^2 / 3.
    bound = math.sqrt(3 * variance)
    result = rng.random(tuple(shape), dtype=dtype)
    result *= 2 * bound
    result -= bound
    return result


def _at_least_one(n: int) -> int:
    """Weights without elements have no fans to divide by."""
    return max(n, 1)
