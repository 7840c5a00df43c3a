"""An optimizer of one's own transformations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .optimizer import Optimizer
from .parameters import ParameterLike
from .transformation import Transformation

__all__ = ["Chain", "chain"]


class Chain(Optimizer):
    """An optimizer whose update passes through the given transformations, first to last.

    Parameters
    ----------
    *transformations : Transformation
        `ClipByGlobalNorm` only as the first. None: plain gradient descent.
    parameters, lr
        See `Optimizer`. Groups may differ in ``lr`` only.

    Examples
    --------
    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> from fastconv import optim
    >>> p = SimpleNamespace(name="weight", data=np.ones(2), grad=np.array([3.0, 4.0]))
    >>> optim.chain(optim.ClipByGlobalNorm(1.0), optim.Momentum(0.9), parameters=[p], lr=0.5).step()
    >>> p.data
    array([0.7, 0.6])
    """

    def __init__(
        self,
        *transformations: Transformation,
        parameters: Iterable[ParameterLike | Mapping[str, Any]] | None = None,
        lr: float = Optimizer.default_lr,
    ) -> None:
        self._given = transformations
        super().__init__(parameters, lr, {})

    def transformations(self) -> Sequence[Transformation]:
        return self._given

    def __repr__(self) -> str:
        return f"Chain({', '.join(type(transformation).__name__ for transformation in self._given)}; lr={self.lr!r})"


def chain(
    *transformations: Transformation,
    parameters: Iterable[ParameterLike | Mapping[str, Any]] | None = None,
    lr: float = Optimizer.default_lr,
) -> Chain:
    """The `Chain` of these transformations."""
    return Chain(*transformations, parameters=parameters, lr=lr)
