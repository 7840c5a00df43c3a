"""Stages whose arithmetic is compiled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import InvalidArgumentError
from ..kernels import cpu
from ..threads import team
from .transformation import Transformation

__all__ = ["CompiledTransformation", "are_compiled", "descend"]


class CompiledTransformation(Transformation):
    """A stage of kernels/update.h, by the name of its `operation`; `coefficients` are its numbers.

    A chain of nothing else is one compiled pass over each parameter; beside others it is called block by block as they are.
    """

    operation: str

    def coefficients(self, step: int) -> tuple[float, ...]:
        raise NotImplementedError

    def apply(
        self,
        update: np.ndarray,
        data: np.ndarray,
        state: Sequence[np.ndarray],
        coefficients: Any,
        out: np.ndarray,
        work: np.ndarray,
    ) -> np.ndarray:
        # The stage before may be anybody's.
        update = np.ascontiguousarray(update, data.dtype)
        if update.shape != data.shape:
            raise InvalidArgumentError(f"transformations: an update has shape {update.shape}, expected {data.shape}")
        cpu.kernels().update(update, data, [(self.operation, coefficients, state)], 0.0, out, 1)
        return out


def are_compiled(transformations: Sequence[Transformation]) -> bool:
    """Whether all of these do what their `operation` says; a subclass may have an `apply` of its own."""
    return all(type(transformation).apply is CompiledTransformation.apply for transformation in transformations)


def descend(
    data: np.ndarray,
    gradient: np.ndarray,
    transformations: Sequence[CompiledTransformation],
    step: int,
    arrays: Sequence[Sequence[np.ndarray]],
    lr: float,
) -> None:
    """data -= lr times what the stages make of the gradient, in one pass; all arrays are contiguous and of one size."""
    stages = [(t.operation, t.coefficients(step), state) for t, state in zip(transformations, arrays, strict=True)]
    cpu.kernels().update(gradient, data, stages, lr, None, team(data.size))
