"""The harness notices what it is there to notice."""

import numpy as np
import pytest

from fastconv import reference
from fastconv.algorithms import ConvAlgorithm
from harness import assert_close, assert_equal, operands, run
from problems import problem

P = problem("2x3x6x7,5x3x3,p1")


class Sound(ConvAlgorithm):
    """The oracle as an algorithm; the faulty ones derive from it."""

    name = "sound"

    def supports(self, problem):
        return None

    def cost(self, problem):
        return 0.0

    def error(self, problem):
        return 1.0

    def workspace(self, problem):
        return 100

    def run(self, problem, x, packed, bias, activation, out, workspace):
        first = "gy" if problem.direction == "input_grad" else "x"
        second = "gy" if problem.direction == "weight_grad" else "w"
        out[...] = reference.compute(problem, **{first: x, second: packed}, bias=bias, activation=activation.name)


class OneElementUnwritten(Sound):
    def run(self, problem, x, packed, bias, activation, out, workspace):
        before = out[0, 0, 0, 0]
        super().run(problem, x, packed, bias, activation, out, workspace)
        out[0, 0, 0, 0] = before


class AddsToOutput(Sound):
    def run(self, problem, x, packed, bias, activation, out, workspace):
        before = out.copy()
        super().run(problem, x, packed, bias, activation, out, workspace)
        out += before


class Inaccurate(Sound):
    def run(self, problem, x, packed, bias, activation, out, workspace):
        super().run(problem, x, packed, bias, activation, out, workspace)
        out += np.float32(1e-4)


class WritesBehindOutput(Sound):
    def run(self, problem, x, packed, bias, activation, out, workspace):
        super().run(problem, x, packed, bias, activation, out, workspace)
        whole = np.lib.stride_tricks.as_strided(out, (out.size + 1,), (out.itemsize,))
        whole[-1] = 0


class WritesBehindWorkspace(Sound):
    def run(self, problem, x, packed, bias, activation, out, workspace):
        super().run(problem, x, packed, bias, activation, out, workspace)
        np.lib.stride_tricks.as_strided(workspace, (workspace.size + 1,), (1,))[-1] = 0


class WritesToInput(Sound):
    def run(self, problem, x, packed, bias, activation, out, workspace):
        x[...] = 0


@pytest.mark.parametrize("direction", ["forward", "input_grad", "weight_grad"])
@pytest.mark.parametrize("memory_format", ["nchw", "nhwc"])
def test_a_sound_algorithm_passes(direction, memory_format):
    p = P.replace(direction=direction, memory_format=memory_format)
    assert_close(Sound(), p, run(Sound(), p, operands(p)))
    assert_equal(Sound(), p, run(Sound(), p, operands(p, "integers")))


@pytest.mark.parametrize("faulty", [OneElementUnwritten, AddsToOutput, Inaccurate])
def test_a_wrong_result_is_noticed(faulty):
    with pytest.raises(AssertionError, match="beyond the bound"):
        assert_close(faulty(), P, run(faulty(), P, operands(P)))
    with pytest.raises(AssertionError):
        assert_equal(faulty(), P, run(faulty(), P, operands(P, "integers")))


@pytest.mark.parametrize(
    ("faulty", "message"), [(WritesBehindOutput, "behind the output"), (WritesBehindWorkspace, "behind the workspace")]
)
def test_a_write_outside_is_noticed(faulty, message):
    with pytest.raises(AssertionError, match=message):
        run(faulty(), P, operands(P))


def test_a_write_to_an_input_is_noticed():
    with pytest.raises(ValueError, match="read-only"):
        run(WritesToInput(), P, operands(P))
