"""Every algorithm on every layer of a network, as data.

load_layers -> compare -> Comparison -> as_dict (JSON)
                                     -> format_comparison (text)
"""

from __future__ import annotations

import collections
import dataclasses

import numpy as np

from ..functional import plan
from ..selection.heuristic import GOOD_PICK
from ..selection.measure import survey
from .accuracy import Accuracy
from .tables import Layer

__all__ = ["Comparison", "Measurement", "Row", "Total", "compare"]

SCHEMA = "fastconv.comparison/1"
# Whose time speed-ups are relative to, and who does what others cannot, if it does every layer; else the last that does.
BASELINE = "im2col"


@dataclasses.dataclass(frozen=True)
class Measurement:
    """One algorithm on one layer.

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
    reason : str or None
        Why it may not or cannot be used; None if it can.
    """

    algorithm: str
    seconds: float | None = None
    spread: float | None = None
    predicted_seconds: float | None = None
    pack_seconds: float | None = None
    workspace: int | None = None
    error: float | None = None
    error_bound: float | None = None
    reason: str | None = None

    @property
    def usable(self):
        """Whether it was timed and nothing rules it out."""
        return self.seconds is not None and self.reason is None


@dataclasses.dataclass(frozen=True)
class Row:
    """One layer: what every algorithm did, and which the heuristic would take."""

    layer: Layer
    measurements: tuple[Measurement, ...]
    heuristic: str | None = None

    @property
    def ranking(self):
        """The usable algorithms, fastest first."""
        return sorted((m for m in self.measurements if m.usable), key=lambda m: m.seconds)

    @property
    def winner(self):
        """The fastest usable algorithm's measurement; None if there is none."""
        return next(iter(self.ranking), None)

    def __getitem__(self, algorithm):
        return next((m for m in self.measurements if m.algorithm == algorithm), Measurement(algorithm))

    def slowdown(self, algorithm):
        """How many times slower than the winner an algorithm is; None if it was not timed."""
        seconds = self[algorithm].seconds
        return None if seconds is None or self.winner is None else seconds / self.winner.seconds

    def gflops(self, algorithm):
        """Speed in GFLOP/s, operations counted as direct convolution's; None if it was not timed."""
        seconds = self[algorithm].seconds
        return self.layer.problem.flops / seconds / 1e9 if seconds else None


