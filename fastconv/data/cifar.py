"""CIFAR-10 and CIFAR-100 in their binary version: fixed records, one an image.

    CIFAR-10:  label, then 32x32 bytes of red, of green, of blue
    CIFAR-100: coarse label, fine label, then the same

(A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.)
"""

from __future__ import annotations

import os
import pathlib

import numpy as np

from ..errors import InvalidArgumentError
from .dataset import Dataset

__all__ = ["cifar10", "cifar100"]

_SHAPE = (3, 32, 32)
_PIXELS = 3 * 32 * 32
_CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_CIFAR10_FILES = {"train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)), "test": ("test_batch.bin",)}
_CIFAR100_FILES = {"train": ("train.bin",), "test": ("test.bin",)}
_CIFAR100_CLASSES = {"coarse": 20, "fine": 100}
# Folders that the distributed archives unpack to.
_CIFAR10_FOLDER, _CIFAR100_FOLDER = "cifar-10-batches-bin", "cifar-100-binary"


def cifar10(folder: str | os.PathLike[str], split: str = "train") -> Dataset:
    """The images of CIFAR-10.

    Parameters
    ----------
    folder : path
        Holds the binary version, ``data_batch_1.bin`` to ``data_batch_5.bin`` and ``test_batch.bin``, or its folder
        ``cifar-10-batches-bin``. The names of the classes are taken from ``batches.meta.txt`` if it is there.
    split : {"train", "test"}

    Returns
    -------
    Dataset
        Images of shape (n, 3, 32, 32), uint8, and 10 classes.

    Raises
    ------
    InvalidArgumentError
        If a file is missing or malformed; the message names it and says what came and what was expected. The pickled version
        ("for Python") is refused: loading a pickle can run any code.

    Examples
    --------
    >>> cifar10("/no/such/folder")
    Traceback (most recent call last):
    ...
    fastconv.errors.InvalidArgumentError: folder: '/no/such/folder' is not a folder
    """
    files = _files(folder, split, _CIFAR10_FILES, _CIFAR10_FOLDER)
    names = _class_names(files[0].with_name("batches.meta.txt"), 10) or _CIFAR10
    return _read(files, (10,), 0, names)


def cifar100(folder: str | os.PathLike[str], split: str = "train", labels: str = "fine") -> Dataset:
    """The images of CIFAR-100.

    Parameters
    ----------
    folder : path
        Holds the binary version, ``train.bin`` and ``test.bin``, or its folder ``cifar-100-binary``. The names of the classes
        are taken from ``fine_label_names.txt`` and ``coarse_label_names.txt``; where they are missing the names are numbers.
    split : {"train", "test"}
    labels : {"fine", "coarse"}
        The 100 classes, or the 20 superclasses.

    Returns
    -------
    Dataset
        Images of shape (n, 3, 32, 32), uint8.

    Raises
    ------
    InvalidArgumentError
        As `cifar10`.
    """
    if labels not in _CIFAR100_CLASSES:
        raise InvalidArgumentError(f"labels: got {labels!r}, expected one of {', '.join(_CIFAR100_CLASSES)}")
    files = _files(folder, split, _CIFAR100_FILES, _CIFAR100_FOLDER)
    count = _CIFAR100_CLASSES[labels]
    names = _class_names(files[0].with_name(f"{labels}_label_names.txt"), count) or tuple(map(str, range(count)))
    sizes = tuple(_CIFAR100_CLASSES.values())
    return _read(files, sizes, list(_CIFAR100_CLASSES).index(labels), names)


def _files(folder, split, names, subfolder):
    """The files of a split; those that are missing are an error."""
    if split not in names:
        raise InvalidArgumentError(f"split: got {split!r}, expected one of {', '.join(names)}")
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise InvalidArgumentError(f"folder: {str(folder)!r} is not a folder")
    if (folder / subfolder).is_dir():
        folder = folder / subfolder
    missing = [name for name in names[split] if not (folder / name).is_file()]
    if missing:
        raise InvalidArgumentError(f"folder: {str(folder)!r} has no {', '.join(missing)}{_pickled(folder, names, subfolder)}")
    return [folder / name for name in names[split]]


def _pickled(folder, names, subfolder):
    """What to say of the pickled version, if it is that which is there."""
    stems = [name.removesuffix(".bin") for group in names.values() for name in group]
    pickled_folder = subfolder.replace("-binary", "-python").replace("-bin", "-py")
    found = [name for name in (*stems, pickled_folder) if (folder / name).exists()]
    if not found:
        return f", of the binary version ({subfolder})"
    return f"; {found[0]} is the pickled version, which is not read, expected the binary one ({subfolder})"


def _read(files, class_counts, which, names):
    """The records of the files, whose first bytes are a label out of each number of classes."""
    header = len(class_counts)
    record = header + _PIXELS
    counts = [_records(path, record) for path in files]
    images, labels = np.empty((sum(counts), *_SHAPE), np.uint8), np.empty(sum(counts), np.int64)
    start = 0
    for path, count in zip(files, counts, strict=True):
        records = np.fromfile(path, np.uint8)
        if records.size != count * record:
            raise InvalidArgumentError(f"{path}: got {records.size} bytes, expected {count * record}")
        records = records.reshape(count, record)
        for column, classes in enumerate(class_counts):
            where = int(records[:, column].argmax())
            if records[where, column] >= classes:
                raise InvalidArgumentError(
                    f"{path}: got label {records[where, column]} (record {where}), expected 0 to {classes - 1}"
                )
        images[start : start + count] = records[:, header:].reshape(count, *_SHAPE)
        labels[start : start + count] = records[:, which]
        start += count
    return Dataset(images, labels, names)


def _records(path, record):
    size = path.stat().st_size
    if size == 0 or size % record:
        raise InvalidArgumentError(f"{path}: got {size} bytes, expected a multiple of {record}, the size of a record")
    return size // record


def _class_names(path, count):
    """The names in a text file, one a line; None if there is no such file."""
    if not path.is_file():
        return None
    try:
        names = path.read_text("utf-8").split()
    except UnicodeDecodeError as error:
        raise InvalidArgumentError(f"{path}: is not a text file: {error}") from None
    if len(names) != count:
        raise InvalidArgumentError(f"{path}: got {len(names)} names, expected {count}")
    return tuple(names)
