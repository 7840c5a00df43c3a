"""Direct convolution: register-tiled loops over the data as it lies. Accepts every problem."""

from __future__ import annotations

import numpy as np

from ..kernels import cpu
from ..memory import aligned_empty
from ..threads import get_num_threads
from . import machine
from .base import ConvAlgorithm

__all__ = ["ALGORITHMS", "Direct"]


class Direct(ConvAlgorithm):
    """Sums of products in the order of their definition, a tile of results held in registers.

    Channels-last data has filters in the vector lanes and is read in place; NCHW data has pixels in the lanes, read through a panel of
    patches that stays in the cache. Small NCHW images, whose pixels would leave lanes empty, are converted and take the first form.
    Source: the indirect convolution of Dukhan, "The Indirect Convolution Algorithm" (2019), and the panels of BLIS.
    """

    name = "direct"

    def supports(self, problem):
        return None

    def cost(self, problem):
        return machine.direct_seconds(problem, pixel_lanes(problem))

    def workspace(self, problem):
        double, threads = problem.dtype == "float64", get_num_threads()
        if problem.direction == "weight_grad":
            return cpu.kernels().direct_weight_grad_workspace(problem.geometry, double, threads)
        backward = problem.direction == "input_grad"
        return cpu.kernels().direct_workspace(problem.geometry, backward, pixel_lanes(problem), double, threads)

    def error(self, problem):
        return machine.sum_error(problem)

    def pack(self, problem, w):
        kernels, backward, lanes = cpu.kernels(), problem.direction == "input_grad", pixel_lanes(problem)
        size = kernels.direct_packed_size(problem.geometry, backward, lanes, problem.dtype == "float64")
        packed = aligned_empty(size, w.dtype)
        kernels.direct_pack(problem.geometry, backward, lanes, w, packed, np.empty(3 * problem.taps, np.int64))
        return packed

    def run(self, problem, x, packed, bias, activation, out, workspace):
        kernels, threads = cpu.kernels(), get_num_threads()
        if problem.direction == "weight_grad":
            kernels.direct_weight_grad(problem.geometry, x, packed, out, workspace, threads)
        else:
            kernels.direct_run(
                problem.geometry, problem.direction == "input_grad", pixel_lanes(problem), x, packed, bias, activation.code,
                activation.slope, out, workspace, threads,
            )  # fmt: skip


# Below this share of used lanes an NCHW problem is converted to channels-last.
_LANES_USED = 0.8


def pixel_lanes(problem):
    """Whether pixels rather than filters fill the vector lanes."""
    if problem.memory_format == "nhwc":
        return False
    if problem.direction == "forward":
        filters, rows = problem.out_channels // problem.groups, problem.out_height * problem.out_width
    else:
        filters, rows = problem.w_shape[1], -(-problem.height // problem.stride[0]) * -(-problem.width // problem.stride[1])
    pixels = max(problem.batch, 1) * rows
    vector = machine.vector_bytes() // problem.itemsize
    used = [n / (-(-n // vector) * vector) for n in (pixels, filters)]
    return used[0] >= min(_LANES_USED, used[1])


ALGORITHMS = [Direct()]
