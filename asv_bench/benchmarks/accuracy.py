"""What does not depend on the machine's speed: the error of each algorithm, and its workspace on one thread."""

import numpy as np

import fastconv as fc

from .common import ALGORITHMS, LAYERS, begin, problem_of, require_support, rounded


class Accuracy:
    """On random float32 data; the error is the largest |y - y_ref| / (|x| conv |w|), with y_ref in float64."""

    param_names = ("algorithm", "layer")
    params = (ALGORITHMS, tuple(LAYERS))
    timeout = 300

    def setup_cache(self):
        """Errors by layer and algorithm: the float64 reference of a layer serves all algorithms."""
        from fastconv.report.accuracy import Accuracy

        begin()
        errors = {}
        for layer in LAYERS:
            problem = problem_of(layer)
            measured = Accuracy(problem, np.random.default_rng(0))
            for algorithm in fc.algorithms.names():
                if fc.algorithms.get(algorithm).supports(problem) is None:
                    errors[algorithm, layer] = rounded(measured.of(algorithm))
        return errors

    def setup(self, errors, algorithm, layer):
        begin()
        self.problem = problem_of(layer)
        require_support(algorithm, self.problem)

    def track_error(self, errors, algorithm, layer):
        return errors[algorithm, layer]

    track_error.pretty_name = "Error, each algorithm"
    track_error.unit = "of |x| conv |w|"

    def track_workspace(self, errors, algorithm, layer):
        return fc.algorithms.get(algorithm).workspace(self.problem)

    track_workspace.pretty_name = "Workspace, each algorithm"
    track_workspace.unit = "bytes"
