"""Runs algorithms through their contract alone, with everything around them poisoned, and holds them to their error bound."""

import functools
import itertools
import math
import zlib

import numpy as np
import pytest

from fastconv import algorithms, reference
from fastconv.algorithms.base import as_activation
from fastconv.kernels import cpu
from problems import DTYPES, MEMORY_FORMATS, problem

# Elements of sentinel before and after every array. Odd, so that arrays start at addresses no vector is aligned to.
MARGIN = 17
SENTINEL = 0xA5
# What `run` is promised about its workspace.
ALIGNMENT = 64
CANARY_BYTES = 256
# Steepest slope of each activation: how much it can enlarge an error of its argument.
STEEPEST = {None: 1, "relu": 1, "relu6": 1, "leaky_relu": 1, "sigmoid": 0.25, "silu": 1.1}
# Rounding errors of the activations themselves, in eps of their value.
ACTIVATION_EPS = 8

HIGHEST = cpu.available()[-1]


def runs(cases, directions=("forward",), isas=None, *, empty=False):
    """pytest parameters (isa, algorithm, text[, direction]): each algorithm on each case it supports, by name.

    Those of a case and direction follow each other, so that the oracle's results are kept while they are needed. Empty batches
    are left out unless `empty`: they are planned, and `Plan` never runs them.
    """
    params = []
    for (name, text), direction in itertools.product(cases.items(), directions):
        if not problem(text).batch and not empty:
            continue
        for isa, algorithm in itertools.product(isas or cpu.available(), algorithms.registered()):
            with cpu.use(isa):
                supported = forms(algorithm, text, direction)
            if supported:
                values = (isa, algorithm.name, text) + ((direction,) if len(directions) > 1 else ())
                slug = "-".join([isa, algorithm.name, name.replace(" ", "_"), *values[3:]])
                params.append(pytest.param(*values, id=slug))
    return params


def forms(algorithm, text, direction="forward"):
    """The problem in each dtype and memory format that the algorithm supports."""
    problems = (problem(text, direction, *form) for form in itertools.product(DTYPES, MEMORY_FORMATS))
    return [p for p in problems if algorithm.supports(p) is None]


def in_supported_form(algorithm, p):
    """The problem, in the dtype and memory format that the algorithm supports if it does not do all."""
    choices = itertools.product((p.dtype, *DTYPES), (p.memory_format, *MEMORY_FORMATS))
    problems = (p.replace(dtype=dtype, memory_format=memory_format) for dtype, memory_format in choices)
    return next(q for q in problems if algorithm.supports(q) is None)


# -- data -------------------------------------------------------------------------------------------------------------


def _gaussian(rng, shape):
    return rng.standard_normal(shape)


def _integers(rng, shape):
    return rng.integers(-4, 5, shape)


def _constant(rng, shape):
    return np.full(shape, rng.uniform(0.5, 2))


def _dynamic_range(rng, shape):
    return rng.choice((-1, 1), shape) * 10 ** rng.uniform(-6, 6, shape)


def _channel_scales(rng, shape):
    return rng.standard_normal(shape) * 10 ** rng.uniform(-4, 4, (1, shape[1], 1, 1))


def _positive(rng, shape):
    return rng.uniform(0, 1, shape)


def _offset(rng, shape):
    return 1000 + rng.standard_normal(shape)


def _cancelling(rng, shape):
    w = rng.standard_normal(shape)
    return w - w.mean(axis=(1, 2, 3), keepdims=True)


def _signs(rng, shape):
    """About one magnitude, the sign that of the row times that of the column."""
    n, c, h, w = shape
    rows, columns = rng.choice((-1, 1), (n, c, h, 1)), rng.choice((-1, 1), (n, c, 1, w))
    return rng.uniform(1, 1.2, shape) * rows * columns


def _one_tap(rng, shape):
    """One value of each kernel is not zero: |x| conv |w| is a single product, while a tile sums those of all its pixels."""
    w = np.zeros((*shape[:2], math.prod(shape[2:])))
    taps = rng.integers(w.shape[2], size=(*shape[:2], 1))
    np.put_along_axis(w, taps, rng.uniform(1, 2, taps.shape), axis=2)
    return w.reshape(shape)


