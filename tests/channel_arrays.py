"""Arrays, oracles and checks for operations on channels."""

import itertools

import numpy as np

from harness import MARGIN, in_format

# Channel counts around the vectors' lanes, planes around them, one pixel, one image, rows of channels.
SHAPES = [
    (2, 3, 5, 7), (1, 64, 4, 4), (4, 17, 1, 1), (2, 1, 33, 33), (3, 35, 3, 3), (1, 16, 45, 3), (70, 130, 1, 2), (7, 35),
    (300, 20),
]  # fmt: skip
FORMATS = ("nchw", "nhwc")
FORMS = list(itertools.product(("float32", "float64"), FORMATS))
# In float32 and float64: a few dozen rounding errors of values near 1.
TOLERANCE = {"float32": 5e-6, "float64": 1e-13}
LINEAR = (None, "relu", "relu6", ("leaky_relu", 0.3))


def placed(a, dtype, memory_format="nchw"):
    """`a` in a dtype and memory format, read-only, at an address aligned to its elements only."""
    copy = in_format(np.empty(a.size + MARGIN, dtype)[MARGIN:], a.shape, memory_format)
    copy[...] = a
    copy.flags.writeable = False
    return copy


def poisoned(shape, dtype, memory_format="nchw"):
    """An array for results, filled with NaN."""
    return in_format(np.full(int(np.prod(shape)), np.nan, dtype), shape, memory_format)


def over(a, shape):
    """A value per channel, shaped to broadcast over `shape`."""
    return np.asarray(a, float).reshape(1, -1, *(1,) * (len(shape) - 2))


def axes_of(shape):
    return (0, *range(2, len(shape)))


def activated(z, activation):
    name, slope = activation if isinstance(activation, tuple) else (activation, 0.01)
    if name is None:
        return z
    return {"relu": np.maximum(z, 0), "relu6": np.clip(z, 0, 6), "leaky_relu": np.where(z < 0, slope * z, z)}[name]


def derivative(z, activation):
    name, slope = activation if isinstance(activation, tuple) else (activation, 0.01)
    if name is None:
        return np.ones_like(z)
    inside = (z > 0) & (z < 6) if name == "relu6" else z > 0
    return np.where(inside, 1.0, slope if name == "leaky_relu" else 0.0)


def away_from_kinks(z):
    """Where an activation's derivative does not hang on the last digits of its argument."""
    return (abs(z) > 1e-4) & (abs(z - 6) > 1e-4)


def numerical_gradient(f, x, weights, step=1e-6):
    """The gradient of sum(weights * f(x)) by central differences."""
    x = np.array(x)
    result = np.empty_like(x)
    for index in np.ndindex(x.shape):
        value = x[index]
        x[index] = value + step
        upper = f(x)
        x[index] = value - step
        result[index] = ((upper - f(x)) * weights).sum() / (2 * step)
        x[index] = value
    return result


def assert_near(actual, expected, dtype, factor=1.0):
    """Within `TOLERANCE`, relative to the larger of 1 and the largest expected value; a NaN is only near a NaN."""
    expected = np.asarray(expected)
    scale = max(1.0, np.nanmax(abs(expected), initial=0))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=factor * TOLERANCE[dtype] * scale)
