"""Adam."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .adam_scaling import AdamScaling
from .optimizer import Optimizer
from .parameters import ParameterLike
from .transformation import Transformation
from .weight_decay import WeightDecay

__all__ = ["Adam"]


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015), with an L2 penalty if asked for; `AdamW` decouples it.

    Parameters
    ----------
    betas, eps, amsgrad
        See `AdamScaling`.
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
    >>> optimizer = optim.Adam(0.1)
    >>> optimizer.bind([p])
    >>> optimizer.step()
    >>> p.data.round(6)
    array([0.9, 1.1])
    """

    default_lr = 1e-3

    def __init__(
        self,
        parameters: Iterable[ParameterLike | Mapping[str, Any]] | float | None = None,
        lr: float = default_lr,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        options = {"betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad}
        super().__init__(parameters, lr, options, maximize=maximize, clip_norm=clip_norm, clip_value=clip_value)

    def transformations(
        self, betas: tuple[float, float], eps: float, weight_decay: float, amsgrad: bool
    ) -> Sequence[Transformation]:
        decay, scaling = WeightDecay(weight_decay), AdamScaling(betas, eps, amsgrad)
        return [*([decay] if decay.decay else []), scaling]
