"""A comparison as text, at most `WIDTH` columns wide."""

from __future__ import annotations

import re
import textwrap

__all__ = ["format_comparison", "format_heuristic", "format_layer", "format_seconds", "format_table"]

WIDTH = 118
GAP = "  "
MISSING = "-"
# Numbers in a reason that are quantities and not part of a shape: bytes, bounds. Reasons that differ in them only are one.
_QUANTITY = re.compile(r"\d[\d.]*e[+-]?\d+|\d+\.\d+|(?<![\w.])\d+(?![\w.])")
# What follows a layer's name where a table holds several directions.
_DIRECTION_MARKS = {"forward": "y", "input_grad": "dx", "weight_grad": "dw"}


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
    title = f"{name}{problem}  ({problem.direction}, {problem.memory_format}, {problem.dtype}){times}, {_flops(problem.flops)}"
    header = ["", "algorithm", "time", "GFLOP/s", "slower", "predicted", "error", "bound", "workspace", "packing"]
    lines = []
    ranking = row.ranking
    for m in ranking + [m for m in row.measurements if not m.usable and m.seconds is not None]:
        slower = row.slowdown(m.algorithm)
        lines.append([
            ">" if m is row.winner else "",
            m.algorithm,
            format_seconds(m.seconds),
            _number(row.gflops(m.algorithm), ".1f"),
            "best" if m is row.winner else MISSING if slower is None else f"{slower:.2f}x",
            format_seconds(m.predicted_seconds),
            _number(m.error, ".0e"),
            _number(m.error_bound, ".0e"),
            _bytes(m.workspace),
            format_seconds(m.pack_seconds),
        ])  # fmt: skip
    text = title + "\n" + format_table(header, lines, "ll")
    refused = {m.reason: [n.algorithm for n in row.measurements if n.reason == m.reason] for m in row.measurements if m.reason}
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
                f"  {_label(comparison, row)} ({row.layer.problem}): {row.heuristic}, {slow} than {row.winner.algorithm}"
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


def format_seconds(seconds):
    """A time with three significant digits and its unit."""
    if seconds is None:
        return MISSING
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= 0.9995 * size:
            return f"{_three_digits(seconds / size)} {unit}"
    return f"{_three_digits(seconds * 1e6)} us"


def _heading(comparison):
    names = ("threads", "direction", "memory_format", "dtype", "precision", "batch")
    settings = ", ".join(f"{name} {comparison.settings[name]}" for name in names if comparison.settings.get(name) is not None)
    return f"{comparison.title}: {settings}" if settings else comparison.title


def _winners(comparison):
    header = ["layer", "shape", "n", "fastest", "time", "GFLOP/s", "error", "workspace", "next"]
    lines = []
    for row in comparison.rows:
        best, others = row.winner, row.ranking[1:]
        if best is None:
            lines.append([_label(comparison, row), str(row.layer.problem), str(row.layer.occurrences), *[MISSING] * 6])
            continue
        lines.append([
            _label(comparison, row),
            str(row.layer.problem),
            str(row.layer.occurrences),
            best.algorithm,
            format_seconds(best.seconds),
            _number(row.gflops(best.algorithm), ".0f"),
            _number(best.error, ".0e"),
            _bytes(best.workspace),
            f"{row.slowdown(others[0].algorithm):.2f}x {others[0].algorithm}" if others else MISSING,
        ])  # fmt: skip
    text = format_table(header, lines, "llrlrrrrl")
    if max(map(len, text.splitlines())) <= WIDTH:
        return text
    # The next one is what the matrix shows as well.
    return format_table(header[:-1], [line[:-1] for line in lines], "llrlrrrr")


def _matrix(comparison):
    """Each algorithm's time relative to the fastest; where it cannot be used, the number of the reason."""
    reasons = _reasons(comparison)
    used = [name for name in comparison.algorithms if any(row[name].seconds is not None for row in comparison.rows)]
    notes = {}
    for name in used:
        for text in reasons[name].values():
            notes.setdefault(text, (len(notes) + 1, []))[1].append(name)
    lines = []
    for row in comparison.rows:
        numbers = {name: notes[reasons[name][row[name].reason]][0] for name in used if row[name].reason}
        lines.append([_label(comparison, row), *(_cell(row, name, numbers.get(name)) for name in used)])
    text = "time relative to the fastest; (n): may or can not be used, for the reason below\n"
    text += "\n\n".join(_in_columns(["layer", *used], lines))
    for reason, (number, names) in notes.items():
        text += "\n" + _wrapped(f"  ({number}) ", f"{', '.join(dict.fromkeys(names))}: {reason}")
    for name in comparison.algorithms:
        if name not in used:
            text += "\n" + _wrapped("  ", f"{name}, on no layer: {'; '.join(dict.fromkeys(reasons[name].values()))}")
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
    for name in comparison.algorithms:
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
    header = [f"{comparison.convolutions} convolutions, {_flops(comparison.flops)}", "time", "GFLOP/s", versus, "convolutions"]
    names = {"best": "the fastest for each layer", "heuristic": "the heuristic's picks"}
    lines = [
        [
            names.get(t.policy, t.policy) + (f", else {t.fallback}" if t.fallback else ""),
            format_seconds(t.seconds),
            f"{comparison.flops / t.seconds / 1e9:.0f}",
            MISSING if t.speedup is None else f"{t.speedup:.2f}x",
            str(t.convolutions),
        ]
        for t in totals
    ]
    return format_table(header, lines, "l") + "\n\n" + _summary(comparison, totals)


def _summary(comparison, totals):
    best = next(t for t in totals if t.policy == "best")
    alone = [t for t in totals if t.policy in comparison.algorithms and t.fallback is None]
    text = f"{comparison.title} takes {format_seconds(best.seconds)} with the fastest algorithm for each layer"
    if alone:
        faster = ", ".join(f"{t.seconds / best.seconds:.2f}x faster than with {t.policy}" for t in alone)
        text += f": {faster} alone"
    wins = ", ".join(f"{name} {count}" for name, count in comparison.wins().items())
    return textwrap.fill(f"{text}. Fastest: {wins} of {comparison.convolutions} convolutions.", WIDTH)


def _label(comparison, row):
    if len({r.layer.problem.direction for r in comparison.rows}) == 1:
        return row.layer.name
    return f"{row.layer.name} {_DIRECTION_MARKS[row.layer.problem.direction]}".strip()


def _wrapped(indent, text):
    return textwrap.fill(text, WIDTH, initial_indent=indent, subsequent_indent=" " * len(indent))


def _number(value, format_spec):
    return MISSING if value is None else format(value, format_spec)


def _three_digits(value):
    return f"{value:.0f}" if value >= 99.95 else f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def _flops(count):
    for unit, size in (("G", 1e9), ("M", 1e6), ("K", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}FLOP"
    return f"{count} FLOP"


def _bytes(count):
    if not count:
        return MISSING if count is None else "0"
    for unit, size in (("GB", 2**30), ("MB", 2**20), ("KB", 2**10)):
        if count >= 0.9995 * size:
            return f"{_three_digits(count / size)} {unit}"
    return f"{count} B"
