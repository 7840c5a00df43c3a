"""What choosing an algorithm costs, and what a planned call costs beside the kernels."""

import fastconv as fc

from .common import ALGORITHMS, Timed, begin, call_of, require_support

SMALL = "1x16x16x16,16x3x3,p1"


_REMEMBERED = f"""
import fastconv as fc
fc.set_num_threads(1)
fc.set_config(effort="heuristic")
problem = fc.ConvProblem.parse("{SMALL}")
fc.plan(problem)
"""


class Planning(Timed):
    def setup(self):
        begin()
        self.problem = fc.ConvProblem.parse(SMALL)
        self.plans = fc.selection.PLANS
        fc.plan(self.problem)

    def time_first(self):
        """The cost models of all algorithms."""
        self.plans.drop()
        fc.plan(self.problem)

    time_first.pretty_name = "Choosing an algorithm"


def timeraw_remembered():
    """A plan in memory: microseconds, so many calls in each sample."""
    return "fc.plan(problem)", _REMEMBERED


timeraw_remembered.pretty_name = "Finding a plan again"
timeraw_remembered.number = 1000


class PythonOverhead(Timed):
    """A planned small convolution whose compiled kernels only repeat what they returned before: the time left is Python's.

    Arithmetic that an algorithm does elsewhere is included.
    """

    param_names = ("algorithm",)
    params = (ALGORITHMS,)

    def setup(self, algorithm):
        from fastconv.kernels import cpu

        begin()
        self.kernels = cpu.kernels()
        self.functions = {name: f for name, f in vars(self.kernels).items() if callable(f) and not name.startswith("_")}
        problem = fc.ConvProblem.parse(SMALL)
        require_support(algorithm, problem)
        self.call = call_of(problem, algorithm)
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

    time_call.pretty_name = "Python's part of a call, each algorithm"


def _recording(function, name, returned):
    def record(*args, **kwargs):
        returned[name] = function(*args, **kwargs)
        return returned[name]

    return record


def _returning(value):
    return lambda *args, **kwargs: value
