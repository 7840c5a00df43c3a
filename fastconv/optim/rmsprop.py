"""RMSprop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .momentum import Momentum
from .optimizer import Optimizer
from .parameters import ParameterLike
from .rms_scaling import RMSScaling
from .transformation import Transformation
from .weight_decay import WeightDecay

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """RMSprop (Tieleman and Hinton, 2012), centered (Graves, 2013) and with momentum if asked for.

    Parameters
    ----------
    alpha, eps, centered
        See `RMSScaling`.
    weight_decay : float
        L2 penalty: this multiple of the parameter is added to its gradient.
    momentum : float
        Of the scaled gradients; in [0, 1).
    parameters, lr, maximize, clip_norm, clip_value
        See `Optimizer`.

    Examples
    --------
    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> from fastconv import optim
    >>> p = SimpleNamespace(name="weight", data=np.ones(2), grad=np.array([1.0, -2.0]))
    >>> optim.RMSprop([p], lr=0.01, alpha=0.75).step()
    >>> p.data.round(6)
    array([0.98, 1.02])
    """

    def __init__(
        self,
        parameters: Iterable[ParameterLike | Mapping[str, Any]] | float | None = None,
        lr: float = Optimizer.default_lr,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        options = {"alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum, "centered": centered}
        super().__init__(parameters, lr, options, maximize=maximize, clip_norm=clip_norm, clip_value=clip_value)

    def transformations(
        self, alpha: float, eps: float, weight_decay: float, momentum: float, centered: bool
    ) -> Sequence[Transformation]:
        decay, velocity = WeightDecay(weight_decay), Momentum(momentum)
        return [*([decay] if decay.decay else []), RMSScaling(alpha, eps, centered), *([velocity] if velocity.momentum else [])]
