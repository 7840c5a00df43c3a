"""`MaxPool2D` and `AdaptiveMaxPool2D`: the maximum of each window."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import DTypeLike

from ..functional import (
    adaptive_max_pool2d,
    adaptive_max_pool2d_grad,
    adaptive_max_pool2d_with_taps,
    max_pool2d,
    max_pool2d_grad,
    max_pool2d_with_taps,
)
from ..functional.windows import Windows, adaptive_windows, sliding_windows
from ..problem import memory_format_of
from ..typing import ActivationLike, InputShape, OutputSize, Padding, Pair, Shape
from .layer import Layer

__all__ = ["AdaptiveMaxPool2D", "MaxPool2D", "pools"]


class MaxPool(Layer):
    """What max pooling has in common, whichever its windows are."""

    # ReLU of the maximum is the maximum of ReLU, on fewer values.
    fuses = frozenset({"relu"})
    commutes_with_relu = True

    # What those derived from it define: windows of an input's shape, the maxima without and with the taps, and the gradient.
    _windows: Callable[..., Windows]
    _pool: Callable[..., np.ndarray]
    _pool_with_taps: Callable[..., tuple[np.ndarray, np.ndarray]]
    _grad: Callable[..., np.ndarray]

    def forward(self, x: np.ndarray, activation: ActivationLike = None) -> np.ndarray:
        self._require_images(x.shape)
        y, taps = self._pool_with_taps(x, activation)
        self._saved = x.shape, memory_format_of(x), taps, None if activation is None else y, activation
        return y

    def infer(self, x: np.ndarray, activation: ActivationLike = None) -> np.ndarray:
        self._require_images(x.shape)
        self._saved = None
        return self._pool(x, activation)

    def backward(self, gy: np.ndarray) -> np.ndarray:
        x_shape, memory_format, taps, y, activation = self.saved()
        return self._grad(gy, taps, x_shape, {"y": y, "activation": activation, "memory_format": memory_format})

    def output_shape(self, input_shape: InputShape) -> Shape:
        self._require_images(input_shape)
        return self._windows(input_shape).y_shape(tuple(input_shape))


class MaxPool2D(MaxPool):
    """The maximum of each window. Of equal values the first, row by row, receives the gradient; a NaN is the maximum.

    Parameters
    ----------
    pool_size : int or (int, int)
    stride : int or (int, int), optional
        By default windows lie side by side.
    padding : int or (int, int)
        Pixels at both sides that never are the maximum; at most half a window.
    dilation : int or (int, int)
        Distance of a window's pixels.
    ceil_mode : bool
        Whether windows that the image cuts at its end count too.
    name, dtype
        See `Layer`.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> fc.nn.MaxPool2D(2, 2).forward(np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4))[0, 0].tolist()
    [[5.0, 7.0], [13.0, 15.0]]
    """

    def __init__(
        self,
        pool_size: Pair,
        stride: Pair | None = None,
        padding: Padding = 0,
        dilation: Pair = 1,
        ceil_mode: bool = False,
        *,
        name: str | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.pool_size, self.stride, self.padding, self.dilation = pool_size, stride, padding, dilation
        self.ceil_mode = ceil_mode
        self._geometry = {"stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil_mode}

    @property
    def side_by_side(self) -> bool:
        """Whether every pixel is in one whole window, or in none."""
        plain = self.padding in (0, (0, 0)) and self.dilation in (1, (1, 1)) and not self.ceil_mode
        return plain and (self.stride is None or _pair(self.stride) == _pair(self.pool_size))

    def _windows(self, shape):
        return sliding_windows(shape, self.pool_size, self.stride, self.padding, self.dilation, self.ceil_mode)

    def _pool(self, x, activation):
        return max_pool2d(x, self.pool_size, **self._geometry, activation=activation)

    def _pool_with_taps(self, x, activation):
        return max_pool2d_with_taps(x, self.pool_size, **self._geometry, activation=activation)

    def _grad(self, gy, taps, x_shape, options):
        return max_pool2d_grad(gy, taps, x_shape, self.pool_size, **self._geometry, **options)


class AdaptiveMaxPool2D(MaxPool):
    """The maximum of each of a given number of windows that cover the image.

    Parameters
    ----------
    output_size : int or (int or None, int or None)
        Height and width of the result; None keeps the input's. Output i of n takes pixels floor(i h / n) to
        ceil((i + 1) h / n).
    name, dtype
        See `Layer`.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> fc.nn.AdaptiveMaxPool2D(2).forward(np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3))[0, 0].tolist()
    [[4.0, 5.0], [7.0, 8.0]]
    """

    def __init__(self, output_size: OutputSize, *, name: str | None = None, dtype: DTypeLike = np.float32) -> None:
        super().__init__(name=name, dtype=dtype)
        self.output_size = output_size

    def _windows(self, shape):
        return adaptive_windows(shape, self.output_size)

    def _pool(self, x, activation):
        return adaptive_max_pool2d(x, self.output_size, activation=activation)

    def _pool_with_taps(self, x, activation):
        return adaptive_max_pool2d_with_taps(x, self.output_size, activation=activation)

    def _grad(self, gy, taps, x_shape, options):
        return adaptive_max_pool2d_grad(gy, taps, x_shape, **options)


def pools(layer: Layer, pool: Layer | None) -> bool:
    """Whether `layer` can do the work of `pool`, the layer behind it."""
    return layer.pools and type(pool) is MaxPool2D and pool.side_by_side


def _pair(value):
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)
