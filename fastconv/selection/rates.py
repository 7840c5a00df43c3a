"""Rates of this machine, measured: multiply-adds, caches, memory, calls and threads."""

from __future__ import annotations

import concurrent.futures
import dataclasses

import numpy as np

from ..algorithms import get
from ..problem import ConvProblem
from ..threads import get_num_threads, num_threads
from . import environment
from .measure import measure
from .race import race

__all__ = ["Peaks", "measured_peaks", "measured_rates"]

_SECONDS = 0.3
_PEAK_SECONDS = 0.1
# Where other programs hold the cores, regions of several threads take any time: these limits keep the figures believable.
_LEAST_EFFICIENT, _MOST_EFFICIENT = 0.5, 1.0
_SHORTEST_FORK, _LONGEST_FORK = 5e-7, 5e-5
# Filters and pixels of this product stay in the second-level cache.
_PEAK = ConvProblem.parse("1x256x14x16,256x1x1", memory_format="nhwc")
_EMPTY = ConvProblem.parse("1x1x1x1,1x1x1", memory_format="nhwc")
# Where the environment does not tell the sizes of the caches.
_USUAL_CACHES = {2: 2**20, 3: 2**25}
# A turn of the threads that copy moves this much each, so that handing them the work does not show.
_COPIED = 2**24


@dataclasses.dataclass(frozen=True)
class Peaks:
    """The most that this machine does on a number of threads.

    Attributes
    ----------
    threads : int
    flops : float
        Operations per second, two for a multiply-add, in direct convolution's inner loop.
    bandwidth : dict of str to float
        Bytes read and written per second while copying, by where the data lies: ``"L2"``, ``"L3"``, ``"memory"``.
    """

    threads: int
    flops: float
    bandwidth: dict[str, float]


def measured_peaks(dtype="float32"):
    """The `Peaks` of the current number of threads, in about a second.

    Examples
    --------
    >>> peaks = measured_peaks()
    >>> peaks.flops > 1e8 and sorted(peaks.bandwidth) == ["L2", "L3", "memory"]
    True
    """
    threads = get_num_threads()
    peak, call = (_PEAK.replace(dtype=dtype, batch=threads), _EMPTY.replace(dtype=dtype))
    flops = peak.flops / (_seconds(peak, _PEAK_SECONDS) - _seconds(call, _PEAK_SECONDS))
    near, far = _cache_sizes(_USUAL_CACHES[2], _USUAL_CACHES[3])
    # The second-level cache is each core's own, the rest is shared.
    footprints = {"L2": near / 2, "L3": min(far / 2 / threads, 8 * near), "memory": 4 * far / threads}
    bandwidth = {name: _copy_rate(int(footprint), threads, _PEAK_SECONDS) for name, footprint in footprints.items()}
    return Peaks(threads, _rounded(flops), {name: _rounded(rate) for name, rate in bandwidth.items()})


def measured_rates(shipped):
    """The fields of `machine.Constants` that are rates and sizes; `shipped` has those that the environment does not tell."""
    with num_threads(1):
        peak, call = _seconds(_PEAK, _SECONDS), _seconds(_EMPTY, _SECONDS)
    found = {"fma": _PEAK.flops / 2 / (peak - call), "call": call}
    threads = get_num_threads()
    if threads > 1:
        parallel = (peak - call) / max(_seconds(_PEAK, _SECONDS) - call, 1e-9)
        found["thread_efficiency"] = min(_MOST_EFFICIENT, max(_LEAST_EFFICIENT, (parallel - 1) / (threads - 1)))
        found["fork"] = min(_LONGEST_FORK, max(_SHORTEST_FORK, _seconds(_EMPTY, _SECONDS) - call))
    near, far = _cache_sizes(shipped.near_bytes, shipped.far_bytes)
    # Half a cache, so that other data has room; beyond the last, several times its size.
    for name, footprint in (("near", near / 2), ("far", min(far / 2, 8 * near)), ("memory", 4 * far)):
        found[name] = _copy_rate(int(footprint), 1, _SECONDS)
    return {name: _rounded(value) for name, value in found.items()} | {"near_bytes": near, "far_bytes": far}


def _seconds(problem, seconds):
    return measure(problem, [get("direct")], seconds).measured["direct"].seconds


def _copy_rate(footprint, threads, seconds):
    """Bytes read and written per second by threads that each copy one half of so many bytes to the other."""
    pairs = [(np.zeros(footprint // 2, np.uint8), np.ones(footprint // 2, np.uint8)) for _ in range(threads)]
    if threads == 1:
        ((source, target),) = pairs
        return 2 * source.size / race({"copy": lambda: np.copyto(target, source)}, seconds)["copy"].seconds
    repeats = max(1, _COPIED // footprint)

    def copy(pair):
        for _ in range(repeats):
            np.copyto(pair[1], pair[0])

    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        timing = race({"copy": lambda: list(pool.map(copy, pairs))}, seconds)["copy"]
    return repeats * threads * 2 * (footprint // 2) / timing.seconds


def _cache_sizes(near, far):
    """Bytes of the second and the third level, of those that the environment tells, else those given."""
    units = {"K": 2**10, "M": 2**20}
    sizes = {}
    for entry in filter(None, environment.describe()["caches"].split(", ")):
        level, size = entry.split()
        if level[1:].isdigit() and size[:-1].isdigit() and size[-1] in units:
            sizes[int(level[1:])] = int(size[:-1]) * units[size[-1]]
    near = sizes.get(2, near)
    return near, max(near, sizes.get(3, far))


def _rounded(value):
    return float(f"{value:.4g}")
