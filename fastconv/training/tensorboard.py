"""`TensorBoardLogger`: the history as event files that TensorBoard shows."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

from ..errors import InvalidArgumentError
from ..extras import require
from .callback import Callback

if TYPE_CHECKING:
    from .loop import Training

__all__ = ["TensorBoardLogger"]

# Where a record counts, and what is no quantity to be drawn.
_NOT_DRAWN = ("epoch", "samples")


class TensorBoardLogger(Callback):
    """Writes what the `History` holds for TensorBoard, by way of tensorboardX.

    Parameters
    ----------
    folder : path
        Of the event files; one a training.
    every_steps : int or None
        Also write the records of every so many steps, under "step/".
    histograms : bool
        Also write histograms of the parameters at the end of every epoch.

    Raises
    ------
    MissingExtraError
        When training begins without tensorboardX (the extra ``tensorboard``).
    """

    def __init__(self, folder: str | os.PathLike[str], *, every_steps: int | None = None, histograms: bool = False):
        if every_steps is not None and every_steps < 1:
            raise InvalidArgumentError(f"every_steps: got {every_steps}, expected at least 1 or None")
        self.folder, self.every_steps, self.histograms = os.fspath(folder), every_steps, histograms
        self._writer: Any = None

    def on_train_begin(self, training: Training) -> None:
        # What was written after the checkpoint that training goes on from is hidden.
        purge = {"purge_step": training.step + 1} if training.step else {}
        self._writer = require("tensorboardX", extra="tensorboard").SummaryWriter(self.folder, **purge)

    def on_step_end(self, training: Training) -> None:
        if self.every_steps is not None and training.step % self.every_steps == 0:
            self._write("step", training)

    def on_epoch_end(self, training: Training) -> None:
        self._write("epoch", training)
        if self.histograms:
            for parameter in training.network.parameters():
                self._writer.add_histogram(parameter.name, parameter.array, training.step)

    def on_train_end(self, training: Training) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _write(self, kind, training):
        for name, value in training.record.items():
            if name not in _NOT_DRAWN and not math.isnan(value):
                self._writer.add_scalar(f"{kind}/{name}", value, training.step)
