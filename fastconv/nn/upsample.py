"""`Upsample`: images of another size, by interpolation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..functional import upsample2d, upsample2d_grad
from ..problem import memory_format_of
from ..typing import InputShape, Pair, Scale, Shape, UpsampleMode
from .layer import Layer

__all__ = ["Upsample"]


class Upsample(Layer):
    """Images of another size.

    Parameters
    ----------
    scale_factor : float or (float, float), optional
        Of height and width; the result's are rounded down.
    size : int or (int, int), optional
        Height and width of the result. Either this or `scale_factor` is given.
    mode : {"nearest", "bilinear"}
    align_corners : bool
        Bilinear: whether the centres of the corner pixels, and not the corners of the image, keep their places.
    name, dtype
        See `Layer`.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> fc.nn.Upsample(2).forward(np.array([[[[1, 2]]]], np.float32))[0, 0].tolist()
    [[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]]
    """

    def __init__(
        self,
        scale_factor: Scale | None = None,
        size: Pair | None = None,
        mode: UpsampleMode = "nearest",
        align_corners: bool = False,
        *,
        name: str | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.scale_factor: Scale | Any = scale_factor
        self.size, self.mode, self.align_corners = size, mode, align_corners
        self._how: tuple[Any, ...] = scale_factor, size, mode, align_corners

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._require_images(x.shape)
        y = upsample2d(x, *self._how)
        self._saved = x.shape, memory_format_of(x)
        return y

    def backward(self, gy: np.ndarray) -> np.ndarray:
        x_shape, memory_format = self.saved()
        return upsample2d_grad(gy, x_shape, *self._how, memory_format=memory_format)

    def output_shape(self, input_shape: InputShape) -> Shape:
        self._require_images(input_shape)
        if self.size is not None:
            return *input_shape[:2], *np.broadcast_to(self.size, 2).tolist()
        factors = np.broadcast_to(self.scale_factor, 2).tolist()
        return *input_shape[:2], *(math.floor(n * factor) for n, factor in zip(input_shape[2:], factors, strict=True))
