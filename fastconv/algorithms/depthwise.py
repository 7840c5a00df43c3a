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
        lanes = _VECTOR_BYTES[cpu.isa()] // problem.itemsize
        channels = problem.in_channels if problem.direction == "input_grad" else problem.out_channels
        blocks = -(-channels // lanes)
        source, dest = problem.height * problem.width, problem.out_height * problem.out_width
        multiplier = problem.out_channels // problem.in_channels if problem.direction == "input_grad" else 1
        products = dest * problem.taps * multiplier
        cycles = blocks * problem.batch * (products * _PRODUCT[cpu.isa()] + (source + dest) * _MOVE[problem.memory_format])
        shares = blocks if problem.direction == "weight_grad" else blocks * problem.batch * problem.out_height
        threads = min(get_num_threads(), shares)
        return _CALL + cycles * -(-shares // threads) / shares * _CYCLE + problem.bytes / _BANDWIDTH


# Fitted to the layers of MobileNet and to kernels of 5x5 to 13x13 on one Zen 4 core: cycles for a multiply-add of vectors and for
# bringing a vector of pixels to the scratch or back, the length of a cycle, the start of a call, and the bandwidth in bytes.
_VECTOR_BYTES = {"baseline": 16, "avx2": 32, "avx512": 64}
_PRODUCT = {"baseline": 1.1, "avx2": 0.6, "avx512": 1.1}
_MOVE = {"nchw": 9.0, "nhwc": 5.0}
_CYCLE = 1 / 3.7e9
_CALL = 2e-6
_BANDWIDTH = 40e9


ALGORITHMS = [Depthwise()]
