"""Upsampling and its gradient against float64 loops over outputs."""

import itertools
import math
import zlib

import numpy as np
import pytest

import fastconv as fc
from fastconv import functional as F
from fastconv.kernels import cpu
from harness import place

CASES = {
    "twice": ((2, 17, 5, 8), {"scale_factor": 2}),
    "twice, rows of 3": ((1, 3, 7, 3), {"scale_factor": 2}),
    "twice, rows of 16": ((1, 5, 3, 16), {"scale_factor": 2}),
    "2x3": ((1, 33, 4, 3), {"scale_factor": (2, 3)}),
    "49": ((1, 2, 1, 2), {"scale_factor": 49}),
    "1.5": ((2, 65, 6, 7), {"scale_factor": 1.5}),
    "smaller": ((1, 16, 9, 8), {"scale_factor": 0.4}),
    "rounded down": ((1, 3, 5, 5), {"scale_factor": (1.3, 2.1)}),
    "to 7x5": ((1, 20, 3, 4), {"size": (7, 5)}),
    "to 6": ((2, 3, 3, 2), {"size": 6}),
    "to 1": ((1, 4, 3, 3), {"size": 1}),
    "kept": ((1, 4, 3, 5), {"size": (3, 5)}),
    "one pixel": ((3, 5, 1, 1), {"size": (3, 2)}),
    "several strips": ((1, 3, 40, 61), {"scale_factor": 2}),
    "empty batch": ((0, 3, 4, 4), {"scale_factor": 2}),
}
MODES = (("nearest", False), ("bilinear", False), ("bilinear", True))


