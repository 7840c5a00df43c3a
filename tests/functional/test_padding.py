"""Padding against numpy.pad, and its gradient against the transpose of what it does."""

import itertools

import numpy as np
import pytest

import fastconv as fc
from fastconv import functional as F
from harness import place

MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge"}
PADDINGS = {
    "none": (0, ((0, 0), (0, 0))),
    "all": (2, ((2, 2), (2, 2))),
    "height and width": ((0, 3), ((0, 0), (3, 3))),
    "sides": (((1, 0), (0, 2)), ((1, 0), (0, 2))),
    "the most": (((3, 3), (4, 4)), ((3, 3), (4, 4))),
}


def over_cases(test):
    for name, values in (("shape", [(2, 3, 4, 5), (0, 3, 4, 5), (1, 17, 5, 6)]), ("dtype", ["f4", "f8"]),
                         ("memory_format", ["nchw", "nhwc"]), ("mode", MODES)):  # fmt: skip
        test = pytest.mark.parametrize(name, values)(test)
    return pytest.mark.parametrize(("padding", "sides"), PADDINGS.values(), ids=PADDINGS)(test)


def is_in_format(a, memory_format):
    return (a if memory_format == "nchw" else a.transpose(0, 2, 3, 1)).flags.c_contiguous


@over_cases
def test_padding(shape, dtype, memory_format, mode, padding, sides):
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    more = {"value": -1.5} if mode == "constant" else {}
    y = F.pad2d(place(x, memory_format), padding, mode, **more)
    expected = np.pad(x, ((0, 0), (0, 0), *sides), MODES[mode], **({"constant_values": -1.5} if more else {}))
    np.testing.assert_array_equal(y, expected)
    assert y.dtype == x.dtype and is_in_format(y, memory_format)


@over_cases
def test_each_gradient_goes_to_the_pixel_that_was_copied(shape, dtype, memory_format, mode, padding, sides):
    _, _, h, w = shape
    # Padding the pixels' own numbers tells where each output came from; the constant counts as none of them.
    source = np.pad(
        np.arange(h * w).reshape(h, w), sides, MODES[mode], **({"constant_values": -1} if mode == "constant" else {})
    )
    gy = np.random.default_rng(1).integers(-4, 5, (*shape[:2], *source.shape)).astype(dtype)
    expected = np.zeros((*shape[:2], h * w))
    for iy, ix in itertools.product(*map(range, source.shape)):
        if source[iy, ix] >= 0:
            expected[:, :, source[iy, ix]] += gy[:, :, iy, ix]
    dx = F.pad2d_grad(place(gy, memory_format), shape, padding, mode, memory_format=memory_format)
    np.testing.assert_array_equal(dx, expected.reshape(shape))
    assert dx.dtype == gy.dtype and is_in_format(dx, memory_format)


@pytest.mark.parametrize("value", [np.nan, np.inf, np.float32(3), 2])
def test_any_number_is_a_margin(value):
    y = F.pad2d(np.zeros((1, 1, 1, 1)), 1, value=value)
    np.testing.assert_array_equal(y[0, 0], [[value] * 3, [value, 0, value], [value] * 3])


X, VALUE, TYPE = np.zeros((1, 2, 3, 4)), fc.InvalidArgumentError, fc.InvalidTypeError
REFUSED = {
    "x a list": ({"x": [1.0]}, TYPE, "x: got list"),
    "x int": ({"x": X.astype(int)}, TYPE, "x: dtype int64"),
    "negative": ({"padding": (0, -1)}, VALUE, "padding: got -1"),
    "a float": ({"padding": 1.0}, TYPE, "padding: got 1.0"),
    "a word": ({"padding": "same"}, TYPE, "padding: got 'same'"),
    "three": ({"padding": (1, 1, 1)}, VALUE, "padding: got"),
    "mode": ({"mode": "wrap"}, VALUE, "mode: got 'wrap'"),
    "value": ({"value": "0"}, TYPE, "value: got '0'"),
    "reflection of all": ({"padding": ((3, 0), (0, 0)), "mode": "reflect"}, VALUE, "padding: got 3 along the height 3"),
}


@pytest.mark.parametrize(("options", "kind", "message"), REFUSED.values(), ids=REFUSED)
def test_bad_arguments_raise_one_clear_error(options, kind, message):
    with pytest.raises(kind, match=message) as caught:
        F.pad2d(**{"x": X, "padding": 1} | options)
    assert isinstance(caught.value, fc.FastconvError)


def test_gradients_of_other_shapes_are_refused():
    with pytest.raises(VALUE, match=r"gy: got shape \(1, 2, 3, 4\), expected \(1, 2, 5, 6\)"):
        F.pad2d_grad(X, X.shape, 1)
    with pytest.raises(VALUE, match="x_shape: got"):
        F.pad2d_grad(X, 3, 1)
