"""Clipping of gradients by their global norm."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from .arguments import above_zero
from .compiled import CompiledTransformation
from .norm import global_norm, norm_of
from .parameters import ParameterLike, with_gradients

__all__ = ["ClipByGlobalNorm", "clip_grad_norm"]


def clip_grad_norm(parameters: Iterable[ParameterLike], max_norm: float) -> float:
    """Scale all gradients in place so that their global norm is at most `max_norm` (Pascanu et al., 2013).

    Parameters
    ----------
    parameters : iterable of parameters
        Those without a gradient, or not trainable, neither count nor change.
    max_norm : float
        Above 0.

    Returns
    -------
    float
        The norm before clipping. If it is infinite or NaN, so are gradients afterwards.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError

    Examples
    --------
    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> from fastconv import optim
    >>> p = SimpleNamespace(grad=np.array([3.0, 4.0]))
    >>> optim.clip_grad_norm([p], 1.0), p.grad
    (5.0, array([0.6, 0.8]))
    """
    max_norm = above_zero("max_norm", max_norm)
    clipped = list(with_gradients(parameters))
    norm = global_norm(clipped)
    scale = _scale(norm, max_norm)
    if scale != 1:
        with np.errstate(all="ignore"):
            for parameter in clipped:
                np.multiply(parameter.grad, scale, out=parameter.grad)
    return norm


class ClipByGlobalNorm(CompiledTransformation):
    """Scales all gradients of the optimizer by min(1, max_norm / norm), where norm is that of all of them together.

    Comes first in a chain. An optimizer's ``clip_norm=`` is the same. The gradients themselves stay as they are.

    Parameters
    ----------
    max_norm : float
        Above 0.

    Examples
    --------
    >>> from fastconv import optim
    >>> optim.Chain(optim.ClipByGlobalNorm(1.0), optim.Momentum(0.9), lr=0.1)
    Chain(ClipByGlobalNorm, Momentum; lr=0.1)
    """

    observes_all = True
    operation = "scale"

    def __init__(self, max_norm: float) -> None:
        self.max_norm = above_zero("clip_norm", max_norm)
        self._norm = 0.0

    def observe(self, gradients: Iterable[np.ndarray]) -> None:
        self._norm = norm_of(gradients)

    def coefficients(self, step: int) -> tuple[float, ...]:
        return (_scale(self._norm, self.max_norm),)


def _scale(norm: float, max_norm: float) -> float:
    # A norm that is NaN is not below the limit either, and makes all gradients NaN.
    return 1.0 if norm <= max_norm else max_norm / norm
