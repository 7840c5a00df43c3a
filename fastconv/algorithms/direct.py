"""Direct convolution: register-tiled loops over the data as it lies. Accepts every problem."""

from __future__ import annotations

import math

import numpy as np

from ..kernels import cpu
from ..memory import aligned_empty
from ..threads import get_num_threads
from . import machine, sums
from .modelled import Modelled

__all__ = ["ALGORITHMS", "Direct", "DirectKernels"]


# Rows of a register tile, and pixels for which a panel of filters is used before the next is read (kernels/direct.h).
TILE_ROWS = 14
_BLOCK_PIXELS = 8 * TILE_ROWS
# A strip of rows of the weight gradient, in bytes, and its least number of pixels (kernels/direct_weight.h).
_STRIP_BYTES = 768 * 1024
_STRIP_PIXELS = 256
# Bytes of a pixel of the weight gradient's gy that is read in place, at most (kernels/direct_weight.h).
_IN_PLACE_BYTES = 2048
# Steps of the reduction that transposing a tile takes as long as (kernels/direct_few.h).
_TRANSPOSE_STEPS = 8
# Vectors for few filters, and those of which a part is loaded at once (kernels/direct.h).
_NARROW_BYTES = 32
_MASKED_BYTES = 64
# Of taps that meet the image, below which tiles end where one begins or ends to do so (kernels/direct.h).
_SHARE_SPLIT = 0.8


class DirectKernels(Modelled):
    """What the two tilings of kernels/direct.h share."""

    _pixel_lanes: bool

    def error(self, problem):
        return sums.error(problem)

    def workspace(self, problem):
        kernels, backward, double = cpu.kernels(), problem.direction == "input_grad", problem.dtype == "float64"
        if problem.direction == "weight_grad":
            return kernels.direct_weight_grad_workspace(problem.geometry, self._pixel_lanes, double, get_num_threads())
        return kernels.direct_workspace(problem.geometry, backward, self._pixel_lanes, double, get_num_threads())

    def pack(self, problem, w):
        kernels, backward = cpu.kernels(), problem.direction == "input_grad"
        size = kernels.direct_packed_size(problem.geometry, backward, self._pixel_lanes, problem.dtype == "float64")
        packed = aligned_empty(size, w.dtype)
        scratch = aligned_empty(kernels.direct_pack_workspace(problem.geometry), np.uint8)
        kernels.direct_pack(problem.geometry, backward, self._pixel_lanes, w, packed, scratch)
        return packed

    def run(self, problem, x, packed, bias, activation, out, workspace):
        if problem.direction == "weight_grad":
            cpu.kernels().direct_weight_grad(problem.geometry, self._pixel_lanes, x, packed, out, workspace, get_num_threads())
            return
        code, slope = (activation.code, activation.slope) if activation else (0, 0.0)
        cpu.kernels().direct_run(
            problem.geometry, problem.direction == "input_grad", self._pixel_lanes, x, packed, bias, code, slope, out,
            workspace, get_num_threads(),
        )  # fmt: skip


