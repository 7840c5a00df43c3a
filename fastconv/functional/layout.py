"""Conversion between the two memory formats."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import as_plain, conform, empty
from ..errors import InvalidArgumentError
from ..kernels import cpu
from ..problem import memory_format_of
from ..threads import get_num_threads
from ..typing import Array

__all__ = ["to_memory_format"]

# Elements from which on a second thread pays.
_THREADED = 2**17
_FORMATS = {"channels_last": "nhwc", "nchw": "nchw"}


def to_memory_format(x: np.ndarray, memory_format: str, dtype: DTypeLike | None = None) -> Array:
    """An image array in another memory format; its shape stays (n, c, h, w).

    Parameters
    ----------
    x : ndarray, shape (n, c, h, w)
    memory_format : {"channels_last", "nchw"}
    dtype : dtype, optional
        Converted to at the same time.

    Returns
    -------
    ndarray
        On the memory of `x` if it is so already.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> fc.functional.to_memory_format(np.zeros((1, 3, 2, 2), np.float32), "channels_last").strides
    (48, 4, 24, 12)
    """
    x = as_plain("x", x)
    if x.ndim != 4 or memory_format not in _FORMATS:
        raise InvalidArgumentError(
            f"x, memory_format: got shape {x.shape} and {memory_format!r}, expected (n, c, h, w) and one of "
            f"{', '.join(_FORMATS)}"
        )
    wanted = _FORMATS[memory_format]
    dtype = np.dtype(dtype or x.dtype)
    present = memory_format_of(x)
    if present == wanted or dtype not in (np.float32, np.float64) or x.size == 0:
        return conform(x, dtype, wanted)
    x = conform(x, dtype, present)
    out = empty(x.shape, dtype, wanted)
    n, c, h, w = x.shape
    rows, columns = (c, h * w) if wanted == "nhwc" else (h * w, c)
    cpu.kernels().swap_axes(x, out, n, rows, columns, get_num_threads() if x.size >= _THREADED else 1)
    return out
