"""Networks and arrays in files: safetensors, or NumPy's npz. Nothing is pickled, and a file is replaced only by a whole one.

A saved network is its arrays by name and a description in JSON: ``{"kind": class, "config": constructor's arguments}``, in
which layers that are arguments are described alike.
"""

from __future__ import annotations

import json
import pathlib
import zipfile

import numpy as np

from ..errors import InvalidArgumentError, MissingExtraError
from ..files import replacing
from .layer import Layer

__all__ = ["describe", "load", "load_arrays", "rebuild", "save", "save_arrays"]

_DESCRIPTION = "fastconv"
_FORMAT = 1


def save_arrays(path, arrays, description):
    """Write arrays by name and a description that JSON can hold.

    Parameters
    ----------
    path : path-like
        ``.safetensors`` needs the extra of that name; anything else is written as npz.
    arrays : dict of str to ndarray
    description : dict
    """
    path = pathlib.Path(path)
    text = json.dumps({"format": _FORMAT, **description})
    with replacing(path) as file:
        if path.suffix == ".safetensors":
            file.write(_safetensors().save({k: np.asarray(v, order="C") for k, v in arrays.items()}, {_DESCRIPTION: text}))
        else:
            np.savez(file, **arrays, **{_DESCRIPTION: np.array(text)})


def load_arrays(path):
    """(arrays by name, description) as `save_arrays` wrote them.

    Raises
    ------
    InvalidArgumentError
        The file is damaged or not one of ours.
    """
    path = pathlib.Path(path)
    with open(path, "rb") as file:
        try:
            arrays, text = _read_safetensors(file) if path.suffix == ".safetensors" else _read_npz(file)
            description = json.loads(text)
            version = description["format"]
            newer = version > _FORMAT
        except MissingExtraError:
            raise
        except Exception as error:
            raise InvalidArgumentError(f"{path}: not a file written by fastconv, or damaged: {error}") from error
    if newer:
        raise InvalidArgumentError(f"{path}: written by a newer version (format {version})")
    return arrays, description


def save(network, path):
    """Write a network's architecture, parameters and buffers."""
    save_arrays(path, network.state_dict(), {"network": describe(network)})


def load(path):
    """The network in a file."""
    arrays, description = load_arrays(path)
    if "network" not in description:
        raise InvalidArgumentError(f"{path}: holds no network; checkpoints are read by fastconv.training")
    network = rebuild(description["network"])
    network.load_state_dict(arrays)
    return network


def describe(layer):
    """A layer as data that JSON can hold; layers of your own must take arguments that it can hold too."""
    return {"kind": type(layer).__name__, "config": _encode(layer.config())}


def rebuild(description):
    """The layer that was described, with its parameters: what a layer inferred from its first input is among its arguments."""
    kind = Layer.kinds.get(description["kind"])
    if kind is None:
        raise InvalidArgumentError(
            f"{description['kind']}: no layer of that name; import the module that defines it before loading"
        )
    return kind(**{name: _decode(value) for name, value in description["config"].items()})


def _encode(value):
    if isinstance(value, Layer):
        return describe(value)
    if isinstance(value, dict):
        return {name: _encode(v) for name, v in value.items()}
    if isinstance(value, tuple):
        return {"tuple": [_encode(v) for v in value]}
    if isinstance(value, list):
        return [_encode(v) for v in value]
    if isinstance(value, np.integer | np.floating):
        return value.item()
    return value


def _decode(value):
    if isinstance(value, list):
        return [_decode(v) for v in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"kind", "config"}:
        return rebuild(value)
    if value.keys() == {"tuple"}:
        return tuple(_decode(v) for v in value["tuple"])
    return {name: _decode(v) for name, v in value.items()}


def _read_npz(file):
    if not zipfile.is_zipfile(file):
        raise ValueError("no npz archive")
    file.seek(0)
    with np.load(file, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return arrays, str(arrays.pop(_DESCRIPTION))


def _read_safetensors(file):
    safetensors = _safetensors()
    data = file.read()
    # The header: its length in 8 bytes, little-endian, then JSON.
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return safetensors.load(data), header["__metadata__"][_DESCRIPTION]


def _safetensors():
    try:
        import safetensors.numpy
    except ImportError:
        raise MissingExtraError(
            "safetensors is not installed: pip install 'fastconv[safetensors]', or save to a .npz file"
        ) from None
    return safetensors.numpy
