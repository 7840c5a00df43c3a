"""Conversion between the memory formats keeps values and shapes."""

import numpy as np
import pytest

import fastconv as fc
from fastconv.functional import to_memory_format
from fastconv.kernels import cpu
from fastconv.problem import memory_format_of

SHAPES = [(2, 3, 5, 7), (1, 16, 4, 4), (3, 17, 1, 9), (2, 64, 8, 8), (1, 1, 3, 3), (0, 3, 2, 2), (2, 5, 1, 1), (1, 33, 67, 3)]


@pytest.mark.parametrize("isa", cpu.available(), indirect=True)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("threads", [1, 2])
def test_there_and_back(isa, shape, dtype, threads):
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    with fc.num_threads(threads):
        there = to_memory_format(x, "channels_last")
        back = to_memory_format(there, "nchw")
    assert there.shape == back.shape == shape
    assert there.transpose(0, 2, 3, 1).flags.c_contiguous
    assert back.flags.c_contiguous
    np.testing.assert_array_equal(there, x)
    np.testing.assert_array_equal(back, x)


def test_large_images_with_threads():
    x = np.random.default_rng(0).standard_normal((2, 48, 61, 59)).astype("f4")
    with fc.num_threads(3):
        np.testing.assert_array_equal(to_memory_format(x, "channels_last"), x)


def test_what_is_so_already_is_not_copied():
    x = np.zeros((2, 3, 4, 5), np.float32)
    assert to_memory_format(x, "nchw") is x
    there = to_memory_format(x, "channels_last")
    assert np.shares_memory(to_memory_format(there, "channels_last"), there)


def test_strided_and_other_dtypes_are_converted():
    x = np.arange(2 * 6 * 4 * 4).reshape(2, 6, 4, 4)
    y = to_memory_format(x[:, ::2, ::-1], "channels_last", np.float32)
    assert (y.dtype, memory_format_of(y)) == (np.float32, "nhwc")
    np.testing.assert_array_equal(y, x[:, ::2, ::-1])


def test_unknown_formats_and_shapes_are_refused():
    for x, memory_format in ((np.zeros((1, 2, 3, 4)), "nhwc"), (np.zeros((2, 3)), "nchw")):
        with pytest.raises(fc.InvalidArgumentError, match="memory_format"):
            to_memory_format(x, memory_format)
