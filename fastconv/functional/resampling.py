"""Upsampling: nearest and bilinear, by a factor or to a size, each with its gradient.

Both are linear along each axis, so a result is made axis by axis, and the gradient is the transpose of each step. Bilinear: two
neighbours of each output, weighed; its gradient, for each pixel the few outputs that read it, in their order.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..arrays import conform, empty, require_shape
from ..errors import InvalidArgumentError, InvalidTypeError
from ..problem import as_integer, memory_format_of, require_at_least
from .windows import as_images, as_image_shape, format_of_result

__all__ = ["upsample2d", "upsample2d_grad"]

Array: TypeAlias = NDArray[np.floating]
Scale: TypeAlias = float | tuple[float, float] | list[float]
Size: TypeAlias = int | tuple[int, int] | list[int]
Mode: TypeAlias = Literal["nearest", "bilinear"]
MemoryFormat: TypeAlias = Literal["nchw", "nhwc"] | None

# The most an axis may have: sizes are held in 32 bits by formats that networks are stored in.
_MOST_PIXELS = 2**31 - 1
_REMEMBERED = 256


def upsample2d(
    x: Array,
    scale_factor: Scale | None = None,
    size: Size | None = None,
    mode: Mode = "nearest",
    align_corners: bool = False,
) -> Array:
    """Images of another size, by interpolation.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (n, c, h, w)
        Of any strides. If its channels are contiguous in memory (channels-last), so are the result's.
    scale_factor : float or (float, float), optional
        Of height and width; the result's are rounded down.
    size : int or (int, int), optional
        Height and width of the result. Either this or `scale_factor` is given.
    mode : {"nearest", "bilinear"}
        Nearest: output i takes pixel floor(i / factor). Bilinear: the four pixels around it, weighed by their distance.
    align_corners : bool
        Bilinear: whether the centres of the corner pixels, and not the corners of the image, keep their places.

    Returns
    -------
    ndarray, shape (n, c, oh, ow)

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        The message names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> x = np.array([[[[1.0, 2.0]]]])
    >>> F.upsample2d(x, 2)[0, 0].tolist()
    [[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]]
    >>> F.upsample2d(x, size=(1, 4), mode="bilinear")[0, 0].tolist()
    [[1.0, 1.25, 1.75, 2.0]]
    """
    x = as_images("x", x)
    rows, cols = _axes(x.shape, scale_factor, size, mode, align_corners)
    memory_format = memory_format_of(x)
    x = conform(x, x.dtype, memory_format)
    y = empty((*x.shape[:2], rows.out, cols.out), x.dtype, memory_format)
    # Height and width are axes of the memory order; the others make one before and one behind.
    source, result = _planes(x, memory_format), _planes(y, memory_format)
    if mode == "nearest":
        _repeat(source, result, rows, cols)
    else:
        _interpolate(_interpolate(source, 1, rows), 2, cols, result)
    return y


def upsample2d_grad(
    gy: Array,
    x_shape: Sequence[int],
    scale_factor: Scale | None = None,
    size: Size | None = None,
    mode: Mode = "nearest",
    align_corners: bool = False,
    *,
    memory_format: MemoryFormat = None,
) -> Array:
    """Gradient of `upsample2d` with respect to its input.

    Parameters
    ----------
    gy : ndarray, shape (n, c, oh, ow)
        Gradient with respect to the output.
    x_shape : (int, int, int, int)
    scale_factor, size, mode, align_corners
        As in `upsample2d`.
    memory_format : {None, "nchw", "nhwc"}
        The result's; None: that of `gy`.

    Returns
    -------
    ndarray of shape `x_shape`

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> F.upsample2d_grad(np.ones((1, 1, 2, 4)), (1, 1, 1, 2), 2)[0, 0].tolist()
    [[4.0, 4.0]]
    """
    x_shape = as_image_shape(x_shape)
    rows, cols = _axes(x_shape, scale_factor, size, mode, align_corners)
    gy = as_images("gy", gy)
    require_shape("gy", gy, (*x_shape[:2], rows.out, cols.out), f"the upsampled output's of {x_shape}")
    memory_format = format_of_result(memory_format, gy)
    dx = empty(x_shape, gy.dtype, memory_format)
    source = _planes(conform(gy, gy.dtype, memory_format), memory_format)
    _gather(_gather(source, 1, rows), 2, cols, _planes(dx, memory_format))
    return dx
