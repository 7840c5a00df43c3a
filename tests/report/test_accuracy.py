import numpy as np
import pytest

from fastconv.algorithms import ConvAlgorithm, get, names, register, unregister
from fastconv.problem import DIRECTIONS, ConvProblem
from fastconv.report.accuracy import Accuracy


class OffByAThousandth(ConvAlgorithm):
    name = "off_by_a_thousandth"

    def supports(self, problem):
        return None

    def cost(self, problem):
        return 1.0

    def error(self, problem):
        return 1.0

    def workspace(self, problem):
        return get("direct").workspace(problem)

    def pack(self, problem, w):
        return get("direct").pack(problem, w)

    def run(self, problem, x, packed, bias, activation, out, workspace):
        get("direct").run(problem, x, packed, bias, activation, out, workspace)
        out *= 1.001


@pytest.fixture
def wrong():
    register(OffByAThousandth())
    yield OffByAThousandth.name
    unregister(OffByAThousandth.name)


@pytest.mark.parametrize("memory_format", ["nchw", "nhwc"])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_wrong_algorithm_is_seen_and_direct_is_within_its_bound(wrong, direction, memory_format):
    problem = ConvProblem.parse("2x4x8x9,6x3x3,s2x1,p1.0x2.1,g2", direction=direction, memory_format=memory_format)
    accuracy = Accuracy(problem, np.random.default_rng(0))
    assert 1e-5 < accuracy.of(wrong) <= 1.1e-3
    assert accuracy.of("direct") <= get("direct").error(problem) * np.finfo(np.float32).eps


def test_outputs_that_no_input_reaches_are_exact():
    problem = ConvProblem.parse("1x2x3x3,2x1x1,p4")
    assert Accuracy(problem, np.random.default_rng(0)).of("direct") < 1e-6


def test_float64_results_are_compared_with_another_algorithm_and_the_reference_has_no_error():
    accuracy = Accuracy(ConvProblem.parse("1x4x8x8,4x3x3", dtype="float64"), np.random.default_rng(0))
    assert accuracy.of(accuracy.reference_name) is None
    for other in set(names()) - {accuracy.reference_name}:
        if get(other).supports(accuracy.problem) is None:
            assert accuracy.of(other) < 1e-12


def test_an_empty_batch_has_no_error():
    assert Accuracy(ConvProblem.parse("0x4x8x8,4x3x3"), np.random.default_rng(0)).of("direct") == 0
