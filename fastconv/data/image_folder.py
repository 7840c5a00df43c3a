"""Image files in one folder a class, decoded when they are asked for."""

from __future__ import annotations

import os
import pathlib
from typing import Any

import numpy as np

from ..errors import InvalidArgumentError
from ..extras import require
from ..problem import as_pair
from .dataset import Dataset

__all__ = ["ImageFiles", "image_folder", "read_image"]

_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_MODES = {1: "L", 3: "RGB"}


def image_folder(
    folder: str | os.PathLike[str],
    size: int | tuple[int, int] | None = None,
    *,
    channels: int = 3,
) -> Dataset:
    """A dataset of image files, one subfolder a class.

    Parameters
    ----------
    folder : path
        Its subfolders, sorted by name, are the classes. Each holds image files (BMP, GIF, JPEG, PGM, PNG, PPM, TIFF or WebP,
        told by their suffix), itself or in folders of its own; other and hidden files are left out.
    size : int or (int, int), optional
        Height and width. Each image is cut to their proportions around its centre and scaled to them (bilinear, antialiased).
        By default images keep their sizes, and a transform has to make them equal, such as `RandomResizedCrop`.
    channels : {1, 3}
        Grey or red, green and blue, whatever the files hold.

    Returns
    -------
    Dataset
        Its images, `ImageFiles`, are decoded as they are read: uint8.

    Raises
    ------
    InvalidArgumentError
        If there are no classes, or one without images. A file that cannot be decoded is an error when it is read.
    MissingExtraError
        Without Pillow (the extra ``images``).

    Examples
    --------
    >>> image_folder("/no/such/folder")
    Traceback (most recent call last):
    ...
    fastconv.errors.InvalidArgumentError: folder: '/no/such/folder' is not a folder
    """
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise InvalidArgumentError(f"folder: {str(folder)!r} is not a folder")
    classes = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not classes:
        raise InvalidArgumentError(f"folder: {str(folder)!r} has no subfolders, expected one for each class")
    files, labels = [], []
    for label, entry in enumerate(classes):
        found = sorted(path for path in entry.rglob("*") if path.suffix.lower() in _SUFFIXES and not path.name.startswith("."))
        if not found:
            raise InvalidArgumentError(f"{entry}: got no image file, expected at least one of {', '.join(_SUFFIXES)}")
        files += found
        labels += [label] * len(found)
    return Dataset(ImageFiles(files, size, channels=channels), labels, [entry.name for entry in classes])


class ImageFiles:
    """Images in files, each decoded when it is read; the `LazyImages` of `image_folder`.

    Parameters
    ----------
    paths : sequence of path
    size, channels
        Those of `image_folder`.

    Attributes
    ----------
    paths : tuple of pathlib.Path
    shape : (n, c, h, w)
        h and w are None where images keep their sizes.
    dtype : dtype
        uint8.

    Examples
    --------
    >>> ImageFiles(["a.png", "b.png"], size=32).shape
    (2, 3, 32, 32)
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, paths: Any, size: int | tuple[int, int] | None = None, *, channels: int = 3):
        require("PIL.Image", extra="images")
        if channels not in _MODES:
            raise InvalidArgumentError(f"channels: got {channels!r}, expected one of {', '.join(map(str, _MODES))}")
        self.paths = tuple(map(pathlib.Path, paths))
        self.size = None if size is None else as_pair("size", size, 1)
        self.channels = channels

    @property
    def shape(self) -> tuple[int | None, ...]:
        return (len(self.paths), self.channels, *(self.size or (None, None)))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> np.ndarray:
        if isinstance(index, (int, np.integer)):
            return read_image(self.paths[index], self.size, channels=self.channels)
        rows = np.arange(len(self))[index]
        images = [self[row] for row in rows]
        for row, image in zip(rows, images, strict=True):
            if image.shape != images[0].shape:
                raise InvalidArgumentError(
                    f"{self.paths[row]}: got shape {image.shape}, expected {images[0].shape} as of {self.paths[rows[0]].name}; "
                    "give image_folder a size, or the loader a transform that makes the images equal"
                )
        return np.stack(images) if images else np.empty((0, self.channels, *(self.size or (0, 0))), self.dtype)

    def select(self, rows: np.ndarray) -> ImageFiles:
        """The files of an array of integers, in its order."""
        return ImageFiles([self.paths[row] for row in rows], self.size, channels=self.channels)


def read_image(path: str | os.PathLike[str], size: int | tuple[int, int] | None = None, *, channels: int = 3) -> np.ndarray:
    """The image in a file, turned upright as its EXIF data say.

    Parameters
    ----------
    path : path
    size, channels
        Those of `image_folder`.

    Returns
    -------
    ndarray, shape (channels, h, w), uint8

    Raises
    ------
    InvalidArgumentError
        If the file is missing, cannot be decoded, or has more than 8 bits a channel.
    MissingExtraError
        Without Pillow (the extra ``images``).
    """
    image_module, operations = require("PIL.Image", extra="images"), require("PIL.ImageOps", extra="images")
    try:
        with image_module.open(path) as opened:
            if opened.mode.startswith(("I", "F")):
                raise InvalidArgumentError(f"{path}: got pixels of mode {opened.mode}, expected 8 bits a channel")
            image = operations.exif_transpose(opened).convert(_MODES[channels])
    except InvalidArgumentError:
        raise
    # Decoders raise errors of any kind on damaged files.
    except Exception as error:
        raise InvalidArgumentError(f"{path}: cannot be decoded as an image: {error}") from error
    if size is not None:
        height, width = as_pair("size", size, 1)
        image = operations.fit(image, (width, height), method=image_module.Resampling.BILINEAR)
    pixels = np.asarray(image)
    return np.ascontiguousarray(pixels.reshape(*pixels.shape[:2], channels).transpose(2, 0, 1))
