"""`trace_shapes`: the shapes that an input takes on its way through a network."""

from __future__ import annotations

import copy
import dataclasses
from typing import NamedTuple

import numpy as np

from ..errors import FastconvError
from ..nn import Layer, observed
from .table import Table

__all__ = ["ShapeStep", "ShapeTrace", "trace_shapes"]


class ShapeStep(NamedTuple):
    """One layer: its path, its class, the shape of its result, or None if it raised."""

    name: str
    kind: str
    shape: tuple[int, ...] | None


@dataclasses.dataclass(frozen=True)
class ShapeTrace(Table):
    """What `trace_shapes` saw; prints as a table.

    Attributes
    ----------
    steps : list of ShapeStep
        The input first; up to the layer that refused its input, if one did.
    error : FastconvError or None
        What that layer raised.
    """

    steps: list[ShapeStep]
    error: FastconvError | None

    _headers = ("layer", "kind", "shape")

    def _cells(self):
        return [(s.name, s.kind, "refused" if s.shape is None else str(s.shape)) for s in self.steps]

    def _remarks(self):
        return [] if self.error is None else [f"{type(self.error).__name__}: {self.error}"]


def trace_shapes(network: Layer, x: np.ndarray) -> ShapeTrace:
    """Run `x` through a copy of a network as in evaluation, and note the shape of each layer's result.

    Parameters
    ----------
    network : Layer
    x : ndarray
        A sample of the input.

    Returns
    -------
    ShapeTrace
        A layer that refuses its input ends it; the error is part of the result and not raised.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> net = fc.nn.CNN([fc.nn.Conv2D(8, 3, in_channels=3), fc.nn.Dense(10)])
    >>> print(fc.diagnostics.trace_shapes(net, np.ones((1, 3, 8, 8), np.float32)))
    layer     kind         shape
    ------  ------  ------------
    input           (1, 3, 8, 8)
    conv2d  Conv2D  (1, 8, 6, 6)
    dense    Dense       refused
    InvalidArgumentError: dense: got input of shape (1, 8, 6, 6), expected (n, features); images go through Flatten or pooling
    """
    steps = [ShapeStep("input", "", np.shape(x))]

    def step(layer, phase, function, array):
        if hasattr(layer, "observer"):
            return function(array)
        position = len(steps)
        steps.append(ShapeStep(layer.path, type(layer).__name__, None))
        y = function(array)
        steps[position] = steps[position]._replace(shape=y.shape)
        return y

    network, error = copy.deepcopy(network), None
    for _, layer in network.layers_inside():
        if layer.sublayers() and type(layer)._build is Layer._build:
            # Otherwise containers infer all shapes first, and what is refused is refused before any layer has run.
            layer.built = True
    with observed(network, step):
        try:
            step(network, "infer", network.infer, x)
        except FastconvError as refusal:
            error = refusal
    return ShapeTrace(steps, error)
