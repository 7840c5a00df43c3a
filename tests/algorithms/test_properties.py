"""What convolution and its gradients are as linear maps, on random problems, for every algorithm that supports them."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fastconv import algorithms, reference
from fastconv.problem import ConvProblem
from fastconv.threads import num_threads
from harness import run, tolerance
from problems import DTYPES, MEMORY_FORMATS

few_examples = settings(derandomize=True, deadline=None, max_examples=25)
pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
side = st.tuples(st.integers(0, 3), st.integers(0, 3))
# Kernel, stride and dilation of the families that algorithms are made for; None: any.
FAMILIES = {
    "3x3": ((3, 3), (1, 1), (1, 1)),
    "3x3, stride 2": ((3, 3), (2, 2), (1, 1)),
    "5x5": ((5, 5), (1, 1), (1, 1)),
    "1x1": ((1, 1), None, (1, 1)),
    "large": ((9, 8), (1, 1), (1, 1)),
    "any": (None, None, None),
}


def conv(kernel, stride, dilation, groups, channels, filters, **fields):
    fields = {"batch": 1, "height": 16, "width": 17, **fields}
    return ConvProblem(
        "forward", in_channels=channels * groups, out_channels=filters * groups, kernel_height=kernel[0],
        kernel_width=kernel[1], stride=stride, dilation=dilation, groups=groups, **fields,
    )  # fmt: skip


def families(algorithm):
    """(family, whether depthwise) of which `algorithm` supports an example."""
    found = []
    for family, values in FAMILIES.items():
        kernel, stride, dilation = (v or default for v, default in zip(values, ((2, 4), (2, 1), (1, 2)), strict=True))
        for depthwise in (False, True):
            example = conv(kernel, stride, dilation, 3 if depthwise else 1, 1 if depthwise else 4, 1 if depthwise else 5)
            if algorithm.supports(example) is None:
                found.append((family, depthwise))
    return found


# Some need what not every machine has.
every_algorithm = pytest.mark.parametrize("name", [a.name for a in algorithms.registered() if families(a)])


@st.composite
def problems(draw, algorithm):
    """Small forward problems that `algorithm` supports."""
    family, depthwise = draw(st.sampled_from(families(algorithm)))
    kernel, stride, dilation = FAMILIES[family]
    kernel = kernel or (draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    stride, dilation = stride or draw(pair), dilation or draw(pair)
    padding = draw(side), draw(side)
    height, width = (
        max(1, (k - 1) * d + 1 - sum(pad)) + draw(st.integers(0, 12))
        for k, d, pad in zip(kernel, dilation, padding, strict=True)
    )
    p = conv(
        kernel, stride, dilation, draw(st.integers(2, 19)) if depthwise else draw(st.sampled_from([1, 1, 2, 3])),
        1 if depthwise else draw(st.integers(2, 9)), draw(st.integers(1, 2)) if depthwise else draw(st.integers(2, 9)),
        batch=draw(st.integers(1, 2)), height=height, width=width, padding=padding, dtype=draw(st.sampled_from(DTYPES)),
        memory_format=draw(st.sampled_from(MEMORY_FORMATS)),
    )  # fmt: skip
    assume(algorithm.supports(p) is None)
    return p


def draw_operands(p, seed):
    """Multiples of 1/8, so that sums of a few of them are exact."""
    rng = np.random.default_rng(seed)
    return {
        name: (rng.integers(-16, 17, shape) / 8).astype(p.dtype)
        for name, shape in {"x": p.x_shape, "w": p.w_shape, "gy": p.y_shape}.items()
    }


def inner(a, b):
    return np.sum(a.astype(np.longdouble) * b.astype(np.longdouble))


seeds = st.integers(0, 2**32 - 1)


@every_algorithm
@given(data=st.data(), seed=seeds)
@few_examples
def test_gradients_are_the_adjoints_of_the_convolution(name, data, seed):
    algorithm = algorithms.get(name)
    forward = data.draw(problems(algorithm))
    operands = draw_operands(forward, seed)
    products, allowed = {}, {}
    with num_threads(1):
        for direction, other in (("forward", "gy"), ("input_grad", "x"), ("weight_grad", "w")):
            p = forward.replace(direction=direction)
            if algorithm.supports(p) is None:
                products[direction] = inner(run(algorithm, p, operands), operands[other])
                error = np.broadcast_to(tolerance(algorithm, p, operands), p.result_shape)
                allowed[direction] = inner(error, np.abs(operands[other]))
    exact = inner(reference.forward(forward, operands["x"], operands["w"]), operands["gy"])
    for direction, product in products.items():
        assert abs(product - exact) <= allowed[direction], f"{forward} {direction}"


@every_algorithm
@given(data=st.data(), seed=seeds, a=st.integers(-3, 3), b=st.integers(-3, 3))
@few_examples
def test_convolution_is_linear_in_the_input_and_in_the_weights(name, data, seed, a, b):
    algorithm = algorithms.get(name)
    p = data.draw(problems(algorithm))
    one, two = draw_operands(p, seed), draw_operands(p, seed + 1)
    for operand in ("x", "w"):
        parts = one, {**one, operand: two[operand]}
        combined = {**one, operand: a * one[operand] + b * two[operand]}
        with num_threads(1):
            first, second, both = (run(algorithm, p, operands).astype(np.longdouble) for operands in (*parts, combined))
        bounds = [tolerance(algorithm, p, operands) for operands in (*parts, combined)]
        allowed = sum(factor * bound for factor, bound in zip((abs(a), abs(b), 1), bounds, strict=True))
        assert (np.abs(both - (a * first + b * second)) <= allowed).all(), f"{p}, {operand}"


@every_algorithm
@given(data=st.data(), seed=seeds)
@few_examples
def test_a_shifted_input_gives_a_shifted_result(name, data, seed):
    algorithm = algorithms.get(name)
    p = data.draw(problems(algorithm)).replace(padding=((0, 0), (0, 0)), height=16, width=17)
    assume(algorithm.supports(p) is None)
    sh, sw = p.stride
    smaller = p.replace(height=p.height - sh, width=p.width - sw)
    operands = draw_operands(p, seed)
    with num_threads(1):
        y = run(algorithm, p, operands)
        shifted = run(algorithm, smaller, {**operands, "x": np.ascontiguousarray(operands["x"][:, :, sh:, sw:])})
    rows, columns = shifted.shape[2:]
    allowed = tolerance(algorithm, p, operands)
    allowed = 2 * np.broadcast_to(allowed, p.y_shape)[:, :, 1 : 1 + rows, 1 : 1 + columns]
    assert (np.abs(shifted.astype(np.longdouble) - y[:, :, 1 : 1 + rows, 1 : 1 + columns]) <= allowed).all(), str(p)


@every_algorithm
@given(data=st.data(), seed=seeds)
@few_examples
def test_images_of_a_batch_do_not_mix(name, data, seed):
    algorithm = algorithms.get(name)
    p = data.draw(problems(algorithm)).replace(batch=3)
    operands = draw_operands(p, seed)
    changed = operands["x"].copy()
    changed[1] = 100
    with num_threads(1):
        y, other = run(algorithm, p, operands), run(algorithm, p, {**operands, "x": changed})
    assert y[[0, 2]].tobytes() == other[[0, 2]].tobytes()
