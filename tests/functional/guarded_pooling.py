"""Runs every pooling kernel with one instruction set on memory that faults on any access outside its arrays.

    guarded_pooling.py ISA CASES        CASES: "all" or "few"

Started by test_pooling.py in a process of its own; the last line printed tells the run during which it died.
"""

import itertools
import sys

import numpy as np

from algorithms.guarded_run import GuardedPages
from fastconv.functional import resampling, windows
from fastconv.kernels import cpu
from fastconv.threads import num_threads
from functional.test_pooling import ADAPTIVE, DILATED, DTYPES, MEMORY_FORMATS, SLIDING, integers
from harness import ALIGNMENT, in_format

RESAMPLED = {
    "twice": ((2, 17, 5, 8), 2),
    "2x3": ((1, 5, 4, 3), (2, 3)),
    "1.5": ((1, 33, 6, 7), 1.5),
    "half": ((1, 3, 9, 8), 0.5),
}


class GuardedArrays:
    """The arrays of one call, reused from call to call."""

    def __init__(self):
        self._pages = {}

    def _place(self, name, nbytes, at_end, alignment=1):
        return self._pages.setdefault(name, GuardedPages()).place(nbytes, at_end, alignment)

    def input(self, name, a, memory_format, at_end):
        array = in_format(self._place(name, a.nbytes, at_end).view(a.dtype), a.shape, memory_format)
        array[...] = a
        self._pages[name].make_read_only()
        return array

    def output(self, name, shape, dtype, memory_format, at_end):
        nbytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return in_format(self._place(name, nbytes, at_end).view(dtype), shape, memory_format)

    def scratch(self, nbytes, at_end):
        return self._place("workspace", nbytes, at_end, ALIGNMENT)

    def assert_untouched_outside(self, *names):
        for name in names:
            self._pages[name].assert_untouched_outside()


def run(guarded, w, shape, dtype, memory_format, at_end, average):
    """Forward and backward; results are finite, so that NaN left in them shows what was not written."""
    x, gy = integers(shape, dtype), integers(w.y_shape(shape), dtype, "gy")
    windows.workspace.take = lambda nbytes: guarded.scratch(nbytes, at_end)
    y = guarded.output("y", gy.shape, dtype, memory_format, at_end)
    y[...] = np.nan
    taps = None if average else guarded.output("taps", gy.shape, w.taps_dtype, memory_format, at_end)
    outputs = ("y",) if average else ("y", "taps")
    w.forward(guarded.input("x", x, memory_format, at_end), y, memory_format, average=average, taps=taps)
    assert np.isfinite(y).all(), "left part of the output unwritten"
    guarded.assert_untouched_outside(*outputs)
    more = {} if average else {"taps": guarded.input("taps in", taps, memory_format, at_end)}
    forms = [more] if average else [more, more | {"y": guarded.input("y in", y, memory_format, at_end)}]
    for form in forms:
        dx = guarded.output("dx", shape, dtype, memory_format, at_end)
        dx[...] = np.nan
        w.backward(guarded.input("gy", gy, memory_format, at_end), dx, memory_format, average=average, **form)
        assert np.isfinite(dx).all(), "left part of the gradient unwritten"
        guarded.assert_untouched_outside("dx")


def cases(which):
    for name, (shape, options) in (SLIDING | DILATED).items():
        options = {"stride": None, "padding": 0, "dilation": 1, "ceil_mode": False, **options}
        yield name, shape, windows.sliding_windows(shape, **options), (False, True)
    for name, (shape, size) in ADAPTIVE.items():
        yield f"adaptive {name}", shape, windows.adaptive_windows(shape, size), (False, True)
    for (name, (shape, factor)), mode in itertools.product(RESAMPLED.items(), ("nearest", "bilinear")):
        w, enlarging = resampling.windows_of(shape, factor, None, mode, False)
        yield f"{mode} {name}", (*shape[:2], w.rows.size, w.cols.size) if enlarging else shape, w, (True,)


def main(isa, which):
    guarded, count = GuardedArrays(), 0
    windows.workspace.give_back = lambda buffer: None
    with cpu.use(isa):
        for (name, shape, w, kinds), dtype, memory_format in itertools.product(cases(which), DTYPES, MEMORY_FORMATS):
            if not shape[0]:
                continue
            for (at_end, threads), average in itertools.product(((True, 1), (True, 3), (False, 1)), kinds):
                if which == "few" and threads == 3 and dtype == "float64":
                    continue
                print(f"{name}: {shape} {dtype} {memory_format} {average=} {threads=} {at_end=}", flush=True)
                windows.thread_count = lambda elements, n=threads: n
                with num_threads(threads):
                    run(guarded, w, shape, dtype, memory_format, at_end, average)
                count += 1
    print(f"survived {count} runs")


if __name__ == "__main__":
    main(*sys.argv[1:])
