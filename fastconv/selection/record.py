"""What was measured for one problem: every candidate with its figures, or why it has none."""

from __future__ import annotations

import dataclasses
import math

from .race import merged_times

__all__ = ["TIE", "Measurement", "Record", "Rejection", "fastest"]

# Two times this close, relatively, are taken as equal: the order of the registry decides, so that noise does not.
TIE = 0.02


@dataclasses.dataclass(frozen=True)
class Measurement:
    """Figures of one algorithm.

    Attributes
    ----------
    seconds : float
        Fastest run with packed weights.
    pack_seconds : float
        What packing the weights adds to the run that follows; 0 for weight gradients.
    spread : float
        How far the median lies above the fastest, relatively.
    workspace : int
        Bytes.
    error : float
        The published error constant, in units of eps.
    """

    seconds: float
    pack_seconds: float
    spread: float
    workspace: int
    error: float

    def total(self, packed_once):
        """Seconds a call takes if weights are packed once, or else in every call."""
        return self.seconds if packed_once else self.seconds + self.pack_seconds

    def merged(self, older):
        """These figures with those of an earlier measurement of the same."""
        seconds, spread = merged_times(self, older)
        pack_seconds = min(self.pack_seconds, older.pack_seconds)
        return dataclasses.replace(self, seconds=seconds, spread=spread, pack_seconds=pack_seconds)


@dataclasses.dataclass(frozen=True)
class Rejection:
    """Why an algorithm was not timed; `kind` as in `heuristic.Candidate`, or "pruned" or "failed"."""

    kind: str
    reason: str
    predicted: float | None = None


@dataclasses.dataclass(frozen=True)
class Record:
    """Measurements of one problem on one number of threads, with one time for packing and one for running.

    The two serve both habits: weights packed once, and in every call. `looks`: how often it was measured for what it says, the
    last time at `time`, in seconds since 1970.
    """

    problem: object
    threads: int
    measured: dict[str, Measurement]
    rejected: dict[str, Rejection]
    looks: int = 1
    time: float = 0.0

    @property
    def complete(self):
        """Whether nothing was left out because of a filter; pruning by cost leaves out what could not have won."""
        return all(r.kind in ("unsupported", "pruned", "failed") for r in self.rejected.values())

    @property
    def failed(self):
        """The rejections of algorithms that raised."""
        return {name: rejection for name, rejection in self.rejected.items() if rejection.kind == "failed"}

    def merged(self, older):
        """This record, with what only `older` holds."""
        measured = older.measured | self.measured
        rejected = older.rejected | self.rejected
        return dataclasses.replace(self, measured=measured, rejected={k: v for k, v in rejected.items() if k not in measured})

    def to_dict(self):
        return {
            "problem": self.problem.key(),
            "threads": self.threads,
            "complete": self.complete,
            "looks": self.looks,
            "time": self.time,
            "measured": {name: dataclasses.asdict(m) for name, m in self.measured.items()},
            "rejected": {name: dataclasses.asdict(r) for name, r in self.rejected.items()},
        }

    @classmethod
    def from_dict(cls, problem, threads, data):
        """Undo `to_dict`; raises KeyError, TypeError, AttributeError or ValueError for anything else."""
        measured = {name: Measurement(**_numbers(entry)) for name, entry in data["measured"].items()}
        rejected = {name: _rejection(entry) for name, entry in data["rejected"].items()}
        if not measured:
            raise ValueError("no measurements")
        return cls(problem, threads, measured, rejected, **_numbers({name: data[name] for name in ("looks", "time")}))


def fastest(times, order):
    """The name with the least time; of those within `TIE` of it, the first in `order`."""
    limit = min(times.values()) * (1 + TIE)
    return next(name for name in order if times.get(name, math.inf) <= limit)


def _numbers(entry):
    for name, value in entry.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
            raise ValueError(f"{name}: {value!r} is not a measurement")
    return entry


def _rejection(entry):
    rejection = Rejection(**entry)
    if not isinstance(rejection.kind, str) or not isinstance(rejection.reason, str):
        raise ValueError(f"{entry!r} is not a rejection")
    return rejection
