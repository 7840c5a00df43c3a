"""Depthwise convolution: one input channel per filter, channels in the vector lanes.

Rows are brought into a small padded scratch, VL channels side by side, whichever the memory format; there every kernel
position is one multiply-add of whole vectors. The input gradient is the same correlation with the kernel reversed, split
by the stride's residues; the weight gradient keeps a block of kernel positions in registers.
"""

from __future__ import annotations

import numpy as np

from ..kernels import cpu
from ..problem import DIRECTIONS
from ..threads import get_num_threads
from .base import ConvAlgorithm

__all__ = ["Depthwise"]


class Depthwise(ConvAlgorithm):
    """Direct convolution where every filter sees one channel; any stride, padding, dilation and channel multiplier."""

    name = "depthwise"

    def supports(self, problem):
        if problem.w_shape[1] != 1:
            return f"needs one input channel per filter (groups = in_channels); a filter here sees {problem.w_shape[1]}"
        return None

    def workspace(self, problem):
        direction = DIRECTIONS.index(problem.direction)
        return cpu.kernels().depthwise_workspace(problem.geometry, direction, problem.itemsize, get_num_threads())

    def error(self, problem):
        # A chain of n rounded additions and products is within n + 1 units of eps / 2 (Higham 2002, section 3.1); eps suffices.
        if problem.direction == "forward":
            return problem.taps + 2
        if problem.direction == "input_grad":
            return problem.taps * (problem.out_channels // problem.in_channels) + 2
        # Summed within a strip of rows, then over the strips of all images.
        strip = cpu.kernels().depthwise_strip_rows(problem.geometry, problem.itemsize)
        return strip * problem.out_width + problem.batch * -(-problem.out_height // strip) + 2

    def pack(self, problem, w):
        return np.ascontiguousarray(w.reshape(problem.out_channels, problem.taps).T)

    def run(self, problem, x, packed, bias, activation, out, workspace):
        kernels, threads = cpu.kernels(), get_num_threads()
        if problem.direction == "weight_grad":
            kernels.depthwise_weight_grad(problem.geometry, x, packed, out, workspace, threads)
            return
        forward = problem.direction == "forward"
        kernels.depthwise_correlate(
            problem.geometry, DIRECTIONS.index(problem.direction), x, packed, bias if forward else None,
            activation.code if forward else 0, activation.slope if forward else 0.0, out, workspace, threads,
        )  # fmt: skip

    def cost(self, problem):
        grad = problem.direction == "input_grad"
        vector = _VECTOR_BYTES[cpu.isa()]
        lanes = vector // problem.itemsize
        channels, width = problem.out_channels, problem.width if grad else problem.out_width
        source, dest = problem.height * problem.width, problem.out_height * problem.out_width
        if self.workspace(problem) == 0:
            cycles = channels * problem.height * -(-width // lanes) * problem.taps * _PRODUCT_IN_PLANES
            shares = channels * problem.batch
        else:
            phases = problem.stride[0] * problem.stride[1] if grad else 1
            block = phases * _BLOCK + (source + dest) * vector * _BYTE[problem.memory_format]
            shares = -(-channels // lanes) * (1 if problem.direction == "weight_grad" else problem.batch * problem.out_height)
            cycles = -(-channels // lanes) * (block + dest * problem.taps * _PRODUCT[cpu.isa()])
        threads = min(get_num_threads(), max(shares, 1))
        return _CALL + problem.batch * cycles / threads * _CYCLE


# Fitted to the layers of MobileNet and to kernels of 5x5 to 13x13 on one Zen 4 core, in cycles: a multiply-add of vectors with
# channels or pixels in the lanes; a byte brought to the scratch or back, the caches' misses included; a block of channels.
_VECTOR_BYTES = {"baseline": 16, "avx2": 32, "avx512": 64}
_PRODUCT = {"baseline": 1.13, "avx2": 0.63, "avx512": 0.95}
_PRODUCT_IN_PLANES = 1.65
_BYTE = {"nchw": 0.115, "nhwc": 0.1}
_BLOCK = 400
# Seconds of a cycle, and of the start of a call.
_CYCLE = 1 / 3.7e9
_CALL = 2e-6


ALGORITHMS = [Depthwise()]
