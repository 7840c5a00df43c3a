"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .momentum import Momentum
from .optimizer import Optimizer
from .parameters import ParameterLike
from .transformation import Transformation
from .weight_decay import WeightDecay

__all__ = ["SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum (Polyak, 1964; Sutskever et al., 2013) and L2 penalty if asked for.

    Parameters
    ----------
    momentum, dampening, nesterov
        See `Momentum`.
    weight_decay : float
        L2 penalty: this multiple of the parameter is added to its gradient.
    parameters, lr, maximize, clip_norm, clip_value
        See `Optimizer`.

    Examples
    --------
    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> from fastconv import optim
    >>> p = SimpleNamespace(name="weight", data=np.ones(2), grad=np.array([1.0, -2.0]))
    >>> optimizer = optim.SGD([p], lr=0.1, momentum=0.9)
    >>> optimizer.step()
    >>> optimizer.step()
    >>> p.data
    array([0.71, 1.58])
    """

    def __init__(
        self,
        parameters: Iterable[ParameterLike | Mapping[str, Any]] | float | None = None,
        lr: float = Optimizer.default_lr,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        options = {"momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov}
        super().__init__(parameters, lr, options, maximize=maximize, clip_norm=clip_norm, clip_value=clip_value)

    def transformations(
        self, momentum: float, dampening: float, weight_decay: float, nesterov: bool
    ) -> Sequence[Transformation]:
        decay, velocity = WeightDecay(weight_decay), Momentum(momentum, dampening, nesterov)
        return [*([decay] if decay.decay else []), *([velocity] if velocity.momentum else [])]
