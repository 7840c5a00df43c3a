"""What changed between two comparisons, as text."""

from __future__ import annotations

import textwrap

from .quantities import MISSING, faster_text, seconds_text
from .text import WIDTH, format_table

__all__ = ["VERDICTS", "change_summary", "format_change", "spread_text"]

# How tables show a verdict.
VERDICTS = {"faster": "faster", "slower": "slower", "same": ""}


def format_change(change, details=False):
    """A `Change` as text.

    Parameters
    ----------
    change : Change
    details : bool
        Also list every algorithm whose time changed beyond noise.
    """
    parts = [change_summary(change), _circumstances(change), _layers(change), _algorithms(change)]
    if details:
        parts.append(_details(change))
    parts.append(_only(change))
    return "\n\n".join(part for part in parts if part)


def change_summary(change):
    """What changed, in a few sentences that can be quoted alone."""
    before, after = change.names
    if change.ratio is None:
        return f"{after} against {before}: no layer was timed in both."
    count = change.verdicts()
    total = sum(count.values())
    text = f"{after} is {faster_text(1 / change.ratio)} {before}: geometric mean of the fastest algorithm's time over {total} "
    text += f"layer{'s' if total != 1 else ''}. "
    if count["same"] == total:
        text += "No layer differs beyond noise."
    else:
        text += f"Beyond noise {count['faster']} of them are faster and {count['slower']} slower."
    winners = sum(layer.new_winner for layer in change.layers)
    if winners:
        text += f" {winners} layer{'s have' if winners > 1 else ' has'} another fastest algorithm."
    return textwrap.fill(text, WIDTH)


def spread_text(difference):
    """The spreads of both times."""
    return " ".join(MISSING if m.spread is None else f"{m.spread:.0%}" for m in (difference.before, difference.after))


def _circumstances(change):
    rows = [[name, _said(a), _said(b)] for name, (a, b) in change.circumstances.items()]
    if not rows:
        return "settings and environment are the same"
    lines = [f"{name}: {a} -> {b}" for name, a, b in rows]
    return "what differs between the runs\n" + "\n".join(
        textwrap.fill(line, WIDTH, initial_indent="  ", subsequent_indent="    ") for line in lines
    )


def _said(value):
    return "none" if value in (None, "", []) else ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _layers(change):
    header = ["layer", "fastest", "before", "after", "ratio", "spreads", "beyond noise"]
    lines = []
    for layer in change.layers:
        best = layer.best
        if best is None:
            lines.append([layer.label, *[MISSING] * 5, ""])
            continue
        winners = dict.fromkeys((best.before.algorithm, best.after.algorithm))
        lines.append([
            layer.label,
            " -> ".join(winners),
            seconds_text(best.before.seconds),
            seconds_text(best.after.seconds),
            f"{best.ratio:.2f}",
            spread_text(best),
            ", ".join(filter(None, [VERDICTS[best.verdict], "other algorithm" if layer.new_winner else ""])),
        ])  # fmt: skip
    return format_table(header, lines, "llrrrrl")


def _algorithms(change):
    lines = [
        [name, str(count), f"{ratio:.2f}", str(faster), str(slower)]
        for name, (ratio, count, faster, slower) in change.by_algorithm().items()
    ]
    return format_table(["algorithm", "timings", "ratio (geometric mean)", "faster", "slower"], lines, "l")


def _details(change):
    lines = [
        [layer.label, d.name, seconds_text(d.before.seconds), seconds_text(d.after.seconds), f"{d.ratio:.2f}", spread_text(d),
         d.verdict]
        for layer in change.layers
        for d in layer.differences()
        if d.verdict != "same"
    ]  # fmt: skip
    if not lines:
        return "no algorithm's time changed beyond noise"
    return format_table(["layer", "algorithm", "before", "after", "ratio", "spreads", ""], lines, "llrrrrl")


def _only(change):
    parts = [(change.names[0], change.only_before), (change.names[1], change.only_after)]
    return "\n".join(
        textwrap.fill(f"only in {name}: {', '.join(layers)}", WIDTH, subsequent_indent="  ") for name, layers in parts if layers
    )
