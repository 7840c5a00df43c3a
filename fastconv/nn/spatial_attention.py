"""`SpatialAttention`: each pixel weighed by what its channels have in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from ..problem import memory_format_of
from ..typing import Initializer, InputShape, Pair, Rng, Shape
from .activations import Sigmoid
from .conv import Conv2D
from .layer import Layer
from .sequential import Sequential

__all__ = ["SpatialAttention"]


class SpatialAttention(Layer):
    """x times sigmoid(conv([mean, max of x over its channels])), as in CBAM (Woo et al. 2018).

    Parameters
    ----------
    kernel_size : int
        Odd.
    bias : bool
        Of the convolution, which has one filter.
    init, rng
        See `Conv2D`.
    name, dtype
        See `Layer`.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> attention = fc.nn.SpatialAttention(7, rng=0)
    >>> attention.forward(np.ones((1, 16, 8, 8), np.float32)).shape, [p.shape for p in attention.parameters()]
    ((1, 16, 8, 8), [(1, 2, 7, 7), (1,)])
    """

    def __init__(
        self,
        kernel_size: Pair = 7,
        *,
        bias: bool = True,
        init: Initializer = "he_normal",
        rng: Rng = None,
        name: str | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.kernel_size, self.bias, self.init, self.rng = kernel_size, bias, init, rng
        conv = Conv2D(
            1, kernel_size, in_channels=2, padding="same", bias=bias, init=init, rng=rng, name="conv", dtype=dtype
        )  # fmt: skip
        self.gate = Sequential([conv, Sigmoid(name="sigmoid")], name="gate", dtype=dtype)
        self.set_path(self.path)

    def sublayers(self) -> list[Layer]:
        return [self.gate]

    def forward(self, x: np.ndarray) -> np.ndarray:
        statistics, which = self._statistics(x)
        gate = self.gate.forward(statistics)
        self._saved = x, gate, which
        return _times(x, gate)

    def infer(self, x: np.ndarray) -> np.ndarray:
        self._saved = None
        return _times(x, self.gate.infer(self._statistics(x)[0]))

    def backward(self, gy: np.ndarray) -> np.ndarray:
        x, gate, which = self.saved()
        of_mean, of_max = np.split(self.gate.backward((gy * x).sum(axis=1, keepdims=True)), 2, axis=1)
        dx = _times(gy, gate)
        dx += of_mean / x.dtype.type(x.shape[1])
        np.put_along_axis(dx, which, np.take_along_axis(dx, which, axis=1) + of_max, axis=1)
        return dx

    def _statistics(self, x):
        """(mean and maximum over channels, (n, 2, h, w) in x's memory format; the channel of each maximum)."""
        self._require_images(x.shape)
        n, c, h, w = x.shape
        if not c:
            raise self._shape_error(x.shape, "at least one channel")
        both = np.empty((n, 2, h, w), x.dtype)
        if memory_format_of(x) == "nhwc":
            both = np.empty((n, h, w, 2), x.dtype).transpose(0, 3, 1, 2)
        which = x.argmax(axis=1, keepdims=True)
        both[:, :1] = x.mean(axis=1, keepdims=True)
        both[:, 1:] = np.take_along_axis(x, which, axis=1)
        return both, which

    def output_shape(self, input_shape: InputShape) -> Shape:
        self._require_images(input_shape)
        return tuple(input_shape)

    def multiply_adds(self, input_shape: InputShape) -> int:
        self._require_images(input_shape)
        n, _, h, w = input_shape
        return self.gate.multiply_adds((n, 2, h, w))


def _times(x, gate):
    return np.multiply(x, gate, out=np.empty_like(x))
