"""`Dense`: a fully connected layer."""

from __future__ import annotations

import numpy as np

from ..errors import InvalidArgumentError
from ..functional import activation_bias_grad, activation_grad, bias_grad, linear, linear_input_grad, linear_weight_grad
from . import initializers
from .activations import FUSED, activation_name
from .layer import Layer

__all__ = ["Dense"]


class Dense(Layer):
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

    skips_input_grad = True

    def __init__(
        self, units, in_features=None, *, bias=True, activation=None, init="he_normal", rng=None, name=None, dtype=np.float32
    ):  # fmt: skip
        super().__init__(name=name, dtype=dtype)
        self.units, self.in_features, self.bias = units, in_features, bias
        self.activation, self.init, self.rng = activation, init, rng
        if units < 1:
            raise InvalidArgumentError(f"units: got {units}, expected at least 1")
        if activation is not None and activation_name(activation) not in FUSED:
            raise InvalidArgumentError(f"activation: got {activation!r}, expected one of {', '.join(sorted(FUSED))}")
        if in_features is not None:
            self.build((None, in_features), rng)

    @property
    def fuses(self):
        return FUSED if self.activation is None else frozenset()

    def _build(self, input_shape, rng):
        self._check(input_shape)
        self.in_features = input_shape[1]
        rng = rng if self.rng is None else np.random.default_rng(self.rng)
        self.weight = self.add_parameter("weight", initializers.get(self.init)((input_shape[1], self.units), rng, self.dtype))
        if self.bias:
            self.add_parameter("bias", np.zeros(self.units))

    def _check(self, shape):
        if len(shape) != 2 or self.in_features not in (None, shape[1]):
            expected = self.in_features or "features"
            raise self._shape_error(shape, f"(n, {expected}); images go through Flatten or pooling")

    def forward(self, x, activation=None):
        self.build(x.shape)
        self._check(x.shape)
        activation = self.activation or activation
        y = linear(x, self.weight.array, self._parameters["bias"].array if self.bias else None, activation)
        self._saved = x, None if activation is None else y, activation
        return y

    def infer(self, x, activation=None):
        y = self.forward(x, activation)
        self._saved = None
        return y

    def backward(self, gy, input_grad=True):
        x, y, activation = self.saved()
        weight, bias = self.weight, self._parameters.get("bias")
        if activation is not None and bias is not None:
            gy, bias.grad = activation_bias_grad(gy, y, activation)
        elif activation is not None:
            gy = activation_grad(gy, y, activation)
        elif bias is not None:
            bias.grad = bias_grad(gy)
        if weight.trainable:
            weight.grad = linear_weight_grad(gy, x)
        return linear_input_grad(gy, weight.array) if input_grad else None

    def output_shape(self, input_shape):
        self._check(input_shape)
        return input_shape[0], self.units

    def multiply_adds(self, input_shape):
        n = 1 if input_shape[0] is None else input_shape[0]
        return n * self.units * (input_shape[1] + bool(self.bias))
