"""Adam with decoupled weight decay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .adam import Adam
from .adam_scaling import AdamScaling
from .parameters import ParameterLike
from .transformation import Transformation
from .weight_decay import WeightDecay

__all__ = ["AdamW"]


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019): parameters also shrink by lr weight_decay a step.

    Parameters
    ----------
    betas, eps, amsgrad
        See `AdamScaling`.
    weight_decay : float
        Not part of the gradient, so the scaling does not touch it.
    parameters, lr, maximize, clip_norm, clip_value
        See `Optimizer`.

    Examples
    --------
    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> from fastconv import optim
    >>> p = SimpleNamespace(name="weight", data=np.ones(2), grad=np.array([1.0, -2.0]))
    >>> optim.AdamW([p], lr=0.1, weight_decay=0.5).step()
    >>> p.data.round(6)
    array([0.85, 1.05])
    """

    def __init__(
        self,
        parameters: Iterable[ParameterLike | Mapping[str, Any]] | float | None = None,
        lr: float = Adam.default_lr,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        super().__init__(
            parameters, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, clip_norm=clip_norm, clip_value=clip_value
        )

    def transformations(
        self, betas: tuple[float, float], eps: float, weight_decay: float, amsgrad: bool
    ) -> Sequence[Transformation]:
        decay, scaling = WeightDecay(weight_decay), AdamScaling(betas, eps, amsgrad)
        return [scaling, *([decay] if decay.decay else [])]
