"""What a cost model needs to know of the machine: rates of its units, per instruction set.

The numbers are defaults measured on one current server core; ratios between algorithms matter, not their absolute values.
"""

from __future__ import annotations

from ..kernels import cpu
from ..threads import get_num_threads

__all__ = [
    "call_seconds", "compute_seconds", "direct_seconds", "memory_seconds", "sum_error", "vector_bytes", "winograd_seconds",
]  # fmt: skip

_VECTOR_BYTES = {"baseline": 16, "avx2": 32, "avx512": 64}
# Float32 multiply-adds per second of one core in a register-tiled loop; float64 runs at half of it.
_FMA_RATE = {"baseline": 13e9, "avx2": 50e9, "avx512": 56e9}
# Bytes per second that one core moves from beyond its second-level cache.
_BANDWIDTH = 12e9
# Entering a kernel from Python, and a parallel region.
_CALL = 4e-6
_FORK = 5e-6
# Of a second thread and more, on one memory.
_THREAD_EFFICIENCY = 0.9


def vector_bytes():
    """Width of a vector register of the instruction set in use."""
    return _VECTOR_BYTES[cpu.isa()]


def call_seconds():
    """Fixed time of one call."""
    return _CALL + (_FORK if get_num_threads() > 1 else 0)


def _speedup():
    return 1 + (get_num_threads() - 1) * _THREAD_EFFICIENCY


def compute_seconds(multiply_adds, dtype, efficiency=1.0):
    """Time of so many multiply-adds at a share of the peak."""
    rate = _FMA_RATE[cpu.isa()] * (1 if dtype == "float32" else 0.5)
    return multiply_adds / (rate * efficiency * _speedup())


def memory_seconds(nbytes):
    """Time to move so many bytes from or to memory."""
    return nbytes / (_BANDWIDTH * _speedup())


def _lane_overhead(problem, filters, channels, vector):
    """Time of direct convolution with filters in the lanes over that of full vectors; see kernels/direct.h."""
    backward = problem.direction == "weight_grad"
    permutes = cpu.isa() == "avx512" or cpu.isa() == "avx2" and problem.itemsize == 4
    bundle = min(problem.groups, vector // max(filters, channels)) if permutes else 1
    narrow = min(vector, 32 // problem.itemsize)
    if bundle > 1:
        lanes = vector / bundle
    elif filters <= narrow and not backward:
        lanes = narrow
    else:
        return -(-filters // vector) * vector / filters * (1 + 1 / channels)
    in_rows = problem.kernel_width == 3 and problem.stride[1] == problem.dilation[1] == 1 and not backward
    # Elsewhere every product spreads its input over the lanes anew.
    return lanes / filters * (1.15 if in_rows else 1.5)


def direct_seconds(problem, pixels_in_lanes):
    """Direct convolution's: multiply-adds, lanes left empty by narrow groups included, plus packing and traffic."""
    vector = vector_bytes() // problem.itemsize
    filters = problem.out_channels // problem.groups
    channels = problem.w_shape[1]
    if problem.direction == "input_grad":
        filters, channels = channels, filters
    pixels = max(1, problem.batch) * problem.out_height * problem.out_width
    products = pixels * problem.taps * problem.in_channels * problem.out_channels / problem.groups
    moved = problem.bytes
    if pixels_in_lanes:
        # A copied vector costs about as much as several products of two vectors, for each filter.
        overhead = (1 + 6 / filters) * -(-pixels // vector) * vector / pixels
    else:
        overhead = _lane_overhead(problem, filters, channels, vector)
        if problem.memory_format == "nchw" and problem.direction != "weight_grad":
            moved *= 2
    return call_seconds() + compute_seconds(products * overhead, problem.dtype, 0.85) + memory_seconds(moved)


def winograd_seconds(problem, m, r):
    """Winograd's: products of the tiles, transforms, and the transformed filters read once per block."""
    points = (m + r - 1) ** 2
    height, width = (problem.height, problem.width) if problem.direction == "input_grad" else (problem.out_height, problem.out_width)
    tiles = problem.batch * -(-height // m) * -(-width // m)
    vector = vector_bytes() // problem.itemsize
    channels, filters = problem.in_channels // problem.groups, problem.out_channels // problem.groups
    padded = -(-filters // vector) * vector
    products = points * tiles * channels * padded * problem.groups
    # About two multiply-adds per point and axis on the way in, as many on the way out.
    transforms = 2 * 2 * 2 * points * tiles * (problem.in_channels + problem.out_channels)
    filters_read = points * channels * padded * problem.groups * problem.itemsize
    return (
        call_seconds() + compute_seconds(products, problem.dtype, 0.85) + compute_seconds(transforms, problem.dtype, 0.5)
        + memory_seconds(problem.bytes + filters_read / 2)
    )  # fmt: skip


def sum_error(problem):
    """Error constant of adding the products of one output: n eps / 2 for n of them (Higham, section 3.1)."""
    if problem.direction == "weight_grad":
        terms = problem.batch * problem.out_height * problem.out_width
    else:
        channels = problem.w_shape[1] if problem.direction == "forward" else problem.out_channels // problem.groups
        terms = channels * problem.taps
    return terms / 2 + 2
