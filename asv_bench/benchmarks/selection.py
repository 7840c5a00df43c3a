"""What choosing costs, and what is chosen."""

import fastconv as fc
from fastconv.kernels import cpu

from .common import ALGORITHMS, LAYERS, call_of, problem_of, require_support

SMALL = fc.ConvProblem.parse("1x16x16x16,16x3x3,p1")


class Chosen:
    param_names = ("layer", "direction")
    params = (tuple(LAYERS), ("forward", "input_grad", "weight_grad"))

    def setup(self, layer, direction):
        fc.set_num_threads(1)

    def track_chosen(self, layer, direction):
        plan = fc.plan(problem_of(layer, direction=direction), effort="heuristic")
        return ALGORITHMS.index(plan.algorithm.name)

    track_chosen.unit = "index in fastconv.algorithms.names()"


class Planning:
    def setup(self):
        fc.set_num_threads(1)
        fc.plan(SMALL, effort="heuristic")

    def time_plan_again(self):
        fc.plan(SMALL, effort="heuristic")


class PythonOverhead:
    """A planned small convolution whose compiled kernels only repeat what they returned before: the time left is Python's.

    Arithmetic that an algorithm does elsewhere is included.
    """

    param_names = ("algorithm",)
    params = (ALGORITHMS,)

    def setup(self, algorithm):
        fc.set_num_threads(1)
        self.kernels = cpu.kernels()
        self.functions = {name: f for name, f in vars(self.kernels).items() if callable(f) and not name.startswith("_")}
        require_support(algorithm, SMALL)
        self.call = call_of(SMALL, algorithm)
        self.call()
        returned = {}
        for name, function in self.functions.items():
            setattr(self.kernels, name, _recording(function, name, returned))
        self.call()
        for name, value in returned.items():
            setattr(self.kernels, name, _returning(value))

    def teardown(self, algorithm):
        for name, function in self.functions.items():
            setattr(self.kernels, name, function)

    def time_call(self, algorithm):
        self.call()


def _recording(function, name, returned):
    def record(*args, **kwargs):
        returned[name] = function(*args, **kwargs)
        return returned[name]

    return record


def _returning(value):
    return lambda *args, **kwargs: value
