"""Why an algorithm was chosen: data, a table of text, a table of HTML."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import threads
from . import heuristic, store
from .record import Record

if TYPE_CHECKING:
    from ..algorithms.base import ConvAlgorithm
    from ..problem import ConvProblem
    from .options import Config

__all__ = ["Choice", "Explanation", "Row", "explain"]

_SOURCES = {
    "forced": "asked for by name",
    "lock": "replayed from a lock file",
    "stored": "fastest of the stored measurements",
    "measured": "fastest of the measurements",
    "heuristic": "fastest by predicted cost; nothing was timed",
}
_HEADERS = ("", "algorithm", "predicted", "measured", "packing", "spread", "workspace", "error", "why not")
# Columns of text are flush left, those of numbers flush right.
_LEFT = "llrrrrrrl"


@dataclasses.dataclass(frozen=True)
class Choice:
    """An algorithm for a problem, and where the choice came from.

    Attributes
    ----------
    problem : ConvProblem
    algorithm : ConvAlgorithm
    source : {"forced", "lock", "stored", "measured", "heuristic"}
    config : Config
    threads : int
    packed_once : bool
        Whether weights are packed once or in every call.
    record : Record or None
        The measurements the choice rests on.
    """

    problem: ConvProblem
    algorithm: ConvAlgorithm
    source: str
    config: Config = dataclasses.field(repr=False)
    threads: int
    packed_once: bool
    record: Record | None = dataclasses.field(default=None, repr=False)

    def explain(self) -> Explanation:
        """The `Explanation` of this choice."""
        return explain(self)


@dataclasses.dataclass(frozen=True)
class Row:
    """One candidate.

    Attributes
    ----------
    name : str
    chosen : bool
    predicted, seconds, pack_seconds : float or None
        Seconds of one call as predicted and as measured, and of packing the weights.
    spread : float or None
        How far the median measurement lies above the fastest, relatively.
    workspace : int or None
        Bytes.
    error : float or None
        Published bound on |y - y_ref| / (|x| conv |w|).
    kind, reason : str or None
        Why it was not chosen; None for the chosen one.
    """

    name: str
    chosen: bool
    predicted: float | None = None
    seconds: float | None = None
    pack_seconds: float | None = None
    spread: float | None = None
    workspace: int | None = None
    error: float | None = None
    kind: str | None = None
    reason: str | None = None


@dataclasses.dataclass(frozen=True)
class Explanation:
    """Every candidate for a problem, with its figures or why it has none. Prints as a table.

    Attributes
    ----------
    problem : ConvProblem
    algorithm : str
        Name of the chosen one.
    source : {"forced", "lock", "stored", "measured", "heuristic"}
    threads : int
    packed_once : bool
        Whether weights are packed once or in every call.
    rows : tuple of Row
        In the order of the registry.
    """

    problem: ConvProblem
    algorithm: str
    source: str
    threads: int
    packed_once: bool
    rows: tuple[Row, ...]

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values, for JSON."""
        return {
            **self.problem.to_dict(),
            "threads": self.threads,
            "packing": "once" if self.packed_once else "every call",
            "algorithm": self.algorithm,
            "source": self.source,
            "candidates": [dataclasses.asdict(row) for row in self.rows],
        }

    def __str__(self) -> str:
        cells = [_HEADERS, *map(_cells, self.rows)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(_HEADERS))]
        lines = [" ".join(_aligned(i, row[i], widths[i]) for i in range(len(_HEADERS))).rstrip() for row in cells]
        return "\n".join([self._title(), *lines])

    def _repr_html_(self) -> str:
        from .. import notebook  # in a notebook only

        chosen = [i for i, row in enumerate(self.rows) if row.chosen]
        return notebook.table(_HEADERS, map(_cells, self.rows), left=_LEFT, caption=self._title(), bold=chosen)

    def _title(self):
        p = self.problem
        packing = (
            "" if p.direction == "weight_grad" else ", weights packed " + ("once" if self.packed_once else "in every call")
        )
        return (
            f"{p.direction} {p} {p.dtype} {p.memory_format}, {self.threads} thread(s){packing}\n"
            f"{self.algorithm}: {_SOURCES[self.source]}"
        )


def explain(choice: Choice, record: Record | None = None) -> Explanation:
    """The `Explanation` of a `Choice`.

    Parameters
    ----------
    choice : Choice
    record : Record, optional
        Measurements to show; by default those the choice rests on, else what is stored.
    """
    problem = choice.problem
    token = threads.pin(choice.threads)
    try:
        candidates = heuristic.judge(problem, choice.config)
    finally:
        threads.unpin(token)
    record = record or choice.record or store.load(problem, choice.threads, choice.config)
    rows = tuple(_row(c, choice, record, candidates) for c in candidates)
    return Explanation(problem, choice.algorithm.name, choice.source, choice.threads, choice.packed_once, rows)


def _row(candidate, choice, record, candidates):
    name = candidate.algorithm.name
    chosen = name == choice.algorithm.name
    measured = record.measured.get(name) if record else None
    kind, reason = (None, None) if chosen else _why_not(candidate, choice, record, candidates)
    return Row(
        name,
        chosen,
        candidate.predicted,
        measured and measured.seconds,
        measured and measured.pack_seconds,
        measured and measured.spread,
        candidate.workspace,
        None if candidate.error is None else candidate.error * float(np.finfo(choice.problem.dtype).eps),
        kind,
        reason,
    )


def _why_not(candidate, choice, record, candidates):
    if not candidate.eligible:
        return candidate.kind, candidate.reason
    name, winner = candidate.algorithm.name, choice.algorithm.name
    if choice.source in ("forced", "lock"):
        return choice.source, f"{winner} was {'asked for' if choice.source == 'forced' else 'locked'}"
    if choice.source == "heuristic":
        predicted = {c.algorithm.name: c.total(choice.packed_once) for c in candidates if c.eligible}
        return "slower", f"predicted {_times(predicted[name], predicted[winner])}"
    if name in record.measured:
        totals = [record.measured[n].total(choice.packed_once) for n in (name, winner)]
        return "slower", f"measured {_times(*totals)}"
    rejection = record.rejected.get(name)
    return (rejection.kind, rejection.reason) if rejection else ("new", "not registered when this was measured")


def _times(mine, best):
    ratio = mine / best if best > 0 else float("inf")
    return f"{ratio:.2f} times the chosen one's" if ratio > 1 else "as fast; the order of the registry decides"


def _cells(row):
    return (
        "->" if row.chosen else "",
        row.name,
        *(seconds_text(s) for s in (row.predicted, row.seconds, row.pack_seconds)),
        "" if row.spread is None else f"{row.spread:.0%}",
        bytes_text(row.workspace),
        "" if row.error is None else f"{row.error:.1e}",
        row.reason or "",
    )


def _aligned(column, text, width):
    return text.ljust(width) if _LEFT[column] == "l" else text.rjust(width)


def seconds_text(seconds):
    """Seconds in a unit that fits."""
    if seconds is None:
        return ""
    for factor, unit in ((1, "s"), (1e3, "ms")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def bytes_text(nbytes):
    """Bytes in a unit that fits."""
    if nbytes is None:
        return ""
    for factor, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if nbytes >= factor:
            return f"{nbytes / factor:.3g} {unit}"
    return f"{nbytes} B"
