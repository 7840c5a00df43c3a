"""Group, instance and layer norm against float64 formulas and numerical gradients."""

import itertools

import numpy as np
import pytest

import fastconv as fc
from channel_arrays import (
    FORMS,
    LINEAR,
    activated,
    assert_near,
    away_from_kinks,
    derivative,
    numerical_gradient,
    placed,
    poisoned,
)
from fastconv import functional as F
from fastconv.kernels import cpu

EPS = 1e-3
GROUPS = [
    ((2, 6, 5, 7), 3),
    ((3, 35, 3, 3), 5),
    ((1, 64, 4, 4), 1),
    ((2, 20, 9, 8), 20),
    ((4, 16, 1, 1), 2),
    ((1, 1, 33, 33), 1),
    ((3, 130, 1, 2), 1),
    ((7, 36), 4),
]
ROWS = [((5, 7), (7,)), ((3, 4, 35), (35,)), ((2, 3, 4, 5), (4, 5)), ((2, 3, 4, 5), (3, 4, 5)), ((70, 100), (100,))]
ROWS += [((9, 1), (1,)), ((2, 3000), (3000,))]


@pytest.fixture(autouse=True)
def as_many_threads_as_asked(monkeypatch):
    """Small arrays are shared among threads too."""
    monkeypatch.setattr("fastconv.threads._ELEMENTS_PER_THREAD", 1)


def group_oracle(x, groups, gamma, beta):
    """Pre-activation, mean and 1 / std in float64."""
    x = np.asarray(x, float)
    rows = x.reshape(x.shape[0], groups, -1)
    mean, inv_std = rows.mean(2), 1 / np.sqrt(rows.var(2) + EPS)
    normalised = ((rows - mean[..., None]) * inv_std[..., None]).reshape(x.shape)
    by_channel = (1, -1, *(1,) * (x.ndim - 2))
    return normalised * gamma.reshape(by_channel) + beta.reshape(by_channel), normalised, mean, inv_std


def group_gradients(g, groups, gamma, normalised, inv_std):
    axes, by_channel = (0, *range(2, g.ndim)), (1, -1, *(1,) * (g.ndim - 2))
    v, rows = (a.reshape(g.shape[0], groups, -1) for a in (g * gamma.reshape(by_channel), normalised))
    dx = (v - v.mean(2, keepdims=True) - rows * (v * rows).mean(2, keepdims=True)) * inv_std[..., None]
    return dx.reshape(g.shape), (g * normalised).sum(axes), g.sum(axes)


def drawn(shape, parameter_shape, dtype="float64", memory_format="nchw"):
    rng = np.random.default_rng(0)
    x, gy = rng.standard_normal(shape) * 2 + 3, rng.standard_normal(shape)
    gamma, beta = rng.uniform(-2, 2, parameter_shape), rng.standard_normal(parameter_shape)
    own = memory_format if len(shape) == 4 else "nchw"
    return placed(x, dtype, own), placed(gy, dtype, own), placed(gamma, dtype), placed(beta, dtype)


@pytest.mark.parametrize("isa", cpu.available(), indirect=True)
@pytest.mark.parametrize(("shape", "groups"), GROUPS, ids=str)
def test_group_norm_agrees_with_the_formulas(isa, shape, groups):
    for (dtype, memory_format), activation, threads in itertools.product(FORMS, LINEAR, (1, 2, 3)):
        x, gy, gamma, beta = drawn(shape, (shape[1],), dtype, memory_format)
        z, normalised, mean, inv_std = group_oracle(x, groups, gamma.astype(float), beta.astype(float))
        results = []
        for _ in range(2):
            out, dx_out = (poisoned(shape, dtype, memory_format) for _ in range(2))
            with fc.num_threads(threads):
                y, m, s = F.group_norm(x, groups, gamma, beta, eps=EPS, activation=activation, out=out)
                gradients = F.group_norm_grad(gy, x, groups, m, s, gamma, beta, activation=activation, out=dx_out)
            results.append(b"".join(a.tobytes() for a in (y, m, s, *gradients)))
        assert results[0] == results[1]
        assert_near(y, activated(z, activation), dtype, 4)
        assert_near(m, mean, dtype)
        assert_near(s, inv_std, dtype)
        slopes = np.where(away_from_kinks(z), derivative(z, activation), derivative(np.asarray(y, float), activation))
        for actual, expected in zip(gradients, group_gradients(gy * slopes, groups, gamma, normalised, inv_std), strict=True):
            assert_near(actual, expected, dtype, 4)


