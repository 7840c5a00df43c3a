"""How figures are said."""

from __future__ import annotations

from collections.abc import Mapping

from ...selection.race import Timing
from ..quantities import seconds_text
from .claim import Figure

__all__ = ["ratio", "times"]


def times(value: float) -> str:
    """A ratio with two digits after the point below 10, one below 100, none above.

    Examples
    --------
    >>> times(2.254), times(41.35), times(9731.2)
    ('2.25x', '41.4x', '9,731x')
    """
    return f"{value:,.0f}x" if value >= 99.95 else f"{value:.1f}x" if value >= 9.995 else f"{value:.2f}x"


def ratio(key: str, label: str, timed: Mapping[str, Timing], a: str, b: str, *, beside: bool = False) -> Figure:
    """How many times as long `a` takes as `b`, with both times."""
    seconds = timed[a].seconds, timed[b].seconds
    return Figure(key, label, seconds[0] / seconds[1], " / ".join(map(seconds_text, seconds)), beside)
