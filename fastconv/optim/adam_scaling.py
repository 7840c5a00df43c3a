"""The scaling of Adam."""

from __future__ import annotations

import math

from ..errors import InvalidTypeError
from .arguments import at_least, between
from .compiled import CompiledTransformation

__all__ = ["AdamScaling"]


class AdamScaling(CompiledTransformation):
    """Divides the update's running mean by the root of its running mean square (Kingma and Ba, 2015, algorithm 1).

    Parameters
    ----------
    betas : (float, float)
        What the running mean and the running mean square keep from step to step, each in [0, 1).
    eps : float
        Added to the root; at least 0.
    amsgrad : bool
        Divides by the largest mean square so far (Reddi et al., 2018).

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        The message names the argument.

    Examples
    --------
    >>> from fastconv import optim
    >>> optim.Chain(optim.AdamScaling(betas=(0.9, 0.99)), lr=1e-3)
    Chain(AdamScaling; lr=0.001)
    """

    def __init__(self, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, amsgrad: bool = False) -> None:
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise InvalidTypeError(f"betas: got {betas!r}, expected two numbers")
        self.betas = (between("betas[0]", betas[0]), between("betas[1]", betas[1]))
        self.eps = at_least("eps", eps)
        self.amsgrad = bool(amsgrad)
        self.slots = ("sum", "square_sum", "largest_square_sum") if self.amsgrad else ("sum", "square_sum")
        self.operation = "amsgrad" if self.amsgrad else "adam"

    def coefficients(self, step: int) -> tuple[float, ...]:
        # The state holds the decaying sums M = m / (1 - beta1) and V = v / (1 - beta2), which saves the factors 1 - beta. With
        # the corrections c = (1 - beta^t) / (1 - beta) the result is M / c1 / (sqrt(V / c2) + eps): one division an element.
        correction1, correction2 = ((1 - beta**step) / (1 - beta) for beta in self.betas)
        return *self.betas, correction1 / math.sqrt(correction2), self.eps * correction1