@dataclasses.dataclass(frozen=True)
class Total:
    """A whole network's time under one policy.

    Parameters
    ----------
    policy : str
        ``"best"``, ``"heuristic"`` or the name of an algorithm.
    seconds : float
        Summed over the layers, each as often as it occurs.
    convolutions : int
        In how many of the network's convolutions the algorithm itself runs.
    fallback : str or None
        The algorithm that does the others.
    speedup : float or None
        Of the baseline's time over this.
    """

    policy: str
    seconds: float
    convolutions: int
    fallback: str | None
    speedup: float | None


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
    """

    title: str
    rows: tuple[Row, ...]
    settings: dict
    environment: dict

    @property
    def algorithms(self):
        """Names of the algorithms, in registry order."""
        return tuple(dict.fromkeys(m.algorithm for row in self.rows for m in row.measurements))

    @property
    def convolutions(self):
        """Number of convolutions in the network, repeated layers included."""
        return sum(row.layer.occurrences for row in self.rows)

    @property
    def flops(self):
        """Operations of the network, counted as direct convolution's."""
        return sum(row.layer.occurrences * row.layer.problem.flops for row in self.rows)

    @property
    def baseline(self):
        """The algorithm that speed-ups are relative to: timed on every layer, usable or not; None if there is none."""
        return self._preferred(lambda m: m.seconds is not None)

    @property
    def fallback(self):
        """The algorithm that does what others cannot: one usable on every layer; None if there is none."""
        return self._preferred(lambda m: m.usable)

    def _preferred(self, condition):
        complete = [name for name in self.algorithms if all(condition(row[name]) for row in self.rows)]
        return BASELINE if BASELINE in complete else complete[-1] if complete else None

    def wins(self):
        """Number of convolutions that each algorithm is the fastest for."""
        count = collections.Counter()
        for row in self.rows:
            if row.winner:
                count[row.winner.algorithm] += row.layer.occurrences
        return dict(count.most_common())

    def totals(self):
        """Time of the network under each policy, fastest first.

        Policies are the best algorithm for each layer, the heuristic's picks, and every algorithm wherever it can be used, with
        `fallback` for the rest.
        """
        if not self.rows or any(row.winner is None for row in self.rows):
            return []
        baseline = self.baseline
        policies = {"best": lambda row: row.winner.algorithm, "heuristic": lambda row: row.heuristic}
        policies |= {name: lambda row, name=name: name for name in self.algorithms}
        reference = sum(row.layer.occurrences * row[baseline].seconds for row in self.rows) if baseline else None
        totals = [self._total(policy, choose, self.fallback, reference) for policy, choose in policies.items()]
        return sorted((t for t in totals if t), key=lambda t: (t.seconds, t.policy != "best"))

    def _total(self, policy, choose, fallback, reference):
        seconds, own = 0.0, 0
        for row in self.rows:
            choice = row[choose(row)]
            own += row.layer.occurrences if choice.usable else 0
            used = choice if choice.usable else row[fallback]
            if not used.usable:
                return None
            seconds += row.layer.occurrences * used.seconds
        if not own:
            return None
        return Total(
            policy, seconds, own, fallback if own < self.convolutions else None, reference / seconds if reference else None
        )

    def good_picks(self):
        """Rows for which the heuristic takes the fastest algorithm, or one within `GOOD_PICK` of it."""
        return [row for row in self.rows if row.heuristic and (row.slowdown(row.heuristic) or float("inf")) <= GOOD_PICK]

    def as_dict(self):
        """Everything as plain values, for JSON."""
        return {
            "schema": SCHEMA,
            "title": self.title,
            "settings": self.settings,
            "environment": self.environment,
            "layers": [_row_as_dict(row) for row in self.rows],
            "totals": [dataclasses.asdict(total) for total in self.totals()],
            "heuristic_good_share": len(self.good_picks()) / len(self.rows) if self.rows else None,
        }


def compare(layers, *, title="", seconds=0.5, settings=None, environment=None, progress=iter, rng=0):
    """Run every algorithm on every layer.

    Thread count, precision and the other filters are those in force (`fastconv.num_threads`, `fastconv.config`).

    Parameters
    ----------
    layers : sequence of Layer
    title : str
    seconds : float
        Time given to the measurement of each layer.
    settings, environment : dict, optional
        Kept with the result.
    progress : callable
        Wraps the sequence of layers, as `tqdm.tqdm` does.
    rng : int or numpy.random.Generator
        Source of the data that errors are measured on.

    Returns
    -------
    Comparison
    """
    rng = np.random.default_rng(rng)
    rows = tuple(_row(layer, seconds, rng) for layer in progress(layers))
    return Comparison(title, rows, settings or {}, environment or {})


def _row(layer, seconds, rng):
    problem = layer.problem
    accuracy = Accuracy(problem, rng)
    measurements = tuple(_measurement(candidate, accuracy) for candidate in survey(problem, seconds=seconds).rows)
    return Row(layer, measurements, plan(problem, effort="heuristic").algorithm.name)


def _measurement(candidate, accuracy):
    refused = candidate.kind not in (None, "slower")
    return Measurement(
        candidate.name, candidate.seconds, candidate.spread, candidate.predicted, candidate.pack_seconds, candidate.workspace,
        None if candidate.seconds is None else accuracy.of(candidate.name), candidate.error,
        candidate.reason if refused else None,
    )  # fmt: skip


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
        "algorithms": [
            dataclasses.asdict(m) | {"gflops": row.gflops(m.algorithm), "slowdown": row.slowdown(m.algorithm)}
            for m in row.measurements
        ],
    }
