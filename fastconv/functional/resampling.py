"""Upsampling: nearest and bilinear, by a factor or to a size, each with its gradient.

Outputs and the pixels they are made from are lists of weighted pairs along each axis, as in pooling, and run through its
kernels; enlarging by whole numbers is the gradient of a sum over windows.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence

import numpy as np

from ..arrays import conform, empty, require_shape
from ..errors import InvalidArgumentError, InvalidTypeError
from ..problem import as_pair, memory_format_of
from ..typing import Array, MemoryFormat, Pair, Scale, UpsampleMode
from .windows import Axis, Windows, as_image_shape, as_images, format_of_result, pair_lists, sliding_axis

__all__ = ["upsample2d", "upsample2d_grad"]


# The most an axis may have: sizes are held in 32 bits by formats that networks are stored in.
_MOST_PIXELS = 2**31 - 1
_REMEMBERED = 256


def upsample2d(
    x: Array,
    scale_factor: Scale | None = None,
    size: Pair | None = None,
    mode: UpsampleMode = "nearest",
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
    windows, enlarging = windows_of(x.shape, scale_factor, size, mode, align_corners)
    memory_format = memory_format_of(x)
    y = empty((*x.shape[:2], *_size(windows, enlarging)), x.dtype, memory_format)
    run = windows.backward if enlarging else windows.forward
    run(conform(x, x.dtype, memory_format), y, memory_format, average=True)
    return y


def upsample2d_grad(
    gy: Array,
    x_shape: Sequence[int],
    scale_factor: Scale | None = None,
    size: Pair | None = None,
    mode: UpsampleMode = "nearest",
    align_corners: bool = False,
    *,
    memory_format: MemoryFormat | None = None,
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
    windows, enlarging = windows_of(x_shape, scale_factor, size, mode, align_corners)
    gy = as_images("gy", gy)
    require_shape("gy", gy, (*x_shape[:2], *_size(windows, enlarging)), f"the resampled output's of {x_shape}")
    memory_format = format_of_result(memory_format, gy)
    dx = empty(x_shape, gy.dtype, memory_format)
    run = windows.forward if enlarging else windows.backward
    run(conform(gy, gy.dtype, memory_format), dx, memory_format, average=True)
    return dx


def _size(windows, enlarging):
    return (windows.rows.size, windows.cols.size) if enlarging else windows.out


def windows_of(x_shape, scale_factor, size, mode, align_corners):
    """The windows, and whether their pixels are those of the result: then they are to be run backward."""
    if mode not in ("nearest", "bilinear"):
        raise InvalidArgumentError(f"mode: got {mode!r}, expected 'nearest' or 'bilinear'")
    if not isinstance(align_corners, (bool, np.bool_)):
        raise InvalidTypeError(f"align_corners: got {align_corners!r}, expected True or False")
    if align_corners and mode == "nearest":
        raise InvalidArgumentError("align_corners: got True, which mode 'nearest' has no use for")
    if (size is None) == (scale_factor is None):
        raise InvalidArgumentError(
            f"size, scale_factor: got {size!r} and {scale_factor!r}, expected exactly one of them to be given"
        )
    factors = (None, None)
    if size is not None:
        out = as_pair("size", size, 1)
    else:
        factors = _factors(scale_factor)
        out = tuple(_scaled(n, factor) for n, factor in zip(x_shape[2:], factors, strict=True))
    axes = list(zip(x_shape[2:], out, factors, strict=True))
    if mode == "nearest" and all(m % n == 0 and (factor is None or n * factor == m) for n, m, factor in axes):
        return Windows(*(_enlarged_axis(n, m) for n, m, _ in axes)), True
    make = _nearest_axis if mode == "nearest" else functools.partial(_bilinear_axis, align_corners=bool(align_corners))
    return Windows(*(make(*axis) for axis in axes)), False


def _factors(scale_factor):
    factors = scale_factor if isinstance(scale_factor, (tuple, list)) else (scale_factor,) * 2
    if len(factors) != 2:
        raise InvalidArgumentError(f"scale_factor: got {scale_factor!r}, expected a number or a pair of numbers")
    for factor in factors:
        if isinstance(factor, (bool, np.bool_)) or not isinstance(factor, (int, float, np.integer, np.floating)):
            raise InvalidTypeError(f"scale_factor: got {scale_factor!r}, expected a number or a pair of numbers")
        if not 0 < factor < math.inf:
            raise InvalidArgumentError(f"scale_factor: got {scale_factor!r}, expected positive numbers")
    return tuple(float(factor) for factor in factors)


def _scaled(n, factor):
    out = math.floor(n * factor)
    if not 1 <= out <= _MOST_PIXELS:
        raise InvalidArgumentError(f"scale_factor: {factor} makes {out} pixels of {n}; expected 1 to {_MOST_PIXELS}")
    return out


# -- pairs of outputs and pixels ----------------------------------------------------------------------------------------------


@functools.lru_cache(_REMEMBERED)
def _enlarged_axis(size, out):
    """Windows of the result's pixels that show the same pixel, to be summed."""
    axis = sliding_axis("size", out, out // size, out // size, 0, 1, False, True)
    return dataclasses.replace(axis, count=np.ones(size, np.int64))


@functools.lru_cache(_REMEMBERED)
def _nearest_axis(size, out, factor):
    i = np.arange(out)
    # In integers where the sizes tell the factor, so that no rounding moves an output to the pixel before.
    pixel = i * size // out if factor is None else np.minimum((i / factor).astype(np.int64), size - 1)
    lists = pair_lists(size, out, pixel, i, np.zeros(out, np.int64))
    return Axis(size, out, 1, 0, 0, 1, pixel, *lists, np.ones(out, np.int64))


@functools.lru_cache(_REMEMBERED)
def _bilinear_axis(size, out, factor, align_corners):
    i = np.arange(out)
    if align_corners:
        place = i * (size - 1) / max(out - 1, 1)
    else:
        place = np.maximum((i + 0.5) / (out / size if factor is None else factor) - 0.5, 0)
    low = np.minimum(place.astype(np.int64), size - 1)
    high = np.minimum(low + 1, size - 1)
    of_high = np.clip(place - low, 0, 1)
    # The last pixel has no neighbour: its two weights are one pair.
    pairs = np.stack([np.ones(out, bool), high > low], axis=1).ravel()
    weight = np.where(high > low, 1 - of_high, 1)
    pixel, tap, weight = (
        np.stack(both, axis=1).ravel()[pairs] for both in ((low, high), (0 * i, 0 * i + 1), (weight, of_high))
    )
    lists = pair_lists(size, out, pixel, np.repeat(i, 2)[pairs], tap, weight)
    return Axis(size, out, 2, 0, 0, 1, low, *lists[:2], np.ones(out, np.int64), *lists[2:])
