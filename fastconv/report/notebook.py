"""A comparison as a notebook shows it: the summary and a line for each layer."""

from __future__ import annotations

from .quantities import number_text, seconds_text
from .summary import summary

__all__ = ["html_of"]

_HEADERS = ("layer", "shape", "n", "fastest", "time", "GFLOP/s", "next", "error")


def html_of(comparison):
    """An HTML table; nothing but the standard library is needed."""
    import html  # in a notebook only

    peers = ["fastest peer"] if comparison.peers else []
    head = "".join(f"<th>{title}</th>" for title in (*_HEADERS, *peers))
    lines = [
        "".join(f"<td>{html.escape(cell)}</td>" for cell in (*_cells(comparison, row), *(_peer(row) for _ in peers)))
        for row in comparison.rows
    ]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return (
        f"<p>{html.escape(summary(comparison))}</p>"
        f'<div style="overflow-x: auto"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


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
