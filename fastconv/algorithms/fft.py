"""Convolution through tiled fast Fourier transforms (overlap-save).

    tile of x --FFT--> X      w --FFT--> U (packed)      y = inverse FFT of sum over channels of X * conj(U)

A tile of th x tw pixels yields th - kernel + 1 by tw - kernel + 1 outputs, so large kernels cost little more than small ones.
Channels lie in the vector lanes. A group is a complex GEMM per frequency (dense); where groups have so few channels that their
vectors would be mostly empty, the lanes are output channels of all groups (lane by lane; depthwise is this case).

Source of the method: Mathieu, Henaff, LeCun, "Fast training of convolutional networks through FFTs" (2014); Zlateski, Jia, Li,
Durand, "FFT convolutions are faster than Winograd on modern CPUs" (2018).
"""

from __future__ import annotations

import dataclasses
import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..kernels import cpu
from ..memory import aligned_empty
from ..problem import DIRECTIONS
from ..threads import get_num_threads
from . import machine, sums
from .modelled import Modelled

__all__ = ["ALGORITHMS", "Fft"]

# Lengths of transforms and their factors, each a codelet of kernels/fft.h; a first factor of 1 means one stage.
_FACTORS = {
    1: (1, 1), 2: (1, 2), 3: (1, 3), 4: (1, 4), 5: (1, 5), 6: (1, 6), 8: (1, 8), 10: (1, 10), 12: (1, 12), 16: (4, 4),
    20: (4, 5), 24: (4, 6), 30: (5, 6), 32: (4, 8), 36: (6, 6), 40: (5, 8), 48: (6, 8), 60: (6, 10), 64: (8, 8), 80: (10, 8),
    96: (12, 8), 120: (10, 12), 128: (16, 8), 160: (10, 16), 192: (12, 16), 256: (16, 16),
}  # fmt: skip
_LARGEST = max(_FACTORS)

# Tiles are chosen, and as many go through the GEMMs together, as keep to this much scratch where any choice does.
_WORKSPACE_TARGET = 32 << 20
# Tiles that may go through the GEMMs together: few stay in the second-level cache, many load the filters less often.
_BLOCKS = (4, 7, 13, 26)
# What of the spectra should stay in the second-level cache.
_CACHE_BYTES = 1536 << 10

# What tilings are chosen by, fitted to timings on one AVX-512 core (Zen 4), in seconds. Packed filters depend on the tiling, so
# that calibration leaves these alone. Arithmetic on shorter vectors takes longer.
_STEP_SECONDS = 0.75e-9  # one vector through one stage of a transform
_FMA_SECONDS = 0.35e-9  # one multiply-add of vectors in the complex GEMM
_PRODUCT_SECONDS = 0.8e-9  # one multiply-add of vectors where both operands are read from memory
_FILTER_SECONDS = 1 / 60e9  # one byte of the filters' spectra
_SPILL_SECONDS = 1 / 25e9  # one byte of the data's spectra that leaves the second-level cache

# Error constant where all results have equally many products; about four times the largest measured on normal, uniform and
# constant data, and on channels whose scales range over a factor of 1000.
_ERROR = 10.0


@dataclasses.dataclass(frozen=True)
class _Tiling:
    """What kernels/fft_api.h calls fft_tiling, field by field."""

    th: int
    first_h: int
    last_h: int
    tw: int
    first_w: int
    last_w: int
    bh: int
    bw: int
    block: int
    filter_block: int
    lanewise: int


class _Work(NamedTuple):
    """What one call does, in vectors and bytes, and what packing does."""

    steps: float
    fmas: float
    products: float
    filters: float
    spilled: float
    pack_steps: float
    packed: float

    def seconds(self, vector_bytes):
        arithmetic = self.steps * _STEP_SECONDS + self.fmas * _FMA_SECONDS + self.products * _PRODUCT_SECONDS
        return arithmetic * 64 / vector_bytes + self.filters * _FILTER_SECONDS + self.spilled * _SPILL_SECONDS


class _Plan:
    """Tiling, twiddle factors and amount of work of one problem on one instruction set."""

    def __init__(self, problem, module):
        self.module, self.problem = module, problem
        self.direction = DIRECTIONS.index(problem.direction)
        tiling, self.work = _choose(problem, module.fft_lanes(problem.itemsize))
        self.tiling = np.array(dataclasses.astuple(tiling), np.int64)
        lines = [_twiddles(tiling.first_h, tiling.last_h), _twiddles(tiling.first_w, tiling.last_w)]
        self.twiddle = np.concatenate(lines).astype(problem.dtype)
        products = sums.axis_products(problem, 0), sums.axis_products(problem, 1)
        self.error = _error(problem)
        # Results to which no product contributes are stored as zeros: a transform would leave rounding errors there.
        used = np.concatenate(products) > 0
        self.used = None if used.all() else used.astype(np.uint8)

    def workspace(self, threads):
        return self.module.fft_workspace(self.problem.geometry, self.tiling, self.direction, self.problem.itemsize, threads)


