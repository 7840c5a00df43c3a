"""Runs one algorithm with one instruction set on memory that faults on any access outside its arrays.

    guarded_run.py ISA ALGORITHM CASES        CASES: "all" or "everywhere"

Inputs stand on read-only pages, each array directly behind or directly before a page without access, and so do packed weights
and what packing needs. Started by test_guard_pages.py in a process of its own; the last line printed tells the run during which
it died.
"""

import contextlib
import ctypes
import itertools
import mmap
import sys
from unittest import mock

import numpy as np

from fastconv import algorithms
from fastconv.algorithms.base import as_activation
from fastconv.kernels import cpu
from fastconv.threads import num_threads
from harness import ALIGNMENT, SENTINEL, in_format, operands
from problems import CASES, DIRECTIONS, DTYPES, EVERYWHERE, MEMORY_FORMATS, problem

PAGE = mmap.PAGESIZE
NO_ACCESS = 0
_mprotect = ctypes.CDLL(None, use_errno=True).mprotect
_mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


class GuardedPages:
    """Pages between two pages without access; kept for the next array of about the same size."""

    def __init__(self):
        # (address, pages) by their size, a power of two. For the life of the process: a page without access stays without it.
        self._mapped = {}

    def place(self, nbytes, at_end, alignment=1):
        """`nbytes` writable bytes that end before (or begin behind) a guard page, filled with the sentinel."""
        size = max(PAGE, 1 << (nbytes - 1).bit_length())
        if size not in self._mapped:
            self._mapped[size] = self._map(size)
        self._address, self._pages = self._mapped[size]
        self._protect(self._address, size, mmap.PROT_READ | mmap.PROT_WRITE)
        start = (size - nbytes) // alignment * alignment if at_end else 0
        self._inside = slice(start, start + nbytes)
        self._pages[...] = SENTINEL
        return self._pages[self._inside]

    def make_read_only(self):
        self._protect(self._address, self._pages.size, mmap.PROT_READ)

    def assert_untouched_outside(self):
        assert (self._pages[: self._inside.start] == SENTINEL).all()
        assert (self._pages[self._inside.stop :] == SENTINEL).all()

    def _map(self, size):
        memory = mmap.mmap(-1, size + 2 * PAGE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory)) + PAGE
        self._protect(address - PAGE, PAGE, NO_ACCESS)
        self._protect(address + size, PAGE, NO_ACCESS)
        return address, np.frombuffer(memory, np.uint8)[PAGE:-PAGE]

    @staticmethod
    def _protect(address, size, access):
        if _mprotect(address, size, access):
            raise OSError(ctypes.get_errno(), "mprotect")


class GuardedCall:
    """The arrays of one call of `run`, reused from call to call."""

    def __init__(self):
        self._pages = {name: GuardedPages() for name in ("first", "second", "bias", "out", "workspace")}
        self._packed = []

    def input(self, name, a, memory_format, at_end):
        array = in_format(self._pages[name].place(a.nbytes, at_end).view(a.dtype), a.shape, memory_format)
        array[...] = a
        self._pages[name].make_read_only()
        array.flags.writeable = False
        return array

    def pack(self, algorithm, p, w, at_end):
        used = 0

        def guarded_empty(size, dtype):
            nonlocal used
            if used == len(self._packed):
                self._packed.append(GuardedPages())
            used += 1
            return self._packed[used - 1].place(size * np.dtype(dtype).itemsize, at_end, ALIGNMENT).view(dtype)

        with contextlib.ExitStack() as stack:
            for name, module in list(sys.modules.items()):
                if name.startswith("fastconv.algorithms.") and hasattr(module, "aligned_empty"):
                    stack.enter_context(mock.patch.object(module, "aligned_empty", guarded_empty))
            packed = algorithm.pack(p, w)
        for pages in self._packed[:used]:
            pages.assert_untouched_outside()
        return packed

    def run(self, algorithm, p, at_end):
        data = operands(p)
        bias = None
        if p.direction == "weight_grad":
            first = self.input("first", data["x"], p.memory_format, at_end)
            second = self.input("second", data["gy"], p.memory_format, at_end)
        else:
            first = self.input("first", data["x" if p.direction == "forward" else "gy"], p.memory_format, at_end)
            second = self.pack(algorithm, p, self.input("second", data["w"], "nchw", at_end), at_end)
            if p.direction == "forward":
                bias = self.input("bias", data["bias"], "nchw", at_end)
        nbytes = int(np.prod(p.result_shape)) * p.itemsize
        out_format = "nchw" if p.direction == "weight_grad" else p.memory_format
        out = in_format(self._pages["out"].place(nbytes, at_end).view(p.dtype), p.result_shape, out_format)
        out[...] = np.nan
        workspace = self._pages["workspace"].place(algorithm.workspace(p), at_end, ALIGNMENT)
        algorithm.run(p, first, second, bias, as_activation("relu" if bias is not None else None), out, workspace)
        for name in ("out", "workspace"):
            self._pages[name].assert_untouched_outside()
        assert np.isfinite(out).all(), "left part of the output unwritten"


def main(isa, name, cases):
    algorithm = algorithms.get(name)
    call = GuardedCall()
    count = 0
    with cpu.use(isa):
        for case, direction, dtype, memory_format in itertools.product(
            {"all": CASES, "everywhere": EVERYWHERE}[cases].items(), DIRECTIONS, DTYPES, MEMORY_FORMATS
        ):
            p = problem(case[1], direction, dtype, memory_format)
            if algorithm.supports(p) is not None or not p.batch:
                continue
            for at_end, threads in ((True, 1), (True, 3), (False, 1)):
                print(f"{case[0]}: {p} {direction} {dtype} {memory_format} {threads=} {at_end=}", flush=True)
                with num_threads(threads):
                    call.run(algorithm, p, at_end)
                count += 1
    print(f"survived {count} runs")


if __name__ == "__main__":
    main(*sys.argv[1:])
