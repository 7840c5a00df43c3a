"""`Weighted`: what convolutions and dense layers share: a weight, a bias, an activation applied while results are stored."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InvalidArgumentError
from ..functional import activation_bias_grad, activation_grad, bias_grad
from ..typing import Activation, Initializer, Rng
from . import initializers
from .activations import FUSED, activation_name
from .layer import Layer

__all__ = ["Weighted"]


class Weighted(Layer):
    """Base of layers that multiply by a weight; those derived from it define the products."""

    skips_input_grad = True

    def __init__(self, bias: bool, activation: Activation, init: Initializer, rng: Rng, **options: Any) -> None:
        super().__init__(**options)
        self.bias, self.activation, self.init, self.rng = bias, activation, init, rng
        if activation is not None and activation_name(activation) not in FUSED:
            raise InvalidArgumentError(f"activation: got {activation!r}, expected one of {', '.join(sorted(FUSED))}")

    @property
    def fuses(self) -> frozenset[str]:
        return FUSED if self.activation is None else frozenset()

    def _add_weights(self, shape, outputs, rng):
        """The parameters: a weight of `shape`, and a bias of one value an output."""
        rng = rng if self.rng is None else np.random.default_rng(self.rng)
        self.weight = self.add_parameter("weight", initializers.get(self.init)(shape, rng, self.dtype))
        if self.bias:
            self.add_parameter("bias", np.zeros(outputs))

    def _bias(self):
        return self._parameters["bias"].array if self.bias else None

    def _sums_gradient(self, gy, y, activation):
        """The gradient with respect to the sums, from that with respect to the result; sets the bias's."""
        bias = self._parameters.get("bias")
        if activation is not None and bias is not None:
            gy, bias.grad = activation_bias_grad(gy, y, activation)
        elif activation is not None:
            gy = activation_grad(gy, y, activation)
        elif bias is not None:
            bias.grad = bias_grad(gy)
        return gy
