"""Exponential decay."""

from __future__ import annotations

from ..arguments import at_least
from ..optimizer import Optimizer
from .schedule import Schedule

__all__ = ["ExponentialLR"]


class ExponentialLR(Schedule):
    """The rate is multiplied by `gamma` every step; ``gamma=math.exp(-decay_rate)`` is the form exp(-decay_rate t).

    Parameters
    ----------
    optimizer : Optimizer, optional
    gamma : float
        At least 0.

    Examples
    --------
    >>> from fastconv import optim
    >>> optimizer = optim.SGD(lr=0.8)
    >>> schedule = optim.ExponentialLR(optimizer, gamma=0.5)
    >>> schedule.step()
    >>> schedule.step()
    >>> optimizer.lr
    0.2
    """

    def __init__(self, optimizer: Optimizer | None = None, *, gamma: float) -> None:
        self.gamma = at_least("gamma", gamma)
        super().__init__(optimizer)

    def at(self, count: int) -> float:
        return self.base_lr * self.gamma**count
