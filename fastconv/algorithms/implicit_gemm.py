"""Implicit GEMM: direct convolution of NCHW data with pixels in the vector lanes."""

from __future__ import annotations

from ..kernels import cpu
from . import machine
from .direct import TILE_ROWS, DirectKernels

__all__ = ["ALGORITHMS", "ImplicitGemm"]


class ImplicitGemm(DirectKernels):
    """A matrix product with patches that are formed a panel at a time and never leave the second-level cache.

    A tile of filters x pixels is held in registers, pixels in the vector lanes, so NCHW data is read and written as it lies,
    whatever the stride, padding or dilation. 1x1 kernels at stride 1 read it in place. A weight gradient's tile is of filters x
    (channel, tap) pairs, whose sums have a vector each. Source: Chetlur et al., "cuDNN:
    Efficient Primitives for Deep Learning" (arXiv:1410.0759), and the panels of Van Zee and van de Geijn, "BLIS" (2015).
    """

    name = "implicit_gemm"
    _pixel_lanes = True

    def supports(self, problem):
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
    """Of tiles of filters x (channel, tap) pairs, each sum in the lanes of a vector while it runs over a strip of pixels."""
    vector, item, dtype = machine.lanes(problem), problem.itemsize, problem.dtype
    work = cpu.kernels().direct_pixel_weight_work(problem.geometry, dtype == "float64")
    tile_rows, tile_columns = work["tile_rows"], work["tile_columns"]
    high = problem.groups * -(-problem.out_channels // problem.groups // tile_rows)
    depth = problem.w_shape[1] * problem.taps
    wide = -(-depth // tile_columns)
    lanes = work["runs"] * -(-work["run"] // vector) * vector
    rows = problem.in_channels * work["planes"] * work["rows"]
    planes = item * rows * work["width"]
    strided = problem.stride[1] > 1
    return {
        "call": machine.call_seconds(),
        "products": machine.compute_seconds(lanes * high * tile_rows * depth, dtype),
        "loads": machine.compute_seconds(lanes * high * (wide * tile_rows + depth), dtype),
        # Ends of runs, of tiles and of rows that are copied.
        "runs": machine.compute_seconds(work["runs"] * high * wide * vector, dtype),
        "sums": machine.compute_seconds(work["strips"] * high * tile_rows * depth * vector, dtype),
        "rows": machine.compute_seconds(rows * vector, dtype),
        "strided copies" if strided else "copies": machine.traffic_seconds(2 * planes, planes // max(1, work["strips"])),
        "data": machine.traffic_seconds(problem.bytes, problem.bytes),
    }


# Pixels of the panels between which the filters are read again, about.
_PANEL_PIXELS = 64
# Of the tiles that read pixels in place: filters, and channels at a time (kernels/direct_points.h).
_POINT_ROWS = 6
_POINT_CHANNELS = 128

ALGORITHMS = [ImplicitGemm()]
