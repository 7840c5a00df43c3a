"""Max and average pooling: sliding, adaptive and global, each with its gradient.

Training keeps of max pooling which tap of its window each output came from, a byte an output (`max_pool2d_with_taps`);
PyTorch's flat indices are made from these where they are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..arrays import as_plain, conform, empty, require_shape
from ..errors import InvalidArgumentError, InvalidTypeError
from ..problem import as_conv_array, memory_format_of
from ..typing import Array, MemoryFormat, OutputSize, Pair
from .windows import Windows, adaptive_windows, as_image_shape, as_images, format_of_result, sliding_windows

__all__ = [
    "adaptive_avg_pool2d",
    "adaptive_avg_pool2d_grad",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_grad",
    "adaptive_max_pool2d_with_taps",
    "avg_pool2d",
    "avg_pool2d_grad",
    "global_avg_pool2d",
    "global_avg_pool2d_grad",
    "max_pool2d",
    "max_pool2d_grad",
    "max_pool2d_with_taps",
]

Taps: TypeAlias = NDArray[np.uint8] | NDArray[np.int32]
PoolActivation: TypeAlias = Literal["relu"] | None


# -- max ----------------------------------------------------------------------------------------------------------------------


def max_pool2d(
    x: Array,
    kernel_size: Pair,
    *,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    activation: PoolActivation = None,
) -> Array | tuple[Array, NDArray[np.int64]]:
    """The maximum of each window.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (n, c, h, w)
        Of any strides. If its channels are contiguous in memory (channels-last), so are the result's.
    kernel_size : int or (int, int)
        Height and width of the window.
    stride : int or (int, int), optional
        Distance of windows; by default they lie side by side.
    padding : int or (int, int)
        Pixels at both sides of height and width that never are the maximum; at most half a window.
    dilation : int or (int, int)
        Distance of a window's pixels.
    ceil_mode : bool
        Whether windows that the image cuts at its end count too, if they begin inside.
    return_indices : bool
        Whether to return also the flat index, row * w + column, of each maximum in its image.
    activation : {None, "relu"}
        Applied to the maxima while they are stored: the same as pooling what it was applied to.

    Returns
    -------
    ndarray, shape (n, c, oh, ow); with `return_indices`, also an int64 array of that shape
        A NaN in a window is its maximum. Of equal values the first, row by row, is taken.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        The message names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> x = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    >>> F.max_pool2d(x, 2)[0, 0].tolist()
    [[5.0, 7.0], [13.0, 15.0]]
    >>> F.max_pool2d(x, 2, return_indices=True)[1][0, 0].tolist()
    [[5, 7], [13, 15]]
    """
    x = as_images("x", x)
    return _max(x, sliding_windows(x.shape, kernel_size, stride, padding, dilation, ceil_mode), return_indices, activation)


def max_pool2d_with_taps(
    x: Array,
    kernel_size: Pair,
    *,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    activation: PoolActivation = None,
) -> tuple[Array, Taps]:
    """`max_pool2d`, and what its gradient needs to know.

    Returns
    -------
    y : ndarray, shape (n, c, oh, ow)
    taps : ndarray of uint8 (int32 for windows of more than 255 pixels), shape (n, c, oh, ow)
        The number, row by row, of each maximum in its window.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> y, taps = F.max_pool2d_with_taps(np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4), 2)
    >>> taps[0, 0].tolist()
    [[3, 3], [3, 3]]
    """
    x = as_images("x", x)
    return _max_with_taps(x, sliding_windows(x.shape, kernel_size, stride, padding, dilation, ceil_mode), activation)


def max_pool2d_grad(
    gy: Array,
    taps: Taps,
    x_shape: Sequence[int],
    kernel_size: Pair,
    *,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    y: Array | None = None,
    activation: PoolActivation = None,
    memory_format: MemoryFormat | None = None,
) -> Array:
    """Gradient of `max_pool2d` with respect to its input.

    Parameters
    ----------
    gy : ndarray, shape (n, c, oh, ow)
        Gradient with respect to the output.
    taps : ndarray, shape (n, c, oh, ow)
        From `max_pool2d_with_taps`.
    x_shape : (int, int, int, int)
    kernel_size, stride, padding, dilation, ceil_mode
        As in `max_pool2d`.
    y : ndarray, shape (n, c, oh, ow), optional
        The pooled output; needed with an activation.
    activation : {None, "relu"}
        With ``"relu"`` the gradient of a ReLU before or behind the pooling is applied too: outputs that are not positive pass
        none.
    memory_format : {None, "nchw", "nhwc"}
        The result's; None: that of `gy`, which where `gy` is a single pixel an image is taken as "nchw".

    Returns
    -------
    ndarray of shape `x_shape`

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> x = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    >>> y, taps = F.max_pool2d_with_taps(x, 2)
    >>> F.max_pool2d_grad(np.ones_like(y), taps, x.shape, 2)[0, 0].tolist()
    [[0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 1.0]]
    """
    x_shape = as_image_shape(x_shape)
    windows = sliding_windows(x_shape, kernel_size, stride, padding, dilation, ceil_mode)
    return _max_grad(gy, taps, x_shape, windows, y, activation, memory_format)


def adaptive_max_pool2d(
    x: Array, output_size: OutputSize, *, return_indices: bool = False, activation: PoolActivation = None
) -> Array | tuple[Array, NDArray[np.int64]]:
    """The maximum of each of a given number of windows that cover the image.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (n, c, h, w)
    output_size : int or (int, int)
        Height and width of the result; None keeps that of `x`. Output i of n takes pixels floor(i h / n) to
        ceil((i + 1) h / n).
    return_indices, activation
        As in `max_pool2d`.

    Returns
    -------
    ndarray, shape (n, c, oh, ow); with `return_indices`, also an int64 array of that shape

    Raises
    ------
    InvalidArgumentError, InvalidTypeError

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> F.adaptive_max_pool2d(np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3), 2)[0, 0].tolist()
    [[4.0, 5.0], [7.0, 8.0]]
    """
    x = as_images("x", x)
    return _max(x, adaptive_windows(x.shape, output_size), return_indices, activation)


def adaptive_max_pool2d_with_taps(
    x: Array, output_size: OutputSize, *, activation: PoolActivation = None
) -> tuple[Array, Taps]:
    """`adaptive_max_pool2d`, and what its gradient needs to know: see `max_pool2d_with_taps`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> y, taps = F.adaptive_max_pool2d_with_taps(np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3), 2)
    >>> taps[0, 0].tolist()
    [[3, 3], [3, 3]]
    """
    x = as_images("x", x)
    return _max_with_taps(x, adaptive_windows(x.shape, output_size), activation)


def adaptive_max_pool2d_grad(
    gy: Array,
    taps: Taps,
    x_shape: Sequence[int],
    *,
    y: Array | None = None,
    activation: PoolActivation = None,
    memory_format: MemoryFormat | None = None,
) -> Array:
    """Gradient of `adaptive_max_pool2d` with respect to its input; the arguments are those of `max_pool2d_grad`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> x = np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3)
    >>> y, taps = F.adaptive_max_pool2d_with_taps(x, 2)
    >>> F.adaptive_max_pool2d_grad(y, taps, x.shape)[0, 0].tolist()
    [[0.0, 0.0, 0.0], [0.0, 4.0, 5.0], [0.0, 7.0, 8.0]]
    """
    x_shape = as_image_shape(x_shape)
    gy = as_images("gy", gy)
    return _max_grad(gy, taps, x_shape, adaptive_windows(x_shape, gy.shape[2:]), y, activation, memory_format)


# -- average ------------------------------------------------------------------------------------------------------------------


def avg_pool2d(
    x: Array,
    kernel_size: Pair,
    *,
    stride: Pair | None = None,
    padding: Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """The mean of each window.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (n, c, h, w)
    kernel_size, stride, padding, ceil_mode
        As in `max_pool2d`; padding is zeros.
    count_include_pad : bool
        Whether the zeros count in the number that sums are divided by.
    divisor_override : int, optional
        What sums are divided by instead.

    Returns
    -------
    ndarray, shape (n, c, oh, ow)

    Raises
    ------
    InvalidArgumentError, InvalidTypeError

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> F.avg_pool2d(np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4), 2)[0, 0].tolist()
    [[2.5, 4.5], [10.5, 12.5]]
    """
    x = as_images("x", x)
    windows = sliding_windows(x.shape, kernel_size, stride, padding, 1, ceil_mode, count_include_pad)
    return _average(x, windows.divided_by(divisor_override))


def avg_pool2d_grad(
    gy: Array,
    x_shape: Sequence[int],
    kernel_size: Pair,
    *,
    stride: Pair | None = None,
    padding: Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    memory_format: MemoryFormat | None = None,
) -> Array:
    """Gradient of `avg_pool2d` with respect to its input.

    Parameters
    ----------
    gy : ndarray, shape (n, c, oh, ow)
        Gradient with respect to the output.
    x_shape : (int, int, int, int)
    kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        As in `avg_pool2d`.
    memory_format : {None, "nchw", "nhwc"}
        As in `max_pool2d_grad`.

    Returns
    -------
    ndarray of shape `x_shape`

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> F.avg_pool2d_grad(np.array([[[[4.0, 8.0]]]]), (1, 1, 2, 4), 2)[0, 0].tolist()
    [[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]]
    """
    x_shape = as_image_shape(x_shape)
    windows = sliding_windows(x_shape, kernel_size, stride, padding, 1, ceil_mode, count_include_pad)
    return _average_grad(gy, x_shape, windows.divided_by(divisor_override), memory_format)


def adaptive_avg_pool2d(x: Array, output_size: OutputSize) -> Array:
    """The mean of each of a given number of windows that cover the image.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (n, c, h, w)
    output_size : int or (int, int)
        As in `adaptive_max_pool2d`.

    Returns
    -------
    ndarray, shape (n, c, oh, ow)

    Raises
    ------
    InvalidArgumentError, InvalidTypeError

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> F.adaptive_avg_pool2d(np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3), 2)[0, 0].tolist()
    [[2.0, 3.0], [5.0, 6.0]]
    """
    x = as_images("x", x)
    return _average(x, adaptive_windows(x.shape, output_size))


def adaptive_avg_pool2d_grad(gy: Array, x_shape: Sequence[int], *, memory_format: MemoryFormat | None = None) -> Array:
    """Gradient of `adaptive_avg_pool2d` with respect to its input; the arguments are those of `avg_pool2d_grad`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> F.adaptive_avg_pool2d_grad(np.full((1, 1, 2, 2), 4.0), (1, 1, 3, 3))[0, 0].tolist()
    [[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]
    """
    x_shape = as_image_shape(x_shape)
    gy = as_images("gy", gy)
    return _average_grad(gy, x_shape, adaptive_windows(x_shape, gy.shape[2:]), memory_format)


def global_avg_pool2d(x: Array) -> Array:
    """The mean of each channel of each image.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (n, c, h, w)

    Returns
    -------
    ndarray, shape (n, c, 1, 1)

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> F.global_avg_pool2d(np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3)).item()
    4.0
    """
    return adaptive_avg_pool2d(x, 1)


def global_avg_pool2d_grad(gy: Array, x_shape: Sequence[int], *, memory_format: MemoryFormat | None = None) -> Array:
    """Gradient of `global_avg_pool2d` with respect to its input; the arguments are those of `avg_pool2d_grad`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import functional as F
    >>> F.global_avg_pool2d_grad(np.full((1, 1, 1, 1), 6.0), (1, 1, 2, 3))[0, 0].tolist()
    [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """
    x_shape = as_image_shape(x_shape)
    return _average_grad(gy, x_shape, adaptive_windows(x_shape, 1), memory_format)


# -- any windows --------------------------------------------------------------------------------------------------------------


def _max(x: Array, windows: Windows, return_indices: bool, activation: PoolActivation) -> Any:
    if return_indices:
        y, taps = _max_with_taps(x, windows, activation)
        return y, windows.indices(taps)
    relu, memory_format = is_relu(activation), memory_format_of(x)
    y = empty(windows.y_shape(x.shape), x.dtype, memory_format)
    windows.forward(conform(x, x.dtype, memory_format), y, memory_format, relu=relu)
    return y


def _max_with_taps(x: Array, windows: Windows, activation: PoolActivation) -> tuple[Array, Taps]:
    relu, memory_format = is_relu(activation), memory_format_of(x)
    shape = windows.y_shape(x.shape)
    y, taps = empty(shape, x.dtype, memory_format), empty(shape, windows.taps_dtype, memory_format)
    windows.forward(conform(x, x.dtype, memory_format), y, memory_format, taps=taps, relu=relu)
    return y, taps


def _max_grad(gy, taps, x_shape, windows, y, activation, memory_format):
    memory_format = format_of_result(memory_format, gy)
    gy, y, taps = as_pooled_gradient(gy, y, taps, x_shape, windows, activation, memory_format)
    dx = empty(x_shape, gy.dtype, memory_format)
    windows.backward(gy, dx, memory_format, taps=taps, y=y)
    return dx


def as_pooled_gradient(gy, y, taps, x_shape, windows, activation, memory_format):
    """(gy, y, taps) of max pooling as kernels take them: y None without ReLU."""
    if not is_relu(activation):
        y = None
    elif y is None:
        raise InvalidArgumentError("y: the gradient of a ReLU needs the pooled output")
    gy, taps = _gradient(gy, x_shape, windows), as_plain("taps", taps)
    require_shape("taps", taps, gy.shape, "that of gy")
    if taps.dtype != windows.taps_dtype:
        raise InvalidTypeError(f"taps: dtype {taps.dtype}, expected {windows.taps_dtype} for windows of {windows.taps} pixels")
    if y is not None:
        y = as_conv_array("y", as_plain("y", y))
        require_shape("y", y, gy.shape, "that of gy")
        if y.dtype != gy.dtype:
            raise InvalidTypeError(f"y: dtype {y.dtype} differs from gy's {gy.dtype}; convert one of them")
        y = conform(y, y.dtype, memory_format)
    return conform(gy, gy.dtype, memory_format), y, conform(taps, taps.dtype, memory_format)


def _average(x: Array, windows: Windows) -> Array:
    memory_format = memory_format_of(x)
    y = empty(windows.y_shape(x.shape), x.dtype, memory_format)
    windows.forward(conform(x, x.dtype, memory_format), y, memory_format, average=True)
    return y


def _average_grad(gy: Array, x_shape: Sequence[int], windows: Windows, memory_format: MemoryFormat | None) -> Array:
    gy = _gradient(gy, x_shape, windows)
    memory_format = format_of_result(memory_format, gy)
    dx = empty(x_shape, gy.dtype, memory_format)
    windows.backward(conform(gy, gy.dtype, memory_format), dx, memory_format, average=True)
    return dx


def _gradient(gy, x_shape, windows):
    gy = as_images("gy", gy)
    require_shape("gy", gy, windows.y_shape(x_shape), f"the pooled output's of {x_shape}")
    return gy


def is_relu(activation):
    """Whether that is the activation; raises for others."""
    if activation not in (None, "relu"):
        raise InvalidArgumentError(f"activation: got {activation!r}, expected None or 'relu'")
    return activation == "relu"
