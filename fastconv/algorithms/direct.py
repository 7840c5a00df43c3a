"""Direct convolution: register-tiled loops over the data as it lies. Accepts every problem."""

from __future__ import annotations

import numpy as np

from ..kernels import cpu
from ..memory import aligned_empty
from ..threads import get_num_threads
from . import machine
from .base import ConvAlgorithm

__all__ = ["ALGORITHMS", "Direct", "DirectKernels"]


class DirectKernels(ConvAlgorithm):
    """What the two tilings of kernels/direct.h share."""

    _pixel_lanes: bool

    def cost(self, problem):
        return machine.direct_seconds(problem, self._pixel_lanes)

    def error(self, problem):
        return machine.sum_error(problem)

    def workspace(self, problem):
        kernels, backward, double = cpu.kernels(), problem.direction == "input_grad", problem.dtype == "float64"
        return kernels.direct_workspace(problem.geometry, backward, self._pixel_lanes, double, get_num_threads())

    def pack(self, problem, w):
        kernels, backward = cpu.kernels(), problem.direction == "input_grad"
        size = kernels.direct_packed_size(problem.geometry, backward, self._pixel_lanes, problem.dtype == "float64")
        packed = aligned_empty(size, w.dtype)
        scratch = aligned_empty(kernels.direct_pack_workspace(problem.geometry), np.uint8)
        kernels.direct_pack(problem.geometry, backward, self._pixel_lanes, w, packed, scratch)
        return packed

    def run(self, problem, x, packed, bias, activation, out, workspace):
        code, slope = (activation.code, activation.slope) if activation else (0, 0.0)
        cpu.kernels().direct_run(
            problem.geometry, problem.direction == "input_grad", self._pixel_lanes, x, packed, bias, code, slope, out,
            workspace, get_num_threads(),
        )  # fmt: skip


class Direct(DirectKernels):
    """Sums of products as the definition orders them, a tile of pixels x filters in registers, filters in the vector lanes.

    Channels-last data is read in place through pointers, one per pixel and kernel position; NCHW data is converted on the way in
    and out. Source: Dukhan, "The Indirect Convolution Algorithm" (arXiv:1907.02129).
    """

    name = "direct"
    _pixel_lanes = False

    def supports(self, problem):
        return None

    def workspace(self, problem):
        if problem.direction == "weight_grad":
            kernels, double = cpu.kernels(), problem.dtype == "float64"
            return kernels.direct_weight_grad_workspace(problem.geometry, double, get_num_threads())
        return super().workspace(problem)

    def run(self, problem, x, packed, bias, activation, out, workspace):
        if problem.direction == "weight_grad":
            cpu.kernels().direct_weight_grad(problem.geometry, x, packed, out, workspace, get_num_threads())
        else:
            super().run(problem, x, packed, bias, activation, out, workspace)


ALGORITHMS = [Direct()]
