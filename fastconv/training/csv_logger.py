"""`CSVLogger`: the history as a table in a file, while training goes on."""

from __future__ import annotations

import csv
import os
import pathlib
from typing import TYPE_CHECKING, Any

from ..errors import InvalidArgumentError
from .callback import Callback

if TYPE_CHECKING:
    from .loop import Training

__all__ = ["CSVLogger"]


class CSVLogger(Callback):
    """Writes a row of comma-separated values at the end of every epoch, or after every step.

    The file is the `History` so far: training that is resumed begins it anew with the epochs of the checkpoint, so that
    nothing is there twice.

    Parameters
    ----------
    path : path
    every : {"epoch", "step"}

    Raises
    ------
    InvalidArgumentError
        If the folder does not exist.
    """

    def __init__(self, path: str | os.PathLike[str], every: str = "epoch"):
        if every not in ("epoch", "step"):
            raise InvalidArgumentError(f"every: got {every!r}, expected 'epoch' or 'step'")
        self.path, self.every = pathlib.Path(path), every
        if not self.path.parent.is_dir():
            raise InvalidArgumentError(f"path: {self.path.parent} is not a folder")
        self._columns: list[str] = []
        self._file: Any = None

    def on_train_begin(self, training: Training) -> None:
        self._begin(self._history(training))

    def on_step_end(self, training: Training) -> None:
        if self.every == "step":
            self._add(training)

    def on_epoch_end(self, training: Training) -> None:
        if self.every == "epoch":
            self._add(training)

    def on_train_end(self, training: Training) -> None:
        self._close()

    def _history(self, training):
        return training.history.epochs if self.every == "epoch" else training.history.steps

    def _add(self, training):
        columns = self._history(training)
        if list(columns) != self._columns:
            # A quantity that is new, or the first row.
            self._begin(columns)
            return
        csv.writer(self._file).writerow([column[-1] for column in columns.values()])
        self._file.flush()

    def _begin(self, columns):
        self._close()
        self._columns = list(columns)
        self._file = open(self.path, "w", encoding="utf-8", newline="")  # noqa: SIM115 - stays open until training ends
        writer = csv.writer(self._file)
        if columns:
            writer.writerow(self._columns)
            writer.writerows(zip(*columns.values(), strict=True))
        self._file.flush()

    def _close(self):
        if self._file is not None:
            self._file.close()
            self._file = None
