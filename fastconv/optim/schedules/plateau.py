"""Reduction when a metric no longer improves."""

from __future__ import annotations

from typing import Any

from ...errors import InvalidArgumentError, InvalidTypeError
from ..arguments import at_least, between, count, is_number
from ..optimizer import Optimizer
from .schedule import Schedule

__all__ = ["ReduceOnPlateau"]

MODES = ("min", "max")
THRESHOLD_MODES = ("rel", "abs")
# A reduction by less than this is left out.
SMALLEST_CHANGE = 1e-8


class ReduceOnPlateau(Schedule):
    """The rate is multiplied by `factor` once a metric has not improved for more than `patience` steps.

    Parameters
    ----------
    optimizer : Optimizer, optional
    mode : {"min", "max"}
        Which way the metric improves.
    factor : float
        In [0, 1).
    patience : int
        Steps without improvement that are let pass.
    threshold : float
        Improvements by less than this are none.
    threshold_mode : {"rel", "abs"}
        Whether that is a share of the best metric so far, or a difference.
    cooldown : int
        Steps after a reduction in which none without improvement is counted.
    min_lr : float
        At least 0.

    Examples
    --------
    >>> from fastconv import optim
    >>> optimizer = optim.SGD(lr=0.4)
    >>> schedule = optim.ReduceOnPlateau(optimizer, factor=0.5, patience=1)
    >>> for loss in (1.0, 0.9, 0.9, 0.95):
    ...     schedule.step(loss)
    >>> optimizer.lr
    0.2
    """

    def __init__(
        self,
        optimizer: Optimizer | None = None,
        *,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        for name, value, allowed in (("mode", mode, MODES), ("threshold_mode", threshold_mode, THRESHOLD_MODES)):
            if value not in allowed:
                raise InvalidArgumentError(f"{name}: got {value!r}, expected one of {', '.join(allowed)}")
        self.mode = mode
        self.factor = between("factor", factor)
        self.patience = count("patience", patience, 0)
        self.threshold = at_least("threshold", threshold)
        self.threshold_mode = threshold_mode
        self.cooldown = count("cooldown", cooldown, 0)
        self.min_lr = at_least("min_lr", min_lr)
        self.best = float("inf") if mode == "min" else float("-inf")
        self.bad_steps = 0
        self.cooling_steps = 0
        self.lr: float | None = None
        super().__init__(optimizer)

    def at(self, count: int) -> float:
        """The present learning rate: it depends on the metrics seen, and is known for the present count only."""
        return self.base_lr if self.lr is None else self.lr

    def state_dict(self) -> dict[str, Any]:
        return {
            **super().state_dict(),
            "best": self.best,
            "bad_steps": self.bad_steps,
            "cooling_steps": self.cooling_steps,
            "lr": self.lr,
        }

    def _load(self, state):
        lr = None if state["lr"] is None else at_least("lr", state["lr"])
        super()._load(state)
        self.lr = lr
        self.best = float(state["best"])
        self.bad_steps, self.cooling_steps = int(state["bad_steps"]), int(state["cooling_steps"])

    def _advance(self, metric):
        if not is_number(metric):
            raise InvalidTypeError(f"metric: got {metric!r}, expected a number, such as the validation loss")
        self.count += 1
        metric = float(metric)
        if self._improved(metric):
            self.best, self.bad_steps = metric, 0
        else:
            self.bad_steps += 1
        if self.cooling_steps > 0:
            self.cooling_steps -= 1
            self.bad_steps = 0
        # Whoever else set the optimizer's rate meanwhile is heard.
        self.lr = self.optimizer.lr
        if self.bad_steps > self.patience:
            self.cooling_steps, self.bad_steps = self.cooldown, 0
            reduced = max(self.lr * self.factor, self.min_lr)
            if self.lr - reduced > SMALLEST_CHANGE:
                self.lr = reduced

    def _improved(self, metric: float) -> bool:
        sign = -1 if self.mode == "min" else 1
        if self.threshold_mode == "rel":
            return sign * metric > sign * self.best * (1 + sign * self.threshold)
        return sign * metric > sign * self.best + self.threshold
