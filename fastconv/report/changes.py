"""Two comparisons of the same layers: what changed beyond noise, between two machines, commits or thread counts.

A time is known as an interval, from the fastest round to the typical one. Two times differ beyond noise if their intervals are
apart and the fastest rounds differ by more than `FLOOR`.
"""

from __future__ import annotations

import collections
import dataclasses
import math

from ..errors import InvalidArgumentError
from .comparison import Comparison, Measurement, Row

__all__ = ["ALL", "FLOOR", "SCHEMA", "Change", "Difference", "LayerChange", "change"]

SCHEMA = "fastconv.comparison_change/1"
# Fastest rounds of two runs of the same code on the same machine lie this far apart, whatever the spread within each.
FLOOR = 0.05
# The row of all algorithms and libraries together: far from 1, it tells of the machine rather than of the code.
ALL = "all"
# What differs between any two runs.
_OF_THE_RUN = ("date",)


@dataclasses.dataclass(frozen=True)
class Difference:
    """One time before and after.

    Parameters
    ----------
    name : str
        Of the algorithm or library.
    before, after : Measurement
    """

    name: str
    before: Measurement
    after: Measurement

    @property
    def ratio(self):
        """Time after over time before."""
        return self.after.seconds / self.before.seconds

    @property
    def verdict(self):
        """``"faster"`` or ``"slower"`` beyond noise, else ``"same"``."""
        slow, fast = (self.after, self.before) if self.ratio > 1 else (self.before, self.after)
        apart = slow.seconds > fast.seconds * (1 + (fast.spread or 0.0))
        if not apart or slow.seconds <= fast.seconds * (1 + FLOOR):
            return "same"
        return "slower" if self.ratio > 1 else "faster"


@dataclasses.dataclass(frozen=True)
class LayerChange:
    """One layer in both comparisons.

    Parameters
    ----------
    before, after : Row
    label : str
    """

    before: Row
    after: Row
    label: str

    @property
    def best(self):
        """The `Difference` of the fastest algorithms' times, whichever they are; None where one has none."""
        before, after = self.before.winner, self.after.winner
        return Difference("best", before, after) if before and after else None

    @property
    def new_winner(self):
        """Whether another algorithm is the fastest, by more than noise in both comparisons."""
        before, after = self.before.winner, self.after.winner
        if before is None or after is None or before.algorithm == after.algorithm:
            return False
        return _behind(self.before, after.algorithm) and _behind(self.after, before.algorithm)

    def differences(self):
        """The `Difference` of every algorithm and library that was timed in both."""
        names = [m.algorithm for m in (*self.before.measurements, *self.before.peers)]
        pairs = [(name, self.before[name], self.after[name]) for name in names]
        return [Difference(n, a, b) for n, a, b in pairs if a.seconds is not None and b.seconds is not None]


@dataclasses.dataclass(frozen=True)
class Change:
    """What differs between two comparisons.

    Parameters
    ----------
    before, after : Comparison
    names : (str, str)
        What the two are called.
    layers : tuple of LayerChange
        Those that both have.
    only_before, only_after : tuple of str
        Names and shapes of the others.
    """

    before: Comparison
    after: Comparison
    names: tuple[str, str]
    layers: tuple[LayerChange, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]

    @property
    def circumstances(self):
        """Settings, environment, versions of other libraries and measured peaks that differ: by name, before and after."""
        differing = {}
        for kind in ("settings", "environment", "peers"):
            before, after = getattr(self.before, kind), getattr(self.after, kind)
            for name in dict.fromkeys([*before, *after]):
                if before.get(name) != after.get(name) and name not in _OF_THE_RUN:
                    differing[name] = (before.get(name), after.get(name))
        if self.before.peaks and self.after.peaks:
            for name, before, after in _peaks(self.before.peaks, self.after.peaks):
                if max(before, after) > (1 + FLOOR) * min(before, after):
                    differing[name] = (f"{before / 1e9:.0f}", f"{after / 1e9:.0f}")
        return differing

    @property
    def ratio(self):
        """Geometric mean over the layers of the fastest algorithm's time after over before; None if no layer has both."""
        return _geometric_mean(layer.best.ratio for layer in self.layers if layer.best)

    def verdicts(self):
        """How many layers' best times are faster, slower, the same."""
        count = collections.Counter(layer.best.verdict for layer in self.layers if layer.best)
        return {verdict: count[verdict] for verdict in ("faster", "slower", "same")}

    def by_algorithm(self):
        """For `ALL` and every algorithm and library: geometric mean of the ratios, how many, of those faster and slower."""
        found = {ALL: []}
        for layer in self.layers:
            for difference in layer.differences():
                found[ALL].append(difference)
                found.setdefault(difference.name, []).append(difference)
        return {
            name: (
                _geometric_mean(d.ratio for d in differences),
                len(differences),
                sum(d.verdict == "faster" for d in differences),
                sum(d.verdict == "slower" for d in differences),
            )
            for name, differences in found.items()
            if differences
        }

    def as_dict(self):
        """Everything as plain values, for JSON."""
        return {
            "schema": SCHEMA,
            "before": self.names[0],
            "after": self.names[1],
            "geometric_mean_ratio": self.ratio,
            "verdicts": self.verdicts(),
            "circumstances": {name: {"before": a, "after": b} for name, (a, b) in self.circumstances.items()},
            "only_before": list(self.only_before),
            "only_after": list(self.only_after),
            "layers": [_layer_as_dict(layer) for layer in self.layers],
            "algorithms": {
                name: {"geometric_mean_ratio": ratio, "timings": count, "faster": faster, "slower": slower}
                for name, (ratio, count, faster, slower) in self.by_algorithm().items()
            },
        }


