"""Tables and curves of HTML, for the displays of results in notebooks.

They stand on light and dark pages alike: text and lines take the colours of the page, and nothing is loaded.
"""

from __future__ import annotations

import html
import math
from collections.abc import Collection, Iterable, Mapping, Sequence

__all__ = ["curves", "table"]

_WIDTH, _HEIGHT, _MARGIN = 320, 110, 4
# Middle tones, legible on white and on black, and told apart by the dashes as well (Okabe and Ito, 2008).
_STYLES = (("#0072b2", ""), ("#d55e00", "6 3"), ("#009e73", "2 3"), ("#cc79a7", "8 3 2 3"))


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    left: str = "l",
    caption: str = "",
    bold: Collection[int] = (),
    notes: Iterable[str] = (),
) -> str:
    """A table of HTML; everything given is text, and escaped.

    Parameters
    ----------
    header : sequence of str
        Names of the columns; none, no header.
    rows : iterable of sequence of str
    left : str
        ``l`` in the place of a column puts it flush left; all others are flush right.
    caption : str
        Above the table; its lines are kept.
    bold : collection of int
        Rows to stand out.
    notes : iterable of str
        Lines below the table.

    Examples
    --------
    >>> table(["layer", "time"], [["conv<1>", "2 ms"]]).count("&lt;1&gt;")
    1
    """
    lines = []
    if caption:
        text = "<br>".join(html.escape(line) for line in caption.splitlines())
        lines.append(f'<caption style="text-align: left">{text}</caption>')
    if header:
        lines.append(f"<thead>{_row('th', header, left)}</thead>")
    body = (_row("td", cells, left, "font-weight: bold" * (i in bold)) for i, cells in enumerate(rows))
    lines.append(f"<tbody>{''.join(body)}</tbody>")
    scrolled = f'<div style="overflow-x: auto"><table>{"".join(lines)}</table></div>'
    return scrolled + "".join(f"<p>{html.escape(note)}</p>" for note in notes)


def curves(title: str, lines: Mapping[str, Sequence[float]]) -> str:
    """Curves over their index as SVG, with the least and the largest value, and a legend that has each one's last value.

    Parameters
    ----------
    title : str
    lines : dict of str to sequence of float
        What is not finite is a gap.

    Examples
    --------
    >>> curves("loss", {"training": [2.0, 1.0, 0.5]}).count("<polyline")
    1
    """
    finite = [value for values in lines.values() for value in values if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    last = max(max(map(len, lines.values()), default=1) - 1, 1)
    shown, legend = [], []
    for i, (name, values) in enumerate(lines.items()):
        colour, dashes = _STYLES[i % len(_STYLES)]
        stroke = f'fill="none" stroke="{colour}" stroke-width="1.5" stroke-dasharray="{dashes}"'
        for points in _runs(values, last, low, high):
            # A lone value is a dot: a line of no length is not drawn.
            shown.append(
                f'<polyline points="{" ".join(points)}" {stroke}/>'
                if len(points) > 1
                else '<circle cx="{}" cy="{}" r="2" fill="{}"/>'.format(*points[0].split(","), colour)
            )
        value = f" {values[-1]:.4g}" if len(values) else ""
        legend.append(f'<span style="color: {colour}">{"- - " if dashes else "&mdash; "}</span>{html.escape(name)}{value}')
    frame = f'<rect x=".5" y=".5" width="{_WIDTH - 1}" height="{_HEIGHT - 1}" fill="none" stroke="currentColor" opacity=".3"/>'
    label = html.escape(f"{title}, from {low:.4g} to {high:.4g}", quote=True)
    return (
        f'<figure style="display: inline-block; margin: 0 1em .5em 0; max-width: 100%"><figcaption>{label}</figcaption>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img" aria-label="{label}" style="max-width: 100%">'
        f"{frame}{''.join(shown)}</svg><div>{' &nbsp; '.join(legend)}</div></figure>"
    )


def _row(tag, cells, left, style=""):
    def cell(i, text):
        align = "left" if left[i : i + 1] == "l" else "right"
        return f'<{tag} style="text-align: {align}">{html.escape(text)}</{tag}>'

    attribute = f' style="{style}"' if style else ""
    return f"<tr{attribute}>{''.join(cell(i, text) for i, text in enumerate(cells))}</tr>"


def _runs(values, last, low, high):
    """The points of each stretch of finite values, as text."""
    scale = (_HEIGHT - 2 * _MARGIN) / (high - low) if high > low else 0.0
    run: list[str] = []
    for i, value in enumerate([*values, math.nan]):
        if math.isfinite(value):
            x = _MARGIN + i * (_WIDTH - 2 * _MARGIN) / last
            run.append(f"{x:.1f},{_HEIGHT - _MARGIN - (value - low) * scale:.1f}")
        elif run:
            yield run
            run = []
