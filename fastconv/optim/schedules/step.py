"""Step decay."""

from __future__ import annotations

from ..arguments import at_least, count
from ..optimizer import Optimizer
from .schedule import Schedule

__all__ = ["StepLR"]


class StepLR(Schedule):
    """The rate is multiplied by `gamma` every `step_size` steps.

    Parameters
    ----------
    optimizer : Optimizer, optional
    step_size : int
        At least 1.
    gamma : float
        At least 0.

    Examples
    --------
    >>> from fastconv import optim
    >>> optimizer = optim.SGD(lr=0.4)
    >>> schedule = optim.StepLR(optimizer, step_size=2, gamma=0.5)
    >>> for _ in range(4):
    ...     schedule.step()
    >>> optimizer.lr
    0.1
    """

    def __init__(self, optimizer: Optimizer | None = None, *, step_size: int, gamma: float = 0.1) -> None:
        self.step_size = count("step_size", step_size)
        self.gamma = at_least("gamma", gamma)
        super().__init__(optimizer)

    def at(self, count: int) -> float:
        return self.base_lr * self.gamma ** (count // self.step_size)
