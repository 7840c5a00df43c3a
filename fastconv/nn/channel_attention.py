"""`ChannelAttention`: each channel weighed by what all channels hold on average (squeeze and excitation)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..errors import InvalidArgumentError
from ..typing import Initializer, InputShape, Rng, Shape
from .activations import ReLU, Sigmoid
from .avg_pool import GlobalAvgPool2D
from .dense import Dense
from .layer import Layer
from .sequential import Sequential

__all__ = ["ChannelAttention"]


class ChannelAttention(Layer):
    """x times sigmoid(Dense(relu(Dense(mean of each channel)))), from Hu et al., "Squeeze-and-Excitation Networks", 2018.

    Parameters
    ----------
    reduction : int
        The first `Dense` has channels // reduction units, at least one.
    channels : int, optional
        Taken from the first input if left out.
    init, rng
        See `Dense`.
    name, dtype
        See `Layer`.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> attention = fc.nn.ChannelAttention(4, channels=32, rng=0)
    >>> attention.forward(np.ones((1, 32, 8, 8), np.float32)).shape, [p.shape for p in attention.parameters()]
    ((1, 32, 8, 8), [(32, 8), (8,), (8, 32), (32,)])
    """

    def __init__(
        self,
        reduction: int = 16,
        channels: int | None = None,
        *,
        init: Initializer = "he_normal",
        rng: Rng = None,
        name: str | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.reduction, self.channels, self.init, self.rng = reduction, channels, init, rng
        if reduction < 1:
            raise InvalidArgumentError(f"reduction: got {reduction}, expected at least 1")
        self.gate: Sequential | Any = None
        if channels is not None:
            self.build((None, channels, None, None), rng)

    def _build(self, input_shape, rng):
        self._require_images(input_shape)
        self.channels = channels = input_shape[1]
        rng = rng if self.rng is None else np.random.default_rng(self.rng)
        options = {"init": self.init, "rng": rng, "dtype": self.dtype}
        hidden = max(1, channels // self.reduction)
        self.gate = Sequential(
            [
                GlobalAvgPool2D(name="mean"),
                Dense(hidden, channels, name="squeeze", **options),
                ReLU(name="relu"),
                Dense(channels, hidden, name="excite", **options),
                Sigmoid(name="sigmoid"),
            ],
            name="gate",
            dtype=self.dtype,
        )

    def sublayers(self) -> list[Layer]:
        return [self.gate] if self.built else []

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.build(x.shape)
        self._require_images(x.shape, self.channels)
        gate = self.gate.forward(x)
        self._saved = x, gate
        return _times(x, gate)

    def infer(self, x: np.ndarray) -> np.ndarray:
        self.build(x.shape)
        self._require_images(x.shape, self.channels)
        self._saved = None
        return _times(x, self.gate.infer(x))

    def backward(self, gy: np.ndarray) -> np.ndarray:
        x, gate = self.saved()
        dx = _times(gy, gate)
        dx += self.gate.backward((gy * x).sum(axis=(2, 3)))
        return dx

    def output_shape(self, input_shape: InputShape) -> Shape:
        self._require_images(input_shape, self.channels)
        return tuple(input_shape)

    def multiply_adds(self, input_shape: InputShape) -> int:
        self._require_images(input_shape, self.channels)
        n, c = input_shape[:2]
        hidden = max(1, c // self.reduction)
        return (1 if n is None else n) * (hidden * (c + 1) + c * (hidden + 1))


def _times(x, gate):
    return np.multiply(x, gate[:, :, None, None], out=np.empty_like(x))
