"""Implicit GEMM: direct convolution of NCHW data with pixels in the vector lanes."""

from __future__ import annotations

from . import machine
from .direct import TILE_ROWS, DirectKernels

__all__ = ["ALGORITHMS", "ImplicitGemm"]


class ImplicitGemm(DirectKernels):
    """A matrix product with patches that are formed a panel at a time and never leave the second-level cache.

    A tile of filters x pixels is held in registers, pixels in the vector lanes, so NCHW data is read and written as it lies,
    whatever the stride, padding or dilation. Source: Chetlur et al., "cuDNN: Efficient Primitives for Deep Learning"
    (arXiv:1410.0759), and the panels of Van Zee and van de Geijn, "BLIS" (2015).
    """

    name = "implicit_gemm"
    _pixel_lanes = True

    def supports(self, problem):
        if problem.direction == "weight_grad":
            return "the weight gradient has no pixels to put in the lanes; direct does it"
        if problem.memory_format != "nchw":
            return "channels-last data has filters in the lanes; direct does it"
        return None

    def terms(self, problem):
        vector, groups, item = machine.lanes(problem), problem.groups, problem.itemsize
        depth, filters = problem.in_channels // groups, problem.out_channels // groups
        images, height, width = problem.batch, problem.out_height, problem.out_width
        if problem.direction == "input_grad":
            depth, filters = filters, depth
        lanes = images * -(-height * width // vector) * vector
        patch = problem.taps * depth * groups
        weights = patch * filters * item
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
        if problem.stride[1] > 1:
            image = item * images * problem.in_channels * problem.height * problem.width
            terms["split"] = machine.traffic_seconds(2 * image, 2 * image)
        return terms


# Pixels of the panels between which the filters are read again, about.
_PANEL_PIXELS = 64

ALGORITHMS = [ImplicitGemm()]
