"""Checkpoints in files: the state of a training, from which it goes on bitwise as if it had never stopped.

A state is a tree of dicts, lists, numbers, strings and arrays. The arrays go to the file by their place in the tree, everything
else into its description, as JSON, where ``{"//array": place}`` stands for an array.
"""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from ..errors import InvalidArgumentError
from ..nn.network import Network
from ..nn.serialization import describe, load_arrays, rebuild, save_arrays

__all__ = ["load_checkpoint", "load_network", "save_checkpoint"]

_PLACEHOLDER = "//array"


def save_checkpoint(path: str | os.PathLike[str], state: dict[str, Any], network: Network) -> None:
    """Write the state of a training (`Training.state`) and its network's architecture.

    Parameters
    ----------
    path : path
        ``.safetensors`` needs the extra of that name; anything else is written as npz. An older file there is replaced at once,
        by a whole one.
    state : dict
    network : Network
    """
    arrays: dict[str, np.ndarray] = {}
    tree = _without_arrays(state, "", arrays)
    save_arrays(path, arrays, {"checkpoint": tree, "architecture": _architecture(network)})


def load_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The state that `save_checkpoint` wrote. Nothing is unpickled.

    Raises
    ------
    InvalidArgumentError
        The file is missing, damaged, or no checkpoint.
    """
    arrays, description = _read(path)
    return _with_arrays(description["checkpoint"], arrays)


def load_network(path: str | os.PathLike[str]) -> Network:
    """The network in a checkpoint, with the parameters that it had.

    Raises
    ------
    InvalidArgumentError
        The file is no checkpoint, or its network has arguments that JSON cannot hold.
    """
    arrays, description = _read(path)
    if description["architecture"] is None:
        raise InvalidArgumentError(f"{path}: holds no architecture, as a layer's arguments were no JSON; build it and resume")
    state = _with_arrays(description["checkpoint"], arrays)
    network = rebuild(description["architecture"])
    network.build(tuple(state["input_shape"]))
    network.load_state_dict(state["network"])
    return network


def _read(path):
    try:
        arrays, description = load_arrays(path)
    except OSError as error:
        raise InvalidArgumentError(f"{path}: cannot be read: {error.strerror}") from error
    if "checkpoint" not in description:
        raise InvalidArgumentError(f"{path}: is no checkpoint of a training; a saved network is read by its load method")
    return arrays, description


def _architecture(network):
    try:
        described = describe(network)
        json.dumps(described)
    except TypeError:
        return None
    return described


def _without_arrays(tree, place, arrays):
    if isinstance(tree, dict):
        if not all(isinstance(name, str) for name in tree):
            raise InvalidArgumentError(f"state: {place}: got the keys {list(tree)}, expected strings")
        return {name: _without_arrays(value, f"{place}/{name}" if place else name, arrays) for name, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [_without_arrays(value, f"{place}/{i}", arrays) for i, value in enumerate(tree)]
    if isinstance(tree, np.ndarray):
        arrays[place] = tree
        return {_PLACEHOLDER: place}
    return tree.item() if isinstance(tree, np.generic) else tree


def _with_arrays(tree, arrays):
    if isinstance(tree, dict):
        if tree.keys() == {_PLACEHOLDER}:
            return arrays[tree[_PLACEHOLDER]]
        return {name: _with_arrays(value, arrays) for name, value in tree.items()}
    return [_with_arrays(value, arrays) for value in tree] if isinstance(tree, list) else tree
