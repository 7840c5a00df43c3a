"""`RunRecord`: everything that a training leaves to look at, in one file."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import InvalidArgumentError
from .checkpoint_file import load_checkpoint
from .history import History
from .monitor import Monitor
from .strict_json import as_strict, read_json, write_json

__all__ = ["RunRecord"]

_FORMAT = "fastconv.run/1"
# A file of a history alone, and how it is told.
_HISTORY_FORMAT = "fastconv.history/1"
_PLAIN = ("status", "reason", "started", "updated", "settings", "layers", "environment")


@dataclasses.dataclass
class RunRecord:
    """A training as `Recorder` writes it: what `fastconv report train` shows.

    Attributes
    ----------
    status : {"running", "finished", "stopped", "failed", ""}
        ``"running"`` as well for a run that was killed; ``""`` if the file does not tell.
    reason : str
        Why it was stopped, or what it failed with.
    started, updated : str
        Times of day, UTC, as ISO 8601: of the beginning, and of the last writing.
    settings : dict
        Of the training, by name: network, optimizer, batch size, ...
    layers : list of dict
        Rows of `fastconv.diagnostics.summary`.
    environment : dict of str to str
    history : History
    monitor : Monitor

    Examples
    --------
    >>> record = RunRecord(status="finished", history=History())
    >>> record.history.add_epoch({"epoch": 0, "loss": 0.5})
    >>> record.save("run.json")
    >>> RunRecord.load("run.json").history["loss"]
    [0.5]
    """

    status: str = ""
    reason: str = ""
    started: str = ""
    updated: str = ""
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    layers: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    history: History = dataclasses.field(default_factory=History)
    monitor: Monitor = dataclasses.field(default_factory=Monitor)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for strict JSON; NaN and infinities are strings."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        kept = {"history": self.history.to_dict(), "monitor": {"every": self.monitor.every, **self.monitor.to_dict()}}
        return as_strict({"format": _FORMAT, **plain, **kept})

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write JSON; an older file is replaced at once, by a whole one."""
        write_json(path, self.to_dict())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> RunRecord:
        """What `save` wrote; a `History` that was saved and a `Checkpoint` are taken as well, as far as they go.

        Raises
        ------
        InvalidArgumentError
            The file is missing, damaged, or none of these.
        """
        try:
            if pathlib.Path(path).suffix in (".npz", ".safetensors"):
                return _of_checkpoint(load_checkpoint(path))
            data = read_json(path)
            if data["format"] == _HISTORY_FORMAT:
                return cls(history=History.from_dict(data))
            if data["format"] != _FORMAT:
                raise ValueError(f"format {data['format']!r}")
            return cls(
                **{name: data[name] for name in _PLAIN},
                history=History.from_dict(data["history"]),
                monitor=_monitor(data["monitor"]),
            )
        except OSError as error:
            raise InvalidArgumentError(f"{path}: cannot be read: {error.strerror}") from error
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            if isinstance(error, InvalidArgumentError):
                raise
            raise InvalidArgumentError(f"{path}: not a record of a training, or damaged: {error}") from error


def _monitor(state: Mapping[str, Any], every: int = 1) -> Monitor:
    monitor = Monitor(state.get("every", every))
    monitor.load_state_dict(state)
    return monitor


def _of_checkpoint(state):
    columns = {kind: {name: np.asarray(c).tolist() for name, c in found.items()} for kind, found in state["history"].items()}
    # A recorder's state is that of its monitor.
    kept = next((found for name in ("Monitor", "Recorder") if (found := state["callbacks"].get(name))), None)
    return RunRecord(
        settings={"epochs done": state["epoch"], "steps done": state["step"]},
        history=History.from_dict(columns),
        monitor=_monitor(kept) if kept else Monitor(),
    )
