"""The one-cycle policy."""

from __future__ import annotations

import math

from ...errors import InvalidArgumentError
from ..arguments import above_zero, between_or_one, count
from ..optimizer import Optimizer
from .schedule import Schedule

__all__ = ["OneCycle"]

ANNEALINGS = ("cos", "linear")


class OneCycle(Schedule):
    """Up from max_lr / div_factor to `max_lr`, then down far below (Smith and Topin, 2018); one step a batch.

    The optimizer's own learning rate is of no account. After `total_steps` the rate stays at its last value.

    Parameters
    ----------
    optimizer : Optimizer, optional
    max_lr : float
        Above 0.
    total_steps : int
        Length of the cycle, as many as there are batches in the whole training; at least 1.
    pct_start : float
        Share of the cycle in which the rate rises, in [0, 1].
    anneal_strategy : {"cos", "linear"}
    div_factor : float
        The first rate is max_lr / div_factor.
    final_div_factor : float
        The last rate is the first / final_div_factor.
    three_phase : bool
        Down to the first rate as fast as it rose, and to the last in what remains.

    Examples
    --------
    >>> from fastconv import optim
    >>> schedule = optim.OneCycle(optim.SGD(), max_lr=1.0, total_steps=10, div_factor=10, final_div_factor=10)
    >>> [round(schedule.at(count), 3) for count in range(10)]
    [0.1, 0.55, 1.0, 0.951, 0.814, 0.615, 0.395, 0.196, 0.059, 0.01]
    """

    def __init__(
        self,
        optimizer: Optimizer | None = None,
        *,
        max_lr: float,
        total_steps: int,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
    ) -> None:
        self.max_lr = above_zero("max_lr", max_lr)
        self.total_steps = count("total_steps", total_steps)
        self.pct_start = between_or_one("pct_start", pct_start)
        if anneal_strategy not in ANNEALINGS:
            raise InvalidArgumentError(f"anneal_strategy: got {anneal_strategy!r}, expected one of {', '.join(ANNEALINGS)}")
        self.anneal_strategy = anneal_strategy
        self.div_factor = above_zero("div_factor", div_factor)
        self.final_div_factor = above_zero("final_div_factor", final_div_factor)
        self.three_phase = bool(three_phase)
        super().__init__(optimizer)

    def at(self, count: int) -> float:
        first = self.max_lr / self.div_factor
        last = first / self.final_div_factor
        top = self.pct_start * self.total_steps - 1
        # (count at its end, rate at its end) of each phase.
        phases = [(top, self.max_lr), (self.total_steps - 1, last)]
        if self.three_phase:
            phases.insert(1, (2 * self.pct_start * self.total_steps - 2, first))
        count = min(count, self.total_steps - 1)
        start, rate = 0.0, first
        for end, target in phases:
            if count <= end:
                return self._anneal(rate, target, (count - start) / (end - start) if end > start else 1.0)
            start, rate = end, target
        return last

    def _anneal(self, start: float, end: float, share: float) -> float:
        if self.anneal_strategy == "linear":
            return start + (end - start) * share
        return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
