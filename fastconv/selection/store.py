"""Measurements kept on disk, for all processes of a user.

    <cache folder>/<environment>/environment.json
                                <problem>.json        one `Record` each, with its full key

The cache folder is ``config(cache_dir=)``, else ``FASTCONV_CACHE_DIR``, else the user's. Whatever cannot be read is as if it
were not there; what cannot be written stays in this process's memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import pathlib
import re

from ..files import write_whole
from . import environment
from .memory import LRU
from .record import Record

try:
    import fcntl
except ImportError:  # not on Windows, where concurrent writers of one problem may cost a measurement
    fcntl = None  # type: ignore[assignment]

__all__ = ["cache_folder", "load", "save"]

_FORMAT = "fastconv record"
_VERSION = 2
# Keeps file names below the 255 bytes of common file systems.
_MAX_READABLE = 100
_MAX_UNSAVED = 1024

_log = logging.getLogger("fastconv")
_unsaved = LRU(_MAX_UNSAVED)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unsaved.renew_lock)


def cache_folder(config):
    """The folder that holds the plans of all environments."""
    chosen = config.cache_dir or os.environ.get("FASTCONV_CACHE_DIR")
    if chosen:
        return pathlib.Path(chosen)
    import platformdirs

    return pathlib.Path(platformdirs.user_cache_dir("fastconv", appauthor=False))


def load(problem, threads, config):
    """The `Record` of a problem on a number of threads, or None."""
    path = _path(problem, threads, config)
    return _read(path, problem, threads) or _unsaved.get(str(path))


def save(record, config):
    """Store a record, merged with what is stored already."""
    path = _path(record.problem, record.threads, config)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path.parent):
            _describe_environment(path.parent)
            older = _read(path, record.problem, record.threads)
            merged = record.merged(older) if older else record
            write_whole(path, json.dumps(_header(record.problem, record.threads) | merged.to_dict(), indent=1))
    except OSError as error:
        _log.warning("plans stay in memory, because %s cannot be written: %s", path.parent, error)
        older = _unsaved.get(str(path))
        _unsaved.put(str(path), record.merged(older) if older else record)


def _path(problem, threads, config):
    readable = re.sub(r"[^\w.]", "_", f"{problem.direction}_{problem}")[:_MAX_READABLE]
    key = json.dumps([problem.key(), threads], sort_keys=True).encode()
    name = f"{readable}_{problem.dtype}_{problem.memory_format}_t{threads}_{hashlib.sha256(key).hexdigest()[:16]}.json"
    return cache_folder(config) / environment.folder_name() / name


def _header(problem, threads):
    header = {"format": _FORMAT, "version": _VERSION, "environment": environment.folder_name()}
    return json.loads(json.dumps(header | {"problem": problem.key(), "threads": threads}))


def _read(path, problem, threads):
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if any(data.get(name) != value for name, value in _header(problem, threads).items()):
            return None
        return Record.from_dict(problem, threads, data)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        _log.info("the stored plan %s is ignored: %s", path, error)
        return None


def _describe_environment(folder):
    path = folder / "environment.json"
    if not path.exists():
        write_whole(path, json.dumps(environment.describe(), indent=1))


@contextlib.contextmanager
def _locked(folder):
    """Keeps two processes from merging into the same old record; without it one of their measurements would be lost."""
    if fcntl is None:
        yield
        return
    with open(folder / ".lock", "a") as file:
        # File systems without locks refuse; the write itself is atomic all the same.
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