@pytest.mark.parametrize("isa", cpu.available(), indirect=True)
@pytest.mark.parametrize(("shape", "normalized"), ROWS, ids=str)
def test_layer_norm_agrees_with_the_formulas(isa, shape, normalized):
    axes = tuple(range(len(shape) - len(normalized), len(shape)))
    outer = tuple(range(axes[0]))
    for (dtype, memory_format), threads in itertools.product(FORMS, (1, 2, 3)):
        x, gy, gamma, beta = drawn(shape, normalized, dtype, memory_format)
        wide = x.astype(float)
        mean = wide.mean(axes, keepdims=True)
        inv_std = 1 / np.sqrt(wide.var(axes, keepdims=True) + EPS)
        normalised = (wide - mean) * inv_std
        v = gy * gamma.astype(float)
        dx = (v - v.mean(axes, keepdims=True) - normalised * (v * normalised).mean(axes, keepdims=True)) * inv_std
        results = []
        for _ in range(2):
            with fc.num_threads(threads):
                y, m, s = F.layer_norm(x, normalized, gamma, beta, eps=EPS, out=poisoned(shape, dtype))
                gradients = F.layer_norm_grad(gy, x, normalized, m, s, gamma, out=poisoned(shape, dtype))
            results.append(b"".join(a.tobytes() for a in (y, m, s, *gradients)))
        assert results[0] == results[1]
        assert_near(y, normalised * gamma + beta, dtype, 4)
        assert_near(m, mean.reshape(m.shape), dtype)
        assert_near(s, inv_std.reshape(s.shape), dtype, 4)
        for actual, expected in zip(gradients, (dx, (gy * normalised).sum(outer), gy.astype(float).sum(outer)), strict=True):
            assert_near(actual, expected, dtype, 4)
        if len(normalized) == 1:
            np.testing.assert_array_equal(F.layer_norm(x, normalized[0], gamma, beta, eps=EPS)[0], y)


@pytest.mark.parametrize("memory_format", ["nchw", "nhwc"])
@pytest.mark.parametrize("activation", LINEAR, ids=str)
def test_group_norm_gradients_agree_with_numerical_ones(memory_format, activation):
    x, gy, gamma, beta = drawn((2, 4, 3, 2), (4,), "float64", memory_format)
    operands = {"x": x, "gamma": gamma, "beta": beta}

    def forward(**changed):
        b = {**operands, **changed}
        return F.group_norm(b["x"], 2, b["gamma"], b["beta"], eps=EPS, activation=activation)

    _, mean, inv_std = forward()
    actual = F.group_norm_grad(gy, x, 2, mean, inv_std, gamma, beta, activation=activation)
    for (name, value), gradient in zip(operands.items(), actual, strict=True):
        expected = numerical_gradient(lambda v, name=name: forward(**{name: v})[0], value, gy)
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (4, 2, 3)], ids=str)
def test_layer_norm_gradients_agree_with_numerical_ones(shape):
    x, gy, gamma, beta = drawn((2, 4, 2, 3), shape)
    operands = {"x": x, "gamma": gamma, "beta": beta}

    def forward(**changed):
        b = {**operands, **changed}
        return F.layer_norm(b["x"], shape, b["gamma"], b["beta"], eps=EPS)

    _, mean, inv_std = forward()
    for (name, value), gradient in zip(operands.items(), F.layer_norm_grad(gy, x, shape, mean, inv_std, gamma), strict=True):
        expected = numerical_gradient(lambda v, name=name: forward(**{name: v})[0], value, gy)
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-7, err_msg=name)


def test_a_large_mean_costs_no_accuracy():
    rng = np.random.default_rng(0)
    x = placed(rng.standard_normal((2, 8, 20, 20)) + 1e4, "float32")
    wide = x.astype(float)
    for result, axes in (
        (F.group_norm(x, 1, None, None, eps=0), (1, 2, 3)),
        (F.group_norm(placed(x, "float32", "nhwc"), 1, None, None, eps=0), (1, 2, 3)),
        (F.layer_norm(x, (20, 20), None, None, eps=0), (2, 3)),
    ):
        y, _, inv_std = result
        mean, std = wide.mean(axes, keepdims=True), wide.std(axes, keepdims=True)
        np.testing.assert_allclose(y, (wide - mean) / std, rtol=0, atol=2e-6)
        np.testing.assert_allclose(inv_std.ravel() * std.ravel(), 1, rtol=1e-6)


