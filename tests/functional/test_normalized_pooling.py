"""Batch normalisation and max pooling in one: against float64 formulas, and bitwise the two by themselves."""

import itertools

import numpy as np
import pytest

import fastconv as fc
from channel_arrays import FORMS, TOLERANCE, over, placed
from fastconv import functional as F
from fastconv.kernels import cpu

EPS = 1e-5
# Shape -> windows: channels around the vectors' lanes, pixels beside whole windows, rows longer than a block of sums.
CASES = {
    (2, 3, 6, 8): (2, 2),
    (1, 64, 4, 4): (2, 2),
    (4, 17, 5, 7): (2, 2),
    (2, 1, 33, 33): (3, 2),
    (3, 35, 3, 3): (3, 3),
    (1, 20, 7, 150): (1, 2),
    (2, 5, 4, 9): (4, 9),
    (2, 130, 5, 3): (2, 1),
    (1, 16, 18, 35): (16, 17),
}


@pytest.fixture(autouse=True)
def as_many_threads_as_asked(monkeypatch):
    """Small arrays are shared among threads too."""
    monkeypatch.setattr("fastconv.threads._ELEMENTS_PER_THREAD", 1)


def data(shape, windows, dtype, memory_format):
    rng = np.random.default_rng(sum(shape))
    n, c, h, w = shape
    a = {
        "x": rng.standard_normal(shape) * 2 + over(rng.uniform(-3, 3, c), shape),
        "gy": rng.standard_normal((n, c, h // windows[0], w // windows[1])),
        "gamma": rng.uniform(-2, 2, c),
        "beta": rng.standard_normal(c),
    }
    a["gamma"][c // 2 :: 7] = 0
    return {name: placed(v, dtype, memory_format if v.ndim == 4 else "nchw") for name, v in a.items()}


def oracle(a, windows, relu):
    """Maxima, taps, and gradients, in float64, window by window."""
    x, gy, gamma, beta = (np.asarray(a[name], float) for name in ("x", "gy", "gamma", "beta"))
    axes, (rows, cols), count = (0, 2, 3), windows, x.size / x.shape[1]
    inv_std = 1 / np.sqrt(x.var(axes) + EPS)
    normalised = (x - over(x.mean(axes), x.shape)) * over(inv_std, x.shape)
    # What decides between pixels is rounded as the kernel rounds it: windows of one value each have the first as their maximum.
    z = normalised * over(gamma, x.shape) + over(beta, x.shape)
    g, y, taps = np.zeros_like(x), np.empty_like(gy), np.empty(gy.shape, np.uint8)
    for n, c, i, j in np.ndindex(gy.shape):
        window = z[n, c, i * rows : (i + 1) * rows, j * cols : (j + 1) * cols]
        p, q = np.unravel_index(window.argmax(), window.shape)
        y[n, c, i, j], taps[n, c, i, j] = window[p, q], p * cols + q
        g[n, c, i * rows + p, j * cols + q] = gy[n, c, i, j] if y[n, c, i, j] > 0 or not relu else 0
    dgamma, dbeta = (g * normalised).sum(axes), g.sum(axes)
    rest = (over(dbeta, x.shape) + normalised * over(dgamma, x.shape)) / count
    return np.maximum(y, 0) if relu else y, taps, over(gamma * inv_std, x.shape) * (g - rest), dgamma, dbeta


@pytest.mark.parametrize("isa", cpu.available(), indirect=True)
@pytest.mark.parametrize("shape", CASES, ids=str)
def test_results_and_gradients_are_the_formulas(isa, shape):
    windows = CASES[shape]
    for (dtype, memory_format), activation, threads in itertools.product(FORMS, (None, "relu"), (1, 2, 3)):
        a = data(shape, windows, dtype, memory_format)
        x, gamma, beta = a["x"], a["gamma"], a["beta"]
        y, taps, dx, dgamma, dbeta = oracle(a, windows, activation == "relu")
        with fc.num_threads(threads):
            result, places, *statistics = F.batch_norm_max_pool2d(x, gamma, beta, windows, activation=activation)
            gradients = F.batch_norm_max_pool2d_grad(
                a["gy"], result, places, x, *statistics, gamma, beta, windows, activation=activation
            )
        tolerance = 4 * TOLERANCE[dtype]
        np.testing.assert_allclose(result, y, rtol=0, atol=tolerance * np.abs(y).max())
        np.testing.assert_array_equal(places, taps)
        for got, expected in zip(gradients, (dx, dgamma, dbeta), strict=True):
            assert got.dtype == dtype
            np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance * np.abs(expected).max())
        assert fc.problem.memory_format_of(gradients[0]) == fc.problem.memory_format_of(x)


@pytest.mark.parametrize("isa", cpu.available(), indirect=True)
def test_the_result_is_bitwise_that_of_both_by_themselves(isa):
    for shape, windows in CASES.items():
        a = data(shape, windows, "float32", "nhwc")
        y, mean, inv_std = F.batch_norm(a["x"], a["gamma"], a["beta"])
        expected = (*F.max_pool2d_with_taps(y, windows, activation="relu"), mean, inv_std)
        for got, wanted in zip(
            F.batch_norm_max_pool2d(a["x"], a["gamma"], a["beta"], windows, activation="relu"), expected, strict=True
        ):
            np.testing.assert_array_equal(got, wanted)


def test_a_nan_stays_within_its_channel():
    a = data((2, 3, 6, 8), (2, 2), "float32", "nhwc")
    x = a["x"].copy(order="K")
    x[1, 1, 3, 5] = np.nan
    y, *kept = F.batch_norm_max_pool2d(x, a["gamma"], a["beta"], 2, activation="relu")
    gradients = F.batch_norm_max_pool2d_grad(a["gy"], y, kept[0], x, *kept[1:], a["gamma"], a["beta"], 2, activation="relu")
    # A maximum that is NaN is not above 0: the sum of gradients does not meet it.
    assert np.isfinite(gradients[2]).all()
    for result in (y, *gradients[:2]):
        finite = np.isfinite(result).all(axis=(0, 2, 3)) if result.ndim == 4 else np.isfinite(result)
        assert finite.tolist() == [True, False, True]


X = np.ones((2, 4, 4, 4), np.float32).transpose(0, 3, 1, 2)
BAD = {
    "activation": (lambda: F.batch_norm_max_pool2d(X, None, None, 2, activation="tanh"), "activation: got"),
    "window beyond the image": (lambda: F.batch_norm_max_pool2d(X, None, None, 5), "kernel_size: the window spans 5"),
    "rows": (lambda: F.batch_norm_max_pool2d(X[:, :, 0, 0], None, None, 2), "x: "),
    "one value per channel": (lambda: F.batch_norm_max_pool2d(X[:1, :, :1, :1], None, None, 1), "x: .*at least 2"),
    "gamma": (lambda: F.batch_norm_max_pool2d(X, np.ones(3, np.float32), None, 2), "gamma: got shape"),
    "eps": (lambda: F.batch_norm_max_pool2d(X, None, None, 2, eps=-1), "eps: got -1"),
    "taps": (
        lambda: F.batch_norm_max_pool2d_grad(
            X[..., :2, :2], None, np.zeros((2, 4, 2, 2), int), X, np.ones(4), np.ones(4), None, None, 2
        ),
        "taps: dtype",
    ),
    "no y": (
        lambda: F.batch_norm_max_pool2d_grad(
            X[..., :2, :2], None, np.zeros((2, 4, 2, 2), np.uint8), X, np.ones(4), np.ones(4), None, None, 2, activation="relu"
        ),
        "y: the gradient of a ReLU needs",
    ),
    "gy": (
        lambda: F.batch_norm_max_pool2d_grad(
            X, None, np.zeros((2, 4, 2, 2), np.uint8), X, np.ones(4), np.ones(4), None, None, 2
        ),
        "gy: got shape",
    ),
    "statistics": (
        lambda: F.batch_norm_max_pool2d_grad(
            X[..., :2, :2], None, np.zeros((2, 4, 2, 2), np.uint8), X, np.ones(3), np.ones(4), None, None, 2
        ),
        "mean: got shape",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments_are_refused(case):
    call, message = BAD[case]
    with pytest.raises((fc.InvalidArgumentError, fc.InvalidTypeError), match=f"^{message}"):
        call()
