"""`DataLoader`: a dataset in batches, shuffled, augmented and prepared ahead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import InvalidArgumentError, InvalidTypeError
from ..problem import as_integer, require_at_least
from .dataset import Dataset
from .prefetch import prefetched
from .streams import BATCH, ORDER, SAMPLE, generator, seed_of
from .transforms import Compose

__all__ = ["DataLoader"]

# Images of bytes, 0 to 255, become numbers from 0 to 1.
_WHITE = 255
_DTYPES = ("float32", "float64")
# What has to be the same where a state is loaded, for the batches to be the same.
_SETTINGS = ("samples", "batch_size", "shuffle", "drop_last")


class DataLoader:
    """Batches (x, y) of a dataset; iterating once is an epoch.

    Parameters
    ----------
    data : Dataset or (x, y)
        Or a pair of arrays with as many entries along their first axis; y may be of any shape and dtype.
    batch_size : int
    shuffle : bool
        A new random order in every epoch.
    drop_last : bool
        Leave out a last batch that is not full.
    transform : callable or sequence of callables, optional
        What is done to each image and then to each batch; see `fastconv.data.transforms`. Images reach it as arrays of
        `dtype`.
    workers : int
        Threads that prepare batches ahead; 0 prepares each when it is asked for. They help where the work releases Python's
        lock: decoding files, and NumPy and SciPy on images that are not tiny. Transforms are called by several threads at once.
    prefetch : int
        Batches in preparation or ready, at most; never fewer than workers.
    rng : int or numpy.random.Generator, optional
        Orders and augmentation follow from it, whatever the number of workers; a Generator is drawn from once.
    dtype : {"float32", "float64"}
        Of x. Images of uint8 are divided by 255, anything else is converted.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If an argument is none of these, or, while iterating, transforms leave images of different shapes.

    Notes
    -----
    The random numbers of a sample depend on the seed, the epoch and its place in the dataset alone. So a loader made the same
    way and given another's `state_dict` goes on in the middle of an epoch with the batches that remained, to the last bit, as
    long as transforms draw from no other source than their `rng`.

    An iteration that is abandoned counts as an epoch: the next one has another order. It leaves no threads behind. Of several
    iterations at once, the state is that of the one begun last.

    Examples
    --------
    >>> x, y = np.zeros((10, 3, 8, 8), np.uint8), np.arange(10)
    >>> loader = DataLoader((x, y), batch_size=4, shuffle=True, rng=0)
    >>> [(images.shape, images.dtype.name, len(labels)) for images, labels in loader]
    [((4, 3, 8, 8), 'float32', 4), ((4, 3, 8, 8), 'float32', 4), ((2, 3, 8, 8), 'float32', 2)]

    Stopped after a batch, and gone on from there:

    >>> first, second = (DataLoader((x, y), batch_size=4, shuffle=True, rng=0) for _ in range(2))
    >>> batches = iter(first)
    >>> _ = next(batches)
    >>> second.load_state_dict(first.state_dict())
    >>> all((a[1] == b[1]).all() for a, b in zip(batches, second, strict=True))
    True
    """

    def __init__(
        self,
        data: Dataset | tuple[np.ndarray, np.ndarray],
        batch_size: int = 32,
        shuffle: bool = False,
        drop_last: bool = False,
        transform: Callable[..., Any] | Sequence[Callable[..., Any]] | None = None,
        workers: int = 0,
        prefetch: int = 2,
        rng: int | np.random.Generator | None = None,
        dtype: str = "float32",
    ):
        self._x, self._y = _arrays(data)
        self.batch_size = _at_least("batch_size", batch_size, 1)
        self.shuffle, self.drop_last = bool(shuffle), bool(drop_last)
        self.workers, self.prefetch = _at_least("workers", workers, 0), _at_least("prefetch", prefetch, 1)
        self.transform = _as_compose(transform)
        self.dtype = _as_dtype(dtype)
        self._seed = seed_of(rng)
        self._epoch = 0
        # Batches of the epoch that were handed out.
        self._batch = 0
        # The iteration that the state is of; None before one has begun.
        self._iteration: object | None = None

    @property
    def samples(self) -> int:
        """Number of samples."""
        return len(self._y)

    @property
    def epoch(self) -> int:
        """The epoch that is under way, or comes next; the first is 0."""
        return self._epoch

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        full, rest = divmod(self.samples, self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def set_epoch(self, epoch: int) -> None:
        """Go to the beginning of an epoch; a place within it that `load_state_dict` set is kept.

        Raises
        ------
        InvalidArgumentError, InvalidTypeError
            If it is no integer of at least 0.
        """
        epoch = _at_least("epoch", epoch, 0)
        if epoch != self._epoch or self._iteration is not None:
            self._go_to(epoch, 0)

    def state_dict(self) -> dict[str, int | bool]:
        """Where the iteration is: epoch, batches handed out, seed, and the settings that the batches depend on.

        Taken after the training step of a batch, it goes on with the next batch.
        """
        settings = {name: getattr(self, name) for name in _SETTINGS}
        return {"epoch": self._epoch, "batch": self._batch, "seed": self._seed, **settings}

    def load_state_dict(self, state: Mapping[str, int | bool]) -> None:
        """Go to where another loader was; the next iteration goes on there.

        Parameters
        ----------
        state : mapping
            What `state_dict` returned.

        Raises
        ------
        InvalidArgumentError, InvalidTypeError
            If it is not such, or of a loader with other samples or settings.
        """
        expected = self.state_dict()
        if set(state) != set(expected):
            raise InvalidArgumentError(f"state: got the entries {sorted(state)}, expected {sorted(expected)}")
        for name in _SETTINGS:
            if state[name] != expected[name]:
                raise InvalidArgumentError(f"state: {name} is {state[name]}, this loader's is {expected[name]}")
        epoch, batch, seed = (_at_least(f"state: {name}", state[name], 0) for name in ("epoch", "batch", "seed"))
        if batch > len(self):
            raise InvalidArgumentError(f"state: batch is {batch}, an epoch has {len(self)}")
        self._seed = seed
        self._go_to(epoch, batch)

    def _go_to(self, epoch, batch):
        self._epoch, self._batch, self._iteration = epoch, batch, None

    def __iter__(self) -> Iterator[tuple[np.ndarray, Any]]:
        if self._iteration is not None:
            self._go_to(self._epoch + 1, 0)
        self._iteration = object()
        return self._batches(self._iteration, self._seed, self._epoch, self._batch)

    def _batches(self, iteration, seed, epoch, start):
        rows = np.arange(self.samples)
        if self.shuffle:
            rows = generator(seed, epoch, ORDER).permutation(self.samples)
        numbers = range(start, len(self))

        def prepare(number):
            of_batch = rows[number * self.batch_size : (number + 1) * self.batch_size]
            try:
                return self._prepare(of_batch, seed, epoch, number)
            except Exception as error:
                error.add_note(f"in batch {number} of epoch {epoch}")
                raise

        batches = prefetched(prepare, numbers, self.workers, max(self.prefetch, self.workers))
        try:
            for number, batch in zip(numbers, batches, strict=True):
                if self._iteration is iteration:
                    self._batch = number + 1
                yield batch
        finally:
            batches.close()
        if self._iteration is iteration:
            self._go_to(epoch + 1, 0)

    def _prepare(self, rows, seed, epoch, number):
        """The batch of these rows."""
        if self.transform.has_sample_level or not isinstance(self._x, np.ndarray):
            x = self._one_by_one(rows, seed, epoch)
        else:
            x = self._as_float(self._x.take(rows, axis=0), copy=False)
        y = self._y.take(rows, axis=0)
        if self.transform.has_batch_level:
            x, y = self.transform(x, y, rng=generator(seed, epoch, BATCH, number))
        return x, y

    def _one_by_one(self, rows, seed, epoch):
        x = None
        for place, row in enumerate(rows):
            try:
                image = self._image(int(row), seed, epoch)
            except Exception as error:
                error.add_note(f"in sample {row}")
                raise
            if x is None:
                x = np.empty((len(rows), *image.shape), self.dtype)
            if image.shape != x.shape[1:]:
                raise InvalidArgumentError(
                    f"images: sample {row} has shape {image.shape}, the batch {x.shape[1:]}; a transform such as Resize or "
                    "RandomResizedCrop makes them equal"
                )
            x[place] = image
        return x

    def _image(self, row, seed, epoch):
        # A copy: transforms of the user's own may work in place.
        image = self._as_float(self._x[row], copy=True)
        return self.transform(image, rng=generator(seed, epoch, SAMPLE, row)) if self.transform.has_sample_level else image

    def _as_float(self, images, copy):
        """Images in the loader's dtype."""
        if images.dtype == np.uint8:
            return np.divide(images, self.dtype.type(_WHITE), order="C")
        return images.astype(self.dtype, order="C", copy=copy)

    def __repr__(self) -> str:
        return f"DataLoader({self.samples} samples in {len(self)} batches of {self.batch_size}, shuffle={self.shuffle})"


def _arrays(data):
    if isinstance(data, Dataset):
        x, y = data.images, data.labels
    elif isinstance(data, (tuple, list)) and len(data) == 2:
        x, y = (a if hasattr(a, "select") else np.asarray(a) for a in data)
    else:
        raise InvalidTypeError(f"data: got {type(data).__name__}, expected a Dataset or a pair (x, y) of arrays")
    for name, a in (("x", x), ("y", y)):
        if a.dtype == object or not a.shape:
            raise InvalidTypeError(f"{name}: got dtype {a.dtype} and shape {a.shape}, expected numbers, samples first")
    if len(x) != len(y):
        raise InvalidArgumentError(f"y: got {len(y)} entries, expected {len(x)}, one for each of x")
    return x, y


def _as_dtype(dtype):
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    if found is None or found.name not in _DTYPES:
        raise InvalidTypeError(f"dtype: got {dtype!r}, expected one of {', '.join(_DTYPES)}")
    return found


def _as_compose(transform):
    if transform is None:
        return Compose([])
    return transform if isinstance(transform, Compose) else Compose([transform] if callable(transform) else transform)


def _at_least(name, value, minimum):
    value = as_integer(name, value)
    require_at_least(name, value, minimum)
    return value
