"""Curves of a training run as text: a line of eighths of blocks for each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from .text import format_table

__all__ = ["format_curves"]

_BLOCKS = "▁▂▃▄▅▆▇█"
_MOST = 60


def format_curves(curves: Mapping[str, Sequence[float]]) -> str:
    """A table with a line for each curve: its name, its shape between its least and its largest value, first and last value.

    Parameters
    ----------
    curves : dict of str to sequence of float
        What is not finite is shown as a gap.

    Examples
    --------
    >>> print(format_curves({"loss": [4.0, 2.0, 1.0, 0.5]}))
          curve  first   last
    ----  -----  -----  -----
    loss   █▄▂▁  4.000  0.500
    """
    rows = [[name, _line(values), f"{values[0]:.3f}", f"{values[-1]:.3f}"] for name, values in curves.items() if len(values)]
    return format_table(["", "curve", "first", "last"], rows, "l")


def _line(values):
    step = math.ceil(len(values) / _MOST)
    shown = values[::step]
    finite = [v for v in shown if math.isfinite(v)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    scale = (len(_BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BLOCKS[round((v - low) * scale)] if math.isfinite(v) else " " for v in shown)
