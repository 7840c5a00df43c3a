"""The scaling of RMSprop."""

from __future__ import annotations

from .arguments import at_least, between
from .compiled import CompiledTransformation

__all__ = ["RMSScaling"]


class RMSScaling(CompiledTransformation):
    """Divides the update by the root of its running mean square (Tieleman and Hinton, 2012).

    Parameters
    ----------
    alpha : float
        What the running averages keep from step to step, in [0, 1).
    eps : float
        Added to the root; at least 0.
    centered : bool
        Divides by the running standard deviation instead (Graves, 2013).

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        The message names the argument.

    Examples
    --------
    >>> from fastconv import optim
    >>> optim.Chain(optim.RMSScaling(alpha=0.9), optim.Momentum(0.9), lr=1e-3)
    Chain(RMSScaling, Momentum; lr=0.001)
    """

    def __init__(self, alpha: float = 0.99, eps: float = 1e-8, centered: bool = False) -> None:
        self.alpha = between("alpha", alpha)
        self.eps = at_least("eps", eps)
        self.centered = bool(centered)
        self.slots = ("square", "mean") if self.centered else ("square",)
        self.operation = "centered" if self.centered else "rms"

    def coefficients(self, step: int) -> tuple[float, ...]:
        return self.alpha, 1 - self.alpha, self.eps
