"""`Dropout` and `SpatialDropout`: in training, values or whole channels chosen at random become zero."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import DTypeLike

from ..errors import InvalidArgumentError
from ..problem import memory_format_of
from ..typing import InputShape, Rng, Shape
from .layer import Layer

__all__ = ["Dropout", "SpatialDropout"]


class Dropout(Layer):
    """Each value becomes zero with probability `rate`, the others grow by 1 / (1 - rate) (Srivastava et al. 2014).

    Only in training; in evaluation the layer does nothing. The numbers are drawn in the order of memory, so that the choice
    depends on the memory format. See `Layer.random_states` for resuming exactly.

    Parameters
    ----------
    rate : float
        In [0, 1]; kept as a multiple of 2**-16.
    rng : None, int or numpy.random.Generator
        None: one that follows from the network's.
    name, dtype
        See `Layer`.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> y = fc.nn.Dropout(0.5, rng=0).forward(np.ones((100, 100), np.float32))
    >>> np.unique(y), round(float(y.mean()), 1)
    (array([0., 2.], dtype=float32), 1.0)
    """

    random = True

    def __init__(self, rate: float = 0.5, rng: Rng = None, *, name: str | None = None, dtype: DTypeLike = np.float32) -> None:
        super().__init__(name=name, dtype=dtype)
        if not 0 <= rate <= 1:
            raise InvalidArgumentError(f"rate: got {rate}, expected a probability from 0 to 1")
        self.rate, self.rng = rate, rng
        self._dropped = round(rate * 2**16)
        if rng is not None:
            self.generator = np.random.default_rng(rng)

    def build(self, input_shape: InputShape, rng: Rng = None) -> Self:
        if self.generator is None:
            # A stream of its own: what other layers draw, and when, changes nothing here.
            self.generator = np.random.default_rng(np.random.default_rng(rng).integers(2**63, size=2))
        return super().build(input_shape, rng)

    def forward(self, x: np.ndarray) -> np.ndarray:
        if not self.training or not self._dropped:
            self._saved = None, 1.0
            return x
        self.build(x.shape)
        keep, kept = self._mask(x), 2**16 - self._dropped
        self._saved = keep, 2**16 / kept if kept else 0.0
        return self._apply(x)

    def infer(self, x: np.ndarray) -> np.ndarray:
        self._saved = None
        return x

    def backward(self, gy: np.ndarray) -> np.ndarray:
        return self._apply(gy)

    def _apply(self, x):
        keep, scale = self.saved()
        if keep is None:
            return x
        y = np.multiply(x, x.dtype.type(scale), out=np.empty_like(x))
        y *= keep
        return y

    def _mask(self, x):
        """Whether to keep each value of x, laid out as x is."""
        keep = self._draw(x.size)
        if x.ndim == 4 and memory_format_of(x) == "nhwc":
            n, c, h, w = x.shape
            return keep.reshape(n, h, w, c).transpose(0, 3, 1, 2)
        return keep.reshape(x.shape)

    def _draw(self, count):
        """`count` booleans, each true with probability 1 - rate."""
        # Where eight bits decide, as for 0.5 and 0.25, half as many are drawn.
        dtype, dropped = (np.uint16, self._dropped) if self._dropped % 2**8 else (np.uint8, self._dropped // 2**8)
        words = -(-count * np.dtype(dtype).itemsize // 8)
        bits = self.generator.integers(2**64 - 1, size=words, dtype=np.uint64, endpoint=True).view(dtype)[:count]
        return bits >= dropped


class SpatialDropout(Dropout):
    """`Dropout` of whole channels of an image, whose pixels tell too much of one another (Tompson et al. 2015).

    Parameters
    ----------
    rate, rng, name, dtype
        See `Dropout`.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> y = fc.nn.SpatialDropout(0.5, rng=0).forward(np.ones((1, 4, 8, 8), np.float32))
    >>> sorted({len(np.unique(channel)) for channel in y[0]})
    [1]
    """

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._require_images(x.shape)
        return super().forward(x)

    def infer(self, x: np.ndarray) -> np.ndarray:
        self._require_images(x.shape)
        return super().infer(x)

    def output_shape(self, input_shape: InputShape) -> Shape:
        self._require_images(input_shape)
        return tuple(input_shape)

    def _mask(self, x):
        n, c = x.shape[:2]
        return self._draw(n * c).reshape(n, c, 1, 1)
