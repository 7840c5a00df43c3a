"""`StopOnNonFinite`: end training when the loss is no number any more."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

from .callback import Callback

if TYPE_CHECKING:
    from .loop import Training

__all__ = ["StopOnNonFinite"]


class StopOnNonFinite(Callback):
    """Ends training when a step's loss is NaN or infinite, with a warning, before the step has changed the parameters.

    `fit` has one by default. The loss that is not finite is the last of the history's steps.
    """

    def on_gradients(self, training: Training) -> None:
        loss = training.record["loss"]
        if math.isfinite(loss):
            return
        first = training.epoch * training.steps_per_epoch
        reason = (
            f"the loss is {loss} in epoch {training.epoch + 1}, step {training.step - first + 1} of {training.steps_per_epoch} "
            f"(learning rate {training.record['lr']:g})"
        )
        warnings.warn(
            f"training stopped: {reason}; a lower learning rate, clip_norm, or data without NaN and huge values may help",
            RuntimeWarning,
            stacklevel=2,
        )
        training.abandon(reason)
