"""`Checkpoint`: the state of a training in a file, every so often."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import InvalidArgumentError
from .callback import Callback
from .checkpoint_file import save_checkpoint
from .monitored import Monitored

if TYPE_CHECKING:
    from .loop import Training

__all__ = ["Checkpoint"]


class Checkpoint(Callback):
    """Writes checkpoints, from which ``fit(..., resume_from=path)`` goes on bitwise as if training had never stopped.

    A checkpoint holds parameters, buffers, the optimizer, schedules, the order of the samples and the place in it, the states
    of all random generators, callbacks and the `History`. An older file is replaced at once, by a whole one, so that a process
    that is killed while it writes leaves the older one.

    Parameters
    ----------
    path : path
        ``.safetensors`` (needs the extra of that name) or ``.npz``. It may name ``{epoch}`` and ``{step}``, counted from 1, and
        then no file is replaced.
    every_epochs : int or None
        Write at the end of every so many epochs.
    every_steps : int or None
        And after every so many steps.
    keep_best : bool
        Also write the network (`Network.save`) whenever an epoch is the best so far, to `best_path`.
    monitor, mode
        What "best" means; see `EarlyStopping`.
    resume : bool
        Go on from the file at `path`, if there is one: the same program then begins training, or finishes it.

    Attributes
    ----------
    best_path : pathlib.Path
        ``model.npz`` has ``model-best.npz``.
    best : float or None

    Notes
    -----
    It comes after all other callbacks, whose states it keeps. To be bitwise the same, the rest of a training has to run with
    the same data, arguments, number of threads and plans (those of `fastconv.config`), on the same kind of machine.

    Raises
    ------
    InvalidArgumentError
        If it would never write, or the folder does not exist.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np, fastconv as fc
    >>> x, y = np.eye(4, dtype=np.float32), np.array([0, 1, 0, 1])
    >>> def train(path, epochs):
    ...     network = fc.nn.CNN([fc.nn.Dense(2)], rng=0)
    ...     checkpoint = fc.training.Checkpoint(path, resume=True)
    ...     network.fit(x, y, optimizer=fc.optim.Adam(0.1), epochs=epochs, callbacks=[checkpoint], rng=0, verbose=False)
    ...     return network.parameters()[0].data
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     whole = train(os.path.join(folder, "whole.npz"), epochs=4)
    ...     half = train(os.path.join(folder, "parts.npz"), epochs=2)
    ...     rest = train(os.path.join(folder, "parts.npz"), epochs=4)
    >>> bool((rest == whole).all()), bool((half == whole).all())
    (True, False)
    """

    last = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        every_epochs: int | None = 1,
        every_steps: int | None = None,
        keep_best: bool = False,
        monitor: str = "auto",
        mode: str = "auto",
        resume: bool = False,
    ):
        for name, value in (("every_epochs", every_epochs), ("every_steps", every_steps)):
            if value is not None and value < 1:
                raise InvalidArgumentError(f"{name}: got {value}, expected at least 1 or None")
        if every_epochs is None and every_steps is None and not keep_best:
            raise InvalidArgumentError("every_epochs, every_steps: got None, expected one of them or keep_best")
        self.path = pathlib.Path(path)
        self.every_epochs, self.every_steps, self.keep_best, self.resume = every_epochs, every_steps, keep_best, resume
        if resume and self._numbered():
            raise InvalidArgumentError(f"resume: {path} names epoch or step; give fit the file, as resume_from")
        if not self.path.parent.is_dir():
            raise InvalidArgumentError(f"path: {self.path.parent} is not a folder")
        self.best: float | None = None
        self._monitored = Monitored(monitor, mode)

    @property
    def best_path(self) -> pathlib.Path:
        """Where the best network is written."""
        return self.path.with_name(f"{self.path.stem}-best{self.path.suffix}")

    def _numbered(self):
        return "{" in self.path.name

    def on_train_begin(self, training: Training) -> None:
        if self.keep_best:
            self._monitored.require(training)

    def on_step_end(self, training: Training) -> None:
        if self.every_steps is not None and training.step % self.every_steps == 0:
            self._write(training)

    def on_epoch_end(self, training: Training) -> None:
        if self.keep_best:
            value = self._monitored.value(training)
            if self._monitored.improves(value, self.best):
                self.best = value
                training.network.save(self.best_path)
        # A training that is stopped keeps its last state too.
        due = self.every_epochs is not None and (training.epoch + 1) % self.every_epochs == 0
        if due or training.stop_reason is not None or training.epoch + 1 == training.epochs:
            self._write(training)

    def _write(self, training):
        name = self.path.name.format(epoch=training.epoch + 1, step=training.step) if self._numbered() else self.path.name
        save_checkpoint(self.path.with_name(name), training.state(), training.network)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.best = state["best"]
