"""How algorithms are told apart: a colour for each family, a marker for each member; other libraries are grey."""

from __future__ import annotations

import re

from ...extras import require
from ..svg import INK, MUTED, series

__all__ = ["bound_text", "family", "legend", "logarithmic", "look", "short_name"]

# Families that ship have the same colour on every page; those of plug-ins share the one after them.
_FAMILIES = ("direct", "im2col", "winograd", "fft", "depthwise", "implicit_gemm")
# Largest over smallest, from which on powers of ten are enough.
_MANY_TICKS = 300
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


def family(algorithm):
    """The family of an algorithm: its name up to a tile size."""
    return re.split(r"_?\d+x\d+", algorithm)[0]


def look(name, algorithms):
    """Colour and marker of an algorithm among `algorithms`, or of another library."""
    if name not in algorithms:
        return MUTED, "x"
    kin = family(name)
    color = series(_FAMILIES.index(kin) if kin in _FAMILIES else len(_FAMILIES))
    members = [other for other in algorithms if family(other) == kin]
    return color, _MARKERS[members.index(name) % len(_MARKERS)]


def short_name(algorithm):
    """A name that fits a cell of a map."""
    return algorithm.replace("winograd", "W ").replace("implicit_gemm", "implicit").replace("_", " ")


def legend(drawing, axes, names, algorithms, columns=2):
    """A legend of these names below the axes."""
    handles = []
    for name in names:
        color, marker = look(name, algorithms)
        handles += axes.plot([], [], marker, color=color, label=name, linestyle="none")
    drawing.legend(handles=handles, loc="outside lower center", ncols=columns, labelcolor=INK, handletextpad=0.2)


def logarithmic(axis, span, say):
    """Ticks of a logarithmic axis at powers of ten, and at 2 and 5 times them where the span leaves room; `say` spells them."""
    ticker = require("matplotlib.ticker", extra="report")
    axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5) if span < _MANY_TICKS else (1,), numticks=20))
    axis.minorticks_off()
    axis.set_major_formatter(lambda value, _: say(value))


def bound_text(value):
    """An error as a tick label."""
    return f"{value:.0e}".replace("e-0", "e-")
