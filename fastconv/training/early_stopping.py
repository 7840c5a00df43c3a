"""`EarlyStopping`: end training when a quantity no longer improves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InvalidArgumentError
from .callback import Callback
from .monitored import Monitored

if TYPE_CHECKING:
    from .loop import Training

__all__ = ["EarlyStopping"]


class EarlyStopping(Callback):
    """Ends training when a quantity has not improved for more than `patience` epochs (Prechelt, 1998).

    Parameters
    ----------
    monitor : str
        A quantity of the `History`; "auto" is "val_loss" where there is validation, else "loss".
    patience : int
        Epochs without improvement that are let pass.
    min_delta : float
        Improvements by less than this are none.
    mode : {"auto", "min", "max"}
        Which way the quantity improves; auto: accuracies upwards, all else downwards.
    restore_best : bool
        At the end of training, stopped or not, the parameters and buffers of the best epoch come back.

    Attributes
    ----------
    best : float or None
    best_epoch : int or None

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> network = fc.nn.CNN([fc.nn.Dense(2)], rng=0)
    >>> x, y = np.eye(4, dtype=np.float32), np.array([0, 1, 0, 1])
    >>> stopping = fc.training.EarlyStopping(monitor="accuracy", patience=1)
    >>> history = network.fit(x, y, optimizer=fc.optim.SGD(lr=0.5), epochs=50, callbacks=[stopping], rng=0, verbose=False)
    >>> len(history) < 50, stopping.best
    (True, 1.0)
    """

    def __init__(
        self,
        monitor: str = "auto",
        *,
        patience: int = 5,
        min_delta: float = 0.0,
        mode: str = "auto",
        restore_best: bool = False,
    ):
        if patience < 0:
            raise InvalidArgumentError(f"patience: got {patience}, expected at least 0")
        self.patience, self.restore_best = patience, restore_best
        self._monitored = Monitored(monitor, mode, min_delta)
        self._reset()

    def _reset(self):
        self.best: float | None = None
        self.best_epoch: int | None = None
        self._waited = 0
        self._weights: dict[str, np.ndarray] | None = None
        self._resumed = False

    def on_train_begin(self, training: Training) -> None:
        self._monitored.require(training)
        if not self._resumed:
            self._reset()
        self._resumed = False
        self._stop_if_due(training)

    def on_epoch_end(self, training: Training) -> None:
        value = self._monitored.value(training)
        if self._monitored.improves(value, self.best):
            self.best, self.best_epoch, self._waited = value, training.epoch, 0
            if self.restore_best:
                self._weights = training.network.state_dict()
        else:
            self._waited += 1
        self._stop_if_due(training)

    def _stop_if_due(self, training):
        if self._waited > self.patience:
            training.stop(f"{self._monitored.name} has not improved on {self.best} for {self._waited} epochs")

    def on_train_end(self, training: Training) -> None:
        if self._weights is not None and not training.failed:
            training.network.load_state_dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        weights = {} if self._weights is None else self._weights
        return {"best": self.best, "best_epoch": self.best_epoch, "waited": self._waited, "weights": weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.best, self.best_epoch, self._waited = state["best"], state["best_epoch"], state["waited"]
        self._weights = dict(state["weights"]) or None
        self._resumed = True
