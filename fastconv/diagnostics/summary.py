"""`summary`: a network layer by layer, without running it."""

from __future__ import annotations

import dataclasses
import math

from ..errors import InvalidArgumentError
from ..nn import Conv2D, Flatten, Layer, Reshape
from ..nn.observation import visit_shapes
from ..problem import DIRECTIONS
from ..typing import InputShape
from .table import Table, as_bytes, as_count

__all__ = ["Summary", "SummaryRow", "summary"]


@dataclasses.dataclass(frozen=True)
class SummaryRow:
    """One layer.

    Attributes
    ----------
    name : str
        The layer's path in the network.
    kind : str
        Its class.
    output_shape : tuple
        The batch is None where the summary's is.
    parameters : int
    multiply_adds : int
        As the guide counts them: a convolution N x C_out x H_out x W_out x (C_in x K_h x K_w + 1), a dense layer
        N x outputs x (inputs + 1); without biases, without the ones.
    activation_bytes : int
        What its result takes; 0 if another layer applies it on the way, or if it gives what is there another shape.
    algorithms : dict of str to str
        Of a convolution, by direction.
    """

    name: str
    kind: str
    output_shape: tuple
    parameters: int
    multiply_adds: int
    activation_bytes: int
    algorithms: dict[str, str]


@dataclasses.dataclass(frozen=True)
class Summary(Table):
    """What `summary` found; prints as a table.

    Attributes
    ----------
    rows : list of SummaryRow
        The input first.
    input_shape : tuple
    parameters, trainable : int
        All parameters, and those that are not frozen.
    """

    rows: list[SummaryRow]
    input_shape: tuple
    parameters: int
    trainable: int

    _headers = ("layer", "kind", "output", "parameters", "multiply-adds", "activations", "algorithm")

    @property
    def multiply_adds(self) -> int:
        return sum(row.multiply_adds for row in self.rows)

    @property
    def activation_bytes(self) -> int:
        return sum(row.activation_bytes for row in self.rows)

    def _cells(self):
        return [
            (
                row.name, row.kind, "x".join("n" if v is None else str(v) for v in row.output_shape),
                f"{row.parameters:,}" if row.parameters else "", as_count(row.multiply_adds) if row.multiply_adds else "",
                as_bytes(row.activation_bytes) if row.activation_bytes else "", row.algorithms.get("forward", ""),
            )
            for row in self.rows
        ]  # fmt: skip

    def _remarks(self):
        each = " an image" if self.input_shape[0] is None else ""
        return [
            f"{self.parameters:,} parameters, {self.parameters - self.trainable:,} of them frozen",
            f"{as_count(self.multiply_adds)} multiply-adds and {as_bytes(self.activation_bytes)} of activations{each}",
        ]


def summary(network: Layer, input_shape: InputShape | None = None) -> Summary:
    """Describe a network; builds it if need be, and runs nothing.

    Parameters
    ----------
    network : Layer
        A network, or any layer.
    input_shape : tuple, optional
        (n, c, h, w) or (n, features); if n is None, figures are for one image. What the network was built for, if left out.

    Returns
    -------
    Summary

    Raises
    ------
    InvalidArgumentError
        A layer refuses the shape, or none was given and the network has not been built.

    Examples
    --------
    >>> import fastconv as fc
    >>> net = fc.models.simple_cnn((None, 3, 32, 32), 10, rng=0)
    >>> result = fc.diagnostics.summary(net, (32, 3, 32, 32))
    >>> [row.parameters for row in result.rows if row.parameters]
    [896, 18496, 524416, 1290]
    >>> [row.multiply_adds for row in result.rows if row.multiply_adds]
    [29360128, 151519232, 16781312, 41280]
    """
    shape = input_shape or getattr(network, "input_shape", None)
    if shape is None:
        raise InvalidArgumentError("input_shape: the network has not been built, so the shape of its input must be given")
    shape = tuple(shape)
    batch = 1 if shape[0] is None else shape[0]
    network.build((1, *shape[1:]))
    fused = {id(layer) for _, inside in network.layers_inside() for layer in getattr(inside, "fused_layers", list)()}
    memory_format = "nchw" if getattr(network, "memory_format", None) == "nchw" else "nhwc"
    rows = [SummaryRow("input", "", shape, 0, 0, batch * math.prod(shape[1:]) * network.dtype.itemsize, {})]

    def describe(layer, given, output):
        given = [(batch, *one[1:]) for one in given]
        stored = id(layer) not in fused and not isinstance(layer, Flatten | Reshape)
        algorithms = {}
        if isinstance(layer, Conv2D):
            algorithms = {d: layer.plan(given[0], memory_format, d).algorithm.name for d in DIRECTIONS}
        rows.append(
            SummaryRow(
                layer.path or type(layer).__name__.lower(), type(layer).__name__, (shape[0], *output[1:]),
                sum(p.size for p in layer.parameters()), layer.multiply_adds(*given),
                batch * math.prod(output[1:]) * layer.dtype.itemsize if stored else 0, algorithms,
            )
        )  # fmt: skip

    visit_shapes(network, shape, describe)
    parameters = network.parameters()
    trainable = sum(p.size for p in parameters if p.trainable)
    return Summary(rows, shape, sum(p.size for p in parameters), trainable)
