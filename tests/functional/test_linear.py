"""Matrix products of fully connected layers against float64, on every instruction set and any number of threads."""

import numpy as np
import pytest

import fastconv as fc
from fastconv.algorithms import registry
from fastconv.algorithms.split import NAMES
from fastconv.functional import linear, linear_input_grad, linear_weight_grad
from fastconv.kernels import cpu

# Rows, depth and columns: register tiles of 6 and 14 rows, panels of 8 to 32 columns, blocks of 512, each with tails.
SHAPES = [(1, 1, 1), (3, 5, 2), (14, 16, 32), (15, 33, 31), (32, 513, 65), (7, 1030, 10), (70, 9, 129)]
SHAPES += [(0, 3, 4), (3, 0, 4), (4, 3, 0)]
EVERY_ISA = pytest.mark.parametrize("isa", cpu.available(), indirect=True)


def operands(shape, dtype):
    n, i, o = shape
    rng = np.random.default_rng(n * 7919 + i * 31 + o)
    return [rng.integers(-3, 4, s).astype(dtype) for s in ((n, i), (i, o), (o,), (n, o))]


@EVERY_ISA
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_exact_on_small_integers(isa, shape, dtype, threads):
    x, w, b, gy = operands(shape, dtype)
    with fc.num_threads(threads):
        np.testing.assert_array_equal(linear(x, w, b), x @ w + b)
        np.testing.assert_array_equal(linear(x, w, b, "relu"), np.maximum(x @ w + b, 0))
        np.testing.assert_array_equal(linear(x, w), x @ w)
        np.testing.assert_array_equal(linear_weight_grad(gy, x), x.T @ gy)
        np.testing.assert_array_equal(linear_input_grad(gy, w), gy @ w.T)


def test_many_threads_share_large_products():
    rng = np.random.default_rng(0)
    for n, i, o in ((33, 2000, 130), (2000, 33, 130)):
        x, w, gy = (rng.standard_normal(s) for s in ((n, i), (i, o), (n, o)))
        with fc.num_threads(3):
            np.testing.assert_allclose(linear(x, w), x @ w, rtol=1e-10, atol=1e-10)
            np.testing.assert_allclose(linear_weight_grad(gy, x), x.T @ gy, rtol=1e-10, atol=1e-10)
            np.testing.assert_allclose(linear_input_grad(gy, w), gy @ w.T, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("order", ["F", "strided"])
def test_any_strides(order):
    x, w, b, gy = operands((5, 7, 9), "float32")
    lay = (lambda a: np.asfortranarray(a)) if order == "F" else (lambda a: np.repeat(a, 2, axis=-1)[..., ::2])
    np.testing.assert_array_equal(linear(lay(x), lay(w), lay(b)), x @ w + b)
    np.testing.assert_array_equal(linear_weight_grad(lay(gy), lay(x)), x.T @ gy)
    np.testing.assert_array_equal(linear_input_grad(lay(gy), lay(w)), gy @ w.T)


def test_long_sums_stay_within_their_bound():
    rng = np.random.default_rng(1)
    x, w = rng.standard_normal((4, 20000)).astype("f4"), rng.standard_normal((20000, 40)).astype("f4")
    bound = np.abs(x).astype("f8") @ np.abs(w).astype("f8") * np.finfo("f4").eps * 32
    assert np.all(np.abs(linear(x, w) - x.astype("f8") @ w.astype("f8")) <= bound)


@pytest.mark.parametrize(
    "call, name",
    [
        (lambda x, w, b: linear(x[0], w), "x"),
        (lambda x, w, b: linear(x, w.T), "x, w"),
        (lambda x, w, b: linear(x, w, b[:-1]), "b"),
        (lambda x, w, b: linear(x, w.astype("f8")), "w"),
        (lambda x, w, b: linear(x.astype("f2"), w), "x"),
        (lambda x, w, b: linear(x.tolist(), w), "x"),
        (lambda x, w, b: linear_weight_grad(x[:2], x), "gy"),
        (lambda x, w, b: linear_input_grad(x[:, :2], w), "gy"),
    ],
)
def test_bad_operands_are_named(call, name):
    with pytest.raises(fc.FastconvError, match=name):
        call(*operands((3, 4, 5), "float32")[:3])


# Of which matrix units, where there are any, take a share.
LARGE = [(128, 257, 256), (300, 96, 310), (1000, 130, 70)]


@EVERY_ISA
@pytest.mark.parametrize("shape", LARGE)
@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
def test_large_products_are_exact_on_small_integers_at_any_precision(isa, shape, precision):
    x, w, b, gy = operands(shape, "float32")
    with fc.config(precision=precision), fc.num_threads(2):
        np.testing.assert_array_equal(linear(x, w, b), x @ w + b)
        np.testing.assert_array_equal(linear(x, w, b, "relu"), np.maximum(x @ w + b, 0))
        np.testing.assert_array_equal(linear_weight_grad(gy, x), x.T @ gy)
        np.testing.assert_array_equal(linear_input_grad(gy, w), gy @ w.T)
        assert linear(x, w).flags.c_contiguous and linear_input_grad(gy, w).flags.c_contiguous


@EVERY_ISA
@pytest.mark.parametrize(("precision", "bound"), [("highest", 1e-6), ("high", 1e-5), ("medium", 8e-3)])
def test_large_products_have_the_precision_that_is_asked_for(isa, precision, bound):
    rng = np.random.default_rng(2)
    n, i, o = 256, 300, 200
    x, w, gy = (rng.standard_normal(s).astype("f4") for s in ((n, i), (i, o), (n, o)))
    with fc.config(precision=precision):
        for result, a, b in ((linear(x, w), x, w), (linear_input_grad(gy, w), gy, w.T), (linear_weight_grad(gy, x), x.T, gy)):
            a, b = a.astype("f8"), b.astype("f8")
            assert np.all(np.abs(result - a @ b) <= bound * (np.abs(a) @ np.abs(b)))


def test_a_denied_algorithm_does_no_matrix_products():
    x, w, *_ = operands((256, 300, 200), "float32")
    with fc.config(deny=NAMES):
        np.testing.assert_array_equal(linear(x, w), x @ w)


def test_an_algorithm_taken_out_of_the_registry_does_no_more_matrix_products(monkeypatch):
    x, w, *_ = operands((256, 300, 200), "float32")
    expected = linear(x, w)
    # A copy of the registry, whose order `register` would not bring back.
    monkeypatch.setattr(registry, "_algorithms", {a.name: a for a in registry.registered()})
    monkeypatch.setattr(registry, "_generation", registry.generation())
    for name in NAMES:
        registry.unregister(name)
    np.testing.assert_array_equal(linear(x, w), expected)
