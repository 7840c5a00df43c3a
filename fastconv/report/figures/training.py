"""Curves of a training: by epoch, by step, and of all layers at once."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...extras import require
from ..page import Figure
from ..svg import ACCENT, MUTED, canvas, series

if TYPE_CHECKING:
    from ...training import History

__all__ = ["by_epoch", "by_step", "of_layers", "spread"]

_WIDTH, _HEIGHT, _SMALL = 360, 200, 150
# Around the axes, for labels; a line of a legend.
_LEFT, _BOTTOM, _EDGE, _LINE = 50, 34, 8, 15
# Points of a line; more do not show.
_MOST = 200
# Values this many times apart are drawn over a logarithm.
_LOGARITHMIC = 50
_DECADE = 10
# Within this factor 2 and 5 are ticks as well as powers of ten.
_DECADES = 100
# So many lines are told apart by colour; more by the strength of one.
_FEW = 6
_FAINTEST = 0.25


def by_epoch(history: History, name: str) -> Figure | None:
    """A quantity by epoch in training and validation, the steps behind it, and its best epoch; None if it has no values."""
    epochs, steps = history.epochs, history.steps
    lines = {
        label: epochs[column]
        for label, column in (("training", name), ("validation", f"val_{name}"))
        if _finite(epochs.get(column))
    }
    if not lines:
        return None
    judged = f"val_{name}" if "validation" in lines else name
    best = history.best_epoch(judged)
    with _panel(_HEIGHT, legend=1) as (drawing, axes):
        if _finite(steps.get(name)):
            places, values = _thinned(_places(steps["epoch"]), steps[name])
            axes.plot(places, values, color=MUTED, alpha=0.35, linewidth=0.8, label="steps")
        for i, (label, values) in enumerate(lines.items()):
            axes.plot(range(1, len(values) + 1), values, color=series(i), marker="o" if len(values) < 40 else "", label=label)
        axes.plot(
            [best + 1],
            [epochs[judged][best]],
            "o",
            color=ACCENT,
            markersize=9,
            fillstyle="none",
            label=f"best, epoch {best + 1}",
        )
        if name == "accuracy":
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        _scale(axes, [value for values in lines.values() for value in values])
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        drawing.legend(loc="lower center", borderaxespad=0, ncols=4, fontsize=8, handlelength=1.5, columnspacing=1)
    described = "; ".join(f"{label} from {_number(values[0])} to {_number(values[-1])}" for label, values in lines.items())
    return Figure.of(drawing, name.replace("_", " ").capitalize(), f"{described}; best in epoch {best + 1}.")


def by_step(
    title: str, steps: Sequence[float], values: Sequence[float], caption: str = "", xlabel: str = "step", log: bool = True
) -> Figure | None:
    """A quantity over the steps, with `log` over a logarithm if it changes much; None if it has no values."""
    if not _finite(values):
        return None
    with _panel(_HEIGHT) as (drawing, axes):
        axes.plot(*_thinned(steps, values), color=series(0), marker="o" if len(values) < 40 else "", markersize=3)
        if log:
            _scale(axes, values)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_xlabel(xlabel)
    finite = [value for value in values if math.isfinite(value)]
    described = (
        f"From {_number(values[0])} to {_number(values[-1])}, between {_number(min(finite))} and {_number(max(finite))}."
    )
    return Figure.of(drawing, title, described, caption)


def of_layers(
    title: str,
    steps: Sequence[float],
    lines: Mapping[str, Sequence[float]],
    *,
    log: bool,
    caption: str = "",
    mark: float | None = None,
) -> Figure | None:
    """A line for each layer or parameter, named in a legend or, where they are many, as the pointer rests on one; None if there
    are no values."""
    lines = {name: values for name, values in lines.items() if _finite(values)}
    if not lines:
        return None
    few, hints = len(lines) <= _FEW, {}
    with _panel(_HEIGHT, legend=-(-len(lines) // 2) if few else 0) as (drawing, axes):
        for i, (name, values) in enumerate(lines.items()):
            look = {"color": series(i), "label": name} if few else {"color": series(0), "alpha": _strength(i, len(lines))}
            (line,) = axes.plot(*_thinned(steps, _positive(values) if log else values), linewidth=1.3, **look)
            line.set_gid(f"line{i}")
            hints[f"line{i}"] = f"{name}: {_number(values[-1])}"
        if mark is not None:
            axes.axhline(mark, color=MUTED, linestyle="--", linewidth=1)
        if log:
            _scale(axes, [value for values in lines.values() for value in _positive(values)], _DECADE)
        axes.set_xlabel("step")
        if few:
            drawing.legend(loc="lower center", borderaxespad=0, ncols=2, fontsize=8, handlelength=1.5, columnspacing=1)
    last = ", ".join(f"{name} {_number(values[-1])}" for name, values in lines.items())
    shades = "" if few else f"{len(lines)} layers, the first faint, the last strong. "
    return Figure.of(drawing, title, f"At the end: {last}.", f"{shades}{caption}".strip(), hints)


@contextlib.contextmanager
def _panel(height, legend=0):
    """Drawing and axes, with room for so many lines of a legend; placed by hand, as reckoning it takes most of the time."""
    height += _LINE * legend
    with canvas(_WIDTH, height) as drawing:
        drawing.set_layout_engine("none")
        left, right, bottom, top = _LEFT / _WIDTH, 1 - _EDGE / _WIDTH, (_BOTTOM + _LINE * legend) / height, 1 - _EDGE / height
        yield drawing, drawing.add_axes((left, bottom, right - left, top - bottom))


def _strength(i, count):
    return _FAINTEST + (1 - _FAINTEST) * i / (count - 1)


def spread(title: str, steps: Sequence[float], columns: Mapping[str, Sequence[float]], caption: str = "") -> Figure | None:
    """A mean with its standard deviation around it, and the extremes where they are known; None if there are no values."""
    if not _finite(columns["mean"]):
        return None
    mean, std = (np.asarray(columns[name], float) for name in ("mean", "std"))
    steps = steps[: len(mean)]
    with _panel(_SMALL) as (drawing, axes):
        axes.fill_between(steps, mean - std, mean + std, color=series(0), alpha=0.25, linewidth=0)
        axes.plot(steps, mean, color=series(0))
        for name in ("min", "max"):
            if name in columns:
                axes.plot(steps, columns[name], color=MUTED, linewidth=0.8)
        axes.set_xlabel("step")
    described = f"At the end {_number(mean[-1])}, standard deviation {_number(std[-1])}."
    return Figure.of(drawing, title, described, caption)


def _finite(values):
    """Whether there is anything to draw."""
    return bool(values) and any(map(math.isfinite, values))


def _positive(values):
    """A logarithm of zero has no place."""
    return [value if value > 0 else math.nan for value in values]


def _places(epochs):
    """Where the steps of epochs lie: the last step of epoch 0 at 1."""
    epochs = np.asarray(epochs)
    length = np.unique(epochs, return_counts=True)[1].max()
    firsts = np.searchsorted(epochs, epochs)
    return epochs + (np.arange(len(epochs)) - firsts + 1) / length


def _thinned(places, values):
    """Places and values, as means of neighbours where there are too many."""
    places, values = np.asarray(places, float)[: len(values)], np.asarray(values, float)
    group = -(-len(values) // _MOST)
    if group == 1:
        return places, values
    starts = range(0, len(values), group)
    return tuple([float(np.mean(a[i : i + group])) for i in starts] for a in (places, values))


def _scale(axes, values, factor=_LOGARITHMIC):
    """A logarithm where values differ by this factor, with plain numbers at its ticks: mathematical type takes long."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite or min(finite) <= 0 or max(finite) <= factor * min(finite):
        return
    ticker = require("matplotlib.ticker", extra="report")
    axes.set_yscale("log")
    within = max(finite) < _DECADES * min(finite)
    axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5) if within else (1,)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(ticker.NullFormatter())


def _number(value):
    return f"{value:.3g}"
