"""Activation layers. Containers leave one out where the layer before it applies the activation itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from ..functional import SAVED, activate, activation_grad, softmax, softmax_grad
from .layer import Layer

__all__ = [
    "FUSED", "GELU", "LeakyReLU", "ReLU", "ReLU6", "SiLU", "Sigmoid", "Softmax", "Swish", "Tanh", "activation_name",
]  # fmt: skip

# Activations that convolutions and matrix products apply as they store their results, and whose derivative follows from these.
FUSED = frozenset({"relu", "relu6", "leaky_relu", "sigmoid"})


def activation_name(activation):
    """The name in an activation given as a name or as ("leaky_relu", slope); None of None."""
    return activation[0] if isinstance(activation, tuple) else activation


class Activation(Layer):
    """Base of the element-wise activations; `activation` is what `fastconv.conv2d` takes under that name."""

    activation: str | tuple[str, float]

    def forward(self, x: np.ndarray) -> np.ndarray:
        y = activate(x, self.activation)
        self._saved = (y if SAVED[activation_name(self.activation)] == "output" else x,)
        return y

    def backward(self, gy: np.ndarray) -> np.ndarray:
        (saved,) = self.saved()
        return activation_grad(gy, saved, self.activation)


class ReLU(Activation):
    """max(x, 0); the gradient at 0 is 0.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> fc.nn.ReLU().forward(np.array([[-1, 0, 2]], np.float32))
    array([[0., 0., 2.]], dtype=float32)
    """

    activation = "relu"


class ReLU6(Activation):
    """min(max(x, 0), 6), see `ReLU`."""

    activation = "relu6"


class LeakyReLU(Activation):
    """x where it is positive, else slope * x.

    Parameters
    ----------
    slope : float
    """

    def __init__(self, slope: float = 0.01, *, name: str | None = None, dtype: DTypeLike = np.float32) -> None:
        super().__init__(name=name, dtype=dtype)
        self.slope = slope
        self.activation = "leaky_relu", float(slope)


class Sigmoid(Activation):
    """1 / (1 + exp(-x)), see `ReLU`."""

    activation = "sigmoid"


class Tanh(Activation):
    """The hyperbolic tangent, see `ReLU`."""

    activation = "tanh"


class SiLU(Activation):
    """x / (1 + exp(-x)), also called Swish; see `ReLU`."""

    activation = "silu"


Swish = SiLU


class GELU(Activation):
    """x times the standard normal distribution function of x (Hendrycks and Gimpel 2016), see `ReLU`."""

    activation = "gelu"


class Softmax(Layer):
    """exp(x) / sum exp(x) along an axis, computed stably. Cross-entropy takes logits: it needs no Softmax before it.

    Parameters
    ----------
    axis : int

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> fc.nn.Softmax().forward(np.zeros((1, 4), np.float32))
    array([[0.25, 0.25, 0.25, 0.25]], dtype=float32)
    """

    def __init__(self, axis: int = 1, *, name: str | None = None, dtype: DTypeLike = np.float32) -> None:
        super().__init__(name=name, dtype=dtype)
        self.axis = axis

    def forward(self, x: np.ndarray) -> np.ndarray:
        y = softmax(x, self.axis)
        self._saved = (y,)
        return y

    def backward(self, gy: np.ndarray) -> np.ndarray:
        (y,) = self.saved()
        return softmax_grad(gy, y, self.axis)
