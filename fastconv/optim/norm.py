"""The norm of all gradients."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from ..kernels import cpu
from ..threads import team
from .layout import in_memory_order
from .parameters import ParameterLike, with_gradients

__all__ = ["global_norm", "norm_of"]

# Sums of float32 squares beyond these may have lost terms to underflow or overflow.
_TRUSTED = 1e-25, 1e37


def global_norm(parameters: Iterable[ParameterLike]) -> float:
    """The Euclidean norm of all gradients together, of the trainable parameters that have one.

    Neither huge nor tiny gradients overflow or vanish in it. It is infinite or NaN only if a gradient is.

    Parameters
    ----------
    parameters : iterable of parameters
        Each with ``.grad``, an ndarray or None.

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> from fastconv import optim
    >>> optim.global_norm([SimpleNamespace(grad=np.array([3.0])), SimpleNamespace(grad=np.array([4.0]))])
    5.0
    """
    return norm_of([in_memory_order(parameter.grad) for parameter in with_gradients(parameters)])


def norm_of(gradients: Iterable[np.ndarray]) -> float:
    """The norm of one-dimensional arrays together."""
    gradients = list(gradients)
    with np.errstate(all="ignore"):
        total = sum(_sum_of_squares(gradient) for gradient in gradients)
        if _TRUSTED[0] < total < _TRUSTED[1]:
            return math.sqrt(total)
        largest = max((float(np.abs(gradient).max()) for gradient in gradients if gradient.size), default=0.0)
        if largest == 0 or not math.isfinite(largest):
            return largest if math.isfinite(total) or math.isinf(largest) else math.nan
        return largest * math.sqrt(sum(_sum_of_squares(gradient.astype(np.float64) / largest) for gradient in gradients))


def _sum_of_squares(flat: np.ndarray) -> float:
    if flat.dtype not in (np.float32, np.float64):
        flat = flat.astype(np.float64)
    return cpu.kernels().sum_of_squares(flat, team(flat.size))
