"""Winograd's tiles on matrix units: F(2x2, 3x3), and F(4, 3) along rows; products are made of bfloat16 parts."""

from __future__ import annotations

import math

import numpy as np

from ..kernels import cpu
from ..memory import aligned_empty
from ..problem import DIRECTIONS
from ..threads import get_num_threads
from . import machine, split, sums
from .winograd import Winograd

__all__ = ["ALGORITHMS", "SplitRowWinograd", "SplitWinograd"]

# Of a kernel that rows of tiles take: ROW_MOST_TAPS of kernels/winograd_row_split.h, of three columns.
_MOST_ROWS = 7


class SplitWinograd(Winograd):
    """F(2x2, 3x3), 16 products for 4 outputs instead of 36, each as split convolution computes it.

    Transformed data and filters are split into bfloat16 parts, so errors are those of the parts, enlarged by the transforms.
    Calls with values that parts do not serve are left to direct convolution, as in `split.Split`.

    Parameters
    ----------
    products : split.Split
        How products of two values are made.
    """

    # SQUARE_TILES or ROW_TILES of winograd_split_api.h.
    _tile_kind = 0
    # By how much the transforms enlarge the errors of products, at most; about half of it is the largest measured.
    _growth = 9
    # a, b, e: a + b ratio**e times the error of sums of as many products is usual on independent data, at results that sum
    # `ratio` times fewer than others of their tile.
    _usual_growth = 1.45, 0.45, 1

    def __init__(self, products, m=2, tile="winograd2x2", error=13):
        super().__init__(m, 3, error)
        self.name = f"{tile}_{products.name.removeprefix('split_')}"
        self._products = products

    def _refusal(self, problem):
        if problem.direction == "weight_grad":
            return "the weight gradient sums over pixels, not channels"
        return self._products.supports(problem)

    def _has_few_channels(self, problem):
        return False

    def terms(self, problem):
        work = cpu.kernels().winograd_split_work(problem.geometry, *self._form(problem), get_num_threads())
        lanes = self.points * split.BLOCK
        products = self._products.products * work["blocks"] * split.BLOCK**3 / split.UNIT_RATE
        terms = {
            "call": machine.call_seconds(),
            "products": machine.compute_seconds(products, problem.dtype),
            "parts": machine.compute_seconds(work["data"] * lanes, problem.dtype),
            "results": machine.compute_seconds(work["results"] * lanes, problem.dtype),
            "weights": machine.traffic_seconds(work["weights"], self._packed_bytes(problem)),
            "data": machine.traffic_seconds(problem.bytes, problem.bytes),
        }
        if problem.memory_format == "nchw":
            terms["transposes"] = machine.traffic_seconds(problem.bytes, problem.bytes)
        return terms

    def pack_terms(self, problem):
        written, read = self._packed_bytes(problem), problem.itemsize * math.prod(problem.w_shape)
        return {
            "call": machine.call_seconds(),
            "transforms": machine.compute_seconds(written / (2 * self._products.parts), problem.dtype),
            "reads": machine.traffic_seconds(read, read),
            "writes": machine.traffic_seconds(written, written),
        }

    def error(self, problem):
        return super().error(problem) + self._growth * self._products.product_error * self._hidden_kernel(problem)

    def method_error(self, problem):
        fewest, most = (math.prod(counts) for counts in zip(*(sums.axis_range(problem, axis) for axis in (0, 1)), strict=True))
        return self._tiles_error(problem, most, most / fewest)

    def _tiles_error(self, problem, products, ratio):
        """`method_error`, if a tile sums so many products per channel, at a result that sums `ratio` times fewer."""
        a, b, e = self._usual_growth
        usual = self._products.usual_error(self._depth(problem) * products)
        return (a + b * ratio**e) * usual * self._hidden_kernel(problem)

    def workspace(self, problem):
        own = cpu.kernels().winograd_split_workspace(problem.geometry, *self._form(problem), get_num_threads())
        return max(own, split.FALLBACK.workspace(problem))

    def pack(self, problem, w):
        kernels, threads = cpu.kernels(), get_num_threads()
        packed = aligned_empty(self._packed_bytes(problem), np.uint8)
        scratch = aligned_empty(kernels.winograd_split_pack_workspace(self._tile_kind, threads), np.uint8)
        kernels.winograd_split_pack(problem.geometry, *self._form(problem), w, packed, scratch, threads)
        return packed, w

    def run(self, problem, x, packed, bias, activation, out, workspace):
        filters, w = packed
        code, slope = (activation.code, activation.slope) if activation else (0, 0.0)
        done = cpu.kernels().winograd_split_run(
            problem.geometry, *self._form(problem), x, filters, bias, code, slope, out, workspace, get_num_threads()
        )
        if not done:
            split.fall_back(problem, x, w, bias, activation, out, workspace)

    def _form(self, problem):
        return self._tile_kind, DIRECTIONS.index(problem.direction), self._products.parts

    def _packed_bytes(self, problem):
        return cpu.kernels().winograd_split_packed_bytes(problem.geometry, *self._form(problem))


class SplitRowWinograd(SplitWinograd):
    """F(4, 3) along the rows of an image, the kernel's rows being taps as in split convolution: 18 products for 4 outputs of a
    3x3 kernel instead of 36.

    Six points for four outputs where F(2x2) has sixteen: less to transform, at the same error; see
    kernels/winograd_row_split.h.

    Parameters
    ----------
    products : split.Split
        How products of two values are made.
    """

    _tile_kind = 1
    _growth = 11
    _usual_growth = 1.56, 0.74, 2

    def __init__(self, products):
        super().__init__(products, m=4, tile="winograd4x1", error=16)
        self.points = self.factors = self.m + self.r - 1

    def _other_kernel(self, problem):
        if problem.kernel_width != self.r or problem.kernel_height > _MOST_ROWS:
            return f"kernel is not {self.r} columns wide, and at most {_MOST_ROWS} rows high"
        return "columns are dilated" if problem.dilation[1] > 1 else None

    def error(self, problem):
        # A point sums over the kernel's rows as well.
        return super().error(problem) + (problem.kernel_height - 1) * self._depth(problem) / 2

    def method_error(self, problem):
        # Rows are summed, columns are in tiles.
        (rows, _), (columns, most) = (sums.axis_range(problem, axis) for axis in (0, 1))
        return self._tiles_error(problem, rows * most, most / columns)

    def _hidden_kernel(self, problem):
        size = problem.out_width if problem.direction == "input_grad" else problem.width
        return self.r / max(1, min(self.r, size))


# With three parts, the rounding of the transforms themselves would be the larger error.
ALGORITHMS = [
    kind(products) for kind in (SplitRowWinograd, SplitWinograd) for products in split.PLAIN if products.products in (1, 3)
]
