"""Comparisons that were saved: the JSON that `fastconv compare --json` writes, or the page that holds it."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re

from ..errors import FastconvError, InvalidArgumentError
from ..problem import ConvProblem
from ..selection.rates import Peaks
from .comparison import SCHEMA, Comparison, Measurement, Row
from .tables import Layer

__all__ = ["is_record", "read_record"]

_FAMILY = SCHEMA.partition("/")[0]
# Where a page keeps its data.
_IN_PAGE = re.compile(r'<script type="application/json" id="record">(.*?)</script>', re.DOTALL)
_MEASUREMENT = [field.name for field in dataclasses.fields(Measurement)]


def is_record(path):
    """Whether a file is a saved comparison, of whatever version, and not a table of layers; True for any page."""
    try:
        data = _load(pathlib.Path(path))
    except (OSError, ValueError):
        return str(path).lower().endswith((".html", ".htm"))
    return isinstance(data, dict) and str(data.get("schema", "")).startswith("fastconv.")


def read_record(path: str | os.PathLike[str]) -> Comparison:
    """The `Comparison` that was saved.

    Parameters
    ----------
    path : path
        Of the JSON or the HTML.

    Raises
    ------
    InvalidArgumentError
        If the file cannot be read, or is no comparison of this schema.
    """
    path = pathlib.Path(path)
    try:
        data = _load(path)
    except OSError as error:
        raise InvalidArgumentError(f"record: cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise InvalidArgumentError(f"record: {path} holds no JSON: {error}") from None
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SCHEMA:
        came = "has none" if schema is None else f"is {schema!r}"
        raise InvalidArgumentError(
            f"record: {path} is no saved comparison: its schema {came}, expected {SCHEMA!r} (fastconv compare NET --json FILE)"
        )
    try:
        return _comparison(data)
    except KeyError as error:
        raise InvalidArgumentError(f"record: {path} is damaged: field {error.args[0]} is missing") from None
    except (FastconvError, TypeError, ValueError, AttributeError) as error:
        raise InvalidArgumentError(f"record: {path} is damaged: {error}") from None


def _load(path):
    text = path.read_text("utf-8")
    if text.lstrip().startswith("<"):
        found = _IN_PAGE.search(text)
        if found is None:
            raise ValueError("the page has no data of fastconv")
        text = found[1]
    return json.loads(text)


def _comparison(data):
    peaks = Peaks(**data["peaks"]) if data["peaks"] else None
    return Comparison(
        data["title"], tuple(map(_row, data["layers"])), data["settings"], data["environment"], data["peers"],
        data["missing_peers"], peaks,
    )  # fmt: skip


def _row(entry):
    key = entry["problem"]
    names = ("direction", "dtype", "memory_format")
    problem = ConvProblem.parse(entry["shape"], **{name: key[name] for name in names})
    return Row(
        Layer(entry["name"], problem, entry["occurrences"]), tuple(map(_measurement, entry["algorithms"])), entry["heuristic"],
        entry["chosen"], tuple(map(_measurement, entry["peers"])),
    )  # fmt: skip


def _measurement(entry):
    found = Measurement(**{name: entry[name] for name in _MEASUREMENT})
    for name in ("seconds", "spread", "error", "workspace"):
        value = getattr(found, name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise ValueError(f"{found.algorithm}, {name}: {value!r} is not a number")
    return found
