"""`DepthwiseSeparableConv`: a convolution of each channel by itself, then one that combines channels."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from ..errors import InvalidArgumentError
from ..typing import ActivationLike, Initializer, InputShape, Padding, Pair, Rng, Shape
from . import activations
from .batch_norm import BatchNormalization
from .conv import Conv2D
from .sequential import Sequential

__all__ = ["DepthwiseSeparableConv"]

_ACTIVATIONS = {
    kind.activation: kind
    for kind in (
        activations.ReLU, activations.ReLU6, activations.Sigmoid, activations.Tanh, activations.SiLU, activations.GELU,
    )
}  # fmt: skip


class DepthwiseSeparableConv(Sequential):
    """A depthwise convolution, then a 1x1 convolution, each followed by batch normalisation and an activation if wanted.

    With ``batch_norm=True, activation="relu"`` the block of MobileNet (Howard et al. 2017). It has kh kw c + c k weights, where
    one convolution has kh kw c k.

    Parameters
    ----------
    filters : int
        Output channels.
    kernel_size : int or (int, int)
    in_channels : int, optional
        Taken from the first input if left out.
    stride, padding, dilation
        Of the depthwise convolution, as in `fastconv.conv2d`.
    bias : bool, optional
        By default the convolutions have one unless batch normalisation follows.
    batch_norm : bool
    activation : {None, "relu", "relu6", "sigmoid", "tanh", "silu", "gelu"}
    init : str or callable
        See `Conv2D`.
    rng : None, int or numpy.random.Generator
    name, dtype
        See `Layer`.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> block = fc.nn.DepthwiseSeparableConv(64, in_channels=32, rng=0)
    >>> block.forward(np.zeros((1, 32, 8, 8), np.float32)).shape, sum(p.size for p in block.parameters())
    ((1, 64, 8, 8), 2432)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Pair = 3,
        *,
        in_channels: int | None = None,
        stride: Pair = 1,
        padding: Padding = 1,
        dilation: Pair = 1,
        bias: bool | None = None,
        batch_norm: bool = False,
        activation: ActivationLike = None,
        init: Initializer = "he_normal",
        rng: Rng = None,
        name: str | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__(rng=rng, name=name, dtype=dtype)
        self.filters, self.kernel_size, self.in_channels = filters, kernel_size, in_channels
        self.stride, self.padding, self.dilation = stride, padding, dilation
        self.bias, self.batch_norm, self.activation, self.init = bias, batch_norm, activation, init
        if activation is not None and activation not in _ACTIVATIONS:
            raise InvalidArgumentError(f"activation: got {activation!r}, expected one of {', '.join(_ACTIVATIONS)}")
        if in_channels is not None:
            self.build((None, in_channels, None, None), rng)

    def build(self, input_shape: InputShape, rng: Rng = None) -> Self:
        if not self.built:
            rng = np.random.default_rng(rng if self.rng is None else self.rng)
            self._make(input_shape)
            self.in_channels = channels = input_shape[1]
            for layer in self.layers:
                layer.build((None, channels, None, None), rng)
                channels = getattr(layer, "filters", channels)
            self.built = True
        return self

    def _make(self, input_shape):
        """The layers for so many channels, if they are not there already; without their parameters."""
        self._require_images(input_shape, self.in_channels)
        channels = input_shape[1]
        if self.layers and self.layers[0].filters == channels:
            return
        self.layers.clear()
        options = {"bias": not self.batch_norm if self.bias is None else self.bias, "init": self.init, "dtype": self.dtype}
        depthwise = Conv2D(
            channels, self.kernel_size, stride=self.stride, padding=self.padding, dilation=self.dilation, groups=channels,
            name="depthwise", **options,
        )  # fmt: skip
        for conv in depthwise, Conv2D(self.filters, 1, name="pointwise", **options):
            self.add_layer(conv)
            if self.batch_norm:
                self.add_layer(BatchNormalization(name=f"{conv.name}_norm", dtype=self.dtype))
            if self.activation is not None:
                self.add_layer(_ACTIVATIONS[self.activation](name=f"{conv.name}_{self.activation}", dtype=self.dtype))
        self.train(self.training)

    def _run(self, phase, x):
        self.build(x.shape)
        self._require_images(x.shape, self.in_channels)
        return super()._run(phase, x)

    def output_shape(self, input_shape: InputShape) -> Shape:
        self._make(input_shape)
        return super().output_shape(input_shape)

    def multiply_adds(self, input_shape: InputShape) -> int:
        self._make(input_shape)
        return super().multiply_adds(input_shape)

    def config(self) -> dict[str, Any]:
        return {name: value for name, value in super().config().items() if name != "layers"}

    def _lacks_parameters(self):
        return not self.built
