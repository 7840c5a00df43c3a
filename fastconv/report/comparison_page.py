"""The page of a comparison: summary, network, layers with their tuning records, figures, environment, data."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .figures.bars import layer_bars, total_bars
from .figures.roofline import roofline
from .figures.tradeoff import error_tradeoff, workspace_tradeoff
from .figures.winner_map import winner_maps
from .page import Beside, Cell, Column, Gallery, Line, Page, Section, Table, Text
from .quantities import MISSING, bytes_text, flops_text, number_text, seconds_text
from .summary import machine_text, settings_text, summary, wins_text
from .totals import BEST, BEST_PEER, HEURISTIC

if TYPE_CHECKING:
    from .comparison import Comparison

__all__ = ["comparison_page", "file_name"]

_POLICIES = {
    BEST: "the fastest for each layer",
    HEURISTIC: "the heuristic's picks",
    BEST_PEER: "the fastest peer for each layer",
}
# Algorithms of a layer, as measured; the columns of a tuning record.
_RECORD = (
    Column("algorithm"),
    Column("time", numeric=True, hint="Fastest round"),
    Column("spread", numeric=True, hint="How much slower the typical round was"),
    Column("times", numeric=True, hint="Time relative to the fastest algorithm that may be used"),
    Column("GFLOP/s", numeric=True),
    Column("predicted", numeric=True, hint="Time by the cost model"),
    Column("error", numeric=True, hint="Measured, as a fraction of |x| conv |w|"),
    Column("bound", numeric=True, hint="Published bound on the error"),
    Column("workspace", numeric=True),
    Column("packing", numeric=True, hint="Time to arrange the weights once"),
    Column("front", hint="Nothing is both faster and more accurate, or both faster and in need of less workspace"),
)
_REJECTED = (Column("algorithm"), Column("because"), Column("reason", wrap=True))


def comparison_page(comparison: Comparison) -> Page:
    """The `Page` of a `Comparison`."""
    sections = [
        Section("Network", _network(comparison)),
        Section("Layers", [_layers(comparison)]),
        Section("Times", _times(comparison)),
        Section("Speed, error, workspace", [Gallery([f for f in _tradeoffs(comparison) if f])]),
        Section("Winner by kernel, channels and image", _maps(comparison)),
    ]
    return Page(
        title=f"{comparison.title}: convolution algorithms compared",
        summary=summary(comparison),
        sections=[section for section in sections if section.blocks],
        facts=_facts(comparison),
        environment=_environment(comparison),
        data=comparison.as_dict(),
        data_name=f"{file_name(comparison.title)}.json",
    )


def file_name(title):
    """A name for a file that holds what has this title."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", title).strip("-.") or "comparison"


def _facts(comparison):
    settings = comparison.settings
    known = {
        "machine": machine_text(comparison),
        "problems": settings_text(comparison),
        "precision": settings.get("precision") or "high",
        "denied": ", ".join(settings.get("deny") or ()),
        "workspace limit": bytes_text(settings.get("workspace_limit")),
        "seconds a layer": f"{settings.get('seconds', MISSING)} in {settings.get('passes', 1)} passes",
        "date": comparison.environment.get("date", ""),
        "left out": "; ".join(f"{name}: {reason}" for name, reason in comparison.missing_peers.items()),
    }
    return {name: text for name, text in known.items() if text and text != MISSING}


def _environment(comparison):
    return {**comparison.environment, **comparison.peers}


def _network(comparison):
    totals = comparison.totals()
    if len(comparison.rows) < 2 or not totals:
        return []
    baseline = comparison.baseline
    lines = [
        Line([
            Cell(_POLICIES.get(t.policy, t.policy) + (f", else {t.fallback}" if t.fallback else ""), mark=_mark(t)),
            Cell(seconds_text(t.seconds), t.seconds),
            Cell(f"{comparison.flops / t.seconds / 1e9:.0f}", comparison.flops / t.seconds),
            Cell(f"{t.speedup:.2f}x" if t.speedup else MISSING, t.speedup),
            Cell(str(t.convolutions), t.convolutions),
        ])
        for t in totals
    ]  # fmt: skip
    columns = [
        Column("policy", wrap=True),
        Column("time", numeric=True),
        Column("GFLOP/s", numeric=True, minor=True),
        Column(f"vs {baseline}" if baseline else "speed-up", numeric=True, hint="Speed-up"),
        Column("convolutions", numeric=True, minor=True, hint="In how many of them the algorithm itself runs"),
    ]
    title = f"{comparison.convolutions} convolutions, {flops_text(comparison.flops)}"
    return [Text(wins_text(comparison)), Beside([total_bars(comparison), Table(title, columns, lines)])]


def _mark(total):
    return "chosen" if total.policy == BEST else ""


