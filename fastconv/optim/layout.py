"""Arrays as one-dimensional views in the order of their memory, so that elementwise updates cross it front to back."""

from __future__ import annotations

import numpy as np

__all__ = ["flatten", "in_memory_order", "memory_order", "unflatten"]


def memory_order(array: np.ndarray) -> tuple[int, ...] | None:
    """The axes from the slowest to the fastest, if the array fills its memory without gaps; else None."""
    if array.flags.c_contiguous:
        return tuple(range(array.ndim))
    order = tuple(sorted(range(array.ndim), key=lambda axis: -array.strides[axis]))
    return order if array.transpose(order).flags.c_contiguous else None


def flatten(array: np.ndarray, order: tuple[int, ...]) -> np.ndarray:
    """The elements with the axes in this order, in one dimension: a view where the memory has that order, else a copy."""
    return np.ascontiguousarray(array.transpose(order)).reshape(-1)


def in_memory_order(array: np.ndarray) -> np.ndarray:
    """All elements in one dimension, in the order of the array's memory: a view, unless it has gaps."""
    return flatten(array, memory_order(array) or tuple(range(array.ndim)))


def unflatten(flat: np.ndarray, shape: tuple[int, ...], order: tuple[int, ...]) -> np.ndarray:
    """The inverse of `flatten`, as a view of `flat`."""
    inverse = sorted(range(len(order)), key=order.__getitem__)
    return flat.reshape([shape[axis] for axis in order]).transpose(inverse)
