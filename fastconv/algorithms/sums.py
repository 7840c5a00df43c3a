"""How many products the results of a problem sum, and what follows for their errors."""

from __future__ import annotations

import functools
import math

import numpy as np

__all__ = ["TAIL", "axis_products", "axis_range", "depth", "error", "rounding", "spread", "terms"]

# Makes a sum that is small by chance (see `spread`) unlikely to be smaller still.
TAIL = 64


def depth(problem):
    """Products that one pixel and one tap give a result."""
    if problem.direction == "weight_grad":
        return problem.batch
    return (problem.in_channels if problem.direction == "forward" else problem.out_channels) // problem.groups


def terms(problem):
    """The most products that one result of a problem sums, those with padding among them."""
    if problem.direction == "weight_grad":
        return depth(problem) * problem.out_height * problem.out_width
    return depth(problem) * problem.taps


def rounding(operations):
    """Error constant of so many rounded operations behind one another: n eps / 2 for n of them (Higham 2002, section 3.1)."""
    return operations / 2 + 2


def error(problem):
    """Error constant of adding the products of one result, in any order."""
    return rounding(terms(problem))


@functools.lru_cache(maxsize=512)
def axis_products(problem, axis):
    """How many (input pixel, tap, output) triples share each pixel of the result along an axis: a read-only array."""
    size, out = (problem.height, problem.width)[axis], (problem.out_height, problem.out_width)[axis]
    taps = np.arange((problem.kernel_height, problem.kernel_width)[axis]) * problem.dilation[axis]
    pixels = np.arange(out)[:, None] * problem.stride[axis] + taps - problem.padding[axis][0]
    valid = (pixels >= 0) & (pixels < size)
    if problem.direction == "input_grad":
        products = np.bincount(pixels[valid], minlength=size)
    else:
        products = valid.sum(axis=1 if problem.direction == "forward" else 0)
    products.flags.writeable = False
    return products


def axis_range(problem, axis):
    """The fewest and the most of `axis_products`, of pixels that have any; 1 where none has."""
    products = axis_products(problem, axis)
    products = products[products > 0]
    return (int(products.min()), int(products.max())) if products.size else (1, 1)


def spread(problem):
    """What the usual |x| conv |w| of results with the most products is to the least of all results, on independent data.

    Errors are about the same all over a tile, while |x| conv |w| shrinks with the number of products a result has: to the
    corners, and further by chance, as the smallest of N sums of n products is about N**(-1/n) of their mean.
    """
    counts = (axis_products(problem, axis) for axis in (0, 1))
    (row_products, of_rows), (column_products, of_columns) = (np.unique(n[n > 0], return_counts=True) for n in counts)
    products = depth(problem) * np.outer(row_products, column_products).astype(float)
    results = math.prod(problem.result_shape[:2]) * np.outer(of_rows, of_columns).astype(float)
    if products.size == 0 or not products.all() or not results.all():
        return 1.0
    return float(np.max(products.max() / products * (TAIL * results) ** (1 / products)))
