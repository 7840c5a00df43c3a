"""Convolution on matrix units: every float32 is a sum of bfloat16 parts, whose products are exact in float32."""

from __future__ import annotations

import math

import numpy as np

from ..kernels import cpu
from ..memory import aligned_empty
from ..problem import DIRECTIONS
from ..threads import get_num_threads
from . import direct, machine, sums
from .modelled import Modelled

__all__ = ["ALGORITHMS", "BLOCK", "FALLBACK", "NAMES", "PLAIN", "UNIT_RATE", "Split", "SplitFused", "fall_back"]

# bfloat16 products of one tile instruction to float32 multiply-adds of two vector instructions, both of which a core starts in
# the time of one: 16 x 16 x 32 in 16 cycles, 2 x 16 in each.
UNIT_RATE = 16
# Terms, filters and pixels of a block (kernels/tiles.h).
BLOCK = 32
_WEIGHTS_LIMIT = 2**31


class Split(Modelled):
    """Products of bfloat16 parts with float32 sums.

    One part is the value rounded to 8 bits, two hold 16 bits of it and three all 24. Of two parts three products are taken, or
    all four; of three parts six, since the others are smaller than what the last part leaves. Calls with values so large or
    small that a part would be infinite or denormal, and with NaN or Inf, are left to direct convolution.

    Source: Henry, Tang and Heinecke, "Leveraging the bfloat16 Artificial Intelligence Datatype For Higher-Precision
    Computations" (arXiv:1904.06376).

    Parameters
    ----------
    name : str
    parts : int
        bfloat16 numbers per float32.
    products : int
        Of two values.
    large_products : int
        Of these, those of a step that are added when the product of the high parts is in the sum.
    error : float
        `product_error`, the error constant of one product of two values: what is left out.
    usual : float
        Of millions of sums of n products of normal numbers, the largest error found is so much / sqrt(n) of `product_error`.
    """

    def __init__(self, name, parts, products, large_products, error, usual):
        self.name, self.parts, self.products = name, parts, products
        self._large_products, self.product_error, self._usual = large_products, error, usual

    def supports(self, problem):
        reason = cpu.why_no_matrix_units()
        if reason is not None:
            return reason
        if problem.dtype != "float32":
            return "matrix units multiply float32 only"
        if problem.is_depthwise:
            return "depthwise: there are no channels to multiply over"
        if problem.out_channels * problem.w_shape[1] * problem.taps >= _WEIGHTS_LIMIT:
            return "there are 2^31 weights or more"
        return None

    def terms(self, problem):
        direction = DIRECTIONS.index(problem.direction)
        work, area = cpu.kernels().split_work(problem.geometry, direction, self.products, get_num_threads()), BLOCK * BLOCK
        source = problem.y_shape if problem.direction == "input_grad" else problem.x_shape
        size = problem.itemsize * int(np.prod(source, dtype=object))
        return {
            "call": machine.call_seconds(),
            "products": machine.compute_seconds(self.products * work["blocks"] * area * BLOCK / UNIT_RATE, problem.dtype),
            "sums": machine.compute_seconds(work["sums"] * area, problem.dtype),
            "parts": machine.traffic_seconds(work["parts"], 0),
            "weights": machine.traffic_seconds(work["weights"], work["weights"]),
            "source": machine.traffic_seconds(size, size),
            "data": machine.traffic_seconds(problem.bytes, problem.bytes),
        }

    def error(self, problem):
        work = cpu.kernels().split_work(problem.geometry, DIRECTIONS.index(problem.direction), self.products, 1)
        # A tile product adds its terms up in two chains from zero, the sum of which it adds to the tile. Of the first step's
        # sums those before the product of the high parts are small. (Of three parts so are most: they come first in all steps.)
        inside = math.ceil(min(sums.terms(problem), BLOCK) / 2) + 1
        behind = self.products * (work["chain"] - 1) + self._large_products
        return self.product_error + (inside + behind) / 2

    def method_error(self, problem):
        # Low bits give products errors of any sign.
        return self.usual_error(sums.depth(problem) * math.prod(sums.axis_range(problem, axis)[0] for axis in (0, 1)))

    def usual_error(self, terms):
        """Error constant of a sum of so many products whose errors are independent."""
        return self.product_error * min(1.0, self._usual / math.sqrt(max(1, terms)))

    def workspace(self, problem):
        own = self._own_workspace(problem.geometry, DIRECTIONS.index(problem.direction), get_num_threads())
        return max(own, FALLBACK.workspace(problem))

    def _own_workspace(self, geometry, direction, threads):
        return cpu.kernels().split_workspace(geometry, direction, self.products, threads)

    def pack(self, problem, w):
        kernels, direction, threads = cpu.kernels(), DIRECTIONS.index(problem.direction), get_num_threads()
        packed = aligned_empty(kernels.split_packed_bytes(problem.geometry, direction, self.products), np.uint8)
        scratch = aligned_empty(kernels.split_pack_workspace(problem.geometry, direction, self.products, threads), np.uint8)
        kernels.split_pack(problem.geometry, direction, self.products, w, packed, scratch, threads)
        return packed, w

    def run(self, problem, x, packed, bias, activation, out, workspace):
        kernels, threads = cpu.kernels(), get_num_threads()
        if problem.direction == "weight_grad":
            if not kernels.split_weight_run(problem.geometry, self.products, x, packed, out, workspace, threads):
                FALLBACK.run(problem, x, packed, bias, activation, out, workspace)
            return
        tiles, w = packed
        code, slope = (activation.code, activation.slope) if activation else (0, 0.0)
        direction = DIRECTIONS.index(problem.direction)
        if not self._run_kernel(problem.geometry, direction, x, tiles, bias, code, slope, out, workspace, threads):
            fall_back(problem, x, w, bias, activation, out, workspace)

    def _run_kernel(self, geometry, direction, *operands):
        return cpu.kernels().split_run(geometry, direction, self.products, *operands)


