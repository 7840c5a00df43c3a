"""A comparison as text, at most `WIDTH` columns wide."""

from __future__ import annotations

import re
import textwrap

from .quantities import MISSING, bytes_text, flops_text, number_text, seconds_text
from .summary import summary, wins_text
from .totals import BEST, BEST_PEER, HEURISTIC

__all__ = ["format_comparison", "format_heuristic", "format_layer", "format_table"]

WIDTH = 118
GAP = "  "
# Numbers in a reason that are quantities and not part of a shape: bytes, bounds. Reasons that differ in them only are one.
_QUANTITY = re.compile(r"\d[\d.]*e[+-]?\d+|\d+\.\d+|(?<![\w.])\d+(?![\w.])")


def format_comparison(comparison, details=False):
    """The whole comparison as text.

    Parameters
    ----------
    comparison : Comparison
    details : bool
        Show each layer in full rather than a line a layer. A single layer is always shown in full.

    Returns
    -------
    str
    """
    rows = comparison.rows
    parts = [_heading(comparison)]
    if details or len(rows) == 1:
        parts += [format_layer(row) for row in rows]
    else:
        parts.append(_winners(comparison))
        parts.append(_matrix(comparison))
    if len(rows) > 1:
        parts.append(_totals(comparison))
    return "\n\n".join(part for part in parts if part)


def format_layer(row):
    """One layer in full: every algorithm's time, speed, error and workspace, or why it cannot be used."""
    problem = row.layer.problem
    name = f"{row.layer.name}: " if row.layer.name else ""
    times = f", {row.layer.occurrences} times" if row.layer.occurrences > 1 else ""
    title = (
        f"{name}{problem}  ({problem.direction}, {problem.memory_format}, {problem.dtype}){times}, {flops_text(problem.flops)}"
    )
    header = ["", "algorithm", "time", "GFLOP/s", "slower", "predicted", "error", "bound", "workspace", "packing"]
    lines = []
    usable = sorted([*row.ranking, *(m for m in row.peers if m.usable)], key=lambda m: m.seconds)
    for m in usable + [m for m in (*row.measurements, *row.peers) if not m.usable and m.seconds is not None]:
        slower = row.slowdown(m.algorithm)
        lines.append([
            ">" if m is row.winner else "",
            m.algorithm,
            seconds_text(m.seconds),
            number_text(row.gflops(m.algorithm), ".1f"),
            "best" if m is row.winner else MISSING if slower is None else f"{slower:.2f}x",
            seconds_text(m.predicted_seconds),
            number_text(m.error, ".0e"),
            number_text(m.error_bound, ".0e"),
            bytes_text(m.workspace),
            seconds_text(m.pack_seconds),
        ])  # fmt: skip
    text = title + "\n" + format_table(header, lines, "ll")
    everyone = (*row.measurements, *row.peers)
    refused = {m.reason: [n.algorithm for n in everyone if n.reason == m.reason] for m in everyone if m.reason}
    return "\n".join([text, *(_wrapped("   not used: ", f"{', '.join(names)}: {reason}") for reason, names in refused.items())])


def format_heuristic(comparison):
    """How often the heuristic takes the fastest algorithm or one nearly as fast, and where it does not."""
    rows, good = comparison.rows, comparison.good_picks()
    lines = [f"heuristic: {len(good)} of {len(rows)} rows ({len(good) / len(rows):.0%}) the fastest or within 1.25x of it"]
    for row in rows:
        if row not in good and row.winner:
            slower = row.slowdown(row.heuristic)
            slow = "not timed" if slower is None else f"{slower:.2f}x slower"
            lines.append(
                f"  {comparison.label(row)} ({row.layer.problem}): {row.heuristic}, {slow} than {row.winner.algorithm}"
            )
    return "\n".join(lines)


