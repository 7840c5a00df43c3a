"""`Flatten` and `Reshape`: the same values in another shape."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from ..errors import InvalidArgumentError
from ..functional import to_memory_format
from ..problem import memory_format_of
from ..typing import InputShape, Shape
from .layer import Layer

__all__ = ["Flatten", "Reshape"]

_FORMATS = {"nhwc": "channels_last", "nchw": "nchw"}


class Flatten(Layer):
    """All axes but the first become one, in the order c, h, w whatever the memory format.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> fc.nn.Flatten().forward(np.zeros((32, 64, 8, 8), np.float32)).shape
    (32, 4096)
    """

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._saved = x.shape, memory_format_of(x) if x.ndim == 4 else None
        return _in_order(x).reshape(self.output_shape(x.shape))

    def backward(self, gy: np.ndarray) -> np.ndarray:
        shape, memory_format = self.saved()
        return _in_format(gy.reshape(shape), memory_format)

    def output_shape(self, input_shape: InputShape) -> Shape:
        if len(input_shape) < 2:
            raise self._shape_error(input_shape, "(n, ...)")
        return input_shape[0], math.prod(input_shape[1:])


class Reshape(Layer):
    """Another shape of each sample, filled in the order c, h, w whatever the memory format.

    Parameters
    ----------
    shape : tuple of int
        Without the batch; one of them may be -1, for what is left.
    name, dtype
        See `Layer`.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> fc.nn.Reshape((3, 4, -1)).forward(np.zeros((2, 24), np.float32)).shape
    (2, 3, 4, 2)
    """

    def __init__(self, shape: Sequence[int], *, name: str | None = None, dtype: DTypeLike = np.float32) -> None:
        super().__init__(name=name, dtype=dtype)
        self.shape = tuple(shape)
        if self.shape.count(-1) > 1 or any(size < 1 and size != -1 for size in self.shape):
            raise InvalidArgumentError(f"shape: got {shape!r}, expected positive integers, one of which may be -1")

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._saved = x.shape, memory_format_of(x) if x.ndim == 4 else None
        y = _in_order(x).reshape(self.output_shape(x.shape))
        return _in_format(y, self._saved[1]) if y.ndim == 4 else y

    def backward(self, gy: np.ndarray) -> np.ndarray:
        shape, memory_format = self.saved()
        return _in_format(_in_order(gy).reshape(shape), memory_format)

    def output_shape(self, input_shape: InputShape) -> Shape:
        n, *rest = input_shape
        size, known = math.prod(rest), math.prod(abs(size) for size in self.shape)
        if size % known if -1 in self.shape else size != known:
            raise self._shape_error(input_shape, f"samples that fill {self.shape}")
        return n, *(size // known if axis == -1 else axis for axis in self.shape)


def _in_order(x):
    return to_memory_format(x, "nchw") if x.ndim == 4 else np.ascontiguousarray(x)


def _in_format(x, memory_format):
    return x if memory_format is None else to_memory_format(x, _FORMATS[memory_format])
