"""Batch normalisation against float64 formulas and numerical gradients: formats, activations, residuals, threads, NaNs."""

import itertools

import numpy as np
import pytest

import fastconv as fc
from channel_arrays import (
    FORMS,
    LINEAR,
    SHAPES,
    activated,
    assert_near,
    away_from_kinks,
    axes_of,
    derivative,
    numerical_gradient,
    over,
    placed,
    poisoned,
)
from fastconv import functional as F
from fastconv.kernels import cpu

EPS = 1e-3


@pytest.fixture(autouse=True)
def as_many_threads_as_asked(monkeypatch):
    """Small arrays are shared among threads too."""
    monkeypatch.setattr("fastconv.threads._ELEMENTS_PER_THREAD", 1)


def data(shape, seed=0):
    rng = np.random.default_rng(seed)
    c = shape[1]
    x = rng.standard_normal(shape) * over(rng.uniform(0.5, 2, c), shape) + over(rng.uniform(-3, 3, c), shape)
    return {
        "x": x, "gy": rng.standard_normal(shape), "residual": rng.standard_normal(shape), "gamma": rng.uniform(-2, 2, c),
        "beta": rng.standard_normal(c),
    }  # fmt: skip


def oracle(x, gamma, beta, residual=None, mean=None, var=None):
    """Pre-activation, mean and 1 / std in float64."""
    x = np.asarray(x, float)
    mean = x.mean(axes_of(x.shape)) if mean is None else mean
    var = x.var(axes_of(x.shape)) if var is None else var
    inv_std = 1 / np.sqrt(var + EPS)
    z = (x - over(mean, x.shape)) * over(inv_std * gamma, x.shape) + over(beta, x.shape)
    return z if residual is None else z + residual, mean, inv_std


def oracle_grad(g, x, gamma, mean, inv_std, constant=False):
    axes, shape, m = axes_of(x.shape), x.shape, x.size / x.shape[1]
    normalised = (x - over(mean, shape)) * over(inv_std, shape)
    dgamma, dbeta = (g * normalised).sum(axes), g.sum(axes)
    rest = 0 if constant else (over(dbeta, shape) + normalised * over(dgamma, shape)) / m
    return over(gamma * inv_std, shape) * (g - rest), dgamma, dbeta


def operands(shape, dtype, memory_format, with_residual):
    d = data(shape)
    a = {name: placed(v, dtype, memory_format if v.ndim == 4 else "nchw") for name, v in d.items()}
    if not with_residual:
        a["residual"] = None
    return a


CASES = list(itertools.product(LINEAR, (False, True), (1, 2, 3)))


@pytest.mark.parametrize("isa", cpu.available(), indirect=True)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_training_agrees_with_the_formulas(isa, shape):
    for (dtype, memory_format), (activation, with_residual, threads) in itertools.product(FORMS, CASES):
        a = operands(shape, dtype, memory_format, with_residual)
        z, mean, inv_std = oracle(a["x"], a["gamma"], a["beta"], a["residual"])
        out = poisoned(shape, dtype, memory_format)
        with fc.num_threads(threads):
            y, m, s = F.batch_norm(
                a["x"], a["gamma"], a["beta"], eps=EPS, activation=activation, residual=a["residual"], out=out
            )
            dx, dgamma, dbeta, g = F.batch_norm_grad(
                a["gy"], a["x"], m, s, a["gamma"], a["beta"], activation=activation, y=y, residual=with_residual,
                out=poisoned(shape, dtype, memory_format),
            )  # fmt: skip
        assert y is out and y.dtype == dtype and m.dtype == s.dtype == np.float64
        assert_near(y, activated(z, activation), dtype, 4)
        assert_near(m, mean, dtype)
        assert_near(s, inv_std, dtype)
        # The derivative at a kink hangs on rounding: take the side that y is on.
        slopes = np.where(away_from_kinks(z), derivative(z, activation), derivative(np.asarray(y, float), activation))
        wanted = oracle_grad(a["gy"] * slopes, a["x"].astype(float), a["gamma"].astype(float), mean, inv_std)
        for actual, expected in zip((dx, dgamma, dbeta), wanted, strict=True):
            assert_near(actual, expected, dtype, 4)
        if with_residual:
            assert_near(g, a["gy"] * slopes, dtype)
        else:
            assert g is None


