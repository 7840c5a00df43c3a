"""`LayerNormalization`: each sample over its last axes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from ..errors import InvalidArgumentError
from ..functional import layer_norm, layer_norm_grad, to_memory_format
from ..problem import memory_format_of
from ..typing import InputShape, Shape
from .layer import Layer

__all__ = ["LayerNormalization"]


class LayerNormalization(Layer):
    """gamma (x - mean) / sqrt(var + eps) + beta, with mean and variance over the last axes of each sample (Ba et al. 2016).

    The same in training and evaluation. For images, `GroupNormalization` with one group takes these statistics too, without
    parameters for each pixel.

    Parameters
    ----------
    normalized_shape : int or tuple of int
        The last axes of the input, whose shape gamma and beta have.
    eps : float
    name, dtype
        See `Layer`.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> norm = fc.nn.LayerNormalization(2)
    >>> norm.forward(np.array([[0, 2], [10, 30]], np.float32)).round(3)
    array([[-1.,  1.],
           [-1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        *,
        name: str | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.normalized_shape, self.eps = normalized_shape, eps
        self._shape: tuple[int, ...] = tuple(np.atleast_1d(normalized_shape).tolist())
        if not self._shape or min(self._shape) < 1:
            raise InvalidArgumentError(f"normalized_shape: got {normalized_shape!r}, expected positive integers")
        self.gamma = self.add_parameter("gamma", np.ones(self._shape))
        self.beta = self.add_parameter("beta", np.zeros(self._shape))
        self.set_path(self.path)

    def _check(self, shape):
        if len(shape) <= len(self._shape) or tuple(shape[-len(self._shape) :]) != self._shape:
            raise self._shape_error(shape, f"(n, ..., {', '.join(map(str, self._shape))})")

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._check(x.shape)
        y, mean, inv_std = layer_norm(x, self._shape, self.gamma.array, self.beta.array, eps=self.eps)
        self._saved = x, mean, inv_std
        return _as(x, y)

    def infer(self, x: np.ndarray) -> np.ndarray:
        y = self.forward(x)
        self._saved = None
        return y

    def backward(self, gy: np.ndarray) -> np.ndarray:
        x, mean, inv_std = self.saved()
        dx, self.gamma.grad, self.beta.grad = layer_norm_grad(gy, x, self._shape, mean, inv_std, self.gamma.array)
        return _as(x, dx)

    def output_shape(self, input_shape: InputShape) -> Shape:
        self._check(input_shape)
        return tuple(input_shape)


def _as(x, y):
    """`y` in x's memory format; the kernels return rows."""
    return to_memory_format(y, "channels_last") if x.ndim == 4 and memory_format_of(x) == "nhwc" else y
