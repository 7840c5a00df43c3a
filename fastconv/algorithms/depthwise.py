"""Depthwise convolution: one input channel per filter, channels in the vector lanes.

Rows are brought into a small padded scratch, VL channels side by side, whichever the memory format; there every kernel
position is one multiply-add of whole vectors. The input gradient is the same correlation with the kernel reversed, split by the
stride's residues; the weight gradient keeps a block of kernel positions in registers. 3x3 kernels, and 5x5 and 7x7 in NCHW,
mostly read the image itself (`_direct`).
"""

from __future__ import annotations

import numpy as np

from ..kernels import cpu
from ..problem import DIRECTIONS
from ..threads import get_num_threads
from . import machine, sums
from .modelled import Modelled

__all__ = ["ALGORITHMS", "Depthwise"]


class Depthwise(Modelled):
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
        if problem.direction == "weight_grad":
            return sums.rounding(cpu.kernels().depthwise_chain(problem.geometry, problem.itemsize))
        return sums.error(problem)

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

    def model(self, problem):
        if self._direct(problem):
            return "depthwise planes"
        return super().model(problem)

    def terms(self, problem):
        grad = problem.direction == "input_grad"
        lanes, batch, channels = machine.lanes(problem), problem.batch, problem.out_channels
        threads = get_num_threads()
        if self._direct(problem):
            if problem.memory_format == "nhwc":
                planes, width = batch * -(-channels // lanes), 1
            else:
                planes, width = batch * channels, lanes
            products, vectors = (
                planes * shape[2] * -(-shape[3] // width)
                for shape in (problem.y_shape, problem.x_shape if grad else problem.y_shape)
            )
            return {
                "call": machine.call_seconds(),
                "products": machine.compute_seconds(products * problem.taps * lanes, problem.dtype),
                "vectors": machine.compute_seconds(vectors * lanes, problem.dtype),
                "data": machine.traffic_seconds(problem.bytes, problem.bytes),
            }
        # Lanes are filters, or for the input gradient channels, once for each filter that a channel has.
        multiplier = channels // problem.in_channels if grad else 1
        blocks = -(-channels // multiplier // lanes) * multiplier
        threads = min(threads, max(1, blocks * (1 if problem.direction == "weight_grad" else batch * problem.out_height)))
        phases = problem.stride[0] * problem.stride[1] if grad else 1
        source, dest = problem.height * problem.width, problem.out_height * problem.out_width
        brought = batch * blocks * (source + dest) * lanes * problem.itemsize
        return {
            "call": machine.call_seconds(),
            "blocks": machine.compute_seconds(batch * blocks * phases * _BLOCK * lanes, problem.dtype, threads),
            "products": machine.compute_seconds(batch * blocks * dest * problem.taps * lanes, problem.dtype, threads),
            f"scratch {problem.memory_format}": machine.traffic_seconds(brought, problem.bytes, threads),
        }

    def _direct(self, problem):
        """Whether kernels/depthwise_planes.h or depthwise_pixels.h computes it."""
        return cpu.kernels().depthwise_direct(problem.geometry, DIRECTIONS.index(problem.direction), problem.itemsize)


# Products that starting a block of channels costs, about.
_BLOCK = 200


ALGORITHMS = [Depthwise()]
