"""Measured rates of the machine."""

import pytest

from fastconv.selection import rates
from fastconv.threads import num_threads


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(rates, "_PEAK_SECONDS", 0.01)


@pytest.mark.parametrize("threads", [1, 2])
def test_peaks_are_those_of_the_threads_in_force(threads):
    with num_threads(threads):
        peaks = rates.measured_peaks()
    assert peaks.threads == threads
    assert 1e8 < peaks.flops < 1e14 and peaks.bandwidth.keys() == {"L2", "L3", "memory"}
    assert all(1e8 < rate < 1e13 for rate in peaks.bandwidth.values())


def test_wide_numbers_take_longer(monkeypatch):
    monkeypatch.setattr(rates, "_copy_rate", lambda *_: 1.0)
    # Other programs only lower a rate: the highest of several tries, taken in turns.
    highest = dict.fromkeys(("float32", "float64"), 0.0)
    with num_threads(1):
        for _ in range(5):
            for dtype in highest:
                highest[dtype] = max(highest[dtype], rates.measured_peaks(dtype).flops)
    assert highest["float64"] < 0.8 * highest["float32"]


@pytest.mark.parametrize(
    "caches, sizes",
    [("L1 32K, L2 1024K, L3 32768K", (2**20, 2**25)), ("", (5, 7)), ("L2 2M", (2**21, 2**21)), ("L3 4M, odd size", (5, 2**22))],
)
def test_sizes_of_caches_are_read_where_the_environment_tells_them(monkeypatch, caches, sizes):
    monkeypatch.setattr(rates.environment, "describe", lambda: {"caches": caches})
    assert rates._cache_sizes(5, 7) == sizes
