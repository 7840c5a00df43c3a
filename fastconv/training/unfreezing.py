"""Layer-wise training: `train_only` and the callback `GradualUnfreezing`.

A layer is named by its path, as `Layer.layers_inside` gives it; the name of a block stands for all layers within.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ..errors import InvalidArgumentError, InvalidTypeError
from ..nn.layer import Layer
from .callback import Callback

if TYPE_CHECKING:
    from .loop import Training

__all__ = ["GradualUnfreezing", "train_only"]


def train_only(network: Layer, *names: str) -> None:
    """Freeze all layers but those named; without names, all.

    Parameters
    ----------
    network : Layer
        With parameters: built.
    names : str
        Paths of layers or blocks; "all" is the whole network.

    Raises
    ------
    InvalidArgumentError
        If there is no layer of that path.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> network = fc.nn.CNN([fc.nn.Dense(4, name="body"), fc.nn.ReLU(), fc.nn.Dense(2, name="head")], rng=0)
    >>> _ = network.forward(np.ones((1, 3), np.float32))
    >>> fc.training.train_only(network, "head")
    >>> [parameter.name for parameter in network.parameters() if parameter.trainable]
    ['head.weight', 'head.bias']
    """
    chosen = [_layer(network, name) for name in names]
    network.freeze()
    for layer in chosen:
        layer.unfreeze()


class GradualUnfreezing(Callback):
    """Trains layer by layer: from epoch to epoch more layers, or others (Howard and Ruder, 2018; Bengio et al., 2007).

    Parameters
    ----------
    stages : mapping of int to str or iterables of str
        By epoch, from 0: the paths of the layers that are trained from its beginning on; "all" is the whole network. Before the
        first stage nothing is trained.
    only : bool
        False: the layers of earlier stages are trained too. True: those of the present stage only, one layer at a time.

    Raises
    ------
    InvalidArgumentError
        If an epoch is negative, or, as training begins, there is no layer of a path.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> network = fc.nn.CNN([fc.nn.Dense(4, name="body"), fc.nn.ReLU(), fc.nn.Dense(2, name="head")], rng=0)
    >>> x, y = np.eye(4, dtype=np.float32), np.array([0, 1, 0, 1])
    >>> unfreezing = fc.training.GradualUnfreezing({0: "head", 2: "all"})
    >>> history = network.fit(x, y, optimizer=fc.optim.SGD(lr=0.5), epochs=4, callbacks=[unfreezing], rng=0, verbose=False)
    """

    def __init__(self, stages: Mapping[int, str | Iterable[str]], *, only: bool = False):
        if not isinstance(stages, Mapping):
            raise InvalidTypeError(f"stages: got {type(stages).__name__}, expected a mapping of epochs to paths of layers")
        self.stages = {epoch: (paths,) if isinstance(paths, str) else tuple(paths) for epoch, paths in sorted(stages.items())}
        if not self.stages or min(self.stages) < 0:
            raise InvalidArgumentError(f"stages: got the epochs {list(self.stages)}, expected one or more, from 0")
        self.only = only

    def on_train_begin(self, training: Training) -> None:
        for paths in self.stages.values():
            for path in paths:
                _layer(training.network, path)
        self._apply(training)

    def on_epoch_begin(self, training: Training) -> None:
        if training.epoch in self.stages:
            self._apply(training)

    def _apply(self, training):
        reached = [paths for epoch, paths in self.stages.items() if epoch <= training.epoch]
        if self.only:
            reached = reached[-1:]
        train_only(training.network, *(path for paths in reached for path in paths))


def _layer(network, path):
    if path == "all":
        return network
    layers = dict(network.layers_inside())
    if path not in layers:
        raise InvalidArgumentError(f"layer: got {path!r}, expected 'all' or one of {', '.join(filter(None, layers))}")
    return layers[path]