@lru_cache(maxsize=1024)
def _plan(problem, module):
    return _Plan(problem, module)


def _twiddles(first, last):
    """exp(-2 pi i n k / (first last)) for n < last, k < first, as pairs of real numbers, in double precision."""
    n, k = np.arange(last)[:, None], np.arange(first)[None, :]
    return np.exp(-2j * np.pi * (n * k % (first * last)) / (first * last)).ravel().view(np.float64)


def _axis(problem, axis):
    """(source pixels, padding, kernel extent, outputs) of the stride-1 correlation along an axis that does the problem."""
    size = (problem.height, problem.width)[axis]
    out = (problem.out_height, problem.out_width)[axis]
    stride, extent, padding = problem.stride[axis], problem.extent[axis], problem.padding[axis][0]
    interleaved = (out - 1) * stride + 1
    if problem.direction == "input_grad":
        return interleaved, extent - 1 - padding, extent, size
    return size, padding, extent, interleaved


def _error(problem):
    """The error constant: as `sums.spread`, as if all results had the fewest products."""
    fewest, most = (math.prod(counts) for counts in zip(*(sums.axis_range(problem, axis) for axis in (0, 1)), strict=True))
    results = max(math.prod(problem.result_shape), 1)
    return _ERROR * most / fewest * (sums.TAIL * results) ** (1 / (max(sums.depth(problem), 1) * fewest))