def test_instance_norm_is_group_norm_of_single_channels():
    x, gy, gamma, beta = drawn((2, 5, 4, 3), (5,))
    y, mean, inv_std = F.instance_norm(x, gamma, beta, activation="relu")
    np.testing.assert_array_equal(y, F.group_norm(x, 5, gamma, beta, activation="relu")[0])
    for a, b in zip(
        F.instance_norm_grad(gy, x, mean, inv_std, gamma, beta, activation="relu"),
        F.group_norm_grad(gy, x, 5, mean, inv_std, gamma, beta, activation="relu"),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_a_nan_stays_within_its_image():
    for memory_format in ("nchw", "nhwc"):
        x, gy, gamma, beta = (a.copy(order="K") for a in drawn((3, 8, 4, 4), (8,), "float32", memory_format))
        x[1, 3, 2, 2] = np.nan
        y, mean, inv_std = F.group_norm(x, 2, gamma, beta)
        assert np.isnan(y[1, :4]).all() and np.isfinite(y[1, 4:]).all() and np.isfinite(y[[0, 2]]).all()
        dx, _, _ = F.group_norm_grad(gy, x, 2, mean, inv_std, gamma, beta)
        assert np.isnan(dx[1, :4]).all() and np.isfinite(dx[1, 4:]).all() and np.isfinite(dx[[0, 2]]).all()


def test_empty_batches():
    x = np.empty((0, 4, 3, 3), np.float32)
    y, mean, inv_std = F.group_norm(x, 2, None, None)
    assert y.shape == x.shape and mean.shape == (0, 2)
    assert not F.group_norm_grad(x, x, 2, mean, inv_std, None, None)[1].any()
    y, mean, inv_std = F.layer_norm(x, (3, 3), None, None)
    assert y.shape == x.shape and mean.shape == (0, 4)
    assert not F.layer_norm_grad(x, x, (3, 3), mean, inv_std, None)[1].any()


X = np.zeros((2, 6, 4, 4), np.float32)
ONES = np.ones(6, np.float32)
ERRORS = {
    "groups": (lambda: F.group_norm(X, 4, None, None), "groups: "),
    "no groups": (lambda: F.group_norm(X, 0, None, None), "groups: "),
    "groups that are no integer": (lambda: F.group_norm(X, 2.0, None, None), "groups: "),
    "one value per group": (lambda: F.instance_norm(X[:, :, :1, :1], None, None), "x: "),
    "no channels": (lambda: F.group_norm(X[:, :0], 1, None, None), "x: "),
    "gamma": (lambda: F.group_norm(X, 2, ONES[:2], None), "gamma: "),
    "activation": (lambda: F.group_norm(X, 2, None, None, activation="gelu"), "activation: "),
    "statistics": (lambda: F.group_norm_grad(X, X, 2, ONES, ONES, None, None), "mean: "),
    "normalized_shape": (lambda: F.layer_norm(X, (6, 4), None, None), "normalized_shape: "),
    "too many dimensions": (lambda: F.layer_norm(X, (1, 2, 6, 4, 4), None, None), "normalized_shape: "),
    "no dimensions": (lambda: F.layer_norm(X, (), None, None), "normalized_shape: "),
    "no elements": (lambda: F.layer_norm(X[..., :0], 0, None, None), "normalized_shape: "),
    "gamma of a layer": (lambda: F.layer_norm(X, (4, 4), ONES, None), "gamma: "),
    "gy": (lambda: F.layer_norm_grad(X[:1], X, 4, ONES, ONES, None), "gy: "),
    "eps": (lambda: F.layer_norm(X, 4, None, None, eps=-1.0), "eps: "),
}


@pytest.mark.parametrize(("call", "message"), ERRORS.values(), ids=ERRORS)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(fc.FastconvError, match=f"^{message}") as caught:
        call()
    assert isinstance(caught.value, (ValueError, TypeError))
