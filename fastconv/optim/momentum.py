"""Momentum, classical and Nesterov's."""

from __future__ import annotations

from ..errors import InvalidArgumentError
from .arguments import between, between_or_one
from .compiled import CompiledTransformation

__all__ = ["Momentum"]


class Momentum(CompiledTransformation):
    """A decaying sum of the updates: b = momentum b + (1 - dampening) u, at the first step b = u.

    Parameters
    ----------
    momentum : float
        What is kept of the sum from step to step, in [0, 1).
    dampening : float
        In [0, 1].
    nesterov : bool
        Looks ahead: the result is u + momentum b (Sutskever et al., 2013). Needs a momentum, and no dampening.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        The message names the argument.

    Examples
    --------
    >>> from fastconv import optim
    >>> optim.Chain(optim.ClipByValue(1.0), optim.Momentum(0.9, nesterov=True), lr=0.1)
    Chain(ClipByValue, Momentum; lr=0.1)
    """

    slots = ("momentum",)

    def __init__(self, momentum: float, dampening: float = 0.0, nesterov: bool = False) -> None:
        self.momentum = between("momentum", momentum)
        self.dampening = between_or_one("dampening", dampening)
        self.nesterov = bool(nesterov)
        self.operation = "nesterov" if self.nesterov else "momentum"
        if self.nesterov and (self.momentum == 0 or self.dampening != 0):
            raise InvalidArgumentError(
                f"nesterov: got momentum {momentum!r} and dampening {dampening!r}, expected a momentum above 0 and no dampening"
            )

    def coefficients(self, step: int) -> tuple[float, ...]:
        kept, added = (0.0, 1.0) if step == 1 else (self.momentum, 1 - self.dampening)
        return kept, added, self.momentum
