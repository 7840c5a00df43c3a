"""MNIST and the data sets in its file format, IDX: a magic number, big-endian sizes, then the bytes.

    images: 00 00 08 03, count, height, width (4 bytes each), then one byte a pixel, 0 black to 255 white
    labels: 00 00 08 01, count, then one byte a label

(Y. LeCun, C. Cortes, C. Burges, The MNIST database of handwritten digits, 1998.)
"""

from __future__ import annotations

import gzip
import math
import os
import pathlib
import struct
import zlib

import numpy as np

from ..errors import InvalidArgumentError
from .dataset import Dataset

__all__ = ["fashion_mnist", "mnist"]

_PREFIXES = {"train": "train", "test": "t10k"}
_DIGITS = tuple("0123456789")
_CLOTHES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
# The third byte of the magic number is the type of the values, the fourth the number of dimensions.
_UNSIGNED_BYTES = 0x08
# A deflated stream expands at most 1032-fold (zlib's technical notes), so that a larger declared size is known to be false.
_MOST_EXPANSION = 1032


def mnist(folder: str | os.PathLike[str], split: str = "train") -> Dataset:
    """The handwritten digits of MNIST, from the files of its distribution.

    Parameters
    ----------
    folder : path
        Holds ``train-images-idx3-ubyte`` and ``train-labels-idx1-ubyte``, for the test set ``t10k-...``; each may be
        compressed (``.gz``) and have a dot for its second hyphen (``train-images.idx3-ubyte``).
    split : {"train", "test"}

    Returns
    -------
    Dataset
        Images of shape (n, 1, h, w), uint8; classes "0" to "9".

    Raises
    ------
    InvalidArgumentError
        If a file is missing or malformed; the message names it and says what came and what was expected.

    Examples
    --------
    >>> mnist("/no/such/folder")
    Traceback (most recent call last):
    ...
    fastconv.errors.InvalidArgumentError: folder: '/no/such/folder' is not a folder
    """
    return _read(folder, split, _DIGITS)


def fashion_mnist(folder: str | os.PathLike[str], split: str = "train") -> Dataset:
    """The pictures of clothes of Fashion-MNIST (Xiao, Rasul, Vollgraf 2017), in files named as those of `mnist`.

    Parameters, result and errors are those of `mnist`; the classes are the garments' names.
    """
    return _read(folder, split, _CLOTHES)


def _read(folder, split, classes):
    if split not in _PREFIXES:
        raise InvalidArgumentError(f"split: got {split!r}, expected one of {', '.join(_PREFIXES)}")
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise InvalidArgumentError(f"folder: {str(folder)!r} is not a folder")
    prefix = _PREFIXES[split]
    image_file, label_file = _find(folder, f"{prefix}-images", 3), _find(folder, f"{prefix}-labels", 1)
    images, labels = _read_idx(image_file, 3), _read_idx(label_file, 1)
    if len(images) != len(labels):
        raise InvalidArgumentError(
            f"{label_file}: got {len(labels)} labels, expected {len(images)}, one for each image of {image_file.name}"
        )
    if labels.max() >= len(classes):
        where = int(labels.argmax())
        raise InvalidArgumentError(
            f"{label_file}: got label {labels[where]} (number {where}), expected up to {len(classes) - 1}"
        )
    return Dataset(images[:, None], labels, classes)


def _find(folder, stem, ndim):
    for mark in ("-", "."):
        for suffix in ("", ".gz"):
            path = folder / f"{stem}{mark}idx{ndim}-ubyte{suffix}"
            if path.is_file():
                return path
    raise InvalidArgumentError(f"folder: {str(folder)!r} has no {stem}-idx{ndim}-ubyte, compressed (.gz) or not")


def _read_idx(path, ndim):
    """The array of an IDX file of unsigned bytes."""
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rb") as stream:
            shape = _read_header(stream, path, ndim)
            size = math.prod(shape)
            held = path.stat().st_size
            if size > held * (_MOST_EXPANSION if path.suffix == ".gz" else 1):
                raise _wrong_size(path, shape, f"a file of {held} bytes")
            values = np.empty(shape, np.uint8)
            filled, view = 0, memoryview(values).cast("B")
            while filled < size and (count := stream.readinto(view[filled:])):
                filled += count
            if filled < size:
                raise _wrong_size(path, shape, f"{filled} bytes")
            if stream.read(1):
                raise _wrong_size(path, shape, "more bytes")
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidArgumentError(f"{path}: cannot be read: {error}") from error
    return values


def _read_header(stream, path, ndim):
    header = stream.read(4 + 4 * ndim)
    magic = bytes((0, 0, _UNSIGNED_BYTES, ndim))
    if header[:4] != magic:
        raise InvalidArgumentError(f"{path}: got magic number 0x{header[:4].hex()}, expected 0x{magic.hex()}")
    if len(header) < 4 + 4 * ndim:
        raise InvalidArgumentError(f"{path}: got {len(header)} bytes, expected a header of {4 + 4 * ndim}")
    shape = struct.unpack(f">{ndim}I", header[4:])
    if 0 in shape:
        raise InvalidArgumentError(f"{path}: got {_sizes(shape)} values, expected at least one")
    return shape


def _wrong_size(path, shape, what):
    return InvalidArgumentError(f"{path}: got {what}, expected {_sizes(shape)} values after the header, a byte each")


def _sizes(shape):
    return "x".join(map(str, shape))
