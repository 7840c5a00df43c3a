"""`AvgPool2D`, `AdaptiveAvgPool2D` and `GlobalAvgPool2D`: the mean of each window."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..functional import (
    adaptive_avg_pool2d,
    adaptive_avg_pool2d_grad,
    avg_pool2d,
    avg_pool2d_grad,
    global_avg_pool2d,
    global_avg_pool2d_grad,
)
from ..functional.windows import adaptive_windows, sliding_windows
from ..problem import memory_format_of
from ..typing import InputShape, OutputSize, Padding, Pair, Shape
from .layer import Layer

__all__ = ["AdaptiveAvgPool2D", "AvgPool2D", "GlobalAvgPool2D"]


class AvgPool2D(Layer):
    """The mean of each window.

    Parameters
    ----------
    pool_size, stride, padding, ceil_mode
        See `MaxPool2D`; padding is zeros.
    count_include_pad : bool
        Whether the zeros count in the number that sums are divided by.
    name, dtype
        See `Layer`.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> fc.nn.AvgPool2D(2).forward(np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4))[0, 0].tolist()
    [[2.5, 4.5], [10.5, 12.5]]
    """

    def __init__(
        self,
        pool_size: Pair,
        stride: Pair | None = None,
        padding: Padding = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        *,
        name: str | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.pool_size, self.stride, self.padding = pool_size, stride, padding
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad
        self._geometry: dict[str, Any] = {
            "stride": stride,
            "padding": padding,
            "ceil_mode": ceil_mode,
            "count_include_pad": count_include_pad,
        }

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._require_images(x.shape)
        y = avg_pool2d(x, self.pool_size, **self._geometry)
        self._saved = x.shape, memory_format_of(x)
        return y

    def backward(self, gy: np.ndarray) -> np.ndarray:
        x_shape, memory_format = self.saved()
        return avg_pool2d_grad(gy, x_shape, self.pool_size, **self._geometry, memory_format=memory_format)

    def output_shape(self, input_shape: InputShape) -> Shape:
        self._require_images(input_shape)
        windows = sliding_windows(input_shape, self.pool_size, self.stride, self.padding, 1, self.ceil_mode)
        return windows.y_shape(tuple(input_shape))


class AdaptiveAvgPool2D(Layer):
    """The mean of each of a given number of windows that cover the image.

    Parameters
    ----------
    output_size : int or (int or None, int or None)
        See `AdaptiveMaxPool2D`.
    name, dtype
        See `Layer`.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> fc.nn.AdaptiveAvgPool2D(2).forward(np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3))[0, 0].tolist()
    [[2.0, 3.0], [5.0, 6.0]]
    """

    def __init__(self, output_size: OutputSize, *, name: str | None = None, dtype: DTypeLike = np.float32) -> None:
        super().__init__(name=name, dtype=dtype)
        self.output_size = output_size

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._require_images(x.shape)
        y = adaptive_avg_pool2d(x, self.output_size)
        self._saved = x.shape, memory_format_of(x)
        return y

    def backward(self, gy: np.ndarray) -> np.ndarray:
        x_shape, memory_format = self.saved()
        return adaptive_avg_pool2d_grad(gy, x_shape, memory_format=memory_format)

    def output_shape(self, input_shape: InputShape) -> Shape:
        self._require_images(input_shape)
        return adaptive_windows(input_shape, self.output_size).y_shape(tuple(input_shape))


class GlobalAvgPool2D(Layer):
    """The mean of each channel: (n, c, h, w) becomes (n, c), ready for `Dense`, as in Keras.

    `AdaptiveAvgPool2D` with ``output_size=1`` keeps four axes.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> fc.nn.GlobalAvgPool2D().forward(np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2))
    array([[1.5, 5.5]], dtype=float32)
    """

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._require_images(x.shape)
        self._saved = x.shape, memory_format_of(x)
        return global_avg_pool2d(x).reshape(x.shape[:2])

    def backward(self, gy: np.ndarray) -> np.ndarray:
        x_shape, memory_format = self.saved()
        return global_avg_pool2d_grad(gy.reshape(*gy.shape, 1, 1), x_shape, memory_format=memory_format)

    def output_shape(self, input_shape: InputShape) -> Shape:
        self._require_images(input_shape)
        return tuple(input_shape[:2])
