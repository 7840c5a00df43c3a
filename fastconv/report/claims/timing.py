"""What the claims time: contenders that all get as many turns, and convolutions by every algorithm."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from ...algorithms import get, names
from ...arrays import empty
from ...functional import plan
from ...selection.race import Timing, race

if TYPE_CHECKING:
    from ...problem import ConvProblem

__all__ = ["convolutions", "fastest", "operands", "timings"]


def timings(calls: Mapping[str, Callable], seconds: float) -> dict[str, Timing]:
    """The library's timing loop, in which the slow stay to the end: their times matter as much as the fastest one's."""
    (name, call), *others = calls.items()
    return race({name: call}, seconds, guests=dict(others))


def fastest(calls: Mapping[str, Callable], seconds: float) -> str:
    """The name of the fastest."""
    timed = race(calls, seconds)
    return min(timed, key=lambda name: timed[name].seconds)


def operands(problem):
    """Input, weights and output of the problem, input and output in its memory format: random numbers, the same each time."""
    rng = np.random.default_rng(0)
    x, w = empty(problem.x_shape, problem.dtype, problem.memory_format), np.empty(problem.w_shape, problem.dtype)
    for array in (x, w):
        array[...] = rng.standard_normal(array.shape)
    return x, w, empty(problem.y_shape, problem.dtype, problem.memory_format)


def convolutions(problem: ConvProblem, algorithms: Iterable[str] | None = None) -> dict[str, Callable]:
    """A call for each algorithm, by default for all that can do the problem, with weights packed before."""
    x, w, out = operands(problem)
    chosen = [name for name in names() if get(name).supports(problem) is None] if algorithms is None else algorithms
    prepared = {name: plan(problem, algorithm=name).prepare(w) for name in chosen}
    return {name: lambda conv=conv: conv(x, out=out) for name, conv in prepared.items()}
