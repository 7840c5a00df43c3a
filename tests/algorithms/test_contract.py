"""Every registered algorithm on every problem it supports, in every direction, dtype, memory format and instruction set.

Outputs are poisoned with NaN, the workspace with 0xA5 bytes; both have sentinels around them (see harness.py). Results are held
to the algorithm's published error.
"""

import itertools
import math

import numpy as np
import pytest

from fastconv import algorithms, arrays
from fastconv.algorithms import ACTIVATIONS
from fastconv.threads import num_threads
from harness import (
    HIGHEST,
    KINDS,
    assert_close,
    assert_equal,
    forms,
    in_supported_form,
    is_exact_on_integers,
    operands,
    place,
    run,
    runs,
)  # fmt: skip
from problems import CASES, DIRECTIONS, DTYPES, EVERYWHERE, HARD_CASES, MEMORY_FORMATS, MORE, ORDINARY_CASES, problem

FORMS = tuple(itertools.product(DTYPES, MEMORY_FORMATS))
EVERY_RUN = runs(EVERYWHERE, DIRECTIONS) + runs(MORE, DIRECTIONS, [HIGHEST])
ACTIVATION_CASES = {name: CASES[name] for name in (
    "3 to 17 channels", "64 to 130 channels", "1x1", "1x1 in groups", "first layer", "5x5", "depthwise",
    "depthwise with multiplier", "large kernel", "padding beyond the kernel",
)}  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread():
    with num_threads(1):
        yield


@pytest.mark.parametrize(("isa", "name", "text", "direction"), EVERY_RUN, indirect=["isa"])
def test_error_is_within_the_published_bound(isa, name, text, direction):
    algorithm = algorithms.get(name)
    for p in forms(algorithm, text, direction):
        assert_close(algorithm, p, run(algorithm, p, operands(p)))


@pytest.mark.parametrize(("isa", "name", "text", "direction"), EVERY_RUN, indirect=["isa"])
def test_integers_are_convolved_exactly_where_only_products_are_summed(isa, name, text, direction):
    algorithm = algorithms.get(name)
    options = {"with_bias": True, "activation": "relu"} if direction == "forward" else {}
    for p in forms(algorithm, text, direction):
        data = operands(p, "integers")
        result = run(algorithm, p, data, bias=data["bias"] if options else None, activation=options.get("activation"))
        if is_exact_on_integers(algorithm):
            assert_equal(algorithm, p, result, **options)
        else:
            assert_close(algorithm, p, result, "integers", **options)


@pytest.mark.parametrize(("isa", "name", "text"), runs(ACTIVATION_CASES), indirect=["isa"])
@pytest.mark.parametrize("activation", [*ACTIVATIONS, ("leaky_relu", 0.25)], ids=str)
def test_bias_and_activation_are_fused(isa, name, text, activation):
    algorithm = algorithms.get(name)
    for p in forms(algorithm, text):
        data = operands(p)
        for bias in (data["bias"], None):
            result = run(algorithm, p, data, bias=bias, activation=activation)
            assert_close(algorithm, p, result, with_bias=bias is not None, activation=activation)


@pytest.mark.parametrize(("isa", "name", "text", "direction"), runs(HARD_CASES, DIRECTIONS), indirect=["isa"])
def test_error_is_within_the_published_bound_on_hard_data(isa, name, text, direction):
    algorithm = algorithms.get(name)
    for dtype, kind in itertools.product(DTYPES, KINDS):
        # One memory format for each kind, in turns; the other test has both for all.
        p = in_supported_form(algorithm, problem(text, direction, dtype, MEMORY_FORMATS[len(kind) % 2]))
        if p.dtype == dtype:
            assert_close(algorithm, p, run(algorithm, p, operands(p, kind)), kind)


@pytest.mark.parametrize(("isa", "name", "text", "direction"), runs(ORDINARY_CASES, DIRECTIONS), indirect=["isa"])
def test_error_is_within_the_bound_of_each_output_on_ordinary_layers(isa, name, text, direction):
    algorithm = algorithms.get(name)
    for dtype in DTYPES:
        p = in_supported_form(algorithm, problem(text, direction, dtype))
        if p.dtype == dtype:
            assert_close(algorithm, p, run(algorithm, p, operands(p)), each_output=True)


@pytest.mark.parametrize(("isa", "name", "text", "direction"), runs(CASES, DIRECTIONS, [HIGHEST], empty=True), indirect=["isa"])
def test_planning_gives_plausible_and_repeatable_figures(isa, name, text, direction):
    algorithm = algorithms.get(name)
    for p in forms(algorithm, text, direction):
        cost, error, workspace = algorithm.cost(p), algorithm.error(p), algorithm.workspace(p)
        assert math.isfinite(cost) and cost >= 0
        assert math.isfinite(error) and error > 0
        assert workspace == int(workspace) and workspace >= 0
        if direction != "weight_grad":
            algorithm.pack(p, operands(p)["w"])
        assert (cost, error, workspace) == (algorithm.cost(p), algorithm.error(p), algorithm.workspace(p))


def test_support_is_answered_by_none_or_a_reason():
    for algorithm, text, direction, (dtype, memory_format) in itertools.product(
        algorithms.registered(), CASES.values(), DIRECTIONS, FORMS
    ):
        reason = algorithm.supports(problem(text, direction, dtype, memory_format))
        assert reason is None or (isinstance(reason, str) and reason.strip()), (algorithm.name, text)


def test_the_last_algorithm_accepts_every_problem():
    last = algorithms.registered()[-1]
    for text, direction, (dtype, memory_format) in itertools.product(CASES.values(), DIRECTIONS, FORMS):
        assert last.supports(problem(text, direction, dtype, memory_format)) is None


@pytest.mark.parametrize(("isa", "name", "text"), runs(EVERYWHERE, isas=[HIGHEST]), indirect=["isa"])
def test_packed_weights_do_not_depend_on_the_number_of_threads(isa, name, text):
    algorithm = algorithms.get(name)
    p = in_supported_form(algorithm, problem(text))
    data = operands(p)
    with num_threads(3):
        packed = algorithm.pack(p, data["w"])
    workspace = np.zeros(algorithm.workspace(p) + 64, np.uint8)
    workspace = workspace[-workspace.ctypes.data % 64 :]
    y = arrays.empty(p.y_shape, p.dtype, p.memory_format)
    y.fill(np.nan)
    algorithm.run(p, place(data["x"], p.memory_format), packed, None, algorithms.base.as_activation(None), y, workspace)
    np.testing.assert_array_equal(y, run(algorithm, p, data))
