"""The example in CONTRIBUTING.md, run as written."""

import pathlib
import re

import numpy as np
import pytest

import fastconv as fc
from fastconv import reference

GUIDE = pathlib.Path(__file__).parents[1] / "CONTRIBUTING.md"
ACTIVATIONS = [name for name in fc.algorithms.ACTIVATIONS if name is not None]
SHAPES = ["1x3x9x8,5x3x3,s2x1,p1.0x2,d1x2", "2x16x10x10,8x1x1"]


@pytest.fixture(scope="module")
def example():
    """The algorithm of the guide, registered while the tests of this module run."""
    source = re.search(r"^```python\n(.*?)^```", GUIDE.read_text("utf-8"), re.DOTALL | re.MULTILINE)[1]
    namespace = {}
    exec(compile(source, GUIDE.name, "exec"), namespace)  # registers it
    yield fc.algorithms.get("tap_products")
    fc.algorithms.unregister("tap_products")


def operands(problem):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(s).astype(problem.dtype) for s in (problem.x_shape, problem.w_shape, problem.out_channels)]


@pytest.mark.parametrize("activation", [None, *ACTIVATIONS])
@pytest.mark.parametrize("memory_format", ["nchw", "nhwc"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_example_meets_its_published_error(example, shape, dtype, memory_format, activation):
    problem = fc.ConvProblem.parse(shape, dtype=dtype, memory_format=memory_format)
    x, w, b = operands(problem)
    if memory_format == "nhwc":
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    y = fc.plan(problem, algorithm=example.name).prepare(w, b, activation)(x)
    eps = np.finfo(dtype).eps
    bound = example.error(problem) * eps * reference.scale(problem, x=x, w=w, bias=b)
    # Sigmoid and SiLU round a few times themselves, and SiLU's slope reaches 1.1.
    allowed = 1.1 * bound + 8 * eps * (1 + np.abs(y))
    assert (np.abs(y - reference.forward(problem, x, w, b, activation)) <= allowed).all()


def test_example_is_a_candidate_like_any_other(example):
    problem = fc.ConvProblem.parse(SHAPES[0])
    assert example.name in fc.algorithms.names()
    assert example.name in str(fc.plan(problem, effort="heuristic").explain())


def test_example_refuses_with_its_reason(example):
    with pytest.raises(fc.FastconvError, match="needs groups=1"):
        fc.plan(fc.ConvProblem.parse("1x4x8x8,4x3x3,g4"), algorithm=example.name)
