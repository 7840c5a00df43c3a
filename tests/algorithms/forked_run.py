"""Runs every algorithm on two threads, forks, and runs them again in the child; prints the names of those that agree."""

import os
import sys
import warnings

import numpy as np

from fastconv import algorithms
from fastconv.threads import set_num_threads
from harness import operands, run
from problems import CASES, DIRECTIONS, problem

TEXTS = [CASES[name] for name in ("several blocks of tiles", "5x5", "depthwise", "1x1")]


def results(algorithm):
    problems = [problem(text, direction) for text in TEXTS for direction in DIRECTIONS]
    return [run(algorithm, p, operands(p)) for p in problems if algorithm.supports(p) is None]


set_num_threads(2)
before = {algorithm: results(algorithm) for algorithm in algorithms.registered()}
with warnings.catch_warnings():
    # Python 3.12 warns of forking with threads about, which is what this is for.
    warnings.simplefilter("ignore", DeprecationWarning)
    child = os.fork()
if child == 0:
    for algorithm, expected in before.items():
        for result, y in zip(results(algorithm), expected, strict=True):
            # One thread after a fork: the sums may be ordered otherwise.
            np.testing.assert_allclose(result, y, rtol=1e-3, atol=1e-3)
        print(algorithm.name, flush=True)
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
