"""Convolution as matrix products: patch matrix and BLAS GEMM (Chellapilla, Puri and Simard 2006), one block at a time.

The patch matrix of a block of pixels is written to the workspace and multiplied while it is in cache; a 1x1 convolution of
stride 1 multiplies the input itself. `kernels/im2col.pxi` shows the layouts.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np

from ..kernels import cpu
from ..threads import get_num_threads, single_threaded_blas
from . import machine, sums
from .modelled import Modelled

__all__ = ["ALGORITHMS", "Im2col"]

# Patches of one block: longer blocks stream from memory, shorter ones make GEMM repack the weights too often.
PATCH_BYTES = 2**21
MAX_PATCH_BYTES = 2**23
# Pixels over which packing the weights is spread, up to MAX_PATCH_BYTES of patches.
MIN_PIXELS = 448
# Workspace of one call, all threads together.
WORKSPACE_LIMIT = 2**26
# Columns of the patch matrix (taps x channels) that a gradient handles at a time: enough rows for a GEMM at full speed.
CHUNK_COLUMNS = {"input_grad": 576, "weight_grad": 1152}
# Fewer channels, filters or pixels than this to a part cost GEMM more than another thread gains.
MIN_PART = 16
# Workspaces of neighbouring threads share no cache line.
ALIGNMENT = 64
INT_MAX = 2**31 - 1

# A GEMM side s runs at s / (s + half) of the full rate: edge tiles and packing.
HALF_FILTERS, HALF_COLUMNS, HALF_PIXELS = 4, 12, 16


class _Blocks(NamedTuple):
    """How one call is cut: the fields of im2col_blocks in the kernel, threads, GEMM calls and bytes of workspace."""

    kernel: tuple
    workers: int
    gemms: int
    bytes: int


class Im2col(Modelled):
    """Patch matrix and GEMM, in all three directions."""

    name = "im2col"

    def supports(self, problem):
        sizes = (*problem.x_shape[1:], *problem.y_shape[1:], math.prod(problem.w_shape[1:]))
        planes = (problem.height * problem.width, problem.out_height * problem.out_width)
        if max(*sizes, *planes) > INT_MAX:
            return "a matrix side exceeds the 32-bit sizes of BLAS"
        if _blocks(problem, 1).bytes > WORKSPACE_LIMIT:
            return f"the patches of one pixel exceed the workspace limit of {WORKSPACE_LIMIT >> 20} MB"
        return None

    def terms(self, problem):
        blocks = _blocks(problem, get_num_threads())
        workers, item = blocks.workers, problem.itemsize
        columns = problem.w_shape[1] * problem.taps
        pixels = problem.batch * problem.out_height * problem.out_width
        filters = problem.out_channels // problem.groups
        efficiency = filters / (filters + HALF_FILTERS) * columns / (columns + HALF_COLUMNS) * pixels / (pixels + HALF_PIXELS)
        terms = {
            "call": machine.call_seconds(),
            "gemm": machine.compute_seconds(problem.flops / 2 / max(efficiency, 1e-3), problem.dtype, workers),
            "gemms": blocks.gemms / workers * machine.call_seconds(1),
            "data": machine.traffic_seconds(problem.bytes, problem.bytes, workers),
        }
        if not _is_dense(problem):
            nhwc = problem.memory_format == "nhwc"
            # Channels of a tap lie together in NHWC, pixels of a row in NCHW.
            joined = problem.groups == 1 and problem.dilation[1] == 1
            taps = problem.kernel_height if joined else problem.taps
            runs = pixels * problem.groups * (taps if nhwc else columns / problem.out_width)
            terms["runs"] = machine.compute_seconds(runs * machine.lanes(problem), problem.dtype, workers)
            patches = pixels * columns * problem.groups * item
            # Strided pixels are copied one by one.
            alone = not nhwc and problem.stride[1] > 1
            terms["strided" if alone else "patches"] = machine.traffic_seconds(patches, min(patches, PATCH_BYTES), workers)
        return terms

    def workspace(self, problem):
        return _blocks(problem, get_num_threads()).bytes

    def error(self, problem):
        # BLAS sums in blocks as a rule, but not when a matrix is a vector: nothing smaller than the bound of one chain holds.
        if problem.direction == "input_grad":
            # GEMM sums over the filters, col2im over the taps.
            return sums.rounding(min(sums.terms(problem), sums.depth(problem) + problem.taps))
        return sums.error(problem)

    def pack_terms(self, problem):
        if problem.memory_format == "nchw" and not (problem.direction == "input_grad" and _is_dense(problem)):
            return {"view": machine.call_seconds(1)}
        return super().pack_terms(problem)

    def pack(self, problem, w):
        k, c, kh, kw = problem.w_shape
        filters, taps = k // problem.groups, kh * kw
        grouped = w.reshape(problem.groups, filters, c, taps)
        dense = _is_dense(problem)
        if problem.memory_format == "nchw" and not (problem.direction == "input_grad" and dense):
            return w
        if problem.memory_format == "nchw" or problem.direction == "forward":
            turned = np.empty((problem.groups, c, taps, filters), w.dtype)
            cpu.kernels().swap_axes(w, turned, problem.groups, filters, c * taps, get_num_threads())
            return np.ascontiguousarray(turned.transpose(0, 2, 1, 3))
        if dense:
            return w
        step = _chunk(problem)
        chunks = [grouped[:, :, i : i + step].transpose(0, 1, 3, 2).reshape(problem.groups, -1) for i in range(0, c, step)]
        return np.concatenate(chunks, axis=1)

    def run(self, problem, x, packed, bias, activation, out, workspace):
        if problem.batch == 0:
            out.fill(0)
            return
        blocks = _blocks(problem, get_num_threads())
        gemm = _gemm_address(problem.dtype)
        kernels = cpu.kernels()
        with single_threaded_blas:
            if problem.direction == "weight_grad":
                kernels.im2col_weight_grad(gemm, problem.geometry, blocks.kernel, packed, x, out, workspace, blocks.workers)
            elif problem.direction == "input_grad" and not _is_dense(problem):
                kernels.im2col_input_grad(gemm, problem.geometry, blocks.kernel, x, packed, out, workspace, blocks.workers)
            else:
                kernels.im2col_forward(
                    gemm, _as_forward(problem).geometry, blocks.kernel, x, packed, bias, activation.code, activation.slope,
                    out, workspace, blocks.workers,
                )  # fmt: skip


@functools.cache
def _gemm_address(dtype):
    from ..kernels import blas

    return blas.gemm_address(dtype == "float64")


def _is_dense(problem):
    """Whether the patch matrix is the input itself."""
    return problem.taps == 1 and problem.stride == (1, 1) and problem.padding == ((0, 0), (0, 0))


@functools.lru_cache(maxsize=1024)
def _as_forward(problem):
    """The forward problem with the same matrix product; the input gradient of a dense problem swaps channels and filters."""
    if problem.direction == "forward":
        return problem
    return problem.replace(direction="forward", in_channels=problem.out_channels, out_channels=problem.in_channels)


def _chunk(problem):
    """Input channels that a gradient handles at a time."""
    channels = problem.w_shape[1]
    by_columns = max(MIN_PART, CHUNK_COLUMNS[problem.direction] // problem.taps // MIN_PART * MIN_PART)
    by_patches = max(1, PATCH_BYTES // (problem.taps * problem.itemsize))
    chunk = min(channels, by_columns, by_patches)
    if problem.direction == "input_grad":
        # Weights are packed by it, so it may not depend on the threads: leave four of them something to share.
        chunk = min(chunk, max(2 * MIN_PART, -(-channels // 4)))
    return chunk


def _block_pixels(row_bytes, pixels, threads):
    """Pixels of one block whose patches take `row_bytes` each."""
    limit = min(max(PATCH_BYTES, MIN_PIXELS * row_bytes), MAX_PATCH_BYTES, WORKSPACE_LIMIT // threads)
    return max(1, min(pixels, limit // row_bytes))


@functools.lru_cache(maxsize=1024)
def _blocks(problem, threads):
    """The cut of a problem for a number of threads; fewer where the workspace would exceed its limit."""
    cut = {"forward": _cut_forward, "input_grad": _cut_input_grad, "weight_grad": _cut_weight_grad}[problem.direction]
    if problem.direction == "input_grad" and _is_dense(problem):
        problem, cut = _as_forward(problem), _cut_forward
    while True:
        blocks = cut(problem, threads)
        if blocks.bytes <= WORKSPACE_LIMIT or threads == 1:
            return blocks
        threads = max(1, min(threads - 1, threads * WORKSPACE_LIMIT // blocks.bytes))


def _cut_forward(problem, threads):
    length = problem.w_shape[1] * problem.taps
    filters = problem.out_channels // problem.groups
    dense = _is_dense(problem)
    plane = problem.out_height * problem.out_width
    images, pixels = (problem.batch, plane) if problem.memory_format == "nchw" else (1, max(1, problem.batch * plane))
    outer = max(1, problem.groups * images)
    # Without patches, a block is what the epilogue finds in cache.
    blocks = -(-pixels // _block_pixels(problem.itemsize * (filters if dense else length), pixels, threads))
    parts = 1
    if outer * blocks < threads and filters > pixels:
        parts = max(1, min(-(-threads // (outer * blocks)), filters // MIN_PART))
    elif outer * blocks < 4 * threads:
        # A multiple of the threads, so that all finish together.
        step = threads // math.gcd(outer, threads)
        blocks = max(blocks, min(-(-blocks // step) * step, pixels // MIN_PART))
    blocks = min(blocks, pixels)
    scratch = 0 if dense else _aligned(length * -(-pixels // blocks), problem)
    items = outer * blocks * parts
    workers = min(threads, items)
    return _Blocks((blocks, parts, 1, scratch, dense), workers, items, workers * scratch * problem.itemsize)


def _cut_input_grad(problem, threads):
    chunk = _chunk(problem)
    batch = max(1, problem.batch)
    outer = problem.groups * -(-problem.w_shape[1] // chunk)
    # As few parts as keep all threads busy: GEMM runs over all pixels of a channels-last part at once.
    parts = batch if problem.memory_format == "nchw" else min(batch, threads // math.gcd(outer, threads))
    total = -(-batch // parts) * problem.out_height * problem.out_width
    row = problem.taps * chunk
    pixels = _block_pixels(row * problem.itemsize, total, threads)
    scratch = _aligned(row * pixels, problem)
    items = parts * outer
    workers = min(threads, items)
    gemms = items * -(-total // pixels)
    return _Blocks((pixels, chunk, parts, scratch, False), workers, gemms, workers * scratch * problem.itemsize)


def _cut_weight_grad(problem, threads):
    filters = problem.out_channels // problem.groups
    channels = problem.w_shape[1]
    nhwc = problem.memory_format == "nhwc"
    plane = problem.out_height * problem.out_width
    total = max(1, problem.batch * plane)
    dense = _is_dense(problem)
    itemsize = problem.itemsize
    chunk = min(_chunk(problem), max(1, MAX_PATCH_BYTES // (filters * problem.taps * itemsize)))
    chunks = -(-channels // chunk)
    if problem.groups * chunks < 4 * threads:
        # A multiple of the threads, so that all finish together.
        step = threads // math.gcd(problem.groups, threads)
        chunks = max(chunks, min(-(-chunks // step) * step, channels // MIN_PART))
        chunk = -(-channels // chunks)
        chunks = -(-channels // chunk)
    row = problem.taps * chunk
    splits = max(1, min(-(-threads // (problem.groups * chunks)), total // MIN_PART))
    pixels = _block_pixels(row * itemsize, total if nhwc else plane, threads)
    scratch = 0 if dense else _aligned(row * pixels, problem)
    items = problem.groups * chunks * splits
    workers = min(threads, items)
    sums = items if splits > 1 else workers if nhwc else 0
    gemms = problem.groups * chunks * -(-total // pixels)
    return _Blocks(
        (pixels, chunk, splits, scratch, dense), workers, gemms, (workers * scratch + sums * filters * row) * itemsize
    )  # fmt: skip


def _aligned(elements, problem):
    step = ALIGNMENT // problem.itemsize
    return -(-elements // step) * step


ALGORITHMS = [Im2col()]
