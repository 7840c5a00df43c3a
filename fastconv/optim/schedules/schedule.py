"""The base class of schedules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import InvalidArgumentError, InvalidTypeError
from ..arguments import at_least, count
from ..optimizer import Optimizer

__all__ = ["Schedule"]


class Schedule:
    """Sets the learning rate of an optimizer from the number of steps done, be they epochs or batches.

    The rates follow from the count alone, without rounding that adds up, and from the rate that the optimizer had when it was
    bound.

    Parameters
    ----------
    optimizer : Optimizer, optional
        None: `bind` comes later, from the training callback.

    Attributes
    ----------
    count : int
        Steps done.
    base_lr : float or None
        The optimizer's learning rate when it was bound.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        The message names the argument.
    """

    def __init__(self, optimizer: Optimizer | None = None) -> None:
        self.count = 0
        self.base_lr: float | Any = None
        self.optimizer: Optimizer | None = None
        if optimizer is not None:
            self.bind(optimizer)

    def at(self, count: int) -> float:
        """The learning rate after so many steps; needs `base_lr`."""
        raise NotImplementedError

    def bind(self, optimizer: Optimizer) -> None:
        """Choose the optimizer and set its learning rate for the present count. To bind the same one again does nothing."""
        if not hasattr(optimizer, "lr"):
            raise InvalidTypeError(f"optimizer: got a {type(optimizer).__name__}, expected an optimizer")
        if self.optimizer is optimizer:
            return
        if self.optimizer is not None:
            raise InvalidArgumentError("optimizer: the schedule is bound to another; make a new schedule")
        self.optimizer = optimizer
        if self.base_lr is None:
            self.base_lr = optimizer.lr
        self._apply()

    def step(self, metric: float | None = None) -> None:
        """Count one step and set the optimizer's learning rate; `metric` is of use to `ReduceOnPlateau` only."""
        if self.optimizer is None:
            raise InvalidArgumentError("optimizer: the schedule has none yet; pass it, or call bind(optimizer)")
        self._advance(metric)
        self._apply()

    def state_dict(self) -> dict[str, Any]:
        """What a schedule made with the same arguments needs to go on exactly as this one would: a dictionary of numbers."""
        return {"count": self.count, "base_lr": self.base_lr}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned, and the optimizer's learning rate with it, if there is one."""
        names = self.state_dict().keys()
        if not isinstance(state, Mapping) or state.keys() != names:
            raise InvalidArgumentError(f"state: expected the mapping that state_dict() returned, with {', '.join(names)}")
        self._load(state)
        if self.optimizer is not None:
            self._apply()

    def _advance(self, metric):
        self.count += 1

    def _apply(self):
        self.optimizer.lr = self.at(self.count)

    def _load(self, state):
        steps = count("count", _as_scalar(state["count"]), 0)
        base_lr = state["base_lr"]
        self.base_lr = None if base_lr is None else at_least("base_lr", base_lr)
        self.count = steps


def _as_scalar(value: Any) -> Any:
    """Files hold numbers as arrays without dimensions."""
    return value.item() if hasattr(value, "item") else value
