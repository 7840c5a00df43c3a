"""Winograd's minimal filtering for square kernels, rows and columns: one algorithm per tile size, and one for stride 2."""

from __future__ import annotations

import math

from ..kernels import cpu
from ..memory import aligned_empty
from ..problem import DIRECTIONS
from ..threads import get_num_threads
from . import machine, sums
from .modelled import Modelled

__all__ = ["ALGORITHMS", "Winograd"]


class Winograd(Modelled):
    """F(m x m, r x r): (m + r - 1)^2 products for m^2 outputs instead of m^2 r^2.

    Source: Winograd, Arithmetic Complexity of Computations (1980); Lavin and Gray, "Fast algorithms for convolutional neural
    networks", arXiv:1509.09308. A NaN or Inf spreads over the outputs of its tile.

    Parameters
    ----------
    m : int
        Outputs per tile along each axis.
    r : int
        Kernel size.
    error : float
        The published error constant.
    usual_errors : (float, float), optional
        The error constants on independent data of one channel, and of a weight gradient of one tile; see `method_error`, of
        which a subclass without them has one of its own.
    fused : bool
        Whether the filters are transformed as they are used instead of packed: in training, where they change with every step,
        and where few tiles share so many filters that reading them transformed takes long.
    """

    local_non_finite = False
    stride = 1
    # A block holds at least a tile of each of the grids of pixels that a dilated kernel sees.
    most_dilation = 8
    fused_block_tiles = 112
    gradient_block_tiles = 96, 256

    def __init__(self, m, r, error, usual_errors=None, fused=False):
        self.name = f"winograd{m}x{m}" + ("" if r == 3 else f"_{r}x{r}") + ("_fused" if fused else "")
        self.m, self.r, self.fused = m, r, fused
        self._error, self._usual_errors = error, usual_errors
        # Products of a tile, and factors from the filter.
        self.points = self.factors = (m + r - 1) ** 2

    def supports(self, problem):
        refused = self._other_kernel(problem)
        if refused:
            return refused
        if problem.stride != (self.stride, self.stride):
            return f"stride is not {self.stride}"
        if max(problem.dilation) > self.most_dilation:
            return f"dilation is above {self.most_dilation}"
        if problem.is_depthwise:
            return "depthwise: there are no channels to multiply over"
        return self._refusal(problem)

    def _other_kernel(self, problem):
        other = (problem.kernel_height, problem.kernel_width) != (self.r, self.r)
        return f"kernel is not {self.r}x{self.r}" if other else None

    def _tile(self, problem):
        """Outputs of a tile along each axis."""
        return self.m, self.m

    def _refusal(self, problem):
        if self.fused and problem.direction == "weight_grad":
            return "the weight gradient transforms no filters"
        return None

    def _has_few_channels(self, problem):
        direction = DIRECTIONS.index(problem.direction)
        return not self.fused and cpu.kernels().winograd_has_few_channels(problem.geometry, direction, self.m)

    def model(self, problem):
        return f"{self.name} few channels" if self._has_few_channels(problem) else super().model(problem)

    def _few_channels_terms(self, problem):
        """Of winograd_few.h: lanes are filters, or in NCHW the tiles of a row."""
        vector, points = machine.lanes(problem), self.points
        channels, filters = problem.in_channels, problem.out_channels
        sizes = problem.out_height, problem.out_width
        if problem.direction == "input_grad":
            channels, filters, sizes = filters, channels, (problem.height, problem.width)
        rows, width = (-(-size // self.m) for size in sizes)
        rows *= problem.batch
        if problem.memory_format == "nhwc":
            computed = rows * width * -(-filters // vector) * vector
        else:
            shared = 1 if 2 * width > vector else 2 if 4 * width > vector else 4  # rows of tiles in a vector
            computed = rows * -(-width * shared // vector) * vector / shared * filters
        return {
            "call": machine.call_seconds(),
            "products": machine.compute_seconds(points * channels * computed, problem.dtype),
            "tiles": machine.compute_seconds(points * computed, problem.dtype),
            "strips": machine.compute_seconds(points * rows * width * channels, problem.dtype),
            "data": machine.traffic_seconds(problem.bytes, problem.bytes),
        }

    def terms(self, problem):
        if self._has_few_channels(problem):
            return self._few_channels_terms(problem)
        vector, item, groups = machine.lanes(problem), problem.itemsize, problem.groups
        tiles, area = self._tiles(problem)
        depth, filters = problem.in_channels // groups, problem.out_channels // groups
        if problem.direction == "input_grad":
            depth, filters = filters, depth
        into, out = (groups * -(-channels // vector) * vector for channels in (depth, filters))
        points = self.points
        block = min(tiles, max(area, self._block_tiles(problem)))
        blocks = max(1, tiles / max(1, block))
        weights = self.factors * depth * out
        if self.fused or problem.direction == "weight_grad":
            per_block = machine.compute_seconds(blocks * weights, problem.dtype)
        else:
            per_block = machine.traffic_seconds(blocks * weights * item, weights * item)
        terms = {
            "call": machine.call_seconds(),
            "products": machine.compute_seconds(points * tiles * depth * out, problem.dtype),
            "starts": machine.compute_seconds(points * tiles * out, problem.dtype),
            "transforms": machine.compute_seconds(points * tiles * (into + out), problem.dtype),
            # Once per block: transformed filters are read, filters transformed, or sums of the weight gradient transformed.
            "filters": per_block,
            "data": machine.traffic_seconds(problem.bytes, problem.bytes),
        }
        scratch = points * (depth + filters) * item * block
        if not self.fused and scratch > machine.constants().near_bytes:
            terms["spills"] = machine.traffic_seconds(2 * points * tiles * (into + out) * item, scratch)
        if problem.memory_format == "nchw":
            terms["transposes"] = machine.traffic_seconds(problem.bytes, problem.bytes)
        if problem.direction == "weight_grad" and blocks > 1:
            sums = problem.taps * depth * out * item
            terms["sums"] = machine.traffic_seconds(2 * blocks * sums, sums)
        return terms

    def pack_terms(self, problem):
        if self.fused:
            return {}
        depth, filters = problem.w_shape[1], problem.out_channels // problem.groups
        if problem.direction == "input_grad":
            depth, filters = filters, depth
        panel = 2 * machine.lanes(problem)
        written = self.points * problem.groups * depth * -(-filters // panel) * panel
        read = problem.taps * problem.groups * depth * filters * problem.itemsize
        return {
            "call": machine.call_seconds(),
            "transforms": machine.compute_seconds(written, problem.dtype),
            "reads": machine.traffic_seconds(read, read),
            "writes": machine.traffic_seconds(written * problem.itemsize, written * problem.itemsize),
        }

    def error(self, problem):
        # The transforms' part does not depend on the number of channels or tiles; their sum adds to it as any sum does.
        return self._error * self._hidden_kernel(problem) + self._depth(problem) / 2

    def method_error(self, problem):
        # Channels, or tiles, have errors of any sign: their sum grows as the square root of their number, until the rounding of
        # the sum itself is as large.
        of_sum = max(1 / math.sqrt(max(1, self._depth(problem))), _LEAST_OF_SUM)
        usual = self._usual_errors[problem.direction == "weight_grad"]
        return usual * of_sum * self._hidden_kernel(problem) * sums.spread(problem)

    def _depth(self, problem):
        """Channels that a product of the forward direction sums over, filters of the input gradient, tiles of the weight
        gradient."""
        if problem.direction == "weight_grad":
            return self._tiles(problem)[0]
        return sums.depth(problem)

    def _hidden_kernel(self, problem):
        """Kernel positions to those that meet the image at once: each tile transforms all of them, and the largest |x| conv |w|
        of an image smaller than the kernel holds only these."""
        if problem.direction == "weight_grad":
            return 1
        gradient = problem.direction == "input_grad"
        sizes = (problem.out_height, problem.out_width) if gradient else (problem.height, problem.width)
        kernel = problem.kernel_height, problem.kernel_width
        met = (min(r, -(-size // dilation)) for r, size, dilation in zip(kernel, sizes, problem.dilation, strict=True))
        return problem.taps / max(1, math.prod(met))

    def _tiles(self, problem):
        """Tiles of the problem, and how many are interleaved where it is dilated."""
        grad = problem.direction == "input_grad"
        sizes = (problem.height, problem.width) if grad else (problem.out_height, problem.out_width)
        spread = self.stride if grad else 1
        rectangles = [
            -(-size // (m * spread * dilation))
            for m, size, dilation in zip(self._tile(problem), sizes, problem.dilation, strict=True)
        ]
        area = math.prod(problem.dilation)
        return problem.batch * math.prod(rectangles) * area, area

    def workspace(self, problem):
        direction, double = DIRECTIONS.index(problem.direction), problem.dtype == "float64"
        return cpu.kernels().winograd_workspace(
            problem.geometry, direction, self.fused, self.m, self._block_tiles(problem), double, get_num_threads()
        )

    def pack(self, problem, w):
        if self.fused:
            return w
        kernels, direction = cpu.kernels(), DIRECTIONS.index(problem.direction)
        size = kernels.winograd_packed_size(problem.geometry, direction, self.m, problem.dtype == "float64")
        packed = aligned_empty(size, w.dtype)
        kernels.winograd_pack(problem.geometry, direction, self.m, w, packed, get_num_threads())
        return packed

    def run(self, problem, x, packed, bias, activation, out, workspace):
        code, slope = (activation.code, activation.slope) if activation else (0, 0.0)
        cpu.kernels().winograd_run(
            problem.geometry, DIRECTIONS.index(problem.direction), self.fused, self.m, self._block_tiles(problem),
            x, packed, bias, code, slope, out, workspace, get_num_threads(),
        )  # fmt: skip

    def _block_tiles(self, problem):
        """Tiles in a block: as many as fit the second-level cache, within what keeps the products efficient."""
        points = self.points
        per_tile = points * (problem.in_channels + problem.out_channels) // problem.groups * problem.itemsize
        if self.fused and problem.direction != "weight_grad":
            return self.fused_block_tiles
        least, most = self.gradient_block_tiles if problem.direction == "weight_grad" else _BLOCK_TILES
        return min(most, max(least, _CACHE_BYTES // per_tile))


class StridedWinograd(Winograd):
    """3x3 at stride 2: along each axis the outer taps are a filter F(4, 2) of every second pixel, the middle tap four products.

    81 products take the place of 144, and 36 of them have a factor of their own from the filter, which is transformed as it is
    used; see kernels/winograd_transform.h. The gradients are the same for the transposed problems.
    """

    stride = 2
    most_dilation = 1
    fused_block_tiles = 32
    gradient_block_tiles = 32, 64

    def __init__(self, error, usual_errors):
        super().__init__(4, 3, error, usual_errors, fused=True)
        self.name = "winograd4x4_stride2"
        self.points, self.factors = 81, 36

    def _refusal(self, problem):
        (top, _), (left, _) = problem.padding
        if problem.direction == "input_grad" and (top - left) % 2:
            return "padding is odd along one axis and even along the other"
        return None


class LineWinograd(Winograd):
    """F(m, r) along one axis, for kernels that are a row or a column: m + r - 1 products for m outputs in place of m r.

    The tiles are rows or columns too; see kernels/winograd.h.
    """

    def __init__(self, m, r, error, usual_errors):
        super().__init__(m, r, error, usual_errors)
        self.name = f"winograd{m}x1" + ("" if r == 3 else f"_{r}x1")
        self.points = self.factors = m + r - 1

    def _other_kernel(self, problem):
        other = (problem.kernel_height, problem.kernel_width) not in ((1, self.r), (self.r, 1))
        return f"kernel is not 1x{self.r} or {self.r}x1" if other else None

    def _tile(self, problem):
        return (1, self.m) if problem.kernel_height == 1 else (self.m, 1)


# Of a second-level cache of 1 MB, what V and M may take.
_CACHE_BYTES = 640 * 1024
_BLOCK_TILES = (28, 112)

# Of the usual error of one channel, what that of a sum of many is at least.
_LEAST_OF_SUM = 0.3

# Error constants: the largest error measured on the hardest data that was found, filters of one tap on images of one magnitude
# and any sign, with a margin of 1.3 and more; and the largest measured on normally distributed data, by `method_error`.
ALGORITHMS = [
    Winograd(4, 3, error=115, usual_errors=(14, 11)),
    Winograd(4, 3, error=115, usual_errors=(14, 11), fused=True),
    Winograd(2, 3, error=13, usual_errors=(2, 4)),
    Winograd(6, 3, error=750, usual_errors=(112, 85)),
    Winograd(4, 5, error=1000, usual_errors=(46, 110)),
    Winograd(2, 5, error=100, usual_errors=(10, 22)),
    StridedWinograd(error=65, usual_errors=(7, 6)),
    LineWinograd(6, 3, error=64, usual_errors=(29, 15)),
    LineWinograd(4, 5, error=66, usual_errors=(17, 15)),
]