@pytest.mark.parametrize("isa", cpu.available(), indirect=True)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_inference_agrees_with_the_formulas(isa, shape):
    rng = np.random.default_rng(1)
    mean, var = rng.standard_normal(shape[1]), rng.uniform(0.5, 2, shape[1])
    for (dtype, memory_format), (activation, with_residual, threads) in itertools.product(FORMS, CASES):
        a = operands(shape, dtype, memory_format, with_residual)
        z, _, inv_std = oracle(a["x"], a["gamma"], a["beta"], a["residual"], mean, var)
        options = {"eps": EPS, "activation": activation}
        parameters = a["gamma"], a["beta"], mean, var
        with fc.num_threads(threads):
            y = F.batch_norm_inference(
                a["x"], *parameters, residual=a["residual"], out=poisoned(shape, dtype, memory_format), **options
            )
            dx, dgamma, dbeta, g = F.batch_norm_inference_grad(
                a["gy"], a["x"], *parameters, y=y, residual=with_residual, out=poisoned(shape, dtype, memory_format), **options
            )
        assert_near(y, activated(z, activation), dtype, 4)
        slopes = np.where(away_from_kinks(z), derivative(z, activation), derivative(np.asarray(y, float), activation))
        wanted = oracle_grad(a["gy"] * slopes, a["x"].astype(float), a["gamma"].astype(float), mean, inv_std, constant=True)
        for actual, expected in zip((dx, dgamma, dbeta), wanted, strict=True):
            assert_near(actual, expected, dtype, 4)
        assert (g is None) != with_residual


@pytest.mark.parametrize("memory_format", ["nchw", "nhwc"])
@pytest.mark.parametrize("activation", LINEAR, ids=str)
@pytest.mark.parametrize("with_residual", [False, True])
def test_gradients_agree_with_numerical_ones(memory_format, activation, with_residual):
    shape = (2, 3, 3, 2)
    a = operands(shape, "float64", memory_format, with_residual)
    names = ["x", "gamma", "beta"] + ["residual"] * with_residual

    def forward(**changed):
        b = {**a, **changed}
        return F.batch_norm(b["x"], b["gamma"], b["beta"], eps=EPS, activation=activation, residual=b["residual"])

    y, mean, inv_std = forward()
    actual = F.batch_norm_grad(
        a["gy"], a["x"], mean, inv_std, a["gamma"], a["beta"], activation=activation, y=y, residual=with_residual
    )
    for name, gradient in zip(names, actual, strict=False):
        expected = numerical_gradient(lambda v, name=name: forward(**{name: v})[0], a[name], a["gy"])
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("memory_format", ["nchw", "nhwc"])
@pytest.mark.parametrize("shape", [(8, 3, 17, 16), (4, 35, 40, 40), (500, 20)], ids=str)
def test_the_variance_is_accurate_when_the_mean_is_large(shape, memory_format):
    rng = np.random.default_rng(3)
    for offset in (1e2, 1e4, -3e5):
        x = placed(rng.standard_normal(shape) + offset, "float32", memory_format)
        _, mean, inv_std = F.batch_norm(x, None, None, eps=0)
        exact = x.astype(np.longdouble)
        np.testing.assert_allclose(mean, exact.mean(axes_of(shape)).astype(float), rtol=1e-7)
        np.testing.assert_allclose(inv_std**-2, exact.var(axes_of(shape)).astype(float), rtol=2e-6)


