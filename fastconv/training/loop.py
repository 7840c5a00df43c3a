"""`Training`: the loop, and the state of a training that is under way.

run              epochs, of steps, with callbacks at the turning points
state, restore   everything that has to be the same for the rest to be bitwise the same
"""

from __future__ import annotations

import logging
import math
import time
from contextlib import closing
from typing import Any

import numpy as np

from ..data import DataLoader
from ..errors import InvalidArgumentError, NotReadyError
from ..nn.network import Network
from ..optim import Optimizer, clip_grad_norm
from .callback import Callback, Callbacks
from .history import History
from .step import evaluate, gradients

__all__ = ["Training"]

_log = logging.getLogger("fastconv")

# Streams of random numbers that follow from the seed of a training.
INITIAL_VALUES, DROPOUT, ORDER, SPLIT = range(4)


def stream(seed: int, *which: int) -> np.random.Generator:
    """The generator of that stream."""
    return np.random.default_rng([seed, *which])


class Training:
    """A training that is under way, as `fit` makes it and callbacks get it.

    Attributes
    ----------
    network, optimizer
        What is trained, and by what.
    loader : DataLoader
        Of the training data.
    validation : DataLoader or None
    loss_fn : loss of `fastconv.nn.losses`
    epochs : int
        How many there will be in all.
    epoch : int
        The one under way, from 0; in ``on_epoch_end`` the one that ends.
    step : int
        Updates done, in all epochs.
    batch : (x, y)
        The batch of the step.
    record : dict
        Of the step in ``on_gradients`` and ``on_step_end``, of the epoch in ``on_epoch_end``; what a callback adds in
        ``on_gradients`` becomes part of the `History`.
    history : History
    stop_reason : str or None
        Why training was stopped, if it was.
    failed : bool
        Whether an exception ended it.
    """

    def __init__(
        self,
        network: Network,
        optimizer: Optimizer,
        loader: DataLoader,
        *,
        validation: DataLoader | None,
        loss_fn: Any,
        epochs: int,
        callbacks: list[Callback],
        clip_norm: float | None,
        seed: int,
    ):
        self.network, self.optimizer, self.loader, self.validation = network, optimizer, loader, validation
        self.loss_fn, self.epochs, self.clip_norm, self.seed = loss_fn, epochs, clip_norm, seed
        self.callbacks = Callbacks(callbacks)
        self.history = History()
        self.epoch, self.step = 0, 0
        self.batch: tuple[np.ndarray, np.ndarray] | None = None
        self.record: dict[str, float] = {}
        self.stop_reason: str | None = None
        self.failed = False
        self.input_shape: tuple[int | None, ...] | Any = None
        # The epoch that goes on, or comes next, whether it has begun, and the seconds that it took so far.
        self._next_epoch, self._within_epoch, self._seconds = 0, False, 0.0
        self._abandoned = False
        self._started = 0.0

    @property
    def steps_per_epoch(self) -> int:
        """Steps of a whole epoch."""
        return len(self.loader)

    def stop(self, reason: str) -> None:
        """End training after the step under way, or in ``on_epoch_end`` after the epoch.

        An epoch that is left in its middle is not validated and has no record.
        """
        self.stop_reason = reason
        _log.info("training stopped in epoch %d: %s", self.epoch + 1, reason)

    def abandon(self, reason: str) -> None:
        """End training at once: called in ``on_gradients``, it leaves the parameters as they are."""
        self.stop(reason)
        self._abandoned = True

    def build(self) -> None:
        """Give the network its parameters, if it has none yet: the first batch tells the shape."""
        if self.input_shape is None:
            self.input_shape = self._first_shape()
        try:
            self.network.parameters()
        except NotReadyError:
            own = getattr(self.network, "rng", None)
            self.network.build(self.input_shape, stream(self.seed, INITIAL_VALUES) if own is None else own)

    def _first_shape(self):
        state = self.loader.state_dict()
        try:
            with closing(iter(self.loader)) as batches:
                x, _ = next(batches)
        except StopIteration:
            raise InvalidArgumentError(
                "x: got no batch, expected at least one sample, and a full batch with drop_last"
            ) from None
        finally:
            self.loader.load_state_dict(state)
        return None, *x.shape[1:]

    def run(self) -> History:
        """Train until the last epoch is done or somebody stops it."""
        try:
            self.callbacks.call("on_train_begin", self)
            while self.epoch < self.epochs and self.stop_reason is None:
                if not self._run_epoch():
                    break
                self.epoch = self._next_epoch
        except BaseException:
            self.failed = True
            raise
        finally:
            self.callbacks.end(self)
        return self.history

    def _run_epoch(self):
        """Whether the epoch came to its end."""
        self._started = time.perf_counter() - self._seconds
        if not self._within_epoch:
            self._within_epoch = True
            self.callbacks.call("on_epoch_begin", self)
        if self.stop_reason is not None:
            return False
        with closing(iter(self.loader)) as batches:
            for batch in batches:
                self._run_step(batch)
                if self._abandoned or (self.stop_reason is not None and not self._is_last_batch()):
                    return False
        self.record = self._epoch_record()
        self._next_epoch, self._within_epoch, self._seconds = self.epoch + 1, False, 0.0
        self.history.add_epoch(self.record)
        self.callbacks.call("on_epoch_end", self)
        return True

    def _is_last_batch(self):
        return self.loader.state_dict()["batch"] == len(self.loader)

    def _run_step(self, batch):
        self.batch = x, y = batch
        self.callbacks.call("on_step_begin", self)
        loss, accuracy = gradients(self.network, x, y, self.loss_fn)
        self.record = {"epoch": self.epoch, "loss": loss, "accuracy": accuracy, "lr": self.optimizer.lr, "samples": len(y)}
        if self.clip_norm is not None:
            self.record["grad_norm"] = clip_grad_norm(self.optimizer.parameters, self.clip_norm)
        self.callbacks.call("on_gradients", self)
        self.history.add_step(self.record)
        if self._abandoned:
            return
        self.optimizer.step()
        self.step += 1
        self._seconds = time.perf_counter() - self._started
        self.callbacks.call("on_step_end", self)

    def _epoch_record(self):
        steps = self.history.steps
        of_epoch = np.asarray(steps.get("epoch", [])) == self.epoch
        samples = np.asarray(steps.get("samples", []), float)[of_epoch]
        record: dict[str, float] = {"epoch": self.epoch}
        for name in ("loss", "accuracy"):
            values = np.asarray(steps.get(name, []), float)[of_epoch]
            record[name] = float((values * samples).sum() / samples.sum()) if samples.size else math.nan
        if self.validation is not None:
            record["val_loss"], record["val_accuracy"] = evaluate(self.network, self.validation, self.loss_fn)
        record["lr"] = steps["lr"][-1] if samples.size else self.optimizer.lr
        record["seconds"] = time.perf_counter() - self._started
        return record

    def state(self) -> dict[str, Any]:
        """Everything that the rest of the training depends on; called between steps or epochs."""
        network = self.network
        return {
            "epoch": self._next_epoch,
            "within_epoch": self._within_epoch,
            "step": self.step,
            "seconds": self._seconds,
            "seed": self.seed,
            "input_shape": list(self.input_shape),
            "loader": self.loader.state_dict(),
            "network": network.state_dict(),
            "random": network.random_states(),
            "frozen": [parameter.name for parameter in network.parameters() if not parameter.trainable],
            "optimizer": self.optimizer.state_dict(),
            "callbacks": {name: callback.state_dict() for name, callback in self._named_callbacks()},
            "history": {
                kind: {name: np.asarray(column) for name, column in columns.items()}
                for kind, columns in self.history.to_dict().items()
            },
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken; the network has to be built."""
        network = self.network
        self.loader.load_state_dict(state["loader"])
        network.load_state_dict(state["network"])
        network.load_random_states(state["random"])
        frozen = set(state["frozen"])
        for parameter in network.parameters():
            parameter.trainable = parameter.name not in frozen
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch = self._next_epoch = state["epoch"]
        self.step, self._seconds, self._within_epoch = state["step"], state["seconds"], state["within_epoch"]
        columns = {kind: {name: column.tolist() for name, column in found.items()} for kind, found in state["history"].items()}
        self.history = History.from_dict(columns)
        kept = dict(state["callbacks"])
        for name, callback in self._named_callbacks():
            if name in kept:
                callback.load_state_dict(kept.pop(name))
        left = sorted(name for name, of_callback in kept.items() if of_callback)
        if left:
            _log.warning("resumed without the callbacks %s, which the checkpoint has a state of", ", ".join(left))

    def _named_callbacks(self):
        """(name, callback), by class and by number where there are several of one."""
        counts: dict[str, int] = {}
        for callback in self.callbacks:
            kind = type(callback).__name__
            counts[kind] = counts.get(kind, 0) + 1
            yield kind if counts[kind] == 1 else f"{kind}#{counts[kind]}", callback
