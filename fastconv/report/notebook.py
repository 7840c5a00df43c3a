"""A comparison as a notebook shows it: the summary and a line for each layer."""

from __future__ import annotations

from .quantities import number_text, seconds_text
from .summary import summary

__all__ = ["html_of"]

_HEADERS = ("layer", "shape", "n", "fastest", "time", "GFLOP/s", "next", "error")
# Columns of text are flush left.
_LEFT = "llrlrrlrl"


def html_of(comparison):
    """An HTML table; nothing but the standard library is needed."""
    from .. import notebook  # in a notebook only

    peers = ["fastest peer"] if comparison.peers else []
    rows = [(*_cells(comparison, row), *(_peer(row) for _ in peers)) for row in comparison.rows]
    return notebook.table((*_HEADERS, *peers), rows, left=_LEFT, caption=summary(comparison))


def _cells(comparison, row):
    best, others = row.winner, row.ranking[1:]
    shown = [comparison.label(row), str(row.layer.problem), str(row.layer.occurrences)]
    if best is None:
        return [*shown, *[""] * (len(_HEADERS) - len(shown))]
    return [
        *shown,
        best.algorithm,
        seconds_text(best.seconds),
        number_text(row.gflops(best.algorithm), ".0f"),
        f"{row.slowdown(others[0].algorithm):.2f}x {others[0].algorithm}" if others else "",
        number_text(best.error, ".0e"),
    ]


def _peer(row):
    peer = row.best_peer
    return f"{row.slowdown(peer.algorithm):.2f}x {peer.algorithm}" if peer and row.winner else ""
