"""`Dataset`: labelled images and the names of their classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ..errors import InvalidArgumentError, InvalidTypeError

__all__ = ["Dataset", "LazyImages"]

# What images may be: bytes of 0 to 255, or real numbers.
_DTYPES = ("uint8", "float32", "float64")


@runtime_checkable
class LazyImages(Protocol):
    """Images that are made when they are asked for, such as those of `image_folder`; a `Dataset` takes them for an array.

    An integer index gives an array of shape (c, h, w), a slice or an index array one of shape (n, c, h, w). Reading from
    several threads at once is safe.
    """

    dtype: np.dtype

    @property
    def shape(self) -> tuple[int | None, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any) -> np.ndarray: ...

    def select(self, rows: np.ndarray) -> LazyImages:
        """Those images of an array of integers, in its order."""
        ...


class Dataset:
    """Images, a label for each, and the names of the classes.

    Parameters
    ----------
    images : ndarray, shape (n, c, h, w), of uint8 (0 to 255), float32 or float64; or LazyImages
    labels : ndarray of integers, shape (n,)
        The class of each image, counted from 0.
    classes : sequence of str, optional
        The name of each class; by default the numbers up to the largest label.

    Attributes
    ----------
    images : ndarray or LazyImages
    labels : ndarray of int64, shape (n,)
    classes : tuple of str

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If shapes disagree, a dtype is none of these, or a label names no class.

    Notes
    -----
    ``dataset[3]`` is an image and its label; ``dataset[2:5]`` and ``dataset[indices]`` are the arrays ``(images, labels)``;
    `subset` gives a Dataset.

    Examples
    --------
    >>> import numpy as np
    >>> cats = Dataset(np.zeros((3, 1, 8, 8), np.float32), np.array([0, 1, 1]), ["cat", "dog"])
    >>> cats
    Dataset(3 images of 1x8x8, float32, 2 classes)
    >>> image, label = cats[2]
    >>> image.shape, cats.classes[label]
    ((1, 8, 8), 'dog')
    >>> x, y = cats[:]
    >>> x.shape, y
    ((3, 1, 8, 8), array([0, 1, 1]))
    """

    def __init__(
        self,
        images: np.ndarray | LazyImages,
        labels: np.ndarray | Sequence[int],
        classes: Sequence[str] | None = None,
    ):
        self.images = _checked_images(images)
        self.labels = _checked_labels(labels, len(images))
        largest = int(self.labels.max(initial=-1))
        if classes is None:
            classes = [str(i) for i in range(largest + 1)]
        elif isinstance(classes, str):
            raise InvalidTypeError(f"classes: got the string {classes!r}, expected a sequence of names")
        self.classes = tuple(classes)
        if largest >= len(self.classes):
            where = int(np.argmax(self.labels))
            raise InvalidArgumentError(
                f"labels: got {largest} (sample {where}), expected less than {len(self.classes)}, the number of classes"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Any) -> tuple[np.ndarray, Any]:
        if isinstance(index, (int, np.integer)) and not isinstance(index, bool):
            if not -len(self) <= index < len(self):
                raise IndexError(f"dataset: got index {index}, there are {len(self)} samples")
            return self.images[int(index)], int(self.labels[index])
        if isinstance(index, slice):
            return self.images[index], self.labels[index]
        rows = self._rows(index)
        return self.images[rows], self.labels[rows]

    def __iter__(self) -> Iterator[tuple[np.ndarray, int]]:
        return (self[i] for i in range(len(self)))

    def subset(self, indices: Sequence[int] | np.ndarray | slice) -> Dataset:
        """The samples of these indices, in their order, with the same classes.

        Parameters
        ----------
        indices : sequence of int, ndarray of integers or booleans, or slice

        Raises
        ------
        InvalidArgumentError, InvalidTypeError
            If an index is out of range or none.

        Examples
        --------
        >>> import numpy as np
        >>> images = np.zeros((4, 1, 2, 2), np.uint8)
        >>> Dataset(images, [0, 1, 0, 1]).subset([3, 0]).labels
        array([1, 0])
        """
        if isinstance(indices, slice):
            rows = np.arange(len(self))[indices]
            images = self.images[indices] if isinstance(self.images, np.ndarray) else self.images.select(rows)
        else:
            rows = self._rows(indices)
            images = self.images[rows] if isinstance(self.images, np.ndarray) else self.images.select(rows)
        return Dataset(images, self.labels[rows], self.classes)

    def _rows(self, index):
        """An index array as integers from 0."""
        rows = np.asarray(index)
        if rows.dtype == bool:
            if rows.shape != (len(self),):
                raise InvalidArgumentError(f"indices: got a mask of shape {rows.shape}, expected {(len(self),)}")
            return np.flatnonzero(rows)
        if rows.size == 0:
            rows = rows.astype(np.int64)
        if rows.ndim != 1 or rows.dtype.kind not in "iu":
            raise InvalidTypeError(
                f"indices: got {rows.dtype} of shape {rows.shape}, expected an integer, a slice or a list of integers"
            )
        if rows.size and not -len(self) <= rows.min() <= rows.max() < len(self):
            raise InvalidArgumentError(f"indices: got {rows.min()} to {rows.max()}, there are {len(self)} samples")
        return np.where(rows < 0, rows + len(self), rows)

    def __repr__(self) -> str:
        c, h, w = ("?" if size is None else size for size in self.images.shape[1:])
        return f"Dataset({len(self)} images of {c}x{h}x{w}, {self.images.dtype}, {len(self.classes)} classes)"


def _checked_images(images):
    if not isinstance(images, (np.ndarray, LazyImages)):
        raise InvalidTypeError(f"images: got {type(images).__name__}, expected a NumPy array of shape (n, c, h, w)")
    if len(images.shape) != 4:
        raise InvalidArgumentError(f"images: got shape {tuple(images.shape)}, expected (n, c, h, w)")
    if images.dtype.name not in _DTYPES:
        raise InvalidTypeError(f"images: got dtype {images.dtype}, expected one of {', '.join(_DTYPES)}")
    return images


def _checked_labels(labels, n):
    labels = np.asarray(labels)
    if labels.shape != (n,):
        raise InvalidArgumentError(f"labels: got shape {labels.shape}, expected {(n,)}: one label per image")
    if n and labels.dtype.kind not in "iu":
        raise InvalidTypeError(f"labels: got dtype {labels.dtype}, expected integers")
    if n and labels.dtype == np.uint64 and labels.max() > np.iinfo(np.int64).max:
        raise InvalidArgumentError(f"labels: got {labels.max()}, expected numbers of classes")
    labels = labels.astype(np.int64, copy=False)
    if labels.min(initial=0) < 0:
        raise InvalidArgumentError(f"labels: got {labels.min()} (sample {labels.argmin()}), expected at least 0")
    return labels
