"""Times, sizes and counts as people read them: three significant digits and a unit."""

from __future__ import annotations

__all__ = ["MISSING", "bytes_text", "faster_text", "flops_text", "number_text", "seconds_text"]

MISSING = "-"
# Ratios below this are 1.00 in two digits.
_ALIKE = 1.005


def seconds_text(seconds):
    """A time with three significant digits and its unit.

    Examples
    --------
    >>> seconds_text(0.01234)
    '12.3 ms'
    """
    if seconds is None:
        return MISSING
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= 0.9995 * size:
            return f"{_three_digits(seconds / size)} {unit}"
    return f"{_three_digits(seconds * 1e6)} us"


def bytes_text(count):
    """A number of bytes with its unit, in powers of 1024."""
    if not count:
        return MISSING if count is None else "0"
    for unit, size in (("GB", 2**30), ("MB", 2**20), ("KB", 2**10)):
        if count >= 0.9995 * size:
            return f"{_three_digits(count / size)} {unit}"
    return f"{count} B"


def flops_text(count):
    """A number of operations with its unit, in powers of 1000."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("K", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}FLOP"
    return f"{count} FLOP"


def faster_text(ratio):
    """Another's time over one's own, in words.

    Examples
    --------
    >>> faster_text(1.5), faster_text(0.5)
    ('1.50x faster than', '2.00x slower than')
    """
    if max(ratio, 1 / ratio) < _ALIKE:
        return "as fast as"
    return f"{ratio:.2f}x faster than" if ratio > 1 else f"{1 / ratio:.2f}x slower than"


def number_text(value, format_spec):
    """A number in a format of Python's; `MISSING` where there is none."""
    return MISSING if value is None else format(value, format_spec)


def _three_digits(value):
    return f"{value:.0f}" if value >= 99.95 else f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"
