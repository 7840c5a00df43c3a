"""The arrays of a convolution as kernels take them: accepted or refused, put into a memory format, allocated."""

from __future__ import annotations

import math

import numpy as np

from .errors import InvalidArgumentError, InvalidTypeError
from .memory import aligned_empty

__all__ = ["as_bias", "as_plain", "checked_out", "conform", "empty", "require_disjoint", "require_shape"]

# Work np.shares_memory may spend on proving two strided arrays disjoint before they count as overlapping.
_OVERLAP_WORK = 10_000
# Elements from which on results are aligned and their memory is used again: below, NumPy's allocator is faster.
_LARGE = 2**16


def as_plain(name, a):
    """`a` as an instance of ndarray itself: subclasses are viewed, what would lose meaning so is refused."""
    if type(a) is np.ndarray:
        return a
    if not isinstance(a, np.ndarray):
        raise InvalidTypeError(f"{name}: got {type(a).__name__}, expected a NumPy array of float32 or float64")
    if isinstance(a, np.ma.MaskedArray):
        raise InvalidTypeError(f"{name}: got a masked array, and convolution has no masks; pass {name}.filled(value)")
    return a.view(np.ndarray)


def conform(a, dtype, memory_format="nchw"):
    """`a` in native byte order, aligned and contiguous in `memory_format`; copied only if it is not so already."""
    if memory_format == "nchw":
        a = np.ascontiguousarray(a, dtype)
        return a if a.flags.aligned else a.copy()
    pixels = np.ascontiguousarray(a.transpose(0, 2, 3, 1), dtype)
    return (pixels if pixels.flags.aligned else pixels.copy()).transpose(0, 3, 1, 2)


def empty(shape, dtype, memory_format="nchw"):
    """A new array of NCHW `shape`, laid out in `memory_format`."""
    if memory_format == "nchw":
        return _empty(shape, dtype)
    n, c, h, w = shape
    return _empty((n, h, w, c), dtype).transpose(0, 3, 1, 2)


def _empty(shape, dtype):
    size = math.prod(shape)
    return aligned_empty(size, dtype).reshape(shape) if size >= _LARGE else np.empty(shape, dtype)


def as_bias(b, problem):
    """The bias of `problem` as a contiguous array, or None."""
    if b is None:
        return None
    b = as_plain("b", b)
    if b.dtype.newbyteorder("=") != problem.dtype:
        raise InvalidTypeError(f"b: dtype {b.dtype} differs from x's {problem.dtype}; convert one of them")
    require_shape("b", b, (problem.out_channels,), "one value per filter")
    return conform(b, problem.dtype)


def require_shape(name, a, shape, why):
    if a.shape != shape:
        raise InvalidArgumentError(f"{name}: got shape {a.shape}, expected {shape}: {why}")


def checked_out(out, shape, dtype, **operands):
    """`out` if a result of `shape` and `dtype` can be written to it; else an error that says why not.

    Parameters
    ----------
    out : ndarray
    shape : tuple of int
    dtype : dtype
    **operands : ndarray or None
        The arguments that `out` must not share memory with.
    """
    as_plain("out", out)
    require_shape("out", out, shape, "the shape of the result")
    if out.dtype != dtype:
        raise InvalidTypeError(f"out: dtype {out.dtype} differs from the result's {dtype}")
    if not out.flags.writeable:
        raise InvalidArgumentError("out: the array is read-only")
    if out.size and any(stride == 0 and n > 1 for stride, n in zip(out.strides, shape, strict=True)):
        raise InvalidArgumentError("out: several elements share one place in memory (a stride is 0)")
    require_disjoint(out, **operands)
    return out


def require_disjoint(out, **operands):
    """Raise if `out` shares memory with one of the operands."""
    for name, a in operands.items():
        if a is not None and np.may_share_memory(out, a) and _overlap(out, a):
            raise InvalidArgumentError(f"out: shares memory with {name}; the result needs memory of its own")


def _overlap(a, b):
    try:
        return np.shares_memory(a, b, max_work=_OVERLAP_WORK)
    except np.exceptions.TooHardError:
        return True
