"""Activations, their gradients, sums and bias gradients against float64 formulas and numerical gradients."""

import itertools

import numpy as np
import pytest
import scipy.special

import fastconv as fc
from channel_arrays import (
    FORMS,
    LINEAR,
    SHAPES,
    activated,
    assert_near,
    axes_of,
    derivative,
    numerical_gradient,
    placed,
    poisoned,
)
from fastconv import functional as F
from fastconv.algorithms.base import ACTIVATIONS as CONVOLUTIONS
from fastconv.algorithms.base import as_activation
from fastconv.functional.activation import FUNCTIONS
from fastconv.kernels import cpu
from harness import in_format

ACTIVATIONS = (*FUNCTIONS, ("leaky_relu", 0.3))
FROM_OUTPUT = [a for a in ACTIVATIONS if F.SAVED[a if not isinstance(a, tuple) else a[0]] == "output"]
GELU_RATE = 2 * np.sqrt(2 / np.pi)
# Rounding errors of a result, in eps of it.
ULPS = 6


@pytest.fixture(autouse=True)
def as_many_threads_as_asked(monkeypatch):
    """Small arrays are shared among threads too."""
    monkeypatch.setattr("fastconv.threads._ELEMENTS_PER_THREAD", 1)


def oracle(x, activation):
    x = np.asarray(x, float)
    smooth = {
        "sigmoid": lambda: scipy.special.expit(x),
        "silu": lambda: x * scipy.special.expit(x),
        "tanh": lambda: np.tanh(x),
        "gelu": lambda: x * scipy.special.erfc(-x / np.sqrt(2)) / 2,
        "gelu_tanh": lambda: x * scipy.special.expit(GELU_RATE * (x + 0.044715 * x**3)),
        "softplus": lambda: np.maximum(x, 0) + np.log1p(np.exp(-abs(x))),
    }
    return smooth[activation]() if activation in smooth else activated(x, activation)


def saved(x, y, activation):
    return y if activation in FROM_OUTPUT else x


def arguments(dtype):
    """Numbers of every size within which no result is subnormal, zeros of both signs, and kinks."""
    sizes = np.concatenate([np.logspace(-30, 0.5, 400), np.linspace(0, 9, 1501), [0.0, 6.0]])
    return placed(np.concatenate([sizes, -sizes]), dtype)


@pytest.mark.parametrize("isa", cpu.available(), indirect=True)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_values_are_within_a_few_rounding_errors(isa, dtype, activation):
    x = arguments(dtype)
    y = F.activate(x, activation, out=poisoned(x.shape, dtype))
    exact, eps = oracle(x, activation), np.finfo(dtype).eps
    # An error of the argument of exp is one of the result: five roundings of half an eps in GELU by tanh, and in float64 the
    # oracle's own, of the square that its erfc takes.
    condition = 0.0
    if activation == "gelu_tanh":
        condition = 2.5 * GELU_RATE * abs(x + 0.044715 * x.astype(float) ** 3)
    elif activation == "gelu" and dtype == "float64":
        condition = np.square(x)
    allowed = ULPS + condition
    assert (abs(y - exact) <= allowed * eps * abs(exact)).all()


@pytest.mark.parametrize("activation", [*CONVOLUTIONS, ("leaky_relu", 0.3)], ids=str)
def test_what_convolution_algorithms_are_given_serves_as_well(activation):
    x = np.linspace(-2, 8, 21)
    assert np.array_equal(F.activate(x, as_activation(activation)), F.activate(x, activation))


