"""Images and labels in a NumPy archive (.npz)."""

from __future__ import annotations

import math
import os
import pathlib
import zipfile
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.lib import format as npy

from ..errors import FastconvError, InvalidArgumentError, InvalidTypeError
from .dataset import Dataset

__all__ = ["npz"]

_DTYPES = ("uint8", "float32", "float64")
_LAYOUTS = {"nchw": (0, 1, 2, 3), "nhwc": (0, 3, 1, 2)}
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
# Deflate expands at most 1032-fold (zlib's technical notes), so that a larger declared size is known to be false.
_MOST_EXPANSION = 1032


def npz(
    path: str | os.PathLike[str],
    images: str = "x",
    labels: str = "y",
    *,
    layout: str = "nchw",
    classes: Sequence[str] | None = None,
) -> Dataset:
    """A dataset from two arrays of an ``.npz`` file.

    Parameters
    ----------
    path : path
    images, labels : str
        Names of the arrays. Images are uint8 (0 to 255), float32 or float64, of shape (n, c, h, w), or (n, h, w) for one
        channel; labels are integers of shape (n,) or (n, 1).
    layout : {"nchw", "nhwc"}
        The order of the images' axes in the file.
    classes : sequence of str, optional
        Names of the classes; by default numbers.

    Returns
    -------
    Dataset
        Images of shape (n, c, h, w), of the file's dtype.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If the file is malformed or the arrays are not such; the message names the file and says what came and what was
        expected. Arrays of objects are refused: they are pickles, and loading one can run any code.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(f"{folder}/d.npz", x=np.zeros((5, 28, 28), np.uint8), y=np.arange(5))
    ...     npz(f"{folder}/d.npz")
    Dataset(5 images of 1x28x28, uint8, 5 classes)
    """
    if layout not in _LAYOUTS:
        raise InvalidArgumentError(f"layout: got {layout!r}, expected one of {', '.join(_LAYOUTS)}")
    path = pathlib.Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            x, y = _read(archive, path, images), _read(archive, path, labels)
    except FastconvError:
        raise
    # What zipfile and NumPy raise of a damaged archive: bad structure, checksum, compression, encryption, header.
    except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise InvalidArgumentError(f"{path}: cannot be read as an .npz file: {error}") from error
    x = _as_images(x, layout, f"{path}: {images}")
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.dtype.kind not in "iu":
        raise InvalidTypeError(f"{path}: {labels} has dtype {y.dtype}, expected integers")
    try:
        return Dataset(x, y, classes)
    except FastconvError as error:
        raise type(error)(f"{path}: {error}") from None


def _read(archive, path, name):
    """An array of the archive, allocated only if the sizes that the file declares agree with one another."""
    try:
        info = archive.getinfo(f"{name}.npy")
    except KeyError:
        names = ", ".join(member.removesuffix(".npy") for member in archive.namelist())
        raise InvalidArgumentError(f"{path}: has no array {name!r}; there are {names or 'none'}") from None
    with archive.open(info) as stream:
        version = npy.read_magic(stream)
        if version not in _HEADERS:
            raise InvalidArgumentError(f"{path}: {name} has .npy format {version}, expected one of {list(_HEADERS)}")
        shape, _, dtype = _HEADERS[version](stream)
        if dtype.hasobject:
            raise InvalidTypeError(f"{path}: {name} holds Python objects, expected numbers; pickles are never loaded")
        size, held = math.prod(shape) * dtype.itemsize, info.file_size - stream.tell()
        expansion = 1 if info.compress_type == zipfile.ZIP_STORED else _MOST_EXPANSION
        if size != held or size > expansion * path.stat().st_size:
            raise InvalidArgumentError(f"{path}: {name} has {held} bytes, expected {size} for {dtype} of shape {shape}")
        if size == 0:
            raise InvalidArgumentError(f"{path}: {name} has shape {shape}, expected at least one value")
    with archive.open(info) as stream:
        return npy.read_array(stream, allow_pickle=False)


def _as_images(x, layout, what):
    if x.dtype.newbyteorder("=").name not in _DTYPES:
        raise InvalidTypeError(f"{what} has dtype {x.dtype}, expected one of {', '.join(_DTYPES)}")
    x = x.astype(x.dtype.newbyteorder("="), copy=False)
    if x.ndim == 3:
        return np.ascontiguousarray(x)[:, None]
    if x.ndim != 4:
        raise InvalidArgumentError(f"{what} has shape {x.shape}, expected ({', '.join(layout)}) or (n, h, w)")
    return np.ascontiguousarray(x.transpose(_LAYOUTS[layout]))
