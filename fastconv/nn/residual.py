"""Residual blocks: relu(f(x) + x), or with a projection of x where f changes its shape.

    ResidualBlock   x -> conv 3x3 - norm - relu - conv 3x3 - norm ----------------------------> + -> relu
    Bottleneck      x -> conv 1x1 - norm - relu - conv 3x3 - norm - relu - conv 1x1 - norm ---> +
                     `-> itself, or conv 1x1 - norm ------------------------------------------'

The last normalisation, the addition and the activation are one pass over memory.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..errors import InvalidArgumentError
from ..functional import add
from ..typing import Initializer, InputShape, Rng, Shape
from .activations import ReLU
from .batch_norm import BatchNormalization
from .conv import Conv2D
from .layer import Layer
from .sequential import Sequential

__all__ = ["Bottleneck", "ResidualBlock"]


class _Residual(Layer):
    """What the blocks share: everything but the layers of the main branch."""

    skips_input_grad = True
    out_channels: int

    def __init__(
        self,
        filters: int,
        stride: int,
        in_channels: int | None,
        momentum: float,
        eps: float,
        init: Initializer,
        rng: Rng,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.filters, self.stride, self.in_channels = filters, stride, in_channels
        self.momentum, self.eps, self.init, self.rng = momentum, eps, init, rng
        # See `observed`.
        self.observer, self.observe_fused = None, False
        self._inner: list[Layer] = []
        for name, value in (("filters", filters), ("stride", stride)):
            if not isinstance(value, int | np.integer) or value < 1:
                raise InvalidArgumentError(f"{name}: got {value!r}, expected a positive integer")

    def _convolutions(self):
        """(filters, kernel size, stride) of the main branch."""
        raise NotImplementedError

    def _build(self, input_shape, rng):
        self._require_images(input_shape)
        self.in_channels = channels = input_shape[1]
        rng = rng if self.rng is None else np.random.default_rng(self.rng)
        main, shortcut = self._branches(channels)
        for branch in main, shortcut:
            inside = channels
            for layer in branch:
                layer.build((None, inside, None, None), rng)
                inside = getattr(layer, "filters", inside)
        *main, self.norm, self.relu = main
        self.main = Sequential(main, name="main", dtype=self.dtype)
        self.projection = Sequential(shortcut, name="projection", dtype=self.dtype) if shortcut else None
        self._inner = [layer for layer in (self.main, self.norm, self.projection, self.relu) if layer is not None]

    def _branches(self, channels):
        """The layers of the main branch and those of the projection, without their parameters."""
        main = []
        for i, (filters, kernel, stride) in enumerate(self._convolutions(), 1):
            main += [self._conv(filters, kernel, stride, f"conv{i}"), self._norm(f"bn{i}")]
            main += [ReLU(name=f"relu{i}", dtype=self.dtype)]
        if self.stride == 1 and channels == self.out_channels:
            return main, []
        return main, [self._conv(self.out_channels, 1, self.stride, "conv"), self._norm("bn")]

    def _conv(self, filters, kernel, stride, name):
        return Conv2D(
            filters, kernel, stride=stride, padding=kernel // 2, bias=False, init=self.init, name=name, dtype=self.dtype
        )

    def _norm(self, name):
        return BatchNormalization(momentum=self.momentum, eps=self.eps, name=name, dtype=self.dtype)

    def sublayers(self) -> list[Layer]:
        return self._inner

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._prepare(x)
        self._saved = (self.observer is None or self.observe_fused,)
        return self._join("forward", self.main.forward(x), x if self.projection is None else self.projection.forward(x))

    def infer(self, x: np.ndarray) -> np.ndarray:
        self._prepare(x)
        self._saved = None
        return self._join("infer", self.main.infer(x), x if self.projection is None else self.projection.infer(x))

    def _prepare(self, x):
        self.build(x.shape)
        self._require_images(x.shape, self.in_channels)

    def _join(self, phase, main, skip):
        norm, relu = getattr(self.norm, phase), getattr(self.relu, phase)
        if self.observer is None or self.observe_fused:
            return self._call(self.norm, phase, functools.partial(norm, activation="relu", residual=skip), main)
        return self._call(self.relu, phase, relu, add(self._call(self.norm, phase, norm, main), skip))

    def backward(self, gy: np.ndarray, input_grad: bool = True) -> np.ndarray | Any:
        """The gradient with respect to the input; None with ``input_grad=False``."""
        (fused,) = self.saved()
        self.release()
        if fused:
            main, skip = self._call(self.norm, "backward", self.norm.backward, gy)
        else:
            skip = self._call(self.relu, "backward", self.relu.backward, gy)
            main = self._call(self.norm, "backward", self.norm.backward, skip)
        self.norm.release()
        self.relu.release()
        # Popped where it is passed on, the gradient of the main branch lives no longer than the branch needs it.
        main = [main]
        del gy
        dx = self.main.backward(main.pop(), input_grad=input_grad)
        if self.projection is not None:
            skip = self.projection.backward(skip, input_grad=input_grad)
        if not input_grad:
            return None
        # Nobody else has dx, unless an observer kept it.
        return add(dx, skip, out=dx if self.observer is None else None)

    def _call(self, layer, phase, function, x):
        return function(x) if self.observer is None else self.observer(layer, phase, function, x)

    def fused_layers(self) -> list[Layer]:
        """The layers left out because the one before applies them."""
        return [self.relu] if self.built else []

    def output_shape(self, input_shape: InputShape) -> Shape:
        self._require_images(input_shape, self.in_channels)
        n, _, h, w = input_shape
        # All convolutions keep the size, but for the stride of one.
        return n, self.out_channels, -(-h // self.stride), -(-w // self.stride)

    def multiply_adds(self, input_shape: InputShape) -> int:
        self._require_images(input_shape, self.in_channels)
        total = 0
        for branch in self._branches(input_shape[1]):
            shape = input_shape
            for layer in branch:
                total += layer.multiply_adds(shape)
                shape = layer.output_shape(shape)
        return total

    def __getstate__(self):
        return super().__getstate__() | {"observer": None}


class ResidualBlock(_Residual):
    """relu(bn(conv3x3(relu(bn(conv3x3(x))))) + x), after He et al., "Deep Residual Learning for Image Recognition", 2015.

    Where the block changes the shape, by its stride or its number of channels, x goes through a 1x1 convolution and a batch
    normalisation before it is added. The parameters of the main branch come before those.

    Parameters
    ----------
    filters : int
        Output channels.
    stride : int
        Of the first convolution.
    in_channels : int, optional
        Taken from the first input if left out.
    momentum, eps
        See `BatchNormalization`.
    init, rng
        See `Conv2D`.
    name, dtype
        See `Layer`.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> block = fc.nn.ResidualBlock(64, stride=2, rng=0)
    >>> block.forward(np.ones((1, 32, 8, 8), np.float32)).shape
    (1, 64, 4, 4)
    >>> [p.name for p in block.parameters()][:3]
    ['main.conv1.weight', 'main.bn1.gamma', 'main.bn1.beta']
    """

    def __init__(
        self,
        filters: int,
        stride: int = 1,
        in_channels: int | None = None,
        *,
        momentum: float = 0.9,
        eps: float = 1e-5,
        init: Initializer = "he_normal",
        rng: Rng = None,
        name: str | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__(filters, stride, in_channels, momentum, eps, init, rng, name=name, dtype=dtype)
        self.out_channels = filters
        if in_channels is not None:
            self.build((None, in_channels, None, None), rng)

    def _convolutions(self):
        return (self.filters, 3, self.stride), (self.filters, 3, 1)


class Bottleneck(_Residual):
    """A residual block of 1x1, 3x3 and 1x1 convolutions, of which the 3x3 has the stride (ResNet v1.5).

    Parameters
    ----------
    filters : int
        Channels of the 3x3 convolution.
    stride : int
    in_channels : int, optional
        Taken from the first input if left out.
    expansion : int
        Output channels are `expansion` times `filters`.
    momentum, eps, init, rng, name, dtype
        See `ResidualBlock`.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> fc.nn.Bottleneck(16, stride=2, rng=0).forward(np.ones((1, 64, 8, 8), np.float32)).shape
    (1, 64, 4, 4)
    """

    def __init__(
        self,
        filters: int,
        stride: int = 1,
        in_channels: int | None = None,
        *,
        expansion: int = 4,
        momentum: float = 0.9,
        eps: float = 1e-5,
        init: Initializer = "he_normal",
        rng: Rng = None,
        name: str | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__(filters, stride, in_channels, momentum, eps, init, rng, name=name, dtype=dtype)
        self.expansion, self.out_channels = expansion, filters * expansion
        if not isinstance(expansion, int | np.integer) or expansion < 1:
            raise InvalidArgumentError(f"expansion: got {expansion!r}, expected a positive integer")
        if in_channels is not None:
            self.build((None, in_channels, None, None), rng)

    def _convolutions(self):
        return (self.filters, 1, 1), (self.filters, 3, self.stride), (self.out_channels, 1, 1)
