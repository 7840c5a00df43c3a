"""Clipping of gradients element by element."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from .arguments import above_zero
from .compiled import CompiledTransformation
from .parameters import ParameterLike, with_gradients

__all__ = ["ClipByValue", "clip_grad_value"]


def clip_grad_value(parameters: Iterable[ParameterLike], limit: float) -> None:
    """Limit every element of every gradient to [-limit, limit], in place.

    Parameters
    ----------
    parameters : iterable of parameters
        Those without a gradient, or not trainable, do not change.
    limit : float
        Above 0.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError

    Examples
    --------
    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> from fastconv import optim
    >>> p = SimpleNamespace(grad=np.array([-3.0, 0.5]))
    >>> optim.clip_grad_value([p], 1.0)
    >>> p.grad
    array([-1. ,  0.5])
    """
    limit = above_zero("limit", limit)
    for parameter in with_gradients(parameters):
        np.clip(parameter.grad, -limit, limit, out=parameter.grad)


class ClipByValue(CompiledTransformation):
    """Limits every element of the update to [-limit, limit].

    An optimizer's ``clip_value=`` puts it before all but `ClipByGlobalNorm`.

    Parameters
    ----------
    limit : float
        Above 0.

    Examples
    --------
    >>> from fastconv import optim
    >>> optim.Chain(optim.ClipByValue(0.5), lr=0.1)
    Chain(ClipByValue; lr=0.1)
    """

    operation = "clip"

    def __init__(self, limit: float) -> None:
        self.limit = above_zero("clip_value", limit)

    def coefficients(self, step: int) -> tuple[float, ...]:
        return (self.limit,)
