"""Padding images: with a constant, their reflection or their edge, and the gradient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import empty, require_shape
from ..errors import InvalidArgumentError, InvalidTypeError
from ..problem import memory_format_of
from ..typing import Array, Margins, MemoryFormat, PadMode
from .windows import as_image_shape, as_images, as_margins, format_of_result

__all__ = ["pad2d", "pad2d_grad"]


_MODES = ("constant", "reflect", "replicate")


def pad2d(x: Array, padding: Margins, mode: PadMode = "constant", value: float = 0.0) -> Array:
    """Images with margins.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (n, c, h, w)
        Of any strides. If its channels are contiguous in memory (channels-last), so are the result's.
    padding : int, (int, int) or ((int, int), (int, int))
        Pixels added everywhere, along height and width, or at (top, bottom), (left, right).
    mode : {"constant", "reflect", "replicate"}
        What margins hold: `value`, the image mirrored at its outermost pixels, or these pixels repeated.
    value : float
        Of constant margins.

    Returns
    -------
    ndarray, shape (n, c, top + h + bottom, left + w + right)

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        The message names the argument. A mirrored margin must be smaller than the image.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> F.pad2d(np.array([[[[1.0, 2.0]]]]), ((0, 1), (1, 0)), value=9)[0, 0].tolist()
    [[9.0, 1.0, 2.0], [9.0, 9.0, 9.0]]
    """
    x = as_images("x", x)
    (top, bottom), (left, right) = _margins(x.shape, padding, mode)
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise InvalidTypeError(f"value: got {value!r}, expected a number")
    n, c, h, w = x.shape
    y = empty((n, c, top + h + bottom, left + w + right), x.dtype, memory_format_of(x))
    y[:, :, top : top + h, left : left + w] = x
    # Margins of the rows, then whole rows: those at the corners are copied from margins that are there already.
    inner = y[:, :, top : top + h]
    for at, source in _sources(left, w, right, mode):
        inner[..., at] = value if source is None else inner[..., source]
    for at, source in _sources(top, h, bottom, mode):
        y[:, :, at] = value if source is None else y[:, :, source]
    return y


def pad2d_grad(
    gy: Array,
    x_shape: Sequence[int],
    padding: Margins,
    mode: PadMode = "constant",
    *,
    memory_format: MemoryFormat | None = None,
) -> Array:
    """Gradient of `pad2d` with respect to its input.

    Parameters
    ----------
    gy : ndarray, shape (n, c, top + h + bottom, left + w + right)
        Gradient with respect to the output.
    x_shape : (int, int, int, int)
    padding, mode
        As in `pad2d`.
    memory_format : {None, "nchw", "nhwc"}
        The result's; None: that of `gy`.

    Returns
    -------
    ndarray of shape `x_shape`

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> F.pad2d_grad(np.ones((1, 1, 3, 4)), (1, 1, 1, 2), 1, "replicate")[0, 0].tolist()
    [[6.0, 6.0]]
    """
    x_shape = as_image_shape(x_shape)
    (top, bottom), (left, right) = _margins(x_shape, padding, mode)
    n, c, h, w = x_shape
    gy = as_images("gy", gy)
    require_shape("gy", gy, (n, c, top + h + bottom, left + w + right), f"the padded output's of {x_shape}")
    memory_format = format_of_result(memory_format, gy)
    # Rows first, as the padding made them last.
    rows = empty((n, c, h, gy.shape[3]), gy.dtype, memory_format)
    rows[...] = gy[:, :, top : top + h]
    for at, source in _sources(top, h, bottom, mode):
        if source is not None:
            _add(rows, gy, 2, at, source, top)
    dx = empty(x_shape, gy.dtype, memory_format)
    dx[...] = rows[..., left : left + w]
    for at, source in _sources(left, w, right, mode):
        if source is not None:
            _add(dx, rows, 3, at, source, left)
    return dx


def _margins(x_shape, padding, mode):
    if mode not in _MODES:
        raise InvalidArgumentError(f"mode: got {mode!r}, expected one of {', '.join(_MODES)}")
    margins = as_margins("padding", padding)
    for name, size, sides in zip(("height", "width"), x_shape[2:], margins, strict=True):
        if mode == "reflect" and max(sides) >= size:
            raise InvalidArgumentError(
                f"padding: got {max(sides)} along the {name} {size}; a mirrored margin is smaller than the image"
            )
    return margins


def _sources(before, size, after, mode):
    """(places, where their values come from) of both margins along an axis, in the padded image; None: a constant.

    Places are slices; a source is one of the same length, or a single place that is repeated.
    """
    end = before + size
    for at in (slice(0, before), slice(end, end + after)):
        if at.stop == at.start:
            continue
        if mode == "constant":
            yield at, None
        elif mode == "replicate":
            yield at, slice(before, before + 1) if at.start == 0 else slice(end - 1, end)
        else:
            # Mirrored: place before - i comes from before + i, and end - 1 + i from end - 1 - i.
            last = end - 1 - after - 1
            yield at, slice(2 * before, before, -1) if at.start == 0 else slice(end - 2, last if last >= 0 else None, -1)


def _add(result, gradient, axis, at, source, before):
    """Adds the gradient of the places `at` to where their values came from."""
    shape = (slice(None),) * axis
    added = gradient[(*shape, at)]
    if source.step is None:
        added = added.sum(axis=axis, keepdims=True)
    stop = None if source.stop is None or source.stop - before < 0 else source.stop - before
    result[(*shape, slice(source.start - before, stop, source.step))] += added
