"""Polynomial decay."""

from __future__ import annotations

from ..arguments import at_least, count
from ..optimizer import Optimizer
from .schedule import Schedule

__all__ = ["Polynomial"]


class Polynomial(Schedule):
    """min_lr + (base rate - min_lr) (1 - t / total_steps)^power, and `min_lr` afterwards.

    Parameters
    ----------
    optimizer : Optimizer, optional
    total_steps : int
        At least 1.
    power : float
        At least 0; 1 is linear.
    min_lr : float
        At least 0.

    Examples
    --------
    >>> from fastconv import optim
    >>> schedule = optim.Polynomial(optim.SGD(lr=0.16), total_steps=4, power=2)
    >>> [round(schedule.at(count), 4) for count in range(6)]
    [0.16, 0.09, 0.04, 0.01, 0.0, 0.0]
    """

    def __init__(
        self, optimizer: Optimizer | None = None, *, total_steps: int, power: float = 1.0, min_lr: float = 0.0
    ) -> None:
        self.total_steps = count("total_steps", total_steps)
        self.power = at_least("power", power)
        self.min_lr = at_least("min_lr", min_lr)
        super().__init__(optimizer)

    def at(self, count: int) -> float:
        remaining = 1 - min(count, self.total_steps) / self.total_steps
        return self.min_lr + (self.base_lr - self.min_lr) * remaining**self.power
