"""Scratch memory for algorithms: one arena per Python thread, reused from call to call.

A buffer is taken out of its arena while it is in use, so a convolution that runs inside another one gets memory of its own.
"""

from __future__ import annotations

import os
import threading
import weakref

import numpy as np

from .memory import aligned_empty, release_blocks

__all__ = ["give_back", "release_workspaces", "take"]

# A buffer that has to grow grows by at least this factor, so that a rising sequence of sizes costs few allocations.
_GROWTH = 1.5


class _Arena:
    __slots__ = ("__weakref__", "free")

    def __init__(self):
        self.free = []


class _ThreadLocal(threading.local):
    def __init__(self):
        self.arena = _Arena()
        with _lock:
            _arenas.add(self.arena)


_lock = threading.Lock()
_arenas: weakref.WeakSet[_Arena] = weakref.WeakSet()
_local = _ThreadLocal()
_NOTHING = aligned_empty(0, np.uint8)


def take(nbytes: int) -> np.ndarray:
    """A buffer of at least `nbytes` bytes, this thread's until `give_back`.

    Parameters
    ----------
    nbytes : int

    Returns
    -------
    ndarray of uint8
        On a 64-byte boundary; its content is arbitrary.
    """
    if not nbytes:
        return _NOTHING
    try:
        buffer = _local.arena.free.pop()
    except IndexError:
        buffer = _NOTHING
    if buffer.nbytes >= nbytes:
        return buffer
    return aligned_empty(max(nbytes, int(buffer.nbytes * _GROWTH)), np.uint8)


def give_back(buffer: np.ndarray) -> None:
    """Return a buffer that `take` handed out in this thread; only the largest one is kept."""
    if buffer is _NOTHING:
        return
    free = _local.arena.free
    try:
        other = free.pop()
    except IndexError:
        other = _NOTHING
    free.append(buffer if buffer.nbytes >= other.nbytes else other)


def release_workspaces() -> None:
    """Free the scratch memory of all threads, and the large results kept for reuse, that are not in use at this moment.

    Examples
    --------
    >>> import fastconv as fc
    >>> fc.release_workspaces()
    """
    with _lock:
        arenas = list(_arenas)
    for arena in arenas:
        arena.free.clear()
    release_blocks()


def _after_fork():
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
