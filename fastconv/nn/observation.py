"""`observed`: watch a network layer by layer, for profiles, statistics and traces."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from .layer import Layer

__all__ = ["observed"]


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
    containers = [layer for _, layer in network.layers_inside() if hasattr(layer, "observer")]
    before = [(layer.observer, layer.observe_fused) for layer in containers]
    try:
        for layer in containers:
            layer.observer, layer.observe_fused = observer, fuse
        yield network
    finally:
        for layer, previous in zip(containers, before, strict=True):
            layer.observer, layer.observe_fused = previous
