"""`Add`: the sum of several inputs."""

from __future__ import annotations

import numpy as np

from ..errors import InvalidArgumentError
from ..functional import activation_grad, add
from ..typing import ActivationLike, InputShape, Shape
from .activations import FUSED
from .layer import Layer

__all__ = ["Add"]


class Add(Layer):
    """The sum of two or more arrays of the same shape.

    `backward` returns one gradient for each: all are the same array.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> x = np.ones((1, 2), np.float32)
    >>> fc.nn.Add().forward(x, x, x)
    array([[3., 3.]], dtype=float32)
    """

    fuses = FUSED

    def forward(self, *xs: np.ndarray, activation: ActivationLike = None) -> np.ndarray:
        self._require_equal([x.shape for x in xs])
        *front, last = xs
        y = front[0]
        for x in front[1:]:
            y = add(y, x)
        y = add(y, last, activation)
        self._saved = len(xs), None if activation is None else y, activation
        return y

    def infer(self, *xs: np.ndarray, activation: ActivationLike = None) -> np.ndarray:
        y = self.forward(*xs, activation=activation)
        self._saved = None
        return y

    def backward(self, gy: np.ndarray) -> tuple[np.ndarray, ...]:
        count, y, activation = self.saved()
        if activation is not None:
            gy = activation_grad(gy, y, activation)
        return (gy,) * count

    def output_shape(self, *input_shapes: InputShape) -> Shape:
        self._require_equal(input_shapes)
        return tuple(input_shapes[0])

    def _require_equal(self, shapes):
        if len(shapes) < 2 or any(tuple(shape) != tuple(shapes[0]) for shape in shapes):
            raise InvalidArgumentError(
                f"{self._label()}: got inputs of shapes {', '.join(map(str, shapes))}; expected two or more of the same shape"
            )
