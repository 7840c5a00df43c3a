"""The page of two comparisons: what differs between the runs, what changed beyond noise, layer by layer."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

from .change_text import VERDICTS, change_summary, spread_text
from .comparison_page import file_name
from .figures.ratios import ratios
from .page import Beside, Cell, Column, Line, Page, Section, Table, Text
from .quantities import MISSING, seconds_text
from .summary import machine_text, settings_text

if TYPE_CHECKING:
    from .changes import Change

__all__ = ["change_page"]

_MARKS = {"faster": "good", "slower": "bad", "same": ""}
_DIFFERENCE = (
    Column("before", numeric=True),
    Column("after", numeric=True),
    Column("ratio", numeric=True, hint="Time after over time before; faster and slower: beyond noise"),
    Column("spreads", numeric=True, minor=True, hint="How much slower the typical round was, before and after"),
)


def change_page(change: Change) -> Page:
    """The `Page` of a `Change`."""
    figure = ratios(change)
    layers = [_layers(change)]
    sections = [
        Section("Layers", [Beside([figure, *layers])] if figure else layers),
        Section("Algorithms", [_algorithms(change)]),
        Section("Runs", _runs(change)),
    ]
    before, after = change.names
    return Page(
        title=f"{after} against {before}",
        summary=" ".join(change_summary(change).split()),
        sections=sections,
        facts={
            f"{name} (before)" if c is change.before else f"{name} (after)": f"{c.title}; {machine_text(c)}; {settings_text(c)}"
            for name, c in zip(change.names, (change.before, change.after), strict=True)
        },
        environment={**change.after.environment, **change.after.peers},
        data=change.as_dict(),
        data_name="-".join(file_name(pathlib.Path(name).stem) for name in change.names) + ".json",
    )


def _layers(change):
    columns = [Column("layer"), Column("fastest", minor=True), *_DIFFERENCE]
    lines = [Line(_layer(layer), _details(layer)) for layer in change.layers]
    return Table("A row unfolds to every algorithm.", columns, lines, filter="Filter layers")


def _layer(layer):
    best = layer.best
    if best is None:
        return [layer.label, *[MISSING] * (1 + len(_DIFFERENCE))]
    names = " \u2192 ".join(dict.fromkeys((best.before.algorithm, best.after.algorithm)))
    return [layer.label, Cell(names, mark="chosen" if layer.new_winner else ""), *_cells(best)]


def _details(layer):
    lines = [Line([difference.name, *_cells(difference)]) for difference in layer.differences()]
    return [Text(str(layer.before.layer.problem)), Table("Every algorithm", [Column("algorithm"), *_DIFFERENCE], lines)]


def _cells(difference):
    return [
        Cell(seconds_text(difference.before.seconds), difference.before.seconds),
        Cell(seconds_text(difference.after.seconds), difference.after.seconds),
        Cell(f"{difference.ratio:.2f} {VERDICTS[difference.verdict]}".strip(), difference.ratio, _MARKS[difference.verdict]),
        spread_text(difference),
    ]


def _algorithms(change):
    columns = [
        Column("algorithm"),
        Column("timings", numeric=True),
        Column("ratio", numeric=True, hint="Geometric mean of time after over time before"),
        Column("faster", numeric=True, hint="Layers, beyond noise"),
        Column("slower", numeric=True, hint="Layers, beyond noise"),
    ]
    lines = [
        Line([
            name, Cell(str(count), count), Cell(f"{ratio:.2f}", ratio), Cell(str(faster), faster), Cell(str(slower), slower),
        ])
        for name, (ratio, count, faster, slower) in change.by_algorithm().items()
    ]  # fmt: skip
    return Table("Geometric means over the layers that both have", columns, lines)


def _runs(change):
    blocks = []
    lines = [Line([name, _said(a), _said(b)]) for name, (a, b) in change.circumstances.items()]
    if lines:
        blocks.append(Table("What differs", [Column("setting"), *(Column(name, wrap=True) for name in change.names)], lines))
    else:
        blocks.append(Text("Settings and environment are the same."))
    for name, layers in zip(change.names, (change.only_before, change.only_after), strict=True):
        if layers:
            blocks.append(Text(f"Only in {name}: {', '.join(layers)}."))
    return blocks


def _said(value):
    return "" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
