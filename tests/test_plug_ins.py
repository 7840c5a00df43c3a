"""The algorithms that the documentation adds, held to the contract as the built-in ones are."""

import re

import pytest

import fastconv as fc
from fastconv.algorithms import ACTIVATIONS
from harness import assert_close, forms, operands, run
from pages import DOCS, ROOT, blocks
from problems import EVERYWHERE

SHAPES = ("1x3x9x8,5x3x3,s2x1,p1.0x2,d1x2", "2x16x10x10,8x1x1")


def of_the_how_to():
    (module,) = (block.text for block in blocks(DOCS / "how_to" / "add_algorithm.md") if block.file == "plane_fft.py")
    names = {}
    exec(compile(module, "plane_fft.py", "exec"), names)
    return names["PlaneFft"]()


def of_the_gallery():
    source = (ROOT / "examples" / "plug_in_algorithm.py").read_text("utf-8")
    names = {}
    exec(compile(re.split(r"^fc\.algorithms\.register", source, flags=re.MULTILINE)[0], "plug_in_algorithm.py", "exec"), names)
    return names["TapProducts"]()


@pytest.fixture(params=[of_the_how_to, of_the_gallery], ids=lambda make: make.__name__)
def algorithm(request):
    pytest.importorskip("matplotlib")
    return request.param()


@pytest.mark.parametrize("text", EVERYWHERE.values(), ids=EVERYWHERE)
def test_error_is_within_the_published_bound(algorithm, text):
    for problem in forms(algorithm, text):
        if problem.batch:
            assert_close(algorithm, problem, run(algorithm, problem, operands(problem)))


@pytest.mark.parametrize("activation", [*ACTIVATIONS, ("leaky_relu", 0.25)], ids=str)
def test_bias_and_activation_are_applied(algorithm, activation):
    for text in SHAPES:
        for problem in forms(algorithm, text):
            data = operands(problem)
            result = run(algorithm, problem, data, bias=data["bias"], activation=activation)
            assert_close(algorithm, problem, result, with_bias=True, activation=activation)


def test_it_refuses_with_its_reason(algorithm):
    fc.algorithms.register(algorithm)
    try:
        with pytest.raises(fc.FastconvError, match="needs groups=1"):
            fc.plan(fc.ConvProblem.parse("1x4x8x8,4x3x3,g4"), algorithm=algorithm.name)
    finally:
        fc.algorithms.unregister(algorithm.name)
