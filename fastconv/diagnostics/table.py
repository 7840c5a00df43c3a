"""Tables of text and HTML, and numbers that people read."""

from __future__ import annotations

__all__ = ["Table", "as_bytes", "as_count", "as_seconds"]

_GAP = "  "


class Table:
    """Base of results that print as a table; `_headers` and `_cells` say which."""

    _headers: tuple[str, ...]

    def _cells(self) -> list[tuple[str, ...]]:
        """The rows, as text."""
        raise NotImplementedError

    def _remarks(self) -> list[str]:
        """Lines below the table."""
        return []

    def __str__(self) -> str:
        rows = [self._headers, *self._cells()]
        widths = [max(len(row[i]) for row in rows) for i in range(len(self._headers))]
        # The first column is names, to the left; all others to the right.
        aligned = [[row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in rows]
        header, *lines = [_GAP.join(cells).rstrip() for cells in aligned]
        rule = _GAP.join("-" * width for width in widths).rstrip()
        return "\n".join([header, rule, *lines, *self._remarks()])

    def _repr_html_(self) -> str:
        from .. import notebook  # in a notebook only

        return notebook.table(self._headers, self._cells(), notes=self._remarks())


def as_count(value: float) -> str:
    """29.4M for 29,360,128; numbers below a thousand as they are."""
    return _scaled(value, ("", "K", "M", "G", "T"))


def as_bytes(value: float) -> str:
    """4.19 MB for 4,194,304: powers of a thousand."""
    return _scaled(value, (" B", " KB", " MB", " GB", " TB"))


def as_seconds(value: float) -> str:
    """1.25 ms for 0.00125."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-6:.3g} us"


def _scaled(value, units):
    for unit in units:
        if abs(value) < 999.5 or unit == units[-1]:
            break
        value /= 1000
    return f"{value:.3g}{unit}"
