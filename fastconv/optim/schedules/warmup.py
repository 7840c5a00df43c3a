"""Warm-up."""

from __future__ import annotations

from ...errors import InvalidTypeError
from ..arguments import between_or_one, count
from ..optimizer import Optimizer
from .plateau import ReduceOnPlateau
from .schedule import Schedule

__all__ = ["LinearWarmup"]


class LinearWarmup(Schedule):
    """The rate rises linearly to the base rate, and then stays there or follows another schedule (Goyal et al., 2017).

    Parameters
    ----------
    optimizer : Optimizer, optional
    steps : int
        After so many the base rate is reached; at least 1.
    start_factor : float
        What the base rate is multiplied by at the start, in [0, 1].
    after : Schedule, optional
        Begins at its own count 0 when the warm-up is over; given unbound. `ReduceOnPlateau` cannot follow: its rate is no
        function of the count.

    Examples
    --------
    >>> from fastconv import optim
    >>> schedule = optim.LinearWarmup(steps=2, start_factor=0.5, after=optim.ExponentialLR(gamma=0.5))
    >>> schedule.bind(optim.SGD(lr=0.4))
    >>> [round(schedule.at(count), 4) for count in range(5)]
    [0.2, 0.3, 0.4, 0.2, 0.1]
    """

    def __init__(
        self,
        optimizer: Optimizer | None = None,
        *,
        steps: int,
        start_factor: float = 1 / 3,
        after: Schedule | None = None,
    ) -> None:
        self.steps = count("steps", steps)
        self.start_factor = between_or_one("start_factor", start_factor)
        if after is not None and (not isinstance(after, Schedule) or isinstance(after, ReduceOnPlateau) or after.optimizer):
            raise InvalidTypeError(f"after: got {after!r}, expected an unbound schedule other than ReduceOnPlateau")
        self.after = after
        super().__init__(optimizer)

    def at(self, count: int) -> float:
        if count < self.steps:
            return self.base_lr * (self.start_factor + (1 - self.start_factor) * count / self.steps)
        if self.after is None:
            return self.base_lr
        self.after.base_lr = self.base_lr
        return self.after.at(count - self.steps)
