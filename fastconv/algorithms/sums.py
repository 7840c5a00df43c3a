"""How many products the results of a problem sum, and what follows for their errors."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["axis_products", "error", "spread", "terms"]

# Makes a sum that is small by chance (see `spread`) unlikely to be smaller still.
_TAIL = 64


def terms(problem):
    """The most products that one result of a problem sums, those with padding among them."""
    if problem.direction == "weight_grad":
        return _depth(problem) * problem.out_height * problem.out_width
    return _depth(problem) * problem.taps


def error(problem):
    """Error constant of adding the products of one result: n eps / 2 for n of them (Higham, section 3.1)."""
    return terms(problem) / 2 + 2


def axis_products(problem, axis):
    """How many (input pixel, tap, output) triples share each pixel of the result along an axis: an array of integers."""
    size, out = (problem.height, problem.width)[axis], (problem.out_height, problem.out_width)[axis]
    taps = np.arange((problem.kernel_height, problem.kernel_width)[axis]) * problem.dilation[axis]
    pixels = np.arange(out)[:, None] * problem.stride[axis] + taps - problem.padding[axis][0]
    valid = (pixels >= 0) & (pixels < size)
    if problem.direction == "input_grad":
        return np.bincount(pixels[valid], minlength=size)
    return valid.sum(axis=1 if problem.direction == "forward" else 0)


def spread(problem):
    """What the usual |x| conv |w| of results with the most products is to the least of all results, on independent data.

    Errors are about the same all over a tile, while |x| conv |w| shrinks with the number of products a result has: to the
    corners, and further by chance, as the smallest of N sums of n products is about N**(-1/n) of their mean.
    """
    (rows, columns), depth = (axis_products(problem, axis) for axis in (0, 1)), _depth(problem)
    (row_products, of_rows), (column_products, of_columns) = (np.unique(n[n > 0], return_counts=True) for n in (rows, columns))
    products = depth * np.outer(row_products, column_products).astype(float)
    results = math.prod(problem.result_shape[:2]) * np.outer(of_rows, of_columns).astype(float)
    if products.size == 0 or depth == 0 or not results.all():
        return 1.0
    return float(np.max(products.max() / products * (_TAIL * results) ** (1 / products)))


def _depth(problem):
    """Products that one pixel and one tap give a result."""
    if problem.direction == "weight_grad":
        return problem.batch
    return (problem.in_channels if problem.direction == "forward" else problem.out_channels) // problem.groups
