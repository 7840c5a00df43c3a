"""The quantity that a callback goes by: its name, whether it can be had, and which way it improves."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..errors import InvalidArgumentError
from .history import larger_is_better

if TYPE_CHECKING:
    from .loop import Training

__all__ = ["Monitored"]


class Monitored:
    """A quantity of the records of epochs.

    Parameters
    ----------
    name : str
        Such as "val_loss"; "auto" is "val_loss" where there is validation, else "loss".
    mode : {"auto", "min", "max"}
        auto: accuracies improve upwards, all else downwards.
    min_delta : float
        Changes by less are no improvement.

    Raises
    ------
    InvalidArgumentError
        Of an unknown mode or a negative difference.
    """

    def __init__(self, name: str, mode: str = "auto", min_delta: float = 0.0):
        if not min_delta >= 0:
            raise InvalidArgumentError(f"min_delta: got {min_delta!r}, expected at least 0")
        self.name, self.min_delta = name, min_delta
        self._sign = -1.0 if larger_is_better(name, mode) else 1.0

    def require(self, training: Training) -> None:
        """Raise if training will never have the quantity because there is no validation."""
        if self.name.startswith("val_") and training.validation is None:
            raise InvalidArgumentError(f"monitor: got {self.name!r}, expected validation_data or validation_split for it")

    def value(self, training: Training) -> float:
        """The quantity in the present record."""
        name = self.name
        if name == "auto":
            name = "val_loss" if "val_loss" in training.record else "loss"
        if name not in training.record:
            raise InvalidArgumentError(f"monitor: got {self.name!r}, expected one of {', '.join(training.record)}")
        return float(training.record[name])

    def improves(self, value: float, best: float | None) -> bool:
        """Whether a value is better than the best so far; NaN never is."""
        if math.isnan(value):
            return False
        return best is None or self._sign * value < self._sign * best - self.min_delta
