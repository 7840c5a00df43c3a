"""Random problems, the same in every run: shapes that nobody thought of, for every algorithm and instruction set."""

import numpy as np
import pytest

import fastconv as fc
from fastconv import algorithms
from fastconv.kernels import cpu
from fastconv.threads import num_threads
from harness import assert_close, operands, run
from problems import DIRECTIONS, DTYPES, MEMORY_FORMATS

PROBLEMS = 60  # of each seed
MOST_PRODUCTS = 2e7


def drawn(rng):
    """A problem of any kind; None if its kernel does not fit."""

    def pair(low, high):
        return tuple(int(n) for n in rng.integers(low, high, 2))

    kernel = pair(1, 6) if rng.random() < 0.3 else 2 * (int(rng.choice([1, 1, 2, 3, 3, 4, 5, 7])),)
    groups = int(rng.choice([1, 1, 1, 1, 2, 3, 20]))
    channels = int(rng.choice([1, 1, 2] if groups > 3 else [1, 2, 3, 4, 5, 8, 16, 20, 31, 32, 33, 40, 64, 70, 100, 130]))
    filters = int(rng.choice([1, 1, 2, 3] if groups > 3 else [1, 3, 5, 16, 17, 32, 33, 48, 64, 65, 100, 130]))
    batch = int(rng.choice([1, 1, 2, 3, 5, 27, 32, 33]))
    height, width = pair(1, 10) if batch > 20 else (int(rng.integers(1, 25)), int(rng.integers(1, 41)))
    stride = pair(1, 4) if rng.random() < 0.4 else (1, 1)
    dilation = pair(1, 4) if rng.random() < 0.2 else (1, 1)
    padding = tuple(pair(0, size + 1) for size in kernel) if rng.random() < 0.6 else ((0, 0), (0, 0))
    direction, memory_format, dtype = (str(rng.choice(names)) for names in (DIRECTIONS, MEMORY_FORMATS, DTYPES))
    try:
        problem = fc.ConvProblem.from_shapes(
            (batch, channels * groups, height, width), (filters * groups, channels, *kernel), stride=stride, padding=padding,
            dilation=dilation, groups=groups, direction=direction, memory_format=memory_format, dtype=dtype,
        )  # fmt: skip
    except fc.InvalidArgumentError:
        return None
    return problem if problem.flops <= 2 * MOST_PRODUCTS else None


@pytest.mark.parametrize("seed", range(16))
def test_results_are_within_the_bound(seed):
    rng = np.random.default_rng(seed)
    problems = []
    while len(problems) < PROBLEMS:
        problem = drawn(rng)
        problems += [problem] if problem else []
    used = set()
    for problem in problems:
        data = operands(problem)
        for isa in cpu.available():
            with cpu.use(isa), num_threads(int(rng.integers(1, 4))):
                for algorithm in algorithms.registered():
                    if algorithm.supports(problem) is None:
                        used.add(algorithm.name)
                        assert_close(algorithm, problem, run(algorithm, problem, data))
    assert used > {"direct", "im2col", "fft", "winograd4x4"}
