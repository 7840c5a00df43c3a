"""`Callback`: what training calls at its turning points, and `Callbacks`, which calls them all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..errors import InvalidTypeError

if TYPE_CHECKING:
    from .loop import Training

__all__ = ["Callback", "Callbacks"]


class Callback:
    """Base of all callbacks. Every method gets the `Training` that calls it, and may do nothing.

    They are called in this order::

        on_train_begin
          on_epoch_begin
            on_step_begin       before the forward pass
            on_gradients        after the backward pass, before the update: ``parameter.grad`` can be read and changed
            on_step_end         training.record: loss, accuracy, lr, ... of the step
          on_epoch_end          training.record: loss, accuracy, val_loss, ... of the epoch
        on_train_end            always, whether training ended, was stopped or failed

    Attributes
    ----------
    last : bool
        Callbacks with a true one are called after all others: checkpoints, which hold the state of the others.

    Examples
    --------
    >>> from fastconv import training
    >>> class StopWhenGood(training.Callback):
    ...     def on_epoch_end(self, training):
    ...         if training.record["val_accuracy"] > 0.99:
    ...             training.stop("good enough")
    """

    last = False

    def on_train_begin(self, training: Training) -> None:
        """Called once, after what was resumed has been restored."""

    def on_epoch_begin(self, training: Training) -> None:
        """Called before an epoch's first step; not where training is resumed within an epoch."""

    def on_step_begin(self, training: Training) -> None:
        """Called before a step's forward pass."""

    def on_gradients(self, training: Training) -> None:
        """Called between a step's backward pass and its update."""

    def on_step_end(self, training: Training) -> None:
        """Called after a step's update."""

    def on_epoch_end(self, training: Training) -> None:
        """Called after an epoch's validation."""

    def on_train_end(self, training: Training) -> None:
        """Called once, at last, even if training failed."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of the callback: numbers, strings, arrays, and lists and dicts of these."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` returned."""


class Callbacks:
    """Callbacks in order, those that come last at the end."""

    def __init__(self, callbacks: Iterable[Callback]):
        given = list(callbacks)
        for callback in given:
            if not isinstance(callback, Callback):
                raise InvalidTypeError(f"callbacks: got {type(callback).__name__}, expected instances of Callback")
        self.callbacks = sorted(given, key=lambda callback: callback.last)

    def __iter__(self):
        return iter(self.callbacks)

    def call(self, event: str, training: Training) -> None:
        """Call that method of each."""
        for callback in self.callbacks:
            getattr(callback, event)(training)

    def end(self, training: Training) -> None:
        """on_train_end of each, even if one fails; the first failure is raised then."""
        failure = None
        for callback in self.callbacks:
            try:
                callback.on_train_end(training)
            except BaseException as error:
                failure = failure or error
        if failure is not None:
            raise failure