@pytest.mark.parametrize("memory_format", ["nchw", "nhwc"])
def test_the_variance_survives_outliers_and_steps(memory_format):
    """Where the mean of a block says nothing about the next: a first value far off, and two levels."""
    rng = np.random.default_rng(4)
    x = rng.standard_normal((8, 20, 16, 16))
    x[0, :, 0, 0] = 1e6
    x[4:, 5:] += 1e5
    x = placed(x, "float32", memory_format)
    _, _, inv_std = F.batch_norm(x, None, None, eps=0)
    np.testing.assert_allclose(inv_std**-2, x.astype(float).var((0, 2, 3)), rtol=2e-6)


@pytest.mark.parametrize("isa", cpu.available(), indirect=True)
def test_results_are_bitwise_the_same_for_the_same_number_of_threads(isa):
    for (dtype, memory_format), threads in itertools.product(FORMS, (1, 2, 3)):
        a = operands((5, 35, 9, 7), dtype, memory_format, True)

        def run(a=a, threads=threads):
            with fc.num_threads(threads):
                y, m, s = F.batch_norm(a["x"], a["gamma"], a["beta"], activation="relu", residual=a["residual"])
                grads = F.batch_norm_grad(a["gy"], a["x"], m, s, a["gamma"], a["beta"], activation="relu", y=y, residual=True)
            return [v.tobytes() for v in (y, m, s, *grads)]

        assert run() == run()


@pytest.mark.parametrize("memory_format", ["nchw", "nhwc"])
def test_a_nan_stays_within_its_channel(memory_format):
    a = operands((3, 20, 5, 5), "float32", memory_format, False)
    x = a["x"].copy(order="K")
    x[1, 7, 2, 2] = np.nan
    for activation in LINEAR:
        y, mean, inv_std = F.batch_norm(x, a["gamma"], a["beta"], activation=activation)
        for result in (y[:, 7], mean[7], inv_std[7]):
            assert np.isnan(result).all()
        assert np.isfinite(np.delete(y, 7, axis=1)).all()
        dx, dgamma, _, _ = F.batch_norm_grad(a["gy"], x, mean, inv_std, a["gamma"], a["beta"], activation=activation)
        assert np.isnan(dx[:, 7]).all() and np.isnan(dgamma[7])
        assert np.isfinite(np.delete(dx, 7, axis=1)).all()
    y = F.batch_norm_inference(x, a["gamma"], a["beta"], np.zeros(20), np.ones(20), activation="relu")
    np.testing.assert_array_equal(np.isnan(y), np.isnan(x))


def test_results_may_replace_their_operands():
    a = operands((3, 20, 5, 5), "float32", "nhwc", True)
    arguments = a["gamma"], a["beta"]
    y, mean, inv_std = F.batch_norm(a["x"], *arguments, activation="relu", residual=a["residual"])
    for name in ("x", "residual"):
        own = {n: a[n].copy(order="K") for n in ("x", "residual")}
        result, _, _ = F.batch_norm(own["x"], *arguments, activation="relu", residual=own["residual"], out=own[name])
        assert result is own[name]
        np.testing.assert_array_equal(result, y)
    dx = F.batch_norm_grad(a["gy"], a["x"], mean, inv_std, *arguments, activation="relu", y=y, residual=True)[0]
    for name in ("gy", "y"):
        own = {"gy": a["gy"].copy(order="K"), "y": y.copy(order="K")}
        options = {"activation": "relu", "y": own["y"], "residual": True, "out": own[name]}
        result = F.batch_norm_grad(own["gy"], a["x"], mean, inv_std, *arguments, **options)[0]
        assert result is own[name]
        np.testing.assert_array_equal(result, dx)


def test_statistics_of_a_batch_give_the_same_result_as_given_ones():
    a = operands((3, 20, 5, 5), "float32", "nhwc", True)
    y, mean, inv_std = F.batch_norm(a["x"], a["gamma"], a["beta"], eps=EPS)
    again = F.batch_norm_inference(a["x"], a["gamma"], a["beta"], mean, F.batch_variance(inv_std, EPS), eps=EPS)
    assert_near(again, y, "float32")


