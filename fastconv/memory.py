"""Aligned memory."""

import numpy as np

__all__ = ["ALIGNMENT", "aligned_empty"]

# A cache line, and the widest vector.
ALIGNMENT = 64


def aligned_empty(size, dtype):
    """An uninitialised 1-D array of `size` elements that begins on a cache line."""
    dtype = np.dtype(dtype)
    raw = np.empty(size * dtype.itemsize + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size * dtype.itemsize].view(dtype)
