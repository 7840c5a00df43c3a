"""Cosine annealing."""

from __future__ import annotations

import math

from ..arguments import at_least, count
from ..optimizer import Optimizer
from .schedule import Schedule

__all__ = ["CosineAnnealing"]


class CosineAnnealing(Schedule):
    """Half a cosine from the base rate down to `min_lr`, with warm restarts if asked for (SGDR; Loshchilov and Hutter, 2017).

    Parameters
    ----------
    optimizer : Optimizer, optional
    period : int
        Steps from the base rate to `min_lr`, warm-up not counted; at least 1.
    min_lr : float
        At least 0.
    t_mult : int, optional
        Restart from the base rate after every period, each this many times as long as the one before; at least 1. None: stay
        at `min_lr`.
    warmup_steps : int
        So many steps rise to the base rate in equal parts first: the first has 1 / (warmup_steps + 1) of it.

    Examples
    --------
    >>> from fastconv import optim
    >>> schedule = optim.CosineAnnealing(optim.SGD(lr=0.5), period=2, min_lr=0.1, t_mult=2, warmup_steps=1)
    >>> [round(schedule.at(count), 4) for count in range(8)]
    [0.25, 0.5, 0.3, 0.5, 0.4414, 0.3, 0.1586, 0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer | None = None,
        *,
        period: int,
        min_lr: float = 0.0,
        t_mult: int | None = None,
        warmup_steps: int = 0,
    ) -> None:
        self.period = count("period", period)
        self.min_lr = at_least("min_lr", min_lr)
        self.t_mult = None if t_mult is None else count("t_mult", t_mult)
        self.warmup_steps = count("warmup_steps", warmup_steps, 0)
        super().__init__(optimizer)

    def at(self, count: int) -> float:
        if count < self.warmup_steps:
            return self.base_lr * (count + 1) / (self.warmup_steps + 1)
        step, period = count - self.warmup_steps, self.period
        if self.t_mult is None:
            step = min(step, period)
        elif self.t_mult == 1:
            step %= period
        else:
            while step >= period:
                step -= period
                period *= self.t_mult
        return self.min_lr + (self.base_lr - self.min_lr) * (1 + math.cos(math.pi * step / period)) / 2
