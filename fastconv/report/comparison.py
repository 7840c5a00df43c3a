"""Every algorithm on every layer of a network, as data.

load_layers -> compare -> Comparison -> as_dict -> JSON -> read_record -> Comparison
                                     -> format_comparison (text)
                                     -> comparison_page -> render (HTML)
"""

from __future__ import annotations

import collections
import dataclasses
from typing import Any

from ..selection.heuristic import GOOD_PICK
from ..selection.rates import Peaks
from . import notebook
from .tables import Layer
from .totals import Total, totals

__all__ = ["SCHEMA", "Comparison", "Measurement", "Row"]

SCHEMA = "fastconv.comparison/1"
# Whose time speed-ups are relative to, and who does what others cannot, if it does every layer; else the last that does.
BASELINE = "im2col"
# What follows a layer's name where a table holds several directions.
_DIRECTION_MARKS = {"forward": "y", "input_grad": "dx", "weight_grad": "dw"}


@dataclasses.dataclass(frozen=True)
class Measurement:
    """One algorithm, or another library, on one layer.

    Parameters
    ----------
    algorithm : str
    seconds, spread : float or None
        The fastest round, and how much slower the typical one was, as a fraction; None if it was not timed.
    predicted_seconds, pack_seconds : float or None
        The cost model's time, and that of arranging the weights once.
    workspace : int or None
        Bytes of scratch.
    error, error_bound : float or None
        Measured and published, as fractions of |x| conv |w|.
    kind, reason : str or None
        Why it may not or cannot be used, as a word and a sentence; None if it can.
    """

    algorithm: str
    seconds: float | None = None
    spread: float | None = None
    predicted_seconds: float | None = None
    pack_seconds: float | None = None
    workspace: int | None = None
    error: float | None = None
    error_bound: float | None = None
    kind: str | None = None
    reason: str | None = None

    @property
    def usable(self):
        """Whether it was timed and nothing rules it out."""
        return self.seconds is not None and self.reason is None


