"""`profile`: seconds per layer, forward and backward."""

from __future__ import annotations

import copy
import dataclasses
import functools
from typing import Any

import numpy as np

from ..errors import InvalidArgumentError
from ..nn import Layer, observed
from ..selection.race import race
from .table import Table, as_seconds

__all__ = ["LayerTime", "Profile", "profile"]


@dataclasses.dataclass
class LayerTime:
    """One layer: fastest seconds of a forward and of a backward pass, and the multiply-adds of the forward pass.

    Backward is 0 for layers that a training step does not go back to.
    """

    name: str
    kind: str
    multiply_adds: int
    forward: float = 0.0
    backward: float = 0.0

    @property
    def seconds(self) -> float:
        return self.forward + self.backward


@dataclasses.dataclass(frozen=True)
class Profile(Table):
    """What `profile` measured; prints as a table.

    Attributes
    ----------
    rows : list of LayerTime
        In the order of the forward pass. Layers that another layer applies on the way are not there: their time is its.
    """

    rows: list[LayerTime]

    _headers = ("layer", "kind", "forward", "backward", "share", "GFLOP/s")

    @property
    def forward(self) -> float:
        """Seconds of all forward passes."""
        return sum(row.forward for row in self.rows)

    @property
    def backward(self) -> float:
        """Seconds of all backward passes."""
        return sum(row.backward for row in self.rows)

    def _cells(self):
        total = self.forward + self.backward
        return [
            (
                r.name, r.kind, as_seconds(r.forward), as_seconds(r.backward) if r.backward else "", f"{r.seconds / total:.1%}",
                f"{2e-9 * r.multiply_adds / r.forward:.1f}" if r.multiply_adds else "",
            )
            for r in self.rows
        ]  # fmt: skip

    def _remarks(self):
        return [f"forward {as_seconds(self.forward)}, backward {as_seconds(self.backward)}; GFLOP/s of the forward pass"]


def profile(network: Layer, x: np.ndarray, gy: np.ndarray | None = None, *, seconds: float = 1.0) -> Profile:
    """Time each layer of a network in a training step, several times, on a copy of the network.

    Layers run as they do in training: activations are applied by the layers that can, and the first layer's input gets no
    gradient. Loss and update are not part of it.

    Parameters
    ----------
    network : Layer
    x : ndarray
        A batch.
    gy : ndarray, optional
        The gradient of the loss with respect to the result; ones if left out.
    seconds : float
        Aimed at for all timings together.

    Returns
    -------
    Profile
        The fastest times: interference only slows a layer down.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> net = fc.models.simple_cnn((None, 1, 8, 8), 10, rng=0)
    >>> result = fc.diagnostics.profile(net, np.ones((2, 1, 8, 8), np.float32), seconds=0.05)
    >>> [row.name for row in result.rows if row.backward > 0][:2]
    ['conv2d', 'maxpool2d']
    """
    if not seconds > 0:
        raise InvalidArgumentError(f"seconds: got {seconds!r}, expected a positive number")
    network = copy.deepcopy(network)
    network.build(np.shape(x))
    leaves = sum(not hasattr(layer, "observer") for _, layer in network.layers_inside())
    share = seconds / (2 * max(1, leaves))
    rows: dict[int, LayerTime] = {}

    def timed(layer, phase, function, array):
        if hasattr(layer, "observer"):
            return function(array)
        if id(layer) not in rows:
            shapes = [a.shape for a in (array if isinstance(array, tuple) else (array,))]
            rows[id(layer)] = LayerTime(layer.path or "layer", type(layer).__name__, layer.multiply_adds(*shapes))
        timing = race({phase: lambda: function(array)}, share)[phase]
        setattr(rows[id(layer)], phase, timing.seconds)
        return function(array)

    with observed(network, timed, fuse=True):
        network.train()
        y = timed(network, "forward", network.forward, x)
        gy = np.ones_like(y) if gy is None else gy
        options: dict[str, Any] = {"input_grad": False} if network.skips_input_grad else {}
        timed(network, "backward", functools.partial(network.backward, **options), gy)
    return Profile(list(rows.values()))