def test_other_activations_at_inference():
    x = np.linspace(-3, 3, 40).reshape(2, 20)
    for activation in ("sigmoid", "silu"):
        zeros, ones = np.zeros(20), np.ones(20)
        y = F.batch_norm_inference(x, None, None, zeros, ones, eps=0, activation=activation)
        sigmoid = 1 / (1 + np.exp(-x))
        np.testing.assert_allclose(y, sigmoid if activation == "sigmoid" else x * sigmoid, rtol=1e-13)


def test_empty_batches_at_inference():
    x, c = np.empty((0, 3, 4, 4), np.float32), np.ones(3)
    assert F.batch_norm_inference(x, None, None, c, c).shape == x.shape
    dx, dgamma, dbeta, _ = F.batch_norm_inference_grad(x, x, None, None, c, c)
    assert dx.shape == x.shape and not dgamma.any() and not dbeta.any()


X = np.zeros((2, 3, 4, 4), np.float32)
ONES = np.ones(3, np.float32)
ERRORS = {
    "one value per channel": (lambda: F.batch_norm(np.zeros((1, 3, 1, 1)), None, None), "x: .*at least 2"),
    "empty batch": (lambda: F.batch_norm(np.zeros((0, 3, 4, 4)), None, None), "x: .*at least 2"),
    "no channels": (lambda: F.batch_norm(np.zeros((2, 0, 4, 4)), None, None), "x: .*without channels"),
    "three dimensions": (lambda: F.batch_norm(np.zeros((2, 3, 4)), None, None), "x: "),
    "integers": (lambda: F.batch_norm(np.zeros((2, 3), int), None, None), "x: "),
    "a list": (lambda: F.batch_norm([[1.0], [2.0]], None, None), "x: "),
    "gamma's length": (lambda: F.batch_norm(X, ONES[:2], None), "gamma: "),
    "beta's dtype": (lambda: F.batch_norm(X, None, ONES.astype(float)), "beta: "),
    "residual's shape": (lambda: F.batch_norm(X, None, None, residual=X[:1]), "residual: "),
    "out overlaps": (lambda: F.batch_norm(X, None, None, out=X[::-1]), "out: "),
    "eps": (lambda: F.batch_norm(X, None, None, eps=-1), "eps: "),
    "eps that is no number": (lambda: F.batch_norm(X, None, None, eps="small"), "eps: "),
    "activation": (lambda: F.batch_norm(X, None, None, activation="silu"), "activation: "),
    "unknown activation": (lambda: F.batch_norm(X, None, None, activation="swash"), "activation: "),
    "negative slope": (lambda: F.batch_norm(X, None, None, activation=("leaky_relu", -1)), "activation: "),
    "variance": (lambda: F.batch_norm_inference(X, None, None, ONES, -ONES), "var: "),
    "mean's length": (lambda: F.batch_norm_inference(X, None, None, ONES[:1], ONES), "mean: "),
    "gy's shape": (lambda: F.batch_norm_grad(X[:1], X, ONES, ONES, None, None), "gy: "),
    "no statistics": (lambda: F.batch_norm_grad(X, X, None, None, None, None), "mean, inv_std: "),
    "y is needed": (lambda: F.batch_norm_grad(X, X, ONES, ONES, None, None, activation="relu", residual=True), "y: "),
    "gy is needed": (lambda: F.batch_norm_grad(X, X.copy(), ONES, ONES, None, None, residual=True, out=X), "out: "),
}


@pytest.mark.parametrize(("call", "message"), ERRORS.values(), ids=ERRORS)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(fc.FastconvError, match=f"^{message}") as caught:
        call()
    assert isinstance(caught.value, (ValueError, TypeError))