class SplitFused(Split):
    """Two parts, of 1x1 kernels on channels-last data: the source is split while products are computed.

    Its results are those of `Split` of two parts to the last bit, and it packs the same weights. Which of the two is faster
    depends on how well a processor reads memory while its matrix units work.

    Parameters
    ----------
    plain : Split
        The one of two parts.
    """

    def __init__(self, plain):
        super().__init__(
            f"{plain.name}_fused", plain.parts, plain.products, plain._large_products, plain.product_error, plain._usual
        )
        self._plain = plain

    def supports(self, problem):
        reason = super().supports(problem)
        if reason is not None:
            return reason
        if problem.direction == "weight_grad":
            return "splits its source while it multiplies: there is no weight gradient"
        if not cpu.kernels().split_fuses(problem.geometry, DIRECTIONS.index(problem.direction)):
            return (
                "splits its source while it multiplies: 1x1 kernels on channels-last data only, without padding, of few enough "
                "weights, input gradient without stride"
            )
        return None

    def pack_model(self, problem):
        return self._plain.pack_model(problem)

    def _own_workspace(self, geometry, direction, threads):
        return cpu.kernels().split_fused_workspace(geometry, direction, threads)

    def _run_kernel(self, *operands):
        return cpu.kernels().split_fused_run(*operands)


# Does what bfloat16 parts do not serve.
FALLBACK = direct.ALGORITHMS[0]


def fall_back(problem, x, w, bias, activation, out, workspace):
    """Forward or input gradient by `FALLBACK`."""
    FALLBACK.run(problem, x, FALLBACK.pack(problem, w), bias, activation, out, workspace)


# What is left out of a product of two values is at most so much of it, in units of 2^-23. Two parts leave 2^-17 of a value, and
# the low one is at most 2^-8 of it: low x low, and both rests, are 2^-16 + 2 2^-17; with low x low taken, the rests and their
# product are left. Three parts hold a value, the middle one at most 2^-8 and the low one 2^-16 of it: middle x low, twice, is
# 2 2^-24. One part leaves 2^-8: 2 2^-8 and their product.
PLAIN = [
    Split("split_bf16x6", 3, 6, 4, error=1 + 2**-8, usual=1.95),
    Split("split_bf16x4", 2, 4, 2, error=2**7 + 2**-11, usual=2.2),
    Split("split_bf16x3", 2, 3, 2, error=256, usual=1.95),
    Split("bf16", 1, 1, 1, error=2**16 + 2**7, usual=1.95),
]
# From the most accurate to the fastest.
NAMES = tuple(algorithm.name for algorithm in PLAIN)
ALGORITHMS = [*PLAIN[:3], SplitFused(PLAIN[2]), *PLAIN[3:]]
