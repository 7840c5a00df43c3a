"""`fit`: train a network on data."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..data import DataLoader, Dataset
from ..data.streams import seed_of
from ..errors import InvalidArgumentError, InvalidTypeError
from ..nn.network import Network
from ..optim import Optimizer, Schedule
from .callback import Callback
from .checkpoint import Checkpoint
from .checkpoint_file import load_checkpoint
from .history import History
from .learning_rate import LearningRateScheduler
from .loop import DROPOUT, ORDER, SPLIT, Training, stream
from .non_finite import StopOnNonFinite
from .progress import ProgressBar

__all__ = ["fit"]

Data = DataLoader | Dataset | tuple[np.ndarray, np.ndarray]


def fit(
    network: Network,
    x: np.ndarray | DataLoader | Dataset,
    y: np.ndarray | None = None,
    *,
    optimizer: Optimizer,
    epochs: int = 1,
    batch_size: int = 32,
    validation_data: Data | None = None,
    validation_split: float | None = None,
    callbacks: Iterable[Callback] = (),
    schedule: Schedule | LearningRateScheduler | None = None,
    loss: Any = None,
    shuffle: bool = True,
    transform: Callable[..., Any] | Sequence[Callable[..., Any]] | None = None,
    validation_transform: Callable[..., Any] | Sequence[Callable[..., Any]] | None = None,
    workers: int = 0,
    clip_norm: float | None = None,
    rng: int | np.random.Generator | None = None,
    verbose: bool = True,
    resume_from: str | os.PathLike[str] | None = None,
) -> History:
    """Train a network: epochs of steps, with validation and callbacks; `Network.fit` is the same.

    Parameters
    ----------
    network : Network
        Without parameters it gets them for the shape of the first batch.
    x : ndarray, Dataset or DataLoader
        Samples, first axis. Images of uint8 are divided by 255. A DataLoader brings its own labels, batches, order and
        transforms.
    y : ndarray, optional
        Targets of an array x, as the loss takes them.
    optimizer : Optimizer
        Of `fastconv.optim`.
    epochs : int
        In all: resumed training does those that remain.
    batch_size, shuffle, transform, workers
        See `fastconv.data.DataLoader`, which is made with them.
    validation_data : (x, y), Dataset or DataLoader, optional
        Evaluated after every epoch.
    validation_split : float, optional
        The share of x to set aside for validation instead, in (0, 1), drawn at random.
    validation_transform : callable or sequence of callables, optional
        What is done to the images of the validation.
    callbacks : iterable of Callback
        Called in this order, checkpoints last. A `StopOnNonFinite` is added if there is none.
    schedule : Schedule or LearningRateScheduler, optional
        Of the learning rate; a schedule counts epochs, `OneCycle` steps. For another habit see `LearningRateScheduler`.
    loss : loss of `fastconv.nn.losses`, optional
        In place of the network's own.
    clip_norm : float, optional
        Limit of the gradients' global norm, which is recorded then.
    rng : int or numpy.random.Generator, optional
        Everything random follows from it: initial values and dropout, unless the network or a layer has an ``rng`` of its own,
        the order of the samples, the augmentation, the split.
    verbose : bool
        Show a progress bar where standard error is a terminal.
    resume_from : path, optional
        Go on from a checkpoint, with the same network, data and arguments; see `Checkpoint`.

    Returns
    -------
    History

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        Before any training, naming the argument.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, 64)
    >>> x = (rng.standard_normal((64, 1, 8, 8)) + 2 * y.reshape(-1, 1, 1, 1)).astype(np.float32)
    >>> network = fc.nn.CNN([fc.nn.Conv2D(4, 3), fc.nn.ReLU(), fc.nn.Flatten(), fc.nn.Dense(2)])
    >>> history = network.fit(
    ...     x, y, optimizer=fc.optim.Adam(0.01), epochs=10, batch_size=8, validation_split=0.25, rng=0, verbose=False
    ... )
    >>> history["val_accuracy"][-1] > 0.9
    True
    """
    if not isinstance(network, Network):
        raise InvalidTypeError(f"network: got {type(network).__name__}, expected a Network, such as fastconv.nn.CNN")
    if not isinstance(optimizer, Optimizer):
        raise InvalidTypeError(f"optimizer: got {type(optimizer).__name__}, expected an optimizer of fastconv.optim")
    if epochs < 0:
        raise InvalidArgumentError(f"epochs: got {epochs}, expected at least 0")
    all_callbacks = _with_defaults(callbacks, schedule, verbose)
    resume_from = resume_from or _file_to_resume(all_callbacks)
    state = None if resume_from is None else load_checkpoint(resume_from)
    seed = seed_of(rng) if state is None else state["seed"]

    options: dict[str, Any] = {"batch_size": batch_size, "dtype": network.dtype.name, "workers": workers}
    data, held_out = _split(_data(x, y), validation_split, validation_data, seed)
    train_options: dict[str, Any] = {"shuffle": shuffle, "transform": transform, "rng": stream(seed, ORDER)}
    loader = data if isinstance(data, DataLoader) else DataLoader(data, **options, **train_options)
    if held_out is not None and not isinstance(held_out, DataLoader):
        held_out = DataLoader(held_out, **options, transform=validation_transform)

    training = Training(
        network, optimizer, loader, validation=held_out, loss_fn=loss or network.loss_fn, epochs=epochs,
        callbacks=all_callbacks, clip_norm=clip_norm, seed=seed,
    )  # fmt: skip
    if state is not None:
        training.input_shape = tuple(state["input_shape"])
    training.build()
    optimizer.bind(network.parameters())
    if state is not None:
        training.restore(state)
    elif rng is not None:
        _seed_layers(network, seed)
    return training.run()


def _data(x, y):
    if isinstance(x, (DataLoader, Dataset)):
        if y is not None:
            raise InvalidArgumentError(f"y: got targets beside a {type(x).__name__}, which has its own; expected None")
        return x
    if y is None:
        raise InvalidArgumentError("y: got None, expected targets; or give x as a Dataset or DataLoader")
    return x, y


def _split(data, share, validation_data, seed):
    """(data to train on, data of the validation or None)."""
    if share is None:
        if validation_data is None or isinstance(validation_data, (DataLoader, Dataset)):
            return data, validation_data
        if not isinstance(validation_data, (tuple, list)) or len(validation_data) != 2:
            raise InvalidTypeError("validation_data: expected (x, y), a Dataset or a DataLoader")
        return data, tuple(validation_data)
    if validation_data is not None:
        raise InvalidArgumentError("validation_split: got one beside validation_data, expected one of them")
    if isinstance(data, DataLoader):
        raise InvalidArgumentError(
            "validation_split: got one with a DataLoader, expected validation_data; see train_test_split"
        )
    if not 0 < share < 1:
        raise InvalidArgumentError(f"validation_split: got {share}, expected a share between 0 and 1")
    n = len(data if isinstance(data, Dataset) else data[1])
    held = round(share * n)
    if not 0 < held < n:
        raise InvalidArgumentError(f"validation_split: {share} of {n} samples leaves none for one part")
    order = stream(seed, SPLIT).permutation(n)
    parts = np.sort(order[held:]), np.sort(order[:held])
    if isinstance(data, Dataset):
        return tuple(data.subset(rows) for rows in parts)
    x, y = map(np.asarray, data)
    if len(x) != n:
        raise InvalidArgumentError(f"y: got {n} targets, expected {len(x)}, one for each of x")
    return tuple((x[rows], y[rows]) for rows in parts)


def _with_defaults(callbacks, schedule, verbose):
    chosen = list(callbacks)
    if schedule is not None:
        chosen.insert(0, schedule if isinstance(schedule, LearningRateScheduler) else LearningRateScheduler(schedule))
    if not any(isinstance(callback, StopOnNonFinite) for callback in chosen):
        chosen.append(StopOnNonFinite())
    if verbose and not any(isinstance(callback, ProgressBar) for callback in chosen):
        chosen.append(ProgressBar())
    return chosen


def _file_to_resume(callbacks):
    for callback in callbacks:
        if isinstance(callback, Checkpoint) and callback.resume and callback.path.exists():
            return callback.path
    return None


def _seed_layers(network, seed):
    """New generators for the layers that draw random numbers and have no ``rng`` of their own."""
    random = [layer for _, layer in network.layers_inside() if layer.random]
    for i, layer in enumerate(random):
        if getattr(layer, "rng", None) is None:
            layer.generator = stream(seed, DROPOUT, i)