def change(before: Comparison, after: Comparison, names: tuple[str, str] = ("before", "after")) -> Change:
    """Match the layers of two comparisons by name, shape, direction, type and memory format.

    Parameters
    ----------
    before, after : Comparison
    names : (str, str)
        What the two are called, such as the names of their files.

    Returns
    -------
    Change

    Raises
    ------
    InvalidArgumentError
        If they have no layer in common.
    """
    earlier, later = ({(row.layer.name, row.layer.problem): row for row in c.rows} for c in (before, after))
    common = [key for key in earlier if key in later]
    if not common:
        first, second = (
            f"{name} ({c.title}, {' and '.join(dict.fromkeys(_kind(row.layer.problem) for row in c.rows))})"
            for name, c in zip(names, (before, after), strict=True)
        )
        raise InvalidArgumentError(f"records: {first} and {second} have no layer in common")
    layers = tuple(LayerChange(earlier[key], later[key], before.label(earlier[key]) or str(key[1])) for key in common)
    only = [tuple(f"{name} {problem}".strip() for name, problem in a if (name, problem) not in b)
            for a, b in ((earlier, later), (later, earlier))]  # fmt: skip
    return Change(before, after, names, layers, *only)


def _peaks(before, after):
    """(name, before, after) of what was measured of the machine, but the second-level cache, whose copies are too short."""
    yield "peak GFLOP/s", before.flops, after.flops
    for level in ("L3", "memory"):
        yield f"{level} GB/s", before.bandwidth[level], after.bandwidth[level]


def _behind(row, algorithm):
    """Whether an algorithm is slower than the winner beyond noise, or may not be used."""
    measurement = row[algorithm]
    return not measurement.usable or Difference(algorithm, row.winner, measurement).verdict == "slower"


def _kind(problem):
    return f"{problem.direction}, {problem.dtype}, {problem.memory_format}, batch {problem.batch}"


def _geometric_mean(ratios):
    logarithms = [math.log(ratio) for ratio in ratios]
    return math.exp(sum(logarithms) / len(logarithms)) if logarithms else None


def _layer_as_dict(layer):
    best = layer.best
    return {
        "name": layer.label,
        "problem": layer.before.layer.problem.to_dict(),
        "winner": {
            "before": layer.before.winner.algorithm if layer.before.winner else None,
            "after": layer.after.winner.algorithm if layer.after.winner else None,
            "changed": layer.new_winner,
        },
        "best": _difference_as_dict(best) if best else None,
        "algorithms": {d.name: _difference_as_dict(d) for d in layer.differences()},
    }


def _difference_as_dict(difference):
    return {
        "before": difference.before.seconds,
        "after": difference.after.seconds,
        "spread_before": difference.before.spread,
        "spread_after": difference.after.spread,
        "ratio": difference.ratio,
        "verdict": difference.verdict,
    }
