"""`History`: what training measured, by epoch and by step."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ..errors import InvalidArgumentError
from .figures import figure, finish
from .strict_json import read_json, write_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["History"]

_FORMAT = "fastconv.history/1"
# What one figure shows together: its title, and the quantities by the name that the validation's is derived from.
_CURVES = ("loss", "accuracy", "lr", "grad_norm")


class History:
    """What training measured: one column a quantity, one entry an epoch or a step.

    Attributes
    ----------
    epochs : dict of str to list
        By epoch: ``epoch`` (from 0), ``loss`` and ``accuracy`` (means over its samples, each measured in the step that trained
        on it), ``val_loss``, ``val_accuracy``, ``lr`` (at the epoch's last step), ``seconds``, and what callbacks added.
    steps : dict of str to list
        By step: ``epoch``, ``loss``, ``accuracy``, ``lr``, ``samples``, ``grad_norm`` where gradients are clipped or monitored.

    Notes
    -----
    ``history["val_loss"]`` is the column of the epochs. What was not measured (the accuracy of a regression, the validation of
    an epoch without one) is NaN where others have a value, and no column where nobody has.

    Examples
    --------
    >>> history = History()
    >>> history.add_epoch({"epoch": 0, "loss": 2.0})
    >>> history.add_epoch({"epoch": 1, "loss": 1.5, "val_loss": 1.75})
    >>> history["loss"], history["val_loss"]
    ([2.0, 1.5], [nan, 1.75])
    >>> len(history)
    2
    """

    def __init__(self) -> None:
        self.epochs: dict[str, list[float]] = {}
        self.steps: dict[str, list[float]] = {}

    def add_epoch(self, record: Mapping[str, float]) -> None:
        """Append an epoch's quantities."""
        _append(self.epochs, record)

    def add_step(self, record: Mapping[str, float]) -> None:
        """Append a step's quantities."""
        _append(self.steps, record)

    def __getitem__(self, name: str) -> list[float]:
        if name not in self.epochs:
            raise InvalidArgumentError(f"history: has no {name!r}; there are {', '.join(self.epochs) or 'no epochs yet'}")
        return self.epochs[name]

    def __contains__(self, name: object) -> bool:
        return name in self.epochs

    def __len__(self) -> int:
        """Number of epochs."""
        return _length(self.epochs)

    def best_epoch(self, name: str = "val_loss", mode: str = "auto") -> int:
        """The index of the epoch in which a quantity was best, NaN left out.

        Parameters
        ----------
        name : str
        mode : {"auto", "min", "max"}
            auto: accuracies are best at their largest, all else at its smallest.

        Raises
        ------
        InvalidArgumentError
            If there is no such quantity, or none but NaN.
        """
        values = [(value, i) for i, value in enumerate(self[name]) if not math.isnan(value)]
        if not values:
            raise InvalidArgumentError(f"history: {name!r} was never measured")
        sign = -1 if larger_is_better(name, mode) else 1
        return min(values, key=lambda pair: (sign * pair[0], pair[1]))[1]

    def to_dict(self) -> dict[str, dict[str, list[float]]]:
        """Copies of the columns: ``{"epochs": {name: list}, "steps": {name: list}}``."""
        return {
            "epochs": {name: list(column) for name, column in self.epochs.items()},
            "steps": {name: list(column) for name, column in self.steps.items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Mapping[str, Iterable[float]]]) -> History:
        """The inverse of `to_dict`."""
        history = cls()
        for columns, given in ((history.epochs, data["epochs"]), (history.steps, data["steps"])):
            columns.update({name: list(column) for name, column in given.items()})
            if len({len(column) for column in columns.values()}) > 1:
                raise InvalidArgumentError("history: columns of different lengths")
        return history

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write JSON; NaN and infinities become strings."""
        write_json(path, {"format": _FORMAT, **self.to_dict()})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> History:
        """What `save` wrote.

        Raises
        ------
        InvalidArgumentError
            The file is damaged or not a history.
        """
        try:
            data = read_json(path)
            if data["format"] != _FORMAT:
                raise InvalidArgumentError(f"{path}: got format {data['format']!r}, expected {_FORMAT!r}")
            return cls.from_dict(data)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            if isinstance(error, InvalidArgumentError):
                raise
            raise InvalidArgumentError(f"{path}: not a history written by fastconv, or damaged: {error}") from error

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """Curves of loss, accuracy, learning rate and gradient norm, in training and validation.

        Parameters
        ----------
        path : path, optional
            Where to write the figure; the suffix chooses the kind (png, svg, pdf).

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        MissingExtraError
            Without matplotlib (the extra ``plots``).
        """
        shown = list(self._curves())
        drawn, axes = figure(len(shown))
        for axis, (name, by_epoch, lines) in zip(axes, shown, strict=True):
            for label, points in lines.items():
                axis.plot(*zip(*points, strict=True), label=label, marker="." if by_epoch else "")
            axis.set(xlabel="epoch" if by_epoch else "step", title=name.replace("_", " "))
            if len(lines) > 1:
                axis.legend()
        return finish(drawn, path)

    def _repr_html_(self) -> str:
        from .. import notebook  # in a notebook only

        drawn = [
            notebook.curves(
                f"{name.replace('_', ' ')} by {'epoch' if by_epoch else 'step'}",
                {label: [value for _, value in points] for label, points in lines.items()},
            )
            for name, by_epoch, lines in self._curves()
        ]
        measured = {n: column for n, column in self.epochs.items() if n != "epoch" and not all(map(math.isnan, column))}
        rows = [(name, f"{column[0]:.4g}", f"{column[-1]:.4g}", self._best(name)) for name, column in measured.items()]
        size = f"{len(self)} epochs, {_length(self.steps)} steps"
        return "".join(drawn) + notebook.table(("quantity", "first", "last", "best"), rows, caption=size)

    def _curves(self):
        """(name, whether by epoch, points by label): by epoch what epochs have, else by step; NaN is no point."""
        for name in _CURVES:
            labels = (name, f"val_{name}")
            by_epoch = any(label in self.epochs for label in labels)
            columns = self.epochs if by_epoch else self.steps
            points = {label: [p for p in enumerate(columns.get(label, ()), 1) if math.isfinite(p[1])] for label in labels}
            if any(points.values()):
                yield name, by_epoch, {label: found for label, found in points.items() if found}

    def _best(self, name):
        if not name.endswith(("loss", "accuracy")) or all(map(math.isnan, self.epochs[name])):
            return ""
        epoch = self.best_epoch(name)
        return f"{self.epochs[name][epoch]:.4g} in epoch {epoch + 1}"

    def __repr__(self) -> str:
        last = ", ".join(f"{name} {column[-1]:.4g}" for name, column in self.epochs.items() if name != "epoch")
        return f"<History {len(self)} epochs{': ' + last if last else ''}>"


def larger_is_better(name: str, mode: str = "auto") -> bool:
    """Whether a quantity is best at its largest: under mode "auto" accuracies are."""
    if mode not in ("auto", "min", "max"):
        raise InvalidArgumentError(f"mode: got {mode!r}, expected auto, min or max")
    return mode == "max" or (mode == "auto" and "accuracy" in name)


def _length(columns):
    return max(map(len, columns.values()), default=0)


def _append(columns, record):
    length = _length(columns)
    for name in record:
        columns.setdefault(name, [math.nan] * length)
    for name, column in columns.items():
        column.append(record.get(name, math.nan))