class Direct(DirectKernels):
    """Sums of products as the definition orders them, a tile of pixels x filters in registers, filters in the vector lanes.

    Channels-last data is read in place through pointers, one per pixel and tap; NCHW data is converted on its way in
    and out. Of an image with few channels, strips of rows are copied to planes instead, whose windows both formats' outputs are
    computed from. Source: Dukhan, "The Indirect Convolution Algorithm" (arXiv:1907.02129).
    """

    name = "direct"
    _pixel_lanes = False

    def supports(self, problem):
        return None

    def terms(self, problem):
        vector, groups = machine.lanes(problem), problem.groups
        pixels = problem.batch * problem.out_height * problem.out_width
        depth, filters = problem.in_channels // groups, problem.out_channels // groups
        if problem.direction == "weight_grad":
            if cpu.kernels().direct_weight_has_channel_lanes(problem.geometry, problem.dtype == "float64"):
                return _channel_lanes_terms(problem)
            return _weight_grad_terms(problem, pixels)
        shape = _few_channels_shape(problem)
        if shape:
            return _few_channels_terms(problem, *shape)
        if problem.direction == "input_grad":
            depth, filters = filters, depth
        taken, kind = _lanes_of_group(problem, filters, depth)
        padded, bundles = groups * taken, groups * min(1, (taken if kind != "channel products" else _narrow(problem)) / vector)
        merged = problem.direction == "forward" and groups == 1 and _tiles_rows(problem)
        taps, depth = (problem.kernel_height, depth * problem.kernel_width) if merged else (problem.taps, depth)
        visits = pixels * taps * _share_inside(problem)
        weights = taps * depth * padded * problem.itemsize
        terms = {
            "call": machine.call_seconds(),
            kind: machine.compute_seconds(visits * depth * padded, problem.dtype),
            # A tap of a tile starts a loop over its channels, and needs a pointer for every pixel of each group.
            "starts": machine.compute_seconds(visits * padded, problem.dtype),
            "pointers": machine.compute_seconds(visits * bundles * vector, problem.dtype),
            "filters": machine.traffic_seconds(-(-pixels // _BLOCK_PIXELS) * weights, weights),
            "data": machine.traffic_seconds(problem.bytes, problem.bytes),
        }
        if kind == "channel products":
            outputs = pixels if problem.direction == "forward" else problem.batch * problem.height * problem.width
            terms["lane sums"] = machine.compute_seconds(outputs * vector, problem.dtype)
        if problem.memory_format == "nchw":
            terms["conversion"] = machine.traffic_seconds(2 * problem.bytes, 2 * problem.bytes)
        return terms

    def pack_terms(self, problem):
        # Panels of two vectors of filters; of narrow groups, one together.
        panel, groups = 2 * machine.lanes(problem), problem.groups
        depth, filters = problem.in_channels // groups, problem.out_channels // groups
        if problem.direction == "input_grad":
            depth, filters = filters, depth
        taken, kind = _lanes_of_group(problem, filters, depth)
        padded = groups * (-(-filters // panel) * panel if kind == "products" else taken)
        panels = problem.itemsize * padded * depth * problem.taps
        return super().pack_terms(problem) | {"panels": machine.traffic_seconds(panels, panels, threads=1)}


def _share_inside(problem):
    """Share of the pairs of pixel and tap that are computed: where a dilated kernel's taps often meet padding alone, tiles end
    where a tap enters or leaves the image (`splits_rows` of kernels/direct.h), and leave it out."""
    if problem.dilation[1] == 1:
        return 1.0
    shares = [
        sums.axis_products(problem, axis).sum() / max(1, outputs * taps)
        for axis, (outputs, taps) in enumerate(zip(problem.y_shape[2:], problem.w_shape[2:], strict=True))
    ]
    return shares[0] * shares[1] if shares[1] < _SHARE_SPLIT else 1.0


def _few_channels_shape(problem):
    """(channels, filters, output width) of a group's convolution, where kernels/direct_few.h computes it; else None."""
    backward = problem.direction == "input_grad"
    if not cpu.kernels().direct_has_few_channels(problem.geometry, backward, problem.dtype == "float64"):
        return None
    depth, filters = problem.in_channels // problem.groups, problem.out_channels // problem.groups
    return (filters, depth, problem.width) if backward else (depth, filters, problem.out_width)


def _tiles_rows(problem):
    """Whether patches tile the rows of channels-last images: a kernel row is one tap (`merged` of kernels/direct.c)."""
    kernel, stride = problem.kernel_width, problem.stride[1]
    return problem.memory_format == "nhwc" and kernel == stride > 1 and problem.width == problem.out_width * kernel


def _few_channels_terms(problem, channels, filters, width):
    """Of windows of planes: filters in the lanes, or for NCHW pixels where fewer empty lanes cost less than turning tiles."""
    vector, steps = machine.lanes(problem), channels * problem.taps
    backward = problem.direction == "input_grad"
    pixels = problem.batch * problem.groups * (problem.height if backward else problem.out_height) * width
    outputs = pixels * -(-filters // vector) * vector
    if problem.memory_format == "nchw":
        lanes = pixels // width * -(-width // vector) * vector
        outputs = min(outputs * (1 + _TRANSPOSE_STEPS / steps), lanes * filters)
    source = problem.y_shape if backward else problem.x_shape
    image = problem.itemsize * math.prod(source)
    return {
        "call": machine.call_seconds(),
        "windows": machine.compute_seconds(outputs * steps, problem.dtype),
        "tiles": machine.compute_seconds(outputs, problem.dtype),
        "planes": machine.traffic_seconds(2 * image, image),
        "data": machine.traffic_seconds(problem.bytes, problem.bytes),
    }


def _groups_together(problem, filters, depth):
    """Groups whose filters share a vector: `bundle_of` of kernels/direct.h."""
    permutes = cpu.isa() not in ("baseline", "avx2") or (cpu.isa() == "avx2" and problem.itemsize == 4)
    return max(1, min(problem.groups, machine.lanes(problem) // max(filters, depth))) if permutes else 1


def _narrow(problem):
    """Lanes that few filters take."""
    return min(machine.lanes(problem), _NARROW_BYTES // problem.itemsize)


def _lanes_of_group(problem, filters, depth):
    """(lanes that the filters of one group take, name of the term for its products), by `layout_of` of kernels/direct.h."""
    vector, together, narrow = machine.lanes(problem), _groups_together(problem, filters, depth), _narrow(problem)
    whole = depth % vector == 0 or (vector * problem.itemsize == _MASKED_BYTES and depth > 3 * vector)
    if problem.groups == 1 and filters < narrow and 2 * filters <= vector and whole:
        return filters * -(-depth // vector) * vector / depth, "channel products"
    if together == 1 and filters > narrow:
        return -(-filters // vector) * vector, "products"
    # A row of three taps shares what is spread over the lanes; elsewhere every product spreads its input anew.
    in_rows = problem.kernel_width == 3 and problem.stride[1] == problem.dilation[1] == 1
    return vector / together if together > 1 else narrow, "narrow rows" if in_rows else "narrow products"


def _channel_lanes_terms(problem):
    """Of a weight gradient in tiles of (tap, filter) pairs x vectors of channels, over the input's pixels."""
    dtype, channels, pairs = problem.dtype, problem.in_channels, problem.kernel_width * problem.out_channels
    tiles = problem.kernel_height * -(-pairs // TILE_ROWS)
    lines = problem.batch * problem.out_height
    return {
        "call": machine.call_seconds(),
        "channel products": machine.compute_seconds(lines * problem.width * problem.kernel_height * pairs * channels, dtype),
        "channel starts": machine.compute_seconds(lines * problem.width * tiles * channels, dtype),
        # Columns that not all taps meet are runs of one pixel.
        "edges": machine.compute_seconds(lines * (problem.kernel_width - 1) * tiles * channels, dtype),
        "data": machine.traffic_seconds(problem.bytes, problem.bytes),
    }


def _weight_grad_terms(problem, pixels):
    """Of tiles of (tap, channel) rows x panels of filters, with the sums in registers while they run over a strip of pixels."""
    item, vector, channels = problem.itemsize, machine.lanes(problem), problem.w_shape[1]
    filters = problem.out_channels // problem.groups
    together = _groups_together(problem, filters, channels)
    units = -(-problem.groups // together)
    padded = units * (vector if together > 1 else -(-filters // (2 * vector)) * 2 * vector)
    row_bytes = problem.width * problem.stride[0] * problem.in_channels * item + problem.out_width * padded * item
    strip = max(_STRIP_PIXELS, _STRIP_BYTES / row_bytes * problem.out_width)
    channels_last = problem.memory_format == "nhwc"
    in_place = channels_last and together == 1 and filters % vector == 0 and problem.out_channels * item <= _IN_PLACE_BYTES
    panels = 0 if in_place else pixels * padded
    copied = item * (problem.batch * problem.height * problem.width * problem.in_channels + panels)
    sums = problem.taps * channels * padded * item
    merged = problem.groups == 1 and problem.dilation[1] == 1
    # A kernel row is tiled as one where its values lie together.
    runs, length = (problem.kernel_height, problem.kernel_width * channels) if merged else (problem.taps, channels)
    rows = runs * -(-length // TILE_ROWS)
    return {
        "call": machine.call_seconds(),
        "products" if together == 1 else "bundles": machine.compute_seconds(
            pixels * problem.taps * channels * padded, problem.dtype
        ),
        # A register tile loads a panel of gradients whatever the number of its rows.
        "starts": machine.compute_seconds(pixels * rows * padded, problem.dtype),
        "rows": machine.compute_seconds(problem.batch * problem.out_height * rows * padded, problem.dtype),
        "units": machine.compute_seconds(pixels * units * vector, problem.dtype),
        "copies" if channels_last else "transposes": machine.traffic_seconds(2 * copied, problem.bytes),
        "sums": machine.traffic_seconds(2 * sums * (pixels // strip), sums),
        # The sums are transposed into the layout of weights, once.
        "result": machine.traffic_seconds(2 * sums, sums),
    }


ALGORITHMS = [Direct()]
