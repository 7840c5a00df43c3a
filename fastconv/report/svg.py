"""Figures for pages: drawn by matplotlib, written as SVG that takes its colours from the page around it.

    with canvas(360, 240) as drawing:
        axes = drawing.subplots()
        axes.plot(x, y, color=series(0))
    svg = to_svg(drawing, "title", "what it shows, in words")

A colour of this module stands for a CSS variable of the page (``--ink``, ``--series-0``): one drawing serves light and dark.
Text stays text. Sizes are CSS pixels at the width of a telephone.
"""

from __future__ import annotations

import contextlib
import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ..extras import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ACCENT", "ID", "INK", "LINE", "MUTED", "PAPER", "SERIES", "canvas", "series", "to_svg"]

# What ids begin with; a page replaces it by something of its own for every figure, so that ids differ.
ID = "\ue000"
SERIES = 8
# matplotlib takes numbers for colours only: each variable has one that nobody would choose, which is replaced in the file.
_VARIABLES = ("ink", "muted", "line", "paper", "accent", *(f"series-{i}" for i in range(SERIES)))
_CODES = {name: f"#01fe{number:02x}" for number, name in enumerate(_VARIABLES)}
INK, MUTED, LINE, PAPER, ACCENT = (_CODES[name] for name in ("ink", "muted", "line", "paper", "accent"))

_POINTS_PER_INCH = 72
# Hundredths of a pixel are enough.
_LONG_NUMBER = re.compile(r"(?<![\w.])(\d+\.\d\d)\d+")


def series(number: int) -> str:
    """The colour of a data series; after `SERIES` of them the first comes again."""
    return _CODES[f"series-{number % SERIES}"]


@contextlib.contextmanager
def canvas(width: float = 360, height: float = 240) -> Iterator[Figure]:
    """An empty figure of so many pixels; inside the block matplotlib draws in the style of the page.

    Raises
    ------
    MissingExtraError
        Without matplotlib (the extra ``report``).
    """
    figures = require("matplotlib.figure", extra="report")
    with _style():
        yield figures.Figure(figsize=(width / _POINTS_PER_INCH, height / _POINTS_PER_INCH), layout="constrained")


def to_svg(drawing: Figure, title: str, description: str, hints: Mapping[str, str] | None = None) -> str:
    """The figure as an SVG element for a page, whose ids begin with `ID`.

    Parameters
    ----------
    drawing : matplotlib.figure.Figure
        From `canvas`.
    title, description : str
        What screen readers say.
    hints : dict of str to str
        Text shown over artists, by their `gid`.
    """
    file = io.BytesIO()
    with _style():
        drawing.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    root = ET.fromstring(file.getvalue())
    _in_html(root)
    hints = hints or {}
    for element in root.iter("g"):
        hint = hints.get(element.get("id", ""))
        if hint is not None:
            _insert(element, 0, "title", hint)
    _keep_ids(root)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.set("role", "img")
    root.set("aria-labelledby", f"{ID}title {ID}description")
    _insert(root, 0, "title", title).set("id", f"{ID}title")
    _insert(root, 1, "desc", description).set("id", f"{ID}description")
    for element in root.iter():
        # Of positions and paths; texts keep their digits.
        element.attrib = {name: _LONG_NUMBER.sub(r"\1", value) for name, value in element.attrib.items()}
    text = re.sub(r">\s+<", "><", ET.tostring(root, encoding="unicode"))
    for name, code in _CODES.items():
        text = text.replace(code, f"var(--{name})")
    return text


def _style():
    cycler = require("cycler", extra="report").cycler
    return require("matplotlib", extra="report").rc_context({
        "svg.fonttype": "none", "svg.hashsalt": "fastconv",
        "font.size": 10, "axes.titlesize": 10, "axes.labelsize": 10,
        "legend.fontsize": 9, "xtick.labelsize": 9, "ytick.labelsize": 9,
        "text.color": INK, "axes.labelcolor": INK, "axes.titlecolor": INK, "xtick.color": MUTED, "ytick.color": MUTED,
        "xtick.labelcolor": INK, "ytick.labelcolor": INK, "axes.edgecolor": MUTED, "axes.spines.top": False,
        "axes.spines.right": False, "axes.grid": True, "axes.axisbelow": True, "grid.color": LINE, "grid.linewidth": 0.8,
        "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none", "legend.frameon": False,
        "lines.linewidth": 1.5, "lines.markersize": 4, "axes.prop_cycle": cycler(color=[series(i) for i in range(SERIES)]),
    })  # fmt: skip


def _in_html(root):
    """Drops what a page has no use for: namespaces, metadata, fonts, and a style sheet that would hold for all of it."""
    for parent in root.iter():
        for child in list(parent):
            if child.tag.endswith("}metadata") or child.tag.endswith("}style"):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        element.attrib = {name.rpartition("}")[2]: value for name, value in element.attrib.items()}
        if element.tag == "text":
            # The page says which font; most texts are turned by nothing.
            element.set("style", re.sub(r"font-family: [^;]*;? ?", "", element.get("style", "")))
            if element.get("transform", "").startswith("rotate(-0 "):
                del element.attrib["transform"]


def _keep_ids(root):
    """Marks the ids that something refers to with `ID` and drops all others."""
    values = " ".join(value for element in root.iter() for value in element.attrib.values())
    used = set(re.findall(r"#([\w.-]+)", values))
    for element in root.iter():
        attributes = {}
        for name, value in element.attrib.items():
            if name == "id":
                if value in used:
                    attributes[name] = ID + value
            elif name == "href":
                attributes[name] = value.replace("#", f"#{ID}")
            else:
                attributes[name] = value.replace("url(#", f"url(#{ID}")
        element.attrib = attributes


def _insert(parent, position, tag, text):
    element = ET.Element(tag)
    element.text = text
    parent.insert(position, element)
    return element