# Kinds of data: how x and gy are drawn, and how w is.
KINDS = {
    "gaussian": (_gaussian, _gaussian),
    "integers": (_integers, _integers),
    "constant": (_constant, _gaussian),
    "constant weights": (_gaussian, _constant),
    "dynamic range": (_dynamic_range, _gaussian),
    "channel scales": (_channel_scales, _channel_scales),
    "positive": (_positive, _positive),
    "cancelling": (_offset, _cancelling),
    "one tap": (_signs, _one_tap),
}


def operands(p, kind="gaussian"):
    """x, w, gy and bias of a problem, read-only, the same in both memory formats and all directions."""
    return _operands(p.replace(direction="forward", memory_format="nchw"), kind)


@functools.lru_cache(maxsize=256)
def _operands(p, kind):
    rng = np.random.default_rng(zlib.crc32(f"{p} {kind}".encode()))
    images, weights = KINDS[kind]
    data = {"x": images(rng, p.x_shape), "w": weights(rng, p.w_shape), "gy": images(rng, p.y_shape)}
    data["bias"] = images(rng, (1, p.out_channels, 1, 1)).reshape(-1)
    for name, a in data.items():
        data[name] = a = a.astype(p.dtype)
        a.flags.writeable = False
    return data


@functools.lru_cache(maxsize=256)
def expected(p, kind, with_bias=False, activation=None):
    """The oracle's result on `operands` and its scale |x| conv |w|."""
    data = dict(_operands(p.replace(direction="forward"), kind))
    if not with_bias:
        del data["bias"]
    return reference.compute(p, **data, activation=activation), reference.scale(p, **data)


# -- memory -----------------------------------------------------------------------------------------------------------


def in_format(flat, shape, memory_format):
    """The elements of a 1-D array as an NCHW-shaped array in a memory format."""
    if memory_format == "nchw" or len(shape) != 4:
        return flat.reshape(shape)
    n, c, h, w = shape
    return flat.reshape(n, h, w, c).transpose(0, 3, 1, 2)


def place(a, memory_format="nchw"):
    """A read-only copy of `a` in a memory format, at an address aligned to its elements only."""
    copy = in_format(np.empty(a.size + MARGIN, a.dtype)[MARGIN:], a.shape, memory_format)
    copy[...] = a
    copy.flags.writeable = False
    return copy


class Poisoned:
    """An array filled with `fill`, `behind` elements from a cache line on, and bytes around it that nobody may touch."""

    def __init__(self, shape, dtype, memory_format, fill, behind):
        size, itemsize = int(np.prod(shape)), np.dtype(dtype).itemsize
        self._bytes = np.full((size + 2 * MARGIN + behind) * itemsize + ALIGNMENT, SENTINEL, np.uint8)
        start = (MARGIN + behind) * itemsize + -(self._bytes.ctypes.data + MARGIN * itemsize) % ALIGNMENT
        self._inside = slice(start, start + size * itemsize)
        self.array = in_format(self._bytes[self._inside].view(dtype), shape, memory_format)
        self.array[...] = fill

    def assert_untouched_outside(self):
        assert (self._bytes[: self._inside.start] == SENTINEL).all(), "wrote before the output"
        assert (self._bytes[self._inside.stop :] == SENTINEL).all(), "wrote behind the output"


class Workspace:
    """Exactly `size` bytes, aligned as promised, with a canary behind them."""

    def __init__(self, size, fill=SENTINEL):
        self._bytes = np.full(size + ALIGNMENT + CANARY_BYTES, fill, np.uint8)
        self._fill = fill
        start = -self._bytes.ctypes.data % ALIGNMENT
        self._stop = start + size
        self.array = self._bytes[start : self._stop]

    def assert_untouched_behind(self):
        assert (self._bytes[self._stop :] == self._fill).all(), "wrote behind the workspace"


# -- running ----------------------------------------------------------------------------------------------------------


