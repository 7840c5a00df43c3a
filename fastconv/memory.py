"""Aligned memory, and large blocks of it used again.

A fresh large array costs a page fault per page at its first use, which takes longer than many a convolution. Large blocks are
therefore remembered, and one that nothing refers to any more serves the next request of its size.
"""

import sys
import threading

import numpy as np

__all__ = ["ALIGNMENT", "aligned_empty", "release_blocks"]

# A cache line, and the widest vector.
ALIGNMENT = 64
# Blocks from this size on are used again: below, the allocator's own lists do it.
_LARGE = 256 * 1024
# Bytes and blocks remembered, in use or not; the oldest are forgotten first.
_KEPT_BYTES = 2**28
_KEPT_BLOCKS = 64
# A block may be so much larger than the request.
_SLACK = 1.25

# Without a global interpreter lock a reference count does not tell whether an object is in use.
_counts_tell = getattr(sys, "_is_gil_enabled", lambda: True)()
_lock = threading.Lock()
_blocks: list[np.ndarray] = []


def aligned_empty(size, dtype):
    """An uninitialised 1-D array of `size` elements that begins on a cache line."""
    dtype = np.dtype(dtype)
    nbytes = size * dtype.itemsize
    raw = _large_block(nbytes + ALIGNMENT) if nbytes >= _LARGE and _counts_tell else np.empty(nbytes + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + nbytes].view(dtype)


def release_blocks():
    """Forget the blocks that are remembered; those in use live on as ordinary arrays."""
    with _lock:
        _blocks.clear()


def _large_block(nbytes):
    with _lock:
        block = _unused(_blocks, nbytes)
        if block is None:
            block = np.empty(nbytes, np.uint8)
            _blocks.append(block)
            kept = sum(b.nbytes for b in _blocks)
            while len(_blocks) > 1 and (kept > _KEPT_BYTES or len(_blocks) > _KEPT_BLOCKS):
                kept -= _blocks.pop(0).nbytes
        return block


def _unused(blocks, nbytes):
    """A block of about `nbytes` that only `blocks` refers to, or None."""
    for block in blocks:
        if nbytes <= block.nbytes <= nbytes * _SLACK and sys.getrefcount(block) <= _references:
            return block
    return None


def _references_when_unused():
    """What `sys.getrefcount` tells inside `_unused` of a block that only the list refers to; Python versions differ."""
    for block in [np.empty(1, np.uint8)]:
        return sys.getrefcount(block)


_references = _references_when_unused()
