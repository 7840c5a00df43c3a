"""Times as bars, the chosen one marked: every algorithm on one layer, or a network under each policy."""

from __future__ import annotations

import dataclasses

from ..page import Figure
from ..quantities import seconds_text
from ..svg import ACCENT, INK, MUTED, PAPER, canvas
from ..totals import BEST, BEST_PEER, HEURISTIC

__all__ = ["layer_bars", "total_bars"]

_WIDTH, _BAR, _LABELS, _VALUES = 360, 18, 128, 72
# Bars longer than this, relative to the fastest, are cut.
_LONGEST = 5.0


@dataclasses.dataclass(frozen=True)
class _Bar:
    label: str
    seconds: float
    spread: float | None = None
    chosen: bool = False
    peer: bool = False
    refused: bool = False


def layer_bars(comparison, row):
    """The `Figure` of a row's times; None if nothing was timed."""
    timed = [m for m in (*row.measurements, *row.peers) if m.seconds is not None]
    if not timed:
        return None
    bars = [
        _Bar(m.algorithm, m.seconds, m.spread, m.algorithm == row.chosen, m in row.peers, m.kind is not None) for m in timed
    ]
    layer, problem = row.layer, row.layer.problem
    times = f", {layer.occurrences} times" if layer.occurrences > 1 else ""
    shape = f"{problem}{times}"
    name = comparison.label(row)
    return _figure(bars, name or shape, subtitle=shape if name else "")


def total_bars(comparison):
    """The `Figure` of the network's times under each policy; None if there are none."""
    names = {BEST: "fastest per layer", HEURISTIC: "heuristic's picks", BEST_PEER: "fastest peer per layer"}
    bars = [
        _Bar(names.get(t.policy, t.policy) + (" *" if t.fallback else ""), t.seconds, None, t.policy == BEST, t.peer)
        for t in comparison.totals()
    ]
    if not bars:
        return None
    note = f" * where it can be used, else {comparison.fallback}." if any(bar.label.endswith("*") for bar in bars) else ""
    return _figure(bars, f"All {comparison.convolutions} convolutions", f"Sum over the layers, as often as they occur.{note}")


def _figure(bars, title, caption="", subtitle=""):
    bars = sorted(bars, key=lambda bar: bar.seconds)
    fastest = min((bar.seconds for bar in bars if bar.chosen), default=bars[0].seconds)
    height = _BAR * len(bars) + 6
    with canvas(_WIDTH, height) as drawing:
        drawing.set_layout_engine("none")
        left, right = _LABELS / _WIDTH, 1 - _VALUES / _WIDTH
        axes = drawing.add_axes((left, 0, right - left, 1))
        axes.set_axis_off()
        limit = min(_LONGEST * fastest, max(bar.seconds * (1 + (bar.spread or 0)) for bar in bars))
        axes.set(xlim=(0, limit), ylim=(len(bars) - 0.5 + 3 / _BAR, -0.5 - 3 / _BAR))
        hints = {}
        for position, bar in enumerate(bars):
            _draw(axes, position, bar, limit)
            hints[f"bar{position}"] = _hint(bar, fastest)
    listed = ", ".join(f"{bar.label} {seconds_text(bar.seconds)}{' (chosen)' if bar.chosen else ''}" for bar in bars)
    return Figure.of(drawing, title, f"Times, fastest first: {listed}.", caption, hints, subtitle)


def _draw(axes, position, bar, limit):
    # Names of other libraries are grey, bars of what may not be used hollow.
    color = ACCENT if bar.chosen else MUTED
    face = "none" if bar.refused or bar.peer else color
    end = min(bar.seconds, limit)
    axes.barh(
        position, end, 0.66, color=face, edgecolor=color, linewidth=1, alpha=1 if bar.chosen else 0.7,
        linestyle="--" if bar.refused else "-", gid=f"bar{position}",
    )  # fmt: skip
    if bar.seconds > limit:
        # A cut through the bar.
        axes.plot([0.9 * limit, 0.93 * limit], [position + 0.5, position - 0.5], color=PAPER, linewidth=3)
    elif bar.spread:
        typical = min(bar.seconds * (1 + bar.spread), limit)
        axes.plot([bar.seconds, typical], [position] * 2, color=INK, linewidth=1.2)
    weight = "bold" if bar.chosen else "normal"
    across = axes.get_yaxis_transform()
    value = seconds_text(bar.seconds) + (" \u2713" if bar.chosen else "")
    axes.text(-0.03, position, bar.label, transform=across, ha="right", va="center", weight=weight, clip_on=False)
    axes.text(1.03, position, value, transform=across, ha="left", va="center", weight=weight, clip_on=False)


def _hint(bar, fastest):
    text = f"{bar.label}: {seconds_text(bar.seconds)}, {bar.seconds / fastest:.2f} of the chosen one's"
    if bar.spread is not None:
        text += f"; the typical round {bar.spread:.0%} slower"
    return text + ("; may not be used" if bar.refused else "")
