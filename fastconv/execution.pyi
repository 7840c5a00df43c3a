from .algorithms.base import ConvAlgorithm
from .functional.convolution import Activation, Array
from .problem import ConvProblem
from .selection.explain import Explanation

__all__ = ["Plan", "PreparedConv"]

class Plan:
    problem: ConvProblem
    algorithm: ConvAlgorithm

    def explain(self) -> Explanation: ...
    def prepare(self, w: Array, b: Array | None = None, activation: Activation = None) -> PreparedConv: ...

class PreparedConv:
    plan: Plan

    @property
    def problem(self) -> ConvProblem: ...
    @property
    def algorithm(self) -> ConvAlgorithm: ...
    def __call__(self, x: Array, out: Array | None = None) -> Array: ...
