"""The constants that `fastconv calibrate` found for this machine, kept beside the stored plans of the same environment.

    <cache folder>/<environment>/machine.json

A file that is damaged or belongs to another environment is as if it were not there: the shipped constants hold.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
import pathlib

from ..algorithms.machine import Constants
from ..files import write_whole
from . import environment
from .memory import PLANS
from .store import cache_folder

__all__ = ["load", "path", "save"]

_FORMAT = "fastconv machine"
_VERSION = 1

_log = logging.getLogger("fastconv")


def path(config):
    """Where the constants of this environment are kept."""
    return cache_folder(config) / environment.folder_name() / "machine.json"


def load(config):
    """The stored `Constants` of this environment, read once in a process; None if there are none."""
    return _read(str(path(config)))


def save(constants, config):
    """Store constants, and drop the plans in memory that others predicted.

    Raises
    ------
    OSError
        If the cache folder cannot be written.
    """
    file = path(config)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, json.dumps(_header(file.parent.name) | {"constants": dataclasses.asdict(constants)}, indent=1))
    _read.cache_clear()
    PLANS.drop()


def _header(folder):
    return {"format": _FORMAT, "version": _VERSION, "environment": folder}


@functools.lru_cache(maxsize=64)
def _read(file):
    file = pathlib.Path(file)
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        if any(data[name] != value for name, value in _header(file.parent.name).items()):
            return None
        return Constants(**data["constants"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        _log.info("the stored calibration %s is ignored: %s", file, error)
        return None
