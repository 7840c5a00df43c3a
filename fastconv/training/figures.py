"""Figures with matplotlib, which is imported when one is drawn; no display is needed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ..extras import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["figure", "finish"]

_WIDTH, _HEIGHT = 5.0, 3.2
_COLUMNS = 2


def figure(panels: int, columns: int = _COLUMNS) -> tuple[Figure, list[Any]]:
    """A figure outside of pyplot's global state, and the axes of its panels.

    Raises
    ------
    MissingExtraError
        Without matplotlib (the extra ``plots``).
    """
    figures = require("matplotlib.figure", extra="plots")
    columns = max(1, min(columns, panels))
    rows = max(1, -(-panels // columns))
    drawn = figures.Figure(figsize=(_WIDTH * columns, _HEIGHT * rows), layout="constrained")
    axes = drawn.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axis in axes[panels:]:
        axis.remove()
    return drawn, axes[:panels]


def finish(drawn: Figure, path: str | os.PathLike[str] | None) -> Figure:
    """Write the figure, if it is to be written, and return it."""
    if path is not None:
        drawn.savefig(path)
    return drawn
