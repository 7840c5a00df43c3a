"""Networks layer by layer: `observed` for profiles, statistics and traces, `visit_shapes` without running anything."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..typing import InputShape
from .layer import Layer

__all__ = ["observed", "visit_shapes"]


@contextlib.contextmanager
def observed(network: Layer, observer: Callable, *, fuse: bool = False) -> Iterator[Layer]:
    """Within the block, every container in `network` runs its layers through `observer`.

    Parameters
    ----------
    network : Layer
        A container or block, or a network of them.
    observer : callable
        Called as ``observer(layer, phase, function, array)`` in place of each layer's pass, it returns ``function(array)``, or
        something in its place; phase is "forward", "infer" or "backward". A layer with several inputs gets them as one tuple,
        and so is its gradient. A container within the network is observed as a whole, and so is each layer in it.
    fuse : bool
        Leave activations to the layers that apply them, as without an observer; by default each runs by itself and is observed.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> net = fc.nn.CNN([fc.nn.Dense(3), fc.nn.ReLU()])
    >>> def trace(layer, phase, function, array):
    ...     y = function(array)
    ...     print(phase, layer.name, y.shape)
    ...     return y
    >>> with fc.nn.observed(net, trace):
    ...     y = net.forward(np.ones((1, 2), np.float32))
    forward dense (1, 3)
    forward relu (1, 3)
    """
    containers: list[Any] = [layer for _, layer in network.layers_inside() if hasattr(layer, "observer")]
    before = [(layer.observer, layer.observe_fused) for layer in containers]
    try:
        for layer in containers:
            layer.observer, layer.observe_fused = observer, fuse
        yield network
    finally:
        for layer, previous in zip(containers, before, strict=True):
            layer.observer, layer.observe_fused = previous


def visit_shapes(network: Layer, input_shape: InputShape, visit: Callable[..., Any]) -> None:
    """Call ``visit(layer, input shapes, output shape)`` for each layer, in the order in which they run; nothing is computed.

    Containers and blocks are not visited, the layers within them are. Every shape has a batch of one.

    Examples
    --------
    >>> import fastconv as fc
    >>> from fastconv.nn.observation import visit_shapes
    >>> net = fc.nn.CNN([fc.nn.Conv2D(4, 3), fc.nn.Flatten()], rng=0).build((1, 3, 8, 8))
    >>> visit_shapes(net, (1, 3, 8, 8), lambda layer, given, output: print(layer.name, given, output))
    conv2d [(1, 3, 8, 8)] (1, 4, 6, 6)
    flatten [(1, 4, 6, 6)] (1, 144)
    """

    def by_shape_alone(layer, phase, function, arrays):
        if hasattr(layer, "observer"):
            return function(arrays)
        given = [a.shape for a in (arrays if isinstance(arrays, tuple) else (arrays,))]
        output = layer.output_shape(*given)
        visit(layer, given, output)
        return np.broadcast_to(np.zeros((), layer.dtype), output)

    image = np.zeros((1, *input_shape[1:]), network.dtype)
    with observed(network, by_shape_alone):
        by_shape_alone(network, "infer", network.infer, image)
