"""Each registered algorithm on named layers: time, GFLOP/s, error and workspace, on one thread."""

import time

import numpy as np

import fastconv as fc
from fastconv.report.accuracy import Accuracy

from .common import ALGORITHMS, LAYERS, call_of, problem_of, require_support


class _OneThread:
    def setup(self, *params):
        fc.set_num_threads(1)


class Forward(_OneThread):
    param_names = ("algorithm", "layer", "memory_format")
    params = (ALGORITHMS, tuple(LAYERS), ("nchw", "nhwc"))

    def setup(self, algorithm, layer, memory_format):
        super().setup()
        self.problem = problem_of(layer, memory_format=memory_format)
        require_support(algorithm, self.problem)
        self.call = call_of(self.problem, algorithm)
        self.call()

    def time_conv(self, *params):
        self.call()

    def track_gflops(self, *params):
        # The fastest of a few rounds: interference can only slow a run.
        rounds = []
        for _ in range(5):
            start = time.perf_counter()
            self.call()
            rounds.append(time.perf_counter() - start)
        return self.problem.flops / min(rounds) / 1e9

    track_gflops.unit = "GFLOP/s, counted as direct convolution"


class Gradients(_OneThread):
    param_names = ("algorithm", "layer", "direction")
    params = (ALGORITHMS, tuple(LAYERS), ("input_grad", "weight_grad"))

    def setup(self, algorithm, layer, direction):
        super().setup()
        problem = problem_of(layer, direction=direction)
        require_support(algorithm, problem)
        self.call = call_of(problem, algorithm)
        self.call()

    def time_grad(self, *params):
        self.call()


class Properties(_OneThread):
    """What does not depend on the machine's speed."""

    param_names = ("algorithm", "layer")
    params = (ALGORITHMS, tuple(LAYERS))

    def setup(self, algorithm, layer):
        super().setup()
        self.problem = problem_of(layer)
        require_support(algorithm, self.problem)

    def track_error(self, algorithm, layer):
        return Accuracy(self.problem, np.random.default_rng(0)).of(algorithm)

    track_error.unit = "fraction of |x| conv |w|"

    def track_workspace(self, algorithm, layer):
        return fc.algorithms.get(algorithm).workspace(self.problem)

    track_workspace.unit = "bytes"
