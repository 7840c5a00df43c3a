"""`Monitor`: the key quantities of a training, every so many steps: losses, gradients, activations, weights."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InvalidArgumentError
from ..nn import observed
from ..optim import global_norm
from .callback import Callback
from .figures import figure, finish
from .strict_json import read_json, write_json

if TYPE_CHECKING:
    from .loop import Training

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Monitor"]

_FORMAT = "fastconv.monitor/1"
# Quantities of steps, of each parameter, of each layer's result.
_SCALARS = ("step", "loss", "accuracy", "lr", "grad_norm")
_WEIGHTS = ("mean", "std", "min", "max", "update_ratio")
_ACTIVATIONS = ("mean", "std", "sparsity")
# What a notebook shows as curves.
_DRAWN = ("loss", "grad_norm")
_MOST_IN_LEGEND = 12


class Monitor(Callback):
    """Watches training: what to look at when it does not go well.

    Parameters
    ----------
    every : int
        Steps from one look to the next; the first step is looked at.
    activations : bool
        Mean, standard deviation and sparsity (the share of zeros) of every layer's result. The steps that are looked at run
        layer by layer, with nothing fused.
    weights : bool
        Mean, standard deviation, minimum and maximum of every parameter, and its update ratio: the norm of the step's change
        over that of the parameter, about 1e-3 where the learning rate is right.

    Attributes
    ----------
    scalars : dict of str to list
        ``step``, ``loss``, ``accuracy``, ``lr``, ``grad_norm`` (before clipping by ``clip_norm``) of the steps looked at.
    gradients : dict of str to list
        The norm of every parameter's gradient, by the parameter's name; NaN while it is frozen.
    activations, weights : dict of str to dict of str to list
        By layer or parameter: ``monitor.activations["conv2d"]["sparsity"]``.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> network = fc.nn.CNN([fc.nn.Dense(4), fc.nn.ReLU(), fc.nn.Dense(2)], rng=0)
    >>> x, y = np.eye(4, dtype=np.float32), np.array([0, 1, 0, 1])
    >>> monitor = fc.training.Monitor(every=2)
    >>> history = network.fit(x, y, optimizer=fc.optim.SGD(lr=0.5), epochs=4, callbacks=[monitor], rng=0, verbose=False)
    >>> monitor.scalars["step"], sorted(monitor.activations)
    ([1, 3], ['dense', 'dense_2', 'relu'])
    >>> monitor.activations["relu"].keys()
    dict_keys(['mean', 'std', 'sparsity'])
    """

    def __init__(self, every: int = 10, *, activations: bool = True, weights: bool = True):
        if every < 1:
            raise InvalidArgumentError(f"every: got {every}, expected at least 1")
        self.every, self._with_activations, self._with_weights = every, activations, weights
        self.scalars: dict[str, list[float]] = {name: [] for name in _SCALARS}
        self.gradients: dict[str, list[float]] = {}
        self.activations: dict[str, dict[str, list[float]]] = {}
        self.weights: dict[str, dict[str, list[float]]] = {}
        self._observing = ExitStack()
        self._before: dict[str, np.ndarray] = {}

    def _looks(self, training):
        return training.step % self.every == 0

    def on_step_begin(self, training: Training) -> None:
        if self._looks(training) and self._with_activations:
            self._observing.enter_context(observed(training.network, self._observe))

    def on_gradients(self, training: Training) -> None:
        if not self._looks(training):
            return
        self._observing.close()
        parameters = training.network.parameters()
        if "grad_norm" not in training.record:
            training.record["grad_norm"] = global_norm(parameters)
        for name in _SCALARS[1:]:
            self.scalars[name].append(training.record[name])
        self.scalars["step"].append(training.step + 1)
        for parameter in parameters:
            norm = global_norm([parameter]) if parameter.trainable and parameter.grad is not None else math.nan
            self.gradients.setdefault(parameter.name, []).append(norm)
        if self._with_weights:
            self._before = {parameter.name: parameter.array.copy() for parameter in parameters}

    def on_step_end(self, training: Training) -> None:
        for parameter in training.network.parameters() if self._before else ():
            before, value = self._before[parameter.name], parameter.array
            size = float(np.linalg.norm(before.ravel()))
            change = float(np.linalg.norm((value - before).ravel()))
            ratio = change / size if size else math.nan
            found = (value.mean(), value.std(), value.min(), value.max(), ratio)
            _append(self.weights, parameter.name, zip(_WEIGHTS, found, strict=True))
        self._before = {}

    def on_train_end(self, training: Training) -> None:
        self._observing.close()

    def _observe(self, layer, phase, function, array):
        result = function(array)
        if phase == "forward" and isinstance(result, np.ndarray) and result.size:
            found = (result.mean(), result.std(), 1 - np.count_nonzero(result) / result.size)
            _append(self.activations, layer.path, zip(_ACTIVATIONS, found, strict=True))
        return result

    def to_dict(self) -> dict[str, Any]:
        """All quantities, as lists by name."""
        return {
            "scalars": self.scalars,
            "gradients": self.gradients,
            "activations": self.activations,
            "weights": self.weights,
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write JSON; NaN and infinities become strings."""
        write_json(path, {"format": _FORMAT, "every": self.every, **self.to_dict()})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Monitor:
        """What `save` wrote, to be looked at and drawn.

        Raises
        ------
        InvalidArgumentError
            The file is damaged or not of a monitor.
        """
        try:
            data = read_json(path)
            if data["format"] != _FORMAT:
                raise ValueError(f"format {data['format']!r}")
            monitor = cls(data["every"])
            monitor.load_state_dict(data)
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidArgumentError(f"{path}: not written by a Monitor, or damaged: {error}") from error
        return monitor

    def state_dict(self) -> dict[str, Any]:
        return self.to_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.scalars, self.gradients = state["scalars"], state["gradients"]
        self.activations, self.weights = state["activations"], state["weights"]

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """Loss, learning rate, gradient norms, activation and weight statistics over the steps.

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
        panels = [(name, {name: self.scalars[name]}) for name in _SCALARS[1:]]
        panels.append(("gradient norm of each parameter", self.gradients))
        for kind, names, found in (("activations", _ACTIVATIONS, self.activations), ("weights", _WEIGHTS, self.weights)):
            if found:
                panels += [(f"{kind}: {name}", {key: columns[name] for key, columns in found.items()}) for name in names]
        drawn, axes = figure(len(panels), columns=3)
        steps = self.scalars["step"]
        for axis, (title, lines) in zip(axes, panels, strict=True):
            for label, values in lines.items():
                axis.plot(steps[: len(values)], values, label=label, marker=".")
            axis.set(title=title, xlabel="step")
            if title.startswith("gradient") or title.endswith("ratio"):
                # Layers differ by orders of magnitude; a logarithm of zero has no place.
                axis.set_yscale("symlog", linthresh=_smallest(lines))
            if 1 < len(lines) <= _MOST_IN_LEGEND:
                axis.legend(fontsize="x-small")
        return finish(drawn, path)

    def _repr_html_(self) -> str:
        from .. import notebook  # in a notebook only

        drawn = [
            notebook.curves(f"{name.replace('_', ' ')} of the steps looked at", {name: self.scalars[name]}) for name in _DRAWN
        ]
        weights = [
            (
                name,
                f"{norms[-1]:.3g}",
                *(f"{self.weights[name][kind][-1]:.3g}" if name in self.weights else "" for kind in _WEIGHTS),
            )
            for name, norms in self.gradients.items()
        ]
        activations = [(name, *(f"{found[kind][-1]:.3g}" for kind in _ACTIVATIONS)) for name, found in self.activations.items()]
        step = f"step {self.scalars['step'][-1]}" if self.scalars["step"] else "no step yet"
        header = ("parameter", "gradient norm", *(kind.replace("_", " ") for kind in _WEIGHTS))
        tables = [notebook.table(header, weights, caption=f"parameters, {step}")] if weights else []
        if activations:
            tables.append(notebook.table(("layer", *_ACTIVATIONS), activations, caption=f"activations, {step}"))
        return "".join([*drawn, *tables])


def _append(found, key, items):
    columns = found.setdefault(key, {})
    for name, value in items:
        columns.setdefault(name, []).append(float(value))


def _smallest(lines):
    positive = [value for values in lines.values() for value in values if value > 0 and math.isfinite(value)]
    return max(min(positive, default=1.0), np.finfo(float).tiny)
