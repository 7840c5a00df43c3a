"""One step of training, and the evaluation of a network on batches."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ..nn.network import Evaluation, Network
from ..optim import Optimizer, clip_grad_norm

__all__ = ["StepResult", "evaluate", "gradients", "train_step"]


class StepResult(NamedTuple):
    """What `train_step` returns: the batch's mean loss and accuracy before the update, and the gradients' global norm.

    The accuracy is NaN for targets that are no classes, and the norm None unless gradients are clipped.
    """

    loss: float
    accuracy: float
    grad_norm: float | None


def train_step(
    network: Network,
    x: np.ndarray,
    y: np.ndarray,
    optimizer: Optimizer,
    *,
    loss: Any = None,
    clip_norm: float | None = None,
) -> StepResult:
    """Forward, loss, backward, clipping, update.

    Parameters
    ----------
    network : Network
    x : ndarray, shape (n, c, h, w) or (n, features)
    y : ndarray
        Targets, as the loss takes them: for cross-entropy labels (n,) or rows (n, classes).
    optimizer : Optimizer
        Of `fastconv.optim`; bound to the network's parameters, if it has none yet.
    loss : loss of `fastconv.nn.losses`, optional
        In place of the network's own.
    clip_norm : float, optional
        Limit of the gradients' global norm (Pascanu et al., 2013).

    Returns
    -------
    StepResult

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> network = fc.nn.CNN([fc.nn.Dense(2)], rng=0)
    >>> x, y = np.eye(4, dtype=np.float32), np.array([0, 1, 0, 1])
    >>> optimizer = fc.optim.SGD(lr=0.5)
    >>> results = [fc.training.train_step(network, x, y, optimizer) for _ in range(20)]
    >>> results[-1].loss < results[0].loss, results[-1].accuracy
    (True, 1.0)
    """
    value, accuracy = gradients(network, x, y, loss or network.loss_fn)
    optimizer.bind(network.parameters())
    norm = None if clip_norm is None else clip_grad_norm(optimizer.parameters, clip_norm)
    optimizer.step()
    return StepResult(value, accuracy, norm)


def gradients(network: Network, x: np.ndarray, y: np.ndarray, loss_fn: Any) -> tuple[float, float]:
    """(loss, accuracy) of a batch; sets the gradients of all parameters."""
    loss, scores = network.loss_and_scores(x, y, loss_fn)
    correct, counted = count_correct(scores, y, loss_fn)
    return float(loss), correct / counted if counted else math.nan


def evaluate(network: Network, batches: Iterable[tuple[np.ndarray, np.ndarray]], loss: Any = None) -> Evaluation:
    """Mean loss and accuracy over batches, as in evaluation; `Network.evaluate` is for arrays.

    Parameters
    ----------
    network : Network
    batches : iterable of (x, y)
        Such as a `fastconv.data.DataLoader`.
    loss : loss of `fastconv.nn.losses`, optional
        In place of the network's own.

    Returns
    -------
    Evaluation
        ``.loss`` and ``.accuracy``; NaN if there are no batches, or of targets that are no classes.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> network = fc.nn.CNN([fc.nn.Dense(2)], rng=0)
    >>> loader = fc.data.DataLoader((np.eye(4, dtype=np.float32), np.array([0, 1, 0, 1])), batch_size=3)
    >>> 0 <= fc.training.evaluate(network, loader).accuracy <= 1
    True
    """
    loss_fn = loss or network.loss_fn
    total, samples, correct, counted = 0.0, 0, 0, 0
    for x, y in batches:
        scores = network.infer(x)
        total += float(loss_fn.forward(scores, y)) * len(y)
        samples += len(y)
        of_batch = count_correct(scores, y, loss_fn)
        correct, counted = correct + of_batch[0], counted + of_batch[1]
    return Evaluation(total / samples if samples else math.nan, correct / counted if counted else math.nan)


def count_correct(scores: np.ndarray, y: np.ndarray, loss_fn: Any) -> tuple[int, int]:
    """How many samples have their largest score at their class, and of how many that can be said; 0 of 0 without classes."""
    if scores.ndim != 2 or scores.shape[1] < 2:
        return 0, 0
    y = np.asarray(y)
    if y.ndim == 1 and y.dtype.kind in "iu":
        judged = y != getattr(loss_fn, "ignore_index", None)
    elif y.shape == scores.shape:
        y, judged = y.argmax(axis=1), np.ones(len(y), bool)
    else:
        return 0, 0
    return int(np.count_nonzero((scores.argmax(axis=1) == y) & judged)), int(np.count_nonzero(judged))
