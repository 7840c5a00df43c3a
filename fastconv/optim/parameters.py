"""What optimizers ask of a parameter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, cast

import numpy as np

__all__ = ["ParameterLike", "with_gradients"]


class ParameterLike(Protocol):
    """A named array and its gradient, as layers have them.

    Two more attributes are optional: a parameter whose `trainable` is False is left alone, and `version` is increased by one
    with every change, so that a layer knows that its weights are new.
    """

    name: str

    @property
    def data(self) -> np.ndarray: ...

    grad: np.ndarray | None


class _HasGradient(ParameterLike, Protocol):
    grad: np.ndarray


def with_gradients(parameters: Iterable[ParameterLike]) -> Iterator[_HasGradient]:
    """The parameters that a step changes: trainable ones that have a gradient."""
    for parameter in parameters:
        if parameter.grad is not None and getattr(parameter, "trainable", True):
            yield cast(_HasGradient, parameter)
