"""Constants of cost models: what ships, what overrides it, and that predictions follow them and nothing else."""

import dataclasses
import math

import pytest

import fastconv as fc
from fastconv.algorithms import get, machine, registered
from fastconv.algorithms.modelled import Modelled
from fastconv.kernels import cpu
from fastconv.problem import DIRECTIONS, MEMORY_FORMATS
from fastconv.threads import num_threads

SHAPES = ("1x16x20x20,24x3x3,p1", "2x3x32x32,8x7x7,s2,p3", "1x32x14x14,32x3x3,p1,g32", "1x8x30x30,8x5x5,p2", "1x64x7x7,64x1x1")
PROBLEMS = [
    fc.ConvProblem.parse(shape, direction=direction, memory_format=memory_format)
    for shape in SHAPES
    for direction in DIRECTIONS
    for memory_format in MEMORY_FORMATS
]
CASES = [(a, p) for a in registered() if isinstance(a, Modelled) for p in PROBLEMS if a.supports(p) is None]
IDS = [f"{a.name}-{p}-{p.direction}-{p.memory_format}" for a, p in CASES]


@pytest.mark.parametrize("isa", ["baseline", "avx2", "avx512", "amx", "a set that does not exist"])
def test_constants_ship_for_every_instruction_set(isa):
    assert all(value > 0 for name, value in dataclasses.asdict(machine.shipped(isa)).items() if name != "factors")


@pytest.mark.parametrize("algorithm, problem", CASES, ids=IDS)
def test_costs_are_positive_repeatable_and_scale_with_the_factors(algorithm, problem):
    with num_threads(1):
        before = algorithm.cost(problem), algorithm.pack_cost(problem)
        assert all(0 <= seconds < 1e3 for seconds in before) and before[0] > 0
        assert (algorithm.cost(problem), algorithm.pack_cost(problem)) == before
        found = machine.constants()
        models = {algorithm.model(problem): algorithm.terms(problem)}
        models[algorithm.pack_model(problem)] = algorithm.pack_terms(problem)
        doubled = {m: {t: 2 * found.factors.get(m, {}).get(t, 1.0) for t in terms} for m, terms in models.items()}
        with machine.calibrated(dataclasses.replace(found, factors=doubled)):
            assert algorithm.cost(problem) == pytest.approx(2 * before[0])
            assert algorithm.pack_cost(problem) == pytest.approx(2 * before[1])
        assert (algorithm.cost(problem), algorithm.pack_cost(problem)) == before


@pytest.mark.parametrize("algorithm, problem", CASES, ids=IDS)
def test_no_term_is_negative(algorithm, problem):
    terms = [*algorithm.terms(problem).values(), *algorithm.pack_terms(problem).values()]
    assert all(0 <= seconds < math.inf for seconds in terms)


def test_a_second_thread_shortens_large_problems():
    problem = fc.ConvProblem.parse("1x128x56x56,128x3x3,p1")
    for name in ("direct", "winograd4x4", "implicit_gemm", "fft"):
        with num_threads(1):
            one = get(name).cost(problem)
        with num_threads(2):
            assert get(name).cost(problem) < one


def test_slower_arithmetic_costs_more():
    problem, found = fc.ConvProblem.parse("1x128x56x56,128x3x3,p1"), machine.shipped(cpu.isa())
    before = get("direct").cost(problem)
    with machine.calibrated(dataclasses.replace(found, fma=found.fma / 4)):
        assert get("direct").cost(problem) > 2 * before


@pytest.mark.parametrize("value", [0, -1.0, math.inf, math.nan, "1", None, True])
def test_constants_that_are_no_rates_are_refused(value):
    found = machine.shipped("baseline")
    for changes in ({"fma": value}, {"factors": {"direct": {"products": value}}}):
        with pytest.raises(ValueError, match="is not a rate"):
            dataclasses.replace(found, **changes)
