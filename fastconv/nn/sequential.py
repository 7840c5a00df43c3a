"""`Sequential`: layers one after the other, with activations applied by the layer before them where it can.

    [Conv2D, ReLU, MaxPool2D]             Conv2D without it, MaxPool2D applies ReLU to the maxima, of which there are fewer
    [Conv2D | Dense, activation]          applied while the sums are stored
    [BatchNormalization, ReLU]            one pass over memory instead of two, and one less in the gradient
    [BatchNormalization, (ReLU,) MaxPool2D]    the normalised image is never in memory, if the windows lie side by side

An observer sees every layer by itself.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from ..errors import FastconvError, InvalidArgumentError, InvalidTypeError
from ..typing import InputShape, Rng, Shape
from .activations import Activation, activation_name
from .layer import Layer
from .max_pool import pools

__all__ = ["Sequential"]


class Sequential(Layer):
    """Layers one after the other.

    Parameters
    ----------
    layers : iterable of Layer
    rng : None, int or numpy.random.Generator
        For the initial values of layers that have no `rng` of their own.
    name, dtype
        See `Layer`.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> block = fc.nn.Sequential([fc.nn.Conv2D(8, 3, padding=1), fc.nn.ReLU()])
    >>> block.forward(np.zeros((1, 3, 4, 4), np.float32)).shape
    (1, 8, 4, 4)
    """

    skips_input_grad = True

    def __init__(
        self, layers: Iterable[Layer] = (), *, rng: Rng = None, name: str | None = None, dtype: DTypeLike = np.float32
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.layers: list[Layer] = []
        self.rng = rng
        # See `observed`.
        self.observer, self.observe_fused = None, False
        self._steps: list[Any] | None = None
        for layer in layers:
            self.add_layer(layer)

    def add_layer(self, layer: Layer) -> Self:
        """Append a layer and return self.

        Parameters
        ----------
        layer : Layer
            In one place of one network only.
        """
        if not isinstance(layer, Layer):
            raise InvalidTypeError(f"layer: got {type(layer).__name__}, expected a Layer")
        if any(layer is other for _, other in self.layers_inside()):
            raise InvalidArgumentError(f"layer: {layer!r} is part of the network already; a layer has one place")
        if layer.name is None:
            layer.name = unused_name(layer, {other.name for other in self.layers})
        elif any(layer.name == other.name for other in self.layers):
            raise InvalidArgumentError(f"layer: there is a layer of name {layer.name!r} already")
        self.layers.append(layer)
        self.built = False
        layer.set_path(f"{self.path}.{layer.name}" if self.path else layer.name)
        self._steps = None
        return self

    def sublayers(self) -> list[Layer]:
        return self.layers

    def build(self, input_shape: InputShape, rng: Rng = None) -> Self:
        rng = np.random.default_rng(self.rng if rng is None else rng)
        shape = tuple(input_shape)
        for layer in self.layers:
            with naming(layer):
                layer.build(shape, rng)
                shape = layer.output_shape(shape)
        self.built = True
        return self

    def output_shape(self, input_shape: InputShape) -> Shape:
        shape = tuple(input_shape)
        for layer in self.layers:
            with naming(layer):
                shape = layer.output_shape(shape)
        return shape

    def multiply_adds(self, input_shape: InputShape) -> int:
        total, shape = 0, tuple(input_shape)
        for layer in self.layers:
            total += layer.multiply_adds(shape)
            shape = layer.output_shape(shape)
        return total

    def forward(self, x: np.ndarray) -> np.ndarray:
        return self._run("forward", x)

    def infer(self, x: np.ndarray) -> np.ndarray:
        return self._run("infer", x)

    def _run(self, phase, x):
        if not self.built:
            self.build(x.shape)
        self._saved = self._plan() if phase == "forward" else None
        for layer, options in self._plan():
            function = getattr(layer, phase)
            if options:
                function = functools.partial(function, **options)
            with naming(layer):
                x = function(x) if self.observer is None else self.observer(layer, phase, function, x)
        return x

    def backward(self, gy: np.ndarray, input_grad: bool = True) -> np.ndarray | Any:
        """The gradient with respect to the input, or with ``input_grad=False`` None, and no layer does more than it must."""
        steps = [layer for layer, _ in self.saved()]
        self.release()
        first = 0 if input_grad else next((i for i, layer in enumerate(steps) if not layer.frozen), len(steps))
        for i in reversed(range(first, len(steps))):
            layer = steps[i]
            backward = layer.backward
            if i == first and not input_grad and layer.skips_input_grad:
                backward = functools.partial(backward, input_grad=False)
            gy = backward(gy) if self.observer is None else self.observer(layer, "backward", backward, gy)
            layer.release()
        return gy if input_grad else None

    def _plan(self):
        """(layer, what it is told to do beside its own) in order; nothing while an observer wants to see each layer."""
        if self.observer is not None and not self.observe_fused:
            return [(layer, {}) for layer in self.layers]
        if self._steps is None:
            self._steps = list(_fused(self.layers))
        return self._steps

    def fused_layers(self) -> list[Layer]:
        """The layers left out because the one before applies them."""
        if self._steps is None:
            self._steps = list(_fused(self.layers))
        run = {id(layer) for layer, _ in self._steps}
        return [layer for layer in self.layers if id(layer) not in run]

    def config(self) -> dict[str, Any]:
        return super().config() | {"layers": list(self.layers)}

    def __getstate__(self):
        return super().__getstate__() | {"_steps": None, "observer": None}


class naming:
    """``with naming(layer):`` adds to errors in which layer they came up."""

    __slots__ = ("_layer",)

    def __init__(self, layer):
        self._layer = layer

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        # The innermost layer is the one to name.
        if isinstance(error, FastconvError) and not hasattr(error, "__notes__"):
            error.add_note(f"in layer {self._layer.path}")


def unused_name(layer, taken):
    """conv2d, conv2d_2, conv2d_3, ...: the first that is not taken."""
    base = name = type(layer).__name__.lower()
    number = 1
    while name in taken:
        number += 1
        name = f"{base}_{number}"
    return name


def _fused(layers):
    i = 0
    while i < len(layers):
        layer, behind, after = (*layers[i : i + 3], None, None)[:3]
        i += 1
        activation = behind.activation if isinstance(behind, Activation) else None
        pool = after if activation == "relu" else behind
        if pools(layer, pool):
            yield layer, {"activation": activation, "pool": pool}
            i += 1 if pool is behind else 2
        elif activation is None:
            yield layer, {}
        elif activation == "relu" and after is not None and "relu" in after.fuses and after.commutes_with_relu:
            yield layer, {}
            yield after, {"activation": activation}
            i += 2
        elif activation_name(activation) in layer.fuses:
            yield layer, {"activation": activation}
            i += 1
        else:
            yield layer, {}
