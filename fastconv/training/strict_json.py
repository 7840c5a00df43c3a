"""Strict JSON files of what training measures; NaN and infinities, which JSON lacks, are strings there."""

from __future__ import annotations

import json
import math
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from ..files import write_whole

__all__ = ["as_strict", "read_json", "write_json"]

_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def write_json(path: str | os.PathLike[str], data: Any) -> None:
    """Write strict JSON; the file is replaced at once, by a whole one."""
    write_whole(path, json.dumps(as_strict(data), allow_nan=False, indent=1))


def read_json(path: str | os.PathLike[str]) -> Any:
    """The inverse of `write_json`."""
    return _lax(json.loads(pathlib.Path(path).read_text("utf-8")))


def as_strict(data: Any) -> Any:
    """A copy with strings in place of the numbers that JSON lacks.

    Examples
    --------
    >>> as_strict({"loss": [1.5, float("nan")]})
    {'loss': [1.5, 'NaN']}
    """
    if isinstance(data, Mapping):
        return {name: as_strict(value) for name, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [as_strict(value) for value in data]
    if isinstance(data, float) and not math.isfinite(data):
        return "NaN" if math.isnan(data) else "Infinity" if data > 0 else "-Infinity"
    return data


def _lax(data):
    if isinstance(data, dict):
        return {name: _lax(value) for name, value in data.items()}
    if isinstance(data, list):
        return [_lax(value) for value in data]
    return _NON_FINITE.get(data, data) if isinstance(data, str) else data
