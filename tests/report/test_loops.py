"""The textbook's loops: right results, on every instruction set, whatever the strides; nothing beside is written."""

import numpy as np
import pytest

from fastconv import reference
from fastconv.kernels import cpu
from fastconv.problem import ConvProblem

pytestmark = pytest.mark.parametrize("isa", cpu.available(), indirect=True)
DTYPES = ("float32", "float64")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", ["2x3x7x8,4x3x2", "1x1x3x3,1x3x3", "1x2x9x7,3x1x2,s2x3", "0x2x4x4,3x3x3"])
def test_the_seven_loops_are_a_convolution(isa, shape, dtype):
    problem = ConvProblem.parse(shape, dtype=dtype)
    rng = np.random.default_rng(0)
    x, w = (rng.integers(-4, 5, shape).astype(dtype) for shape in (problem.x_shape, problem.w_shape))
    y = np.full(problem.y_shape, np.nan, dtype)
    cpu.kernels().loops_convolve(problem.geometry, x, w, y)
    np.testing.assert_array_equal(y, reference.forward(problem, x, w))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("columns", [0, 1, 3, 16, 37, 64])
def test_both_loops_multiply_every_element_once(isa, columns, dtype):
    whole = np.arange(3.0 * (columns + 5), dtype=dtype).reshape(3, columns + 5)
    for function in (cpu.kernels().loops_scale, cpu.kernels().loops_scale_vectors):
        x = whole.copy()
        function(x[:, 2 : 2 + columns], 3.0)
        expected = whole.copy()
        expected[:, 2 : 2 + columns] *= 3
        np.testing.assert_array_equal(x, expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_order_of_columns_and_repeated_rows(isa, dtype):
    x = np.arange(35.0, dtype=dtype).reshape(5, 7)
    cpu.kernels().loops_scale(x.T, 2.0)
    np.testing.assert_array_equal(x, 2 * np.arange(35.0).reshape(5, 7))
    row = np.ones(37, dtype)
    again = np.lib.stride_tricks.as_strided(row, (4, 37), (0, row.itemsize))
    cpu.kernels().loops_scale(again, 2.0)
    cpu.kernels().loops_scale_vectors(again, 3.0)
    assert (row == 2**4 * 3**4).all()