def _layers(comparison):
    # The next one gives way to other libraries.
    last = Column("next", minor=True)
    if comparison.peers:
        last = Column("fastest peer", minor=True, hint="Another library's time relative to the fastest algorithm's")
    columns = [
        Column("layer"),
        Column(
            "shape",
            minor=True,
            hint="Batch, channels, height, width; filters and kernel; s stride, p padding, d dilation, g groups",
        ),
        Column("n", numeric=True, minor=True, hint="How often the network has the layer"),
        Column("chosen"),
        Column("time", numeric=True),
        Column("GFLOP/s", numeric=True, minor=True, hint="Operations counted as direct convolution's"),
        Column("error", numeric=True, minor=True, hint="Largest, as a fraction of |x| conv |w|"),
        Column("workspace", numeric=True, minor=True),
        last,
    ]
    lines = [_layer(comparison, row) for row in comparison.rows]
    return Table("A row unfolds to its tuning record.", columns, lines, filter="Filter layers")


def _layer(comparison, row):
    layer, problem = row.layer, row.layer.problem
    chosen = row[row.chosen] if row.chosen else row.winner
    shown = [comparison.label(row) or str(problem), str(problem), Cell(str(layer.occurrences), layer.occurrences)]
    if chosen is None:
        return Line([*shown, *[MISSING] * 6], _record(row))
    other = next((m for m in row.ranking if m.algorithm != chosen.algorithm), None)
    cells = [
        *shown,
        Cell(chosen.algorithm, mark="chosen"),
        Cell(seconds_text(chosen.seconds), chosen.seconds),
        Cell(number_text(row.gflops(chosen.algorithm), ".0f"), row.gflops(chosen.algorithm)),
        Cell(number_text(chosen.error, ".0e"), chosen.error),
        Cell(bytes_text(chosen.workspace), chosen.workspace),
        _relative(row, row.best_peer if comparison.peers else other),
    ]
    return Line(cells, _record(row))


def _relative(row, measurement):
    if measurement is None:
        return Cell(MISSING)
    slowdown = row.slowdown(measurement.algorithm)
    return Cell(f"{slowdown:.2f}x {measurement.algorithm}", slowdown)


def _record(row):
    problem = row.layer.problem
    heuristic = f" The heuristic picks {row.heuristic}." if row.heuristic else ""
    text = (
        f"{problem}, {problem.direction}, {problem.memory_format}, {problem.dtype}: {flops_text(problem.flops)}, "
        f"{bytes_text(problem.bytes)} of operands.{heuristic}"
    )
    fronts = {"error": row.front("error"), "workspace": row.front("workspace")}
    everyone = (*row.measurements, *row.peers)
    timed = sorted((m for m in everyone if m.seconds is not None), key=lambda m: m.seconds)
    rejected = [Line([m.algorithm, m.kind or "", m.reason]) for m in everyone if m.reason]
    found = [Text(text), Table("Timed", _RECORD, [_candidate(row, m, fronts) for m in timed])]
    return found + ([Table("Rejected", _REJECTED, rejected)] if rejected else [])


def _candidate(row, m, fronts):
    slowdown = row.slowdown(m.algorithm)
    best_in = [quantity for quantity, names in fronts.items() if m.algorithm in names]
    return Line([
        Cell(m.algorithm, mark="chosen" if m.algorithm == row.chosen else ""),
        Cell(seconds_text(m.seconds), m.seconds),
        Cell(number_text(m.spread, ".0%"), m.spread),
        Cell(number_text(slowdown, ".2f"), slowdown),
        Cell(number_text(row.gflops(m.algorithm), ".0f"), row.gflops(m.algorithm)),
        Cell(seconds_text(m.predicted_seconds), m.predicted_seconds),
        Cell(number_text(m.error, ".0e"), m.error),
        Cell(number_text(m.error_bound, ".0e"), m.error_bound),
        Cell(bytes_text(m.workspace), m.workspace),
        Cell(seconds_text(m.pack_seconds), m.pack_seconds),
        ", ".join(best_in),
    ])  # fmt: skip


def _times(comparison):
    figures = [figure for row in comparison.rows if (figure := layer_bars(comparison, row))]
    text = (
        "Fastest round of each algorithm; the line goes on to the typical round. \u2713 and colour: chosen. Hollow: another "
        "library or, dashed, an algorithm that may not be used. A cut bar is longer than shown."
    )
    return [Text(text), Gallery(figures, filter="Filter layers")] if figures else []


def _tradeoffs(comparison):
    return error_tradeoff(comparison), workspace_tradeoff(comparison), roofline(comparison)


def _maps(comparison):
    maps = winner_maps(comparison)
    text = (
        "The fastest algorithm, and how many times slower the fastest of another kind is (W: Winograd with its tile). A + "
        "marks a cell with several layers whose fastest algorithms differ; the one with most operations is shown."
    )
    return [Text(text), Gallery(maps)] if maps else []
