"""Time after over time before, layer by layer."""

from __future__ import annotations

from ..changes import FLOOR
from ..page import Figure
from ..svg import INK, LINE, MUTED, canvas, series

__all__ = ["ratios"]

_WIDTH, _LINE, _AXES = 360, 17, 42
_COLORS = {"faster": series(2), "slower": series(1), "same": MUTED}
_TICKS = (0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2, 3, 5, 10)
_MOST_TICKS = 7


def ratios(change):
    """The `Figure` of a `Change`'s layers; None if none was timed in both."""
    layers = [layer for layer in change.layers if layer.best]
    if not layers:
        return None
    with canvas(_WIDTH, _LINE * len(layers) + _AXES) as drawing:
        axes = drawing.subplots()
        axes.axvspan(1 / (1 + FLOOR), 1 + FLOOR, color=LINE, alpha=0.5, linewidth=0)
        axes.axvline(1, color=INK, linewidth=1)
        hints = {}
        ends = [1 / (1 + FLOOR), 1 + FLOOR]
        for position, layer in enumerate(layers):
            best = layer.best
            color = _COLORS[best.verdict]
            interval = (
                best.ratio / (1 + (best.before.spread or 0)),
                best.ratio * (1 + (best.after.spread or 0)),
            )
            ends += interval
            axes.plot(interval, [position] * 2, color=color, linewidth=1)
            axes.plot(best.ratio, position, "o", color=color, markersize=5, gid=f"layer{position}")
            hints[f"layer{position}"] = f"{layer.label}: {best.ratio:.2f}, {best.verdict}"
        low, high = min(ends) / 1.02, max(ends) * 1.02
        axes.set(xscale="log", xlim=(low, high), ylim=(len(layers) - 0.5, -0.5), xlabel="time after / before")
        axes.minorticks_off()
        inside = [tick for tick in _TICKS if low <= tick <= high]
        step = -(-len(inside) // _MOST_TICKS)
        ticks = [tick for tick in inside if abs(inside.index(tick) - inside.index(1)) % step == 0]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_yticks(range(len(layers)), [layer.label for layer in layers])
        axes.tick_params(axis="y", length=0)
        axes.grid(False, axis="y")
    listed = ", ".join(f"{layer.label} {layer.best.ratio:.2f}" for layer in layers if layer.best.verdict != "same")
    return Figure.of(
        drawing, "Time after over time before",
        f"Ratios of {len(layers)} layers. Beyond noise: {listed or 'none'}.",
        "Of the fastest algorithm of each layer; the line reaches from one typical round to the other. Coloured: beyond noise. "
        f"Shaded: within {FLOOR:.0%}.",
        hints,
    )  # fmt: skip
