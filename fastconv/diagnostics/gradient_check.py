"""`gradient_check`: backward's gradients against the slopes of forward."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence

import numpy as np

from ..errors import InvalidArgumentError
from ..nn import Layer
from ..typing import Rng
from .table import Table

__all__ = ["ArrayCheck", "GradientCheck", "gradient_check"]

# An array whose gradient is nothing but rounding (a bias before batch normalisation) is measured by this share of the others'.
_NEGLIGIBLE = 1e-3


@dataclasses.dataclass(frozen=True)
class ArrayCheck:
    """One array: the largest absolute difference, the same relative to the largest gradient, where, and how many were compared.

    `index` is None if it is the slope along the random direction that differs most.
    """

    name: str
    absolute: float
    relative: float
    index: tuple[int, ...] | None
    compared: int
    size: int


@dataclasses.dataclass(frozen=True)
class GradientCheck(Table):
    """What `gradient_check` found; prints as a table, and is true if all gradients agree.

    Attributes
    ----------
    rows : list of ArrayCheck
        The inputs, then the parameters.
    tolerance : float
    """

    rows: list[ArrayCheck]
    tolerance: float

    _headers = ("array", "compared", "absolute", "relative", "at", "")

    @property
    def ok(self) -> bool:
        return all(self._agrees(row) for row in self.rows)

    def __bool__(self) -> bool:
        return self.ok

    def _agrees(self, row):
        # A NaN agrees with nothing.
        return row.relative <= self.tolerance

    def _cells(self):
        return [
            (
                r.name, f"{r.compared} of {r.size}", f"{r.absolute:.1e}", f"{r.relative:.1e}",
                "direction" if r.index is None else str(r.index), "" if self._agrees(r) else "DIFFERS",
            )
            for r in self.rows
        ]  # fmt: skip

    def _remarks(self):
        return [f"gradient check {'passed' if self.ok else 'FAILED'}; relative differences up to {self.tolerance:g} pass"]


def gradient_check(
    layer: Layer,
    x: np.ndarray | Sequence[np.ndarray],
    *,
    eps: float = 1e-6,
    tolerance: float = 1e-6,
    samples: int | None = 50,
    rng: Rng = 0,
) -> GradientCheck:
    """Compare the gradients of any layer or network with central differences, in float64.

    For the loss sum(g * layer(x)) with random g, each gradient is compared with (loss(v + eps) - loss(v - eps)) / (2 eps), one
    element at a time, and along one random direction of all elements together. The difference counts relative to the array's
    largest gradient. The layer itself is left alone: a copy is converted to float64 and run in the layer's own mode; random
    choices (dropout) are the same in all runs.

    Parameters
    ----------
    layer : Layer
    x : ndarray or tuple of ndarray
        The input, or the inputs of a layer that has several. Not at kinks: where a value lies within `eps` of ReLU's zero, or
        two of a pooling window are that close, there is no slope to compare with.
    eps : float
        Step.
    tolerance : float
        Largest relative difference that passes.
    samples : int or None
        Elements of each array to compare, chosen at random; None: all.
    rng : None, int or numpy.random.Generator

    Returns
    -------
    GradientCheck

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> x = np.random.default_rng(0).standard_normal((2, 3, 5, 5))
    >>> bool(fc.diagnostics.gradient_check(fc.nn.Conv2D(4, 3), x))
    True
    """
    rng = np.random.default_rng(rng)
    for name, value in (("eps", eps), ("tolerance", tolerance)):
        if not value > 0:
            raise InvalidArgumentError(f"{name}: got {value!r}, expected a positive number")
    # order="K" keeps the memory format.
    inputs = [np.array(a, np.float64, order="K") for a in (x if isinstance(x, tuple) else (x,))]
    layer = copy.deepcopy(layer)
    shapes = tuple(a.shape for a in inputs)
    layer.build(shapes if len(shapes) > 1 else shapes[0], rng)
    layer.astype(np.float64)
    run = _repeatable(layer, inputs)

    y = run()
    g = _random_like(rng, y)
    given = layer.backward(g)
    arrays = [("input" if len(inputs) == 1 else f"input {i}", a) for i, a in enumerate(inputs)]
    grads = list(given) if isinstance(given, tuple) else [given]
    for parameter in layer.parameters():
        if parameter.trainable:
            arrays.append((parameter.name, parameter.data))
            grads.append(parameter.grad)
    for (name, array), grad in zip(arrays, grads, strict=True):
        if grad is None or grad.shape != array.shape:
            found = "no gradient" if grad is None else f"a gradient of shape {grad.shape}"
            raise InvalidArgumentError(f"{name}: backward gives {found}, expected shape {array.shape}")
    # backward may return arrays that later passes write to.
    grads = [np.array(grad) for grad in grads]

    def loss():
        return float(np.sum(run() * g))

    largest = max((float(np.abs(grad).max()) for grad in grads if grad.size), default=0.0)
    rows = [
        _compare(name, array, grad, loss, eps, samples, rng, _NEGLIGIBLE * largest)
        for (name, array), grad in zip(arrays, grads, strict=True)
    ]
    return GradientCheck(rows, tolerance)


def _repeatable(layer, inputs):
    """A function that runs the layer, each time with the same random numbers."""
    generators = [inside.generator for _, inside in layer.layers_inside() if inside.generator is not None]
    states = [generator.bit_generator.state for generator in generators]

    def run():
        for generator, state in zip(generators, states, strict=True):
            generator.bit_generator.state = state
        return layer.forward(*inputs)

    return run


def _random_like(rng, array):
    values = np.empty_like(array)
    values[...] = rng.standard_normal(array.shape)
    return values


def _compare(name, array, grad, loss, eps, samples, rng, negligible):
    chosen = range(array.size)
    if samples is not None and samples < array.size:
        chosen = np.sort(rng.choice(array.size, samples, replace=False))
    differences = []
    for i in chosen:
        index = tuple(int(v) for v in np.unravel_index(i, array.shape))
        value = array[index]

        def move(step, index=index, value=value):
            array[index] = value + step

        differences.append((abs(_slope(move, loss, eps) - grad[index]), index))
    direction = _random_like(rng, array)
    direction /= max(float(np.sqrt(np.sum(direction**2))), np.finfo(np.float64).tiny)
    before = array.copy(order="K")

    def move_all(step):
        array[...] = before + step * direction

    if array.size:
        differences.append((abs(_slope(move_all, loss, eps) - float(np.sum(grad * direction))), None))
    # NaN first: it agrees with nothing.
    worst, index = max(differences, key=lambda pair: (np.isnan(pair[0]), pair[0]), default=(0.0, None))
    scale = max(float(np.abs(grad).max()) if grad.size else 0.0, negligible)
    relative = float(worst) / scale if scale else float(worst)
    return ArrayCheck(name, float(worst), relative, index, len(chosen), array.size)


def _slope(move, loss, eps):
    move(eps)
    above = loss()
    move(-eps)
    below = loss()
    move(0.0)
    return (above - below) / (2 * eps)
