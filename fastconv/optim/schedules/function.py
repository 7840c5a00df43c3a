"""Schedules as plain functions of the epoch, and the schedule that follows any such function."""

from __future__ import annotations

import math
from collections.abc import Callable

from ...errors import InvalidTypeError
from ..optimizer import Optimizer
from .schedule import Schedule

__all__ = ["FunctionLR", "cosine_decay", "exp_decay", "step_decay"]


def step_decay(epoch: float, initial_lr: float = 0.01, drop_rate: float = 0.5, epochs_drop: float = 10) -> float:
    """initial_lr drop_rate^floor(epoch / epochs_drop).

    Examples
    --------
    >>> from fastconv import optim
    >>> optim.step_decay(25, initial_lr=0.4)
    0.1
    """
    return initial_lr * drop_rate ** (epoch // epochs_drop)


def exp_decay(epoch: float, initial_lr: float = 0.01, decay_rate: float = 0.95) -> float:
    """initial_lr decay_rate^epoch.

    Examples
    --------
    >>> from fastconv import optim
    >>> optim.exp_decay(2, initial_lr=0.4, decay_rate=0.5)
    0.1
    """
    return initial_lr * decay_rate**epoch


def cosine_decay(epoch: float, initial_lr: float = 0.01, min_lr: float = 0.001, max_epochs: float = 100) -> float:
    """min_lr + (initial_lr - min_lr) (1 + cos(pi epoch / max_epochs)) / 2.

    Examples
    --------
    >>> from fastconv import optim
    >>> round(optim.cosine_decay(50, initial_lr=0.3, min_lr=0.1), 6)
    0.2
    """
    return min_lr + (initial_lr - min_lr) * (1 + math.cos(math.pi * epoch / max_epochs)) / 2


class FunctionLR(Schedule):
    """The rate is a function of the count, which takes no notice of the optimizer's own.

    Parameters
    ----------
    optimizer : Optimizer, optional
    function : callable
        Of the count of steps; returns the learning rate. No part of the state dictionary.

    Examples
    --------
    >>> from fastconv import optim
    >>> optimizer = optim.SGD()
    >>> schedule = optim.FunctionLR(optimizer, function=optim.step_decay)
    >>> for _ in range(10):
    ...     schedule.step()
    >>> optimizer.lr
    0.005
    """

    def __init__(self, optimizer: Optimizer | None = None, *, function: Callable[[int], float]) -> None:
        if not callable(function):
            raise InvalidTypeError(f"function: got {function!r}, expected a function of the count of steps")
        self.function = function
        super().__init__(optimizer)

    def at(self, count: int) -> float:
        return self.function(count)
