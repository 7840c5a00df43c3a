"""Aligned memory, and large blocks of it used again.

A fresh large array costs a page fault per page at its first use, which takes longer than many a convolution. Large blocks are
therefore remembered, and one that nothing refers to any more serves the next request of its size.
"""

import bisect
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
# By size, which are also listed for themselves; and by age.
_blocks: list[np.ndarray] = []
_sizes: list[int] = []
_ages: list[int] = []


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
        for items in (_blocks, _sizes, _ages):
            items.clear()


def _large_block(nbytes):
    with _lock:
        first = bisect.bisect_left(_sizes, nbytes)
        block = _unused(_blocks, first, bisect.bisect_right(_sizes, nbytes * _SLACK))
        if block is None:
            block = np.empty(nbytes, np.uint8)
            age = max(_ages, default=0) + 1
            for items, item in ((_blocks, block), (_sizes, nbytes), (_ages, age)):
                items.insert(first, item)
            while len(_blocks) > 1 and (sum(_sizes) > _KEPT_BYTES or len(_blocks) > _KEPT_BLOCKS):
                oldest = _ages.index(min(_ages))
                for items in (_blocks, _sizes, _ages):
                    del items[oldest]
        return block


def _unused(blocks, begin, end):
    """The first of blocks[begin:end] that only `blocks` refers to, or None."""
    for i in range(begin, end):
        if _references(blocks, i) <= _references_when_unused:
            return blocks[i]
    return None


def _references(blocks, i):
    return sys.getrefcount(blocks[i])


# Of a block that only the list refers to; Python versions differ.
_references_when_unused = _references([np.empty(1, np.uint8)], 0)
