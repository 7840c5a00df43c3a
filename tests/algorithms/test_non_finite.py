"""Where a NaN or an Inf in one operand shows in the result."""

import itertools

import numpy as np
import pytest

from fastconv import algorithms, reference
from fastconv.threads import num_threads
from harness import HIGHEST, forms, in_supported_form, operands, run, runs
from problems import CASES, DIRECTIONS, problem

NON_FINITE_CASES = {name: CASES[name] for name in (
    "3 to 17 channels", "35 to 64 channels", "first layer", "1x1", "tiles do not divide", "stride 2",
    "stride beyond the kernel", "dilation", "groups", "depthwise", "depthwise with stride", "depthwise 5x5, multiplier 3",
    "5x5", "large kernel", "padding beyond the kernel",
)}  # fmt: skip
DIRECT = algorithms.get("direct")
OPERANDS = {"forward": ("x", "w"), "input_grad": ("gy", "w"), "weight_grad": ("x", "gy")}


def reached(p, name, at):
    """Elements of the result with the element `at` of one operand among their terms."""
    ones = {"x": np.ones(p.x_shape), "w": np.ones(p.w_shape), "gy": np.ones(p.y_shape)}
    ones[name] = np.zeros_like(ones[name])
    ones[name][at] = 1
    return reference.compute(p, **ones) > 0


def sharing_a_transform(p, name, at):
    """Elements that a method working in tiles may spoil: those of the same image and group, or of the same filter."""
    ones = {"x": np.zeros(p.x_shape), "w": np.zeros(p.w_shape), "gy": np.zeros(p.y_shape)}
    for operand in OPERANDS[p.direction]:
        ones[operand][...] = 1
    ones[name][...] = 0
    ones[name][at if name == "w" else at[:2]] = 1
    spoilt = reference.compute(p, **ones) > 0
    return np.broadcast_to(spoilt.any(axis=(2, 3), keepdims=True), spoilt.shape)


@pytest.mark.parametrize(("isa", "name", "text", "direction"), runs(NON_FINITE_CASES, DIRECTIONS), indirect=["isa"])
@pytest.mark.parametrize("value", [np.nan, np.inf], ids=str)
def test_non_finite_values_reach_what_they_are_a_term_of_and_nothing_beyond_the_promise(isa, name, text, direction, value):
    algorithm = algorithms.get(name)
    with num_threads(1):
        for p, operand in itertools.product(forms(algorithm, text, direction), OPERANDS[direction]):
            if isa != HIGHEST and p.dtype != "float32":
                continue
            data = dict(operands(p))
            clean = run(algorithm, p, data)
            data[operand] = spoilt = data[operand].copy()
            at = tuple(size // 2 for size in spoilt.shape)
            spoilt[at] = value
            result = run(algorithm, p, data)
            where = f"{p} {p.dtype} {p.memory_format}, {value} in {operand}"
            has_term = reached(p, operand, at)
            assert not np.isfinite(result[has_term]).any(), f"{where}: lost"
            # A zero of the padding times a weight that is not finite is a term that a method may or may not form.
            may_reach = has_term if algorithm.local_non_finite and operand != "w" else sharing_a_transform(p, operand, at)
            beyond = clean[~may_reach]
            if not np.array_equal(result[~may_reach], beyond):
                # Some algorithms leave calls with such values to direct convolution, whole.
                beyond = run(DIRECT, p, data)[~may_reach]
            np.testing.assert_array_equal(result[~may_reach], beyond, err_msg=f"{where}: spread")
            assert np.isfinite(beyond).all(), f"{where}: spread"


@pytest.mark.parametrize(("isa", "name", "text"), runs(NON_FINITE_CASES), indirect=["isa"])
@pytest.mark.parametrize("activation", ["relu", "relu6", "leaky_relu", "sigmoid", "silu"])
def test_activations_keep_nan(isa, name, text, activation):
    algorithm = algorithms.get(name)
    p = in_supported_form(algorithm, problem(text))
    data = dict(operands(p))
    bias = data["bias"].copy()
    bias[-1] = np.nan
    y = run(algorithm, p, data, bias=bias, activation=activation)
    assert np.isnan(y[:, -1]).all()
    assert np.isfinite(y[:, :-1]).all()
