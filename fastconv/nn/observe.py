"""`observed`: every layer's pass of a network, as it is made."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import numpy as np

from .layer import Layer

__all__ = ["Observer", "observed"]

# observer(layer, "forward" | "infer" | "backward", function, array) -> function(array)
Observer = Callable[[Layer, str, Callable[[np.ndarray], np.ndarray], np.ndarray], np.ndarray]


@contextlib.contextmanager
def observed(network: Layer, observer: Observer) -> Iterator[Layer]:
    """While the block runs, all containers in `network` run layer by layer, and each pass of a layer through `observer`.

    No activation is fused into the layer before it then, so that every layer is seen; results differ by rounding only.

    Parameters
    ----------
    network : Layer
    observer : callable
        Called as ``observer(layer, phase, function, array)``, phase being ``"forward"``, ``"infer"`` or ``"backward"``; what
        it returns, as a rule ``function(array)``, takes the place of the layer's result. Where the input's gradient is not
        wanted, backward's result is None. Containers within are seen too, around the layers inside.

    Yields
    ------
    Layer
        `network`.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> block, seen = fc.nn.Sequential([fc.nn.Conv2D(8, 3), fc.nn.ReLU()]), []
    >>> def observer(layer, phase, function, array):
    ...     y = function(array)
    ...     seen.append((layer.name, phase, y.shape))
    ...     return y
    >>> with fc.nn.observed(block, observer):
    ...     y = block.infer(np.zeros((1, 3, 4, 4), np.float32))
    >>> seen
    [('conv2d', 'infer', (1, 8, 2, 2)), ('relu', 'infer', (1, 8, 2, 2))]
    """
    containers = [layer for _, layer in network.layers_inside() if hasattr(layer, "observer")]
    before = [layer.observer for layer in containers]
    try:
        for layer in containers:
            layer.observer = observer
        yield network
    finally:
        for layer, old in zip(containers, before, strict=True):
            layer.observer = old
