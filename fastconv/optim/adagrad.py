"""Adagrad."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .adagrad_scaling import AdagradScaling
from .optimizer import Optimizer
from .parameters import ParameterLike
from .transformation import Transformation
from .weight_decay import WeightDecay

__all__ = ["Adagrad"]


class Adagrad(Optimizer):
    """Adagrad (Duchi, Hazan and Singer, 2011).

    Parameters
    ----------
    lr_decay, initial_accumulator_value, eps
        See `AdagradScaling`.
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
    >>> optim.Adagrad([p], lr=0.1).step()
    >>> p.data.round(6)
    array([0.9, 1.1])
    """

    def __init__(
        self,
        parameters: Iterable[ParameterLike | Mapping[str, Any]] | float | None = None,
        lr: float = Optimizer.default_lr,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        options = {
            "lr_decay": lr_decay,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "eps": eps,
        }
        super().__init__(parameters, lr, options, maximize=maximize, clip_norm=clip_norm, clip_value=clip_value)

    def transformations(
        self, lr_decay: float, weight_decay: float, initial_accumulator_value: float, eps: float
    ) -> Sequence[Transformation]:
        decay = WeightDecay(weight_decay)
        return [*([decay] if decay.decay else []), AdagradScaling(lr_decay, initial_accumulator_value, eps)]
