"""im2col and a matrix product against the loops of the definition."""

from __future__ import annotations

from ...kernels import cpu
from ...problem import ConvProblem
from .claim import HOLDS, NOT, PARTLY, Claim, Verdict
from .timing import convolutions, operands, timings
from .words import ratio, times

__all__ = ["CLAIM"]

# Small enough that loops of Python end within a tenth of a second or so.
_SMALL = ConvProblem.parse("1x16x18x18,16x3x3")
_LAYER = ConvProblem.parse("1x64x58x58,64x3x3")
_LEAST, _MOST = 10, 100


def convolve(x, w, y):
    """The guide's loops: stride 1, no padding."""
    batch, filters, height, width = y.shape
    _, channels, kernel_height, kernel_width = w.shape
    for n in range(batch):
        for f in range(filters):
            for i in range(height):
                for j in range(width):
                    total = 0.0
                    for c in range(channels):
                        for a in range(kernel_height):
                            for b in range(kernel_width):
                                total += x[n, c, i + a, j + b] * w[f, c, a, b]
                    y[n, f, i, j] = total


def _measure(seconds):
    found = []
    for name, problem, loops in (("small", _SMALL, ("Python", "compiled")), ("layer", _LAYER, ("compiled",))):
        x, w, y = operands(problem)
        calls = {
            "Python": lambda x=x, w=w, y=y: convolve(x, w, y),
            "compiled": lambda problem=problem, x=x, w=w, y=y: cpu.kernels().loops_convolve(problem.geometry, x, w, y),
        }
        contenders = {kind: calls[kind] for kind in loops} | convolutions(problem, ["im2col"])
        timed = timings(contenders, seconds / 2)
        for kind in loops:
            beside = (kind, name) == ("compiled", "small")
            found.append(ratio(f"{kind}, {name}", f"{problem}: {kind} loops / im2col", timed, kind, "im2col", beside=beside))
    return found


def _judge(found):
    python, compiled = found["Python, small"], found["compiled, layer"]
    here = f"{times(compiled)} over compiled loops, {times(python)} over Python's"
    if compiled >= _LEAST:
        beyond = " and more than it says" if compiled > _MOST else ""
        why = (
            f"The guide's range is that of compiled loops{beyond}. Its code is Python, whose loops are {times(python)} "
            "slower: most of that is the interpreter, not the order of operations, which is the same."
        )
        return Verdict(HOLDS, here, why)
    why = "The compiled loops are closer to im2col than the guide says; only against Python's loops the gain is as large."
    return Verdict(PARTLY if python >= _LEAST else NOT, here, why)


CLAIM = Claim(
    name="im2col",
    title="im2col over nested loops",
    section="Core layer architecture: im2col optimization; im2col, computational complexity",
    quotes=("Result: ~10-100x speedup on modern hardware", "Practical Speedup: 10-100x due to optimized BLAS libraries"),
    stated="10-100x",
    span=(_LEAST, _MOST),
    method=(
        "The seven loops of the guide around one multiply-add, once in Python over NumPy arrays as the guide writes them, "
        "once compiled (kernels/loops.h: scalar, -O3), against the algorithm im2col, patches and BLAS included, on the same "
        f"arrays. Python's loops run on {_SMALL} only, nothing is extrapolated; {_LAYER} is a layer of ResNet-50 with its "
        "padding in the image."
    ),
    criterion=(
        "Holds if im2col is at least 10 times as fast as compiled loops on the layer: the guide gives optimized BLAS "
        "libraries as the reason, not the interpreter. Partly, if it is so over Python's loops only."
    ),
    measure=_measure,
    judge=_judge,
)
