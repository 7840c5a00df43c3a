"""Layer tables: the convolutions of a network as JSON rows, shipped with the package or the user's own.

A table is a list of rows, or an object with a `title`, a `source` and the list as `layers`. A row's fields are C, H, W (input
channels, height, width), K (filters) and k (kernel), and where they are not the defaults s (stride, 1), p (padding, 0),
d (dilation, 1), g (groups, 1), N (batch, 1), n (how often the layer occurs in the network, 1) and name (its number). k, s, p
and d are an integer or a pair.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
from importlib import resources

from ..errors import FastconvError, InvalidArgumentError
from ..problem import DIRECTIONS, ConvProblem
from .sweep import sweep_problems

__all__ = ["SWEEP", "Layer", "load_layers", "read_table", "table_names"]

SWEEP = "sweep"
_REQUIRED = ("C", "H", "W", "K", "k")
_DEFAULTS = {"s": 1, "p": 0, "d": 1, "g": 1, "N": 1, "n": 1}
# The least value of each field.
_MINIMUM = {"p": 0, "N": 0}
_PAIRS = ("k", "s", "p", "d")


@dataclasses.dataclass(frozen=True)
class Layer:
    """A convolution of a network.

    Parameters
    ----------
    name : str
    problem : ConvProblem
    occurrences : int
        How often the network has it.
    """

    name: str
    problem: ConvProblem
    occurrences: int = 1


def table_names() -> tuple[str, ...]:
    """Names of the tables that ship with the package; `SWEEP` is made, the others are files."""
    return tuple(sorted([SWEEP, *(e.name.removesuffix(".json") for e in _folder().iterdir() if e.name.endswith(".json"))]))


def load_layers(
    source: str | os.PathLike[str],
    *,
    direction: str = "forward",
    batch: int | None = None,
    dtype: str = "float32",
    memory_format: str = "nchw",
    only: str | None = None,
) -> list[Layer]:
    """The layers that `source` means.

    Parameters
    ----------
    source : str
        Name of a shipped table, path of a JSON table, or a shape such as ``1x64x56x56,64x3x3,p1``.
    direction : {"forward", "input_grad", "weight_grad", "train"}
        ``"train"`` gives every layer three times, once a direction.
    batch : int, optional
        Replaces the batch size of every layer.
    dtype, memory_format : str
        Those of `ConvProblem`.
    only : str, optional
        Keep the layers whose name and shape, as ``name shape``, match this regular expression.

    Returns
    -------
    list of Layer

    Raises
    ------
    InvalidArgumentError
        If `source` is none of these, the table is malformed (the message names the row and the field), or nothing is left.

    Examples
    --------
    >>> [str(layer.problem) for layer in load_layers("resnet50", only="conv1")]
    ['1x3x224x224,64x7x7,s2,p3']
    """
    if direction != "train" and direction not in DIRECTIONS:
        raise InvalidArgumentError(f"direction: got {direction!r}, expected one of {', '.join(DIRECTIONS)}, train")
    changes = {"dtype": dtype, "memory_format": memory_format} | ({} if batch is None else {"batch": batch})
    layers = [dataclasses.replace(layer, problem=layer.problem.replace(**changes)) for layer in _find(source)]
    if only:
        pattern = _compiled(only)
        layers = [layer for layer in layers if pattern.search(f"{layer.name} {layer.problem}")]
        if not layers:
            raise InvalidArgumentError(f"only: no layer of {source!r} matches {only!r}")
    directions = DIRECTIONS if direction == "train" else (direction,)
    return [dataclasses.replace(layer, problem=layer.problem.replace(direction=d)) for layer in layers for d in directions]


def read_table(text, origin):
    """The layers of a table's JSON text; `origin` is what errors call it."""
    try:
        rows = json.loads(text)
    except ValueError as error:
        raise InvalidArgumentError(f"table: {origin} is not JSON: {error}") from None
    if isinstance(rows, dict):
        rows = rows.get("layers")
    if not isinstance(rows, list) or not rows:
        raise InvalidArgumentError(f"table: {origin} holds no list of layers")
    return [_layer(row, number, f"{origin} row {number}") for number, row in enumerate(rows, 1)]


def _find(source):
    if source == SWEEP:
        return [Layer(name, problem) for name, problem in sweep_problems().items()]
    if source in table_names():
        return read_table((_folder() / f"{source}.json").read_text("utf-8"), source)
    if re.match(r"\d+x\d+x", source):
        return [Layer("", ConvProblem.parse(source))]
    path = pathlib.Path(source)
    if path.suffix == ".json" or path.is_file():
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidArgumentError(f"table: cannot read {source}: {getattr(error, 'strerror', None) or error}") from None
        return read_table(text, path.name)
    raise InvalidArgumentError(
        f"table: {source!r} is neither a shipped table ({', '.join(table_names())}), a JSON file nor a shape such as "
        "1x64x56x56,64x3x3,p1"
    )


def _layer(row, number, where):
    if not isinstance(row, dict):
        raise InvalidArgumentError(f"table: {where} is {json.dumps(row)[:40]}, expected an object with C, H, W, K, k")
    name = row.get("name", "")
    if not isinstance(name, str):
        raise InvalidArgumentError(f"table: {where}, field name: got {name!r}, expected a string")
    where += f" ({name})" if name else ""
    for field in _REQUIRED:
        if field not in row:
            raise InvalidArgumentError(f"table: {where}, field {field}: missing")
    for field in row:
        if field not in (*_REQUIRED, *_DEFAULTS, "name"):
            known = ", ".join((*_REQUIRED, *_DEFAULTS, "name"))
            raise InvalidArgumentError(f"table: {where}, field {field}: unknown; there are {known}")
    v = {field: _value(row, field, where) for field in (*_REQUIRED, *_DEFAULTS)}
    if v["C"] % v["g"] or v["K"] % v["g"]:
        raise InvalidArgumentError(f"table: {where}, field g: {v['g']} groups do not divide C={v['C']} and K={v['K']}")
    try:
        problem = ConvProblem.from_shapes(
            (v["N"], v["C"], v["H"], v["W"]), (v["K"], v["C"] // v["g"], *v["k"]),
            stride=v["s"], padding=v["p"], dilation=v["d"], groups=v["g"],
        )  # fmt: skip
    except FastconvError as error:
        raise InvalidArgumentError(f"table: {where}: {error}") from None
    return Layer(name or f"#{number}", problem, v["n"])


def _value(row, field, where):
    value = row.get(field, _DEFAULTS.get(field))
    values = value if field in _PAIRS and isinstance(value, list) else [value]
    minimum = _MINIMUM.get(field, 1)
    if len(values) not in (1, 2) or any(type(v) is not int or v < minimum for v in values):
        kind = "an integer or a pair of integers" if field in _PAIRS else "an integer"
        raise InvalidArgumentError(
            f"table: {where}, field {field}: got {json.dumps(value)[:40]}, expected {kind} of at least {minimum}"
        )
    return tuple(values * 2)[:2] if field in _PAIRS else value


def _compiled(only):
    try:
        return re.compile(only)
    except re.error as error:
        raise InvalidArgumentError(f"only: {only!r} is not a regular expression: {error}") from None


def _folder():
    return resources.files(__package__) / "layer_tables"
