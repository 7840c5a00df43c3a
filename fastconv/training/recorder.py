"""`Recorder`: a file that tells how training goes, whole at every moment."""

from __future__ import annotations

import dataclasses
import datetime
import os
import pathlib
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..diagnostics import summary
from ..errors import FastconvError, InvalidArgumentError
from ..selection import environment as machine
from ..threads import get_num_threads
from .callback import Callback
from .monitor import Monitor
from .run_record import RunRecord

if TYPE_CHECKING:
    from .loop import Training

__all__ = ["Recorder"]

# Within an epoch the file is written again after so many seconds, and not before so many times what writing took.
_SECONDS, _TIMES = 5.0, 50


class Recorder(Callback):
    """Writes a `RunRecord`: history, gradients, activations, weights, settings, layers and environment, in one file.

    The file is written at the beginning, after every epoch, every few seconds within one, and at the end, each time as a whole:
    a training that is killed leaves the file of a few seconds before. ``fastconv report train FILE --html report.html`` makes a
    page of it.

    Parameters
    ----------
    path : path
        Of a JSON file.
    every : int
        Steps from one look at gradients, activations and weights to the next; see `Monitor`. Where training has a `Monitor` of
        its own, that one's quantities are written.
    settings : dict of str to str or number, optional
        Shown before those of the training, in place of those of the same name: what the network is called (``"network"``), the
        data, ...
    environment : dict of str to str, optional
        Kept with the record, by default what plans are stored by: version, processor, instruction set, BLAS.

    Raises
    ------
    InvalidArgumentError
        If the folder does not exist.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> network = fc.nn.CNN([fc.nn.Dense(2)], rng=0)
    >>> x, y = np.eye(4, dtype=np.float32), np.array([0, 1, 0, 1])
    >>> recorder = fc.training.Recorder("run.json", every=1)
    >>> history = network.fit(x, y, optimizer=fc.optim.SGD(lr=0.5), epochs=3, callbacks=[recorder], rng=0, verbose=False)
    >>> run = fc.training.RunRecord.load("run.json")
    >>> run.status, len(run.history), run.monitor.scalars["step"]
    ('finished', 3, [1, 2, 3])
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        every: int = 10,
        settings: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
    ):
        self.path = pathlib.Path(path)
        if not self.path.parent.is_dir():
            raise InvalidArgumentError(f"path: {self.path.parent} is not a folder")
        self._own = Monitor(every)
        self._settings = dict(settings or {})
        self._environment = None if environment is None else dict(environment)
        self._record = RunRecord()
        self._watches = True
        self._next = 0.0

    def on_train_begin(self, training: Training) -> None:
        given = next((callback for callback in training.callbacks if isinstance(callback, Monitor)), None)
        self._watches = given is None
        self._record = RunRecord(
            status="running",
            started=_now(),
            settings=self._settings
            | {name: value for name, value in _settings(training).items() if name not in self._settings},
            layers=_layers(training),
            environment=machine.describe() if self._environment is None else self._environment,
            history=training.history,
            monitor=given or self._own,
        )
        self._write()

    def on_step_begin(self, training: Training) -> None:
        if self._watches:
            self._own.on_step_begin(training)

    def on_gradients(self, training: Training) -> None:
        if self._watches:
            self._own.on_gradients(training)

    def on_step_end(self, training: Training) -> None:
        if self._watches:
            self._own.on_step_end(training)
        if time.monotonic() >= self._next:
            self._write()

    def on_epoch_end(self, training: Training) -> None:
        self._write()

    def on_train_end(self, training: Training) -> None:
        self._own.on_train_end(training)
        self._record.status, self._record.reason = _ending(training)
        self._write()

    def _write(self):
        begun = time.monotonic()
        self._record.updated = _now()
        self._record.save(self.path)
        end = time.monotonic()
        self._next = end + max(_SECONDS, _TIMES * (end - begun))

    def state_dict(self) -> dict[str, Any]:
        return self._own.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._own.load_state_dict(state)


def _now():
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _ending(training):
    """Status and reason of a training that ends."""
    if training.failed:
        # The exception is on its way while callbacks are called.
        error = sys.exc_info()[1]
        return ("stopped", "interrupted") if isinstance(error, KeyboardInterrupt) else ("failed", repr(error))
    return ("finished", "") if training.stop_reason is None else ("stopped", training.stop_reason)


def _settings(training: Training) -> dict[str, Any]:
    network, loader, validation = training.network, training.loader, training.validation
    return {
        "network": network.name or type(network).__name__,
        "parameters": sum(parameter.size for parameter in network.parameters()),
        "trainable": sum(parameter.size for parameter in network.parameters() if parameter.trainable),
        "dtype": network.dtype.name,
        "loss": type(training.loss_fn).__name__,
        "optimizer": repr(training.optimizer),
        "clip norm": training.clip_norm,
        "epochs": training.epochs,
        "steps per epoch": training.steps_per_epoch,
        "batch size": loader.batch_size,
        "samples": loader.samples,
        "validation samples": None if validation is None else validation.samples,
        "callbacks": ", ".join(type(callback).__name__ for callback in training.callbacks),
        "seed": str(training.seed),
        "threads": get_num_threads(),
    }


def _layers(training: Training) -> list[dict[str, Any]]:
    """Rows of the network's summary for a batch of the training; none for a network that has no summary."""
    if training.input_shape is None:
        return []
    try:
        found = summary(training.network, (training.loader.batch_size, *training.input_shape[1:]))
    except FastconvError:
        return []
    return [dataclasses.asdict(row) for row in found.rows]
