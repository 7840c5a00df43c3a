"""Winograd's matrices: exact in rational arithmetic, and what the kernels apply."""

from fractions import Fraction

import numpy as np
import pytest

import fastconv as fc
from fastconv.algorithms.winograd_matrices import matrices
from fastconv.kernels import cpu
from harness import expected, operands, run, tolerance
from problems import HARD_CASES, problem

# (outputs, taps): the tiles of the algorithms, of their weight gradients, and the two of stride 2.
SIZES = [(2, 3), (4, 3), (6, 3), (2, 5), (4, 5), (4, 2), (2, 4)]
GRADIENTS = [(3, 2), (3, 4), (3, 6), (5, 2), (5, 4)]


def apply(matrix, vector):
    return [sum((a * b for a, b in zip(row, vector, strict=True)), Fraction(0)) for row in matrix]


@pytest.mark.parametrize("m, r", SIZES + GRADIENTS)
def test_the_products_are_the_correlation_exactly(m, r):
    data, kernel, result = matrices(m, r)
    for i in range(m + r - 1):
        for j in range(r):
            pixels = [Fraction(int(t == i)) for t in range(m + r - 1)]
            taps = [Fraction(int(t == j)) for t in range(r)]
            products = [a * b for a, b in zip(apply(data, pixels), apply(kernel, taps), strict=True)]
            assert apply(result, products) == [Fraction(int(t + j == i)) for t in range(m)]


@pytest.mark.parametrize("isa", cpu.available(), indirect=True)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("m, r", SIZES)
def test_the_kernels_apply_these_matrices(isa, m, r, dtype):
    for kind, exact in enumerate(matrices(m, r)):
        exact = np.array([[float(v) for v in row] for row in exact])
        applied = np.full(exact.shape, np.nan, dtype)
        cpu.kernels().winograd_matrix(kind, m, r, applied)
        np.testing.assert_allclose(applied, exact, rtol=8 * np.finfo(dtype).eps, atol=0)


@pytest.mark.parametrize("isa", cpu.available(), indirect=True)
def test_kernels_of_one_tap_come_near_to_the_published_constants(isa):
    """Which are no larger than data needs; the contract tests hold the same results below them."""
    for algorithm in fc.algorithms.registered():
        if algorithm.name.startswith("winograd"):
            worst = []
            for name, text in HARD_CASES.items():
                p = problem(text)
                if name.startswith("one channel") and algorithm.supports(p) is None:
                    data = operands(p, "one tap")
                    exact, scale = expected(p, "one tap")
                    allowed = tolerance(algorithm, p, data, scale=scale)
                    worst.append(np.max(np.abs(run(algorithm, p, data) - exact) / allowed))
            assert not worst or max(worst) > 1 / 6, algorithm.name


def test_stride_2_refuses_what_it_cannot_do():
    algorithm = fc.algorithms.get("winograd4x4_stride2")
    for text, direction, reason in (
        ("1x4x8x8,4x3x3,p1", "forward", "stride"),
        ("1x4x8x8,4x3x3,s2x1,p1", "forward", "stride"),
        ("1x4x9x9,4x3x3,s2,p2,d2", "forward", "dilation"),
        ("1x4x8x8,4x5x5,s2,p2", "forward", "kernel"),
        ("1x4x8x8,4x3x3,s2,p1x0", "input_grad", "padding"),
    ):
        assert reason in algorithm.supports(fc.ConvProblem.parse(text, direction=direction))
    for direction in ("forward", "weight_grad"):
        assert algorithm.supports(fc.ConvProblem.parse("1x4x8x8,4x3x3,s2,p1x0", direction=direction)) is None
