"""`check_gradients`: layers whose gradients vanish or explode."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from ..errors import NotReadyError
from ..nn import Layer
from .table import Table

__all__ = ["GradientReport", "LayerGradient", "check_gradients"]


class LayerGradient(NamedTuple):
    """One layer: the 2-norms of its parameters' gradients and of the parameters, and what to make of them."""

    name: str
    kind: str
    norm: float
    parameter_norm: float
    verdict: str


@dataclasses.dataclass(frozen=True)
class GradientReport(Table):
    """What `check_gradients` found; prints as a table.

    Attributes
    ----------
    rows : list of LayerGradient
        Verdicts are "ok", "vanishing", "exploding" and "not finite".
    """

    rows: list[LayerGradient]

    _headers = ("layer", "kind", "gradient norm", "relative to parameters", "")

    @property
    def average_norm(self) -> float:
        return float(np.mean([row.norm for row in self.rows]))

    @property
    def vanishing(self) -> list[str]:
        return self._of("vanishing")

    @property
    def exploding(self) -> list[str]:
        """Layers whose gradients are too large, or not numbers at all."""
        return self._of("exploding", "not finite")

    @property
    def ok(self) -> bool:
        return not self.vanishing and not self.exploding

    def _of(self, *verdicts):
        return [row.name for row in self.rows if row.verdict in verdicts]

    def _cells(self):
        return [
            (r.name, r.kind, f"{r.norm:.3e}", f"{r.norm / r.parameter_norm:.1e}" if r.parameter_norm else "", _mark(r.verdict))
            for r in self.rows
        ]

    def _remarks(self):
        return [f"average gradient norm {self.average_norm:.3e}"]


def check_gradients(network: Layer, *, vanishing: float = 1e-6, exploding: float = 1e2) -> GradientReport:
    """Look at the gradients that the last backward pass left in a network.

    Parameters
    ----------
    network : Layer
        After `Network.gradients`, `Network.train_step` or `backward`.
    vanishing, exploding : float
        A layer whose gradient's 2-norm lies below or above is named.

    Returns
    -------
    GradientReport

    Raises
    ------
    NotReadyError
        No layer has gradients yet.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> net = fc.nn.CNN([fc.nn.Dense(8, rng=0), fc.nn.Sigmoid(), fc.nn.Dense(2, init="zeros")])
    >>> loss = net.gradients(np.ones((4, 3), np.float32), np.array([0, 1, 1, 1]))
    >>> report = fc.diagnostics.check_gradients(net)
    >>> report.vanishing, report.exploding
    (['dense'], [])
    """
    rows = []
    for path, layer in network.layers_inside():
        own = [p for p in layer._parameters.values() if p.grad is not None]
        if own:
            norm, size = _norm(p.grad for p in own), _norm(p.array for p in own)
            rows.append(LayerGradient(path, type(layer).__name__, norm, size, _verdict(norm, vanishing, exploding)))
    if not rows:
        raise NotReadyError("network: no gradients yet; call gradients(x, y), train_step or backward first")
    return GradientReport(rows)


def _norm(arrays):
    # In float64, in which no sum of float32 squares overflows.
    return float(np.sqrt(sum(np.sum(np.square(a, dtype=np.float64)) for a in arrays)))


def _verdict(norm, vanishing, exploding):
    if not np.isfinite(norm):
        return "not finite"
    return "vanishing" if norm < vanishing else "exploding" if norm > exploding else "ok"


def _mark(verdict):
    return "" if verdict == "ok" else verdict
