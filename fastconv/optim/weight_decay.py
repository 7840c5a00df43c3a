"""Weight decay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .arguments import at_least
from .transformation import Transformation

__all__ = ["WeightDecay"]


class WeightDecay(Transformation):
    """Adds `decay` times the parameter to the update.

    Before a scaling stage this is an L2 penalty (`Adam`); after it, decoupled decay (`AdamW`; Loshchilov and Hutter, 2019).

    Parameters
    ----------
    decay : float
        At least 0.

    Examples
    --------
    >>> from fastconv import optim
    >>> optim.Chain(optim.AdamScaling(), optim.WeightDecay(0.01), lr=1e-3)
    Chain(AdamScaling, WeightDecay; lr=0.001)
    """

    def __init__(self, decay: float) -> None:
        self.decay = at_least("weight_decay", decay)

    def apply(
        self,
        update: np.ndarray,
        data: np.ndarray,
        state: Sequence[np.ndarray],
        coefficients: Any,
        out: np.ndarray,
        work: np.ndarray,
    ) -> np.ndarray:
        np.multiply(data, self.decay, out=work)
        return np.add(update, work, out=out)
