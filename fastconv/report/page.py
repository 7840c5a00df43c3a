"""A page of figures and tables as one HTML file: nothing is fetched, it opens from disk, on a telephone too, in light and dark.

    Page
     |-- summary, facts
     |-- Section*  -- Text | Figure | Gallery | Table | Beside
     |-- environment
     `-- data      (JSON, offered as a download)

Tables are sorted and filtered, rows unfolded and the data saved by the script of the page. Without it everything is shown.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

from ..extras import require
from .svg import ID, to_svg

if TYPE_CHECKING:
    import matplotlib.figure

__all__ = [
    "Beside",
    "Cell",
    "Column",
    "Figure",
    "Gallery",
    "Line",
    "Page",
    "Section",
    "Table",
    "Text",
    "render",
    "require_packages",
]


@dataclasses.dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclasses.dataclass(frozen=True)
class Figure:
    """A drawing with its title above and its caption below.

    Attributes
    ----------
    svg : str
        From `svg.to_svg`.
    title, caption, subtitle : str
    wide : bool
        Whether it takes the whole width of a gallery.
    """

    svg: str
    title: str
    caption: str = ""
    subtitle: str = ""
    wide: bool = False

    @classmethod
    def of(
        cls,
        drawing: matplotlib.figure.Figure,
        title: str,
        description: str,
        caption: str = "",
        hints: Mapping[str, str] | None = None,
        subtitle: str = "",
        wide: bool = False,
    ) -> Figure:
        """The figure of a matplotlib drawing, described in words; hints are shown over artists, by their `gid`."""
        name = f"{title} {subtitle}".strip()
        return cls(to_svg(drawing, name, description, hints), title, caption, subtitle, wide)


@dataclasses.dataclass(frozen=True)
class Gallery:
    """Figures side by side as the width allows; with a `filter` (its label) those whose text matches can be picked."""

    figures: Sequence[Figure]
    filter: str = ""


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a table: figures are flush right, text may be wrapped, minor ones are left out on narrow screens."""

    title: str
    numeric: bool = False
    minor: bool = False
    wrap: bool = False
    hint: str = ""


@dataclasses.dataclass(frozen=True)
class Cell:
    """Text, the value to sort it by where that is not the text, and a class: ``"chosen"``, ``"good"``, ``"bad"``."""

    text: str
    value: float | None = None
    mark: str = ""


@dataclasses.dataclass(frozen=True)
class Line:
    """A row of a table: a text or a `Cell` for each column, and what unfolds below."""

    cells: Sequence[str | Cell]
    details: Sequence[Text | Figure | Gallery | Table] = ()


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows that can be sorted by each column and, with a `filter` (its label), picked by their text."""

    title: str
    columns: Sequence[Column]
    lines: Sequence[Line]
    filter: str = ""
    caption: str = ""


@dataclasses.dataclass(frozen=True)
class Beside:
    """Blocks side by side where the screen is wide enough."""

    blocks: Sequence[Text | Figure | Gallery | Table]


@dataclasses.dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    title: str
    blocks: Sequence[Text | Figure | Gallery | Table | Beside]

    @property
    def anchor(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


@dataclasses.dataclass(frozen=True)
class Page:
    """What is on a page.

    Attributes
    ----------
    title : str
    summary : str
        A sentence that can be quoted by itself.
    sections : sequence of Section
    facts : dict of str to str
        The few settings that stand below the summary.
    environment : dict of str to str
    data : object
        Plain values for JSON, offered as a download.
    data_name : str
        The name of that file.
    """

    title: str
    summary: str
    sections: Sequence[Section]
    facts: Mapping[str, str]
    environment: Mapping[str, str]
    data: Any
    data_name: str


def require_packages() -> None:
    """Raises `MissingExtraError` where a page cannot be made: without Jinja2 or matplotlib (the extra ``report``)."""
    for module in ("jinja2", "matplotlib"):
        require(module, extra="report")


def render(page: Page) -> str:
    """The HTML of a page.

    Raises
    ------
    MissingExtraError
        Without Jinja2 (the extra ``report``).

    Examples
    --------
    >>> table = Table("Times", [Column("layer"), Column("ms", numeric=True)], [Line(["conv1", Cell("1.5", 1.5)])])
    >>> html = render(Page("net", "It is fast.", [Section("Layers", [table])], {}, {}, {"ms": 1.5}, "net.json"))
    >>> "It is fast." in html and "https:" not in html
    True
    """
    jinja2 = require("jinja2", extra="report")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["cell"] = lambda value: value if isinstance(value, Cell) else Cell(value)
    environment.filters["own_ids"] = lambda svg, prefix: svg.replace(ID, prefix)
    environment.filters["kind"] = lambda block: type(block).__name__
    environment.filters["json"] = _json
    numbers = itertools.count(1)
    html = environment.get_template("page.html").render(
        page=page, number=lambda: next(numbers), style=_source("page.css"), script=_source("page.js")
    )
    return html.strip() + "\n"


def _source(name):
    return (resources.files(__package__) / "templates" / name).read_text("utf-8")


def _json(data):
    """JSON that ends no script element."""
    return json.dumps(data, indent=1, allow_nan=False).replace("<", "\\u003c")
