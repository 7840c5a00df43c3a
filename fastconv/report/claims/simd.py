"""Vector instructions against scalar ones, in and out of the caches."""

from __future__ import annotations

import numpy as np

from ...kernels import cpu
from ...memory import aligned_empty
from .claim import HOLDS, NOT, PARTLY, Claim, Verdict
from .timing import timings
from .words import ratio, times

__all__ = ["CLAIM"]

# Elements of float32: 16 kB, which every first-level cache holds, and 64 MB, which few last-level ones do.
_IN_CACHE, _IN_MEMORY = 2**12, 2**24
# Passes over what is in the cache, so that a call's own time does not show.
_PASSES = 100
_PYTHON = 2**14
_LEAST, _MOST = 4, 8


def double(array, result):
    """The guide's slow way."""
    for i in range(len(array)):
        result[i] = array[i] * 2


def _measure(seconds):
    found = []
    places = {"cache": _rows(_IN_CACHE, _PASSES), "memory": _rows(_IN_MEMORY, 1)}
    share = seconds / (len(places) * len(cpu.available()) + 1)
    *_, highest = cpu.available()
    for isa in cpu.available():
        with cpu.use(isa):
            kernel = cpu.kernels()
        for place, rows in places.items():
            calls = {
                "scalar": lambda rows=rows, kernel=kernel: kernel.loops_scale(rows, 1.0),
                "vectors": lambda rows=rows, kernel=kernel: kernel.loops_scale_vectors(rows, 1.0),
            }
            passes, size = rows.shape
            label = f"{isa}, {passes} times {size * rows.itemsize // 1024:,} kB: scalar / vectors"
            found.append(ratio(f"{isa}, {place}", label, timings(calls, share), "scalar", "vectors", beside=isa != highest))
    array = np.ones(_PYTHON, np.float32)
    result = np.empty_like(array)
    calls = {"python": lambda: double(array, result), "numpy": lambda: np.multiply(array, 2, out=result)}
    label = f"the guide's snippet, {_PYTHON} elements: Python's loop / array * 2"
    return [*found, ratio("Python", label, timings(calls, share), "python", "numpy", beside=True)]


def _rows(size, passes):
    """`passes` rows that are the same memory."""
    data = aligned_empty(size, "float32")
    data.fill(1)
    return np.lib.stride_tricks.as_strided(data, (passes, size), (0, data.itemsize))


def _judge(found):
    isa = [key.partition(",")[0] for key in found if key.endswith(", cache")][-1]
    cache, memory = found[f"{isa}, cache"], found[f"{isa}, memory"]
    here = f"{times(cache)} in the cache, {times(memory)} from memory ({isa})"
    python = times(found["Python"])
    snippet = f"The guide's own snippet compares a loop of Python with NumPy, {python}: nearly all of that is the interpreter"
    if min(cache, memory) >= _LEAST:
        return Verdict(HOLDS, here, f"{snippet}.")
    if cache >= _LEAST:
        why = (
            "In the first cache a vector is multiplied and stored about as fast as a number; from memory both loops wait for "
            f"the same bytes. {snippet}."
        )
        return Verdict(PARTLY, here, why)
    return Verdict(NOT, here, f"{snippet}.")


CLAIM = Claim(
    name="simd",
    title="SIMD vectorisation",
    section="Performance optimizations: SIMD vectorization; performance analysis: vectorization benefits",
    quotes=("Processes 4-8 floats simultaneously", "Performance Gain: 4-8x speedup on modern CPUs"),
    stated="4-8x",
    span=(_LEAST, _MOST),
    method=(
        "The guide's operation, an array times a number, as the same compiled loop (kernels/loops.h) with scalar and with "
        "vector instructions, in each instruction set of the machine: float32, in place, 16 kB that stay in the first cache "
        "and 64 MB from memory."
    ),
    criterion=(
        "Holds if vectors of the highest instruction set are at least 4 times as fast both in the cache and from memory; "
        "partly, if in the cache only."
    ),
    measure=_measure,
    judge=_judge,
)