def weights_of_axis(size, options, axis, mode, align_corners):
    """Matrix (out, size): what each output takes of each pixel."""
    pair = lambda v: v if isinstance(v, tuple) else (v, v)  # noqa: E731
    if "size" in options:
        out = pair(options["size"])[axis]
        factor = out / size
    else:
        factor = pair(options["scale_factor"])[axis]
        out = math.floor(size * factor)
    weights = np.zeros((out, size))
    for i in range(out):
        if mode == "nearest":
            weights[i, min(i * size // out if "size" in options else math.floor(i / factor), size - 1)] = 1
            continue
        aligned = i * (size - 1) / max(out - 1, 1)
        at = aligned if align_corners else max((i + 0.5) / factor - 0.5, 0)
        low = min(math.floor(at), size - 1)
        weights[i, low] += 1 - min(at - low, 1)
        weights[i, min(low + 1, size - 1)] += min(at - low, 1)
    return weights


@pytest.mark.parametrize("isa", cpu.available(), indirect=True)
@pytest.mark.parametrize(("mode", "align_corners"), MODES)
@pytest.mark.parametrize("memory_format", ["nchw", "nhwc"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shape", "options"), CASES.values(), ids=CASES)
def test_upsampling_and_its_gradient(isa, shape, options, dtype, memory_format, mode, align_corners):
    rows, cols = (weights_of_axis(shape[2 + axis], options, axis, mode, align_corners) for axis in (0, 1))
    rng = np.random.default_rng(zlib.crc32(str(shape).encode()))
    x = rng.standard_normal(shape).astype(dtype)
    gy = rng.integers(-4, 5, (*shape[:2], len(rows), len(cols))).astype(dtype)
    y = F.upsample2d(place(x, memory_format), **options, mode=mode, align_corners=align_corners)
    dx = F.upsample2d_grad(
        place(gy, memory_format), shape, **options, mode=mode, align_corners=align_corners, memory_format=memory_format
    )
    for result, a, b, c in ((y, rows, x, cols), (dx, rows.T, gy, cols.T)):
        assert result.dtype == dtype
        assert (result.transpose(0, 2, 3, 1) if memory_format == "nhwc" else result).flags.c_contiguous
        expected, scale = a @ b.astype(float) @ c.T, a @ abs(b).astype(float) @ c.T
        terms = 2 + (a > 0).sum(1).max() * (c > 0).sum(1).max()
        assert (abs(result - expected) <= terms * np.finfo(dtype).eps * scale).all()
    if mode == "nearest":
        np.testing.assert_array_equal(y, rows @ x.astype(float) @ cols.T)
        np.testing.assert_array_equal(dx, rows.T @ gy.astype(float) @ cols)


def test_nearest_copies_non_finite_values_to_their_own_outputs():
    x = np.ones((2, 3, 4, 5), np.float32)
    x[0, 0, 1, 2], x[1, 2, 3, 4] = np.nan, -np.inf
    for a, options in itertools.product((x, place(x, "nhwc")), ({"scale_factor": 2}, {"size": (7, 9)})):
        y = F.upsample2d(a, **options)
        rows, cols = np.arange(y.shape[2]) * 4 // y.shape[2], np.arange(y.shape[3]) * 5 // y.shape[3]
        np.testing.assert_array_equal(y, x[:, :, rows][..., cols])


@pytest.mark.parametrize("memory_format", ["nchw", "nhwc"])
@pytest.mark.parametrize(("mode", "align_corners"), MODES)
@pytest.mark.parametrize("scale", [2, 1.7])
def test_threads_give_the_same_bits(scale, mode, align_corners, memory_format):
    x = place(np.random.default_rng(0).standard_normal((1, 20, 61, 60)).astype("f4"), memory_format)
    options = {"scale_factor": scale, "mode": mode, "align_corners": align_corners}
    results = []
    for n in (1, 2, 3, 2):
        with fc.num_threads(n):
            y = F.upsample2d(x, **options)
            results.append((y, F.upsample2d_grad(y, x.shape, **options)))
    for y, dx in results[1:]:
        np.testing.assert_array_equal(y, results[0][0])
        np.testing.assert_array_equal(dx, results[0][1])


X, VALUE, TYPE = np.zeros((1, 2, 3, 4)), fc.InvalidArgumentError, fc.InvalidTypeError
REFUSED = {
    "x a list": ({"x": [1.0], "size": 2}, TYPE, "x: got list"),
    "neither": ({}, VALUE, "size, scale_factor: got None and None"),
    "both": ({"size": 2, "scale_factor": 2}, VALUE, "size, scale_factor: got 2 and 2"),
    "size 0": ({"size": 0}, VALUE, "size: got 0"),
    "size a float": ({"size": 2.0}, TYPE, "size: got 2.0"),
    "size of 3": ({"size": (1, 2, 3)}, VALUE, "size: got"),
    "scale 0": ({"scale_factor": 0}, VALUE, "scale_factor: got 0"),
    "scale NaN": ({"scale_factor": math.nan}, VALUE, "scale_factor: got nan"),
    "scale a bool": ({"scale_factor": True}, TYPE, "scale_factor: got True"),
    "scale of 3": ({"scale_factor": (1, 2, 3)}, VALUE, "scale_factor: got"),
    "nothing left": ({"scale_factor": 0.3}, VALUE, "scale_factor: 0.3 makes 0 pixels of 3"),
    "huge": ({"scale_factor": 1e300}, VALUE, "scale_factor: 1e.300 makes"),
    "mode": ({"size": 2, "mode": "bicubic"}, VALUE, "mode: got 'bicubic'"),
    "align_corners of nearest": ({"size": 2, "align_corners": True}, VALUE, "align_corners: got True"),
    "align_corners": ({"size": 2, "mode": "bilinear", "align_corners": 1}, TYPE, "align_corners: got 1"),
}


@pytest.mark.parametrize(("options", "kind", "message"), REFUSED.values(), ids=REFUSED)
def test_bad_arguments_raise_one_clear_error(options, kind, message):
    with pytest.raises(kind, match=message) as caught:
        F.upsample2d(**{"x": X} | options)
    assert isinstance(caught.value, fc.FastconvError)


def test_gradients_of_other_shapes_are_refused():
    with pytest.raises(VALUE, match=r"gy: got shape \(1, 2, 3, 4\), expected \(1, 2, 6, 8\)"):
        F.upsample2d_grad(X, X.shape, 2)
    with pytest.raises(VALUE, match=r"x_shape: got \(2, 3\)"):
        F.upsample2d_grad(X, (2, 3), 2)
    with pytest.raises(VALUE, match="memory_format: got 'x'"):
        F.upsample2d_grad(X, X.shape, 1, memory_format="x")
