"""`CNNClassifier`: a network as an estimator of scikit-learn."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import models, nn, optim
from ..errors import InvalidArgumentError
from ..extras import require
from ..functional import softmax
from .callback import Callback
from .early_stopping import EarlyStopping
from .fit import fit
from .learning_rate import LearningRateScheduler

__all__ = ["CNNClassifier"]

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator, ClassifierMixin
else:
    _base = require("sklearn.base", extra="sklearn")
    BaseEstimator, ClassifierMixin = _base.BaseEstimator, _base.ClassifierMixin

_OPTIMIZERS = {"adam": optim.Adam, "adamw": optim.AdamW, "sgd": optim.SGD, "rmsprop": optim.RMSprop, "adagrad": optim.Adagrad}
_SCHEDULES = ("one_cycle", "cosine")
_WHITE = 255
# Filters of the convolutions of the default network, and the least side that is halved by pooling.
_FILTERS = (32, 64)
_LEAST_POOLED = 4


class CNNClassifier(ClassifierMixin, BaseEstimator):
    """A convolutional network that follows scikit-learn's conventions: pipelines, grid search, cloning, pickling.

    Parameters
    ----------
    model : str or callable, optional
        The name of a function of `fastconv.models`, or a callable ``model(input_shape, num_classes, rng=rng)`` that returns a
        network for inputs (n, c, h, w). By default two convolutions of 3x3 with batch normalisation and pooling, which
        standardise their input and take images of any size.
    image_shape : (c, h, w), optional
        What the rows of a two-dimensional X are. By default a square of one channel if the number of features is a square, else
        one row of pixels.
    optimizer : str or callable
        "adam", "adamw", "sgd" (with momentum 0.9), "rmsprop", "adagrad", or a callable that takes the learning rate.
    learning_rate : float
        The highest, where there is a schedule.
    schedule : {"one_cycle", "cosine"} or None
    epochs, batch_size : int
    augmentation : callable or sequence of callables, optional
        See `fastconv.data.transforms`.
    early_stopping : bool
        Set `validation_fraction` of the samples aside, end when their accuracy has not improved for more than `patience`
        epochs, and keep the best parameters.
    validation_fraction : float
    patience : int
    callbacks : sequence of Callback
    random_state : int, RandomState instance or None
    verbose : bool
        Show progress.

    Attributes
    ----------
    classes_ : ndarray
        The labels, sorted.
    network_ : fastconv.nn.Network
    history_ : History
    image_shape_ : (c, h, w)
    n_features_in_ : int
        c h w
    n_iter_ : int
        Epochs trained.

    Notes
    -----
    X is (n, features), or an ndarray (n, c, h, w); values of uint8 are divided by 255. Labels are of any type that sorts. Needs
    scikit-learn (the extra ``sklearn``).

    Examples
    --------
    >>> import fastconv as fc
    >>> x, y = fc.data.digits()[:]
    >>> classifier = fc.training.CNNClassifier(epochs=5, random_state=0).fit(x[:1000], y[:1000])
    >>> classifier.score(x[1000:], y[1000:]) > 0.9
    True
    >>> classifier.predict_proba(x[1000:]).shape
    (797, 10)
    """

    def __init__(
        self,
        model: str | Callable[..., nn.Network] | None = None,
        *,
        image_shape: Sequence[int] | None = None,
        optimizer: str | Callable[[float], optim.Optimizer] = "adamw",
        learning_rate: float = 1e-2,
        schedule: str | None = "one_cycle",
        epochs: int = 20,
        batch_size: int = 64,
        augmentation: Callable[..., Any] | Sequence[Callable[..., Any]] | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 5,
        callbacks: Sequence[Callback] = (),
        random_state: Any = None,
        verbose: bool = False,
    ):
        self.model = model
        self.image_shape = image_shape
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.epochs = epochs
        self.batch_size = batch_size
        self.augmentation = augmentation
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.callbacks = callbacks
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any) -> CNNClassifier:
        """Train a new network.

        Parameters
        ----------
        X : array-like, shape (n, features), or ndarray, shape (n, c, h, w)
        y : array-like, shape (n,)
            Labels; at least two samples.

        Returns
        -------
        CNNClassifier
            self

        Raises
        ------
        ValueError
            Arguments or data that cannot be.
        """
        validation = require("sklearn.utils.validation", extra="sklearn")
        multiclass = require("sklearn.utils.multiclass", extra="sklearn")
        x = _rows(X)
        x, y = validation.validate_data(self, x, y, dtype=np.float32, order="C", ensure_min_samples=2)
        multiclass.check_classification_targets(y)
        self.image_shape_ = self._image_shape(_images_shape(X), x.shape[1])
        self.classes_, labels = np.unique(y, return_inverse=True)
        seed = require("sklearn.utils", extra="sklearn").check_random_state(self.random_state).randint(2**31 - 1)
        self.network_ = self._network(np.random.default_rng(seed))

        held = round(self.validation_fraction * len(x)) if self.early_stopping else 0
        batch_size = _batch_size(len(x) - held, self.batch_size)
        steps = self.epochs * math.ceil((len(x) - held) / batch_size)
        callbacks = list(self.callbacks)
        if self.early_stopping:
            callbacks.append(EarlyStopping("val_accuracy", patience=self.patience, restore_best=True))
        self.history_ = fit(
            self.network_,
            x.reshape(-1, *self.image_shape_),
            labels.astype(np.int64),
            optimizer=self._optimizer(),
            epochs=self.epochs,
            batch_size=batch_size,
            validation_split=self.validation_fraction if self.early_stopping else None,
            callbacks=callbacks,
            schedule=self._schedule(steps),
            transform=self.augmentation,
            rng=seed,
            verbose=self.verbose,
        )
        self.n_iter_ = len(self.history_)
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """The network's scores (logits), shape (n, classes); of two classes the difference, shape (n,)."""
        scores = self._scores(X)
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class, shape (n, classes), in the order of `classes_`."""
        return softmax(self._scores(X), axis=1)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable label of each sample, shape (n,)."""
        chosen = self._scores(X).argmax(axis=1)
        return self.classes_[chosen]

    def _scores(self, X):
        validation = require("sklearn.utils.validation", extra="sklearn")
        validation.check_is_fitted(self)
        if _images_shape(X) not in (None, self.image_shape_):
            raise InvalidArgumentError(f"X: got shape {X.shape}, expected (n, {', '.join(map(str, self.image_shape_))})")
        x = validation.validate_data(self, _rows(X), dtype=np.float32, order="C", reset=False)
        return self.network_.predict(x.reshape(-1, *self.image_shape_)).astype(np.float64)

    def _image_shape(self, given, features):
        wanted = None if self.image_shape is None else tuple(self.image_shape)
        if wanted is not None and (len(wanted) != 3 or math.prod(wanted) != features or given not in (None, wanted)):
            raise InvalidArgumentError(f"image_shape: got {wanted}, expected (c, h, w) as X has: {given or features}")
        if given or wanted:
            return given or wanted
        side = math.isqrt(features)
        return (1, side, side) if side * side == features else (1, 1, features)

    def _network(self, rng):
        shape, count = (None, *self.image_shape_), len(self.classes_)
        if self.model is None:
            return _default_network(self.image_shape_, count, rng)
        if callable(self.model):
            return self.model(shape, count, rng=rng)
        if self.model not in models.__all__:
            raise InvalidArgumentError(f"model: got {self.model!r}, expected one of {', '.join(models.__all__)}, or a callable")
        return getattr(models, self.model)(shape, count, rng=rng)

    def _optimizer(self):
        if callable(self.optimizer):
            return self.optimizer(self.learning_rate)
        if self.optimizer not in _OPTIMIZERS:
            known = ", ".join(_OPTIMIZERS)
            raise InvalidArgumentError(f"optimizer: got {self.optimizer!r}, expected a callable or one of {known}")
        options = {"momentum": 0.9} if self.optimizer == "sgd" else {}
        return _OPTIMIZERS[self.optimizer](lr=self.learning_rate, **options)

    def _schedule(self, steps):
        if self.schedule is None or not steps:
            return None
        if self.schedule == "one_cycle":
            return optim.OneCycle(max_lr=self.learning_rate, total_steps=steps)
        if self.schedule == "cosine":
            return LearningRateScheduler(optim.CosineAnnealing(period=steps), every="step")
        raise InvalidArgumentError(f"schedule: got {self.schedule!r}, expected None or one of {', '.join(_SCHEDULES)}")


