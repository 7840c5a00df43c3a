"""Arrays with channels, (n, c, h, w) or (n, c), as the kernels of normalisation and elementwise operations take them."""

from __future__ import annotations

import numpy as np

from .. import workspace
from ..arrays import as_plain, checked_out, conform, empty, require_shape
from ..errors import InvalidArgumentError, InvalidTypeError
from ..kernels import cpu
from ..problem import memory_format_of

__all__ = [
    "as_channels",
    "as_double",
    "as_float",
    "as_parameter",
    "contiguous",
    "deliver",
    "format_of",
    "layout_of",
    "like",
    "result_for",
    "scratch",
]


def as_float(name, a):
    """`a` as a plain float32 or float64 array in native byte order, or one clear error."""
    if type(a) is not np.ndarray:
        a = as_plain(name, a)
    if a.dtype.kind != "f" or a.dtype.itemsize not in (4, 8):
        raise InvalidTypeError(f"{name}: dtype {a.dtype} is not supported; convert it to float32 or float64")
    return a if a.dtype.isnative else a.astype(a.dtype.newbyteorder("="))


def as_channels(name, a):
    """`a` of shape (n, c, h, w) or (n, c), contiguous in its memory format."""
    a = as_float(name, a)
    if a.ndim not in (2, 4):
        raise InvalidArgumentError(f"{name}: got shape {a.shape}, expected (n, c, h, w) or (n, c)")
    return contiguous(a)


def contiguous(a, memory_format=None):
    """`a` contiguous in a memory format, its own unless one is given; of any number of dimensions, none included."""
    return conform(a, a.dtype, memory_format or format_of(a)).reshape(a.shape)


def format_of(a):
    """The memory format of an array of any number of dimensions."""
    return memory_format_of(a) if a.ndim == 4 else "nchw"


def like(name, a, x, x_name="x"):
    """`a`, an array that belongs to `x` element by element, in x's memory format."""
    a = as_float(name, a)
    require_shape(name, a, x.shape, f"the shape of {x_name}")
    _require_dtype(name, a, x, x_name)
    return contiguous(a, format_of(x))


def as_parameter(name, a, x, shape, why="one value per channel"):
    """`a`, a parameter of `shape`, contiguous and of x's dtype; None stays None."""
    if a is None:
        return None
    a = as_float(name, a)
    require_shape(name, a, shape, why)
    _require_dtype(name, a, x, "x")
    return conform(a, a.dtype)


def as_double(name, a, c):
    """`a`, a value for each of c channels, as float64."""
    a = as_float(name, a)
    require_shape(name, a, (c,), "one value per channel")
    return np.ascontiguousarray(a, np.float64)


def _require_dtype(name, a, x, x_name):
    if a.dtype != x.dtype:
        raise InvalidTypeError(f"{name}: dtype {a.dtype} differs from {x_name}'s {x.dtype}; convert one of them")


def layout_of(a):
    """(n, c, plane, channels_last), as images.h has it; rows of channels for (n, c)."""
    if a.ndim == 2:
        return *a.shape, 1, 1
    n, c, h, w = a.shape
    # Planes of one pixel are rows of channels in both formats.
    return n, c, h * w, int(h * w == 1 or format_of(a) == "nhwc")


def result_for(x, out, /, **operands):
    """Where a result of x's shape and memory format goes: (array for the kernel, what the caller gets).

    `out` may be one of the `operands` exactly, but share part of its memory with none.
    """
    if out is None:
        y = empty(x.shape, x.dtype, format_of(x))
        return y, y
    given = {name: a for name, a in operands.items() if a is not None and not _same_memory(a, out)}
    checked_out(out, x.shape, x.dtype, **given)
    direct = out.strides == x.strides and out.flags.aligned
    return (out if direct else empty(x.shape, x.dtype, format_of(x))), out


def deliver(a, result):
    """Copy what a kernel wrote to where the caller gets it, if these differ; both are from `result_for`."""
    if a is not result:
        result[...] = a


def _same_memory(a, b):
    return a.ctypes.data == b.ctypes.data and a.strides == b.strides and a.shape == b.shape


class scratch:
    """``with scratch(layout, x, n) as w:`` holds the workspace that the kernels of norm.h need on n threads."""

    __slots__ = ("_buffer",)

    def __init__(self, layout, x, n):
        self._buffer = workspace.take(cpu.kernels().norm_workspace(layout, x.itemsize, n))

    def __enter__(self):
        return self._buffer

    def __exit__(self, *exception):
        workspace.give_back(self._buffer)
