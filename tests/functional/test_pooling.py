"""Pooling and its gradients against float64 loops: every window, memory format, dtype and instruction set."""

import itertools
import sys
import zlib

import numpy as np
import pytest

import fastconv as fc
from fastconv import functional as F
from fastconv.kernels import cpu
from functional import pooling_oracle as oracle
from harness import HIGHEST, place
from subprocesses import TESTS, assert_succeeded, python

DTYPES, MEMORY_FORMATS = ("float32", "float64"), ("nchw", "nhwc")

# x's shape and the windows. Channels around the vector lengths, planes in rows of any length.
SLIDING = {
    "2x2": ((2, 17, 8, 10), {"kernel_size": 2}),
    "2x2, rows of 1": ((3, 5, 4, 2), {"kernel_size": 2}),
    "2x2, rows of 4": ((3, 7, 8, 8), {"kernel_size": 2}),
    "2x2, rows of 8": ((2, 3, 6, 16), {"kernel_size": 2}),
    "2x2, rows of 16": ((1, 3, 4, 32), {"kernel_size": 2}),
    "2x2, rows of 28": ((1, 3, 4, 56), {"kernel_size": 2}),
    "2x2, odd image": ((2, 3, 7, 33), {"kernel_size": 2}),
    "2x2, odd image, rows of 4": ((2, 19, 9, 9), {"kernel_size": 2}),
    "2x2, ceil": ((2, 16, 7, 33), {"kernel_size": 2, "ceil_mode": True}),
    "2x2, stride 1": ((2, 33, 5, 6), {"kernel_size": 2, "stride": 1}),
    "2x2, stride 3": ((1, 4, 10, 11), {"kernel_size": 2, "stride": 3}),
    "2x2, padding": ((1, 16, 6, 7), {"kernel_size": 2, "padding": 1}),
    "3x3, stride 2": ((2, 65, 11, 12), {"kernel_size": 3, "stride": 2, "padding": 1}),
    "3x3, stride 2, ceil": ((2, 3, 12, 11), {"kernel_size": 3, "stride": 2, "ceil_mode": True}),
    "3x3, stride 2, padding, ceil": ((1, 35, 8, 9), {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    "3x3, stride 1": ((1, 20, 6, 5), {"kernel_size": 3, "stride": 1, "padding": 1}),
    "3x2, stride 2x1": ((2, 3, 9, 7), {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 0)}),
    "5x5": ((1, 130, 13, 9), {"kernel_size": 5, "stride": 3, "padding": 2}),
    "1x1": ((2, 3, 4, 5), {"kernel_size": 1}),
    "1x1, stride 2": ((2, 3, 4, 5), {"kernel_size": 1, "stride": 2}),
    "whole image": ((3, 18, 7, 7), {"kernel_size": 7}),
    "one pixel": ((2, 3, 1, 1), {"kernel_size": 1}),
    "one row": ((1, 16, 1, 9), {"kernel_size": (1, 3), "stride": 2}),
    "one column": ((1, 16, 9, 1), {"kernel_size": (3, 1), "stride": 2, "padding": (1, 0)}),
    "several strips": ((1, 3, 90, 61), {"kernel_size": 3, "stride": 2, "padding": 1}),
    "over 255 taps": ((1, 5, 20, 21), {"kernel_size": (16, 17), "stride": 2, "padding": (3, 8)}),
    "empty batch": ((0, 3, 6, 6), {"kernel_size": 2}),
}
DILATED = {
    "dilation": ((2, 17, 9, 11), {"kernel_size": 3, "stride": 1, "padding": 2, "dilation": 2}),
    "dilation 2x3": ((1, 5, 12, 13), {"kernel_size": (3, 2), "stride": 2, "padding": (2, 1), "dilation": (2, 3)}),
    "dilation, ceil": ((1, 4, 10, 10), {"kernel_size": 2, "stride": 3, "dilation": 3, "ceil_mode": True}),
}
ADAPTIVE = {
    "to 1": ((2, 19, 5, 7), 1),
    "to 1x2": ((2, 3, 6, 6), (1, 2)),
    "dividing": ((2, 33, 8, 12), (4, 6)),
    "not dividing": ((2, 17, 7, 10), (3, 4)),
    "enlarging": ((1, 5, 3, 4), (5, 7)),
    "kept": ((1, 3, 4, 5), (None, 2)),
    "over 255 taps": ((1, 3, 35, 37), (2, 2)),
    "empty batch": ((0, 3, 7, 7), 2),
}


def pairs(value):
    return value if isinstance(value, tuple) else (value, value)


def sliding_windows(shape, options, **more):
    kernel = options["kernel_size"]
    values = [pairs(options.get(name, default)) for name, default in (("stride", kernel), ("padding", 0), ("dilation", 1))]
    stay = {"ceil_mode": options.get("ceil_mode", False), **more}
    return [oracle.sliding(size, *axis, **stay) for size, *axis in zip(shape[2:], pairs(kernel), *values, strict=True)]


def adaptive_windows(shape, output_size):
    return [oracle.adaptive(n, n if m is None else m) for n, m in zip(shape[2:], pairs(output_size), strict=True)]


def integers(shape, dtype, seed=""):
    """Few different values: many ties, and sums that are exact."""
    return np.random.default_rng(zlib.crc32(f"{shape} {seed}".encode())).integers(-3, 4, shape).astype(dtype)


def gaussian(shape, dtype):
    return np.random.default_rng(zlib.crc32(f"{shape}".encode())).standard_normal(shape).astype(dtype)


def is_in_format(a, memory_format):
    return (a if memory_format == "nchw" else a.transpose(0, 2, 3, 1)).flags.c_contiguous


def over_forms(table):
    return pytest.mark.parametrize(
        ("shape", "options", "dtype", "memory_format"),
        [pytest.param(*case, *form, id=f"{name}-{'-'.join(form)}")
         for (name, case), form in itertools.product(table.items(), itertools.product(DTYPES, MEMORY_FORMATS))],
    )  # fmt: skip


every_isa = pytest.mark.parametrize("isa", cpu.available(), indirect=True)


# -- max ----------------------------------------------------------------------------------------------------------------------


def check_max(shape, dtype, memory_format, windows, forward, with_taps, backward):
    x, gy = integers(shape, dtype), integers((*shape[:2], *map(len, windows)), dtype, "gy")
    y, index = oracle.max_pool(x, *windows)
    px = place(x, memory_format)
    result, indices = forward(px, return_indices=True)
    np.testing.assert_array_equal(result, y)
    np.testing.assert_array_equal(indices, index)
    assert result.dtype == dtype and indices.dtype == np.int64 and is_in_format(result, memory_format)
    np.testing.assert_array_equal(forward(px), y)
    np.testing.assert_array_equal(forward(px, activation="relu"), np.maximum(y, 0))
    again, taps = with_taps(px)
    np.testing.assert_array_equal(again, y)
    assert is_in_format(taps, memory_format)
    pgy = place(gy, memory_format)
    dx = backward(pgy, taps, shape, memory_format=memory_format)
    np.testing.assert_array_equal(dx, oracle.max_pool_grad(gy, index, shape))
    assert dx.dtype == dtype and is_in_format(dx, memory_format)
    relu, taps = with_taps(px, activation="relu")
    dx = backward(pgy, taps, shape, y=relu, activation="relu", memory_format=memory_format)
    np.testing.assert_array_equal(dx, oracle.max_pool_grad(gy * (y > 0), index, shape))


@every_isa
@over_forms(SLIDING | DILATED)
def test_max_pooling_is_exact(isa, shape, options, dtype, memory_format):
    check_max(
        shape, dtype, memory_format, sliding_windows(shape, options), lambda x, **more: F.max_pool2d(x, **options, **more),
        lambda x, **more: F.max_pool2d_with_taps(x, **options, **more),
        lambda gy, taps, x_shape, **more: F.max_pool2d_grad(gy, taps, x_shape, **options, **more),
    )  # fmt: skip


@every_isa
@over_forms(ADAPTIVE)
def test_adaptive_max_pooling_is_exact(isa, shape, options, dtype, memory_format):
    check_max(
        shape, dtype, memory_format, adaptive_windows(shape, options),
        lambda x, **more: F.adaptive_max_pool2d(x, options, **more),
        lambda x, **more: F.adaptive_max_pool2d_with_taps(x, options, **more), F.adaptive_max_pool2d_grad,
    )  # fmt: skip


@every_isa
@over_forms(SLIDING | DILATED)
def test_non_finite_values_survive_max_pooling(isa, shape, options, dtype, memory_format):
    x = gaussian(shape, dtype)
    rng = np.random.default_rng(0)
    for value in (np.nan, np.inf, -np.inf):
        x[rng.random(shape) < 0.1] = value
    x[:, 0] = -np.inf
    y, index = oracle.max_pool(x, *sliding_windows(shape, options))
    result, indices = F.max_pool2d(place(x, memory_format), **options, return_indices=True)
    np.testing.assert_array_equal(result, y)
    np.testing.assert_array_equal(indices, index)
    relu = F.max_pool2d(place(x, memory_format), **options, activation="relu")
    np.testing.assert_array_equal(relu, np.where(y < 0, 0, y))
    # A gradient that is not finite goes to the one pixel and spoils no other.
    gy = np.where(rng.random(y.shape) < 0.2, np.inf, 1.0).astype(dtype)
    taps = F.max_pool2d_with_taps(place(x, memory_format), **options)[1]
    dx = F.max_pool2d_grad(place(gy, memory_format), taps, shape, **options)
    np.testing.assert_array_equal(dx, oracle.max_pool_grad(gy, index, shape))


@pytest.mark.parametrize(("taps", "dtype"), [((15, 17), np.uint8), ((16, 16), np.int32)])
def test_taps_take_a_byte_while_they_fit(taps, dtype):
    x = np.zeros((1, 1, 16, 17))
    x[0, 0, taps[0] - 1, taps[1] - 1] = 1
    y, found = F.max_pool2d_with_taps(x, taps, stride=1)
    assert found.dtype == dtype and found[0, 0, 0, 0] == taps[0] * taps[1] - 1
    assert F.max_pool2d_grad(y, found, x.shape, taps, stride=1)[0, 0, taps[0] - 1, taps[1] - 1] == y.sum()


# -- average ------------------------------------------------------------------------------------------------------------------


def check_average(shape, dtype, memory_format, windows, forward, backward):
    taps = max(len(ys) for ys, _ in windows[0]) * max(len(xs) for xs, _ in windows[1])
    # A sum of so many rounds at most so often, and the quotient once more; the gradient has a quotient a term.
    allowed = (taps + 2) * np.finfo(dtype).eps
    for make in (integers, gaussian):
        x, gy = make(shape, dtype), make((*shape[:2], *map(len, windows)), dtype)
        result = forward(place(x, memory_format))
        assert result.dtype == dtype and is_in_format(result, memory_format)
        assert (abs(result - oracle.avg_pool(x, *windows)) <= allowed * oracle.avg_pool(abs(x), *windows)).all()
        dx = backward(place(gy, memory_format), shape, memory_format=memory_format)
        assert dx.dtype == dtype and is_in_format(dx, memory_format)
        expected, scale = (oracle.avg_pool_grad(g, shape, *windows) for g in (gy, abs(gy)))
        assert (abs(dx - expected) <= allowed * scale).all()


@every_isa
@pytest.mark.parametrize("count_include_pad", [True, False])
@over_forms(SLIDING)
def test_average_pooling(isa, shape, options, dtype, memory_format, count_include_pad):
    more = {"count_include_pad": count_include_pad}
    check_average(
        shape, dtype, memory_format, sliding_windows(shape, options, **more), lambda x: F.avg_pool2d(x, **options, **more),
        lambda gy, x_shape, **form: F.avg_pool2d_grad(gy, x_shape, **options, **more, **form),
    )  # fmt: skip


@every_isa
@over_forms(ADAPTIVE)
def test_adaptive_average_pooling(isa, shape, options, dtype, memory_format):
    check_average(
        shape, dtype, memory_format, adaptive_windows(shape, options), lambda x: F.adaptive_avg_pool2d(x, options),
        F.adaptive_avg_pool2d_grad,
    )  # fmt: skip


@pytest.mark.parametrize("divisor", [1, 5, -3])
@over_forms({name: SLIDING[name] for name in ("2x2", "2x2, rows of 4", "3x3, stride 2", "2x2, ceil")})
def test_average_pooling_with_a_divisor_of_ones_own(shape, options, dtype, memory_format, divisor):
    windows = [[(inside, 1) for inside, _ in axis] for axis in sliding_windows(shape, options)]
    more = {"divisor_override": divisor}
    check_average(
        shape, dtype, memory_format, windows, lambda x: F.avg_pool2d(x, **options, **more) * divisor,
        lambda gy, x_shape, **form: F.avg_pool2d_grad(gy, x_shape, **options, **more, **form) * divisor,
    )  # fmt: skip


@pytest.mark.parametrize("shape", [(3, 18, 7, 7), (2, 3, 1, 1), (1, 65, 9, 33), (2, 5, 41, 40), (0, 3, 4, 4)])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("memory_format", MEMORY_FORMATS)
@every_isa
def test_global_average_pooling(isa, shape, dtype, memory_format):
    check_average(
        shape, dtype, memory_format, adaptive_windows(shape, 1), F.global_avg_pool2d, F.global_avg_pool2d_grad
    )  # fmt: skip


def test_the_mean_of_a_large_float32_image_is_accurate():
    x = np.random.default_rng(0).uniform(0.9, 1.1, (1, 2, 500, 501)).astype(np.float32)
    for a in (x, place(x, "nhwc")):
        np.testing.assert_allclose(F.global_avg_pool2d(a)[0, :, 0, 0], x.mean((0, 2, 3), dtype=float), rtol=2e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@over_forms(SLIDING)
def test_averages_spread_non_finite_values_to_their_windows_only(shape, options, dtype, memory_format, value):
    x = np.ones(shape, dtype)
    x[-1:, -1, shape[2] // 2, shape[3] // 2] = value
    result = F.avg_pool2d(place(x, memory_format), **options)
    np.testing.assert_array_equal(np.isfinite(result), np.isfinite(oracle.avg_pool(x, *sliding_windows(shape, options))))


# -- threads, memory ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("memory_format", MEMORY_FORMATS)
@pytest.mark.parametrize("options", [{"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "padding": 1}, {"kernel_size": 64}])
@pytest.mark.parametrize("shape", [(1, 33, 64, 64), (5, 20, 64, 64), (1, 2, 257, 256)])
def test_threads_give_the_same_bits(shape, options, memory_format):
    x = place(gaussian(shape, "float32"), memory_format)

    def everything():
        y, taps = F.max_pool2d_with_taps(x, **options)
        mean = F.avg_pool2d(x, **options)
        dx = F.max_pool2d_grad(mean, taps, x.shape, **options, memory_format=memory_format)
        return y, taps, mean, dx, F.avg_pool2d_grad(mean, x.shape, **options, memory_format=memory_format)

    with fc.num_threads(1):
        expected = everything()
    for n in (2, 3):
        with fc.num_threads(n):
            for _ in range(2):
                for a, b in zip(everything(), expected, strict=True):
                    np.testing.assert_array_equal(a, b)


@pytest.mark.skipif(sys.platform == "win32", reason="needs mprotect")
@pytest.mark.parametrize("isa", cpu.available())
def test_stays_within_its_arrays(isa):
    process = python("-X", "faulthandler", TESTS / "functional" / "guarded_pooling.py", isa, "all" if isa == HIGHEST else "few")
    assert_succeeded(process)
    assert "survived" in process.stdout


def with_holes(a):
    wide = np.zeros((*a.shape[:3], a.shape[3] * 2), a.dtype)
    wide[..., ::2] = a
    return wide[..., ::2]


LAYOUTS = {
    "with holes": with_holes,
    "reversed": lambda a: a[:, ::-1, ::-1, ::-1].copy()[:, ::-1, ::-1, ::-1],
    "byte-swapped": lambda a: a.astype(a.dtype.newbyteorder()),
    "broadcast": lambda a: np.broadcast_to(a, a.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_arrays_of_any_strides(layout):
    x, gy = integers((2, 5, 9, 8), "float32"), integers((2, 5, 5, 4), "float32")
    options = {"kernel_size": 3, "stride": 2, "padding": 1}
    (y, taps), mean = F.max_pool2d_with_taps(x, **options), F.avg_pool2d(x, **options)
    np.testing.assert_array_equal(F.max_pool2d(layout(x), **options), y)
    np.testing.assert_array_equal(F.avg_pool2d(layout(x), **options), mean)
    dx = F.max_pool2d_grad(gy, taps, x.shape, **options, y=y, activation="relu")
    # Each of the three comes in the format of its own.
    for a, b in ((layout(gy), place(y, "nhwc")), (place(gy, "nhwc"), layout(y))):
        result = F.max_pool2d_grad(a, layout(taps) if taps.dtype.isnative else taps, x.shape, **options, y=b, activation="relu")
        np.testing.assert_array_equal(result, dx)


# -- refusals -----------------------------------------------------------------------------------------------------------------

X, VALUE, TYPE = np.zeros((2, 4, 7, 6), "f4"), fc.InvalidArgumentError, fc.InvalidTypeError
GY, TAPS = np.zeros((2, 4, 3, 3), "f4"), np.zeros((2, 4, 3, 3), "u1")

REFUSED = {
    "x a list": (F.max_pool2d, ([[1.0]], 2), {}, TYPE, "x: got list"),
    "x 3-D": (F.max_pool2d, (X[0], 2), {}, VALUE, "x: got 3 dimension"),
    "x int": (F.avg_pool2d, (X.astype(int), 2), {}, TYPE, "x: dtype int64"),
    "x masked": (F.avg_pool2d, (np.ma.zeros(X.shape), 2), {}, TYPE, "x: got a masked array"),
    "x without channels": (F.max_pool2d, (X[:, :0], 2), {}, VALUE, r"x: got shape \(2, 0, 7, 6\)"),
    "x without pixels": (F.global_avg_pool2d, (X[..., :0],), {}, VALUE, r"x: got shape \(2, 4, 7, 0\)"),
    "kernel 0": (F.max_pool2d, (X, 0), {}, VALUE, "kernel_size: got 0"),
    "kernel a float": (F.max_pool2d, (X, 2.0), {}, TYPE, "kernel_size: got 2.0"),
    "kernel of 3": (F.max_pool2d, (X, (1, 2, 3)), {}, VALUE, "kernel_size: got"),
    "kernel larger than the image": (F.max_pool2d, (X, 7), {}, VALUE, "kernel_size: the window spans 7 pixels of width"),
    "kernel huge": (F.avg_pool2d, (X, 2**20), {"padding": 2**19}, VALUE, "kernel_size: .* too large"),
    "stride 0": (F.max_pool2d, (X, 2), {"stride": (1, 0)}, VALUE, "stride: got 0"),
    "padding negative": (F.avg_pool2d, (X, 2), {"padding": -1}, VALUE, "padding: got -1"),
    "padding over half": (F.max_pool2d, (X, 3), {"padding": (1, 2)}, VALUE, "padding: got 2 along the width, more than half"),
    "average padding over half": (F.avg_pool2d, (X, 2), {"padding": 2}, VALUE, "padding: got 2 along the height"),
    "padding in sides": (F.max_pool2d, (X, 3), {"padding": ((1, 0), (0, 1))}, TYPE, "padding: got"),
    "dilation 0": (F.max_pool2d, (X, 2), {"dilation": 0}, VALUE, "dilation: got 0"),
    "windows between pixels": (F.max_pool2d, (X[:, :, :1], 2), {"dilation": 4, "padding": 2}, VALUE, "dilation: got 4"),
    "ceil_mode": (F.max_pool2d, (X, 2), {"ceil_mode": 1}, TYPE, "ceil_mode: got 1"),
    "count_include_pad": (F.avg_pool2d, (X, 2), {"count_include_pad": None}, TYPE, "count_include_pad: got None"),
    "divisor 0": (F.avg_pool2d, (X, 2), {"divisor_override": 0}, VALUE, "divisor_override: got 0"),
    "divisor a float": (F.avg_pool2d, (X, 2), {"divisor_override": 2.0}, TYPE, "divisor_override: got 2.0"),
    "activation": (F.max_pool2d, (X, 2), {"activation": "tanh"}, VALUE, "activation: got 'tanh'"),
    "output 0": (F.adaptive_avg_pool2d, (X, 0), {}, VALUE, "output_size: got 0"),
    "output a float": (F.adaptive_max_pool2d, (X, 1.5), {}, TYPE, "output_size: got 1.5"),
    "output of 3": (F.adaptive_avg_pool2d, (X, (1, 2, 3)), {}, VALUE, "output_size: got"),
    "gy of other shape": (F.max_pool2d_grad, (GY[1:], TAPS, X.shape, 2), {}, VALUE, r"gy: got shape \(1, 4, 3, 3\)"),
    "gy int": (F.avg_pool2d_grad, (GY.astype(int), X.shape, 2), {}, TYPE, "gy: dtype int64"),
    "gy of other channels": (F.adaptive_avg_pool2d_grad, (GY[:, 1:], X.shape), {}, VALUE, "gy: got shape"),
    "taps of other shape": (F.max_pool2d_grad, (GY, TAPS[1:], X.shape, 2), {}, VALUE, "taps: got shape"),
    "taps of other dtype": (F.max_pool2d_grad, (GY, TAPS.astype(int), X.shape, 2), {}, TYPE, "taps: dtype int64, exp"),
    "taps a list": (F.max_pool2d_grad, (GY, [0], X.shape, 2), {}, TYPE, "taps: got list"),
    "relu without y": (F.max_pool2d_grad, (GY, TAPS, X.shape, 2), {"activation": "relu"}, VALUE, "y: the gradient of a ReLU"),
    "y of other dtype": (
        F.max_pool2d_grad, (GY, TAPS, X.shape, 2), {"activation": "relu", "y": GY.astype("f8")}, TYPE, "y: dtype float64",
    ),
    "x_shape of 3": (F.avg_pool2d_grad, (GY, (4, 7, 6), 2), {}, VALUE, r"x_shape: got \(4, 7, 6\)"),
    "x_shape without channels": (F.global_avg_pool2d_grad, (GY, (2, 0, 7, 6)), {}, VALUE, "x_shape: got 0"),
    "memory_format": (F.avg_pool2d_grad, (GY, X.shape, 2), {"memory_format": "chwn"}, VALUE, "memory_format: got 'chwn'"),
}  # fmt: skip


@pytest.mark.parametrize(("function", "arguments", "options", "kind", "message"), REFUSED.values(), ids=REFUSED)
def test_bad_arguments_raise_one_clear_error(function, arguments, options, kind, message):
    with pytest.raises(kind, match=message) as caught:
        function(*arguments, **options)
    assert isinstance(caught.value, fc.FastconvError)
