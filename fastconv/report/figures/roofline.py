"""Speed against operations per byte, under the machine's measured peaks (Williams, Waterman and Patterson 2009)."""

from __future__ import annotations

import math

from ..page import Figure
from ..svg import INK, MUTED, canvas
from .style import legend, logarithmic, look

__all__ = ["roofline"]

_WIDTH, _HEIGHT, _LEGEND_LINE = 360, 300, 15
# The level that holds a layer's data between calls, and the one beyond it.
_ROOFS = (("L3", "--", "third-level cache"), ("memory", "-", "memory"))
_CAPTION = (
    "A point is the chosen algorithm of a layer. Operations are counted as direct convolution's, two for a multiply-add, and "
    "bytes as if input, weights and output moved once. Winograd and FFT need fewer operations than are counted: above the roof "
    "is where direct convolution cannot come."
)


def roofline(comparison):
    """The `Figure` of a comparison that knows the machine's peaks; else None."""
    peaks = comparison.peaks
    # An empty batch has no operations.
    rows = [row for row in comparison.rows if row.winner and row.layer.problem.flops]
    if peaks is None or not rows:
        return None
    intensity = {id(row): row.layer.problem.flops / row.layer.problem.bytes for row in rows}
    chosen = {id(row): row.chosen or row.winner.algorithm for row in rows}
    names = [name for name in comparison.algorithms if name in chosen.values()]
    peers = ["fastest peer"] if any(row.best_peer for row in rows) else []
    columns = 2
    with canvas(_WIDTH, _HEIGHT + _LEGEND_LINE * -(-len(names + peers) // columns)) as drawing:
        axes = drawing.subplots()
        axes.set(xscale="log", yscale="log", xlabel="operations per byte", ylabel="GFLOP/s")
        hints = {}
        speeds = []
        for number, row in enumerate(rows):
            if row.best_peer:
                gflops = row.gflops(row.best_peer.algorithm)
                axes.plot(intensity[id(row)], gflops, "x", color=MUTED, markersize=4, gid=f"peer{number}")
                hints[f"peer{number}"] = f"{comparison.label(row)}: {row.best_peer.algorithm}, {gflops:.0f} GFLOP/s"
                speeds.append(gflops)
        for number, row in enumerate(rows):
            name = chosen[id(row)]
            color, marker = look(name, comparison.algorithms)
            gflops = row.gflops(name)
            axes.plot(intensity[id(row)], gflops, marker, color=color, markersize=5.5, gid=f"layer{number}")
            hints[f"layer{number}"] = (
                f"{comparison.label(row)} ({row.layer.problem}): {name}, {gflops:.0f} GFLOP/s, "
                f"{intensity[id(row)]:.0f} operations per byte"
            )
            speeds.append(gflops)
        # As far to the left as the slope of the roof shows.
        ridges = [peaks.flops / peaks.bandwidth[level] for level, *_ in _ROOFS]
        left, right = min(0.7 * min(intensity.values()), 0.2 * min(ridges)), 1.4 * max(*intensity.values(), *ridges)
        bottom, top = min(0.6 * min(speeds), 0.15 * peaks.flops / 1e9), 1.6 * max(*speeds, peaks.flops / 1e9)
        axes.set(xlim=(left, right), ylim=(bottom, top))
        _roofs(axes, peaks, left, right, bottom)
        logarithmic(axes.xaxis, right / left, "{:g}".format)
        logarithmic(axes.yaxis, top / bottom, "{:g}".format)
        legend(drawing, axes, [*names, *peers], comparison.algorithms, columns)
    best = max(rows, key=lambda row: row.gflops(chosen[id(row)]))
    levels = ", ".join(f"{name} {rate / 1e9:.0f} GB/s" for name, rate in peaks.bandwidth.items())
    measured = (
        f"Measured peaks on {peaks.threads} thread{'s' * (peaks.threads > 1)}: {peaks.flops / 1e9:.0f} GFLOP/s; {levels}."
    )
    description = (
        f"{measured} The fastest layer is {comparison.label(best)} with {best.gflops(chosen[id(best)]):.0f} GFLOP/s by "
        f"{chosen[id(best)]}."
    )
    return Figure.of(drawing, "Roofline", description, f"{measured} {_CAPTION}", hints)


def _roofs(axes, peaks, left, right, bottom):
    flops = peaks.flops / 1e9
    axes.plot([left, right], [flops] * 2, color=INK, linewidth=1.2)
    axes.text(right, flops, f"{flops:.0f} GFLOP/s", ha="right", va="bottom", fontsize=8, in_layout=False)
    for level, style, label in _ROOFS:
        rate = peaks.bandwidth[level] / 1e9
        axes.plot([left, flops / rate], [left * rate, flops], color=MUTED, linestyle=style, linewidth=1)
        start = 1.2 * max(left, bottom / rate)
        axes.text(
            start, start * rate, f"{label} {rate:.0f} GB/s", fontsize=8, rotation=math.degrees(math.atan(rate)),
            rotation_mode="anchor", transform_rotates_text=True, va="bottom", in_layout=False,
        )  # fmt: skip