def format_table(header, rows, left=""):
    """Columns under a header and a rule; those marked `l` in `left` are flush left, all others flush right."""
    table = [header, *rows]
    widths = [max(len(line[i]) for line in table) for i in range(len(header))]
    rule = ["-" * width for width in widths]
    lines = [
        GAP.join(
            cell.ljust(width) if left[i : i + 1] == "l" else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in (header, rule, *rows)
    ]
    return "\n".join(lines)


def _heading(comparison):
    names = ("threads", "direction", "memory_format", "dtype", "precision", "batch")
    settings = ", ".join(f"{name} {comparison.settings[name]}" for name in names if comparison.settings.get(name) is not None)
    return f"{comparison.title}: {settings}" if settings else comparison.title


def _winners(comparison):
    # The workspace gives way to other libraries.
    last = ["fastest peer"] if comparison.peers else ["workspace", "next"]
    header = ["layer", "shape", "n", "fastest", "time", "GFLOP/s", "error", *last]
    lines = []
    for row in comparison.rows:
        best, other = row.winner, row.best_peer if comparison.peers else next(iter(row.ranking[1:]), None)
        shown = [comparison.label(row), str(row.layer.problem), str(row.layer.occurrences)]
        if best is None:
            lines.append([*shown, *[MISSING] * (len(header) - len(shown))])
            continue
        lines.append([
            *shown,
            best.algorithm,
            seconds_text(best.seconds),
            number_text(row.gflops(best.algorithm), ".0f"),
            number_text(best.error, ".0e"),
            *([] if comparison.peers else [bytes_text(best.workspace)]),
            f"{row.slowdown(other.algorithm):.2f}x {other.algorithm}" if other else MISSING,
        ])  # fmt: skip
    left = "llrlrrrl" if comparison.peers else "llrlrrrrl"
    text = format_table(header, lines, left)
    if max(map(len, text.splitlines())) <= WIDTH:
        return text
    # The last column is what the matrix shows as well.
    return format_table(header[:-1], [line[:-1] for line in lines], left)


def _matrix(comparison):
    """Each algorithm's time relative to the fastest; where it cannot be used, the number of the reason."""
    reasons = _reasons(comparison)
    everyone = (*comparison.algorithms, *comparison.peers)
    used = [name for name in everyone if any(row[name].seconds is not None for row in comparison.rows)]
    notes = {}
    for name in used:
        for text in reasons[name].values():
            notes.setdefault(text, (len(notes) + 1, []))[1].append(name)
    lines = []
    for row in comparison.rows:
        numbers = {name: notes[reasons[name][row[name].reason]][0] for name in used if row[name].reason}
        lines.append([comparison.label(row), *(_cell(row, name, numbers.get(name)) for name in used)])
    fastest = "the fastest algorithm of fastconv" if comparison.peers else "the fastest"
    text = f"time relative to {fastest}; (n): may or can not be used, for the reason below\n"
    text += "\n\n".join(_in_columns(["layer", *used], lines))
    for reason, (number, names) in notes.items():
        text += "\n" + _wrapped(f"  ({number}) ", f"{', '.join(dict.fromkeys(names))}: {reason}")
    for name in everyone:
        if name not in used:
            text += "\n" + _wrapped("  ", f"{name}, on no layer: {'; '.join(dict.fromkeys(reasons[name].values()))}")
    for name, reason in comparison.missing_peers.items():
        text += "\n" + _wrapped("  ", f"{name} is left out: {reason}")
    return text


def _cell(row, name, number):
    m = row[name]
    text = MISSING if m.seconds is None else "best" if m is row.winner else f"{row.slowdown(name):.2f}x"
    if number is None:
        return text
    return f"({number})" if m.seconds is None else f"{text} ({number})"


def _reasons(comparison):
    """For each algorithm, its reasons and how to say them; those that differ in quantities only are said once."""
    result = {}
    for name in (*comparison.algorithms, *comparison.peers):
        reasons = list(dict.fromkeys(row[name].reason for row in comparison.rows if row[name].reason))
        alike = {}
        for reason in reasons:
            alike.setdefault(_QUANTITY.sub("#", reason), []).append(reason)
        result[name] = {reason: _as_one(same) for same in alike.values() for reason in same}
    return result


def _as_one(reasons):
    columns = iter(zip(*(_QUANTITY.findall(reason) for reason in reasons), strict=True))

    def spell(_):
        values = sorted(set(next(columns)), key=float)
        return values[0] if len(values) == 1 else f"{values[0]}..{values[-1]}"

    return _QUANTITY.sub(spell, reasons[0])


def _in_columns(header, lines):
    """The table in as many pieces, side by side in meaning, as the width asks for; the first column is in each."""
    widths = [max(len(line[i]) for line in (header, *lines)) for i in range(len(header))]
    pieces, width = [[]], widths[0]
    for i in range(1, len(header)):
        if pieces[-1] and width + len(GAP) + widths[i] > WIDTH:
            pieces.append([])
            width = widths[0]
        pieces[-1].append(i)
        width += len(GAP) + widths[i]
    return [format_table([header[i] for i in (0, *p)], [[line[i] for i in (0, *p)] for line in lines], "l") for p in pieces]


def _totals(comparison):
    totals = comparison.totals()
    if not totals:
        return "no totals: no algorithm was timed on some layer"
    versus = f"vs {comparison.baseline}" if comparison.baseline else "speed-up"
    header = [
        f"{comparison.convolutions} convolutions, {flops_text(comparison.flops)}",
        "time",
        "GFLOP/s",
        versus,
        "convolutions",
    ]
    names = {
        BEST: "the fastest for each layer", HEURISTIC: "the heuristic's picks", BEST_PEER: "the fastest peer for each layer",
    }  # fmt: skip
    lines = [
        [
            names.get(t.policy, t.policy) + (f", else {t.fallback}" if t.fallback else ""),
            seconds_text(t.seconds),
            f"{comparison.flops / t.seconds / 1e9:.0f}",
            MISSING if t.speedup is None else f"{t.speedup:.2f}x",
            str(t.convolutions),
        ]
        for t in totals
    ]
    return format_table(header, lines, "l") + "\n\n" + textwrap.fill(f"{summary(comparison)} {wins_text(comparison)}", WIDTH)


def _wrapped(indent, text):
    return textwrap.fill(text, WIDTH, initial_indent=indent, subsequent_indent=" " * len(indent))