def _images_shape(X):
    """(c, h, w) of an array of images, None of anything else."""
    return X.shape[1:] if isinstance(X, np.ndarray) and X.ndim == 4 else None


def _rows(X):
    """X with images as rows, bytes as numbers from 0 to 1."""
    if not isinstance(X, np.ndarray):
        return X
    x = X / np.float32(_WHITE) if X.dtype == np.uint8 else X
    return x.reshape(len(x), -1) if x.ndim == 4 else x


def _batch_size(samples, wanted):
    """The size wanted or a little more, so that no batch is left with a single sample: batch normalisation needs two."""
    size = max(1, min(wanted, samples))
    while samples > 1 and samples % size == 1 % size and size < samples:
        size += 1
    return size


def _default_network(image_shape, num_classes, rng):
    _, height, width = image_shape
    network = nn.CNN([nn.BatchNormalization()], rng=rng)
    for filters in _FILTERS:
        network.add_layer(nn.Conv2D(filters, 3, padding=1, bias=False))
        network.add_layer(nn.BatchNormalization()).add_layer(nn.ReLU())
        if min(height, width) >= _LEAST_POOLED:
            network.add_layer(nn.MaxPool2D(2))
            height, width = height // 2, width // 2
    network.add_layer(nn.Flatten()).add_layer(nn.Dropout(0.3)).add_layer(nn.Dense(num_classes))
    return network
