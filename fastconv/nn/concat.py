"""`Concat`: several inputs side by side along an axis."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from ..errors import InvalidArgumentError
from ..problem import memory_format_of
from ..typing import InputShape, Shape
from .layer import Layer

__all__ = ["Concat"]


class Concat(Layer):
    """One or more arrays one behind the other along an axis, in the memory format of the first.

    `forward` takes several arrays, `backward` returns as many gradients.

    Parameters
    ----------
    axis : int
        Not the batch's; 1: channels or features.
    name, dtype
        See `Layer`.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> fc.nn.Concat().forward(np.zeros((1, 2, 4, 4), np.float32), np.zeros((1, 3, 4, 4), np.float32)).shape
    (1, 5, 4, 4)
    """

    def __init__(self, axis: int = 1, *, name: str | None = None, dtype: DTypeLike = np.float32) -> None:
        super().__init__(name=name, dtype=dtype)
        self.axis = axis

    def forward(self, *xs: np.ndarray) -> np.ndarray:
        shape = self.output_shape(*(x.shape for x in xs))
        y = np.concatenate(xs, self.axis, out=_like(xs[0], shape))
        self._saved = ([x.shape[self.axis] for x in xs],)
        return y

    def infer(self, *xs: np.ndarray) -> np.ndarray:
        y = self.forward(*xs)
        self._saved = None
        return y

    def backward(self, gy: np.ndarray) -> tuple[np.ndarray, ...]:
        (sizes,) = self.saved()
        gradients = np.split(gy, np.cumsum(sizes[:-1]), self.axis)
        # Parts of an array are contiguous in neither format.
        return tuple(_copy(g, _like(gy, g.shape)) for g in gradients)

    def output_shape(self, *input_shapes: InputShape) -> Shape:
        first = tuple(input_shapes[0]) if input_shapes else ()
        axis = self.axis % len(first) if -len(first) <= self.axis < len(first) else 0
        if axis == 0 or any(_without(shape, axis) != _without(first, axis) for shape in input_shapes):
            raise InvalidArgumentError(
                f"{self._label()}: got inputs of shapes {', '.join(map(str, input_shapes))}; "
                f"expected one or more that differ along axis {self.axis} only, which is not the batch's"
            )
        return *first[:axis], sum(shape[axis] for shape in input_shapes), *first[axis + 1 :]


def _without(shape, axis):
    return *shape[:axis], *shape[axis + 1 :]


def _like(a, shape):
    """A new array of `shape` in a's memory format."""
    if a.ndim != 4 or memory_format_of(a) == "nchw":
        return np.empty(shape, a.dtype)
    n, c, h, w = shape
    return np.empty((n, h, w, c), a.dtype).transpose(0, 3, 1, 2)


def _copy(source, target):
    target[...] = source
    return target
