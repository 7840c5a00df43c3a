"""The error an algorithm makes on random data, as a fraction of |x| conv |w|."""

from __future__ import annotations

import numpy as np

from ..algorithms import get, names
from ..functional import conv2d, conv2d_input_grad, conv2d_weight_grad
from ..selection.options import config

__all__ = ["Accuracy"]

# The first of these that can do the problem computes the reference; both sum products directly.
_REFERENCES = ("im2col", "direct")
# The limit in force is about the problem's own algorithms; the float64 reference may need twice as much.
_NO_LIMIT = 2**62


class Accuracy:
    """Measures the error of algorithms on one problem.

    The error is the largest |y - y_ref| / (|x| conv |w|) over the outputs. y_ref is computed in float64, from the same random
    operands, by im2col or direct convolution; for float64 algorithms the error is how far they differ from that one.

    Parameters
    ----------
    problem : ConvProblem
    rng : numpy.random.Generator
    """

    def __init__(self, problem, rng):
        self.problem = problem
        self.operands = _operands(problem, rng)
        wide = problem.replace(dtype="float64")
        self.reference_name = next((name for name in _REFERENCES if name in names() and get(name).supports(wide) is None), None)
        self._reference = self._scale = None

    def of(self, name):
        """The error of the algorithm `name`, or None where there is no independent reference."""
        if self.reference_name is None or (self.problem.dtype == "float64" and name == self.reference_name):
            return None
        return self.error_of(_result(self.problem, self.operands, name))

    def error_of(self, result):
        """The error of what somebody else computed from `operands`."""
        if self.reference_name is None:
            return None
        if self._reference is None:
            wide = [a.astype(np.float64, order="K") for a in self.operands]
            self._reference = _result(self.problem, wide, self.reference_name)
            self._scale = _result(self.problem, [np.abs(a, order="K") for a in wide], self.reference_name)
        difference = np.abs(result - self._reference)
        if not difference.size:
            return 0.0
        with np.errstate(divide="ignore"):
            # An output that no input reaches must be zero itself.
            np.divide(difference, self._scale, out=difference, where=difference != 0)
        return float(difference.max())


def _operands(problem, rng):
    x, w, y = (rng.uniform(-1, 1, shape).astype(problem.dtype) for shape in (problem.x_shape, problem.w_shape, problem.y_shape))
    if problem.memory_format == "nhwc":
        x, y = (np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2) for a in (x, y))
    return {"forward": (x, w), "input_grad": (y, w), "weight_grad": (y, x)}[problem.direction]


def _result(problem, operands, name):
    options = {
        "stride": problem.stride, "padding": problem.padding, "dilation": problem.dilation, "groups": problem.groups,
        "algorithm": name,
    }  # fmt: skip
    with config(workspace_limit=_NO_LIMIT):
        if problem.direction == "forward":
            return conv2d(*operands, **options)
        if problem.direction == "input_grad":
            return conv2d_input_grad(*operands, problem.x_shape, **options)
        return conv2d_weight_grad(*operands, problem.w_shape, **options)
