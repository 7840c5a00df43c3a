"""`Pad`: images with margins."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from ..functional import pad2d, pad2d_grad
from ..functional.windows import as_margins
from ..problem import memory_format_of
from ..typing import InputShape, Margins, PadMode, Shape
from .layer import Layer

__all__ = ["Pad"]


class Pad(Layer):
    """Images with margins.

    Parameters
    ----------
    padding : int, (int, int) or ((int, int), (int, int))
        Pixels added everywhere, along height and width, or at (top, bottom), (left, right).
    mode : {"constant", "reflect", "replicate"}
        What margins hold: `value`, the image mirrored at its outermost pixels, or these pixels repeated.
    value : float
        Of constant margins.
    name, dtype
        See `Layer`.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> fc.nn.Pad(1).forward(np.ones((1, 1, 1, 2), np.float32))[0, 0].tolist()
    [[0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]]
    """

    def __init__(
        self,
        padding: Margins,
        mode: PadMode = "constant",
        value: float = 0.0,
        *,
        name: str | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.padding, self.mode, self.value = padding, mode, value
        self._margins = as_margins("padding", padding)

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._require_images(x.shape)
        y = pad2d(x, self.padding, self.mode, self.value)
        self._saved = x.shape, memory_format_of(x)
        return y

    def backward(self, gy: np.ndarray) -> np.ndarray:
        x_shape, memory_format = self.saved()
        return pad2d_grad(gy, x_shape, self.padding, self.mode, memory_format=memory_format)

    def output_shape(self, input_shape: InputShape) -> Shape:
        self._require_images(input_shape)
        n, c, h, w = input_shape
        return n, c, h + sum(self._margins[0]), w + sum(self._margins[1])
