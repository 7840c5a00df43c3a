"""Weight decay."""

from __future__ import annotations

from .arguments import at_least
from .compiled import CompiledTransformation

__all__ = ["WeightDecay"]


class WeightDecay(CompiledTransformation):
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

    operation = "decay"

    def __init__(self, decay: float) -> None:
        self.decay = at_least("weight_decay", decay)

    def coefficients(self, step: int) -> tuple[float, ...]:
        return (self.decay,)
