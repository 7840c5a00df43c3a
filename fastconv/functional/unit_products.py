"""Large matrix products as 1x1 convolutions on matrix units: rows are pixels, columns are channels."""

from __future__ import annotations

import functools

from ..algorithms.registry import generation
from ..algorithms.split import NAMES
from ..kernels import cpu
from ..problem import ConvProblem
from ..selection import get_config, heuristic
from ..threads import get_num_threads
from .convolution import conv2d, conv2d_input_grad, conv2d_weight_grad

__all__ = ["input_grad", "product", "weight_grad"]

# Splitting the weights, which is done for every call, pays from so many rows on, and a call from so many multiply-adds.
_ROWS = 128
_PRODUCTS = 2**23


def product(x, w):
    """x W, or None where the vector units are to do it."""
    (n, depth), columns = x.shape, w.shape[1]
    # With W as weights of `depth` filters over `columns` channels, it is their input gradient: there W is read as it lies.
    name = _algorithm("input_grad", n, columns, depth, x.dtype)
    return name and _matrix(conv2d_input_grad(_image(x), w[..., None, None], (1, columns, 1, n), algorithm=name))


def input_grad(gy, w):
    """gy W^T, or None."""
    n, depth = gy.shape
    name = _algorithm("forward", n, depth, w.shape[0], gy.dtype)
    return name and _matrix(conv2d(_image(gy), w[..., None, None], algorithm=name))


def weight_grad(gy, x):
    """x^T gy, or None."""
    n, columns = gy.shape
    name = _algorithm("weight_grad", n, columns, x.shape[1], x.dtype)
    shape = (x.shape[1], columns, 1, 1)
    return name and conv2d_weight_grad(_image(x), _image(gy), shape, algorithm=name).reshape(shape[:2])


def _algorithm(direction, n, channels, filters, dtype):
    """The fastest algorithm on matrix units that the configuration allows, or None."""
    if cpu.isa() != "amx" or dtype != "float32" or n < _ROWS or n * channels * filters < _PRODUCTS:
        return None
    return _allowed(direction, n, channels, filters, get_config(), get_num_threads(), generation())


# On the number of threads workspaces depend, on the registry's generation which algorithms there are.
@functools.lru_cache(maxsize=256)
def _allowed(direction, n, channels, filters, config, threads, registered):
    shapes = (1, channels, 1, n), (filters, channels, 1, 1)
    problem = ConvProblem.from_shapes(*shapes, direction=direction, memory_format="nhwc")
    eligible = {c.algorithm.name for c in heuristic.judge(problem, config) if c.eligible}
    return next((name for name in reversed(NAMES) if name in eligible), None)


def _image(a):
    return a.reshape(1, 1, *a.shape).transpose(0, 3, 1, 2)


def _matrix(y):
    return y[0, :, 0].T
