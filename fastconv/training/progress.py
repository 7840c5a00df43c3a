"""`ProgressBar`: how training goes, on standard error."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

from .callback import Callback

if TYPE_CHECKING:
    from .loop import Training

__all__ = ["ProgressBar"]

# Quantities shown, by the names they are shown under.
_SHOWN = {"loss": "loss", "accuracy": "acc", "val_loss": "val_loss", "val_accuracy": "val_acc", "lr": "lr"}


class ProgressBar(Callback):
    """A tqdm bar over the steps of each epoch, on standard error; `fit` has one by default.

    Parameters
    ----------
    always : bool
        Show it even where standard error is no terminal.
    leave : bool
        Leave the bars of epochs that are over.
    """

    def __init__(self, always: bool = False, leave: bool = True):
        self.always, self.leave = always, leave
        self._bar: Any = None

    def on_step_begin(self, training: Training) -> None:
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(
                total=training.steps_per_epoch,
                # A resumed epoch does not begin at its beginning.
                initial=training.loader.state_dict()["batch"] - 1,
                desc=f"epoch {training.epoch + 1}/{training.epochs}",
                unit="step",
                leave=self.leave,
                disable=False if self.always else None,
                file=sys.stderr,
            )

    def on_step_end(self, training: Training) -> None:
        self._show(training.record)
        self._bar.update()

    def on_epoch_end(self, training: Training) -> None:
        if self._bar is not None:
            self._show(training.record)
            self._close()

    def on_train_end(self, training: Training) -> None:
        self._close()

    def _show(self, record):
        if not self._bar.disable:
            shown = {label: record[name] for name, label in _SHOWN.items() if not math.isnan(record.get(name, math.nan))}
            self._bar.set_postfix({label: f"{value:.4g}" for label, value in shown.items()}, refresh=False)

    def _close(self):
        if self._bar is not None:
            self._bar.close()
            self._bar = None
