"""Implicit GEMM: direct convolution of NCHW data with pixels in the vector lanes."""

from __future__ import annotations

from ..kernels import cpu
from . import machine
from .direct import TILE_ROWS, DirectKernels

__all__ = ["ALGORITHMS", "ImplicitGemm"]


class ImplicitGemm(DirectKernels):
    """A matrix product with patches that are formed a panel at a time and never leave the second-level cache.

    A tile of filters x pixels is held in registers, pixels in the vector lanes, so NCHW data is read and written as it lies,
    whatever the stride, padding or dilation. 1x1 kernels at stride 1 read it in place. Source: Chetlur et al., "cuDNN:
    Efficient Primitives for Deep Learning" (arXiv:1410.0759), and the panels of Van Zee and van de Geijn, "BLIS" (2015).
    """

    name = "implicit_gemm"
    _pixel_lanes = True

    def supports(self, problem):
        if problem.direction == "weight_grad" and problem.taps > 1:
            return "the weight gradient has pixels in the lanes of 1x1 kernels only; direct does it"
        if problem.memory_format != "nchw":
            return "channels-last data has filters in the lanes; direct does it"
        return None

    def terms(self, problem):
        vector, groups, item = machine.lanes(problem), problem.groups, problem.itemsize
        depth, filters = problem.in_channels // groups, problem.out_channels // groups
        if problem.direction == "weight_grad":
            return _weight_grad_terms(problem)
        images, height, width = problem.batch, problem.out_height, problem.out_width
        if problem.direction == "input_grad":
            depth, filters = filters, depth
        lanes = images * -(-height * width // vector) * vector
        patch = problem.taps * depth * groups
        weights = patch * filters * item
        if cpu.kernels().direct_reads_points(problem.geometry, problem.direction == "input_grad", problem.dtype == "float64"):
            return {
                "call": machine.call_seconds(),
                "points": machine.compute_seconds(lanes * patch * filters, problem.dtype),
                # Every block of filters reads the pixels again, and writes its sums anew for some channels at a time.
                "loads": machine.compute_seconds(lanes * patch * -(-filters // _POINT_ROWS), problem.dtype),
                "sums": machine.compute_seconds(lanes * groups * filters * -(-depth // _POINT_CHANNELS), problem.dtype),
                "data": machine.traffic_seconds(problem.bytes, problem.bytes),
            }
        terms = {
            "call": machine.call_seconds(),
            "products": machine.compute_seconds(lanes * patch * filters, problem.dtype),
            # Every block of filters reads the panel of patches.
            "starts": machine.compute_seconds(lanes * patch * -(-filters // TILE_ROWS), problem.dtype),
            "patches": machine.traffic_seconds(2 * lanes * patch * item, 0),
            "runs": machine.compute_seconds(images * height * patch * vector, problem.dtype),
            "filters": machine.traffic_seconds(images * -(-height * width // _PANEL_PIXELS) * weights, weights),
            "data": machine.traffic_seconds(problem.bytes, problem.bytes),
        }
        return terms


def _weight_grad_terms(problem):
    """Of tiles of filters x channels, each sum in the lanes of a vector while it runs over a strip of pixels."""
    vector, item, channels = machine.lanes(problem), problem.itemsize, problem.w_shape[1]
    plane = problem.out_height * problem.out_width
    lanes, weights = problem.batch * -(-plane // vector) * vector, problem.out_channels * channels
    strips = max(1, problem.batch * plane * (problem.in_channels + problem.out_channels) * item // _STRIP_BYTES)
    copied = item * lanes * problem.in_channels
    return {
        "call": machine.call_seconds(),
        "products": machine.compute_seconds(lanes * weights, problem.dtype),
        "copies": machine.traffic_seconds(2 * copied, copied),
        "data": machine.traffic_seconds(problem.bytes, problem.bytes),
        "sums": machine.compute_seconds(strips * weights * vector, problem.dtype),
    }


# Pixels of the panels between which the filters are read again, about.
_PANEL_PIXELS = 64
# Of the tiles that read pixels in place: filters, and channels at a time (kernels/direct_points.h).
_POINT_ROWS = TILE_ROWS // 2
_POINT_CHANNELS = 128
# Of a strip of the weight gradient (kernels/pixel_weight.h).
_STRIP_BYTES = 768 * 1024

ALGORITHMS = [ImplicitGemm()]
