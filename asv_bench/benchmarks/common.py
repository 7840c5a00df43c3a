"""What the benchmarks share: named layers, the algorithms, one way of running a convolution.

What asv does, and what follows:

- It knows a parameter by its position, in all commits alike. So layers and algorithms are written out here; what a commit does
  not have is left out there.
- It forks the process of a measurement from one that has imported these modules. A process forked after fastconv's threads were
  set up runs on one thread, so nothing of fastconv is touched before `begin`.
- It calls setup again before every timed call. So what setup makes is cached.
"""

import functools
import os

import numpy as np
import scipy.linalg.cython_blas  # noqa: F401  loaded once for all measurements; it takes longer than most of them

import fastconv as fc

# A test compares them with the registry. New ones go to the end.
ALGORITHMS = (
    "winograd4x4",
    "winograd4x4_fused",
    "winograd2x2",
    "winograd6x6",
    "winograd4x4_5x5",
    "winograd2x2_5x5",
    "winograd4x4_stride2",
    "depthwise",
    "fft",
    "implicit_gemm",
    "im2col",
    "direct",
    "split_bf16x6",
    "split_bf16x3",
    "bf16",
    "winograd4x1_bf16x3",
    "winograd4x1_bf16",
    "winograd2x2_bf16x3",
    "winograd2x2_bf16",
    "split_bf16x3_fused",
    "split_bf16x4",
)
# One of each kind, in the notation of `fastconv compare`.
LAYERS = {
    "resnet50 7x7 stride 2": "1x3x224x224,64x7x7,s2,p3",
    "resnet50 1x1 56x56": "1x64x56x56,256x1x1",
    "resnet50 3x3 56x56": "1x64x56x56,64x3x3,p1",
    "resnet50 3x3 stride 2": "1x128x56x56,128x3x3,s2,p1",
    "resnet50 3x3 14x14": "1x256x14x14,256x3x3,p1",
    "resnet50 3x3 7x7": "1x512x7x7,512x3x3,p1",
    "vgg16 3x3 224x224": "1x64x224x224,64x3x3,p1",
    "mobilenet depthwise 3x3": "1x128x56x56,128x3x3,p1,g128",
    "mobilenet 1x1 14x14": "1x512x14x14,512x1x1",
    "cifar 3x3, batch 32": "32x64x32x32,64x3x3,p1",
    "5x5": "1x64x56x56,64x5x5,p2",
    "15x15": "1x16x64x64,16x15x15,p7",
    "grouped 3x3": "1x256x28x28,256x3x3,p1,g32",
    "depthwise 31x31": "1x64x64x64,64x31x31,p15,g64",
    "dilated 3x3": "1x256x33x33,256x3x3,p2,d2",
    "1x7": "1x128x17x17,128x1x7,p0x3",
}
# Of the kinds that share work between threads in different ways.
FEW_LAYERS = ("resnet50 1x1 56x56", "resnet50 3x3 56x56", "mobilenet depthwise 3x3", "15x15")
FORMATS = ("nchw", "channels-last")
DIRECTIONS = ("forward", "input_grad", "weight_grad")
THREADS = (1, 2)


class Timed:
    """Samples of one call each, after some that do not count: in each round at least 5, at most 50, in a quarter of a second.

    In a comparison the commits take turns, a round each, so that a slow spell of the machine hits both.
    """

    rounds = 4
    repeat = (5, 50, 0.25)
    warmup_time = 0.05


def begin(threads=1, needs="selection"):
    """Set what every measurement sets: the number of threads, and a choice of algorithms that reads no stored plans.

    A commit without the part of fastconv that the measurement `needs` leaves it out.
    """
    if not hasattr(fc, needs):
        raise NotImplementedError(f"this commit has no fastconv.{needs}")
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if threads > cpus:
        raise NotImplementedError(f"{threads} threads on {cpus} CPU")
    fc.set_num_threads(threads)
    if fc.get_num_threads() != threads:
        raise RuntimeError("this process was forked after fastconv's threads were set up")
    fc.set_config(effort="heuristic")


def problem_of(layer, *, direction="forward", memory_format="nchw"):
    return fc.ConvProblem.parse(
        LAYERS[layer], direction=direction, memory_format="nhwc" if memory_format == "channels-last" else memory_format
    )


def require_support(algorithm, problem):
    """Leave the combination out where the algorithm cannot do the problem, or does not exist."""
    if algorithm not in fc.algorithms.names():
        raise NotImplementedError(f"this commit has no {algorithm}")
    reason = fc.algorithms.get(algorithm).supports(problem)
    if reason is not None:
        raise NotImplementedError(reason)


def random_array(shape, memory_format="nchw", seed=0):
    a = np.random.default_rng(seed).standard_normal(shape, np.float32)
    if memory_format == "nchw" or len(shape) != 4:
        return a
    return np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def rounded(value):
    """To the digits that a page should show."""
    return float(f"{value:.3g}")


@functools.lru_cache(maxsize=1)
def call_of(problem, algorithm="auto"):
    """A function without arguments that runs `problem` as a program would: weights packed and output allocated before, where
    the interface allows it. It has been called once."""
    x = random_array(problem.x_shape, problem.memory_format, 0)
    w = random_array(problem.w_shape, "nchw", 1)
    y = random_array(problem.y_shape, problem.memory_format, 2)
    options = {"stride": problem.stride, "padding": problem.padding, "dilation": problem.dilation, "groups": problem.groups}
    options["algorithm"] = algorithm
    match problem.direction:
        case "forward":
            call = functools.partial(fc.plan(problem, algorithm=algorithm).prepare(w), x, out=y)
        case "input_grad":
            call = functools.partial(fc.conv2d_input_grad, y, w, problem.x_shape, **options)
        case "weight_grad":
            call = functools.partial(fc.conv2d_weight_grad, y, x, problem.w_shape, **options)
    call()
    return call
