"""Which algorithm wins, over channels and image size: a map for each kind of kernel."""

from __future__ import annotations

from ...problem import DIRECTIONS
from ..page import Figure
from ..svg import INK, canvas
from .style import family, look, short_name

__all__ = ["kernel_kind", "winner_maps"]

_WIDTH, _CELL, _AXES = 360, 34, 46
# Cells are as wide as if there were so many at least.
_COLUMNS = 4
_TINT = 0.3


def kernel_kind(problem):
    """Kernel size and what else a map is made for: grouping, stride, dilation."""
    text = f"{problem.kernel_height}x{problem.kernel_width}"
    if problem.is_depthwise:
        text += " depthwise"
    elif problem.groups > 1:
        text += f", {problem.groups} groups"
    for name, (a, b) in (("stride", problem.stride), ("dilation", problem.dilation)):
        if (a, b) != (1, 1):
            text += f", {name} {a}" + (f"x{b}" if a != b else "")
    return text + ("" if problem.direction == "forward" else f", {problem.direction}")


def winner_maps(comparison):
    """A `Figure` for each direction and kind of kernel, in the order of kernel size."""
    kinds = {}
    for row in comparison.rows:
        if row.winner:
            kinds.setdefault(kernel_kind(row.layer.problem), []).append(row)
    return [_map(comparison, kind, rows) for kind, rows in sorted(kinds.items(), key=_order)]


def _order(item):
    kind, (row, *_) = item
    problem = row.layer.problem
    return DIRECTIONS.index(problem.direction), problem.taps, kind


def _map(comparison, kind, rows):
    cells = {}
    for row in rows:
        problem = row.layer.problem
        cells.setdefault((problem.in_channels, (problem.height, problem.width)), []).append(row)
    channels = sorted({c for c, _ in cells})
    sizes = sorted({size for _, size in cells})
    with canvas(_WIDTH, _CELL * len(channels) + _AXES) as drawing:
        axes = drawing.subplots()
        hints = {}
        for number, ((c, size), here) in enumerate(cells.items()):
            hints[f"cell{number}"] = "\n".join(_say(row) for row in here)
            _draw(axes, comparison, sizes.index(size), channels.index(c), here, f"cell{number}")
        axes.set(
            xlim=(-0.5, max(len(sizes), _COLUMNS) - 0.5), ylim=(-0.5, len(channels) - 0.5), xlabel="image", ylabel="channels"
        )
        axes.set_xticks(range(len(sizes)), [str(h) if h == w else f"{h}x{w}" for h, w in sizes])
        axes.set_yticks(range(len(channels)), list(map(str, channels)))
        axes.grid(False)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    return Figure.of(drawing, kind, "Fastest: " + "; ".join(text.replace("\n", "; ") for text in hints.values()), "", hints)


def _draw(axes, comparison, x, y, rows, gid):
    """Of several layers in one cell, which differ in filters or batch, the one of most work is shown."""
    row = max(rows, key=lambda r: r.layer.occurrences * r.layer.problem.flops)
    name = row.winner.algorithm
    color, _ = look(name, comparison.algorithms)
    axes.fill(
        [x - 0.48, x + 0.48, x + 0.48, x - 0.48], [y - 0.46, y - 0.46, y + 0.46, y + 0.46], color=color, alpha=_TINT, gid=gid,
        linewidth=0,
    )  # fmt: skip
    margin = _margin(row)
    label = short_name(name) + (" +" if len({r.winner.algorithm for r in rows}) > 1 else "")
    axes.text(x, y, label + (f"\n{margin:.1f}x" if margin else ""), ha="center", va="center", fontsize=8, color=INK)


def _margin(row):
    """How many times slower the fastest algorithm of another family is."""
    kin = family(row.winner.algorithm)
    return next((row.slowdown(m.algorithm) for m in row.ranking if family(m.algorithm) != kin), None)


def _say(row):
    margin = _margin(row)
    problem, text = row.layer.problem, ""
    if margin:
        other = next(m.algorithm for m in row.ranking if family(m.algorithm) != family(row.winner.algorithm))
        text = f", {other} {margin:.2f}x"
    return f"{problem}: {row.winner.algorithm}{text}"
