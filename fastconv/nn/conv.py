"""`Conv2D`: two-dimensional convolution with trainable filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from ..errors import InvalidArgumentError
from ..functional import (
    conv2d,
    conv2d_input_grad,
    conv2d_weight_grad,
    plan,
)
from ..problem import DIRECTIONS, ConvProblem
from ..typing import Activation, Initializer, InputShape, Padding, Pair, Rng, Shape
from .weighted import Weighted

if TYPE_CHECKING:
    from ..execution import PreparedConv

if TYPE_CHECKING:
    from ..execution import Plan

__all__ = ["Conv2D"]

# Shapes of input for which packed filters are kept.
_KEPT_SHAPES = 8


class Conv2D(Weighted):
    """Two-dimensional convolution (cross-correlation), each call with the fastest algorithm for its shape.

    Parameters
    ----------
    filters : int
        Output channels.
    kernel_size : int or (int, int)
    in_channels : int, optional
        Taken from the first input if left out.
    stride, padding, dilation, groups
        As in `fastconv.conv2d`.
    bias : bool
        Convolutions that batch normalisation follows need none.
    activation : None, str or ("leaky_relu", slope)
        "relu", "relu6", "leaky_relu" or "sigmoid", applied while the result is stored.
    algorithm : str or dict
        A name from `fastconv.algorithms.names` for the forward direction; gradients then choose by themselves. A dict gives
        names for "forward", "input_grad" and "weight_grad"; what it lacks is "auto".
    init : str or callable
        Initial filters, see `fastconv.nn.initializers`; the bias begins at zero.
    rng : None, int or numpy.random.Generator
        For the initial filters; None: the network's.
    name, dtype
        See `Layer`.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> conv = fc.nn.Conv2D(32, 3, in_channels=3, padding=1, rng=0)
    >>> conv.forward(np.zeros((1, 3, 8, 8), np.float32)).shape, [p.shape for p in conv.parameters()]
    ((1, 32, 8, 8), [(32, 3, 3, 3), (32,)])
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Pair,
        *,
        in_channels: int | None = None,
        stride: Pair = 1,
        padding: Padding = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        activation: Activation = None,
        algorithm: str | dict[str, str] = "auto",
        init: Initializer = "he_normal",
        rng: Rng = None,
        name: str | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__(bias, activation, init, rng, name=name, dtype=dtype)
        self.filters, self.kernel_size, self.in_channels = filters, kernel_size, in_channels
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups
        self.algorithm = algorithm
        self._geometry: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        self._algorithms = dict.fromkeys(DIRECTIONS, "auto")
        self._algorithms.update(algorithm if isinstance(algorithm, dict) else {"forward": algorithm})
        # Packed filters by plan and activation, and the state of the parameters they were made from.
        self._packed_for: list[Any] | None = None
        self._packed: dict[Any, PreparedConv] = {}
        kh, kw = (kernel_size, kernel_size) if isinstance(kernel_size, int | np.integer) else kernel_size
        self._kernel = int(kh), int(kw)
        if in_channels is not None:
            self.build((None, in_channels, None, None), rng)

    def _build(self, input_shape, rng):
        self._require_images(input_shape)
        self.in_channels = channels = input_shape[1]
        if min(self.filters, channels, self.groups, *self._kernel) < 1 or channels % self.groups or self.filters % self.groups:
            raise InvalidArgumentError(
                f"{self._label()}: {channels} input channels, {self.filters} filters, kernel {self._kernel}, "
                f"{self.groups} groups; all must be positive, and groups divide channels and filters"
            )
        self._add_weights((self.filters, channels // self.groups, *self._kernel), self.filters, rng)

    def forward(self, x: np.ndarray, activation: Activation = None) -> np.ndarray:
        self._prepare(x)
        activation = self.activation or activation
        y = conv2d(
            x, self.weight.array, self._bias(), activation=activation, algorithm=self._algorithms["forward"], **self._geometry
        )  # fmt: skip
        self._saved = x, None if activation is None else y, activation
        return y

    def infer(self, x: np.ndarray, activation: Activation = None) -> np.ndarray:
        self._prepare(x)
        self._saved = None
        stamp = [parameter.stamp() for parameter in self._parameters.values()]
        if stamp != self._packed_for or len(self._packed) > _KEPT_SHAPES:
            self._packed_for, self._packed = stamp, {}
        activation = self.activation or activation
        problem = ConvProblem.from_arrays(x, self.weight.array, **self._geometry)
        key = plan(problem, self._algorithms["forward"]), activation
        if key not in self._packed:
            self._packed[key] = key[0].prepare(self.weight.array, self._bias(), activation)
        return self._packed[key](x)

    def backward(self, gy: np.ndarray, input_grad: bool = True) -> np.ndarray | Any:
        x, y, activation = self.saved()
        gy, weight = self._sums_gradient(gy, y, activation), self.weight
        if weight.trainable:
            weight.grad = conv2d_weight_grad(gy, x, weight.shape, algorithm=self._algorithms["weight_grad"], **self._geometry)
        if input_grad:
            return conv2d_input_grad(gy, weight.array, x.shape, algorithm=self._algorithms["input_grad"], **self._geometry)
        return None

    def _prepare(self, x):
        self.build(x.shape)
        self._require_images(x.shape, self.in_channels)

    def output_shape(self, input_shape: InputShape) -> Shape:
        self._require_images(input_shape, self.in_channels)
        n, c, h, w = input_shape
        shape = 1 if n is None else n, c, h, w
        problem = ConvProblem.from_shapes(shape, (self.filters, c // self.groups, *self._kernel), **self._geometry)
        return n, *problem.y_shape[1:]

    def multiply_adds(self, input_shape: InputShape) -> int:
        n, k, oh, ow = self.output_shape(input_shape)
        kh, kw = self._kernel
        return (1 if n is None else n) * k * oh * ow * (input_shape[1] // self.groups * kh * kw + bool(self.bias))

    def problem(self, input_shape: InputShape, memory_format: str = "nhwc", direction: str = "forward") -> ConvProblem:
        """What `fastconv.plan` takes, for inputs (n, c, h, w) of a memory format, in a direction."""
        return ConvProblem.from_shapes(
            input_shape, self.weight.shape, direction=direction, dtype=self.dtype.name, memory_format=memory_format,
            **self._geometry,
        )  # fmt: skip

    def plan(self, input_shape: InputShape, memory_format: str = "nhwc", direction: str = "forward") -> Plan:
        """The `Plan` with which the layer works on such inputs."""
        return plan(self.problem(input_shape, memory_format, direction), self._algorithms[direction])

    def __getstate__(self):
        return super().__getstate__() | {"_packed_for": None, "_packed": {}}
