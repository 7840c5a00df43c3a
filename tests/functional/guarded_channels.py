"""Runs normalisations and elementwise operations on memory that faults on any access outside its arrays.

    guarded_channels.py ISA

Inputs stand on read-only pages, results and scratch on pages of their own, each directly behind or before a page without
access. Started by test_channel_memory.py in a process of its own; the last line printed tells the run during which it died.
"""

import itertools
import sys

import numpy as np

import fastconv.threads
from algorithms.guarded_run import GuardedPages
from channel_arrays import FORMS, SHAPES
from fastconv import functional as F
from fastconv import workspace
from fastconv.kernels import cpu
from fastconv.threads import num_threads
from harness import ALIGNMENT, in_format


class Guarded:
    """Arrays on guarded pages, by name; pages are used again from run to run."""

    def __init__(self):
        self._pages = {}

    def _take(self, name, nbytes, at_end, alignment=1):
        return self._pages.setdefault(name, GuardedPages()).place(nbytes, at_end, alignment)

    def input(self, name, a, dtype, memory_format, at_end):
        array = in_format(self._take(name, a.size * np.dtype(dtype).itemsize, at_end).view(dtype), a.shape, memory_format)
        array[...] = a
        self._pages[name].make_read_only()
        array.flags.writeable = False
        return array

    def output(self, shape, dtype, memory_format, at_end):
        array = in_format(
            self._take("out", np.dtype(dtype).itemsize * int(np.prod(shape)), at_end).view(dtype), shape, memory_format
        )
        array[...] = np.nan
        return array

    def scratch(self, nbytes, at_end):
        return self._take("scratch", nbytes, at_end, ALIGNMENT)

    def assert_untouched_outside(self):
        for name in {"out", "scratch"} & set(self._pages):
            self._pages[name].assert_untouched_outside()


def operations(a, out):
    """Each operation on the operands `a`, as a function of nothing that writes `out()`."""
    c = a["x"].shape[1]
    divisor = next(g for g in (5, 4, 3, 2, 1) if c % g == 0)
    last = a["x"].shape[-1]
    parameters = a["gamma"], a["beta"]
    ones = np.ones(c)
    yield "batch_norm", lambda: F.batch_norm(a["x"], *parameters, activation="relu", residual=a["residual"], out=out())
    yield "batch_norm_grad", lambda: F.batch_norm_grad(a["gy"], a["x"], ones, ones, *parameters, activation="relu", out=out())
    yield (
        "batch_norm_grad of a sum",
        lambda: F.batch_norm_grad(
            a["gy"], a["x"], ones, ones, *parameters, activation="relu", y=a["y"], residual=True, out=out()
        ),
    )
    if a["x"].ndim == 4:
        size = tuple(min(2, n) for n in a["x"].shape[2:])
        taps = np.zeros_like(a["x"], np.uint8)
        yield "batch_norm_max_pool2d", lambda: F.batch_norm_max_pool2d(a["x"], *parameters, size)
        yield (
            "batch_norm_max_pool2d_grad",
            lambda: F.batch_norm_max_pool2d_grad(a["gy"], a["y"], taps, a["x"], ones, ones, *parameters, 1, activation="relu"),
        )
    yield "inference", lambda: F.batch_norm_inference(a["x"], *parameters, ones, ones, activation="silu", out=out())
    yield "inference_grad", lambda: F.batch_norm_inference_grad(a["gy"], a["x"], *parameters, ones, ones, out=out())
    yield "activation_bias_grad", lambda: F.activation_bias_grad(a["gy"], a["y"], "relu", out=out())
    yield "activate", lambda: F.activate(a["x"], "gelu", out=out())
    yield "activation_grad", lambda: F.activation_grad(a["gy"], a["x"], "gelu", out=out())
    yield "add", lambda: F.add(a["x"], a["residual"], "relu", out=out())
    if np.prod(a["x"].shape[2:]) * (c // divisor) > 1:
        statistics = np.ones((a["x"].shape[0], divisor))
        yield "group_norm", lambda: F.group_norm(a["x"], divisor, *parameters, out=out())
        yield (
            "group_norm_grad",
            lambda: F.group_norm_grad(
                a["gy"], a["x"], divisor, statistics, statistics, *parameters, activation="relu", out=out()
            ),
        )
    if a["x"].flags.c_contiguous:
        statistics = np.ones(a["x"].shape[:-1])
        yield "layer_norm", lambda: F.layer_norm(a["x"], last, a["row"], a["row"], out=out())
        yield "layer_norm_grad", lambda: F.layer_norm_grad(a["gy"], a["x"], last, statistics, statistics, a["row"], out=out())


def main(isa):
    guarded, count = Guarded(), 0
    fastconv.threads._ELEMENTS_PER_THREAD = 1
    rng = np.random.default_rng(0)
    with cpu.use(isa):
        for (dtype, memory_format), shape, (at_end, threads) in itertools.product(
            FORMS, SHAPES, ((True, 1), (True, 3), (False, 1))
        ):
            if len(shape) == 2 and memory_format == "nhwc":
                continue
            a = {
                name: guarded.input(name, rng.standard_normal(shape), dtype, memory_format, at_end)
                for name in ("x", "gy", "y", "residual")
            }
            for name, n in (("gamma", shape[1]), ("beta", shape[1]), ("row", shape[-1])):
                a[name] = guarded.input(name, rng.standard_normal(n), dtype, "nchw", at_end)
            workspace.take = lambda nbytes, at_end=at_end: guarded.scratch(nbytes, at_end)
            out = lambda form=(shape, dtype, memory_format, at_end): guarded.output(*form)  # noqa: E731
            for name, run in operations(a, out):
                print(f"{name} {shape} {dtype} {memory_format} {threads=} {at_end=}", flush=True)
                with num_threads(threads):
                    result = run()
                guarded.assert_untouched_outside()
                assert np.isfinite(result[0] if isinstance(result, tuple) else result).all(), (
                    "left part of the output unwritten"
                )
                count += 1
    print(f"survived {count} runs")


if __name__ == "__main__":
    main(*sys.argv[1:])
