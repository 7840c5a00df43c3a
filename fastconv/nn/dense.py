"""`Dense`: a fully connected layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..errors import InvalidArgumentError
from ..functional import linear, linear_input_grad, linear_weight_grad
from ..typing import Activation, Initializer, InputShape, Rng, Shape
from .weighted import Weighted

__all__ = ["Dense"]


class Dense(Weighted):
    """y = x W + b, over the last axis of (n, features).

    Parameters
    ----------
    units : int
        Output features.
    in_features : int, optional
        Taken from the first input if left out.
    bias : bool
    activation : None, str or ("leaky_relu", slope)
        "relu", "relu6", "leaky_relu" or "sigmoid".
    init : str or callable
        Initial weights, see `fastconv.nn.initializers`; the bias begins at zero.
    rng : None, int or numpy.random.Generator
    name, dtype
        See `Layer`.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> dense = fc.nn.Dense(10, in_features=128, rng=0)
    >>> dense.forward(np.zeros((32, 128), np.float32)).shape, [p.shape for p in dense.parameters()]
    ((32, 10), [(128, 10), (10,)])
    """

    def __init__(
        self,
        units: int,
        in_features: int | None = None,
        *,
        bias: bool = True,
        activation: Activation = None,
        init: Initializer = "he_normal",
        rng: Rng = None,
        name: str | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__(bias, activation, init, rng, name=name, dtype=dtype)
        self.units, self.in_features = units, in_features
        if units < 1:
            raise InvalidArgumentError(f"units: got {units}, expected at least 1")
        if in_features is not None:
            self.build((None, in_features), rng)

    def _build(self, input_shape, rng):
        self._check(input_shape)
        self.in_features = input_shape[1]
        self._add_weights((input_shape[1], self.units), self.units, rng)

    def _check(self, shape):
        if len(shape) != 2 or self.in_features not in (None, shape[1]):
            expected = self.in_features or "features"
            raise self._shape_error(shape, f"(n, {expected}); images go through Flatten or pooling")

    def forward(self, x: np.ndarray, activation: Activation = None) -> np.ndarray:
        self.build(x.shape)
        self._check(x.shape)
        activation = self.activation or activation
        y = linear(x, self.weight.array, self._bias(), activation)
        self._saved = x, None if activation is None else y, activation
        return y

    def infer(self, x: np.ndarray, activation: Activation = None) -> np.ndarray:
        y = self.forward(x, activation)
        self._saved = None
        return y

    def backward(self, gy: np.ndarray, input_grad: bool = True) -> np.ndarray | Any:
        x, y, activation = self.saved()
        gy, weight = self._sums_gradient(gy, y, activation), self.weight
        if weight.trainable:
            weight.grad = linear_weight_grad(gy, x)
        return linear_input_grad(gy, weight.array) if input_grad else None

    def output_shape(self, input_shape: InputShape) -> Shape:
        self._check(input_shape)
        return input_shape[0], self.units

    def multiply_adds(self, input_shape: InputShape) -> int:
        n = 1 if input_shape[0] is None else input_shape[0]
        return n * self.units * (input_shape[1] + bool(self.bias))