def run(algorithm, p, data, *, bias=None, activation=None, poison=np.nan, scratch=SENTINEL, behind=MARGIN):
    """The algorithm's result on the operands in `data`, from poisoned memory with its surroundings checked."""
    if p.direction == "weight_grad":
        first, second = place(data["x"], p.memory_format), place(data["gy"], p.memory_format)
    else:
        first = place(data["x" if p.direction == "forward" else "gy"], p.memory_format)
        second = algorithm.pack(p, place(data["w"]))
    bias = None if bias is None else place(bias)
    output = Poisoned(p.result_shape, p.dtype, "nchw" if p.direction == "weight_grad" else p.memory_format, poison, behind)
    workspace = Workspace(algorithm.workspace(p), scratch)
    algorithm.run(p, first, second, bias, as_activation(activation), output.array, workspace.array)
    output.assert_untouched_outside()
    workspace.assert_untouched_behind()
    return output.array


def shared_scale(p, scale, data):
    """|x| conv |w| for methods that compute in tiles: what a tile's outputs have in common, whatever their own magnitudes.

    Forward and input gradient: the largest of the plane. Weight gradient: a tile also multiplies pixels whose products cancel,
    because no kernel position brings them together; by Cauchy and Schwarz the sum of |x| |gy| over all of them is bounded so.
    """
    if p.direction != "weight_grad":
        return scale.max(axis=(2, 3), keepdims=True, initial=0)
    x, gy = (np.sqrt(np.sum(np.asarray(data[name], np.longdouble) ** 2, axis=(2, 3))) for name in ("x", "gy"))
    n, groups = p.batch, p.groups
    norms = np.einsum("ngk,ngc->gkc", gy.reshape(n, groups, p.out_channels // groups), x.reshape(n, groups, p.w_shape[1]))
    return norms.reshape(*p.w_shape[:2], 1, 1)


def tolerance(algorithm, p, data, *, scale=None, each_output=False):
    """The published bound c * eps * |x| conv |w| on the operands in `data`; `scale` is |x| conv |w| if that is known already.

    An algorithm that is not local in its non-finite values computes in tiles, and one rounding error is shared by the outputs
    of a tile: unless `each_output` is held to its own |x| conv |w|, `shared_scale` takes its place.
    """
    if scale is None:
        scale = reference.scale(p, **data)
    if not algorithm.local_non_finite and not each_output:
        scale = shared_scale(p, scale, data)
    number = np.finfo(p.dtype)
    # The second term is for results near the smallest normal number.
    return algorithm.error(p) * number.eps * scale + 4 * number.tiny


def assert_close(algorithm, p, result, kind="gaussian", *, with_bias=False, activation=None, each_output=False):
    """Holds a result on `operands` to the published error bound."""
    y, scale = expected(p.replace(memory_format="nchw"), kind, with_bias, activation)
    name = activation[0] if isinstance(activation, tuple) else activation
    allowed = tolerance(algorithm, p, operands(p, kind), scale=scale, each_output=each_output) * STEEPEST[name]
    if name is not None:
        allowed = allowed + ACTIVATION_EPS * np.finfo(p.dtype).eps * np.abs(y) + 4 * np.finfo(p.dtype).tiny * (1 + scale)
    difference = np.abs(result - y)
    # Written so that a NaN fails.
    wrong = ~(difference <= allowed)
    if wrong.any():
        at = tuple(np.argwhere(wrong)[0].tolist())
        worst = np.nanmax(difference / allowed) if not np.isnan(difference).all() else np.nan
        raise AssertionError(
            f"{algorithm.name} on {p} ({p.direction}, {p.dtype}, {p.memory_format}), {kind} data: {wrong.sum()} of "
            f"{wrong.size} outputs beyond the bound c={algorithm.error(p):g}, worst by a factor {worst:.3g}; first at {at}: "
            f"{result[at]!r}, expected {y[at]!r}"
        )


def assert_equal(algorithm, p, result, kind="integers", **options):
    """Holds a result on integers to the oracle's, exactly."""
    y, _ = expected(p.replace(memory_format="nchw"), kind, **options)
    message = f"{algorithm.name} on {p} ({p.direction}, {p.dtype}, {p.memory_format})"
    np.testing.assert_array_equal(result, y.astype(p.dtype), err_msg=message)


def is_exact_on_integers(algorithm):
    """An algorithm that only adds products of x and w is local in its non-finite values and exact on small integers alike."""
    return algorithm.local_non_finite
