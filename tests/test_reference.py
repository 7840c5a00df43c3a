"""The oracle against what is more obvious still: one loop per index, and scipy."""

import itertools

import numpy as np
import pytest
from scipy.signal import correlate2d

from fastconv import reference
from fastconv.problem import ConvProblem

TINY = [
    "2x3x5x4,2x3x3,p1",
    "1x2x7x6,3x3x2,s2x3,p1.0x2.1",
    "2x4x6x5,6x2x3,d2x1,p1x0,g2",
    "1x3x4x4,6x3x3,p1,g3",
    "2x2x1x1,3x3x3,p2",
    "1x2x3x3,2x1x1,s2,p3",
    "0x2x4x4,2x3x3",
]


def quadruple_loops(p, x, w, gy):
    """y, dx and dw, term by term from the definition."""
    y, dx, dw = np.zeros(p.y_shape), np.zeros(p.x_shape), np.zeros(p.w_shape)
    k_group, c_group = p.out_channels // p.groups, p.in_channels // p.groups
    for n, k, oh, ow in itertools.product(*map(range, p.y_shape)):
        for c, i, j in itertools.product(*map(range, p.w_shape[1:])):
            row = oh * p.stride[0] + i * p.dilation[0] - p.padding[0][0]
            column = ow * p.stride[1] + j * p.dilation[1] - p.padding[1][0]
            if not (0 <= row < p.height and 0 <= column < p.width):
                continue
            at = (n, k // k_group * c_group + c, row, column)
            y[n, k, oh, ow] += x[at] * w[k, c, i, j]
            dx[at] += gy[n, k, oh, ow] * w[k, c, i, j]
            dw[k, c, i, j] += gy[n, k, oh, ow] * x[at]
    return y, dx, dw


@pytest.mark.parametrize("text", TINY)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_agrees_with_one_loop_per_index(text, dtype):
    p = ConvProblem.parse(text, dtype=dtype)
    rng = np.random.default_rng(0)
    x, w, gy = (rng.integers(-4, 5, shape).astype(dtype) for shape in (p.x_shape, p.w_shape, p.y_shape))
    y, dx, dw = quadruple_loops(p, x, w, gy)
    np.testing.assert_array_equal(reference.forward(p, x, w), y)
    np.testing.assert_array_equal(reference.input_grad(p, gy, w), dx)
    np.testing.assert_array_equal(reference.weight_grad(p, gy, x), dw)


def test_agrees_with_scipy_on_one_channel():
    p = ConvProblem.parse("1x1x9x8,1x3x4")
    rng = np.random.default_rng(1)
    x, w = rng.standard_normal(p.x_shape), rng.standard_normal(p.w_shape)
    expected = correlate2d(x[0, 0], w[0, 0], mode="valid")
    np.testing.assert_allclose(reference.forward(p, x, w)[0, 0].astype(float), expected, rtol=1e-12, atol=1e-12)


def test_works_in_wider_arithmetic_than_its_operands():
    p = ConvProblem.parse("1x1x1x3,1x1x3")
    x = np.array([1.0, 2.0**-40, -1.0], np.float32).reshape(p.x_shape)
    assert reference.forward(p, x, np.ones(p.w_shape, np.float32)).item() == 2.0**-40


def test_compute_takes_the_direction_from_the_problem():
    p = ConvProblem.parse("2x2x4x4,3x3x3,p1")
    rng = np.random.default_rng(2)
    operands = {"x": rng.standard_normal(p.x_shape), "w": rng.standard_normal(p.w_shape), "gy": rng.standard_normal(p.y_shape)}
    for direction in ("forward", "input_grad", "weight_grad"):
        q = p.replace(direction=direction)
        assert reference.compute(q, **operands).shape == q.result_shape


def test_bias_is_added_before_the_activation():
    p = ConvProblem.parse("1x1x1x2,2x1x1")
    x, w = np.ones(p.x_shape), np.ones(p.w_shape)
    y = reference.forward(p, x, w, np.array([-3.0, 2.0]), "relu")
    assert y.tolist() == [[[[0.0, 0.0]], [[3.0, 3.0]]]]


def test_scale_sums_magnitudes_and_counts_the_bias():
    p = ConvProblem.parse("1x1x1x2,1x1x2")
    x, w = np.array([1.0, -2.0]).reshape(p.x_shape), np.array([-3.0, -4.0]).reshape(p.w_shape)
    assert reference.scale(p, x=x, w=w, bias=np.array([-5.0])).item() == 16.0


@pytest.mark.parametrize(
    ("activation", "values"),
    [
        (None, [-8.0, -1.0, 0.0, 1.0, 8.0]),
        ("relu", [0.0, 0.0, 0.0, 1.0, 8.0]),
        ("relu6", [0.0, 0.0, 0.0, 1.0, 6.0]),
        (("leaky_relu", 0.5), [-4.0, -0.5, 0.0, 1.0, 8.0]),
        ("leaky_relu", [-0.08, -0.01, 0.0, 1.0, 8.0]),
        ("sigmoid", [1 / (1 + np.exp(8)), 1 / (1 + np.e), 0.5, np.e / (1 + np.e), 1 / (1 + np.exp(-8))]),
        ("silu", [-8 / (1 + np.exp(8)), -1 / (1 + np.e), 0.0, np.e / (1 + np.e), 8 / (1 + np.exp(-8))]),
    ],
)
def test_activations_have_their_known_values_and_keep_nan(activation, values):
    y = reference.activate(np.array([-8.0, -1.0, 0.0, 1.0, 8.0, np.nan]), activation)
    np.testing.assert_allclose(y[:-1], values, rtol=1e-15)
    assert np.isnan(y[-1])


def test_an_unknown_activation_is_an_error():
    with pytest.raises(ValueError, match="gelu"):
        reference.activate(np.zeros(1), "gelu")
