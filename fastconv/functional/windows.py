"""The windows of pooling: which pixels each output is taken from, as the lists that the kernels read."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from .. import threads, workspace
from ..arrays import as_plain
from ..errors import InvalidArgumentError, InvalidTypeError
from ..kernels import cpu
from ..problem import MEMORY_FORMATS, as_conv_array, as_integer, as_padding, as_pair, memory_format_of, require_at_least

__all__ = [
    "Axis",
    "Windows",
    "adaptive_windows",
    "as_image_shape",
    "as_images",
    "as_margins",
    "format_of_result",
    "pair_lists",
    "sliding_axis",
    "sliding_windows",
    "thread_count",
]

# Elements below which the second thread costs more than it saves.
_THREADED_FROM = 2**16
# Taps are numbered by 32-bit integers.
_MOST_TAPS = 2**31 - 1
# Axes remembered: a network has a few.
_REMEMBERED = 256
_PLAIN = {int, bool, type(None)}


@dataclasses.dataclass(frozen=True, eq=False)
class Axis:
    """The windows along one axis of an image: pairs of an output and a pixel, listed both ways.

    Attributes
    ----------
    size, out : int
        Pixels and windows.
    width : int
        Taps of a window, those outside the image included.
    stride, padding, dilation : int
        Stride 0 where the windows are not spaced evenly.
    origin : ndarray of int64, shape (out,)
        Pixel of each window's tap 0, which may lie outside.
    outputs, pixels : ndarray of int64
        The pixels of each window, and the windows of each pixel, as `kernels/pool.h` describes such lists.
    count : ndarray of int64, shape (out,)
        What a window's sum is divided by in an average.
    outputs_weight, pixels_weight : ndarray of float64, optional
        The weight of each partner in `outputs` and `pixels`, for weighted sums.
    """

    size: int
    out: int
    width: int
    stride: int
    padding: int
    dilation: int
    origin: np.ndarray
    outputs: np.ndarray
    pixels: np.ndarray
    count: np.ndarray
    outputs_weight: np.ndarray | None = None
    pixels_weight: np.ndarray | None = None


class Windows:
    """The windows over images of one size; runs the kernels on them."""

    def __init__(self, rows, cols):
        self.rows, self.cols = rows, cols
        self.taps = rows.width * cols.width
        self.taps_dtype = np.dtype(np.uint8 if self.taps <= 255 else np.int32)
        self.out = (rows.out, cols.out)

    def y_shape(self, x_shape):
        return (*x_shape[:2], *self.out)

    def divided_by(self, divisor):
        """The same windows with another divisor of averages, unless that is None."""
        if divisor is None:
            return self
        divisor = as_integer("divisor_override", divisor)
        if divisor == 0:
            raise InvalidArgumentError("divisor_override: got 0, expected an integer that sums can be divided by")
        rows, cols = (dataclasses.replace(axis, count=np.ones_like(axis.count)) for axis in (self.rows, self.cols))
        rows.count[:] = divisor
        return Windows(rows, cols)

    def forward(self, x, y, memory_format, *, average=False, taps=None, relu=False):
        """Pool `x` into `y`, both laid out in `memory_format`; maxima also tell their `taps`."""
        if x.shape[0]:
            lists = (self.rows.outputs, self.cols.outputs)
            weights = (self.rows.outputs_weight, self.cols.outputs_weight)
            self._run("pool_forward", x.shape, memory_format, average, lists, weights, x, y, taps, relu)

    def backward(self, gy, dx, memory_format, *, average=False, taps=None, y=None):
        """The gradient `dx`; with `y`, of maxima whose ReLU that is."""
        if dx.shape[0]:
            lists = (self.rows.pixels, self.cols.pixels)
            weights = (self.rows.pixels_weight, self.cols.pixels_weight)
            self._run("pool_backward", dx.shape, memory_format, average, lists, weights, gy, y, taps, dx)

    def _run(self, name, shape, memory_format, average, lists, weights, source, *arrays):
        rows, cols, kernels = self.rows, self.cols, cpu.kernels()
        n, c, h, w = shape
        geometry = np.array(
            (
                n, c, h, w, c, rows.width, cols.width, rows.out, cols.out, rows.stride, cols.stride, rows.padding,
                cols.padding, rows.dilation, cols.dilation, c, memory_format == "nhwc",
            ),
            np.int64,
        )  # fmt: skip
        counts = (rows.count, cols.count) if average else (None, None)
        team = thread_count(n * c * max(h * w, rows.out * cols.out))
        nbytes = kernels.pool_workspace(geometry, lists[0], name == "pool_backward", source.itemsize, team)
        scratch = workspace.take(nbytes)
        try:
            getattr(kernels, name)(geometry, lists, counts, weights, source, *arrays, scratch, team)
        finally:
            workspace.give_back(scratch)

    def indices(self, taps):
        """The flat index h * w of each tap in its image, int64, as PyTorch counts."""
        ky, kx = np.divmod(taps, self.cols.width, dtype=np.int64)
        row = self.rows.origin[:, None] + ky * self.rows.dilation
        return row * self.cols.size + self.cols.origin + kx * self.cols.dilation


# -- making windows -----------------------------------------------------------------------------------------------------------


def sliding_windows(x_shape, kernel_size, stride, padding, dilation, ceil_mode, count_include_pad=True):
    """The windows of max and average pooling over images of `x_shape`."""
    arguments = (*x_shape[2:], kernel_size, stride, padding, dilation, ceil_mode, count_include_pad)
    # What a key of arguments tells apart by their types only.
    return (_remembered_windows if _PLAIN.issuperset(map(type, arguments)) else _sliding_windows)(*arguments)


def _sliding_windows(h, w, kernel_size, stride, padding, dilation, ceil_mode, count_include_pad):
    kernel = as_pair("kernel_size", kernel_size, 1)
    stride = kernel if stride is None else as_pair("stride", stride, 1)
    padding, dilation = as_pair("padding", padding, 0), as_pair("dilation", dilation, 1)
    for name, flag in (("ceil_mode", ceil_mode), ("count_include_pad", count_include_pad)):
        if not isinstance(flag, (bool, np.bool_)):
            raise InvalidTypeError(f"{name}: got {flag!r}, expected True or False")
    rows, cols = (
        sliding_axis(*values, bool(ceil_mode), bool(count_include_pad))
        for values in zip(("height", "width"), (h, w), kernel, stride, padding, dilation, strict=True)
    )
    return _windows(rows, cols, f"kernel_size: {kernel}")


_remembered_windows = functools.lru_cache(_REMEMBERED, typed=True)(_sliding_windows)


def adaptive_windows(x_shape, output_size):
    """The windows of adaptive pooling: output i of n takes pixels floor(i size / n) to ceil((i + 1) size / n)."""
    sizes = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * 2
    if len(sizes) != 2:
        raise InvalidArgumentError(f"output_size: got {output_size!r}, expected an integer or a pair of integers")
    out = [size if n is None else as_integer("output_size", n) for n, size in zip(sizes, x_shape[2:], strict=True)]
    for n in out:
        require_at_least("output_size", n, 1)
    return _windows(*(_adaptive_axis(size, n) for size, n in zip(x_shape[2:], out, strict=True)), f"output_size: {out}")


def _windows(rows, cols, argument):
    if rows.width * cols.width > _MOST_TAPS:
        raise InvalidArgumentError(f"{argument} is too large: a window has more than 2**31 - 1 positions")
    return Windows(rows, cols)


@functools.lru_cache(_REMEMBERED)
def sliding_axis(name, size, width, stride, padding, dilation, ceil_mode, count_include_pad):
    extent = (width - 1) * dilation + 1
    if padding > extent // 2:
        raise InvalidArgumentError(
            f"padding: got {padding} along the {name}, more than half of the window's {extent} pixels; expected at most "
            f"{extent // 2}"
        )
    if extent > size + 2 * padding and not (ceil_mode and extent < size + 2 * padding + stride):
        raise InvalidArgumentError(
            f"kernel_size: the window spans {extent} pixels of {name} (dilation included), more than the padded input's "
            f"{size + 2 * padding}"
        )
    out = (size + 2 * padding - extent + (stride - 1 if ceil_mode else 0)) // stride + 1
    # A last window that begins behind the image would hold padding only.
    if ceil_mode and (out - 1) * stride >= size + padding:
        out -= 1
    origin = np.arange(out, dtype=np.int64) * stride - padding
    first = -(np.minimum(origin, 0) // dilation)
    stop = np.minimum(width, -((origin - size) // dilation))
    if (stop <= first).any():
        raise InvalidArgumentError(f"dilation: got {dilation}, with which a window holds no pixel of {name} {size}; use less")
    inside = np.minimum(origin + width, size + padding) - origin if count_include_pad else stop - first
    return _axis(size, width, stride, padding, dilation, origin, first, stop, inside)


@functools.lru_cache(_REMEMBERED)
def _adaptive_axis(size, out):
    if size % out == 0:
        return sliding_axis("size", size, size // out, size // out, 0, 1, False, True)
    i = np.arange(out, dtype=np.int64)
    origin, end = i * size // out, -(-(i + 1) * size // out)
    width = end - origin
    return _axis(size, int(width.max()), 0, 0, 1, origin, np.zeros_like(i), width, width)


def _axis(size, width, stride, padding, dilation, origin, first, stop, count):
    pixels = stop - first
    output = np.repeat(np.arange(len(origin)), pixels)
    tap = np.arange(len(output)) - (np.cumsum(pixels) - pixels - first)[output]
    lists = pair_lists(size, len(origin), origin[output] + tap * dilation, output, tap)
    return Axis(size, len(origin), width, stride, padding, dilation, origin, *lists, count)


def pair_lists(size, out, pixel, output, tap, weight=None):
    """`Axis.outputs` and `Axis.pixels`, and where there are weights theirs, of pairs ordered by output."""
    by_pixel = np.argsort(pixel, kind="stable")

    def listed(places, of, partner, tap):
        begin = np.concatenate([[0], np.cumsum(np.bincount(of, minlength=places))])
        return np.concatenate([begin, partner, tap]).astype(np.int64)

    lists = listed(out, output, pixel, tap), listed(size, pixel, output[by_pixel], tap[by_pixel])
    return lists if weight is None else (*lists, weight, weight[by_pixel])


# -- arguments ----------------------------------------------------------------------------------------------------------------


def as_images(name, a):
    """`a` as images that kernels take, at least one channel and one pixel each, or one clear error."""
    a = as_conv_array(name, as_plain(name, a))
    if 0 in a.shape[1:]:
        raise InvalidArgumentError(f"{name}: got shape {a.shape}; expected at least one channel and one pixel")
    return a


def as_image_shape(x_shape):
    """`x_shape` as the shape of images, possibly none of them, or one clear error."""
    if not isinstance(x_shape, (tuple, list)) or len(x_shape) != 4:
        raise InvalidArgumentError(f"x_shape: got {x_shape!r}, expected 4 integers")
    shape = tuple(as_integer("x_shape", v) for v in x_shape)
    for value, minimum in zip(shape, (0, 1, 1, 1), strict=True):
        require_at_least("x_shape", value, minimum)
    return shape


def as_margins(name, padding):
    """`padding`, an int, a pair or a pair of pairs, as ((top, bottom), (left, right))."""
    if isinstance(padding, str):
        raise InvalidTypeError(f"{name}: got {padding!r}, expected integers")
    return as_padding(padding, None, None, None, None)


def format_of_result(memory_format, gy):
    """`memory_format` if given, else that of `gy`."""
    if memory_format is None:
        return memory_format_of(gy)
    if memory_format not in MEMORY_FORMATS:
        raise InvalidArgumentError(f"memory_format: got {memory_format!r}, expected one of {', '.join(MEMORY_FORMATS)}")
    return memory_format


def thread_count(elements):
    """Threads for work on so many elements."""
    return threads.get_num_threads() if elements >= _THREADED_FROM else 1
