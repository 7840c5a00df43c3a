"""Decay at chosen steps."""

from __future__ import annotations

from collections.abc import Iterable

from ...errors import InvalidTypeError
from ..arguments import at_least, count
from ..optimizer import Optimizer
from .schedule import Schedule

__all__ = ["MultiStep"]


class MultiStep(Schedule):
    """The rate is multiplied by `gamma` at each milestone.

    Parameters
    ----------
    optimizer : Optimizer, optional
    milestones : iterable of int
        Counts of steps, each at least 1, in any order; one that comes twice counts twice.
    gamma : float
        At least 0.

    Examples
    --------
    >>> from fastconv import optim
    >>> optimizer = optim.SGD(lr=0.4)
    >>> schedule = optim.MultiStep(optimizer, milestones=[1, 3], gamma=0.5)
    >>> for _ in range(4):
    ...     schedule.step()
    >>> optimizer.lr
    0.1
    """

    def __init__(self, optimizer: Optimizer | None = None, *, milestones: Iterable[int], gamma: float = 0.1) -> None:
        if isinstance(milestones, (str, bytes)) or not isinstance(milestones, Iterable):
            raise InvalidTypeError(f"milestones: got {milestones!r}, expected integers")
        self.milestones = tuple(sorted(count("milestones", milestone) for milestone in milestones))
        self.gamma = at_least("gamma", gamma)
        super().__init__(optimizer)

    def at(self, count: int) -> float:
        return self.base_lr * self.gamma ** sum(milestone <= count for milestone in self.milestones)