@pytest.mark.parametrize("isa", cpu.available(), indirect=True)
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_gradients_agree_with_numerical_ones(isa, activation):
    # No argument within the step of a kink.
    x = np.linspace(-8, 8, 143) + 0.0123
    step = 1e-6
    expected = (oracle(x + step, activation) - oracle(x - step, activation)) / (2 * step)
    gy = np.random.default_rng(0).standard_normal(x.shape)
    for dtype in ("float32", "float64"):
        own = placed(x, dtype)
        y = F.activate(own, activation)
        g = F.activation_grad(placed(gy, dtype), saved(own, y, activation), activation, out=poisoned(x.shape, dtype))
        np.testing.assert_allclose(g, gy * expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_extreme_arguments(activation):
    for dtype in ("float32", "float64"):
        x = np.array([np.nan, 1000, -1000, 0.0], dtype)
        y = F.activate(x, activation)
        assert np.isnan(y[0])
        assert_near(y[1:], oracle(x[1:], activation), dtype)
        g = F.activation_grad(np.ones_like(x), saved(x, y, activation), activation)
        assert np.isfinite(g[1:]).all()
        g = F.activation_grad(np.full_like(x, np.nan), saved(x, np.ones_like(x), activation) * 0 + 1, activation)
        assert np.isnan(g).all()


@pytest.mark.parametrize("isa", cpu.available(), indirect=True)
@pytest.mark.parametrize("shape", [*SHAPES, (5,), (2, 3, 4), ()], ids=str)
def test_every_shape_format_and_number_of_threads(isa, shape):
    rng = np.random.default_rng(0)
    a, b, gy = (rng.standard_normal(shape) for _ in range(3))
    for (dtype, memory_format), activation, threads in itertools.product(FORMS, ("relu", "tanh", "gelu"), (1, 2, 3)):
        own = [placed(v, dtype, memory_format) for v in (a, b, gy)]
        results = []
        for _ in range(2):
            with fc.num_threads(threads):
                y = F.activate(own[0], activation, out=poisoned(shape, dtype, memory_format))
                total = F.add(own[0], own[1], activation, out=poisoned(shape, dtype, memory_format))
                g = F.activation_grad(own[2], own[0], activation, out=poisoned(shape, dtype, memory_format))
            results.append([y, total, g])
        assert_near(y, oracle(own[0], activation), dtype)
        assert_near(total, oracle(own[0].astype(float) + own[1], activation), dtype)
        assert np.isfinite(g).all()
        assert all(v.tobytes() == w.tobytes() for v, w in zip(*results, strict=True))


@pytest.mark.parametrize("isa", cpu.available(), indirect=True)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_bias_gradients_are_sums_of_the_masked_gradient(isa, shape):
    rng = np.random.default_rng(0)
    z, gy = rng.standard_normal(shape) * 4, rng.standard_normal(shape)
    for (dtype, memory_format), activation, threads in itertools.product(FORMS, FROM_OUTPUT, (1, 2, 3)):
        own = placed(gy, dtype, memory_format)
        y = placed(oracle(z, activation), dtype, memory_format)
        results = []
        for _ in range(2):
            with fc.num_threads(threads):
                g, db = F.activation_bias_grad(own, y, activation, out=poisoned(shape, dtype, memory_format))
            results.append(g.tobytes() + db.tobytes())
        assert results[0] == results[1]
        assert db.dtype == dtype and db.shape == (shape[1],)
        np.testing.assert_array_equal(g, F.activation_grad(own, y, activation))
        assert_near(db, g.astype(float).sum(axes_of(shape)), dtype)
        if activation in LINEAR:
            assert_near(g, own * derivative(y.astype(float), activation), dtype)
    with fc.num_threads(2):
        assert_near(F.bias_grad(own), own.astype(float).sum(axes_of(shape)), dtype)


@pytest.mark.parametrize("memory_format", ["nchw", "nhwc"])
@pytest.mark.parametrize("activation", FROM_OUTPUT, ids=str)
def test_bias_gradients_agree_with_numerical_ones(memory_format, activation):
    rng = np.random.default_rng(2)
    shape = (2, 3, 3, 2)
    z, gy, bias = placed(rng.standard_normal(shape), "float64", memory_format), rng.standard_normal(shape), np.zeros(3)
    _, db = F.activation_bias_grad(gy, F.activate(z, activation), activation)
    expected = numerical_gradient(lambda b: oracle(z + b.reshape(1, 3, 1, 1), activation), bias, gy)
    np.testing.assert_allclose(db, expected, rtol=1e-6, atol=1e-8)


def test_a_long_sum_stays_accurate():
    """A naive float32 sum of this many ones stops at 2^24."""
    for memory_format in ("nchw", "nhwc"):
        gy = in_format(np.ones(2 * 4200 * 4000, np.float32), (1, 2, 4200, 4000), memory_format)
        np.testing.assert_array_equal(F.bias_grad(gy), [4200 * 4000] * 2)


def test_results_may_replace_their_operands():
    rng = np.random.default_rng(0)
    x, b = rng.standard_normal((2, 2, 20, 5, 5)).astype(np.float32)
    for name in ("relu", "gelu"):
        y, total, g = F.activate(x, name), F.add(x, b, name), F.activation_grad(b, x, name)
        own = x.copy()
        np.testing.assert_array_equal(F.activate(own, name, out=own), y)
        own = b.copy()
        np.testing.assert_array_equal(F.add(x, own, name, out=own), total)
        own = b.copy()
        np.testing.assert_array_equal(F.activation_grad(own, x, name, out=own), g)


def test_operands_of_any_strides_and_formats():
    rng = np.random.default_rng(0)
    x, b = rng.standard_normal((2, 2, 20, 6, 5))
    expected = F.add(x, b, "relu")
    for a in (x[:, :, ::-1][:, :, ::-1], np.asfortranarray(x), placed(x, "float64", "nhwc"), x.astype(">f8")):
        np.testing.assert_array_equal(F.add(a, b, "relu"), expected)
        np.testing.assert_array_equal(F.add(b, a, "relu"), expected)
        assert F.add(a, b).transpose(0, 2, 3, 1).flags.c_contiguous == a.transpose(0, 2, 3, 1).flags.c_contiguous


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_softmax_and_its_logarithm(dtype):
    rng = np.random.default_rng(0)
    for shape, axis in (((5, 7), 1), ((5, 7), 0), ((2, 3, 4, 5), 1), ((2, 3, 4, 5), -1), ((4,), 0)):
        x, gy = (rng.standard_normal(shape) * 20).astype(dtype), rng.standard_normal(shape).astype(dtype)
        y, z = F.softmax(x, axis), F.log_softmax(x, axis)
        assert y.dtype == z.dtype == dtype
        assert_near(y, scipy.special.softmax(x.astype(float), axis), dtype)
        assert_near(z, scipy.special.log_softmax(x.astype(float), axis), dtype)
        if dtype == "float64":
            for f, grad, result in ((F.softmax, F.softmax_grad, y), (F.log_softmax, F.log_softmax_grad, z)):
                expected = numerical_gradient(lambda v, f=f, axis=axis: f(v, axis), x, gy)
                np.testing.assert_allclose(grad(gy, result, axis), expected, rtol=1e-5, atol=1e-7)


def test_softmax_of_extreme_values():
    huge = np.array([3e38, -3e38, -np.inf], np.float32)
    np.testing.assert_array_equal(F.softmax(huge, 0), [1, 0, 0])
    np.testing.assert_array_equal(F.log_softmax(huge, 0), [0, -np.inf, -np.inf])
    assert np.isnan(F.softmax(np.array([np.nan, 1.0]), 0)).all()
    assert F.softmax(np.empty((0, 3))).shape == F.log_softmax(np.empty((0, 3))).shape == (0, 3)


A = np.zeros((2, 3), np.float32)
ERRORS = {
    "unknown activation": (lambda: F.activate(A, "swash"), "activation: "),
    "a slope that is no number": (lambda: F.activate(A, ("leaky_relu", "steep")), "activation: "),
    "a negative slope": (lambda: F.activation_grad(A, A, ("leaky_relu", -0.1)), "activation: "),
    "needs the input": (lambda: F.activation_bias_grad(A, A, "silu"), "activation: "),
    "integers": (lambda: F.activate(np.zeros(3, int), "relu"), "x: "),
    "a list": (lambda: F.activate([1.0], "relu"), "x: "),
    "a masked array": (lambda: F.activate(np.ma.zeros(3), "relu"), "x: "),
    "gy's shape": (lambda: F.activation_grad(A[:1], A, "relu"), "gy: "),
    "gy's dtype": (lambda: F.activation_grad(A.astype(float), A, "relu"), "gy: "),
    "b's shape": (lambda: F.add(A, A[:1]), "b: "),
    "out's shape": (lambda: F.activate(A, "relu", out=A[:1]), "out: "),
    "out's dtype": (lambda: F.activate(A, "relu", out=A.astype(float)), "out: "),
    "out overlaps": (lambda: F.activate(A, "relu", out=A[::-1]), "out: "),
    "out is read-only": (lambda: F.activate(A, "relu", out=placed(A, "float32")), "out: "),
    "three dimensions": (lambda: F.bias_grad(np.zeros((2, 3, 4))), "gy: "),
}


@pytest.mark.parametrize(("call", "message"), ERRORS.values(), ids=ERRORS)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(fc.FastconvError, match=f"^{message}") as caught:
        call()
    assert isinstance(caught.value, (ValueError, TypeError))


def test_the_table_of_what_is_saved_names_every_activation():
    assert set(F.SAVED) == set(FUNCTIONS)