def _axis_choices(source, padding, extent, outputs):
    """(tile length, outputs a tile yields, tiles) for every length that serves."""
    # A single tile may let its ends wrap around where only padding meets: results need outputs + extent - 1 pixels, of which
    # the `padding` first and those behind the source are zero.
    needed = min(source, outputs + extent - 1 - padding)
    single = min(outputs + extent - 1, max(outputs + extent - 1 - padding, needed + padding, extent, outputs))
    if padding < 0:
        single = outputs + extent - 1
    choices = []
    for length in _FACTORS:
        if length >= single:
            return [*choices, (length, outputs, 1)]
        if length >= extent:
            tiles = -(-outputs // (length - extent + 1))
            choices.append((length, -(-outputs // tiles), tiles))
    return choices


def _channels(problem):
    """(input, output) channels per group of the correlation that does the problem."""
    c, k = problem.in_channels // problem.groups, problem.out_channels // problem.groups
    return (k, c) if problem.direction == "input_grad" else (c, k)


def _choose(problem, lanes):
    """The tiling of least predicted time on one thread, among those of moderate scratch, and its `_Work`."""
    candidates = [
        _candidate(problem, lanes, y, x) for y in _axis_choices(*_axis(problem, 0)) for x in _axis_choices(*_axis(problem, 1))
    ]
    least = min(scratch for _, scratch, _ in candidates)
    _, _, tiling, work = min(
        (work.seconds(lanes * problem.itemsize), i, tiling, work)
        for i, (work, scratch, tiling) in enumerate(candidates)
        if scratch <= max(_WORKSPACE_TARGET, least)
    )
    return tiling, work


def _candidate(problem, lanes, y, x):
    """(work, bytes of scratch, tiling) of one pair of tile lengths."""
    (th, bh, ny), (tw, bw, nx) = y, x
    ci, co = _channels(problem)
    gradient = problem.direction == "weight_grad"
    groups, tiles = problem.groups, max(problem.batch * ny * nx, 1)
    cv, kv, all_kv = _ceil(ci, lanes), _ceil(co, lanes), _ceil(groups * co, lanes)
    lanewise = groups > 1 and all_kv * (ci + 1) <= groups * (cv + kv)

    pixel, columns = 2 * lanes * problem.itemsize, tw // 2 + 1
    frequencies = th * columns
    spectrum, plane = frequencies * pixel, columns * (th | 1) * pixel
    # The row transforms (with the packing of pairs) have half a complex pixel for each real one.
    steps = th * tw / 2 * (2 + _stages(tw)) + frequencies * (1 + _stages(th))
    if lanewise:
        block = filter_block = 1
        scratch = (ci + (3 if gradient else 0)) * plane
        transforms = tiles * all_kv * (ci + 1) + (all_kv * ci if gradient else 0)
        fmas, products = 0, 2 * tiles * all_kv * ci * frequencies
        filters, spilled = all_kv * ci * spectrum, 0
    else:
        filter_block = max(1, min(kv, _WORKSPACE_TARGET // 2 // (spectrum * ci))) if gradient else kv
        sums = filter_block * ci * spectrum if gradient else 0
        per_tile = (cv + filter_block) * (plane + (th | 1) * pixel)
        _, block, filters, spilled = min(
            _block_traffic(tiles, block, per_tile, (2 if gradient else 1) * kv * ci * spectrum)
            for block in _BLOCKS
            if block == _BLOCKS[0] or block * per_tile <= _WORKSPACE_TARGET - sums
        )
        block = max(1, min(block, (_WORKSPACE_TARGET - sums) // per_tile))
        scratch = block * per_tile + sums
        transforms = groups * (tiles * (cv * _ceil(kv, filter_block) + kv) + (kv * ci if gradient else 0))
        fmas, products = 4 * groups * tiles * kv * ci * frequencies, 0
        filters, spilled = groups * filters, groups * spilled
    packed = all_kv * ci if lanewise else groups * kv * ci
    work = _Work(transforms * steps, fmas, products, filters, spilled, packed * steps, packed * spectrum)
    tiling = _Tiling(th, *_FACTORS[th], tw, *_FACTORS[tw], bh, bw, block, filter_block, int(lanewise))
    return work, scratch, tiling


def _block_traffic(tiles, block, per_tile, filters):
    """(seconds of memory traffic, tiles in a block, bytes of filters and of spilled data) for `block` tiles at most."""
    blocks = _ceil(tiles, block)
    block = _ceil(tiles, blocks)
    spilled = tiles * 2 * per_tile if block * per_tile > _CACHE_BYTES else 0
    return blocks * filters * _FILTER_SECONDS + spilled * _SPILL_SECONDS, block, blocks * filters, spilled


def _ceil(a, b):
    return -(-a // b)


def _stages(length):
    return 2 if _FACTORS[length][0] > 1 else 1


class Fft(Modelled):
    """Overlap-save FFT convolution.

    The rounding error of a transform is relative to the norm of a whole tile, not to the window of one output. The published
    constant therefore holds for tiles whose values are of comparable magnitude; where they differ by orders of magnitude in
    space, results near large values lose their low digits. It grows with the ratio of the most to the fewest products that a
    result sums (corners), and is large where a result may consist of a few products only. Results that sum no product at all
    are exact. A NaN or Inf spreads over its tile.

    Kernels, dilation included, may span up to 256 pixels. Strides are computed at stride 1 and subsampled in the store.
    """

    name = "fft"
    local_non_finite = False

    def supports(self, problem):
        if max(problem.extent) > _LARGEST:
            return f"the kernel spans more than the largest tile's {_LARGEST} pixels"
        return None

    def terms(self, problem):
        work, vector = self._plan(problem).work, machine.lanes(problem)
        # From the last-level cache filters come while products are made; from memory they are waited for.
        filters = "filters" if work.packed <= machine.constants().far_bytes else "filters from memory"
        return {
            "call": machine.call_seconds(),
            "transforms": machine.compute_seconds(work.steps * vector, problem.dtype),
            "complex": machine.compute_seconds(work.fmas * vector, problem.dtype),
            "products": machine.compute_seconds(work.products * vector, problem.dtype),
            filters: machine.traffic_seconds(work.filters, work.packed),
            "spills": machine.traffic_seconds(work.spilled, math.inf),
            "data": machine.traffic_seconds(problem.bytes, problem.bytes),
        }

    def pack_terms(self, problem):
        work = self._plan(problem).work
        return {
            "call": machine.call_seconds(),
            "transforms": machine.compute_seconds(work.pack_steps * machine.lanes(problem), problem.dtype),
            "writes": machine.traffic_seconds(work.packed, work.packed),
        }

    def workspace(self, problem):
        return self._plan(problem).workspace(get_num_threads())

    def error(self, problem):
        return self._plan(problem).error

    def pack(self, problem, w):
        plan, threads = self._plan(problem), get_num_threads()
        kernels, itemsize = plan.module, problem.itemsize
        packed = aligned_empty(kernels.fft_packed_size(problem.geometry, plan.tiling, plan.direction, itemsize), problem.dtype)
        workspace = aligned_empty(kernels.fft_pack_workspace(plan.tiling, itemsize, threads), np.uint8)
        kernels.fft_pack(problem.geometry, plan.tiling, plan.twiddle, plan.direction, w, packed, workspace, threads)
        return packed

    def run(self, problem, x, packed, bias, activation, out, workspace):
        plan, threads = self._plan(problem), get_num_threads()
        if problem.direction == "weight_grad":
            if problem.batch == 0:
                out.fill(0)
                return
            plan.module.fft_weight_grad(
                problem.geometry, plan.tiling, plan.twiddle, plan.used, x, packed, out, workspace, threads
            )
        else:
            plan.module.fft_convolve(
                problem.geometry, plan.tiling, plan.twiddle, plan.direction, plan.used, x, packed, bias, activation.code,
                activation.slope, out, workspace, threads,
            )  # fmt: skip

    def _plan(self, problem):
        return _plan(problem, cpu.kernels())


ALGORITHMS = [Fft()]
