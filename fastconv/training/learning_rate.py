"""`LearningRateScheduler`: a schedule of `fastconv.optim`, stepped by epoch or by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import InvalidArgumentError, InvalidTypeError
from ..optim import OneCycle, ReduceOnPlateau, Schedule
from .callback import Callback
from .monitored import Monitored

if TYPE_CHECKING:
    from .loop import Training

__all__ = ["LearningRateScheduler"]


class LearningRateScheduler(Callback):
    """Sets the learning rate by a schedule.

    Parameters
    ----------
    schedule : fastconv.optim.Schedule
        Without an optimizer, or with the one that trains.
    every : {"epoch", "step"}, optional
        What the schedule counts. By default epochs; `OneCycle`, whose ``total_steps`` are those of the whole training, counts
        steps.
    monitor : str
        What `ReduceOnPlateau` goes by; "auto" is "val_loss" where there is validation, else "loss".

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> network = fc.nn.CNN([fc.nn.Dense(2)], rng=0)
    >>> x, y = np.eye(4, dtype=np.float32), np.array([0, 1, 0, 1])
    >>> scheduler = fc.training.LearningRateScheduler(fc.optim.StepLR(step_size=2, gamma=0.5), every="step")
    >>> history = network.fit(
    ...     x, y, optimizer=fc.optim.SGD(lr=0.4), batch_size=1, callbacks=[scheduler], rng=0, verbose=False
    ... )
    >>> history.steps["lr"]
    [0.4, 0.4, 0.2, 0.2]
    """

    def __init__(self, schedule: Schedule, every: str | None = None, monitor: str = "auto"):
        if not isinstance(schedule, Schedule):
            raise InvalidTypeError(f"schedule: got {type(schedule).__name__}, expected a schedule of fastconv.optim")
        if every not in (None, "epoch", "step"):
            raise InvalidArgumentError(f"every: got {every!r}, expected 'epoch' or 'step'")
        self.schedule = schedule
        self.every = every or ("step" if isinstance(schedule, OneCycle) else "epoch")
        self._monitored = Monitored(monitor) if isinstance(schedule, ReduceOnPlateau) else None

    def on_train_begin(self, training: Training) -> None:
        if self._monitored is not None:
            self._monitored.require(training)
        self.schedule.bind(training.optimizer)

    def on_step_end(self, training: Training) -> None:
        if self.every == "step":
            self._step(training)

    def on_epoch_end(self, training: Training) -> None:
        if self.every == "epoch":
            self._step(training)

    def _step(self, training):
        self.schedule.step(None if self._monitored is None else self._monitored.value(training))

    def state_dict(self) -> dict[str, Any]:
        return self.schedule.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.schedule.load_state_dict(state)