@dataclasses.dataclass(frozen=True)
class Row:
    """One layer.

    Parameters
    ----------
    layer : Layer
    measurements : tuple of Measurement
        Of every algorithm, in registry order.
    heuristic, chosen : str or None
        The algorithm that is predicted to be fastest, and the one chosen by what was measured: the fastest usable one, or the
        first of those within 2% of it.
    peers : tuple of Measurement
        Of other libraries.
    """

    layer: Layer
    measurements: tuple[Measurement, ...]
    heuristic: str | None = None
    chosen: str | None = None
    peers: tuple[Measurement, ...] = ()

    @property
    def ranking(self):
        """The usable algorithms, fastest first."""
        return sorted((m for m in self.measurements if m.usable), key=lambda m: m.seconds)

    @property
    def winner(self):
        """The fastest usable algorithm's measurement; None if there is none."""
        return next(iter(self.ranking), None)

    @property
    def best_peer(self):
        """The fastest other library's measurement; None if there is none."""
        return min((m for m in self.peers if m.usable), key=lambda m: m.seconds, default=None)

    def front(self, quantity):
        """Names of the usable algorithms that no other is faster and better than; the quantity is "error" or "workspace"."""
        names, least = [], None
        for m in sorted(self.ranking, key=lambda m: (m.seconds, getattr(m, quantity) or 0)):
            value = getattr(m, quantity)
            if value is not None and (least is None or value < least):
                names.append(m.algorithm)
                least = value
        return names

    def __getitem__(self, algorithm):
        return next((m for m in (*self.measurements, *self.peers) if m.algorithm == algorithm), Measurement(algorithm))

    def slowdown(self, algorithm):
        """Its time relative to the winner's; None if it was not timed."""
        seconds = self[algorithm].seconds
        return None if seconds is None or self.winner is None else seconds / self.winner.seconds

    def gflops(self, algorithm):
        """Speed in GFLOP/s, operations counted as direct convolution's; None if it was not timed."""
        seconds = self[algorithm].seconds
        return self.layer.problem.flops / seconds / 1e9 if seconds else None


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Every algorithm on every layer.

    Parameters
    ----------
    title : str
    rows : tuple of Row
    settings : dict
        What was asked for: threads, precision, seconds per layer, and so on.
    environment : dict
    peers, missing_peers : dict of str to str
        Versions of the other libraries that took part, and why others did not.
    peaks : Peaks or None
        The most that the machine does.
    """

    title: str
    rows: tuple[Row, ...]
    settings: dict
    environment: dict
    peers: dict[str, str] = dataclasses.field(default_factory=dict)
    missing_peers: dict[str, str] = dataclasses.field(default_factory=dict)
    peaks: Peaks | None = None

    @property
    def algorithms(self) -> tuple[str, ...]:
        """Names of the algorithms, in registry order."""
        return tuple(dict.fromkeys(m.algorithm for row in self.rows for m in row.measurements))

    @property
    def convolutions(self) -> int:
        """Number of convolutions in the network, repeated layers included."""
        return sum(row.layer.occurrences for row in self.rows)

    def label(self, row: Row) -> str:
        """What a row is called: its layer, and what it computes where the comparison has several directions."""
        if len({r.layer.problem.direction for r in self.rows}) == 1:
            return row.layer.name
        return f"{row.layer.name} {_DIRECTION_MARKS[row.layer.problem.direction]}".strip()

    @property
    def flops(self) -> int:
        """Operations of the network, counted as direct convolution's."""
        return sum(row.layer.occurrences * row.layer.problem.flops for row in self.rows)

    @property
    def baseline(self) -> str | None:
        """The algorithm that speed-ups are relative to: timed on every layer, usable or not; None if there is none."""
        return self._preferred(lambda m: m.seconds is not None)

    @property
    def fallback(self) -> str | None:
        """The algorithm that does what others cannot: one usable on every layer; None if there is none."""
        return self._preferred(lambda m: m.usable)

    def _preferred(self, condition):
        complete = [name for name in self.algorithms if all(condition(row[name]) for row in self.rows)]
        return BASELINE if BASELINE in complete else complete[-1] if complete else None

    def wins(self) -> dict[str, int]:
        """Number of convolutions that each algorithm is the fastest for."""
        count: collections.Counter[str] = collections.Counter()
        for row in self.rows:
            if row.winner:
                count[row.winner.algorithm] += row.layer.occurrences
        return dict(count.most_common())

    def totals(self) -> list[Total]:
        """Time of the network under each policy, fastest first.

        Policies are the best algorithm for each layer, the heuristic's picks, and every algorithm wherever it can be used, with
        `fallback` for the rest; then every other library that was timed on all layers, and the best of them for each layer.
        """
        return totals(self)

    def good_picks(self) -> list[Row]:
        """Rows for which the heuristic takes the fastest algorithm, or one within `GOOD_PICK` of it."""
        return [row for row in self.rows if row.heuristic and (row.slowdown(row.heuristic) or float("inf")) <= GOOD_PICK]

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values, for JSON."""
        return {
            "schema": SCHEMA,
            "title": self.title,
            "settings": self.settings,
            "environment": self.environment,
            "peers": self.peers,
            "missing_peers": self.missing_peers,
            "peaks": dataclasses.asdict(self.peaks) if self.peaks else None,
            "layers": [_row_as_dict(row) for row in self.rows],
            "totals": [dataclasses.asdict(total) for total in self.totals()],
            "heuristic_good_share": len(self.good_picks()) / len(self.rows) if self.rows else None,
        }

    def _repr_html_(self):
        return notebook.html_of(self)


def _row_as_dict(row):
    problem = row.layer.problem
    return {
        "name": row.layer.name,
        "shape": str(problem),
        "problem": problem.key(),
        "occurrences": row.layer.occurrences,
        "flops": problem.flops,
        "bytes": problem.bytes,
        "winner": row.winner.algorithm if row.winner else None,
        "heuristic": row.heuristic,
        "chosen": row.chosen,
        "algorithms": [_measurement_as_dict(row, m) for m in row.measurements],
        "peers": [_measurement_as_dict(row, m) for m in row.peers],
    }


def _measurement_as_dict(row, m):
    return dataclasses.asdict(m) | {"gflops": row.gflops(m.algorithm), "slowdown": row.slowdown(m.algorithm)}
