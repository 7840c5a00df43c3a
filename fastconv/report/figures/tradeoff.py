"""Time against error or workspace: the Pareto view of all layers at once."""

from __future__ import annotations

import math

from ..page import Figure
from ..quantities import bytes_text
from ..svg import canvas
from .style import bound_text, legend, logarithmic, look

__all__ = ["error_tradeoff", "workspace_tradeoff"]

_WIDTH, _HEIGHT, _LEGEND_LINE = 360, 260, 15
# Algorithms this many times slower than the fastest are no candidates any more.
_SLOWEST = 20.0
_TICKS = (1, 1.5, 2, 3, 5, 10, 20)
_CAPTION = (
    "A point is an algorithm on a layer; its time is relative to the fastest of the layer. Filled: no other algorithm of the "
    "layer is both faster and {better}. Left and low is better."
)


def error_tradeoff(comparison):
    """The `Figure` of time against measured error; None where no error is known."""
    caption = _CAPTION.format(better="more accurate")
    points = _points(comparison, "error")
    points = [point for point in points if point[3] > 0]
    if not points:
        return None

    def scale(axes):
        axes.set(yscale="log", ylabel="error, fraction of |x| conv |w|")
        values = [value for *_, value, _ in points]
        logarithmic(axes.yaxis, max(values) / min(values), bound_text)

    return _figure(comparison, points, "Time against error", scale, lambda value: f"error {value:.1e}", caption)


def workspace_tradeoff(comparison):
    """The `Figure` of time against bytes of scratch; None where nothing was timed."""
    caption = _CAPTION.format(better="in need of less memory")
    points = _points(comparison, "workspace")
    if not points:
        return None

    def scale(axes):
        values = [value for *_, value, _ in points]
        # Linear from zero to a power of two below the smallest, logarithmic from there.
        first = math.floor(math.log2(min(filter(None, values), default=1)))
        last = math.ceil(math.log2(max(*values, 2.0**first)))
        step = max(1, math.ceil((last - first) / 5))
        ticks = [0, *(2**exponent for exponent in range(first, last + 1, step))]
        axes.set_yscale("symlog", linthresh=2**first, base=2)
        axes.set(ylabel="workspace", ylim=(-0.2 * 2**first, None))
        axes.set_yticks(ticks, [bytes_text(t) for t in ticks])
        axes.yaxis.minorticks_off()

    return _figure(
        comparison, points, "Time against workspace", scale, lambda value: f"workspace {bytes_text(int(value))}", caption
    )


def _points(comparison, quantity):
    """(row, algorithm, relative time, value, whether on the front) of what may be used and is not hopelessly slow."""
    found = []
    for row in comparison.rows:
        front = row.front(quantity)
        for m in row.ranking:
            value, slowdown = getattr(m, quantity), row.slowdown(m.algorithm)
            if value is not None and slowdown <= _SLOWEST:
                found.append((row, m.algorithm, slowdown, value, m.algorithm in front))
    return found


def _figure(comparison, points, title, scale, say, caption):
    names = [name for name in comparison.algorithms if any(name == point[1] for point in points)]
    columns = 2
    with canvas(_WIDTH, _HEIGHT + _LEGEND_LINE * -(-len(names) // columns)) as drawing:
        axes = drawing.subplots()
        hints = {}
        for number, (row, name, slowdown, value, on_front) in enumerate(points):
            color, marker = look(name, comparison.algorithms)
            axes.plot(
                slowdown, value, marker, color=color, markerfacecolor=color if on_front else "none",
                alpha=0.9 if on_front else 0.5, markersize=5.5 if on_front else 4, gid=f"point{number}",
            )  # fmt: skip
            hints[f"point{number}"] = f"{comparison.label(row)}: {name}, {slowdown:.2f}x, {say(value)}"
        slowest = max(point[2] for point in points)
        scale(axes)
        axes.set(xscale="log", xlabel="time relative to the fastest", xlim=(0.95, max(2.1, slowest * 1.1)))
        ticks = [t for t in _TICKS if t <= max(2, slowest)]
        axes.set_xticks(ticks, [f"{t:g}x" for t in ticks])
        axes.xaxis.minorticks_off()
        legend(drawing, axes, names, comparison.algorithms, columns)
    fronts = {name: sum(p[4] for p in points if p[1] == name) for name in names}
    counts = ", ".join(f"{name} {count}" for name, count in sorted(fronts.items(), key=lambda item: -item[1]) if count)
    description = f"Scatter plot of {len(points)} points. On how many layers' fronts an algorithm is: {counts}."
    return Figure.of(drawing, title, description, caption, hints)
