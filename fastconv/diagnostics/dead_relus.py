"""`dead_relus`: units that are never active."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from ..nn import Layer, ReLU, ReLU6, observed
from .table import Table

__all__ = ["DeadReLUs", "ReLUActivity", "dead_relus"]


class ReLUActivity(NamedTuple):
    """One ReLU layer: the channels or features that were zero throughout, how many there are in all, and the share of zeros."""

    name: str
    dead: tuple[int, ...]
    units: int
    sparsity: float


@dataclasses.dataclass(frozen=True)
class DeadReLUs(Table):
    """What `dead_relus` found; prints as a table.

    Attributes
    ----------
    rows : list of ReLUActivity
    """

    rows: list[ReLUActivity]

    _headers = ("layer", "dead", "units", "share", "zeros")

    @property
    def total(self) -> int:
        return sum(len(row.dead) for row in self.rows)

    def _cells(self):
        return [
            (r.name, str(len(r.dead)), str(r.units), f"{len(r.dead) / r.units:.1%}", f"{r.sparsity:.1%}") for r in self.rows
        ]  # fmt: skip

    def _remarks(self):
        return [f"{self.total} of {sum(row.units for row in self.rows)} units were never active"]


def dead_relus(network: Layer, x: np.ndarray, batch_size: int = 256) -> DeadReLUs:
    """Find the channels and features that no sample of `x` makes positive: their gradient is zero, and they do not learn.

    Parameters
    ----------
    network : Layer
        Runs as in evaluation.
    x : ndarray
        Some hundred samples say more than a batch.
    batch_size : int

    Returns
    -------
    DeadReLUs
        A row for each ReLU and ReLU6 layer, also those that another layer applies.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> net = fc.nn.CNN([fc.nn.Dense(4, init="ones"), fc.nn.ReLU()]).build((None, 3))
    >>> net.layers[0].parameters()[1].data = [0, -9, 0, -9]
    >>> report = fc.diagnostics.dead_relus(net, np.ones((5, 3), np.float32))
    >>> report.rows[0].dead, report.rows[0].sparsity
    ((1, 3), 0.5)
    """
    active: dict[Layer, np.ndarray] = {}
    positive: dict[Layer, int] = {}
    seen: dict[Layer, int] = {}

    def watch(layer, phase, function, array):
        y = function(array)
        if isinstance(layer, ReLU | ReLU6):
            on = y > 0
            units = on.any(axis=tuple(axis for axis in range(y.ndim) if axis != 1))
            active[layer] = active.get(layer, False) | units
            positive[layer] = positive.get(layer, 0) + int(np.count_nonzero(on))
            seen[layer] = seen.get(layer, 0) + on.size
        return y

    with observed(network, watch):
        for i in range(0, len(x), batch_size):
            watch(network, "infer", network.infer, x[i : i + batch_size])
    return DeadReLUs([
        ReLUActivity(
            layer.path or type(layer).__name__.lower(), tuple(np.flatnonzero(~units).tolist()), len(units),
            1 - positive[layer] / seen[layer],
        )
        for layer, units in active.items()
    ])  # fmt: skip
