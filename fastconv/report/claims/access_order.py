"""A matrix walked through in the order of its memory, and across it."""

from __future__ import annotations

from ...kernels import cpu
from ...memory import aligned_empty
from .claim import HOLDS, NOT, PARTLY, Claim, Verdict
from .timing import timings
from .words import ratio, times

__all__ = ["CLAIM"]

# Sides of square matrices of float32: 16 kB in the first cache to 64 MB in none, with and without a power of two as row length.
_SIDES = (64, 500, 512, 1000, 1024, 4000, 4096)
_PYTHON = 256
_STATED = 10
# Less is noise or next to nothing.
_SOME = 2


def walk(data):
    """The guide's loops over the elements, by rows; of a transposed array, by columns."""
    rows, columns = data.shape
    for i in range(rows):
        for j in range(columns):
            data[i, j] *= 1


def _measure(seconds):
    kernel = cpu.kernels()
    share = seconds / (len(_SIDES) + 1)
    found = []
    for side in _SIDES:
        data = _matrix(side)
        calls = {
            "columns": lambda data=data: kernel.loops_scale(data.T, 1.0),
            "rows": lambda data=data: kernel.loops_scale(data, 1.0),
        }
        found.append(ratio(f"{side} x {side}", "compiled loop: by columns / by rows", timings(calls, share), "columns", "rows"))
    data = _matrix(_PYTHON)
    calls = {"columns": lambda: walk(data.T), "rows": lambda: walk(data)}
    label = f"Python's loops, {_PYTHON} x {_PYTHON}: by columns / by rows"
    return [*found, ratio("Python", label, timings(calls, share), "columns", "rows", beside=True)]


def _matrix(side):
    data = aligned_empty(side * side, "float32").reshape(side, side)
    data.fill(1)
    return data


def _judge(found):
    compiled = {side: value for side, value in found.items() if side != "Python"}
    least, most = (choose(compiled, key=compiled.get) for choose in (min, max))
    here = f"{times(compiled[least])} ({least}) to {times(compiled[most])} ({most})"
    python = f"Python's own loops show {times(found['Python'])}: the interpreter takes far longer than the memory"
    if compiled[most] >= _STATED:
        why = (
            "A matrix that the first caches hold shows next to no difference. Rows of a power of two are the worst: the "
            f"elements of a column then compete for the same few places of a cache. {python}."
        )
        return Verdict(HOLDS, here, why)
    return Verdict(PARTLY if compiled[most] >= _SOME else NOT, here, f"The caches of this machine hide most of it. {python}.")


CLAIM = Claim(
    name="access_order",
    title="Contiguous against strided access",
    section="Performance analysis: memory access patterns; performance optimizations: memory access optimization",
    quotes=("Impact: Up to 10x performance difference due to cache locality",),
    stated="up to 10x",
    span=(1, _STATED),
    method=(
        "The same compiled scalar loop (kernels/loops.h) multiplies each element of a row-major float32 matrix in place, row "
        "by row and column by column; the guide's loops in Python over a NumPy array beside it."
    ),
    criterion="Holds if the order of columns takes at least 10 times as long at one size at least; partly, from 2 times.",
    measure=_measure,
    judge=_judge,
)
